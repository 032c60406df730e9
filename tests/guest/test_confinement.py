"""What a guest reaches besides itself, and what its QEMU may do on this computer."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, machine
from harness.accel import Accelerator
from harness.confinement import USERS, probe_confinement
from harness.image import Image
from harness.machine import Machine
from harness.model import CgroupMode
from harness.qemu import MachineSpec
from harness.store import Store
from harness.wait import Deadline, poll
from tests import ROOT

CALL = """
perl -MIO::Socket::IP -e 'IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1], Timeout => 15) or die "refused: $@\\n";
print "reached"' "$1" "$2" 2>&1
"""
"""Says whether somebody listens at an address and a port."""

RESOLVE = """
perl -MIO::Socket::IP -e 'my $s = IO::Socket::IP->new(PeerHost => "10.0.2.3", PeerPort => 53, Proto => "udp") or die;
print $s pack("n6", 7, 256, 1, 0, 0, 0), "\\3www\\7example\\3com\\0", pack("n2", 1, 1);
local $SIG{ALRM} = sub { print "silent"; exit 0 }; alarm 5; $s->recv(my $said, 512) or print("refused"), exit 0; print "answered"' 2>&1
"""
"""Asks QEMU's name server, which hands questions on to this computer's."""


@pytest.fixture(scope="module")
def spec(bookworm: Image, accelerator: Accelerator) -> MachineSpec:
    """Bookworm in unified mode."""
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode.UNIFIED)
    return machine.specify(bookworm, name="confined", arguments=rule.arguments or (), accelerator=accelerator)


@pytest.fixture(scope="module", params=["cold", "memory"])
def guest(
    request: pytest.FixtureRequest, spec: MachineSpec, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A guest without a network: booted, or from a memory, which is made if there is none."""

    def start() -> AbstractContextManager[Machine]:
        deadline = Deadline.after(240, "start of a test")
        return machine.start(spec, tmp_path_factory.mktemp("m"), deadline, store=store, fresh=request.param == "cold")

    if request.param == "memory":
        with start():
            pass
    with start() as started:
        assert started.record.origin == request.param, started.record.note
        yield started


@pytest.fixture(scope="module")
def doors() -> Iterator[Mapping[str, socket.socket]]:
    """What listens on this computer, by the address at which a guest asks for it: both loopbacks, and its own address."""
    addresses = {"10.0.2.2": (socket.AF_INET, "127.0.0.1"), "fec0::2": (socket.AF_INET6, "::1")}
    with ExitStack() as stack:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            # Nothing is sent: the address is the one by which packets would leave.
            route.connect(("192.0.2.1", 9))
            own = route.getsockname()[0]
            addresses[own] = (socket.AF_INET, own)
        found = {}
        for name, (family, address) in addresses.items():
            door = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            with suppress(OSError):  # without IPv6
                door.bind((address, 0))
                door.listen()
                door.setblocking(False)
                found[name] = door
        yield found


def call(guest: Machine, doors: Mapping[str, socket.socket], deadline: Deadline) -> set[str]:
    """Return the addresses at which a guest reaches this computer, as it says and as is seen here."""
    reached = set()
    for name, door in doors.items():
        words = ["sh", "-c", CALL, "sh", name, str(door.getsockname()[1])]
        said = guest.run(words, deadline=deadline, expect=None).out
        seen = False
        with suppress(BlockingIOError):
            door.accept()[0].close()
            seen = True
        assert seen == ("reached" in said), f"{name}: {said}"
        reached |= {name} if seen else set()
    return reached


@pytest.fixture(scope="module")
def reachable(
    spec: MachineSpec, store: Store, doors: Mapping[str, socket.socket], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, socket.socket]:
    """Those doors that a guest with a network reaches."""
    deadline = Deadline.after(400, "guest with a network")
    wanted = replace(spec, network=True)
    with machine.start(wanted, tmp_path_factory.mktemp("m"), deadline, store=store, fresh=True) as connected:
        reached = call(connected, doors, deadline)
    assert "10.0.2.2" in reached
    return {name: doors[name] for name in reached}


def test_a_guest_reaches_nothing_that_was_not_asked_for(
    guest: Machine, reachable: Mapping[str, socket.socket], deadline: Deadline
) -> None:
    """Neither this computer nor what is behind it, by names or addresses; with a network it does, and ssh works always."""
    assert set() == call(guest, reachable, deadline)
    assert "silent" == guest.run(["sh", "-c", RESOLVE], deadline=deadline).out.strip()
    guest.disconnect(deadline)
    assert "guest" == guest.run("hostname", deadline=deadline).out.strip()


def test_qemu_is_confined(guest: Machine, deadline: Deadline) -> None:
    """It has the filter and no right of root's; second serial port, ssh, disk, reboot and clean end work."""
    confinement = probe_confinement(deadline)
    lines = Path(f"/proc/{guest.record.pid}/status").read_text(encoding="ascii").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert not confinement.options or status["Seccomp"] == ["2"]
    if confinement.whole and os.geteuid() == 0:
        assert all(int(user) in USERS for user in status["Uid"] + status["Gid"])
        assert int(status["CapEff"][0], 16) == 0
        assert status["Groups"] in ([], status["Gid"][:1])
    assert guest.record.is_own_process(guest.files)
    guest.run("echo heard >/dev/ttyS1", deadline=deadline)
    poll(lambda: b"heard" in guest.files.pid1.read_bytes() or None, deadline.within(60, "second serial port"))
    guest.run("head -c 5M /dev/urandom >/root/written; sync; echo 3 >/proc/sys/vm/drop_caches", deadline=deadline)
    guest.reboot(deadline=deadline)
    assert "5242880" == guest.run("stat -c %s /root/written", deadline=deadline).out.strip()
