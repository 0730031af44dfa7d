"""A main node that lets in, in provisioning mode over TLS, only nodes with a join token."""

import json
import os
import time

import pytest
from harness.daemon import run
from harness.ports import is_listening
from harness.waiting import eventually


class Unit:
    """Nodes that serve TLS with certificates of their own making."""

    def __init__(self, unit):
        self.main = unit.main
        for node in unit.nodes:
            node.config["provisioningTransport"] = "tls"
        self.main.config["requireJoinToken"] = True
        start(self.main)
        self._known = f"{unit.directory}/provctl"

    def provctl(self, *arguments, status=0):
        done = run("provctl", "--server", self.main.protected, *arguments,
                   environment={"HOME": self._known, "XDG_STATE_HOME": self._known})
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout

    def create(self, *arguments):
        token = self.provctl("token", "create", *arguments)
        assert token.count("\n") == 1
        return token.strip()

    def tokens(self):
        return json.loads(self.provctl("-o", "json", "token", "list"))["tokens"]

    def connected(self, node):
        nodes = json.loads(self.provctl("-o", "json", "nodes"))["nodes"]
        return any(entry["nodeId"] == node.id and entry["connected"] for entry in nodes)

    def is_let_in(self, node):
        eventually(lambda: self.connected(node), within=30, what=f"{node.id} connected")

    def is_refused(self, node, reason):
        eventually(lambda: reason in node.daemon.log(), within=30, what=f"'{reason}' in the log of {node.id}")
        assert reason in self.main.daemon.log()
        assert not self.connected(node)


def start(node, token=None):
    if token is not None:
        node.config["joinTokenPath"] = f"{node.directory}/join-token"
        with open(os.open(node.config["joinTokenPath"], os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(token + "\n")
    node.start(wait=False)
    eventually(lambda: is_listening(node.public) and is_listening(node.protected), within=30, what="listening")


@pytest.fixture
def nodes(make_unit):
    unit = make_unit(secondaries=2)
    return Unit(unit), *unit.secondaries


def test_a_token_lets_one_node_in_and_no_other(nodes):
    unit, node, other = nodes
    start(node)
    unit.is_refused(node, "shows no join token, which this main node requires")
    node.stop()
    token = unit.create()
    start(node, token)
    unit.is_let_in(node)
    assert [entry["usedBy"] for entry in unit.tokens()] == [node.id]
    start(other, token)
    unit.is_refused(other, f"was used by node '{node.id}' already")
    assert unit.connected(node)
    for daemon in (unit.main.daemon, node.daemon, other.daemon):
        assert token not in daemon.log()


def test_an_expired_token_lets_nobody_in(nodes):
    unit, node, _ = nodes
    token = unit.create("--ttl", "1s", "--node", node.id)
    created = time.monotonic()
    eventually(lambda: time.monotonic() > created + 1.5, within=10, what="the token's end")
    start(node, token)
    unit.is_refused(node, "expired at")


def test_a_revoked_token_lets_nobody_in(nodes):
    unit, node, _ = nodes
    token = unit.create()
    unit.provctl("token", "revoke", unit.tokens()[0]["id"])
    start(node, token)
    unit.is_refused(node, "is not known here")
    unit.provctl("token", "revoke", "no-such-token", status=1)
