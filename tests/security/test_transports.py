"""Peers that speak something else than the listener, in both modes."""

import socket
import ssl

import grpc
import pytest
from harness.api import Api
from harness.daemon import run
from harness.waiting import eventually

LISTENERS = ("public", "protected")


@pytest.fixture(scope="module", params=["normal", "provisioning"])
def main_node(request, make_vehicle):
    """A main node that serves over TLS, in either mode."""
    vehicle = make_vehicle(secondaries=0)
    if request.param == "normal":
        vehicle.restart_in_normal_mode()
    else:
        vehicle.restart_in_provisioning_mode()
        eventually(lambda: _handshake(vehicle.main.protected, ssl.TLSVersion.TLSv1_3), what="serving")
    yield vehicle.main
    vehicle.stop()


def _address(node, listener):
    return getattr(node, listener)


def _handshake(address, version):
    host, port = address.split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            with context.wrap_socket(connection) as secured:
                return secured.version()
    except OSError:
        return None


@pytest.mark.parametrize("listener", LISTENERS)
def test_only_tls_1_3_is_spoken(main_node, listener):
    assert _handshake(_address(main_node, listener), ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert _handshake(_address(main_node, listener), ssl.TLSVersion.TLSv1_2) is None


@pytest.mark.parametrize("listener", LISTENERS)
def test_plaintext_is_not_answered(main_node, listener):
    api = Api(_address(main_node, listener), timeout=5)
    try:
        with pytest.raises(grpc.RpcError) as raised:
            api.node_ids()
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    finally:
        api.close()


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_handshake_that_fails_is_logged(main_node, listener):
    before = main_node.daemon.log().count("andshake")
    assert _handshake(_address(main_node, listener), ssl.TLSVersion.TLSv1_2) is None
    eventually(lambda: main_node.daemon.log().count("andshake") > before, what="the failed handshake in the log")


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_wrong_fingerprint_is_refused_by_the_client(main_node, listener):
    done = run("provctl", "--server", _address(main_node, listener), "--server-fingerprint", "ab" * 32, "nodes")
    assert done.returncode == 1
    assert "fingerprint" in done.stderr


@pytest.mark.parametrize("listener", LISTENERS)
def test_tls_to_a_plaintext_listener_fails_soon(make_vehicle, listener):
    vehicle = make_vehicle(secondaries=0)
    done = run("provctl", "--server", _address(vehicle.main, listener), "--server-fingerprint", "ab" * 32, "nodes")
    assert done.returncode == 1
    assert done.stderr
    vehicle.stop()
