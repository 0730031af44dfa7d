"""What is in a token, seen with pkcs11-tool.

Looks at a copy: a second process that logs in would write to the files of the first one.
"""

import os
import re
import shutil
import subprocess
import tempfile

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"


def write_softhsm_conf(path, token_dir):
    with open(path, "w") as conf:
        conf.write(f"directories.tokendir = {token_dir}\nobjectstore.backend = file\nlog.level = ERROR\n")
        conf.write("slots.removable = false\nslots.mechanisms = ALL\nlibrary.reset_on_fork = false\n")


class TokenView:
    """A token as it was when this was made."""

    def __init__(self, token_dir, label, pin_path):
        self._label = label
        self._scratch = tempfile.TemporaryDirectory(prefix="provhub-token-")
        copied = f"{self._scratch.name}/tokens"
        shutil.copytree(token_dir, copied)
        self._conf = f"{self._scratch.name}/softhsm2.conf"
        write_softhsm_conf(self._conf, copied)
        self._pin = ""
        if os.path.exists(pin_path):
            with open(pin_path) as pin:
                self._pin = pin.readline().rstrip("\n")

    def run(self, *arguments, login=True):
        command = ["pkcs11-tool", "--module", LIBRARY, "--token-label", self._label]
        if login:
            command += ["--login", "--pin", self._pin]
        done = subprocess.run(
            [*command, *arguments], env={**os.environ, "SOFTHSM2_CONF": self._conf}, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def objects(self, kind):
        """[{"label": .., "ID": .., "Access": ..}] of kind privkey, pubkey or cert."""
        text = self.run("--list-objects", "--type", kind).decode(errors="replace")
        found = []
        for line in text.splitlines():
            if re.match(r"^\S.*Object", line):
                found.append({})
            elif match := re.match(r"^\s+(\w[\w ]*?):\s+(.*?)\s*$", line):
                found[-1][match[1]] = match[2]
        return found

    def private_keys(self):
        return self.objects("privkey")

    def certificate(self, object_id):
        der = self.run("--read-object", "--type", "cert", "--id", object_id, login=False)
        return subprocess.run(
            ["openssl", "x509", "-inform", "DER"], input=der, capture_output=True, check=True
        ).stdout.decode()

    def certificates(self):
        return [self.certificate(entry["ID"]) for entry in self.objects("cert")]
