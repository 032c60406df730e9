"""The serial console of a running guest at the terminal of a person."""

import os
import selectors
import socket
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InfrastructureError
from harness.machine.guest import Machine
from harness.wait import Deadline

__all__ = ["bridge_console", "connect_console"]

LEAVE = b"\x1d"
"""Ctrl-], which leaves a console, as it leaves telnet and virsh."""


@contextmanager
def connect_console(guest: Machine) -> Iterator[socket.socket]:
    """Yield the console of a running guest; raise InfrastructureError if it cannot be reached."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(Path(guest.record.sockets) / "console"))
        except OSError as error:
            raise InfrastructureError(f"The console of {guest.name} cannot be reached: {error.strerror}.") from error
        yield line


def bridge_console(line: socket.socket, keys: int, screen: int, deadline: Deadline) -> None:
    """Carry bytes between the user and the guest until one of them leaves.

    `keys` and `screen` are descriptors of what the user types, where Ctrl-] leaves, and sees.
    """
    with _set_raw(keys), selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        with suppress(PermissionError):  # a file is always ready, and epoll refuses it
            selector.register(keys, selectors.EVENT_READ)
        while True:
            deadline.check()
            for ready_now, _ in selector.select(timeout=0.1):
                if ready_now.fileobj is line:
                    data = line.recv(4096)
                    os.write(screen, data)
                    if not data:
                        return
                else:
                    typed = os.read(keys, 4096)
                    before, leave, _ = typed.partition(LEAVE)
                    line.sendall(before)
                    if leave or not typed:
                        return


@contextmanager
def _set_raw(descriptor: int) -> Iterator[None]:
    """Pass on the user's keys as they are typed, while the context lasts; nothing where there is no terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
