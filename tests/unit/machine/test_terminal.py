"""The console of a guest at a person's terminal, with pipes in place of both."""

import os
import socket

from harness.machine import bridge_console
from harness.wait import Deadline


def test_bytes_go_both_ways_until_the_user_leaves() -> None:
    """What is typed before Ctrl-] reaches the guest, and nothing after it."""
    near, far = socket.socketpair()
    keys, typing = os.pipe()
    showing, screen = os.pipe()
    os.write(typing, b"ls\n\x1dmore")
    with near, far:
        bridge_console(near, keys, screen, Deadline.after(10, "console"))
        assert far.recv(100) == b"ls\n"
        far.sendall(b"a prompt")
        far.shutdown(socket.SHUT_WR)
        bridge_console(near, os.open(os.devnull, os.O_RDWR), screen, Deadline.after(10, "console"))
    assert os.read(showing, 100) == b"a prompt"
