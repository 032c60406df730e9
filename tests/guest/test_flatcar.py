"""Flatcar from end to end, with doubles of two releases behind a loopback host: download, trust, Ignition, guests, suites.

The doubles are real where it counts (see `flatcar_shape`): only the host's name, the key and what is in /usr differ from
what Flatcar publishes.
"""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import accel, catalog, image, machine, results
from harness.distros.flatcar import DISTRO, installing
from harness.errors import ExitCode
from harness.image import Image, ImageSpec
from harness.machine import Machine
from harness.model import CgroupMode, Outcome
from harness.proc import CommandError
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers import flatcar_host, flatcar_shape
from tests.helpers.flatcar_shape import LTS, STABLE, Shape

SYSTEMD = {'stable: {systemd: "257"}': 'stable: {systemd: "252"}', 'lts: {systemd: "255"}': 'lts: {systemd: "247"}'}
"""What the project says of channels, and what the doubles have."""

SAID = "harness-"
"""In place of the end of a version string; of the same length as what it replaces."""


@dataclass(frozen=True)
class Host:
    """A mirror with the doubles.

    Attributes:
        mirror: Its address, for `--mirror`.
        key: File with the public key that signed all of it.
    """

    mirror: str
    key: Path


@pytest.fixture(scope="module")
def host(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Both doubles, signed and served; each channel's `current` is its only release."""
    home = tmp_path_factory.mktemp("mirror")
    deadline = Deadline.after(1500, "doubles of Flatcar's releases")
    with flatcar_host.signing_key() as key, flatcar_host.serve(home) as served:
        for shape in (STABLE, LTS):
            place = home / shape.channel / "amd64-usr" / shape.version
            shutil.copytree(flatcar_shape.release(shape, store, deadline, home / "log"), place)
            flatcar_host.sign_release(place, key)
            (place.parent / "current").symlink_to(place.name)
        yield Host(f"{served.url}/{{channel}}", key.public)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project, with what the doubles have said of the channels."""
    place = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "matrix.yaml", place)
    for name in ("images", "suites"):
        shutil.copytree(ROOT / name, place / name)
    file = place / "images" / "flatcar" / "image.yaml"
    text = file.read_text(encoding="utf-8")
    for real, double in SYSTEMD.items():
        assert real in text
        text = text.replace(real, double)
    file.write_text(text, encoding="utf-8")
    return place


class Guests:
    """Makes images of the doubles as a run does, and boots them."""

    def __init__(self, host: Host, project: Path, store: Store, directory: Path) -> None:
        self.host, self.project, self.store, self.directory = host, project, store, directory
        self.deadline = Deadline.after(800, "guests of Flatcar")

    def image(self, shape: Shape) -> Image:
        """Return the image of a double, by what its channel has now."""
        spec = ImageSpec(
            distro="flatcar", channel=shape.channel, files=self.project / "images" / "flatcar",
            options=(("key", str(self.host.key)), ("mirror", self.host.mirror)),
        )  # fmt: skip
        exact = image.pin(spec, self.store, self.deadline)
        assert exact.release == shape.version
        return image.make(exact, self.store, self.deadline, self.directory / "image.log")

    def start(self, shape: Shape, *overlays: Path) -> AbstractContextManager[Machine]:
        """Start a guest as the cell of nspawn in unified mode has it, from memory where a run has left that."""
        disk = self.image(shape)
        rule = catalog.load(self.project).systemd.find_cgroup_rule(disk.systemd, CgroupMode.UNIFIED)
        spec = machine.specify(
            disk, name=shape.channel, arguments=rule.arguments or (), cores=1, overlays=overlays,
            options=DISTRO.make_boot_options(disk, overlaid=bool(overlays)),
            accelerator=accel.probe(disk.kernel, self.store.root, self.deadline),
        )  # fmt: skip
        return machine.start(spec, self.directory / "machine", self.deadline.within(250, "boot"), store=self.store)


@pytest.fixture
def guests(host: Host, project: Path, store: Store, tmp_path: Path) -> Guests:
    """Guests of the doubles."""
    return Guests(host, project, store, tmp_path)


@pytest.mark.parametrize(
    "shape",
    [pytest.param(STABLE, id=STABLE.channel), pytest.param(LTS, id=LTS.channel, marks=pytest.mark.longer)],
)
def test_suites_pass_in_every_mode(shape: Shape, host: Host, project: Path, tmp_path: Path) -> None:
    """`harness run --profile flatcar` takes a release from the mirror and passes the suite in every cgroup mode.

    The guests have no Python, no Perl and no busybox of their own, so the suite wants none of them.
    """
    argv: list[str | Path] = [
        sys.executable, "-m", "harness", "--matrix", project / "matrix.yaml", "--runs", tmp_path / "runs", "run",
        "--profile", "flatcar", "--select", f"distro==flatcar/{shape.channel} and runtime==nspawn",
        "--mirror", host.mirror, "--key", host.key, "-j", "2",
    ]  # fmt: skip

    done = subprocess.run(argv, capture_output=True, text=True, timeout=860, check=False)

    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    (directory,) = (tmp_path / "runs").iterdir()
    cells = results.read(directory / "result.json").cells
    assert {cell.facts["cgroup"] for cell in cells} == set(CgroupMode)
    for cell in cells:
        assert cell.outcome is Outcome.PASSED
        assert cell.count_outcomes()[Outcome.PASSED] > 20
        assert cell.facts["release"] == shape.version
        console = (directory / "cells" / cell.id / "machine" / "console.log").read_text(errors="replace")
        assert console.count("Ignition has run") == 1


def test_guest(guests: Guests) -> None:
    """A guest is what Ignition's document says, on a /usr that nobody writes to, and is so again after a reboot.

    A runtime gets there all the same, as a system extension.
    """
    deadline = guests.deadline
    with guests.start(STABLE) as guest:
        found = machine.prove(
            guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline, release=STABLE.version
        )
        assert found.release == STABLE.version
        with pytest.raises(Exception, match=r"asked for the release 1\.2\.3, booted 9999\.2\.0"):
            machine.prove(guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline, release="1.2.3")
        assert guest.run("for name in python3 perl busybox; do command -v $name; done; :", deadline=deadline).out == ""
        assert guest.run("findmnt -no SOURCE,OPTIONS /usr", deadline=deadline).out.split()[:1] == ["/dev/mapper/usr"]
        with pytest.raises(CommandError, match="Read-only file system"):
            guest.run("touch /usr/new", deadline=deadline)

        _check_document(guest, deadline)
        _check_install(guest, guests.directory / "tree", deadline)
        assert "harness" in guest.run("systemd-sysext status", deadline=deadline).out

        guest.run("echo kept >/etc/kept", deadline=deadline)
        guest.reboot(deadline=deadline.within(250, "reboot"))
        assert guest.run("cat /etc/kept", deadline=deadline).out == "kept\n"
        _check_document(guest, deadline)


def _check_document(guest: Machine, deadline: Deadline) -> None:
    assert guest.run("hostname; systemctl is-enabled harness-ssh.service", deadline=deadline).out == "guest\nenabled\n"
    assert guest.run("systemctl is-enabled locksmithd.service", deadline=deadline, expect=None).out == "masked\n"
    argv: list[str | Path] = ["ssh", "-F", guest.ssh_config, "-o", "ControlPath=none", "-l", "core", "guest", "id -un"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert said.stdout == "core\n", said.stderr


def _check_install(guest: Machine, tree: Path, deadline: Deadline) -> None:
    """Check that a tree is in the guest where it belongs, and what was in /usr stays."""
    tool = tree / "usr" / "local" / "sbin" / "double-runtime"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho double 1.0\n", encoding="ascii")
    tool.chmod(0o755)
    (tree / "etc").mkdir()
    (tree / "etc" / "double.conf").write_text("conf\n", encoding="ascii")
    installing.install_tree(guest, tree, deadline=deadline)
    assert guest.run("double-runtime && cat /etc/double.conf", deadline=deadline).out == "double 1.0\nconf\n"
    assert guest.run("[ -w /usr ]", deadline=deadline, expect=None).code == 1
    assert guest.run("[ -x /usr/bin/systemctl ]", deadline=deadline).code == 0


def test_another_systemd(guests: Guests) -> None:
    """A systemd that is laid over /usr is PID 1, as the guest itself proves; before 248 a runtime needs no sysext.

    The systemd is the release's own with another version string, which PID 1 and systemctl then say.
    """
    deadline, tree = guests.deadline, guests.directory / "systemd"
    with guests.start(LTS) as guest:
        _check_install(guest, guests.directory / "tree", deadline)
        version = machine.read_facts(guest, deadline=deadline).systemd
        names = ("usr/lib/systemd/systemd", "usr/lib/systemd/libsystemd-shared-247.so", "usr/bin/systemctl")
        for name in names:
            guest.copy_out(f"/{name}", tree / name, deadline=deadline)
    stamped = version[: -len(SAID)] + SAID
    for name in names:
        path = tree / name
        path.write_bytes(path.read_bytes().replace(version.encode(), stamped.encode()))
    with tarfile.open(guests.directory / "overlay.tar", "w") as archive:
        archive.add(tree / "usr", "usr")

    with guests.start(LTS, guests.directory / "overlay.tar") as guest:
        machine.prove(guest, systemd="247", cgroup=CgroupMode.UNIFIED, deadline=deadline, revision=SAID)
        assert guest.run("cat /proc/1/comm", deadline=deadline).out == "systemd\n"
        assert guest.run("[ -w /usr ]", deadline=deadline).code == 0
        _check_document(guest, deadline)
