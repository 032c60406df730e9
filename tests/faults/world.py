"""A world of its own for one run of the harness: a project, a store, runs, and DOUBLES of QEMU, ssh and the maker of images.

The harness is the real one, in a process that is forked from ours, which has imported it: so a whole run takes a second.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness import cli
from harness.distros.debian import disk
from harness.distros.protocol import DISK, INITRD, KERNEL, PACKAGES, write_facts
from tests import ROOT

__all__ = ["BASELINE", "PRIVATE", "Ended", "World", "can_mount", "open_world"]

SYSTEMD = "252.39-1~deb12u1"

MATRIX = """\
version: 1
axes: {distro: [debian/bookworm], systemd: [distro], go: ['1.27'], cgroup: [legacy, unified], runtime: [nspawn]}
defaults: {suites: [double]}
"""
SUITE = "name: double\ndescription: Cases that ask a double of a guest.\ntimeout: 3\n"
CASES = '''\
"""One case of each outcome that a case can have by itself."""

import pytest


def test_passes(host):
    assert host.run("say moin").stdout == "moin\\n"


def test_fails(host):
    assert host.run("fail").rc == 0


@pytest.mark.needs(cgroup="unified")
def test_is_skipped(host):
    assert host.run("true").rc == 0


@pytest.mark.parametrize("number", range(3))
def test_asks_again_and_again(host, number):
    for _ in range(2):
        assert host.run(f"say {number}").stdout == f"{number}\\n"
'''

BASELINE = 1
"""Exit code of an undisturbed run, as one of its cases fails."""

PATIENCE = 150.0
"""Seconds after which a run hangs."""

PRIVATE = "HARNESS_FAULTS_PRIVATE"
"""Variable that is there in a mount namespace of the campaign's own."""

MS_NOSUID, MNT_DETACH = 2, 2
CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
libc = ctypes.CDLL(None, use_errno=True)


def build_image(_spec: object, directory: Path, *_: object) -> Mapping[str, Any]:
    """Fill a directory as the maker of Debian's images would; a DOUBLE."""
    for name in (DISK, KERNEL, INITRD):
        (directory / name).write_text(f"the {name} of a double", encoding="utf-8")
    (directory / PACKAGES).write_text(f"systemd {SYSTEMD}\n", encoding="utf-8")
    write_facts(directory, {"systemd": SYSTEMD, "kernel_version": "6.1.0"})
    return {}


def can_mount() -> bool:
    """Return whether this process may mount file systems, and nobody else sees them; see `tools.faults`."""
    return PRIVATE in os.environ


