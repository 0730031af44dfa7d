"""Who gets in at the listeners of a main node in normal mode, and who doesn't."""

import contextlib

import grpc
import pytest
from harness.api import Api
from harness.waiting import eventually
from iamanager.v6 import iamanager_pb2 as iam

CODE = grpc.StatusCode


@contextlib.contextmanager
def caller(address, credentials):
    api = Api(address, timeout=10, credentials=credentials)
    try:
        yield api
    finally:
        api.close()


def refusal(call):
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


def anonymous(identities, root):
    return grpc.ssl_channel_credentials(root.encode())


# Who calls, the status and a word of the reason that they are given.
BAD_CALLERS = {
    "no certificate": (anonymous, CODE.UNAUTHENTICATED, "certificate"),
    "expired": (lambda them, root: them.expired().credentials(root), CODE.UNAUTHENTICATED, "expired"),
    "not yet valid": (lambda them, root: them.not_yet_valid().credentials(root), CODE.UNAUTHENTICATED, "not yet valid"),
    "another CA": (lambda them, root: them.of_another_ca().credentials(root), CODE.UNAUTHENTICATED, "issuer"),
    "self-signed": (lambda them, root: them.self_signed().credentials(root), CODE.UNAUTHENTICATED, "self-signed"),
    "wrong usage": (lambda them, root: them.for_servers_only().credentials(root), CODE.UNAUTHENTICATED, "clientAuth"),
    "no role": (lambda them, root: them.without_role().credentials(root), CODE.PERMISSION_DENIED, "allow"),
    "a node": (lambda them, root: them.node("secondary-1").credentials(root), CODE.PERMISSION_DENIED, "allow"),
}

METHODS = {
    "StartProvisioning": lambda api, vehicle: api.start("secondary-1", vehicle.password),
    "CreateKey": lambda api, vehicle: api.create_key("secondary-1", "iam", vehicle.password),
    "Deprovision": lambda api, vehicle: api.deprovision("main", vehicle.password),
    "PauseNode": lambda api, vehicle: api.pause("secondary-2"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", BAD_CALLERS)
def test_the_protected_listener_refuses(vehicle, identities, ca, who, method):
    make, code, reason = BAD_CALLERS[who]
    before = vehicle.snapshot()
    records = len(vehicle.audit())
    with caller(vehicle.main.protected, make(identities, ca.root)) as api:
        got, details = refusal(lambda: METHODS[method](api, vehicle))
    assert (got, reason.lower() in details.lower()) == (code, True), details
    eventually(
        lambda: [record for record in vehicle.audit()[records:] if method in record["method"]
                 and record["result"] == code.name],
        what="the refusal in the audit log",
    )
    assert vehicle.snapshot() == before


@pytest.mark.parametrize("who", ["expired", "self-signed", "another CA", "no certificate"])
def test_no_bad_caller_reads_at_the_protected_listener(vehicle, identities, ca, who):
    make, code, _ = BAD_CALLERS[who]
    with caller(vehicle.main.protected, make(identities, ca.root)) as api:
        assert refusal(api.node_ids)[0] == code
        assert refusal(lambda: api.is_serving(timeout=10))[0] == code


@pytest.mark.parametrize("method", METHODS)
def test_the_public_listener_has_no_such_method_for_anybody(vehicle, identities, ca, method):
    before = vehicle.snapshot()
    for credentials in (anonymous(identities, ca.root), identities.operator().credentials(ca.root)):
        with caller(vehicle.main.public, credentials) as api:
            assert refusal(lambda api=api: METHODS[method](api, vehicle))[0] in (
                CODE.UNIMPLEMENTED, CODE.PERMISSION_DENIED)
    assert vehicle.snapshot() == before


def test_anybody_may_read_at_the_public_listener(vehicle, identities, ca):
    with caller(vehicle.main.public, anonymous(identities, ca.root)) as api:
        assert set(api.node_ids()) == {"main", "secondary-1", "secondary-2"}
        assert api.get_cert("iam").serial


def test_an_operator_gets_in_and_is_named_in_the_audit_log(vehicle, identities, ca):
    vehicle.api.pause("secondary-2")
    vehicle.api.resume("secondary-2")
    done = [record for record in vehicle.audit() if "PauseNode" in record["method"] and record["result"] == "OK"]
    assert done and "operator" in done[-1]["caller"] and done[-1]["node"] == "secondary-2"
    agents = vehicle.audit(vehicle.unit.secondaries[1])
    assert done[-1]["operation_id"] in {record["operation_id"] for record in agents}


def test_restricted_calls_name_the_flag_in_normal_mode(vehicle):
    from harness.api import OperationError

    for call in (
        lambda: vehicle.api.deprovision("secondary-1", vehicle.password),
        lambda: vehicle.api.deprovision("main", vehicle.password),
    ):
        with pytest.raises(OperationError) as raised:
            call()
        assert "--provisioning" in raised.value.message


def register(api, node_id, state="provisioned"):
    """The status that a RegisterNode stream of this node gets."""
    hello = iam.IAMOutgoingMessages(node_info=iam.NodeInfo(node_id=node_id, state=state))

    def messages():
        yield hello
        eventually(lambda: ended, within=10)

    ended = []
    try:
        for _ in api.nodes.RegisterNode(messages(), timeout=5):
            pass
    except grpc.RpcError as error:
        return error.code(), error.details()
    finally:
        ended.append(True)
    return CODE.OK, ""


def test_a_node_cannot_be_another_one(vehicle, identities, ca):
    before = vehicle.snapshot()
    records = len(vehicle.audit())
    with caller(vehicle.main.protected, identities.node("secondary-1").credentials(ca.root)) as api:
        code, details = register(api, "secondary-2")
    assert code == CODE.PERMISSION_DENIED and "secondary-2" in details
    assert any(record["result"] == "PERMISSION_DENIED" for record in vehicle.audit()[records:])
    assert vehicle.snapshot() == before


@pytest.mark.parametrize("node_id", ["secondary-1", "main", "nobody-yet"])
def test_a_provisioned_node_must_show_its_certificate(vehicle, identities, ca, node_id):
    before = vehicle.snapshot()
    with caller(vehicle.main.public, anonymous(identities, ca.root)) as api:
        assert register(api, node_id)[0] in (CODE.FAILED_PRECONDITION, CODE.PERMISSION_DENIED)
    assert vehicle.snapshot() == before


def test_an_anonymous_stream_cannot_take_the_place_of_a_connected_node(vehicle, identities, ca):
    before = vehicle.snapshot()
    with caller(vehicle.main.public, anonymous(identities, ca.root)) as api:
        code, _ = register(api, "secondary-1", state="unprovisioned")
    assert code not in (CODE.OK, CODE.DEADLINE_EXCEEDED, CODE.CANCELLED)
    assert vehicle.snapshot() == before
    assert vehicle.api.cert_types("secondary-1")
