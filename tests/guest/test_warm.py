"""Guests that start from the memory of an earlier boot."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, machine, proc
from harness.accel import Accelerator
from harness.image import Image
from harness.machine import Machine, cloning, template, warm
from harness.machine.files import SavedMachine
from harness.machine.ssh_handover import SshHandover
from harness.machine.template import ANSWER, COPY, probe_template
from harness.model import CgroupMode
from harness.qemu import MachineSpec
from harness.store import Store, make_key, verify
from harness.wait import Deadline, poll
from tests import ROOT

LEFT = {"machine.json", "console.log", "qemu.log", "events.jsonl", "pid1.log"}


Start = Callable[..., AbstractContextManager[Machine]]


@pytest.fixture(scope="module")
def spec(bookworm: Image, accelerator: Accelerator) -> MachineSpec:
    """Bookworm in unified mode."""
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode.UNIFIED)
    return machine.specify(bookworm, name="warm", arguments=rule.arguments or (), accelerator=accelerator)


@pytest.fixture
def start(spec: MachineSpec, store: Store, tmp_path: Path) -> Start:
    """Starts a guest of the specification in a directory of a name."""

    def enter(name: str = "m", *, kept: Store = store, fresh: bool = False) -> AbstractContextManager[Machine]:
        deadline = Deadline.after(240, "start of a test")
        return machine.start(spec, tmp_path / name, deadline, store=kept, fresh=fresh)

    return enter


@pytest.fixture
def copied(spec: MachineSpec, store: Store, start: Start, tmp_path: Path, deadline: Deadline) -> Store:
    """A store of the test's own, with the saved guest in it."""
    with start("maker"):
        pass
    key = make_key(warm.KIND, warm.list_inputs(spec, probe_template(store.root, deadline), deadline))
    place = tmp_path / "store" / warm.KIND
    place.mkdir(parents=True)
    shutil.copy(store.root / ANSWER, place.parent)
    # The memory is sparse, and cp leaves it so.
    proc.run(["cp", "-a", str(store.root / warm.KIND / key), str(place)], deadline=deadline)
    return Store(tmp_path / "store")


def home(kept: Store) -> Path:
    (found,) = (path for path in (kept.root / warm.KIND).iterdir() if path.is_dir())
    return found


def ask(guest: Machine, script: str, deadline: Deadline) -> str:
    return guest.run(script, deadline=deadline).out.strip()


def wrong_by(guest: Machine, deadline: Deadline) -> float:
    """Seconds by which the guest's clock is wrong at least, whatever the answer takes."""
    begin = time.time()
    said = float(ask(guest, "date +%s.%N", deadline))
    return max(0.0, begin - said, said - time.time())


def test_clones_share_nothing_that_matters(start: Start, deadline: Deadline) -> None:
    """Two guests from one memory have the right time, their own random numbers, ids, keys, ports and disks."""
    with start("first"):
        pass
    with start("a") as one, start("b") as two:
        assert ["memory", "memory"] == [guest.record.origin for guest in (one, two)]
        for guest in (one, two):
            assert wrong_by(guest, deadline) < 1
            assert "Accepted publickey" in ask(guest, "journalctl --no-pager", deadline)
        for script in (
            "od -An -tx1 -N16 /dev/urandom",
            "cat /proc/sys/kernel/random/uuid",
            "cat /etc/machine-id",
            "cat /run/harness/authorized_keys",
        ):
            assert ask(one, script, deadline) != ask(two, script, deadline), script
        assert one.record.port != two.record.port
        one.run("echo one >/root/mark; sync", deadline=deadline)
        assert "" == ask(two, "cat /root/mark 2>/dev/null || true", deadline)
        assert "Linux version" in one.console.path.read_text(encoding="utf-8", errors="replace")
    with start("c") as three:
        assert "" == ask(three, "cat /root/mark 2>/dev/null || true", deadline)
    assert LEFT == {path.name for path in three.files.directory.iterdir()}


def test_reboot_of_a_clone(start: Start, deadline: Deadline) -> None:
    """A restored guest reboots like a booted one: its own key logs in, its disk and id are kept, the time is right."""
    with start() as guest:
        guest.run("touch /root/kept", deadline=deadline)
        before = ask(guest, "cat /etc/machine-id", deadline)
        guest.reboot(deadline=deadline)
        assert f"{before}\n/root/kept" == ask(guest, "cat /etc/machine-id; ls /root/kept", deadline)
        assert wrong_by(guest, deadline) < 2
        machine.prove(guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline)
        # The next connection is a new one, by the machine's own key.
        guest.disconnect(deadline)
        assert "guest" == ask(guest, "hostname", deadline)


