"""The daemons as processes: start, stop, two of them in one place."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from harness.api import OperationError
from harness.daemon import run
from harness.waiting import eventually

EVERY_PROGRAM = pytest.mark.parametrize("index", [0, 1], ids=["main", "agent"])


@EVERY_PROGRAM
def test_sigterm_ends_an_idle_daemon_at_once_with_status_0(make_unit, index):
    unit = make_unit(secondaries=1).start()
    begun = time.monotonic()
    assert unit.nodes[index].stop() == 0
    assert time.monotonic() - begun < 5


@EVERY_PROGRAM
def test_sigterm_ends_open_streams_with_a_status(make_unit, index):
    from harness.api import EMPTY

    unit = make_unit(secondaries=1).start()
    node = unit.nodes[index]
    stream = node.public_api.current_node.SubscribeCurrentNodeChanged(EMPTY)
    stream.initial_metadata()
    node.daemon.process.send_signal(signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        for _ in stream:
            pass
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert node.daemon.wait(10) == 0


@EVERY_PROGRAM
def test_sigterm_lets_a_running_call_finish(make_unit, password, index):
    unit = make_unit(secondaries=1)
    node = unit.nodes[index]
    node.hook("startProvisioning", f"touch {node.directory}/begun; sleep 1")
    unit.start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.start, node.id, password)
        eventually(lambda: os.path.exists(f"{node.directory}/begun"), what="the hook running")
        node.daemon.process.send_signal(signal.SIGTERM)
        call.result(timeout=30)
    assert node.daemon.wait(10) == 0


@EVERY_PROGRAM
def test_sigterm_answers_a_call_that_takes_too_long(make_unit, password, index):
    unit = make_unit(secondaries=1)
    node = unit.nodes[index]
    node.hook("startProvisioning", f"touch {node.directory}/begun; exec sleep 600")
    unit.start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(unit.api.start, node.id, password, 60)
        eventually(lambda: os.path.exists(f"{node.directory}/begun"), what="the hook running")
        begun = time.monotonic()
        node.daemon.process.send_signal(signal.SIGTERM)
        with pytest.raises((grpc.RpcError, OperationError)):
            call.result(timeout=30)
        assert time.monotonic() - begun < 7
    assert node.daemon.wait(15) == 0


@EVERY_PROGRAM
@pytest.mark.parametrize("listener", ["public", "protected"])
def test_a_port_in_use_is_named(make_unit, index, listener):
    unit = make_unit(secondaries=1)
    unit.start()
    node = unit.nodes[index]
    other = make_unit(secondaries=1)
    second = other.nodes[index]
    taken = getattr(node, listener)
    second.config[f"iam{listener.capitalize()}ServerUrl"] = taken
    second.write_config()
    done = run(second.program, "-c", second.config_path, "--provisioning", environment=second.environment, within=20)
    assert done.returncode == 1
    assert taken.split(":")[1] in done.stderr
    assert node.api.is_serving()


@EVERY_PROGRAM
def test_one_working_directory_serves_one_process(make_unit, index):
    unit = make_unit(secondaries=1).start()
    node = unit.nodes[index]
    other = make_unit(secondaries=1)
    second = other.nodes[index]
    second.config["workingDir"] = node.config["workingDir"]
    second.write_config()
    done = run(second.program, "-c", second.config_path, "--provisioning", environment=second.environment, within=20)
    assert done.returncode == 1
    assert str(node.daemon.pid) in done.stderr
    assert node.api.is_serving()


def test_a_second_agent_of_the_same_id_takes_over_and_the_first_one_harms_nothing(make_unit, ca, password):
    unit = make_unit(secondaries=1).start()
    node = unit.secondaries[0]
    node.daemon.freeze()
    try:
        twin = unit.add("twin")
        with open(f"{twin.directory}/node-id", "w") as file:
            file.write(node.id + "\n")
        twin.start()
        unit.secondaries.remove(twin)
        registrations = f"node '{node.id}' connected"
        eventually(lambda: unit.main.daemon.log().count(registrations) == 2, what="the twin registered")
        unit.api.timeout = 60
        unit.api.start(node.id, password)
        assert twin.own_state() == "unprovisioned"
        unit.api.enrol(node.id, "iam", password, ca)
        unit.api.finish(node.id, password)
        assert twin.own_state() == "provisioned"
        assert twin.stop() == 0
    finally:
        node.daemon.thaw()


def test_the_agent_waits_for_a_main_node_that_is_not_there_yet(make_unit):
    unit = make_unit(secondaries=1)
    node = unit.secondaries[0]
    node.start()
    unit.main.start()
    unit.wait_connected(within=10)


def test_a_token_that_somebody_else_owns_is_left_alone(make_unit, password):
    import subprocess

    from harness.token import LIBRARY

    unit = make_unit()
    node = unit.main
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "aoscore", "--so-pin", "somebody", "--pin", "elses-pin"],
        env={**os.environ, **node.environment},
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["pkcs11-tool", "--module", LIBRARY, "--token-label", "aoscore", "--login", "--pin", "elses-pin",
         "--keypairgen", "--key-type", "EC:secp384r1", "--id", "01", "--label", "precious"],
        env={**os.environ, **node.environment},
        check=True,
        capture_output=True,
    )
    unit.start()
    with pytest.raises(OperationError):
        unit.api.start("main", password)
    assert node.own_state() == "unprovisioned"
    with open(f"{node.directory}/elses-pin", "w") as file:
        file.write("elses-pin\n")
    node.pin_path = f"{node.directory}/elses-pin"
    assert [key["label"] for key in node.token().private_keys()] == ["precious"]
