"""A DOUBLE of ssh, and of the guest behind it: it answers what the harness asks every guest, and executes nothing.

`bad-day.json` in the directory that is its first word, `{"at": N, "what": NAME}`, says what becomes of the guest, or of a
process that has to do with it, at the N-th question that any guest is asked.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

SYSTEMD = "252.39-1~deb12u1"
FAILED = 255
STAMP = '"timestamp": {"seconds": 1, "microseconds": 1}}\n'
RESET = '{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}, ' + STAMP
STOP = '{"event": "STOP", "data": {}, ' + STAMP


def give_up(why: str) -> NoReturn:
    """End as ssh does that cannot reach its host."""
    sys.stderr.write(f"{why}\n")
    raise SystemExit(FAILED)


class Guest:
    """The guest of a machine's directory, whose QEMU is the other double."""

    def __init__(self, config: Path) -> None:
        self.directory = config.parent
        try:
            record = json.loads((self.directory / "machine.json").read_bytes())
            self.control = Path(config.read_text().split("ControlPath ")[1].split()[0])
        except OSError as error:
            give_up(str(error))
        self.name, self.qemu = str(record["name"]), int(record["pid"])

    def is_alive(self) -> bool:
        """Return whether its QEMU runs, or is stopped."""
        try:
            return Path(f"/proc/{self.qemu}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def say(self, where: str, text: str) -> None:
        """Append to one of its files."""
        with (self.directory / where).open("a") as file:
            file.write(text)

    def mute(self, seconds: float) -> None:
        """Let ssh wait this long for an answer that does not come, from now on."""
        (self.directory / "mute").write_text(str(seconds))

    def listen(self) -> None:
        """Raise where nobody is reached."""
        mute = self.directory / "mute"
        if mute.exists():
            time.sleep(float(mute.read_text()))
            give_up("Connection timed out")
        if not self.is_alive():
            give_up("Connection closed by remote host")

    def find_master(self) -> int | None:
        """Return the process that has the shared connection, if there is one."""
        try:
            pid = int((self.directory / "master").read_text())
            return pid if b"ssh" in Path(f"/proc/{pid}/cmdline").read_bytes() else None
        except (OSError, ValueError):
            return None

    def make_master(self) -> None:
        """Have a shared connection; it ends with the guest, or when it is asked to (ControlPersist)."""
        if self.find_master() is not None:
            return
        with suppress(OSError):
            self.control.unlink()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        os.setsid()
        if os.fork():
            os._exit(0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        with suppress(OSError), socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.control))
            (self.directory / "master").write_text(str(os.getpid()))
            server.listen()
            server.settimeout(0.1)
            while self.is_alive() and self.control.exists():
                with suppress(TimeoutError):
                    server.accept()
                    break
            self.control.unlink()
        os._exit(0)


def kill_master(guest: Guest) -> None:
    """Kill the shared connection."""
    master = guest.find_master()
    if master is not None:
        os.kill(master, signal.SIGKILL)


def kill_pytest(_: Guest) -> None:
    """Kill the process that runs the cases, if it is the one that asks."""
    if b"pytest" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes():
        os.kill(os.getppid(), signal.SIGKILL)


def kill_harness(_: Guest) -> None:
    """Kill the harness, as the guest is being asked."""
    with suppress(OSError):
        os.kill(int(Path(sys.argv[1], "harness.pid").read_text()), signal.SIGKILL)


def panic(guest: Guest, why: str) -> None:
    """Print a panic, and be silent."""
    guest.say("console.log", f"[    9.000000] Kernel panic - not syncing: {why}\n")
    guest.mute(2)


def write_half_an_event(guest: Guest) -> None:
    """Write an event in two halves, as a reader may meet it."""
    guest.say("events.jsonl", STOP[:20])
    time.sleep(0.3)
    guest.say("events.jsonl", STOP[20:])


def stop_qemu(guest: Guest) -> None:
    """Freeze QEMU, as a computer that swaps does."""
    os.kill(guest.qemu, signal.SIGSTOP)
    guest.mute(1)


BAD_DAYS: dict[str, Callable[[Guest], object]] = {
    "panic": lambda guest: panic(guest, "a double"),
    "pid1-dies": lambda guest: panic(guest, "Attempted to kill init! exitcode=0x0000000b"),
    "pid1-crash": lambda guest: guest.say("pid1.log", "pid1 caught SIGABRT and froze\n"),
    "disk-fails": lambda guest: guest.say("console.log", "[    9.0] EXT4-fs (vda): Remounting filesystem read-only\n"),
    "oom": lambda guest: guest.say("console.log", "[    9.0] Out of memory: Killed process 99 (double) total-vm:1kB\n"),
    "sshd-dies": lambda guest: guest.mute(0),
    "network-cut": lambda guest: guest.mute(1),
    "reboots": lambda guest: guest.say("events.jsonl", RESET),
    "half-event": write_half_an_event,
    "qemu-killed": lambda guest: os.kill(guest.qemu, signal.SIGKILL),
    "qemu-stopped": stop_qemu,
    "master-killed": kill_master,
    "pytest-killed": kill_pytest,
    "harness-killed": kill_harness,
    "ssh-killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "large-answer": lambda _: sys.stdout.write("x" * (9 << 20) + "\n"),
}
"""What may become of a guest, its processes, or those who talk to it."""


def answer(guest: Guest, asked: str) -> int:
    """Answer as a guest would, and return the exit status."""
    mode = next(mode for mode in ("legacy", "hybrid", "unified") if mode in guest.name)
    lines: list[str] = []
    if asked.startswith("systemctl is-system-running"):
        lines = ["running"]
    elif asked.startswith('echo "systemd='):
        root, unified = "cgroup2fs" if mode == "unified" else "tmpfs", "cgroup2fs" if mode == "hybrid" else ""
        lines = [f"systemd={SYSTEMD}", f"systemctl=systemd 252 ({SYSTEMD})", "kernel=6.1.0", "release="]
        lines += [f"root={root}", f"unified={unified}", "init=1:name=systemd:/init.scope"]
    elif asked.startswith("systemd-nspawn"):
        lines = [f"systemd 252 ({SYSTEMD})"]
    elif asked.startswith("journalctl"):
        lines = ["[    1.0] the journal of a double"]
    elif asked.startswith("say "):
        lines = [asked[4:]]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(asked == "fail")


def main(place: Path, words: list[str]) -> int:
    """Do what ssh would with these words: `-F FILE [-O exit] guest COMMAND`."""
    guest = Guest(Path(words[1]))
    if words[2] == "-O":
        with suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(guest.control))
            peer.recv(1)
        return 0
    guest.listen()
    guest.make_master()
    counter = os.open(place / "questions", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(counter, b".")
    if (place / "bad-day.json").exists():
        day = json.loads((place / "bad-day.json").read_bytes())
        if os.fstat(counter).st_size == day["at"]:
            BAD_DAYS[day["what"]](guest)
            guest.listen()
    return answer(guest, words[3])


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
