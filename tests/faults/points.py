"""Where a run is disturbed: at the N-th change that it makes to files and processes, counted by an audit hook (PEP 578).

So a point is found again by its number, wherever time goes.
"""

import ctypes
import errno
import fcntl
import os
import random
import resource
import select
import signal
import struct
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.world import World

__all__ = ["ACTIONS", "count_changes", "disturb"]

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = frozenset({
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.utime", "os.link", "os.symlink", "shutil.rmtree",
    "subprocess.Popen", "os.killpg", "os.kill", "tempfile.mkstemp", "tempfile.mkdtemp",
})  # fmt: skip
"""Events that change something; `open` does where it is for writing."""

Act = Callable[[World, str, tuple[Any, ...]], None]


def is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether an event is the beginning of a change outside of this process."""
    if event == "open":
        return bool(arguments[2] & WRITES) and arguments[0] != os.devnull
    return event in CHANGES


def disturb(world: World, at: int, act: Act, *, again: bool = False) -> None:
    """Let something happen before the N-th change of this process, and before each later one if it is to happen `again`."""
    seen = 0
    busy = False

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen, busy
        if busy or not is_change(event, arguments):
            return
        seen += 1
        if seen == at or (again and seen > at):
            busy = True
            try:
                act(world, event, arguments)
            finally:
                busy = False

    sys.addaudithook(hear)


def count_changes(world: World) -> None:
    """Write down how many changes this process makes, in the file `changes`."""
    seen = os.open(world.place / "changes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if is_change(event, arguments):
            os.write(seen, b".")

    sys.addaudithook(hear)


def send(*numbers: signal.Signals) -> Act:
    """Return what sends signals to this process."""

    def act(*_: object) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return act


def fail(number: int, *, below: tuple[str, ...] = ("",), spawn: bool = False) -> Act:
    """Return what refuses a change with an error of the system: one below some folder of the world, or the start of a process."""

    def act(world: World, event: str, arguments: tuple[Any, ...]) -> None:
        removes = event in {"os.remove", "os.rmdir"} and number == errno.EDQUOT
        if spawn == (event == "subprocess.Popen") and not removes:
            named = arguments[0] if arguments and isinstance(arguments[0], str | bytes | os.PathLike) else ""
            place = Path(os.fsdecode(named))
            if spawn or any(place.is_relative_to(world.place / folder) for folder in below):
                raise OSError(number, os.strerror(number), str(place))

    return act


def fill_disk(world: World, *_: object) -> None:
    """Leave no room on the file system of the world."""
    with suppress(OSError), (world.place / "ballast").open("wb") as file:
        state = os.statvfs(world.place)
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize)


def use_inodes(world: World, *_: object) -> None:
    """Leave no inode on the file system of the world."""
    folder = world.place / "inodes"
    with suppress(OSError):
        folder.mkdir()
        for number in range(100_000):
            (folder / str(number)).touch()


def free(world: World) -> None:
    """Take back what fills the disk."""
    (world.place / "ballast").unlink(missing_ok=True)
    folder = world.place / "inodes"
    for path in folder.iterdir() if folder.exists() else ():
        path.unlink()
    folder.rmdir() if folder.exists() else None


def limit(kind: int, value: int) -> Act:
    """Return what takes a resource from this process (setrlimit(2)), and from those that it starts then."""

    def act(*_: object) -> None:
        resource.setrlimit(kind, (min(value, resource.getrlimit(kind)[1]),) * 2)

    return act


def limit_descriptors(world: World, event: str, arguments: tuple[Any, ...]) -> None:
    """Let this process open no more files than it has now, but one."""
    limit(resource.RLIMIT_NOFILE, max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 2)(
        world, event, arguments
    )


def close_output(*_: object) -> None:
    """Close the reader of the output."""
    reader, writer = os.pipe()
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(writer)
    os.close(reader)


def speak_ascii(*_: object) -> None:
    """Have the locale C, and streams that take nothing but ASCII."""
    os.environ.update(LANG="C", LC_ALL="C")
    sys.stdout, sys.stderr = (open(number, "w", encoding="ascii", closefd=False) for number in (1, 2))  # noqa: SIM115


def have_no_output(*_: object) -> None:
    """Be started without standard output and error."""
    os.close(1)
    os.close(2)
    sys.stdout = sys.stderr = None  # as Python does


def fill_output(*_: object) -> None:
    """Have a full disk behind the standard output."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.close(full)


