"""Configurations with which a daemon must not start, and what it says then."""

import json
import os
import stat

import pytest
from harness.daemon import run
from harness.unit import Node, SMALL

CONFIG_STATUS = 78
USAGE_STATUS = 64
PROGRAMS = {"provhub-main": None, "provhub-agent": "main"}


@pytest.fixture(params=PROGRAMS)
def node(request, tmp_path, ca):
    main = Node(tmp_path / "main", "main", SMALL, ca.root_path)
    if request.param == "provhub-main":
        return main
    return Node(tmp_path / "agent", "agent", SMALL, ca.root_path, main)


def start(node, *arguments):
    """A start that must not succeed."""
    node.write_config()
    return run(node.program, "-c", node.config_path, "--provisioning", *arguments, environment=node.environment, within=20)


def check(node):
    node.write_config()
    return run(node.program, "-c", node.config_path, "--check-config", environment=node.environment, within=20)


def set_key(config, path, value):
    *parents, last = path
    for key in parents:
        config = config[key]
    config[last] = value


BAD_VALUES = {
    "a wrong type": (["certModules", 0, "maxItems"], "many", "certModules[0].maxItems"),
    "a wrong container": (["certModules"], "iam", "certModules"),
    "a negative number": (["certModules", 0, "maxItems"], -1, "certModules[0].maxItems"),
    "an unknown key": (["workingDirectory"], "/tmp", "workingDir"),
    "an unknown nested key": (["certModules", 0, "params", "tokenLable"], "x", "tokenLabel"),
    "an unknown algorithm": (["certModules", 0, "algorithm"], "dsa", "certModules[0].algorithm"),
    "an unknown plugin": (["certModules", 0, "plugin"], "tpmmodule", "certModules[0].plugin"),
    "an unknown usage": (["certModules", 0, "extendedKeyUsage"], ["codeSigning"], "extendedKeyUsage[0]"),
    "two tokens": (["certModules", 0, "params", "slotIndex"], 0, "certModules[0].params"),
    "a bad duration": (["timeouts", "forward"], "soon", "timeouts.forward"),
    "a bad transport": (["provisioningTransport"], "carrier pigeon", "provisioningTransport"),
    "a bad address": (["iamPublicServerUrl"], "8090", "iamPublicServerUrl"),
    "an unknown storage": (["certStorage"], "nowhere", "certStorage"),
}


@pytest.mark.parametrize("path, value, named", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_is_named_in_one_line(node, path, value, named):
    set_key(node.config, path, value)
    done = start(node)
    assert done.returncode == CONFIG_STATUS
    assert len(done.stderr.strip().splitlines()) == 1
    assert node.config_path in done.stderr and named in done.stderr
    done = check(node)
    assert done.returncode == CONFIG_STATUS
    assert node.config_path in done.stderr and named in done.stderr
    assert not os.path.exists(f"{node.directory}/work")


BAD_FILES = {"text": "not JSON", "nothing": "", "a list": "[]", "a cut file": '{"caCert": "/x', "binary": "\x00\x01\x02"}


@pytest.mark.parametrize("text", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_no_json_object_is_named(node, text):
    with open(node.config_path, "w") as file:
        file.write(text)
    done = run(node.program, "-c", node.config_path, "--provisioning", within=20)
    assert done.returncode == CONFIG_STATUS
    assert node.config_path in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_missing_file_is_named(node):
    done = run(node.program, "-c", f"{node.directory}/absent.json", within=20)
    assert done.returncode == CONFIG_STATUS
    assert "absent.json" in done.stderr


def test_a_missing_library_is_named(node):
    node.config["certModules"][0]["params"]["library"] = "/usr/lib/absent.so"
    for done in (start(node), check(node)):
        assert done.returncode != 0
        assert "/usr/lib/absent.so" in done.stderr


def test_a_library_that_is_no_pkcs11_module_is_named(node):
    node.config["certModules"][0]["params"]["library"] = "/usr/lib/x86_64-linux-gnu/libz.so.1"
    done = start(node)
    assert done.returncode != 0
    assert "libz.so.1" in done.stderr


def test_a_missing_node_id_is_named(node):
    os.unlink(f"{node.directory}/node-id")
    done = start(node)
    assert done.returncode != 0
    assert f"{node.directory}/node-id" in done.stderr


def test_a_missing_hook_is_named_by_check_config(node):
    node.config["finishProvisioningCmdArgs"] = ["/opt/absent.sh"]
    done = check(node)
    assert done.returncode == CONFIG_STATUS
    assert "/opt/absent.sh" in done.stderr


def test_check_config_says_everything_that_is_wrong(node):
    node.config["finishProvisioningCmdArgs"] = ["/opt/absent.sh"]
    node.config["certModules"][0]["params"]["library"] = "/usr/lib/absent.so"
    done = check(node)
    assert done.returncode == CONFIG_STATUS
    assert "/opt/absent.sh" in done.stderr and "/usr/lib/absent.so" in done.stderr


def test_check_config_is_content_with_a_good_one_and_makes_nothing(node):
    done = check(node)
    assert done.returncode == 0, done.stderr
    assert os.listdir(f"{node.directory}/tokens") == []
    assert not os.path.exists(node.state_path)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/proc/self"), reason="needs /proc")
def test_an_unwritable_working_directory_is_named(node):
    # A file where the directory should be stops root, too, whom modes don't.
    with open(f"{node.directory}/work", "w"):
        pass
    done = start(node)
    assert done.returncode != 0
    assert f"{node.directory}/work" in done.stderr
    os.chmod(f"{node.directory}/work", stat.S_IRUSR)


def test_wrong_usage_has_its_own_status(node):
    for arguments in (["--absent-option"], ["-v", "loud"], ["-c"], ["stray"]):
        done = run(node.program, *arguments, within=20)
        assert done.returncode == USAGE_STATUS, arguments
        assert done.stderr


def test_help_and_version_are_no_errors(node):
    for argument in ("--help", "-h", "--version"):
        done = run(node.program, argument, within=20)
        assert done.returncode == 0
        assert node.program in done.stdout


def test_normal_mode_is_refused_with_a_reason_or_serves(node):
    node.write_config()
    done = run(node.program, "-c", node.config_path, environment=node.environment, within=20)
    assert done.returncode != 0
    assert "provisioning" in done.stderr


def test_keys_are_matched_without_regard_to_case(node):
    text = json.dumps(node.config).replace("maxItems", "maxitems").replace("nodeIdPath", "nodeIDPath")
    with open(node.config_path, "w") as file:
        file.write(text)
    done = run(node.program, "-c", node.config_path, "--check-config", environment=node.environment, within=20)
    assert done.returncode == 0, done.stderr
