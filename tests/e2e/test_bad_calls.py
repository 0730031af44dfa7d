"""Hostile and mistaken requests: a clear error, and nothing is changed or lost."""

import grpc
import pytest
from harness.api import INVALID, NOT_FOUND, WRONG_STATE, OperationError
from harness.unit import module
from iamanager.v6 import iamanager_pb2 as iam

NODES = pytest.mark.parametrize("node_id", ["main", "secondary-1"])


@pytest.fixture
def unit(shared_unit):
    """Every node unprovisioned."""
    yield shared_unit
    for node in shared_unit.nodes:
        for password in ("the right one", "x" * 255):
            try:
                shared_unit.api.deprovision(node.id, password)
                break
            except OperationError:
                continue


PASSWORD = "the right one"


def test_an_unknown_node_is_not_found_at_once(unit):
    calls = [
        lambda: unit.api.start("nobody", PASSWORD),
        lambda: unit.api.cert_types("nobody"),
        lambda: unit.api.create_key("nobody", "iam", PASSWORD),
        lambda: unit.api.apply_cert("nobody", "iam", "x"),
        lambda: unit.api.finish("nobody", PASSWORD),
        lambda: unit.api.deprovision("nobody", PASSWORD),
        lambda: unit.api.pause("nobody"),
        lambda: unit.api.resume("nobody"),
        lambda: unit.api.node_info("nobody"),
    ]
    unit.api.timeout = 1.5
    try:
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
            assert "nobody" in caught.value.details()
    finally:
        unit.api.timeout = 30.0


@NODES
def test_an_unknown_certificate_type_is_not_found(unit, ca, node_id):
    unit.api.start(node_id, PASSWORD)
    for call in (
        lambda: unit.api.create_key(node_id, "nonsense", PASSWORD),
        lambda: unit.api.apply_cert(node_id, "nonsense", ca.sign(ca.new_csr())),
    ):
        with pytest.raises(OperationError, match="nonsense") as caught:
            call()
        assert caught.value.code == NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        unit.main.public_api.get_cert("nonsense")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


BAD_PASSWORDS = {"empty": "", "of 256 bytes": "x" * 256, "far too long": "x" * 100_000}


@NODES
@pytest.mark.parametrize("bad", BAD_PASSWORDS.values(), ids=BAD_PASSWORDS.keys())
def test_no_node_starts_with_a_bad_password(unit, ca, node_id, bad):
    with pytest.raises(OperationError) as caught:
        unit.api.start(node_id, bad)
    assert caught.value.code == INVALID
    assert "password" in caught.value.message
    assert bad == "" or bad not in caught.value.message
    # It has not been started.
    unit.api.provision(node_id, PASSWORD, ca)


@NODES
def test_a_password_of_255_bytes_is_good(unit, ca, node_id):
    unit.api.provision(node_id, "x" * 255, ca)
    unit.api.deprovision(node_id, "x" * 255)


@NODES
def test_a_wrong_password_changes_nothing(unit, ca, node_id):
    node = next(node for node in unit.nodes if node.id == node_id)
    unit.api.start(node_id, PASSWORD)
    for wrong in ("wrong", "", "the right one "):
        with pytest.raises(OperationError):
            unit.api.create_key(node_id, "iam", wrong)
    unit.api.enrol(node_id, "iam", PASSWORD, ca)
    with pytest.raises(OperationError):
        unit.api.finish(node_id, "wrong")
    assert node.own_state() == "unprovisioned"
    unit.api.finish(node_id, PASSWORD)
    before = node.token().private_keys()
    for wrong in ("wrong", ""):
        with pytest.raises(OperationError):
            unit.api.deprovision(node_id, wrong)
        with pytest.raises(OperationError):
            unit.api.start(node_id, wrong)
    assert node.own_state() == "provisioned"
    assert node.token().private_keys() == before
    unit.api.deprovision(node_id, PASSWORD)


BAD_SUBJECTS = {
    "a control character": "car\n1",
    "a comma": "car, O=Evil",
    "a slash": "car/O=Evil",
    "an equals sign": "CN=car",
    "a quote": 'car"1',
    "a leading blank": " car",
    "65 characters": "c" * 65,
    "a NUL": "car\0",
}


@NODES
@pytest.mark.parametrize("subject", BAD_SUBJECTS.values(), ids=BAD_SUBJECTS.keys())
def test_a_subject_must_be_a_common_name(unit, node_id, subject):
    node = next(node for node in unit.nodes if node.id == node_id)
    unit.api.start(node_id, PASSWORD)
    with pytest.raises(OperationError) as caught:
        unit.api.create_key(node_id, "iam", PASSWORD, subject=subject)
    assert caught.value.code == INVALID
    assert node.token().private_keys() == []
    assert "BEGIN CERTIFICATE REQUEST" in unit.api.create_key(node_id, "iam", PASSWORD, subject="c" * 64)


