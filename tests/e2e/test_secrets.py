"""The password and the PINs are nowhere where they could be read."""

import os
import threading

import pytest
from harness.api import OperationError
from harness.daemon import program
from harness.unit import FULL


def _processes_of(unit):
    """This unit's daemons and their children, as far as /proc shows them now."""
    parents = {node.daemon.pid for node in unit.nodes}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if int(entry) in parents or parent in parents:
            yield entry


class ProcessWatch:
    """Looks at argv and environment of the processes all the time."""

    def __init__(self, unit, secret):
        self._unit = unit
        self._secret = secret.encode()
        self._stop = threading.Event()
        self.found = []
        self.seen = set()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._stop.wait(0.01):
            for pid in _processes_of(self._unit):
                self.seen.add(pid)
                for name in ("cmdline", "environ"):
                    try:
                        with open(f"/proc/{pid}/{name}", "rb") as file:
                            if self._secret in file.read():
                                self.found.append((pid, name))
                    except OSError:
                        pass

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def _files_with(unit, text):
    needle = text.encode()
    found = []
    for node in unit.nodes:
        for path in node.files():
            with open(path, "rb") as file:
                content = file.read()
            if needle in content or needle.hex().encode() in content.lower():
                found.append(path)
    return found


def _mapped_files_with(unit, texts):
    """Files that the daemons have mapped and may write, that hold one of `texts`."""
    found = []
    for node in unit.nodes:
        with open(f"/proc/{node.daemon.pid}/maps") as maps:
            mapped = {fields[5].strip() for fields in (line.split(None, 5) for line in maps)
                      if len(fields) == 6 and "w" in fields[1] and fields[5].startswith("/")}
        for path in mapped:
            try:
                with open(path, "rb") as file:
                    content = file.read()
            except OSError:
                continue
            found += [path for text in texts if text.encode() in content]
    return found


def test_the_password_is_in_no_file_no_log_and_no_argv(make_unit, ca, password):
    unit = make_unit(secondaries=1, modules=FULL)
    for node in unit.nodes:
        node.arguments = ["--provisioning", "-v", "trace"]
        node.config["auditLogPath"] = f"{node.directory}/audit.log"
        for name in ("startProvisioning", "diskEncryption", "finishProvisioning", "deprovision"):
            node.hook(name, "cat > /dev/null; sleep 0.1")
    unit.start()
    with ProcessWatch(unit, password) as watch:
        for node in unit.nodes:
            with pytest.raises(OperationError):
                unit.api.create_key(node.id, "iam", password)
            unit.api.provision(node.id, password, ca)
            with pytest.raises(OperationError) as caught:
                unit.api.start(node.id, password)
            assert password not in caught.value.message
    # Daemons and their hooks.
    assert len(watch.seen) > 2
    assert watch.found == []
    assert _files_with(unit, password) == []
    pins = []
    for node in unit.nodes:
        with open(node.pin_path) as file:
            pins.append(file.readline().rstrip("\n"))
        # There is something to look through.
        assert f"{node.directory}/audit.log" in node.files()
    assert _mapped_files_with(unit, [password, *pins]) == []
    for node, pin in zip(unit.nodes, pins):
        assert _files_with(unit, pin) == [node.pin_path]
    for node in unit.nodes:
        unit.api.deprovision(node.id, password)
    unit.stop()
    assert _files_with(unit, password) == []


def test_a_wrong_password_is_not_written_anywhere_either(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    for node in unit.nodes:
        node.arguments = ["--provisioning", "-v", "trace"]
    unit.start()
    wrong = password[::-1]
    for node in unit.nodes:
        unit.api.provision(node.id, password, ca)
        with pytest.raises(OperationError) as caught:
            unit.api.deprovision(node.id, wrong)
        assert wrong not in caught.value.message
    assert _files_with(unit, wrong) == []


def test_the_user_pin_is_in_its_own_file_alone(make_unit, ca, password):
    unit = make_unit(secondaries=1)
    for node in unit.nodes:
        node.arguments = ["--provisioning", "-v", "trace"]
    unit.start()
    for node in unit.nodes:
        unit.api.provision(node.id, password, ca)
        with open(node.pin_path) as file:
            pin = file.readline().rstrip("\n")
        assert len(pin) >= 8
        assert os.stat(node.pin_path).st_mode & 0o777 == 0o600
        assert _files_with(unit, pin) == [node.pin_path]


def test_files_of_the_working_directory_are_the_daemons_own(make_unit, ca, password):
    unit = make_unit(secondaries=1).start()
    for node in unit.nodes:
        unit.api.provision(node.id, password, ca)
        for path in node.files():
            if path.startswith(f"{node.directory}/work/"):
                assert os.stat(path).st_mode & 0o077 == 0, path


def test_private_keys_are_never_in_a_file_outside_the_token(make_unit, ca, password):
    unit = make_unit(modules=FULL).start()
    unit.api.provision("main", password, ca)
    assert _files_with(unit, "PRIVATE KEY") == []


def test_provctl_keeps_the_password_to_itself(make_unit, ca, password):
    import subprocess

    unit = make_unit(secondaries=1).start()
    password_file = f"{unit.directory}/provctl-password"
    with open(password_file, "w") as file:
        file.write(password + "\n")
    subprocess.run([program("provctl"), "ca", "init", f"{unit.directory}/dev-ca"], check=True, capture_output=True)
    process = subprocess.Popen(
        [program("provctl"), "--plaintext", "--server", unit.main.protected, "provision", "--all", "--ca",
         f"{unit.directory}/dev-ca", "--password-file", password_file],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    with open(f"/proc/{process.pid}/cmdline") as file:
        assert password not in file.read()
    output, _ = process.communicate(timeout=60)
    assert password not in output