def resize_terminal(*_: object) -> None:
    """Have a terminal whose size changes all the time, and is nonsense now and then."""
    reader, writer = os.openpty()
    for number in (1, 2):
        os.dup2(writer, number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ["TERM"] = "xterm"
    os.environ.pop("COLUMNS")
    chance = random.Random(1)

    def work() -> None:
        while True:
            if select.select([reader], [], [], 0.02)[0]:
                os.read(reader, 65536)
            size = struct.pack("HHHH", chance.choice([0, 1, 24, 999]), chance.choice([0, 1, 2, 80, 9999]), 0, 0)
            fcntl.ioctl(writer, termios.TIOCSWINSZ, size)
            os.kill(os.getpid(), signal.SIGWINCH)

    threading.Thread(target=work, daemon=True).start()


def turn_back_clock(days: int) -> Act:
    """Return what makes all files of store and runs seem that much older, as a clock that jumped forwards does."""

    def act(world: World, *_: object) -> None:
        for folder in ("store", "runs", "tmp"):
            for path in (world.place / folder).rglob("*"):
                with suppress(OSError):
                    seconds = path.lstat().st_mtime - 86400 * days
                    os.utime(path, (seconds, seconds), follow_symlinks=False)

    return act


def stop_for_a_moment(*_: object) -> None:
    """Stop this process, as Ctrl-Z does, and let another one continue it."""
    if os.fork() == 0:
        libc = ctypes.CDLL(None)
        libc.usleep(300_000)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)


def end_children(world: World, *_: object) -> None:
    """Kill every process that this one has started."""
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == own:
                os.kill(int(entry.name), signal.SIGKILL)


def remove(folder: str) -> Act:
    """Return what removes the files of a folder, as a cleaner of temporary files does."""

    def act(world: World, *_: object) -> None:
        for path in (world.place / folder).rglob("*"):
            with suppress(OSError):
                path.unlink()

    return act


ACTIONS: dict[str, Act] = {
    "nothing": lambda *_: None,
    "kill": send(signal.SIGKILL),
    "int": send(signal.SIGINT),
    "term": send(signal.SIGTERM),
    "hup": send(signal.SIGHUP),
    "int-twice": send(signal.SIGINT, signal.SIGINT),
    "term-hup": send(signal.SIGTERM, signal.SIGHUP),
    "disk-full": fill_disk,
    "no-inodes": use_inodes,
    "store-read-only": fail(errno.EROFS, below=("store",)),
    "runs-read-only": fail(errno.EROFS, below=("runs",)),
    "tmp-read-only": fail(errno.EROFS, below=("tmp", "run")),
    "quota": fail(errno.EDQUOT),
    "io-error": fail(errno.EIO),
    "no-processes": fail(errno.EAGAIN, spawn=True),
    "no-memory-for-processes": fail(errno.ENOMEM, spawn=True),
    "no-descriptors": limit_descriptors,
    "file-size": limit(resource.RLIMIT_FSIZE, 4096),
    "reader-gone": close_output,
    "clock-forwards": turn_back_clock(4000),
    "clock-backwards": turn_back_clock(-4000),
    "stopped": stop_for_a_moment,
    "children-killed": end_children,
    "sockets-removed": remove("run"),
    "tmp-cleaned": remove("tmp"),
    "locale-c": speak_ascii,
    "output-closed": have_no_output,
    "output-full": fill_output,
    "terminal-resized": resize_terminal,
}
"""What may happen to the harness itself."""