@NODES
def test_the_steps_have_their_order(unit, ca, node_id):
    api = unit.api
    for call in (
        lambda: api.finish(node_id, PASSWORD),
        lambda: api.create_key(node_id, "iam", PASSWORD),
        lambda: api.apply_cert(node_id, "iam", ca.sign(ca.new_csr())),
        lambda: api.pause(node_id),
        lambda: api.resume(node_id),
    ):
        with pytest.raises(OperationError) as caught:
            call()
        assert caught.value.code == WRONG_STATE
    api.start(node_id, PASSWORD)
    with pytest.raises(OperationError) as caught:
        api.start(node_id, PASSWORD)
    assert caught.value.code == WRONG_STATE
    csr = api.create_key(node_id, "iam", PASSWORD)
    with pytest.raises(OperationError):
        api.start(node_id, PASSWORD)
    # What had been begun is not lost.
    api.apply_cert(node_id, "iam", ca.sign(csr))
    api.finish(node_id, PASSWORD)
    for call in (lambda: api.start(node_id, PASSWORD), lambda: api.finish(node_id, PASSWORD)):
        with pytest.raises(OperationError) as caught:
            call()
        assert caught.value.code == WRONG_STATE
    assert api.state(node_id) == "provisioned"


@pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])
def test_finish_names_the_types_that_are_missing(make_unit, ca, index):
    unit = make_unit(secondaries=1, modules=[module("iam"), module("sm"), module("cm")]).start()
    node = unit.nodes[index]
    unit.api.start(node.id, PASSWORD)
    unit.api.enrol(node.id, "sm", PASSWORD, ca)
    unit.api.create_key(node.id, "cm", PASSWORD)
    with pytest.raises(OperationError) as caught:
        unit.api.finish(node.id, PASSWORD)
    assert caught.value.code == WRONG_STATE
    assert "iam" in caught.value.message and "cm" in caught.value.message
    assert "sm" not in caught.value.message
    assert node.own_state() == "unprovisioned"
    unit.api.enrol(node.id, "iam", PASSWORD, ca)
    unit.api.enrol(node.id, "cm", PASSWORD, ca)
    unit.api.finish(node.id, PASSWORD)


@NODES
def test_many_keys_without_a_certificate_harm_nobody(unit, ca, node_id):
    unit.api.start(node_id, PASSWORD)
    csrs = [unit.api.create_key(node_id, "iam", PASSWORD) for _ in range(12)]
    unit.api.apply_cert(node_id, "iam", ca.sign(csrs[-1]))
    unit.api.finish(node_id, PASSWORD)
    assert unit.api.state(node_id) == "provisioned"


def test_a_message_of_ten_megabytes_is_refused(unit):
    for call in (
        lambda: unit.api.apply_cert("secondary-1", "iam", "x" * 10_000_000),
        lambda: unit.api.start("main", "x" * 10_000_000),
        lambda: unit.main.public_api.get_cert("x" * 10_000_000),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unit.api.connected() == {"main", "secondary-1"}


def test_a_message_of_three_megabytes_leaves_the_node_connected(unit):
    unit.api.start("secondary-1", PASSWORD)
    for node_id in ("main", "secondary-1"):
        with pytest.raises((OperationError, grpc.RpcError)):
            unit.api.apply_cert(node_id, "iam", "x" * 3_000_000)
    assert unit.api.connected() == {"main", "secondary-1"}


def test_a_certificate_is_asked_for_with_issuer_and_serial_or_neither(unit, ca):
    unit.api.provision("main", PASSWORD, ca)
    info = unit.main.public_api.get_cert("iam")
    for issuer, serial, code in (
        (info.issuer, "", grpc.StatusCode.INVALID_ARGUMENT),
        (b"", info.serial.decode(), grpc.StatusCode.INVALID_ARGUMENT),
        (info.issuer, "00", grpc.StatusCode.NOT_FOUND),
        (b"garbage", info.serial.decode(), grpc.StatusCode.NOT_FOUND),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            unit.main.public_api.get_cert("iam", issuer=issuer, serial=serial)
        assert caught.value.code() == code


def test_strings_that_are_not_utf_8_are_refused(unit):
    # Field 1, two bytes, of StartProvisioningRequest.
    raw = unit.api.channel.unary_unary(
        "/iamanager.v6.IAMProvisioningService/StartProvisioning",
        request_serializer=bytes,
        response_deserializer=iam.StartProvisioningResponse.FromString,
    )
    with pytest.raises(grpc.RpcError):
        raw(b"\x0a\x02\xff\xfe", timeout=10)
    assert unit.api.is_serving()
