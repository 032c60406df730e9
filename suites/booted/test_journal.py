"""The journal of a booted container, as the guest reads it: by the machine, by the link, and while it grows."""

import pytest

from suites.booted.conftest import JOURNAL
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest

pytestmark = pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)

LOG = 'journalctl --flush; systemd-cat --identifier=harness echo "$1"; journalctl --sync'

FOLLOW = r"""
out=/run/$1-follow
journalctl --machine="$1" --follow --output=cat --lines=0 >"$out" 2>&1 &
follower=$!
n=20; until [ $((n -= 1)) -lt 1 ]; do
    systemd-run --quiet --machine="$1" --wait --collect -- systemd-cat --identifier=harness echo "a line that follows" </dev/null
    grep -qx 'a line that follows' "$out" && break
    sleep 0.5
done
kill "$follower"
grep -cx 'a line that follows' "$out"
rm -f "$out"
"""


@pytest.fixture(scope="module")
def written(system: Container) -> str:
    """A line that the container has written to its journal."""
    system.read_output("sh", "-c", LOG, "sh", "a line of the container")
    return "a line of the container"


@pytest.fixture(scope="module")
def machine_id(system: Container) -> str:
    """The container's machine id."""
    return system.read_output("cat", "/etc/machine-id").strip()


def test_journal_is_read_by_the_machine(system: Container, written: str, guest: Guest) -> None:
    """`journalctl --machine` has what a service of the container wrote."""
    said = guest.do('journalctl --machine="$1" --identifier=harness --output=cat --no-pager', system.name)

    assert written in said.splitlines()


def test_link_of_the_journal_leads_somewhere(system: Container, machine_id: str, guest: Guest) -> None:
    """The link that `--link-journal=guest` makes is a directory of the container's tree, and is there (systemd#39472)."""
    path = guest.sh('readlink -e "$1/$2"', JOURNAL, machine_id).out.strip()

    assert path == f"{system.spec.rootfs}{JOURNAL}/{machine_id}"


def test_journal_is_read_by_the_link(written: str, machine_id: str, guest: Guest) -> None:
    """The guest's own `journalctl --merge` has what the container wrote, under the container's machine id."""
    said = guest.do('journalctl --merge "_MACHINE_ID=$1" --identifier=harness --output=cat --no-pager', machine_id)

    assert written in said.splitlines()


def test_journal_can_be_followed(system: Container, guest: Guest) -> None:
    """`journalctl --machine --follow` shows what is written later."""
    assert int(guest.do(FOLLOW, system.name)) > 0
