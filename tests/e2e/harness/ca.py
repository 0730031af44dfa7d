"""A CA made with the openssl program: what signs here shares no code with what is tested."""

import os
import subprocess
import threading

_EXTENSIONS = """
[ca]
default_ca = this
[this]
database = {directory}/index.txt
new_certs_dir = {directory}
default_md = sha384
rand_serial = yes
unique_subject = no
copy_extensions = copy
policy = any
[any]
commonName = optional
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"
    return done.stdout


def public_key_of_csr(csr):
    return openssl("req", "-noout", "-pubkey", stdin=csr)


def public_key_of_certificate(pem):
    return openssl("x509", "-noout", "-pubkey", stdin=pem)


class Ca:
    """Root and intermediate. `sign` gives leaf and intermediate."""

    def __init__(self, directory, name="test"):
        self.directory = str(directory)
        os.makedirs(self.directory)
        self._config = f"{self.directory}/openssl.cnf"
        with open(self._config, "w") as config:
            config.write(_EXTENSIONS.format(directory=self.directory))
        open(f"{self.directory}/index.txt", "w").close()
        self.root_path = f"{self.directory}/root.pem"
        self._key("root")
        root_csr = self._csr("root", f"{name} root")
        self._ca("-selfsign", "-keyfile", f"{self.directory}/root.key", "-extensions", "root", "-in", root_csr,
                 "-out", self.root_path, "-days", "365")
        self._key("intermediate")
        csr = self._csr("intermediate", f"{name} intermediate")
        self._ca("-cert", self.root_path, "-keyfile", f"{self.directory}/root.key", "-extensions", "intermediate",
                 "-in", csr, "-out", f"{self.directory}/intermediate.pem", "-days", "300")
        self.root = self._read("root.pem")
        self.intermediate = self._read("intermediate.pem")
        self._count = 0
        self._lock = threading.Lock()

    def leaf(self, csr, validity=("-days", "30")):
        # The program keeps a database, which is for one at a time.
        with self._lock:
            self._count += 1
            path = f"{self.directory}/leaf-{self._count}"
            with open(f"{path}.csr", "w") as out:
                out.write(csr)
            self._ca("-cert", f"{self.directory}/intermediate.pem", "-keyfile", f"{self.directory}/intermediate.key",
                     "-extensions", "leaf", "-in", f"{path}.csr", "-out", f"{path}.pem", *validity)
            return self._read(f"leaf-{self._count}.pem")

    def sign(self, csr):
        return self.leaf(csr) + self.intermediate

    def expired_leaf(self, csr):
        return self.leaf(csr, ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"))

    def new_csr(self, name="somebody else", key_path=None, extensions=()):
        """Of a key that no token has."""
        return openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout",
                       key_path or f"{self.directory}/foreign.key", "-subj", f"/CN={name}",
                       *(argument for extension in extensions for argument in ("-addext", extension)))

    def verifies(self, leaf, untrusted):
        """Whether openssl finds a path from the leaf to the root."""
        for name, text in (("check-leaf.pem", leaf), ("check-chain.pem", untrusted)):
            with open(f"{self.directory}/{name}", "w") as out:
                out.write(text)
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", self.root_path, "-untrusted", f"{self.directory}/check-chain.pem",
             f"{self.directory}/check-leaf.pem"], capture_output=True, text=True)
        return done.returncode == 0

    def _key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
                f"{self.directory}/{name}.key")

    def _csr(self, name, common_name):
        path = f"{self.directory}/{name}.csr"
        openssl("req", "-new", "-key", f"{self.directory}/{name}.key", "-subj", f"/CN={common_name}", "-out", path)
        return path

    def _ca(self, *arguments):
        openssl("ca", "-batch", "-notext", "-config", self._config, *arguments)

    def _read(self, name):
        with open(f"{self.directory}/{name}") as file:
            return file.read()
