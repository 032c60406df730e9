"""Fixtures of the suite booted: one container that has booted all of the guest's system serves most cases."""

from collections.abc import Iterator

import pytest

from suites.booted.services import UNITS, ServiceFacts, read_services
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB, ContainerOptions

JOURNAL = "/var/log/journal"

KEYRING = ("add_key", "keyctl", "request_key")
"""What docker refuses a container, and systemd needs for a keyring of each service where it may have one; nspawn, too."""


@pytest.fixture(scope="package")
def system(runtime: ContainerRuntime, guest: Guest) -> Iterator[Container]:
    """A container that has booted a copy of the guest's system, with its journal linked into the guest where that can be."""
    # All of a system takes a while to stop under emulation.
    options = ContainerOptions(memory=448 * MIB, stop_seconds=90)
    known = guest.sh('ls "$1" 2>/dev/null', JOURNAL).out.split()
    if Feature.NSPAWN_OPTIONS not in runtime.engine.lacks:
        options["words"] = ("--link-journal=guest",)
    elif Feature.SYSCALL_FILTER not in runtime.engine.lacks:
        options["syscalls_refused"] = KEYRING
    try:
        with runtime.boot(UNITS, **options) as container:
            yield container
    finally:
        guest.do(
            'cd "$1" && shift && for name in *; do case " $* " in *" $name "*) ;; *) rm -rf "$name" ;; esac; done',
            JOURNAL, *known,
        )  # fmt: skip


@pytest.fixture(scope="package")
def services(system: Container) -> dict[str, ServiceFacts]:
    """Its services by their settings."""
    return read_services(system)
