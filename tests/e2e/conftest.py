import os
import secrets
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness.ca import Ca  # noqa: E402
from harness.unit import Unit  # noqa: E402

# Of the tests' processes, so that a failure can show what they said.
_units = []


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def password():
    """Unlike anything else on the machine."""
    return "pw-" + secrets.token_hex(12)


@pytest.fixture
def make_unit(tmp_path, ca):
    """make_unit(secondaries=.., modules=..): a unit that has not been started; stopped at the end."""
    units = []

    def make(secondaries=0, modules=None, **options):
        unit = Unit(tmp_path / f"unit{len(units)}", ca, modules, **options)
        for number in range(secondaries):
            unit.add(f"secondary-{number + 1}")
        units.append(unit)
        _units.append(unit)
        return unit

    yield make
    _stop(units)


@pytest.fixture(scope="module")
def shared_unit(tmp_path_factory, ca):
    """A running unit with one secondary node that every test of the module uses."""
    unit = Unit(tmp_path_factory.mktemp("unit") / "unit", ca)
    unit.add("secondary-1")
    _units.append(unit)
    try:
        yield unit.start()
    finally:
        _stop([unit])


def _stop(units):
    faults = []
    for unit in units:
        try:
            unit.stop()
        except AssertionError as error:
            faults.append(str(error))
    assert not faults, faults


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for unit in _units:
        for node in unit.nodes:
            if node.daemon is not None:
                tail = "\n".join(node.daemon.log().splitlines()[-60:])
                report.sections.append((f"log of {node.id}", tail))
