"""Certificates of callers, good and bad, each with a key in a file."""

import datetime
import os

import grpc
from harness.ca import Ca, openssl

OPERATOR = "URI:urn:provhub:role:operator"


class Identity:
    """What a caller shows: a private key and a chain."""

    def __init__(self, key, chain):
        self.key = key
        self.chain = chain

    def credentials(self, root):
        return grpc.ssl_channel_credentials(root.encode(), self.key.encode(), self.chain.encode())


class Identities:
    def __init__(self, directory, ca):
        os.makedirs(directory)
        self.directory = str(directory)
        self.ca = ca
        self.foreign_ca = Ca(f"{self.directory}/foreign", name="another")
        self._count = 0

    def operator(self):
        return self._issue(self.ca, "operator", [OPERATOR])

    def node(self, node_id):
        """What a node's own certificate looks like, with a key that can be used here."""
        return self._issue(self.ca, node_id, [f"URI:urn:provhub:node:{node_id}"])

    def without_role(self):
        return self._issue(self.ca, "visitor", ["DNS:visitor.unit"])

    def expired(self):
        return self._issue(self.ca, "operator", [OPERATOR], validity=_between(-40, -10))

    def not_yet_valid(self):
        return self._issue(self.ca, "operator", [OPERATOR], validity=_between(10, 40))

    def of_another_ca(self):
        return self._issue(self.foreign_ca, "operator", [OPERATOR])

    def for_servers_only(self):
        return self._issue(self.ca, "operator", [OPERATOR], usage="serverAuth")

    def self_signed(self):
        key_path = self._new_key_path()
        certificate = openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", key_path,
            "-subj", "/CN=operator", "-days", "30", "-addext", f"subjectAltName={OPERATOR}", "-addext",
            "extendedKeyUsage=clientAuth")
        return Identity(_read(key_path), certificate)

    def _issue(self, ca, name, names, usage="clientAuth", validity=("-days", "30")):
        key_path = self._new_key_path()
        extensions = [f"subjectAltName={','.join(names)}", f"extendedKeyUsage={usage}"]
        csr = ca.new_csr(name, key_path, extensions)
        return Identity(_read(key_path), ca.leaf(csr, validity) + ca.intermediate)

    def _new_key_path(self):
        self._count += 1
        return f"{self.directory}/{self._count}.key"


def _between(first_day, last_day):
    def moment(days):
        return (datetime.datetime.utcnow() + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")

    return ("-startdate", moment(first_day), "-enddate", moment(last_day))


def _read(path):
    with open(path) as file:
        return file.read()
