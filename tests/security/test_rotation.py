"""New certificates come into use while everything goes on."""

import threading

import grpc
import pytest
from harness.api import EMPTY, Api, OperationError
from harness.waiting import eventually

ROTATIONS = 20


class Load:
    """Calls without a pause through channels of their own, until stopped."""

    def __init__(self, address, credentials, call):
        self._stop = threading.Event()
        self.calls = 0
        self.failures = []
        self._thread = threading.Thread(target=self._run, args=(address, credentials, call))
        self._thread.start()

    def _run(self, address, credentials, call):
        api = Api(address, timeout=30, credentials=credentials)
        while not self._stop.is_set():
            try:
                call(api)
                self.calls += 1
            except (grpc.RpcError, OperationError) as error:
                self.failures.append(error)
        api.close()

    def stop(self):
        self._stop.set()
        self._thread.join()


class OpenStream:
    """A stream of changes that must not end."""

    def __init__(self, call):
        self._call = call
        self.ended = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        try:
            for _ in self._call:
                pass
            self.ended = "ended"
        except grpc.RpcError as error:
            self.ended = error

    def close(self):
        ended = self.ended
        self._call.cancel()
        self._thread.join()
        return ended


def served_serial(address):
    """Of the certificate that a new handshake shows."""
    import socket
    import ssl

    from harness.ca import openssl

    host, port = address.split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        with context.wrap_socket(connection) as secured:
            pem = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))
    return int(openssl("x509", "-noout", "-serial", stdin=pem).strip().split("=")[1], 16)


def renew(vehicle, node_id):
    info = vehicle.api.enrol(node_id, "iam", vehicle.password, vehicle.ca)
    return int(info.serial, 16)


@pytest.fixture(scope="module")
def operator(identities, ca):
    return identities.operator().credentials(ca.root)


def test_the_main_nodes_certificate_is_rotated_under_load(vehicle, operator):
    loads = [
        Load(vehicle.main.protected, operator, lambda api: api.cert_types("main")),
        Load(vehicle.main.protected, operator, lambda api: api.cert_types("secondary-1")),
        Load(vehicle.main.public, operator, lambda api: api.node_ids()),
    ]
    watcher = Api(vehicle.main.protected, credentials=operator)
    streams = [
        OpenStream(watcher.nodes.SubscribeNodeChanged(EMPTY)),
        OpenStream(watcher.cert.SubscribeCertChanged(_cert_changed("iam"))),
        OpenStream(watcher.identity.SubscribeSubjectsChanged(EMPTY)),
    ]
    connected_since = {node.info.node_id: node.changed.ToMicroseconds() for node in vehicle.list_nodes()}
    for _ in range(ROTATIONS):
        serial = renew(vehicle, "main")
        for address in (vehicle.main.public, vehicle.main.protected):
            eventually(lambda address=address, serial=serial: served_serial(address) == serial, what="the new one in use")
    for load in loads:
        load.stop()
    assert [stream.close() for stream in streams] == [None, None, None]
    watcher.close()
    assert [load.failures for load in loads] == [[], [], []]
    assert all(load.calls > ROTATIONS for load in loads), [load.calls for load in loads]
    # The nodes' own streams stayed too.
    assert connected_since == {node.info.node_id: node.changed.ToMicroseconds() for node in vehicle.list_nodes()}


def _cert_changed(cert_type):
    from iamanager.v6 import iamanager_pb2 as iam

    return iam.SubscribeCertChangedRequest(type=cert_type)


def test_a_nodes_certificate_is_rotated_under_load(vehicle, operator):
    agent = vehicle.unit.secondaries[0]
    load = Load(vehicle.main.protected, operator, lambda api: api.cert_types(agent.id))
    for _ in range(5):
        serial = renew(vehicle, agent.id)
        eventually(lambda serial=serial: served_serial(agent.protected) == serial, what="the new one in use")
    load.stop()
    assert load.failures == []
    assert load.calls > 5
    assert vehicle.api.connected() == {"main", "secondary-1", "secondary-2"}


def test_a_certificate_of_another_key_never_replaces_a_working_one(vehicle, identities, ca, operator):
    before = vehicle.snapshot()
    serial = served_serial(vehicle.main.protected)
    foreign = identities.node("main")
    with pytest.raises(OperationError):
        vehicle.api.apply_cert("main", "iam", foreign.chain)
    assert served_serial(vehicle.main.protected) == serial
    assert vehicle.snapshot() == before
