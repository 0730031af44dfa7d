"""Configuration files of the shape that vehicles run with today, changed in nothing but their paths."""

import os

from harness.daemon import run
from harness.token import LIBRARY


def _module(cert_type, label, directory, **more):
    return {
        "id": cert_type,
        "plugin": "pkcs11module",
        "algorithm": "ecc",
        "maxItems": 2,
        **more,
        "params": {
            "library": LIBRARY,
            "tokenLabel": label,
            "userPinPath": f"{directory}/iam/.usrpin",
            "modulePathInUrl": True,
        },
    }


def _common(directory, anchor, name, hooks):
    return {
        "caCert": anchor,
        "certStorage": "iam",
        "workingDir": f"{directory}/iam",
        "nodeInfo": {
            "nodeIdPath": f"{directory}/machine-id",
            "nodeName": name,
            "maxDmips": 10000,
            "provisioningStatePath": f"{directory}/.provisionstate",
            "attrs": {"AosComponents": "iam,sm"},
            "partitions": [
                {"name": "workdirs", "types": ["services", "layers", "generic"], "path": f"{directory}/workdirs"},
                {"name": "var", "types": ["generic"], "path": "/var"},
            ],
        },
        "diskEncryptionCmdArgs": ["/bin/sh", "-c", f"{hooks}/setupdisk.sh create -p $(cat {directory}/iam/.usrpin)"],
        "finishProvisioningCmdArgs": [f"{hooks}/provfinish.sh"],
        "deprovisionCmdArgs": [f"{hooks}/deprovision.sh", "async"],
        "migration": {"migrationPath": f"{directory}/migration", "mergedMigrationPath": f"{directory}/merged"},
        "provisioningTransport": "plaintext",
    }


def _main_config(directory, anchor, hooks):
    both = {"extendedKeyUsage": ["serverAuth", "clientAuth"]}
    config = _common(directory, anchor, "main", hooks)
    config["nodeInfo"]["attrs"] = {"MainNode": "", "AosComponents": "cm,iam,sm"}
    config["identifier"] = {
        "plugin": "fileidentifier",
        "params": {
            "systemIdPath": f"{directory}/machine-id",
            "unitModelPath": f"{directory}/unit_model",
            "subjectsPath": f"{directory}/subjects",
        },
    }
    config["certModules"] = [
        _module("online", "aoscloud", directory),
        _module("offline", "aoscloud", directory, algorithm="rsa", maxItems=5),
        _module("iam", "aoscore", directory, **both),
        _module("sm", "aoscore", directory, **both),
        _module("cm", "aoscore", directory, **both),
        _module("diskencryption", "aoscore", directory, algorithm="rsa", maxItems=1, disabled=False, selfSigned=True),
    ]
    return config


def _secondary_config(directory, anchor, hooks, main):
    config = _common(directory, anchor, "secondary", hooks)
    config["mainIamPublicServerUrl"] = main.public
    config["mainIamProtectedServerUrl"] = main.protected
    config["certModules"] = [
        _module("iam", "aoscore", directory, extendedKeyUsage=["serverAuth", "clientAuth"]),
        _module("sm", "aoscore", directory, extendedKeyUsage=["clientAuth"]),
        _module("diskencryption", "aoscore", directory, algorithm="rsa", maxItems=1, disabled=False, selfSigned=True),
    ]
    return config


def _prepare(node, directory, config, node_id):
    node.id = node_id
    os.makedirs(f"{directory}/workdirs", exist_ok=True)
    for name, text in (("machine-id", node_id), ("unit_model", "model;2.1"), ("subjects", "someone")):
        with open(f"{directory}/{name}", "w") as file:
            file.write(text + "\n")
    for script in ("setupdisk", "provfinish", "deprovision"):
        path = f"{directory}/{script}.sh"
        with open(path, "w") as file:
            file.write(f'#!/bin/sh\necho "{script} $*" >> {directory}/hooks.log\n')
        os.chmod(path, 0o755)
    config["iamPublicServerUrl"] = node.public
    config["iamProtectedServerUrl"] = node.protected
    node.config = config
    node.state_path = f"{directory}/.provisionstate"
    node.pin_path = f"{directory}/iam/.usrpin"


MAIN_ID = "1f2e3d4c5b6a79880011223344556677"
SECONDARY_ID = "8899aabbccddeeff0011223344556677"


def test_a_unit_runs_with_them(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    main, secondary = unit.nodes
    _prepare(main, main.directory, _main_config(main.directory, ca.root_path, main.directory), MAIN_ID)
    _prepare(
        secondary,
        secondary.directory,
        _secondary_config(secondary.directory, ca.root_path, secondary.directory, main),
        SECONDARY_ID,
    )
    for node in unit.nodes:
        node.write_config()
        done = run(node.program, "-c", node.config_path, "--check-config", environment=node.environment)
        assert done.returncode == 0, done.stderr
    unit.start()
    assert unit.api.cert_types(MAIN_ID) == ["online", "offline", "iam", "sm", "cm"]
    assert unit.api.cert_types(SECONDARY_ID) == ["iam", "sm"]
    for node in unit.nodes:
        unit.api.provision(node.id, password, ca)
        assert node.own_state() == "provisioned"
        info = unit.api.node_info(node.id)
        assert info.max_dmips == 10000
        assert [partition.name for partition in info.partitions] == ["workdirs", "var"]
        assert info.partitions[1].total_size > 0
        assert {attr.name for attr in info.attrs} == ({"MainNode", "AosComponents"} if node is main else {"AosComponents"})
        with open(node.pin_path) as file:
            pin = file.readline().strip()
        unit.api.deprovision(node.id, password)
        with open(f"{node.directory}/hooks.log") as file:
            lines = file.read().splitlines()
        assert lines == [f"setupdisk create -p {pin}", "provfinish ", "deprovision async"]