def enter_pid_namespace() -> None:
    """Go on as the second process of a PID namespace; the first, and this one, end as it does."""
    if libc.unshare(CLONE_NEWPID | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "there is no namespace for processes")
    for _ in range(2):  # the first process of a namespace is not to be killed by those in it
        child = os.fork()
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code < 0:
                os.kill(os.getpid(), -code)
            os._exit(code if code >= 0 else 128 - code)
        libc.mount(b"proc", b"/proc", b"proc", 0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run of the harness that has ended.

    Attributes:
        code: Exit code; negative for a signal; None if it hung.
    """

    code: int | None
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run of the harness that goes on, with the descriptors of what it prints."""

    pid: int
    outputs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class World:
    """Where everything of one run is; its path is short, as sockets' must be."""

    place: Path

    @property
    def bin(self) -> Path:
        """The doubles, and what is to become of them."""
        return self.place / "bin"

    @property
    def runs(self) -> Path:
        """Directories of runs."""
        return self.place / "runs"

    @property
    def run(self) -> Path | None:
        """The directory of the first run, if it was begun."""
        return next(iter(self.list_runs()), None)

    def list_runs(self) -> list[Path]:
        """Return the directories of runs in the order of their numbers."""
        return sorted(self.runs.glob("2*"), key=lambda path: int(path.name.rpartition("-")[2]))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of everything that runs here; nothing is written outside."""
        home = str(self.place / "home")
        return {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home,
            "TMPDIR": str(self.place / "tmp"), "XDG_RUNTIME_DIR": str(self.place / "run"), "COLUMNS": "120",
            "HARNESS_STORE": str(self.place / "store"), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8",
        }  # fmt: skip

    def make(self) -> None:
        """Make the project, with the doubles."""
        suite = self.place / "project" / "suites" / "double"
        suite.mkdir(parents=True)
        shutil.copytree(ROOT / "images" / "debian", self.place / "project" / "images" / "debian")
        shutil.copy(ROOT / "suites" / "pytest.ini", suite.parent)
        (suite / "suite.yaml").write_text(SUITE, encoding="utf-8")
        (suite / "test_double.py").write_text(CASES, encoding="utf-8")
        (self.place / "project" / "matrix.yaml").write_text(MATRIX, encoding="utf-8")
        for name in ("bin", "home", "tmp", "run"):
            (self.place / name).mkdir(mode=0o700)
        for name, double in (("qemu-system-x86_64", "qemu_double.py"), ("ssh", "ssh_double.py")):
            # Under the name of the program that it stands for, by which the harness knows its own processes.
            source = Path(__file__).with_name(double)
            start = f'PYTHONHOME={sys.base_prefix} exec -a "$0" {sys.executable} -S {source} {self.bin} "$@"'
            self._write_program(name, f"#!/bin/bash\n{start}\n")
        self._write_program("qemu-img", '#!/bin/sh\nfor last; do :; done\necho "a double" >"$last"\n')

    def _write_program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def start(
        self, words: Sequence[str], before: Callable[[], None] = lambda: None, *, alone: bool = False
    ) -> "Started":
        """Start the harness in a process of its own, `alone` in a PID namespace; `before` is called in it first."""
        # In memory: what it prints is read however full its disk is.
        outputs = (os.memfd_create("out"), os.memfd_create("err"))
        child = os.fork()
        if child == 0:
            try:
                if alone:
                    enter_pid_namespace()
                code = self._be_harness(words, outputs, before)
            except BaseException as error:  # noqa: BLE001 - it must not go on as a copy of the campaign
                sys.stderr.write(f"Traceback of the campaign: {error!r}\n")
                code = 99
            os._exit(code)
        return Started(pid=child, outputs=outputs)

    def _be_harness(self, words: Sequence[str], outputs: tuple[int, int], before: Callable[[], None]) -> int:
        os.setsid()
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        own = self.environment
        os.environ.clear()
        os.environ.update(own)
        tempfile.tempdir = None
        os.chdir(self.place / "project")
        (self.bin / "harness.pid").write_text(str(os.getpid()), encoding="utf-8")
        disk.build = build_image  # type: ignore[assignment]
        sys.argv = ["harness", "--matrix", "matrix.yaml", "--runs", str(self.runs), *words]
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        before()
        code = cli.main()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # As the end of Python does: what is left of the work keeps the process.
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        return code

    def wait(self, started: "Started") -> Ended:
        """Wait for a harness to end; one that hangs is killed."""
        child = started.pid
        limit = time.monotonic() + PATIENCE
        pid, status = 0, 0
        while not pid and time.monotonic() < limit:
            pid, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0 if pid else 0.01)
        code: int | None = None
        if pid:
            code = os.waitstatus_to_exitcode(status)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        texts = []
        for output in started.outputs:
            with open(output, "rb") as file:  # noqa: PTH123 - it has no name
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return Ended(code=code, out=texts[0], err=texts[1])

    def run_harness(self, *words: str, before: Callable[[], None] = lambda: None) -> Ended:
        """Run the harness to its end."""
        return self.wait(self.start(words, before))

    def list_processes(self) -> list[str]:
        """Return what runs and has to do with this world: its number and command line."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if os.fsencode(self.place) in words and int(entry.name) != os.getpid():
                    found.append(f"{entry.name} {os.fsdecode(words).replace(chr(0), ' ')[:150]}")
        return found

    def end_processes(self) -> None:
        """Kill what runs and has to do with this world."""
        for process in self.list_processes():
            with suppress(ProcessLookupError):
                os.kill(int(process.split()[0]), signal.SIGKILL)


@contextmanager
def open_world(size: str = "64m", inodes: int = 6000) -> Iterator[World]:
    """Provide a new world, on a small file system of its own where that can be had, and leave nothing of it."""
    place = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    mounted = can_mount()
    if mounted and libc.mount(b"world", bytes(place), b"tmpfs", MS_NOSUID, f"size={size},nr_inodes={inodes}".encode()):
        raise OSError(ctypes.get_errno(), "a tmpfs could not be mounted")
    world = World(place)
    try:
        world.make()
        yield world
    finally:
        world.end_processes()
        unmount = partial(libc.umount2, bytes(place), MNT_DETACH)
        if mounted:
            unmount()
        shutil.rmtree(place, ignore_errors=True)
