import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
sys.path.insert(0, os.path.dirname(__file__))

from harness.ca import Ca  # noqa: E402
from identities import Identities  # noqa: E402
from vehicle import Vehicle  # noqa: E402

_vehicles = []


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def identities(tmp_path_factory, ca):
    return Identities(tmp_path_factory.mktemp("identities") / "callers", ca)


@pytest.fixture(scope="module")
def make_vehicle(tmp_path_factory, ca, identities):
    """make_vehicle(): a unit that is provisioned; stopped at the end."""

    def make(**options):
        vehicle = Vehicle(tmp_path_factory.mktemp("vehicle") / "unit", ca, identities, "pw-security-1", **options)
        _vehicles.append(vehicle)
        return vehicle.provision()

    yield make
    for vehicle in _vehicles:
        vehicle.stop()
    _vehicles.clear()


@pytest.fixture(scope="module")
def vehicle(make_vehicle):
    """In normal mode."""
    return make_vehicle().restart_in_normal_mode()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for vehicle in _vehicles:
            for node in vehicle.unit.nodes:
                if node.daemon is not None:
                    tail = "\n".join(node.daemon.log().splitlines()[-40:])
                    report.sections.append((f"log of {node.id}", tail))
