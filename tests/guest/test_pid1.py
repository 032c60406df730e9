"""Guests whose PID 1 crashes or stands still, while ssh and all else goes on."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness import catalog, machine
from harness.accel import Accelerator
from harness.image import Image
from harness.machine import Machine, Pid1CrashError
from harness.model import CgroupMode
from harness.store import Store
from harness.wait import Deadline, poll
from tests import ROOT

NOTICED = 5.0
"""Seconds in which a crash is known, also under load of the guest, by a computer that has time for it."""

LOAD = "for n in 1 2 3 4; do (while :; do :; done) >/dev/null 2>&1 </dev/null & done; "
FREEZE = "echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze"

Start = Callable[[], AbstractContextManager[Machine]]


def _measure_slowness() -> float:
    """Return how many times longer everything takes, as others use this computer too."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


@pytest.fixture
def start(bookworm: Image, accelerator: Accelerator, store: Store, tmp_path: Path) -> Start:
    """Starts a guest of bookworm from memory, as most guests of a run are."""
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode.UNIFIED)
    spec = machine.specify(bookworm, name="pid1", arguments=rule.arguments or (), accelerator=accelerator)
    return lambda: machine.start(spec, tmp_path / "m", Deadline.after(240, "start"), store=store)


@pytest.fixture
def guest(start: Start) -> Iterator[Machine]:
    """A guest that was restored from memory, with its watcher."""
    with start() as started:
        yield started


@pytest.mark.parametrize("load", ["", LOAD], ids=["idle", "loaded"])
@pytest.mark.parametrize("what", ["kill -ABRT 1", "kill -SEGV 1", FREEZE], ids=["ABRT", "SEGV", "frozen"])
def test_pid1_that_crashes_is_known_in_seconds(what: str, load: str, guest: Machine, deadline: Deadline) -> None:
    """A command that runs while PID 1 crashes or freezes ends at once, with the crash as its reason."""
    guest.run(f"{load}true", deadline=deadline)
    guest.run(f"(sleep 0.2; {what}) >/dev/null 2>&1 </dev/null &", deadline=deadline)
    begin = time.monotonic()
    with pytest.raises(Pid1CrashError, match="systemd as PID 1") as raised:
        guest.run("sleep 60", deadline=deadline)

    assert time.monotonic() - begin < NOTICED * _measure_slowness() + 0.2
    assert "pid1.log" in str(raised.value)
    assert guest.pid1_crash
    guest.save_backtrace(guest.files.directory / "crash.txt", deadline=deadline)
    said = (guest.files.directory / "crash.txt").read_text(encoding="utf-8")
    assert what == FREEZE or f"Caught <{what.split()[1][1:]}>" in said


def test_pid1_that_is_busy_is_not_lost(guest: Machine, deadline: Deadline) -> None:
    """What PID 1 does for long, or again and again, is no crash: reloads, a new start of itself, many units, a reboot."""
    again = "for n in 1 2 3; do systemctl daemon-reload; systemctl daemon-reexec; done"
    guest.run(f"{LOAD}{again}; for n in $(seq 20); do systemd-run -q true; done; sleep 5", deadline=deadline)
    guest.check()
    guest.reboot(deadline=deadline)
    guest.check()
    # It is started in the background, and a shell takes its time under emulation.
    poll(
        lambda: guest.files.pid1.read_text(encoding="ascii").split("\n").count("watching") == 1 or None,
        deadline.within(60, "watcher"),
    )
    guest.run("kill -ABRT 1", deadline=deadline)
    with pytest.raises(Pid1CrashError):
        guest.run("sleep 60", deadline=deadline)
