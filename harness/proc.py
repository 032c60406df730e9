"""The one place that starts processes.

A command is an argv list (never shell text), its environment is explicit, it runs in its own
process group, and it ends at its deadline: INT, then TERM, then KILL to the whole group.
"""

import logging
import os
import shlex
import shutil
import signal
import subprocess  # noqa: TID251 - this module is the gate that the ban protects
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import InfrastructureError
from harness.spool import AT_ONCE, Spool, open_spool
from harness.tools import find_package
from harness.wait import Deadline, poll

__all__ = [
    "CommandError", "Done", "OutputError", "Running", "SpawnError", "find", "interact", "make_environment", "require", "run",
    "start",
]  # fmt: skip

logger = logging.getLogger(__name__)

PASSED_ON = (
    "HOME", "PATH", "TMPDIR", "USER", "XDG_CACHE_HOME",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK",
)  # fmt: skip
"""Variables of the caller's environment that children keep: where tools, caches and the network are."""

PIP_PREFIX = "PIP_"
"""Variables with this prefix are kept too: they say where this computer's package index is."""

SHOWN = 2000
"""Characters of a command that a message has."""

TAIL = 30
"""Lines of output that an error message carries."""

STEPS = ((signal.SIGINT, 2.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))
"""Signals that end a process group, each with the seconds it is given."""

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian keeps mkfs.ext4 and dockerd; often not on an ordinary user's PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended.

    Attributes:
        argv: What ran.
        code: Exit status; negative for the signal that ended it.
        out: Standard output, together with standard error unless they were kept apart.
        err: Standard error, when kept apart.
        cut: Bytes of both that were left out, as there was too much.
    """

    argv: tuple[str, ...]
    code: int
    out: str
    err: str = ""
    cut: int = 0


class SpawnError(InfrastructureError):
    """A command could not be started: it is not there, too long, or the computer has no room for another process."""


class OutputError(InfrastructureError):
    """What a command printed could not be kept whole, so nobody may judge by it."""


class CommandError(InfrastructureError):
    """A command ended with a status that its caller did not expect."""

    def __init__(self, done: Done, *, output: Path | None = None, hint: str | None = None) -> None:
        where = f"; its output is in {output}" if output else ""
        text = done.err.strip() or done.out.strip()
        tail = "\n".join(f"  | {line}" for line in text.splitlines()[-TAIL:])
        how = f"was ended by {signal.Signals(-done.code).name}" if done.code < 0 else f"ended with status {done.code}"
        super().__init__(f"The command `{_show(done.argv)}` {how}{where}." + (f"\n{tail}" if tail else ""), hint=hint)
        self.done = done


def _show(argv: Sequence[str]) -> str:
    """Return a command as a message has it, cut where it is too long to read."""
    text = shlex.join(argv)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def make_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a clean environment for a child: `PASSED_ON` of ours, a fixed locale, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PIP_PREFIX)}
    kept["PATH"] = f"{kept.get('PATH', os.defpath)}:{SBIN}"
    return kept | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"} | dict(extra or {})


def require(tool: str) -> Path:
    """Return the path of a tool; raises InfrastructureError, with the command that installs it, if it is not there."""
    found = find(tool)
    if found is None:
        raise InfrastructureError(
            f"The tool `{tool}` is not installed on this computer.",
            hint=f"Install it with `apt-get install {find_package(tool)}`, or run `make deps`.",
        )
    return found


def find(tool: str) -> Path | None:
    """Return the path of an executable where our children look for one, or None."""
    found = shutil.which(tool, path=make_environment()["PATH"])
    return Path(found) if found else None


class Running:
    """A process that was started and has not been waited for; it owns its process group."""

    def __init__(self, popen: "subprocess.Popen[bytes]", argv: Sequence[str]) -> None:
        self.argv = tuple(argv)
        self.pid = popen.pid
        self._popen = popen
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Exit status, or None while it runs.

        It is not reaped by that: its number is nobody else's until `stop` has signalled its group.
        """
        with self._lock:
            if self._popen.returncode is not None:
                return self._popen.returncode
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait(self, deadline: Deadline, *, watch: Callable[[], None] | None = None) -> int:
        """Wait for the end, and return the exit status.

        `watch` is called again and again meanwhile; it raises to end the wait.

        Raises:
            DeadlineError: It still ran at the deadline. It is not stopped.
            CancelledError: The run was interrupted. It is not stopped.
        """

        def attempt() -> int | None:
            code = self.poll()
            if code is None and watch is not None:
                watch()
            return code

        return poll(attempt, deadline, every=0.02)

    def stop(self) -> int:
        """End the whole process group, with INT, TERM and at last KILL, and reap the process."""
        if self._popen.returncode is not None:
            return self._popen.returncode
        for number, seconds in STEPS:
            self._send_signal(number)
            if not self._wait_briefly(seconds):
                continue
            # Children that outlived their parent are still in its group.
            self._send_signal(signal.SIGKILL)
            with self._lock:
                return self._popen.wait()
        raise InfrastructureError(f"The process {self.pid} (`{shlex.join(self.argv)}`) does not end, not even by KILL.")

    def _wait_briefly(self, seconds: float) -> bool:
        """Wait for the end, and return whether it came in this time."""
        end = time.monotonic() + seconds
        pause = 0.0005
        while self.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(pause)  # noqa: TID251 - it is being ended, whatever deadline there was
            pause = min(2 * pause, 0.05)
        return True

    def _send_signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return


