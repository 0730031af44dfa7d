"""Many nodes at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from harness.api import TIMEOUT, OperationError
from harness.waiting import eventually

STEP = 2.0


def _provision_together(unit, nodes, password, ca):
    begun = time.monotonic()
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda node: unit.api.provision(node.id, password, ca), nodes))
    return time.monotonic() - begun


def test_eight_nodes_take_as_long_as_one(make_unit, ca, password):
    unit = make_unit(secondaries=8)
    for node in unit.secondaries:
        node.hook("startProvisioning", f"sleep {STEP}")
        node.hook("finishProvisioning", f"sleep {STEP}")
    unit.start()
    one = _provision_together(unit, unit.secondaries[:1], password, ca)
    unit.api.deprovision(unit.secondaries[0].id, password)
    eight = _provision_together(unit, unit.secondaries, password, ca)
    assert all(node.own_state() == "provisioned" for node in unit.secondaries)
    # The keys of eight nodes are made on two processors here; the steps themselves, 4 s for each node, must overlap.
    assert eight < one + 4.0, (one, eight)


def test_a_stuck_node_holds_up_nobody_else(make_unit, ca, password):
    unit = make_unit(secondaries=2)
    stuck, other = unit.secondaries
    stuck.hook("startProvisioning", f"while [ ! -e {stuck.directory}/go ]; do sleep 0.05; done")
    unit.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(unit.api.start, stuck.id, password)
        unit.api.provision(other.id, password, ca)
        unit.api.provision("main", password, ca)
        assert unit.api.cert_types(stuck.id) == ["iam"]
        assert not waiting.done()
        open(f"{stuck.directory}/go", "w").close()
        waiting.result(timeout=30)
    assert other.own_state() == "provisioned"


def test_a_frozen_node_holds_up_nobody_else(make_unit, ca, password):
    unit = make_unit(secondaries=2).start()
    frozen, other = unit.secondaries
    frozen.daemon.freeze()
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(unit.api.start, frozen.id, password, 60)
            unit.api.provision(other.id, password, ca)
            assert not waiting.done()
            frozen.daemon.thaw()
            waiting.result(timeout=60)
    finally:
        frozen.daemon.thaw()
    eventually(lambda: frozen.id in unit.api.connected(), what="the node connected")


def test_the_callers_own_deadline_wins(make_unit, password):
    unit = make_unit(secondaries=1)
    for node in unit.nodes:
        node.hook("startProvisioning", f"while [ ! -e {node.directory}/go ]; do sleep 0.05; done")
    unit.start()
    for node in unit.nodes:
        begun = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            unit.api.start(node.id, password, timeout=1.0)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 3.0
        open(f"{node.directory}/go", "w").close()


def test_the_servers_limit_holds_where_the_caller_has_none(make_unit, password):
    unit = make_unit(secondaries=1)
    unit.main.config["timeouts"] = {"local": "1s", "forward": "1.5s", "nodeWait": "2s"}
    for node in unit.nodes:
        node.hook("startProvisioning", f"while [ ! -e {node.directory}/go ]; do sleep 0.05; done")
    unit.start()
    for node in unit.nodes:
        begun = time.monotonic()
        try:
            unit.api.start(node.id, password, timeout=60)
            raise AssertionError("the call went well")
        except OperationError as error:
            assert error.code == TIMEOUT
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 10
        open(f"{node.directory}/go", "w").close()
