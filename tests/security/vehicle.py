"""A provisioned unit in normal mode, and what it knows, so that a test can tell that nothing was changed."""

import json
import os
import sqlite3

from harness.unit import BOTH_USAGES, Unit, module

# The nodes' addresses are their names here; a real unit has host names.
MODULES = [
    module("iam", extendedKeyUsage=BOTH_USAGES, alternativeNames=["127.0.0.1"], maxItems=1),
    module("sm", token="aoscloud", extendedKeyUsage=["clientAuth"]),
]


class Vehicle:
    def __init__(self, directory, ca, identities, password, secondaries=2):
        self.ca = ca
        self.identities = identities
        self.password = password
        self.unit = Unit(directory, ca, MODULES)
        for number in range(secondaries):
            self.unit.add(f"secondary-{number + 1}")
        for node in self.unit.nodes:
            node.config["auditLogPath"] = f"{node.directory}/audit.log"

    @property
    def main(self):
        return self.unit.main

    @property
    def api(self):
        return self.unit.api

    def provision(self):
        self.unit.start()
        for node in self.unit.nodes:
            self.unit.api.provision(node.id, self.password, self.ca)
        return self

    def restart_in_normal_mode(self):
        self.unit.stop()
        credentials = self.identities.operator().credentials(self.ca.root)
        for node in self.unit.nodes:
            node.arguments = ["-v", "debug"]
            node.credentials = credentials
        self.unit.start()
        return self

    def restart_in_provisioning_mode(self, transport="tls"):
        self.unit.stop()
        for node in self.unit.nodes:
            node.arguments = ["--provisioning", "-v", "debug"]
            node.credentials = None
            node.config["provisioningTransport"] = transport
        for node in self.unit.nodes:
            node.start(wait=transport == "plaintext")
        return self

    def stop(self):
        self.unit.stop()

    def snapshot(self):
        """States, certificates, owners of the tokens and registered nodes, as they are on disk."""
        found = {}
        for node in self.unit.nodes:
            found[node.id, "state"] = node.state_in_file()
            for name in sorted(os.listdir(f"{node.directory}/work")):
                path = f"{node.directory}/work/{name}"
                if name.endswith(".db") and name != "nodes.db":
                    found[node.id, name] = _rows(path)
                elif name in ("verifier", ".usrpin"):
                    with open(path, "rb") as file:
                        found[node.id, name] = file.read()
        found["nodes"] = {
            entry.info.node_id: (entry.info.state, entry.connected) for entry in self.list_nodes()
        }
        return found

    def list_nodes(self):
        from provhub.v1 import provhub_pb2 as ours

        return self.api.directory.ListNodes(ours.ListNodesRequest(), timeout=10).nodes

    def audit(self, node=None):
        """The records of a node's audit log, the main node's by default."""
        path = (node or self.main).config["auditLogPath"]
        with open(path) as file:
            return [json.loads(line) for line in file]


def _rows(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in sorted(tables)}
