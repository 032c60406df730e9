"""Fixtures of the suite lifecycle: the options of its containers, and a guest whose services stay as they were."""

from collections.abc import Iterator

import pytest

from suites.lib.guest import Guest
from suites.lifecycle.fixtures import given, limits

__all__ = ["given", "limits"]

ACTIVE = "systemctl list-units --plain --no-legend --state=active --type=service,socket | cut -d ' ' -f 1"

START = 'for unit; do systemctl reset-failed "$unit" 2>/dev/null; systemctl start "$unit"; done; :'

COMES_AND_GOES = ("systemd-machined", "systemd-hostnamed", "harness-main", "run-")
"""Beginnings of services that start when they are spoken to and end by themselves, and of the suites' own."""


@pytest.fixture(scope="module", autouse=True)
def _services(guest: Guest) -> Iterator[None]:
    """Keep the guest's services and sockets that run; what a case stopped is started again, and the last case fails."""
    before = _list_active(guest)
    yield
    stopped = sorted(before - _list_active(guest))
    if stopped:
        guest.do(START, *stopped)
    assert not stopped, "no longer ran in the guest: " + ", ".join(stopped)


def _list_active(guest: Guest) -> frozenset[str]:
    return frozenset(unit for unit in guest.do(ACTIVE).split() if not unit.startswith(COMES_AND_GOES))
