"""How a guest falls asleep before it is saved, and how a restored one becomes a guest of its own.

A new ssh connection costs a restored guest 0.7 s under emulation, and what it runs first another 0.3 s: nothing of
its programs is translated yet. So a process and a sshd are saved that are half-way already (`SLEEPER`), each with a
connection to QEMU, which QEMU saves too (`guestfwd` of its user network). To them lead two doors on this computer:

    wake            a socket, over which the sleeper gets what makes the clone its own, and answers
    ssh.in, ssh.out two pipes, over which the first ssh connection is made; the others share it, see `machine.ssh_handover`

What a clone must not share is made its own before anybody else talks to it. What it does share: the ssh host key (it
is the image's, and nobody checks it), the host name, and the kernel's boot id. Guests without perl are woken over ssh
(`WAKE`). Other connections than the first, and all after a reboot, are made as to any guest.
"""

import os
import shlex
import socket
import time
import uuid
from pathlib import Path

from harness import qemu
from harness.errors import InfrastructureError
from harness.machine.files import SavedMachine, format_ssh_config
from harness.machine.guest import Machine
from harness.machine.pid1 import WATCHER
from harness.machine.ssh_handover import SshHandover, greet
from harness.wait import SLICE, Deadline

__all__ = ["RESIDENTS", "fall_asleep", "wake"]

WAKE = Path(__file__).with_name("wake.sh")
"""What a restored guest runs first if nothing sleeps in it; its arguments are explained there."""

SLEEPER = Path(__file__).with_name("sleeper.pl")
"""What is left running in a guest that is saved."""

RESIDENTS = (WAKE, SLEEPER, WATCHER)
"""Files on which a saved guest depends."""


def fall_asleep(guest: Machine, saved: SavedMachine, deadline: Deadline) -> None:
    """Leave what wakes a guest in it, and a connection that has begun; raises InfrastructureError if it is lost."""
    if guest.run("command -v perl >/dev/null", deadline=deadline, expect=None).code:
        return
    sockets = Path(guest.record.sockets)
    words = ["perl", "-e", SLEEPER.read_text(encoding="utf-8"), qemu.DOORS, str(qemu.SSH_DOOR), str(qemu.WAKE_DOOR)]
    with socket.socket(socket.AF_UNIX) as bell:
        bell.connect(str(sockets / "wake"))
        # The sshd behind the door asks for no password; all others take no passwords at all.
        # Without the package passwd it is in the first of these files, whose `x` points to the other one.
        nothing = "sed -i 's/^root:[^:x]*:/root::/' /etc/passwd; sed -i 's/^root:[^:]*:/root::/' /etc/shadow"
        guest.run(f"{nothing}; setsid {shlex.join(words)} </dev/null >/dev/null 2>&1 &", deadline=deadline)
        _expect(bell, "asleep", deadline)
    greet(sockets, saved, deadline)


def wake(guest: Machine, saved: SavedMachine, call: SshHandover, deadline: Deadline) -> None:
    """Make a restored guest one of its own, with the right time and a connection; its own key logs in from then on.

    Raises:
        InfrastructureError: It cannot be woken, or is lost.
    """
    public = guest.files.key.with_suffix(".pub").read_text(encoding="ascii").strip()
    # Its clock stood still since it was saved.
    behind = time.time_ns() - int(saved.clock.read_text(encoding="ascii"))
    arguments = [str(behind), uuid.uuid4().hex, os.urandom(64).hex(), public]
    if call.begun:
        with socket.socket(socket.AF_UNIX) as bell:
            bell.connect(str(Path(guest.record.sockets, "wake")))
            bell.sendall(f"{' '.join(arguments)}\n".encode("ascii"))
            # Both take their time, and each has a processor.
            call.wait(guest, deadline)
            _expect(bell, "awake", deadline)
    else:
        guest.run(f"set -- {shlex.join(arguments)}\n{WAKE.read_text(encoding='utf-8')}", deadline=deadline)
    config = format_ssh_config(port=guest.record.port, key=guest.files.key, sockets=Path(guest.record.sockets))
    guest.ssh_config.write_text(config, encoding="utf-8")


def _expect(bell: socket.socket, word: str, deadline: Deadline) -> None:
    """Wait for a line from the sleeper, which must be `word`."""
    bell.settimeout(SLICE)
    said = b""
    while not said.endswith(b"\n"):
        deadline.check()
        try:
            part = bell.recv(4096)
        except TimeoutError:
            continue
        if not part:
            raise InfrastructureError(f"QEMU closed the door before the guest was {word}.")
        said += part
    answer = said.decode(errors="replace").strip()
    if answer != word:
        raise InfrastructureError(f"The guest should be {word}, but says: {answer}.")