def test_fresh_boot(start: Start, tmp_path: Path) -> None:
    """Who asks for a fresh boot gets one, and nothing is saved."""
    empty = Store(tmp_path / "empty")
    with start(kept=empty, fresh=True) as guest:
        assert ("cold", "") == (guest.record.origin, guest.record.note)
    assert not (empty.root / warm.KIND).exists()


def test_broken_memory_is_refused(start: Start, copied: Store, deadline: Deadline) -> None:
    """A memory that QEMU does not accept is refused in one sentence, and the guest boots."""
    with (home(copied) / "files" / "memory").open("r+b") as file:
        file.write(b"not a memory")
    with start(kept=copied) as guest:
        assert "cold" == guest.record.origin
        assert "The saved memory was not used: QEMU did not accept it" in guest.record.note
        assert "Invalid argument" in guest.record.note
        assert "guest" == ask(guest, "hostname", deadline)


def test_cut_memory_is_made_anew(start: Start, copied: Store) -> None:
    """A memory that lost its end is noticed before it is loaded, and is saved again."""
    path = home(copied) / "files" / "memory"
    os.truncate(path, 1 << 10)
    with start(kept=copied) as guest:
        assert ("cold", "") == (guest.record.origin, guest.record.note)
    assert path.stat().st_size > 1 << 16


def test_changed_memory_file_is_made_anew(
    start: Start, copied: Store, caplog: pytest.LogCaptureFixture, deadline: Deadline
) -> None:
    """A memory file in which one bit is another is refused by name before a guest runs from it, and is saved again.

    A store that was copied is whole, and what a clone writes never gets into the file.
    """
    path = home(copied) / "files" / "ram"
    with start("copied", kept=copied) as guest:
        assert "memory" == guest.record.origin, guest.record.note
        guest.run("head -c 50M /dev/urandom >/run/noise; sync", deadline=deadline)
    assert not verify(copied, deadline).damaged
    info = path.stat()
    with path.open("r+b") as file:
        file.seek(123456)
        old = file.read(1)
        file.seek(123456)
        file.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    with start("damaged", kept=copied) as guest:
        assert ("cold", "") == (guest.record.origin, guest.record.note)
    assert "the file ram has other content than when it was made" in caplog.text
    with start("again", kept=copied) as guest:
        assert "memory" == guest.record.origin, guest.record.note


def test_clones_copy_where_qemu_shares_no_memory(
    start: Start, empty: Store, monkeypatch: pytest.MonkeyPatch, deadline: Deadline
) -> None:
    """Where the trial fails, the memory is in the stream, and a restored guest runs from a copy of it."""
    monkeypatch.setattr(template, "CANDIDATES", ())
    with start("maker", kept=empty), start("clone", kept=empty) as guest:
        assert "memory" == guest.record.origin, guest.record.note
        assert not any("memory-backend" in word for word in guest.record.argv)
        assert "guest" == ask(guest, "hostname", deadline)
    assert not (home(empty) / "files" / "ram").exists()


