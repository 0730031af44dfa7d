"""A main node after provisioning: restarted without --provisioning it serves with the key in its token."""

import contextlib
import signal
import ssl

import grpc
import pytest
from harness.api import EMPTY
from harness.ca import openssl, public_key_of_certificate, public_key_of_csr
from harness.ports import is_listening
from harness.waiting import eventually
from iamanager.v6 import iamanager_pb2 as iam
from iamanager.v6 import iamanager_pb2_grpc as iam_grpc

CODE = grpc.StatusCode


@pytest.fixture
def provisioned(make_unit, password):
    unit = make_unit(modules=None)
    unit.main.config["certModules"][0]["alternativeNames"] = ["main.unit"]
    unit.start()
    unit.api.provision("main", password, unit.ca)
    unit.main.stop()
    unit.main.arguments = ["-v", "debug"]
    return unit



def start(node):
    node.start(wait=False)
    eventually(lambda: is_listening(node.protected) and is_listening(node.public), within=30, what="listening")


def operator(unit, directory, name="operator"):
    key = openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout")
    (directory / f"{name}.key").write_text(key)
    csr = openssl("req", "-new", "-key", directory / f"{name}.key", "-subj", f"/CN={name}", "-addext",
                  "subjectAltName=URI:urn:provhub:role:operator", "-addext", "extendedKeyUsage=clientAuth")
    with open(unit.ca.root_path, "rb") as root:
        return grpc.ssl_channel_credentials(root.read(), key.encode(), unit.ca.sign(csr).encode())


@contextlib.contextmanager
def connected(address, credentials):
    options = [("grpc.ssl_target_name_override", "main.unit"), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(address, credentials, options) as channel:
        yield channel


def test_serves_operators_after_provisioning(provisioned, password, tmp_path):
    start(provisioned.main)
    credentials = operator(provisioned, tmp_path)
    with connected(provisioned.main.protected, credentials) as channel:
        info = iam_grpc.IAMPublicCurrentNodeServiceStub(channel).GetCurrentNodeInfo(EMPTY, timeout=10)
        assert info.state == "provisioned"
        # A renewed certificate is what the next connection sees; this one goes on.
        stub = iam_grpc.IAMCertificateServiceStub(channel)
        csr = stub.CreateKey(iam.CreateKeyRequest(node_id="main", type="iam", password=password), timeout=30).csr
        before = served_certificate(provisioned.main.public)
        applied = stub.ApplyCert(
            iam.ApplyCertRequest(node_id="main", type="iam", cert=provisioned.ca.sign(csr)), timeout=30)
        assert not applied.error.message
        eventually(lambda: served_certificate(provisioned.main.public) != before, what="the new certificate")
        assert public_key_of_certificate(served_certificate(provisioned.main.protected)) == public_key_of_csr(csr)
        stub.CreateKey(iam.CreateKeyRequest(node_id="main", type="iam", password=password), timeout=30)


def served_certificate(address):
    host, port = address.rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port)))


def test_refuses_a_caller_without_a_certificate_and_says_so(provisioned):
    start(provisioned.main)
    with open(provisioned.ca.root_path, "rb") as root:
        nobody = grpc.ssl_channel_credentials(root.read())
    with connected(provisioned.main.protected, nobody) as channel, pytest.raises(grpc.RpcError) as raised:
        iam_grpc.IAMNodesServiceStub(channel).PauseNode(iam.PauseNodeRequest(node_id="main"), timeout=10)
    assert raised.value.code() == CODE.UNAUTHENTICATED
    assert "no client certificate" in raised.value.details()
    with connected(provisioned.main.public, nobody) as channel:
        assert iam_grpc.IAMPublicNodesServiceStub(channel).GetAllNodeIDs(EMPTY, timeout=10).ids == ["main"]
    assert "refused anonymous" in provisioned.main.daemon.log()


def test_takes_new_trust_anchors_on_sighup(provisioned, tmp_path):
    main = provisioned.main
    anchors = tmp_path / "anchors.pem"
    with open(provisioned.ca.root_path) as root:
        anchors.write_text(root.read())
    main.config["caCert"] = str(anchors)
    start(main)
    anchors.write_text("garbage")
    main.daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: "stay in use" in main.daemon.log(), what="the refusal in the log")
    with connected(main.protected, operator(provisioned, tmp_path)) as channel:
        iam_grpc.IAMPublicNodesServiceStub(channel).GetAllNodeIDs(EMPTY, timeout=10)


def test_does_not_start_without_a_certificate_and_says_how_to_get_one(make_unit):
    main = make_unit().main
    main.arguments = []
    main.start(wait=False)
    assert main.daemon.wait(30) == 1
    assert "start with --provisioning and run provctl provision" in main.daemon.log()


def test_warns_of_provisioning_mode_on_a_provisioned_node(provisioned):
    provisioned.main.arguments = ["--provisioning"]
    provisioned.main.start()
    assert "this node has been provisioned already" in provisioned.main.daemon.log()