@contextmanager
def start(
    argv: Sequence[str],
    *,
    output: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Running]:
    """Start a command that runs in parallel; it is stopped when the context ends.

    `env` is its whole environment, `make_environment()` if None; it inherits `pass_fds`.

    Raises:
        SpawnError: It could not be started.
    """
    logger.debug("start: %s", _show(argv))
    running = _spawn(argv, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd, pass_fds=pass_fds)
    try:
        yield running
    finally:
        running.stop()


def run(  # noqa: PLR0913 - each is one fact about a process, and keyword-only
    argv: Sequence[str],
    *,
    deadline: Deadline,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | Path | None = None,
    output: Path | None = None,
    apart: bool = False,
    expect: Sequence[int] | None = (0,),
    hint: str | None = None,
    watch: Callable[[], None] | None = None,
    most: int | None = None,
) -> Done:
    """Run a command to its end and return what came out.

    Args:
        argv: The command.
        deadline: When it is ended at the latest, with its whole process group.
        env: Its whole environment; `make_environment()` if None.
        cwd: Its working directory.
        stdin: Bytes for its standard input, or a file to read them from; empty if None.
        output: File to append its output to; the result then carries the end of it.
        apart: Keep standard error apart (`Done.err`) instead of mixed in `Done.out`.
        expect: Exit statuses that are not an error; None allows all.
        hint: What to do when it fails.
        watch: Called again and again while it runs; raises to end it early.
        most: Bytes of each stream that are kept, with the end and a note in place of what is left out; all if None.

    Raises:
        CommandError: The status was not expected.
        DeadlineError: It did not end in time.
        SpawnError: It could not be started.
        OutputError: Its output could not be kept whole, as the disk is full.
    """
    logger.debug("run: %s", _show(argv))
    try:
        with _open_input(stdin) as source, open_spool(output, most) as out, open_spool(None, most) as err:
            running = _spawn(
                argv, stdin=source, stdout=out.inlet, stderr=err.inlet if apart else subprocess.STDOUT, env=env, cwd=cwd
            )
            out.close_inlet()
            err.close_inlet()
            try:
                code = running.wait(deadline, watch=lambda: _drain(out, err, watch))
            finally:
                running.stop()
                # What a child that goes on prints after the end of its parent is not waited for.
                out.drain()
                err.drain()
            done = Done(argv=tuple(argv), code=code, out=out.read_text(), err=err.read_text(), cut=out.cut + err.cut)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise OutputError(
            f"The input or output of the command `{_show(argv)}` failed: {error.strerror}{where}."
        ) from error
    if expect is not None and code not in expect:
        raise CommandError(done, output=output, hint=hint)
    return done


def _drain(out: Spool, err: Spool, watch: Callable[[], None] | None) -> None:
    out.drain(AT_ONCE)
    err.drain(AT_ONCE)
    if watch is not None:
        watch()


@contextmanager
def _open_input(stdin: bytes | Path | None) -> Iterator[IO[bytes]]:
    with stdin.open("rb") if isinstance(stdin, Path) else tempfile.TemporaryFile() as source:
        if isinstance(stdin, bytes):
            source.write(stdin)
            source.seek(0)
        yield source


def interact(argv: Sequence[str], *, deadline: Deadline) -> int:
    """Run a command that talks to the user on our own terminal, in our process group; return its exit status."""
    logger.debug("interact: %s", shlex.join(argv))
    with subprocess.Popen(argv, env=make_environment({"TERM": os.environ.get("TERM", "dumb")})) as popen:
        try:
            return poll(popen.poll, deadline)
        finally:
            popen.terminate()


def _spawn(
    argv: Sequence[str],
    *,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    pass_fds: Sequence[int] = (),
) -> Running:
    variables = dict(env) if env is not None else make_environment()
    try:
        popen = subprocess.Popen(
            list(argv), stdin=stdin, stdout=stdout, stderr=stderr, env=variables, cwd=cwd, pass_fds=pass_fds,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SpawnError(
            f"The command `{_show(argv)}` could not start: {error.strerror}: {error.filename}.",
            hint="`make deps` installs what the harness needs.",
        ) from error
    except PermissionError as error:
        raise SpawnError(f"The command `{_show(argv)}` may not be run: {error.strerror}.") from error
    except (OSError, ValueError) as error:
        # Too long (E2BIG), no memory or process left (ENOMEM, EAGAIN), no program (ENOEXEC), a null character.
        why = error.strerror if isinstance(error, OSError) else error
        raise SpawnError(f"The command `{_show(argv)}` could not start: {why}.") from error
    return Running(popen, argv)
