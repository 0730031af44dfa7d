"""ApplyCert with everything but the right chain."""

import pytest
from harness.api import INVALID, OperationError
from harness.ca import Ca, openssl
from harness.unit import module

PASSWORD = "certificates"


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("other") / "ca", name="other")


def _tampered(ca, csr):
    """A leaf with one bit of its signature turned."""
    import base64

    lines = ca.leaf(csr).splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-5] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    return f"{lines[0]}\n{body}{lines[-1]}\n"


def _own_chain_of_another_key(ca, other_ca, csr):
    return ca.sign(ca.new_csr())


BAD_CHAINS = {
    "nothing": lambda ca, other, csr: "",
    "garbage": lambda ca, other, csr: "garbage",
    "PEM garbage": lambda ca, other, csr: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "a cut PEM": lambda ca, other, csr: ca.sign(csr)[:-300],
    "a NUL": lambda ca, other, csr: "\0" + "x" * 100,
    "the request itself": lambda ca, other, csr: csr,
    "a private key": lambda ca, other, csr: openssl("genpkey", "-algorithm", "ED25519"),
    "the chain of another key": _own_chain_of_another_key,
    "the CA alone": lambda ca, other, csr: ca.intermediate + ca.root,
    "no intermediate": lambda ca, other, csr: ca.leaf(csr),
    "a signature that does not verify": lambda ca, other, csr: _tampered(ca, csr) + ca.intermediate,
    "another CA": lambda ca, other, csr: other.sign(csr) + other.root,
    "the intermediate of another CA": lambda ca, other, csr: ca.leaf(csr) + other.intermediate,
    "an expired leaf": lambda ca, other, csr: ca.expired_leaf(csr) + ca.intermediate,
    "twenty certificates": lambda ca, other, csr: ca.sign(csr) + ca.intermediate * 20,
}


@pytest.mark.parametrize("node_id", ["main", "secondary-1"])
@pytest.mark.parametrize("make_chain", BAD_CHAINS.values(), ids=BAD_CHAINS.keys())
def test_a_bad_chain_is_refused_and_the_key_waits_for_the_right_one(started, ca, other_ca, node_id, make_chain):
    api = started.api
    csr = api.create_key(node_id, "iam", PASSWORD)
    before = api_certificates(started, node_id)
    with pytest.raises(OperationError) as caught:
        api.apply_cert(node_id, "iam", make_chain(ca, other_ca, csr))
    assert caught.value.message
    assert "BEGIN" not in caught.value.message
    assert api_certificates(started, node_id) == before
    assert api.apply_cert(node_id, "iam", ca.sign(csr)).type == "iam"


def test_a_key_serves_its_own_type_only(started, ca):
    csr = started.api.create_key("main", "iam", PASSWORD)
    with pytest.raises(OperationError):
        started.api.apply_cert("main", "sm", ca.sign(csr))
    started.api.apply_cert("main", "iam", ca.sign(csr))


ORDERS = {
    "leaf first": lambda leaf, ca: leaf + ca.intermediate,
    "leaf second": lambda leaf, ca: ca.intermediate + leaf,
    "with its root": lambda leaf, ca: leaf + ca.intermediate + ca.root,
    "root first": lambda leaf, ca: ca.root + ca.intermediate + leaf,
    "with text between": lambda leaf, ca: f"subject: some car\n\n{leaf}\r\nissuer: some CA\n{ca.intermediate}",
    "with everything twice": lambda leaf, ca: leaf + leaf + ca.intermediate + ca.intermediate,
}


@pytest.mark.parametrize("node_id", ["main", "secondary-1"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_the_certificates_of_a_chain_may_come_in_any_order(started, ca, node_id, order):
    leaf = ca.leaf(started.api.create_key(node_id, "iam", PASSWORD))
    info = started.api.apply_cert(node_id, "iam", order(leaf, ca))
    serial = openssl("x509", "-noout", "-serial", stdin=leaf).strip().split("=")[1]
    assert int(info.serial, 16) == int(serial, 16)


def test_without_a_key_of_ones_own_there_is_nothing_to_certify(started, ca):
    with pytest.raises(OperationError) as caught:
        started.api.apply_cert("main", "sm", ca.sign(ca.new_csr()))
    assert caught.value.code in (5, INVALID, 9)


def test_a_chain_cannot_be_applied_twice(started, ca):
    chain = ca.sign(started.api.create_key("main", "iam", PASSWORD))
    first = started.api.apply_cert("main", "iam", chain)
    with pytest.raises(OperationError):
        started.api.apply_cert("main", "iam", chain)
    assert started.main.api.get_cert("iam") == first


def test_a_provisioned_node_keeps_its_identity_when_a_renewal_fails(make_unit, ca, other_ca):
    unit = make_unit(modules=[module("iam", maxItems=1)]).start()
    unit.api.provision("main", PASSWORD, ca)
    first = unit.main.api.get_cert("iam")
    csr = unit.api.create_key("main", "iam", PASSWORD)
    with pytest.raises(OperationError):
        unit.api.apply_cert("main", "iam", other_ca.sign(csr) + other_ca.root)
    assert unit.main.api.get_cert("iam") == first
    unit.main.restart()
    assert unit.main.api.get_cert("iam") == first
    second = unit.api.enrol("main", "iam", PASSWORD, ca)
    assert unit.main.api.get_cert("iam").serial == second.serial != first.serial


def api_certificates(unit, node_id):
    node = next(node for node in unit.nodes if node.id == node_id)
    return [entry.info.serial for entry in node.api.list_certificates()]


@pytest.fixture(scope="module")
def started(tmp_path_factory, ca):
    """Both nodes have begun their provisioning."""
    from harness.unit import Unit

    unit = Unit(tmp_path_factory.mktemp("unit") / "unit", ca, [module("iam"), module("sm")])
    unit.add("secondary-1")
    try:
        unit.start()
        for node in unit.nodes:
            unit.api.start(node.id, PASSWORD)
        yield unit
    finally:
        unit.stop()
