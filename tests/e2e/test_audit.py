"""Who did what is on record, on both nodes under one name, and a change shows."""

import json
import subprocess

import pytest
from harness.api import OperationError
from harness.daemon import program


def _with_audit_logs(unit, **settings):
    for node in unit.nodes:
        node.config.update({"auditLogPath": f"{node.directory}/audit.log", **settings})
    return unit


def _records(node):
    with open(node.config["auditLogPath"]) as file:
        return [json.loads(line) for line in file]


def _verify(node):
    process = subprocess.run(
        [program("provctl"), "-o", "json", "audit", "verify", node.config["auditLogPath"]],
        capture_output=True, text=True,
    )
    return process.returncode, json.loads(process.stdout)


def test_operations_are_on_record_on_both_nodes_under_one_id(make_unit, ca, password):
    unit = _with_audit_logs(make_unit(secondaries=1)).start()
    agent = unit.nodes[1]
    unit.api.provision(agent.id, password, ca)
    with pytest.raises(OperationError):
        unit.api.deprovision(agent.id, password[::-1])
    hub = [record for record in _records(unit.main) if record["operation_id"]]
    node = [record for record in _records(agent) if record["operation_id"]]
    # Nobody asks what types there are on record.
    methods = ["StartProvisioning", "CreateKey", "ApplyCert", "FinishProvisioning", "Deprovision"]
    assert [record["method"] for record in hub if record["event"] == "begun"] == methods
    assert [record["operation_id"] for record in hub] == [record["operation_id"] for record in node]
    for begun, done in zip(hub[::2], hub[1::2]):
        assert (begun["event"], done["event"]) == ("begun", "done")
        assert begun["operation_id"] == done["operation_id"]
        assert begun["node"] == agent.id
        assert begun["caller"].startswith("anonymous ")
    assert {record["caller"] for record in node} == {f"main node {unit.main.public} (plaintext)"}
    assert [record["result"] == "OK" for record in hub if record["event"] == "done"] == [True] * 4 + [False]
    assert "password" in hub[-1]["message"]
    for each in unit.nodes:
        status, report = _verify(each)
        assert (status, report["intact"]) == (0, True)


def test_a_changed_audit_log_is_found_out(make_unit, ca, password):
    unit = _with_audit_logs(make_unit()).start()
    unit.api.provision("main", password, ca)
    unit.stop()
    path = unit.main.config["auditLogPath"]
    with open(path) as file:
        lines = file.readlines()
    with open(path, "w") as file:
        file.writelines(lines[:2] + lines[3:])
    status, report = _verify(unit.main)
    assert status == 1
    assert report["break"]["line"] == 3


def test_a_log_that_is_rotated_and_restarted_stays_one_chain(make_unit, ca, password):
    unit = _with_audit_logs(make_unit(), auditLogMaxBytes=4096, auditLogMaxFiles=3).start()
    for _ in range(3):
        unit.api.provision("main", password, ca)
        unit.api.deprovision("main", password)
        unit.main.stop()
        unit.main.start()
    status, report = _verify(unit.main)
    assert (status, report["intact"], report["files"]) == (0, True, 3)


def test_a_log_that_cannot_be_opened_keeps_the_daemon_from_starting(make_unit):
    unit = make_unit()
    unit.main.config["auditLogPath"] = f"{unit.main.directory}/none/audit.log"
    unit.main.start(wait=False)
    assert unit.main.daemon.process.wait(timeout=30) != 0
    assert "auditLogPath" in unit.main.daemon.log()
