"""A machine's directory, without a guest in it."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness import machine
from harness.accel import make_tcg
from harness.errors import InfrastructureError
from harness.machine import detect_cgroup_mode, files
from harness.machine.files import MachineFiles, MachineRecord
from harness.model import CgroupMode
from harness.process_identity import read_start_time
from harness.qemu import MachineSpec
from tests.helpers import fake_guest

SPEC = MachineSpec(
    name="cell", disk=Path("/d"), kernel=Path("/k"), initrd=Path("/i"), accelerator=make_tcg("There is no KVM.")
)


@pytest.mark.parametrize(
    ("root", "unified", "init", "mode"),
    [
        ("cgroup2fs", "", ["0::/init.scope"], CgroupMode.UNIFIED),
        ("tmpfs", "cgroup2fs", ["1:name=systemd:/init.scope", "0::/init.scope"], CgroupMode.HYBRID),
        ("tmpfs", "", ["1:name=systemd:/init.scope"], CgroupMode.LEGACY),
        ("tmpfs", "cgroupfs", ["1:name=systemd:/init.scope"], CgroupMode.LEGACY),
    ],
)
def test_modes(root: str, unified: str, init: list[str], mode: CgroupMode) -> None:
    """The three modes are told apart by what is mounted."""
    assert mode == detect_cgroup_mode(root, unified, init)


@pytest.mark.parametrize(("root", "unified", "init"), [("", "", []), ("tmpfs", "", ["1:cpu:/"]), ("ext4", "", [])])
def test_no_mode(root: str, unified: str, init: list[str]) -> None:
    """What is none of the three is not taken for one."""
    with pytest.raises(ValueError, match="/sys/fs/cgroup is"):
        detect_cgroup_mode(root, unified, init)


def test_record_is_read_as_written(tmp_path: Path) -> None:
    """machine.json says what was written, and who runs the machine."""
    record = replace(files.make_record(SPEC, tmp_path), pid=os.getpid(), started=1, argv=("qemu", "-m"))
    record.write(MachineFiles(tmp_path))

    assert json.loads((tmp_path / "machine.json").read_text(encoding="utf-8"))["spec"]["kernel"] == "/k"
    assert MachineRecord.read(MachineFiles(tmp_path)).pid == os.getpid()
    assert not MachineRecord.read(MachineFiles(tmp_path)).alive
    assert replace(record, started=read_start_time(os.getpid())).alive
    assert not replace(record, started=read_start_time(os.getpid()), boot="another").alive


def test_no_machine(tmp_path: Path) -> None:
    """A directory that is no machine is named."""
    with pytest.raises(InfrastructureError, match=r"no machine in .*machine\.json"):
        machine.attach(tmp_path)
    (tmp_path / "machine.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InfrastructureError, match="does not describe a machine"):
        machine.attach(tmp_path)


def test_process_with_any_name(tmp_path: Path) -> None:
    """A process is recognized whatever it is called, and a dead one is not."""
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "30"]) as process:
        begin = read_start_time(process.pid)
        assert begin is not None
        assert begin == read_start_time(process.pid)
        process.kill()
    assert read_start_time(process.pid) is None


def test_clean_leaves_strangers_alone(tmp_path: Path) -> None:
    """A process that has the pid of a dead machine is not killed, nor a directory that is not ours removed."""
    mine = tmp_path / "precious"
    mine.mkdir()
    with subprocess.Popen(["sleep", "30"]) as stranger:
        record = files.make_record(SPEC, mine)
        replace(record, pid=stranger.pid, started=1).write(MachineFiles(tmp_path))
        machine.clean(tmp_path)

        assert stranger.poll() is None
        assert mine.exists()
        stranger.kill()


@pytest.mark.parametrize(
    "half", ['{"event": "GUEST_PANICKED", "da', '{"event"', "{", "3", '{"data": {}}', '{"event": "RESET", "data": 3}']
)
def test_half_an_event_is_none(tmp_path: Path, half: str) -> None:
    """A line that QEMU's event is still being written to, or that a full disk cut, says nothing; a whole one does."""
    with fake_guest.guest(tmp_path) as directory:
        guest = machine.attach(directory)
        for text in (half, f"{half}\n"):
            guest.files.events.write_text(text)
            assert guest.find_cause_of_death() is None
        guest.files.events.write_text(f'{half}\n{{"event": "GUEST_PANICKED", "data": {{}}}}\n')
        assert "panicked" in (guest.find_cause_of_death() or "")


def test_sockets_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets have short paths, however long the user's own run-time directory is."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 20)))
    sockets = files.make_short_directory()
    try:
        assert len(str(sockets / "console")) < 60
        assert sockets.stat().st_mode & 0o777 == 0o700
    finally:
        files.remove_sockets(sockets)
    assert not sockets.exists()
