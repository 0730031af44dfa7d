"""TCP ports that no other test takes."""

import fcntl
import os
import random
import socket

# Below the kernel's own choice for outgoing connections.
_LOW, _HIGH = 15000, 32000
_LOCKS = f"/tmp/provhub-e2e-ports-{os.getuid()}"
_held = []


def allocate() -> int:
    """A free port of the loopback interface, kept for this process until it ends."""
    os.makedirs(_LOCKS, exist_ok=True)
    for port in random.sample(range(_LOW, _HIGH), 500):
        lock = os.open(f"{_LOCKS}/{port}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held.append(lock)
        return port
    raise RuntimeError("no free port")


def is_listening(address) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
