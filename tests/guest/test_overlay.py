"""Files that are laid over an image: they are there when PID 1 starts, and a guest that runs another systemd is found out."""

from pathlib import Path

import pytest

from harness import catalog, machine
from harness.accel import Accelerator
from harness.errors import InfrastructureError
from harness.image import Image, make_overlay
from harness.machine import GuestLostError
from harness.model import CgroupMode
from harness.store import Artifact, Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers.overlays import obtain_overlay


@pytest.fixture
def tree(tmp_path: Path, deadline: Deadline) -> Artifact:
    """A program, the unit that runs it at boot, a link that makes systemd start it, and a file that the image has too."""
    return obtain_overlay(Store(tmp_path / "store"), deadline)


def test_files_are_there_before_pid_1_starts(
    tree: Artifact, bookworm: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline
) -> None:
    """A unit of the overlay is started at boot, a file of the image is replaced, and what was there else is there.

    The guest is not taken for one whose systemd was built from some revision.
    """
    archive = make_overlay(tree, Store(tmp_path / "store"), deadline)
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode.UNIFIED)
    spec = machine.specify(
        bookworm, name="test", arguments=rule.arguments or (), accelerator=accelerator, overlays=(archive,)
    )
    with machine.boot(spec, tmp_path / "m", deadline) as guest:
        assert "it ran\n" == guest.run("cat /run/laid-over", deadline=deadline).out
        assert "NAME=laid-over\n" == guest.run("cat /etc/os-release", deadline=deadline).out
        assert "root" == guest.run("stat -c %U /usr/lib/laid/over", deadline=deadline).out.strip()
        guest.run("test -x /usr/lib/systemd/systemd-udevd -o -L /usr/lib/systemd/systemd-udevd", deadline=deadline)
        machine.prove(guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline)
        revision = "0123456789abcdef0123456789abcdef01234567"
        with pytest.raises(InfrastructureError, match=f"asked for revision {revision}, PID 1 is 252"):
            machine.prove(guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline, revision=revision)


def test_what_is_no_archive_ends_the_boot_with_a_sentence(
    bookworm: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline
) -> None:
    """The initrd says what it could not unpack and powers off; nobody waits for the guest."""
    (tmp_path / "junk").write_bytes(b"junk" * 1024)
    spec = machine.specify(bookworm, name="test", arguments=(), accelerator=accelerator, overlays=(tmp_path / "junk",))
    with (
        pytest.raises(GuestLostError, match="the archive /dev/vdb cannot be unpacked"),
        machine.boot(spec, tmp_path / "m", deadline),
    ):
        pass
