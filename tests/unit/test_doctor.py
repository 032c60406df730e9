"""What `harness doctor` says of this computer, and of one that lacks what guests need."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from harness import doctor, proc
from harness.doctor import Diagnosis, Health
from harness.errors import ExitCode
from harness.proc import Done
from harness.store import Store
from harness.wait import Deadline

DOCTOR = [sys.executable, "-m", "harness", "doctor"]


def asked(*words: str) -> Done:
    return proc.run([*DOCTOR, *words], deadline=Deadline.after(100, "doctor"), expect=None, apart=True)


def by_name(found: tuple[Diagnosis, ...]) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in found}


@pytest.fixture
def poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with some tools, and neither QEMU nor mmdebstrap; the system's own directories for root remain."""
    for name in ("ssh", "ssh-keygen", "git", "apt-get", "dpkg-deb"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.slow
def test_missing_tools_are_named_with_their_packages(poor: None, tmp_path: Path, deadline: Deadline) -> None:
    """What is not there is said by purpose, with the one command that installs all of it."""
    found = by_name(doctor.examine(Store(tmp_path / "store"), deadline))

    assert found["guests"].state is Health.MISSING
    assert "qemu-system-x86_64, qemu-img" in found["guests"].says
    assert "apt-get install qemu-system-x86 qemu-utils" == found["guests"].mend
    assert "mmdebstrap" in found["images of Debian"].mend
    assert found["Flatcar"].state is Health.LIMITED
    assert "accelerator" not in found


@pytest.mark.slow
def test_exit_status_and_formats(poor: None, tmp_path: Path) -> None:
    """3 where no guest can run, for programs too; a plain list has what is not well."""
    store = ("--store", str(tmp_path / "store"))
    done = proc.run(
        [*DOCTOR[:-1], *store, "doctor", "--format", "json"],
        deadline=Deadline.after(100, "doctor"), expect=None, apart=True,
    )  # fmt: skip
    states = {finding["what"]: finding["state"] for finding in json.loads(done.out)}

    assert ExitCode.INFRASTRUCTURE == done.code
    assert "missing" == states["guests"]
    assert "guests" in asked("--format", "ids").out.split("\n")
    assert "guests: apt-get install qemu-system-x86 qemu-utils" in asked().out


@pytest.mark.slow
def test_no_room(deadline: Deadline) -> None:
    """A store where nothing fits is reported beforehand, and where to make room."""
    room = by_name(doctor.examine(Store(Path("/proc/store")), deadline))["store"]

    assert room.state is not Health.OK
    assert room.mend
