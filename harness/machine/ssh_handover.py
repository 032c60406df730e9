"""The first ssh connection of a restored guest, which began before the guest was saved.

When it is saved, its sshd has had the client's first line (RFC 4253, section 4.2), and has answered with its own and
with its half of the key exchange (section 7.1). Our ssh finds that answer in its pipe and goes on from there; its own
first line, which the guest knows, is taken out of the other pipe before QEMU reads it. That is a third of what a
connection costs, and ssh itself is up while QEMU loads the memory. The connection is the shared one (ControlMaster).
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

from harness import proc
from harness.errors import InfrastructureError
from harness.machine.files import PIPES, SSH_ALIAS, MachineFiles, SavedMachine, format_ssh_config
from harness.machine.guest import Machine
from harness.proc import Running
from harness.wait import Deadline, poll

__all__ = ["SshHandover", "greet"]

OPENING = 10.0
"""Seconds in which ssh says its first line."""

QUICK = 0.005
"""Seconds between two looks whether the guest has let ssh in, which its user waits for."""

LOOKS = 20
"""How many of them go by between two at the guest itself, which take longer."""

LENGTH = 4
"""Bytes of a packet's length."""

OVER_PIPES = ("-o", "ProxyCommand=-")
"""With this "command" ssh takes its standard input and output for the connection."""


def greet(sockets: Path, saved: SavedMachine, deadline: Deadline) -> None:
    """Begin a connection with the sshd that waits in a guest, and keep what both said.

    Raises:
        DeadlineError: It did not answer in time.
        InfrastructureError: There is no ssh on this computer.
    """
    argv = ["ssh", "-F", "none", *OVER_PIPES, SSH_ALIAS]
    asked = proc.run(argv, deadline=deadline, expect=None, apart=True, stdin=b"").out.encode()
    with ExitStack() as stack:
        said, heard = _open_ends(sockets, stack)
        line, packet = _read_line(said, deadline)
        os.write(heard, asked)
        # A packet begins with its length, section 6.
        while len(packet) < LENGTH or len(packet) < LENGTH + int.from_bytes(packet[:LENGTH], "big"):
            packet += _read_some(said, deadline)
    saved.asked.write_bytes(asked)
    saved.greeting.write_bytes(line + packet)


def _open_ends(sockets: Path, stack: ExitStack) -> tuple[int, int]:
    """Open our ends of what a guest's sshd says and hears, for both ways: such a pipe is there at once, and stays."""
    ends = [os.open(sockets / name, os.O_RDWR | os.O_NONBLOCK) for name in reversed(PIPES)]
    for end in ends:
        stack.callback(os.close, end)
    return ends[0], ends[1]


def _read_some(pipe: int, deadline: Deadline, size: int = 4096) -> bytes:
    def attempt() -> bytes | None:
        try:
            return os.read(pipe, size)
        except BlockingIOError:
            return None

    return poll(attempt, deadline, every=0.002)


def _read_line(pipe: int, deadline: Deadline) -> tuple[bytes, bytes]:
    """Return the first line, and what came with it."""
    said = b""
    while b"\n" not in said:
        said += _read_some(pipe, deadline)
    end = said.index(b"\n") + 1
    return said[:end], said[end:]


class SshHandover:
    """The ssh that will keep a restored guest's first connection; a context, as it may have to be ended."""

    def __init__(self, saved: SavedMachine) -> None:
        self._saved = saved
        self._stack = ExitStack()
        self._running: Running | None = None
        self._errors: IO[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def begun(self) -> bool:
        """Whether there is a connection to go on with."""
        return self._running is not None

    @contextmanager
    def prepare(self, files: MachineFiles, sockets: Path, deadline: Deadline) -> Iterator[None]:
        """Start ssh, and take out of the pipe what the guest knows; meanwhile something else may be done, but no QEMU.

        Raises:
            InfrastructureError: It is another ssh than when the guest was saved.
        """
        if not self._saved.greeting.exists():
            yield
            return
        within = deadline.within(OPENING, "first line of ssh")
        # The port is not known yet, and not needed.
        config = format_ssh_config(port=1, key=self._saved.key, sockets=sockets)
        files.ssh_config.write_text(config, encoding="utf-8")
        said, heard = _open_ends(sockets, self._stack)
        os.write(said, self._saved.greeting.read_bytes())
        ssh = ["ssh", "-F", str(files.ssh_config), *OVER_PIPES, "-o", "ControlMaster=yes", "-fN", SSH_ALIAS]
        script = 'here=$1 there=$2; shift 2; exec "$@" <"$here" >"$there"'
        argv = ["sh", "-c", script, "sh", str(sockets / "ssh.out"), str(sockets / "ssh.in"), *ssh]
        self._errors = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        running = self._stack.enter_context(proc.start(argv, output=self._errors))
        yield
        known, asked = self._saved.asked.read_bytes(), b""
        while len(asked) < len(known):
            if running.poll() is not None:
                raise InfrastructureError(f"ssh ended: {self._read_errors()}.")
            asked += _read_some(heard, within, len(known) - len(asked))
        if asked != known:
            raise InfrastructureError("The memory was saved with another ssh on this computer.")
        self._running = running

    def wait(self, guest: Machine, deadline: Deadline) -> None:
        """Wait until the guest has let it in; it then runs in the background, as every shared connection does.

        Raises:
            InfrastructureError: It was not let in, or the guest is lost.
        """
        running, looks = self._running, itertools.count()
        assert running is not None

        def attempt() -> int | None:
            if next(looks) % LOOKS == 0:
                guest.check()
            return running.poll()

        if poll(attempt, deadline, every=QUICK):
            raise InfrastructureError(
                f"The restored guest {guest.name} does not take a connection: {self._read_errors()}."
            )

    def _read_errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip() or "it gave no reason"
