"""What a daemon makes of the file with its token's user PIN."""

import os

import pytest


@pytest.fixture(scope="module")
def stopped(make_vehicle):
    vehicle = make_vehicle(secondaries=0)
    vehicle.stop()
    with open(vehicle.main.pin_path, "rb") as file:
        vehicle.pin = file.read()
    return vehicle


def _missing(path, pin):
    os.unlink(path)


def _empty(path, pin):
    open(path, "wb").close()


def _world_readable(path, pin):
    os.chmod(path, 0o644)


def _of_another_token(path, pin):
    with open(path, "wb") as file:
        file.write(b"00000000")


@pytest.mark.parametrize("spoil", [_missing, _empty, _world_readable, _of_another_token])
def test_a_bad_pin_file_keeps_the_node_from_starting_in_normal_mode(stopped, spoil):
    main = stopped.main
    spoil(main.pin_path, stopped.pin)
    try:
        main.arguments = ["-v", "debug"]
        before = len(main.daemon.log())
        main.start(wait=False)
        assert main.daemon.wait() != 0
        errors = [line for line in main.daemon.log()[before:].splitlines() if " error " in line]
        assert any("PIN" in line for line in errors) and "can't start" in errors[-1], errors
    finally:
        main.daemon.stop()
        with open(main.pin_path, "wb") as file:
            file.write(stopped.pin)
        os.chmod(main.pin_path, 0o600)
    assert main.state_in_file() == "provisioned"


def test_a_newline_at_the_end_is_not_part_of_the_pin(stopped):
    main = stopped.main
    with open(main.pin_path, "wb") as file:
        file.write(stopped.pin.rstrip(b"\n") + b"\n")
    os.chmod(main.pin_path, 0o600)
    stopped.restart_in_normal_mode()
    assert stopped.api.get_cert("iam").serial
    stopped.stop()
