"""RegisterNode streams of hostile and broken peers."""

import queue
import threading

import grpc
import pytest
from harness.waiting import eventually
from iamanager.v6 import iamanager_pb2 as iam


class FakeNode:
    """A peer that says what the test wants it to say."""

    def __init__(self, api):
        self._outgoing = queue.Queue()
        self.received = queue.Queue()
        self.stream = api.nodes.RegisterNode(iter(self._outgoing.get, None))
        self._reader = threading.Thread(target=self._read)
        self.error = None
        self._reader.start()

    def _read(self):
        try:
            for message in self.stream:
                self.received.put(message)
        except grpc.RpcError as error:
            self.error = error

    def say(self, message):
        self._outgoing.put(message)

    def register(self, node_id, state="unprovisioned"):
        info = iam.NodeInfo(node_id=node_id, state=state)
        self.say(iam.IAMOutgoingMessages(node_info=info))

    def refusal(self, within=10.0):
        """The status with which the main node ended the stream."""
        self._reader.join(within)
        assert not self._reader.is_alive(), "the stream was not ended"
        return self.error

    def close(self):
        self._outgoing.put(None)
        self.stream.cancel()
        self._reader.join()


@pytest.fixture
def connect(shared_unit):
    peers = []

    def make():
        peers.append(FakeNode(shared_unit.main.public_api))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()
    eventually(lambda: shared_unit.api.connected() == {"main", "secondary-1"}, what="the fake nodes gone")


def test_a_stream_that_says_another_message_first_is_ended(connect, shared_unit):
    peer = connect()
    peer.say(iam.IAMOutgoingMessages(start_provisioning_response=iam.StartProvisioningResponse()))
    assert peer.refusal().code() == grpc.StatusCode.INVALID_ARGUMENT
    assert peer.refusal().details()


def test_a_stream_that_says_an_empty_message_first_is_ended(connect):
    peer = connect()
    peer.say(iam.IAMOutgoingMessages())
    assert peer.refusal().code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_that_claims_the_main_nodes_id_is_ended(connect, shared_unit):
    before = shared_unit.api.node_info("main")
    peer = connect()
    peer.register("main")
    assert peer.refusal() is not None
    assert "main" in peer.refusal().details()
    assert shared_unit.api.node_info("main") == before
    assert "main" in shared_unit.api.connected()


BAD_IDS = {"empty": "", "65 characters": "n" * 65, "a control character": "a\nb", "not ASCII": "nœud"}


@pytest.mark.parametrize("node_id", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_a_stream_with_a_bad_node_id_is_ended(connect, shared_unit, node_id):
    peer = connect()
    peer.register(node_id)
    assert peer.refusal().code() == grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(shared_unit.api.node_ids()) == ["main", "secondary-1"]


def test_a_stream_that_says_nothing_is_nobody_and_holds_up_nobody(connect, shared_unit, ca, password):
    connect()
    assert sorted(shared_unit.api.node_ids()) == ["main", "secondary-1"]
    shared_unit.api.provision("secondary-1", password, ca)
    shared_unit.api.deprovision("secondary-1", password)


def test_a_stream_that_changes_its_id_is_ended(connect, shared_unit):
    peer = connect()
    peer.register("chameleon")
    eventually(lambda: "chameleon" in shared_unit.api.connected(), what="the node connected")
    peer.register("secondary-1")
    assert peer.refusal() is not None
    assert "secondary-1" in shared_unit.api.connected()


def test_an_answer_that_nobody_asked_for_reaches_nobody(connect, shared_unit):
    peer = connect()
    peer.register("chatty")
    eventually(lambda: "chatty" in shared_unit.api.connected(), what="the node connected")
    peer.say(iam.IAMOutgoingMessages(create_key_response=iam.CreateKeyResponse(csr="nonsense"), request_id=12345))
    peer.say(iam.IAMOutgoingMessages(apply_cert_response=iam.ApplyCertResponse()))
    assert shared_unit.api.cert_types("secondary-1") == ["iam"]
    assert shared_unit.api.is_serving()


def test_the_newest_stream_of_a_node_wins(connect, shared_unit):
    older = connect()
    older.register("twin")
    eventually(lambda: "twin" in shared_unit.api.connected(), what="the node connected")
    newer = connect()
    newer.register("twin")
    assert older.refusal() is not None
    older.close()
    # The end of the older one changes nothing.
    assert "twin" in shared_unit.api.connected()
    thread = threading.Thread(target=lambda: pytest.raises(grpc.RpcError, shared_unit.api.cert_types, "twin"))
    thread.start()
    request = newer.received.get(timeout=10)
    assert request.HasField("get_cert_types_request")
    newer.close()
    thread.join()


def test_a_peer_without_our_extension_is_served_one_call_of_a_type_at_a_time(connect, shared_unit):
    peer = connect()
    peer.register("stranger")
    eventually(lambda: "stranger" in shared_unit.api.connected(), what="the node connected")
    answers = queue.Queue()

    def call(cert_type):
        request = iam.CreateKeyRequest(node_id="stranger", type=cert_type, password="x")
        answers.put((cert_type, shared_unit.api.certificates.CreateKey(request, timeout=20).csr))

    threads = [threading.Thread(target=call, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for _ in threads:
        request = peer.received.get(timeout=10)
        assert request.request_id == 0
        assert peer.received.empty()
        key_type = request.create_key_request.type
        response = iam.CreateKeyResponse(node_id="stranger", type=key_type, csr=f"csr of {key_type}")
        peer.say(iam.IAMOutgoingMessages(create_key_response=response))
    for thread in threads:
        thread.join()
    for _ in threads:
        cert_type, csr = answers.get(timeout=1)
        assert csr == f"csr of {cert_type}"
