"""Steps that fail, processes that are killed."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from harness.api import EMPTY, OperationError
from harness.unit import FULL, SMALL
from harness.waiting import eventually


class Follower:
    """What SubscribeNodeChanged streams."""

    def __init__(self, api):
        self.states = []
        self._stream = api.nodes.SubscribeNodeChanged(EMPTY)
        self._stream.initial_metadata()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        try:
            for info in self._stream:
                self.states.append((info.node_id, info.state))
        except grpc.RpcError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.cancel()
        self._thread.join()


@pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])
def test_a_failing_finish_hook_leaves_the_node_unprovisioned_everywhere(make_unit, ca, password, index):
    unit = make_unit(secondaries=1)
    node = unit.nodes[index]
    node.hook("finishProvisioning", "echo the disk is on fire >&2; exit 1")
    unit.start()
    with Follower(unit.main.public_api) as follower:
        unit.api.start(node.id, password)
        unit.api.enrol(node.id, "iam", password, ca)
        with pytest.raises(OperationError, match="the disk is on fire") as caught:
            unit.api.finish(node.id, password)
        assert caught.value.exit_code == 1
        assert node.own_state() == "unprovisioned"
        assert unit.api.state(node.id) == "unprovisioned"
        unit.api.cert_types(node.id)
        assert (node.id, "provisioned") not in follower.states

        # Mended, it can be finished without beginning anew.
        node.hook("finishProvisioning", "exit 0")
        unit.api.finish(node.id, password)
        eventually(lambda: (node.id, "provisioned") in follower.states, what="the new state in the stream")
    assert node.own_state() == "provisioned"


@pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])
@pytest.mark.parametrize("hook", ["startProvisioning", "diskEncryption"])
def test_a_failing_start_hook_can_be_mended_and_repeated(make_unit, ca, password, index, hook):
    unit = make_unit(secondaries=1, modules=FULL)
    node = unit.nodes[index]
    node.hook(hook, "echo no room >&2; exit 42")
    unit.start()
    with pytest.raises(OperationError, match="no room") as caught:
        unit.api.start(node.id, password)
    assert caught.value.exit_code == 42
    assert node.own_state() == "unprovisioned"
    node.hook(hook, "exit 0")
    unit.api.provision(node.id, password, ca)
    assert node.own_state() == "provisioned"


@pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])
def test_a_failing_deprovision_hook_is_not_recorded_as_done(make_unit, ca, password, index):
    unit = make_unit(secondaries=1)
    node = unit.nodes[index]
    node.hook("deprovision", "echo still mounted >&2; exit 5")
    unit.start()
    unit.api.provision(node.id, password, ca)
    with pytest.raises(OperationError, match="still mounted"):
        unit.api.deprovision(node.id, password)
    assert node.own_state() != "unprovisioned"
    assert unit.api.state(node.id) == node.own_state()
    node.hook("deprovision", "exit 0")
    unit.api.deprovision(node.id, password)
    assert node.own_state() == "unprovisioned"
    assert unit.api.state(node.id) == "unprovisioned"


def test_a_secondary_killed_in_a_call_fails_it_at_once_and_comes_back(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    node = unit.secondaries[0]
    node.hook("startProvisioning", f"touch {node.directory}/begun; exec sleep 600")
    unit.start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.start, node.id, password, 120)
        eventually(lambda: os.path.exists(f"{node.directory}/begun"), what="the hook running")
        node.kill()
        killed = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            call.result(timeout=60)
        assert time.monotonic() - killed < 2.0
    # Sent, outcome unknown.
    assert caught.value.code() == grpc.StatusCode.ABORTED
    assert node.id in caught.value.details()
    eventually(lambda: node.id not in unit.api.connected(), what="the node absent")
    node.hook("startProvisioning", "exit 0")
    node.start()
    unit.wait_connected()
    unit.api.provision(node.id, password, ca)
    assert node.own_state() == "provisioned"


def test_a_call_for_an_absent_node_says_that_it_was_not_sent(make_unit, password):
    unit = make_unit(secondaries=1).start()
    node = unit.secondaries[0]
    node.kill()
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        unit.api.start(node.id, password)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - begun < 6.0


def test_a_call_waits_for_a_node_that_is_on_its_way(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    unit.main.config["timeouts"] = {"nodeWait": "30s"}
    unit.start()
    node = unit.secondaries[0]
    node.kill()
    eventually(lambda: node.id not in unit.api.connected(), what="the node absent")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.start, node.id, password, 60)
        node.start()
        call.result(timeout=60)


def _is_on_disk(node, pattern):
    paths = [path for path in node.files() if "/work/nodes.db" in path]
    return any(re.search(pattern, open(path, "rb").read()) for path in paths)


def test_a_main_node_killed_and_started_again_gets_its_nodes_back(make_unit, ca, password):
    unit = make_unit(secondaries=3).start()
    first = unit.secondaries[0]
    unit.api.provision(first.id, password, ca)
    before = sorted(unit.api.node_ids())
    # The registry is written behind the answers.
    eventually(lambda: _is_on_disk(unit.main, rb"(?<!un)provisioned"), what="the state in the registry's files")
    unit.main.kill()
    for node in unit.secondaries:
        node.stop()
    # Nobody is connected yet, and still it knows them all.
    unit.main.stop()
    unit.main.start()
    assert sorted(unit.api.node_ids()) == before
    assert unit.api.state(first.id) == "provisioned"
    for node in unit.secondaries:
        node.start()
    unit.wait_connected()
    unit.main.kill()
    unit.main.stop()
    unit.main.start()
    # The agents' back-off is bounded by nodeReconnectInterval, 1 s here.
    unit.wait_connected(within=5)
    for node in unit.secondaries[1:]:
        unit.api.provision(node.id, password, ca)


HOLD = "touch {directory}/begun; while [ ! -e {directory}/go ]; do sleep 0.05; done"


@pytest.mark.parametrize("index", [0, 1], ids=["local", "forwarded"])
def test_deprovisioning_killed_in_its_hook_is_finished_at_the_next_start(make_unit, ca, password, index):
    unit = make_unit(secondaries=1)
    node = unit.nodes[index]
    node.hook("deprovision", HOLD.format(directory=node.directory))
    unit.start()
    unit.api.provision(node.id, password, ca)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.deprovision, node.id, password, 60)
        eventually(lambda: os.path.exists(f"{node.directory}/begun"), what="the hook running")
        node.kill()
        with pytest.raises(grpc.RpcError):
            call.result(timeout=60)
    open(f"{node.directory}/go", "w").close()
    node.stop()
    node.start()
    unit.wait_connected()
    assert node.own_state() == "unprovisioned"
    eventually(lambda: unit.api.state(node.id) == "unprovisioned", what="the state in the registry")
    assert node.api.list_certificates() == []
    unit.api.provision(node.id, password, ca)


@pytest.mark.parametrize("after", [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12])
def test_deprovisioning_killed_while_it_erases_is_finished_at_the_next_start(make_unit, ca, password, after):
    unit = make_unit(modules=FULL)
    unit.main.hook("deprovision", f"touch {unit.main.directory}/begun")
    unit.start()
    unit.api.provision("main", password, ca)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.deprovision, "main", password, 60)
        eventually(lambda: os.path.exists(f"{unit.main.directory}/begun"), what="the hook", every=0.001)
        # Not a wait for something: the moment of the kill is what varies.
        time.sleep(after)
        unit.main.kill()
        call.exception(timeout=60)
    unit.main.start()
    assert unit.main.own_state() == "unprovisioned"
    assert unit.main.api.list_certificates() == []
    unit.api.provision("main", password, ca)
    for label, count in (("aoscore", 3), ("aoscloud", 2)):
        assert len(unit.main.token(label).private_keys()) == count


def _start(unit, password, ca):
    unit.main.hook("startProvisioning", f"touch {unit.main.directory}/begun")
    unit.main.restart()
    return lambda: unit.api.start("main", password), f"{unit.main.directory}/begun"


def _create_key(unit, password, ca):
    unit.api.start("main", password)
    return lambda: unit.api.create_key("main", "iam", password), None


def _apply_cert(unit, password, ca):
    unit.api.start("main", password)
    chain = ca.sign(unit.api.create_key("main", "iam", password))
    return lambda: unit.api.apply_cert("main", "iam", chain), None


def _finish(unit, password, ca):
    unit.api.start("main", password)
    unit.api.enrol("main", "iam", password, ca)
    return lambda: unit.api.finish("main", password), None


# Where a password is checked first, that takes about 150 ms.
KILLS = [
    (step, after)
    for step, moments in (
        (_start, (0.0, 0.01, 0.03, 0.1, 0.3)),
        (_create_key, (0.13, 0.17, 0.2, 0.25)),
        (_apply_cert, (0.0, 0.003, 0.01, 0.03)),
        (_finish, (0.13, 0.16, 0.2)),
    )
    for after in moments
]


@pytest.mark.parametrize("step, after", KILLS, ids=[f"{step.__name__[1:]}-{after}" for step, after in KILLS])
def test_provisioning_killed_anywhere_can_be_completed(make_unit, ca, password, step, after):
    unit = make_unit(modules=SMALL).start()
    call, marker = step(unit, password, ca)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call)
        if marker:
            eventually(lambda: os.path.exists(marker), what="the hook", every=0.001)
        time.sleep(after)
        unit.main.kill()
        error = running.exception(timeout=60)
    unit.main.start()
    state = unit.main.own_state()
    if step is _finish and error is None:
        assert state == "provisioned"
    if state != "provisioned":
        try:
            unit.api.start("main", password)
        except OperationError:
            # It had been started: what was done is not lost.
            pass
        unit.api.enrol("main", "iam", password, ca)
        unit.api.finish("main", password)
    assert unit.main.own_state() == "provisioned"
    keys = unit.main.token().private_keys()
    assert {key["label"] for key in keys} == {"iam"}
    assert len(keys) == len(unit.main.api.list_certificates())
