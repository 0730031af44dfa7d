"""provctl against a real unit."""

import json
import os
import signal
import subprocess

import pytest
from harness.ca import openssl
from harness.daemon import program, run
from harness.unit import FULL
from harness.waiting import eventually


class Provctl:
    def __init__(self, unit, password):
        self.unit = unit
        self.ca = f"{unit.directory}/dev-ca"
        self.password_file = f"{unit.directory}/password"
        with open(self.password_file, "w") as file:
            file.write(password + "\n")
        assert run("provctl", "ca", "init", self.ca).returncode == 0
        for node in unit.nodes:
            node.config["caCert"] = f"{self.ca}/root.pem"

    def arguments(self, *arguments):
        return ["--plaintext", "--server", self.unit.main.protected, *arguments]

    def __call__(self, *arguments, **options):
        return run("provctl", *self.arguments(*arguments), **options)

    def json(self, *arguments, status=0):
        done = self("-o", "json", *arguments)
        assert done.returncode == status, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def provision(self, *arguments, status=0):
        return self.json("provision", *arguments, "--ca", self.ca, "--password-file", self.password_file, status=status)


@pytest.fixture
def provctl(make_unit, password):
    return Provctl(make_unit(secondaries=2, modules=FULL), password)


def test_one_command_provisions_the_whole_unit(provctl):
    provctl.unit.start()
    result = provctl.provision("--all")
    assert [node["result"] for node in result["nodes"]] == ["provisioned"] * 3
    for node in result["nodes"]:
        assert [entry["type"] for entry in node["certificates"]] == ["online", "offline", "iam", "sm"]
    listed = provctl.json("nodes")["nodes"]
    assert [(node["nodeId"], node["state"], node["connected"]) for node in listed] == [
        ("main", "provisioned", True),
        ("secondary-1", "provisioned", True),
        ("secondary-2", "provisioned", True),
    ]
    for node in provctl.unit.nodes:
        assert node.own_state() == "provisioned"
        certificates = json.loads(
            run("provctl", "--plaintext", "--server", node.protected, "-o", "json", "certs").stdout
        )["certificates"]
        assert sorted(entry["type"] for entry in certificates) == ["diskencryption", "iam", "offline", "online", "sm"]
        for entry in certificates:
            assert entry["notAfter"] > entry["notBefore"]
    again = provctl.provision("--all")
    assert [node["result"] for node in again["nodes"]] == ["skipped"] * 3


