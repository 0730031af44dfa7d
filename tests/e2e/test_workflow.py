"""The life of a node: the same for the main node, where it is local, and for a secondary node, where it is forwarded."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import grpc
import pytest
from harness.api import EMPTY, OperationError
from harness.ca import openssl, public_key_of_certificate, public_key_of_csr
from harness.token import LIBRARY
from harness.unit import FULL, module
from harness.waiting import eventually
from iamanager.v6 import iamanager_pb2 as iam

EVERY_NODE = pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])


@EVERY_NODE
def test_provisioning_gives_every_type_its_key_and_certificate(make_unit, ca, password, index):
    unit = make_unit(secondaries=1, modules=FULL).start()
    node = unit.nodes[index]
    api = unit.api
    assert api.state(node.id) == "unprovisioned"
    api.start(node.id, password)
    assert api.cert_types(node.id) == ["online", "offline", "iam", "sm"]
    for cert_type in api.cert_types(node.id):
        info = api.enrol(node.id, cert_type, password, ca)
        assert info.type == cert_type
        assert int(info.serial, 16) > 0
    assert node.own_state() == "unprovisioned"
    api.finish(node.id, password)
    assert node.own_state() == "provisioned"
    assert api.state(node.id) == "provisioned"

    for label, types in (("aoscloud", {"online", "offline"}), ("aoscore", {"iam", "sm", "diskencryption"})):
        token = node.token(label)
        keys = token.private_keys()
        assert {key["label"] for key in keys} == types
        for key in keys:
            access = key["Access"]
            for word in ("sensitive", "always sensitive", "never extractable", "local"):
                assert word in access, (key, word)
        leaves = [pem for pem in token.certificates() if "CN = unit-0815" in openssl("x509", "-noout", "-subject", stdin=pem)]
        signed = [pem for pem in leaves if ca.verifies(pem, ca.intermediate)]
        assert len(signed) == len(types - {"diskencryption"})


@EVERY_NODE
def test_the_csr_carries_what_the_configuration_says(make_unit, password, index):
    unit = make_unit(secondaries=1, modules=FULL).start()
    node = unit.nodes[index]
    unit.api.start(node.id, password)

    csr = unit.api.create_key(node.id, "iam", password)
    text = openssl("req", "-noout", "-text", "-verify", "-nameopt", "RFC2253", stdin=csr)
    assert "Subject: CN=unit-0815" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    assert "DNS:gateway.unit" in text
    assert "NIST CURVE: P-384" in text

    csr = unit.api.create_key(node.id, "offline", password, subject="a certain car")
    text = openssl("req", "-noout", "-text", "-verify", "-nameopt", "RFC2253", stdin=csr)
    assert "Subject: CN=a certain car" in text
    assert "Public-Key: (2048 bit)" in text
    assert "Extended Key Usage" not in text


@EVERY_NODE
def test_urls_name_the_key_and_the_certificate_in_the_token(make_unit, ca, password, index):
    unit = make_unit(secondaries=1).start()
    node = unit.nodes[index]
    unit.api.provision(node.id, password, ca)
    info = node.api.get_cert("iam")
    for url in (info.cert_url, info.key_url):
        assert url.startswith("pkcs11:token=aoscore;object=iam;id=%")
        assert f"module-path={LIBRARY}" in unquote(url)
        assert f"pin-source={node.pin_path}" in unquote(url).replace("file:", "")
    object_id = info.cert_url.split("id=")[1].split("?")[0].split(";")[0].replace("%", "")
    token = node.token()
    assert object_id.lower() in [key["ID"].lower() for key in token.private_keys()]
    leaf = token.certificate(object_id)
    serial = openssl("x509", "-noout", "-serial", stdin=leaf).strip().split("=")[1]
    assert serial.lower() == info.serial.decode().lower()
    again = node.api.get_cert("iam", issuer=info.issuer, serial=info.serial.decode())
    assert again == info


@EVERY_NODE
def test_a_provisioned_node_renews_and_keeps_no_more_than_max_items(make_unit, ca, password, index):
    unit = make_unit(secondaries=1).start()
    node = unit.nodes[index]
    unit.api.provision(node.id, password, ca)
    serials = [node.api.get_cert("iam").serial]
    for _ in range(3):
        serials.append(unit.api.enrol(node.id, "iam", password, ca).serial)
    assert len(set(serials)) == 4
    assert node.api.get_cert("iam").serial == serials[-1]
    listed = [entry.info.serial for entry in node.api.list_certificates() if entry.info.type == "iam"]
    assert listed == serials[-2:]
    assert len([key for key in node.token().private_keys() if key["label"] == "iam"]) == 2
    assert node.own_state() == "provisioned"


@EVERY_NODE
def test_self_signed_types_need_nobody_outside(make_unit, password, index):
    unit = make_unit(secondaries=1, modules=FULL).start()
    node = unit.nodes[index]
    unit.api.start(node.id, password)
    info = node.api.get_cert("diskencryption")
    object_id = info.cert_url.split("id=")[1].split("?")[0].split(";")[0].replace("%", "")
    pem = node.token().certificate(object_id)
    names = openssl("x509", "-noout", "-subject", "-issuer", "-nameopt", "RFC2253", stdin=pem).split()
    assert names[0].removeprefix("subject=") == names[1].removeprefix("issuer=")
    path = f"{node.directory}/self-signed.pem"
    with open(path, "w") as file:
        file.write(pem)
    openssl("verify", "-check_ss_sig", "-CAfile", path, path)


@EVERY_NODE
def test_deprovisioning_erases_everything_and_another_password_may_follow(make_unit, ca, password, index):
    unit = make_unit(secondaries=1, modules=FULL).start()
    node = unit.nodes[index]
    unit.api.provision(node.id, password, ca)
    unit.api.deprovision(node.id, password)
    assert node.own_state() == "unprovisioned"
    assert unit.api.state(node.id) == "unprovisioned"
    assert node.api.list_certificates() == []
    unit.api.provision(node.id, "a new " + password, ca)
    assert node.own_state() == "provisioned"
    with pytest.raises(OperationError):
        unit.api.deprovision(node.id, password)
    assert node.own_state() == "provisioned"


@EVERY_NODE
def test_pause_and_resume(make_unit, ca, password, index):
    unit = make_unit(secondaries=1).start()
    node = unit.nodes[index]
    unit.api.provision(node.id, password, ca)
    unit.api.pause(node.id)
    assert node.own_state() == "paused"
    assert unit.api.state(node.id) == "paused"
    unit.api.resume(node.id)
    assert node.own_state() == "provisioned"
    assert unit.api.state(node.id) == "provisioned"


def test_an_empty_node_id_means_the_main_node(make_unit, ca, password):
    unit = make_unit(secondaries=1).start()
    unit.api.provision("", password, ca)
    assert unit.main.own_state() == "provisioned"
    assert unit.secondaries[0].own_state() == "unprovisioned"


def test_a_restart_keeps_state_keys_and_certificates(make_unit, ca, password):
    unit = make_unit(secondaries=1).start()
    for node in unit.nodes:
        unit.api.provision(node.id, password, ca)
    before = [node.api.get_cert("iam") for node in unit.nodes]
    unit.stop()
    unit.start()
    assert [node.api.get_cert("iam") for node in unit.nodes] == before
    for node in unit.nodes:
        assert node.own_state() == "provisioned"
        assert unit.api.state(node.id) == "provisioned"
        unit.api.enrol(node.id, "iam", password, ca)


def test_hooks_run_in_order_and_get_the_password_on_stdin(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    node = unit.secondaries[0]
    for name in ("startProvisioning", "diskEncryption", "finishProvisioning", "deprovision"):
        node.hook(name, f'read -r secret; echo "{name} $# $secret" >> {node.directory}/hooks')
    unit.start()
    unit.api.provision(node.id, password, ca)
    unit.api.deprovision(node.id, password)
    with open(f"{node.directory}/hooks") as file:
        lines = file.read().splitlines()
    assert lines == [
        f"startProvisioning 0 {password}",
        f"diskEncryption 0 {password}",
        f"finishProvisioning 0 {password}",
        f"deprovision 0 {password}",
    ]


def test_a_node_without_trust_anchor_takes_the_root_with_the_chain(make_unit, ca, password):
    unit = make_unit(anchor=False).start()
    unit.api.start("main", password)
    csr = unit.api.create_key("main", "iam", password)
    unit.api.apply_cert("main", "iam", ca.sign(csr) + ca.root)
    unit.api.finish("main", password)
    assert unit.main.own_state() == "provisioned"


def test_changes_of_nodes_and_certificates_are_streamed(make_unit, ca, password):
    unit = make_unit(secondaries=1).start()
    node = unit.secondaries[0]
    states, serials = [], []
    node_stream = unit.main.public_api.nodes.SubscribeNodeChanged(EMPTY)
    cert_stream = node.public_api.cert.SubscribeCertChanged(iam.SubscribeCertChangedRequest(type="iam"))
    node_stream.initial_metadata()
    cert_stream.initial_metadata()

    def read(stream, into, of):
        try:
            for message in stream:
                into.append(of(message))
        except grpc.RpcError:
            pass

    threads = [
        threading.Thread(target=read, args=(node_stream, states, lambda info: (info.node_id, info.state))),
        threading.Thread(target=read, args=(cert_stream, serials, lambda info: info.serial)),
    ]
    for thread in threads:
        thread.start()
    unit.api.provision(node.id, password, ca)
    expected = node.api.get_cert("iam").serial
    eventually(lambda: (node.id, "provisioned") in states, what="the new state in the stream")
    eventually(lambda: serials == [expected], what="the new certificate in the stream")
    node_stream.cancel()
    cert_stream.cancel()
    for thread in threads:
        thread.join()


def test_two_calls_of_one_type_each_get_their_own_answer(make_unit, ca, password):
    modules = [module(name) for name in ("iam", "sm", "cm")]
    modules[0]["maxItems"] = 4
    unit = make_unit(secondaries=1, modules=modules).start()
    node = unit.secondaries[0]
    unit.api.start(node.id, password)
    wanted = ["iam", "sm", "cm", "sm", "cm", "iam"]

    def create(number):
        return unit.api.create_key(node.id, wanted[number], password, subject=f"caller-{number}")

    with ThreadPoolExecutor(len(wanted)) as pool:
        csrs = list(pool.map(create, range(len(wanted))))
    for number, csr in enumerate(csrs):
        subject = openssl("req", "-noout", "-subject", "-verify", "-nameopt", "RFC2253", stdin=csr)
        assert f"CN=caller-{number}" in subject
    assert len({public_key_of_csr(csr) for csr in csrs}) == len(csrs)
    leaf = ca.leaf(csrs[5])
    unit.api.apply_cert(node.id, "iam", leaf + ca.intermediate)
    assert public_key_of_certificate(leaf) == public_key_of_csr(csrs[5])


def test_programs_learn_who_the_unit_is(shared_unit):
    api = shared_unit.main.public_api
    info = api.identity.GetSystemInfo(EMPTY, timeout=10)
    assert (info.system_id, info.unit_model, info.version) == ("unit-0815", "test-model", "1.0")
    assert list(api.identity.GetSubjects(EMPTY, timeout=10).subjects) == ["subject-a", "subject-b"]
    for node in shared_unit.nodes:
        assert node.public_api.version.GetAPIVersion(EMPTY, timeout=10).version == 6
        own = node.public_api.current_node.GetCurrentNodeInfo(EMPTY, timeout=10)
        assert own.node_id == node.id
        assert own.total_ram > 0 and own.cpus[0].num_cores > 0
        assert shared_unit.api.node_info(node.id).title == f"name of {node.id}"
    assert sorted(api.node_ids()) == ["main", "secondary-1"]


def test_provisioning_calls_are_for_the_protected_listener_of_the_main_node(shared_unit, password):
    secondary = shared_unit.secondaries[0]
    for api in (shared_unit.main.public_api, secondary.public_api, secondary.api):
        with pytest.raises(grpc.RpcError) as caught:
            api.start("", password)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
