"""The services of one node, through one channel."""

import grpc
from google.protobuf import empty_pb2
from iamanager import version_pb2_grpc
from iamanager.v6 import iamanager_pb2 as iam
from iamanager.v6 import iamanager_pb2_grpc as iam_grpc
from provhub.v1 import provhub_pb2 as ours
from provhub.v1 import provhub_pb2_grpc as ours_grpc

EMPTY = empty_pb2.Empty()

FAILED, RUNTIME, NOT_FOUND, INVALID, TIMEOUT, WRONG_STATE = 1, 2, 5, 6, 7, 9


class OperationError(Exception):
    """The operation was carried out and failed: `error` of the response."""

    def __init__(self, error):
        super().__init__(f"aos_code {error.aos_code}: {error.message}")
        self.code = error.aos_code
        self.exit_code = error.exit_code
        self.message = error.message


def _checked(response):
    if response.HasField("error") and (response.error.aos_code or response.error.message):
        raise OperationError(response.error)
    return response


class Api:
    def __init__(self, address, timeout=30.0, credentials=None, server_name=None):
        self.timeout = timeout
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # How long an attempt may take: a busy machine needs its time for a handshake.
            ("grpc.min_reconnect_backoff_ms", 10_000),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", -1),
        ]
        if server_name is not None:
            options.append(("grpc.ssl_target_name_override", server_name))
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=options)
        self.provisioning = iam_grpc.IAMProvisioningServiceStub(self.channel)
        self.certificates = iam_grpc.IAMCertificateServiceStub(self.channel)
        self.node_control = iam_grpc.IAMNodesServiceStub(self.channel)
        self.nodes = iam_grpc.IAMPublicNodesServiceStub(self.channel)
        self.current_node = iam_grpc.IAMPublicCurrentNodeServiceStub(self.channel)
        self.cert = iam_grpc.IAMPublicCertServiceStub(self.channel)
        self.identity = iam_grpc.IAMPublicIdentityServiceStub(self.channel)
        self.version = version_pb2_grpc.IAMVersionServiceStub(self.channel)
        self.directory = ours_grpc.NodeDirectoryServiceStub(self.channel)
        self.inspection = ours_grpc.InspectionServiceStub(self.channel)
        self._health = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes
        )

    def close(self):
        self.channel.close()

    def is_serving(self, timeout=2.0):
        # HealthCheckResponse{status: SERVING}
        return self._health(b"", timeout=timeout) == b"\x08\x01"

    def start(self, node, password, timeout=None):
        request = iam.StartProvisioningRequest(node_id=node, password=password)
        return _checked(self.provisioning.StartProvisioning(request, timeout=timeout or self.timeout))

    def cert_types(self, node):
        request = iam.GetCertTypesRequest(node_id=node)
        return list(self.provisioning.GetCertTypes(request, timeout=self.timeout).types)

    def create_key(self, node, cert_type, password, subject=""):
        request = iam.CreateKeyRequest(node_id=node, type=cert_type, password=password, subject=subject)
        response = _checked(self.certificates.CreateKey(request, timeout=self.timeout))
        assert response.type == cert_type
        return response.csr

    def apply_cert(self, node, cert_type, chain):
        request = iam.ApplyCertRequest(node_id=node, type=cert_type, cert=chain)
        return _checked(self.certificates.ApplyCert(request, timeout=self.timeout)).cert_info

    def finish(self, node, password):
        request = iam.FinishProvisioningRequest(node_id=node, password=password)
        return _checked(self.provisioning.FinishProvisioning(request, timeout=self.timeout))

    def deprovision(self, node, password, timeout=None):
        request = iam.DeprovisionRequest(node_id=node, password=password)
        return _checked(self.provisioning.Deprovision(request, timeout=timeout or self.timeout))

    def pause(self, node):
        return _checked(self.node_control.PauseNode(iam.PauseNodeRequest(node_id=node), timeout=self.timeout))

    def resume(self, node):
        return _checked(self.node_control.ResumeNode(iam.ResumeNodeRequest(node_id=node), timeout=self.timeout))

    def node_ids(self):
        return list(self.nodes.GetAllNodeIDs(EMPTY, timeout=self.timeout).ids)

    def node_info(self, node):
        return self.nodes.GetNodeInfo(iam.GetNodeInfoRequest(node_id=node), timeout=self.timeout)

    def state(self, node):
        return self.node_info(node).state

    def get_cert(self, cert_type, issuer=b"", serial=""):
        request = iam.GetCertRequest(type=cert_type, issuer=issuer, serial=serial)
        return self.cert.GetCert(request, timeout=self.timeout)

    def connected(self):
        """IDs of the nodes that are connected now, the main node included."""
        response = self.directory.ListNodes(ours.ListNodesRequest(connected_only=True), timeout=self.timeout)
        return {node.info.node_id for node in response.nodes}

    def list_certificates(self):
        response = self.inspection.ListCertificates(ours.ListCertificatesRequest(), timeout=self.timeout)
        return list(response.certificates)

    def enrol(self, node, cert_type, password, ca, subject=""):
        return self.apply_cert(node, cert_type, ca.sign(self.create_key(node, cert_type, password, subject)))

    def provision(self, node, password, ca):
        """The three phases."""
        self.start(node, password)
        for cert_type in self.cert_types(node):
            self.enrol(node, cert_type, password, ca)
        self.finish(node, password)