def test_memory_of_another_machine_is_another_key(
    spec: MachineSpec, deadline: Deadline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another image, command line, size or QEMU never finds the memory; another name does."""
    disk = tmp_path / "disk.qcow2"
    shutil.copy(spec.kernel, disk)

    def key(other: MachineSpec) -> str:
        return make_key(warm.KIND, warm.list_inputs(other, COPY, deadline))

    others = [
        replace(spec, disk=disk),
        replace(spec, arguments=("quiet",)),
        replace(spec, cores=1),
        replace(spec, memory=768),
        replace(spec, accelerator=replace(spec.accelerator, cpu="max")),
        replace(spec, disks=(disk,)),
    ]
    known = key(spec)
    assert known == key(replace(spec, name="another cell"))
    keys = {known, *map(key, others)}
    assert len(others) + 1 == len(keys)
    disk.write_bytes(b"changed")
    assert key(others[0]) not in keys
    fake = tmp_path / "bin" / "qemu-system-x86_64"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho QEMU emulator version 8.2.0\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    assert key(spec) not in keys


def test_first_connection_was_saved_and_others_are_made(start: Start, deadline: Deadline) -> None:
    """A restored guest's shared connection is there before its first command, and whoever wants another one gets it."""
    with start("maker"):
        pass
    with start() as guest:
        assert Path(guest.record.sockets, "ssh").is_socket()
        assert "10.0.2.100" == ask(guest, "echo ${SSH_CLIENT%% *}", deadline)
        argv = ["ssh", "-F", str(guest.ssh_config), "-o", "ControlPath=none", "guest", "echo ${SSH_CLIENT%% *}"]
        assert "10.0.2.2\n" == proc.run(argv, deadline=deadline).out
        large = os.urandom(1 << 20)
        assert (
            f"{hashlib.sha256(large).hexdigest()}  -"
            == guest.run("sha256sum", stdin=large, deadline=deadline).out.strip()
        )
        guest.disconnect(deadline)
        assert "10.0.2.2" == ask(guest, "echo ${SSH_CLIENT%% *}", deadline)


def test_nobody_logs_in_without_the_key(start: Start, tmp_path: Path, deadline: Deadline) -> None:
    """The guest's port on the loopback lets in the machine's own key only, though the saved connection asked for none."""
    with start() as guest:
        lines = guest.ssh_config.read_text(encoding="utf-8").splitlines()
        stranger = tmp_path / "ssh_config"
        stranger.write_text("\n".join(line for line in lines if "IdentityFile" not in line), encoding="utf-8")
        argv = ["ssh", "-F", str(stranger), "-o", "ControlPath=none", "-o", "IdentityFile=none", "guest", "true"]
        done = proc.run(argv, deadline=deadline, expect=(255,))
        assert "Permission denied (publickey)" in done.out
        assert 0o700 == Path(guest.record.sockets).stat().st_mode & 0o777


def test_memory_saved_with_another_ssh_is_refused(start: Start, copied: Store, deadline: Deadline) -> None:
    """A connection that another ssh began cannot go on: the guest boots, and the record says why."""
    asked = home(copied) / "files" / "asked"
    asked.write_bytes(asked.read_bytes().replace(b"OpenSSH", b"OldOpen"))
    with start(kept=copied) as guest:
        assert "cold" == guest.record.origin
        assert "The memory was saved with another ssh" in guest.record.note
        assert "guest" == ask(guest, "hostname", deadline)


def test_guest_without_a_sleeper_is_woken_over_ssh(
    spec: MachineSpec, copied: Store, tmp_path: Path, deadline: Deadline
) -> None:
    """A guest in which nothing could be left running, for want of perl, becomes one of its own all the same."""
    saved = SavedMachine(home(copied) / "files")
    saved.greeting.unlink()
    with (
        SshHandover(saved) as call,
        warm.start_clone(
            spec, tmp_path / "m", deadline, saved, probe_template(copied.root, deadline), opening=call.prepare
        ) as (guest, monitor),
    ):
        warm.load(guest, monitor, saved, deadline)
        cloning.wake(guest, saved, call, deadline)
        assert wrong_by(guest, deadline) < 1
        public = guest.files.key.with_suffix(".pub").read_text(encoding="ascii").strip()
        assert public == ask(guest, "cat /run/harness/authorized_keys", deadline)
        guest.disconnect(deadline)
        assert "10.0.2.2" == ask(guest, "echo ${SSH_CLIENT%% *}", deadline)


SCRIPT = """\
import sys
from pathlib import Path
from harness import machine
from harness.accel import probe
from harness.image import load
from harness.store import Store
from harness.wait import Deadline
image, store, place = (Path(word) for word in sys.argv[1:])
deadline = Deadline.after(240, "start")
accelerator = probe(load(image).kernel, store, deadline)
spec = machine.specify(load(image), name="maker", arguments=(), accelerator=accelerator)
with machine.start(spec, place, deadline, store=Store(store)) as guest:
    print(guest.record.origin, guest.run("hostname", deadline=deadline).out.strip(), guest.record.note, flush=True)
"""


def test_killed_maker(bookworm: Image, tmp_path: Path) -> None:
    """A maker that is killed while it saves spoils nothing: of two that come then, one saves and both run."""
    kept = tmp_path / "store"

    def run(name: str) -> "subprocess.Popen[str]":
        argv: list[str | Path] = [sys.executable, "-c", SCRIPT, bookworm.directory, kept, tmp_path / name]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    with run("killed") as victim:
        # The file is there, and empty, from before the boot.
        poll(lambda: any(path.stat().st_size for path in kept.glob("warm/*.part/files/memory")) or None,
             Deadline.after(120, "saving"), every=0.002)  # fmt: skip
        victim.send_signal(signal.SIGKILL)
    assert not list(kept.glob("warm/*/manifest.json"))
    with run("a") as one, run("b") as two:
        said = sorted(process.communicate(timeout=240)[0] for process in (one, two))
    assert ["cold guest \n", "memory guest \n"] == said
    machine.clean(tmp_path / "killed")
    assert not list(kept.glob("warm/*.part"))
    assert LEFT == {path.name for path in (tmp_path / "killed").iterdir()}