def test_simulated_nodes_are_provisioned_like_real_ones(make_unit, password):
    provctl = Provctl(make_unit(), password)
    provctl.unit.start()
    simulation = subprocess.Popen(
        [program("provhub-nodesim"), "--plaintext", "--server", provctl.unit.main.public, "-n", "5", "-o", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        result = provctl.provision("--all", "--wait-for", "6")
        assert {node["result"] for node in result["nodes"]} == {"provisioned"}
        listed = {node["nodeId"]: node for node in provctl.json("nodes")["nodes"]}
        assert len(listed) == 6
        assert listed["sim-00005"]["state"] == "provisioned" and listed["sim-00005"]["connected"]
    finally:
        simulation.send_signal(signal.SIGTERM)
        summary = json.loads(simulation.communicate()[0])
    assert simulation.returncode == 0
    assert summary["nodes"] == 5
    eventually(lambda: not any(node["connected"] for node in provctl.json("nodes")["nodes"]
                               if node["nodeId"].startswith("sim-")), what="the end of their streams")


def test_it_waits_for_the_nodes(provctl):
    provctl.unit.main.start()
    done = provctl("-o", "json", "provision", "--all", "--wait-for", "3", "--wait", "500ms", "--ca", provctl.ca,
                   "--password-file", provctl.password_file)
    assert done.returncode == 1
    assert "1 is connected" in json.loads(done.stdout)["error"]["message"]
    process = subprocess.Popen(
        [program("provctl"), *provctl.arguments("provision", "--all", "--wait-for", "3", "--ca", provctl.ca,
                                                "--password-file", provctl.password_file)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    for node in provctl.unit.secondaries:
        node.start()
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output


def test_a_failing_node_does_not_hold_back_the_others_and_can_be_taken_up_again(provctl):
    bad = provctl.unit.secondaries[0]
    bad.hook("finishProvisioning", "echo out of luck >&2; exit 1")
    provctl.unit.start()
    result = provctl.provision("--all", status=1)
    assert [node["result"] for node in result["nodes"]] == ["provisioned", "failed", "provisioned"]
    assert result["nodes"][1]["step"] == "FinishProvisioning"
    assert "out of luck" in result["nodes"][1]["error"]["message"]
    assert provctl.unit.api.state(bad.id) == "unprovisioned"
    bad.hook("finishProvisioning", "exit 0")
    result = provctl.provision("--all")
    assert [node["result"] for node in result["nodes"]] == ["skipped", "provisioned", "skipped"]
    result = provctl.provision(bad.id, "--restart")
    assert result["nodes"][0]["result"] == "provisioned"


def test_deprovision_pause_and_resume(provctl):
    provctl.unit.start()
    provctl.provision("main", "secondary-1")
    assert provctl.json("pause", "secondary-1")["nodes"][0]["result"] == "paused"
    assert provctl.unit.secondaries[0].own_state() == "paused"
    assert provctl.json("resume", "secondary-1")["nodes"][0]["result"] == "provisioned"
    wrong = f"{provctl.unit.directory}/wrong"
    with open(wrong, "w") as file:
        file.write("not the password\n")
    provctl.json("deprovision", "main", "secondary-1", "--password-file", wrong, status=1)
    assert provctl.unit.main.own_state() == "provisioned"
    provctl.json("deprovision", "main", "secondary-1", "--password-file", provctl.password_file)
    assert provctl.unit.main.own_state() == "unprovisioned"


def test_a_ca_command_signs(provctl, ca):
    for node in provctl.unit.nodes:
        node.config["caCert"] = ca.root_path
    provctl.unit.start()
    signer = f"{provctl.unit.directory}/sign.sh"
    with open(signer, "w") as file:
        file.write(
            f"""#!/bin/sh
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > $work/csr
openssl x509 -req -in $work/csr -CA {ca.directory}/intermediate.pem -CAkey {ca.directory}/intermediate.key \\
    -days 10 -copy_extensions copyall -out $work/leaf 2>$work/err || {{ cat $work/err >&2; exit 1; }}
cat $work/leaf {ca.directory}/intermediate.pem
"""
        )
    os.chmod(signer, 0o755)
    done = provctl("provision", "secondary-1", "--ca-command", signer, "--password-file", provctl.password_file)
    assert done.returncode == 0, done.stderr
    pems = provctl.unit.secondaries[0].token("aoscloud").certificates()
    assert sum(ca.verifies(pem, ca.intermediate) for pem in pems if "unit-0815" in
               openssl("x509", "-noout", "-subject", stdin=pem)) == 2


def test_nodes_watch_tells_of_changes_until_interrupted(provctl):
    provctl.unit.start()
    process = subprocess.Popen(
        [program("provctl"), *provctl.arguments("-o", "json", "nodes", "--watch")],
        stdout=open(f"{provctl.unit.directory}/watch", "w"),
    )
    path = f"{provctl.unit.directory}/watch"
    eventually(lambda: open(path).read().count("nodeId") == 3, what="the list")
    provctl.unit.secondaries[0].kill()
    eventually(lambda: '"connected":false' in open(path).read(), what="the change")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    elements = json.load(open(path))
    assert elements[-1]["nodeId"] == "secondary-1"
    assert elements[-1]["connected"] is False


def test_version_tells_both_sides(provctl):
    provctl.unit.main.start()
    result = provctl.json("version")
    assert result["server"]["apiVersion"] == 6
    assert result["server"]["nodeId"] == "main"
    assert result["server"]["mainNode"] is True
    assert result["client"] == result["server"]["version"]


def test_an_unreachable_server_is_named_soon():
    done = run("provctl", "--plaintext", "--server", "127.0.0.1:1", "nodes")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert done.elapsed < 10
