"""A main node and its secondary nodes, as processes with tokens of their own."""

import copy
import json
import os

from harness.api import Api
from harness.daemon import Daemon
from harness.ports import allocate, is_listening
from harness.token import LIBRARY, TokenView, write_softhsm_conf
from harness.waiting import eventually


def module(cert_type, token="aoscore", algorithm="ecc", **more):
    """An entry of certModules; `params` is completed by the node."""
    return {"id": cert_type, "plugin": "pkcs11module", "algorithm": algorithm, "maxItems": 2, "token": token, **more}


BOTH_USAGES = ["serverAuth", "clientAuth"]
SMALL = [module("iam", extendedKeyUsage=BOTH_USAGES)]
FULL = [
    module("online", token="aoscloud"),
    module("offline", token="aoscloud", algorithm="rsa", maxItems=5),
    module("iam", extendedKeyUsage=BOTH_USAGES, alternativeNames=["gateway.unit"]),
    module("sm", extendedKeyUsage=["clientAuth"]),
    module("diskencryption", algorithm="rsa", maxItems=1, selfSigned=True),
]


class Node:
    def __init__(self, directory, node_id, modules, anchor, main=None, settings=None):
        self.directory = str(directory)
        self.id = node_id
        self.main = main
        os.makedirs(f"{self.directory}/tokens")
        self.public = f"127.0.0.1:{allocate()}"
        self.protected = f"127.0.0.1:{allocate()}"
        self.state_path = f"{self.directory}/provisionstate"
        self.pin_path = f"{self.directory}/work/.usrpin"
        self.config_path = f"{self.directory}/config.json"
        write_softhsm_conf(f"{self.directory}/softhsm2.conf", f"{self.directory}/tokens")
        self._write("node-id", node_id + "\n")
        self._write("system-id", "unit-0815\n")
        self._write("unit-model", "test-model;1.0\n")
        self._write("subjects", "subject-a\nsubject-b\n")
        self.config = self._make_config(modules, anchor)
        self.config.update(settings or {})
        self.arguments = ["--provisioning", "-v", "debug"]
        self.daemon = None
        # The credentials of this test's calls, where the node doesn't serve plaintext.
        self.credentials = None
        self._apis = {}

    def _write(self, name, text):
        with open(f"{self.directory}/{name}", "w") as file:
            file.write(text)

    def _make_config(self, modules, anchor):
        config = {
            "certStorage": modules[0]["id"],
            "iamPublicServerUrl": self.public,
            "iamProtectedServerUrl": self.protected,
            "workingDir": f"{self.directory}/work",
            "nodeInfo": {
                "nodeIdPath": f"{self.directory}/node-id",
                "nodeName": f"name of {self.id}",
                "maxDmips": 10000,
                "provisioningStatePath": self.state_path,
                "attrs": {},
            },
            "certModules": [self._complete(entry) for entry in modules],
            "provisioningTransport": "plaintext",
            "timeouts": {"nodeWait": "2s"},
        }
        if anchor:
            config["caCert"] = anchor
        if self.main is None:
            config["nodeInfo"]["attrs"]["MainNode"] = ""
            config["identifier"] = {
                "plugin": "fileidentifier",
                "params": {
                    "systemIDPath": f"{self.directory}/system-id",
                    "unitModelPath": f"{self.directory}/unit-model",
                    "subjectsPath": f"{self.directory}/subjects",
                },
            }
        else:
            config["mainIamPublicServerUrl"] = self.main.public
            config["mainIamProtectedServerUrl"] = self.main.protected
            config["nodeReconnectInterval"] = "1s"
        return config

    def _complete(self, entry):
        entry = copy.deepcopy(entry)
        entry["params"] = {
            "library": LIBRARY,
            "tokenLabel": entry.pop("token"),
            "userPinPath": self.pin_path,
            "modulePathInUrl": True,
            **entry.get("params", {}),
        }
        return entry

    def hook(self, name, script):
        """Sets a platform hook ("finishProvisioning", ...) to a shell script."""
        path = f"{self.directory}/{name}.sh"
        self._write(f"{name}.sh", f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        self.config[f"{name}CmdArgs"] = [path]

    @property
    def program(self):
        return "provhub-main" if self.main is None else "provhub-agent"

    @property
    def environment(self):
        return {"SOFTHSM2_CONF": f"{self.directory}/softhsm2.conf"}

    def write_config(self):
        with open(self.config_path, "w") as file:
            json.dump(self.config, file, indent=4)

    def start(self, wait=True):
        self.write_config()
        self.daemon = Daemon(
            self.program, ["-c", self.config_path, *self.arguments], self.environment, f"{self.directory}/log"
        )
        self.daemon.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if not self.daemon.is_running():
                raise RuntimeError(f"{self.id} ended with {self.daemon.process.returncode}:\n{self.daemon.log()}")
            # A gRPC channel that was refused once takes its time to try again.
            return is_listening(self.public) and is_listening(self.protected) and self.api.is_serving()

        eventually(ready, within=60, what=f"{self.id} serving")

    def stop(self):
        self.disconnect()
        return self.daemon.stop() if self.daemon else 0

    def kill(self):
        self.daemon.kill()
        self.disconnect()

    def disconnect(self):
        for api in self._apis.values():
            api.close()
        self._apis = {}

    def restart(self):
        self.stop()
        return self.start()

    @property
    def api(self):
        return self._api(self.protected)

    @property
    def public_api(self):
        return self._api(self.public)

    def _api(self, address):
        if address not in self._apis:
            self._apis[address] = Api(address, credentials=self.credentials)
        return self._apis[address]

    def own_state(self):
        """What the node itself says, after a look that its state file says the same."""
        from harness.api import EMPTY

        state = self.api.current_node.GetCurrentNodeInfo(EMPTY, timeout=10).state
        assert self.state_in_file() == state
        return state

    def state_in_file(self):
        try:
            with open(self.state_path) as file:
                return file.readline().rstrip("\n")
        except FileNotFoundError:
            return "unprovisioned"

    def token(self, label="aoscore"):
        return TokenView(f"{self.directory}/tokens", label, self.pin_path)

    def files(self):
        """Every file of the node, the token's included."""
        for root, _, names in os.walk(self.directory):
            for name in names:
                yield os.path.join(root, name)


class Unit:
    def __init__(self, directory, ca, modules=None, anchor=True):
        self.directory = str(directory)
        self.ca = ca
        self._modules = modules or SMALL
        self._anchor = ca.root_path if anchor else None
        self.main = Node(f"{self.directory}/main", "main", self._modules, self._anchor)
        self.secondaries = []

    def add(self, node_id, modules=None, **settings):
        node = Node(f"{self.directory}/{node_id}", node_id, modules or self._modules, self._anchor, self.main, settings)
        self.secondaries.append(node)
        return node

    @property
    def nodes(self):
        return [self.main, *self.secondaries]

    @property
    def api(self):
        return self.main.api

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        self.wait_connected()
        return self

    def wait_connected(self, within=30.0):
        everybody = {node.id for node in self.nodes}
        eventually(lambda: self.api.connected() == everybody, within, "every node connected")

    def stop(self):
        """Stops every process; fails when one did not end well."""
        statuses = {}
        for node in reversed(self.nodes):
            was_running = node.daemon is not None and node.daemon.is_running()
            try:
                status = node.stop()
            except AssertionError as error:
                status = error
            if was_running:
                statuses[node.id] = status
        assert all(status == 0 for status in statuses.values()), statuses
