"""What an operator does to a unit in normal mode, with provctl, and what it does not let others do."""

import json
import os

import pytest
from harness.ca import openssl
from harness.daemon import run
from harness.waiting import eventually


class Operator:
    """Somebody with a key of his own in a file and a certificate that allows everything."""

    def __init__(self, vehicle, directory):
        self.vehicle = vehicle
        self.key = f"{directory}/me.key"
        self.certificate = f"{directory}/me.pem"
        self.root = vehicle.ca.root_path
        self.password_file = f"{directory}/password"
        self._write(self.password_file, vehicle.password)
        made = run("provctl", "csr", "--new-key", self.key, "--subject", "operator-7", "--operator")
        assert made.returncode == 0, made.stderr
        assert os.stat(self.key).st_mode & 0o777 == 0o600
        self._write(self.certificate, vehicle.ca.sign(made.stdout))
        # Any program that reads a request and prints a chain can be the CA.
        ca = vehicle.ca.directory
        self.ca_command = (
            f"flock {ca}/lock openssl ca -batch -notext -config {ca}/openssl.cnf -cert {ca}/intermediate.pem"
            f" -keyfile {ca}/intermediate.key -extensions leaf -days 60 -in /dev/stdin 2>/dev/null"
            f" && cat {ca}/intermediate.pem"
        )

    @staticmethod
    def _write(path, text):
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)

    def provctl(self, *arguments):
        return run("provctl", "--server", self.vehicle.main.protected, "--ca-cert", self.root, "--cert",
                   self.certificate, "--key", self.key, *arguments)

    def json(self, *arguments, status=0):
        done = self.provctl("-o", "json", *arguments)
        assert done.returncode == status, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def enrol(self, command, *arguments, status=0):
        return self.json(command, *arguments, "--ca-command", self.ca_command, "--password-file", self.password_file,
                         status=status)

    def serials(self):
        """By node and type, of what is in use: the last of its type."""
        return {
            (node["nodeId"], entry["type"]): entry["serial"]
            for node in self.json("certs", "--all")["nodes"]
            for entry in node["certificates"]
        }


@pytest.fixture(scope="module")
def operator(vehicle, tmp_path_factory):
    return Operator(vehicle, tmp_path_factory.mktemp("operator"))


def test_the_request_of_an_operator_asks_for_his_role(operator):
    again = run("provctl", "csr", "--key", operator.key, "--subject", "operator-7", "--operator", "--san", "DNS:me.unit")
    assert again.returncode == 0, again.stderr
    text = openssl("req", "-noout", "-text", "-verify", stdin=again.stdout)
    assert "CN = operator-7" in text and "urn:provhub:role:operator" in text and "me.unit" in text
    with open(operator.key) as file:
        key = file.read()
    refused = run("provctl", "csr", "--new-key", operator.key, "--subject", "operator-7")
    assert refused.returncode != 0 and operator.key in refused.stderr
    with open(operator.key) as file:
        assert file.read() == key


def test_only_what_is_due_is_renewed(operator):
    before = operator.serials()
    result = operator.enrol("renew", "--all", "--within", "7d")
    assert [node["nodeId"] for node in result["nodes"]] == ["main", "secondary-1", "secondary-2"]
    assert operator.serials() == before
    assert not any(node["certificates"] for node in operator.json("certs", "--all", "--expiring", "7d")["nodes"])
    due = operator.json("certs", "--all", "--expiring", "40d")["nodes"]
    assert [len(node["certificates"]) for node in due] == [2, 2, 2]


def test_renews_a_whole_unit_while_it_works(operator):
    before = operator.serials()
    result = operator.enrol("renew", "--all", "--within", "40d")
    assert [node["result"] for node in result["nodes"]] == ["renewed"] * 3, result
    after = operator.serials()
    assert set(after) == set(before) and not set(after.values()) & set(before.values())
    # Every agent moves to a connection with its new certificate.
    everybody = {"main", "secondary-1", "secondary-2"}
    eventually(lambda: operator.vehicle.api.connected() == everybody, 30, "every node connected")
    assert operator.provctl("pause", "secondary-1").returncode == 0
    assert operator.provctl("resume", "secondary-1").returncode == 0
    for node in operator.vehicle.unit.nodes:
        verified = run("provctl", "audit", "verify", node.config["auditLogPath"])
        assert verified.returncode == 0, verified.stdout


def test_a_wrong_password_renews_nothing(operator):
    before = operator.serials()
    wrong = f"{operator.password_file}.wrong"
    operator._write(wrong, "not the password")
    done = operator.provctl("renew", "secondary-2", "--within", "400d", "--ca-command", operator.ca_command,
                            "--password-file", wrong)
    assert done.returncode == 1
    assert "password" in done.stdout + done.stderr
    assert operator.serials() == before


def test_a_computer_is_added_to_a_running_vehicle(operator):
    vehicle = operator.vehicle
    node = vehicle.unit.add("secondary-3")
    node.config["provisioningTransport"] = "tls"
    node.config["auditLogPath"] = f"{node.directory}/audit.log"
    node.start(wait=False)
    eventually(lambda: "secondary-3" in vehicle.api.connected(), 30, "the new node connected")
    result = operator.enrol("provision", "secondary-3")
    assert [entry["result"] for entry in result["nodes"]] == ["provisioned"], result
    assert node.state_in_file() == "provisioned"
    node.stop()
    node.arguments = ["-v", "debug"]
    node.credentials = vehicle.main.credentials
    node.start()
    vehicle.unit.wait_connected()
    assert operator.provctl("pause", "secondary-3").returncode == 0
    assert vehicle.api.state("secondary-3") == "paused"
    # The others are what they were: nobody can provision them now.
    assert operator.provctl("deprovision", "secondary-1", "--password-file", operator.password_file).returncode == 1
    assert vehicle.api.state("secondary-1") == "provisioned"
