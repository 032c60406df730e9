"""A machine is a directory: what is in it, and how other processes find the guest through it."""

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.confinement import USERS
from harness.errors import InfrastructureError, UsageError
from harness.process_identity import read_boot_id, read_start_time
from harness.qemu import MachineSpec, escape_value
from harness.results import find_problem
from harness.writing import write_text

__all__ = [
    "MachineFiles",
    "MachineRecord",
    "SavedMachine",
    "format_ssh_config",
    "make_short_directory",
    "remove_sockets",
]

LONGEST = 40
"""Bytes of a parent directory below which a socket's path is still short enough."""

PREFIX = "harness-"
"""How the name of a directory for sockets begins."""

PIPES = ("ssh.in", "ssh.out")
"""Pipes through which the first ssh connection of a restored guest goes; QEMU wants to find them."""

SSH_ALIAS = "guest"
"""Name of the guest in its ssh_config."""


class MachineFiles:
    """The files of a machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.record = directory / "machine.json"
        """What the machine is and which process runs it, as JSON; see `MachineRecord`."""
        self.ssh_config = directory / "ssh_config"
        """Configuration with which the system's ssh reaches the host `guest`."""
        self.key = directory / "ssh_key"
        """Private key; the public half is next to it."""
        self.console = directory / "console.log"
        """Log of the serial console."""
        self.pid1 = directory / "pid1.log"
        """What the watcher of PID 1 said, see `machine.pid1`."""
        self.qemu_log = directory / "qemu.log"
        """What QEMU itself said."""
        self.events = directory / "events.jsonl"
        """QMP events, one JSON object per line."""
        self.overlay = directory / "overlay.qcow2"
        """The writable disk."""

    def get_fw_cfg_path(self, name: str) -> Path:
        """Return the file that the guest's firmware hands on by a name: "opt/org.example/config"."""
        return self.directory / f"fw_cfg-{name.replace('/', '-')}"


class SavedMachine:
    """A guest that was saved while it ran."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "memory"
        """State of processors and devices, QEMU's migration stream; with the memory, where that has no file of its own."""
        self.ram = directory / "ram"
        """The memory as it was, sparse, which clones map; not there where QEMU cannot do that, see `machine.template`."""
        self.overlay = directory / "overlay.qcow2"
        """What it had written to its disk."""
        self.console = directory / "console.log"
        """What it had said on its console."""
        self.clock = directory / "clock"
        """What its clock said when it was stopped, in nanoseconds since 1970."""
        self.greeting = directory / "greeting"
        """What its sshd said in the connection that has begun, see `machine.ssh_handover`; not there if none has."""
        self.asked = directory / "asked"
        """What our ssh said in that connection."""
        self.key = directory / "ssh_key"
        """The private key that it accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRecord:
    """What machine.json says.

    Attributes:
        name: The guest as messages name it.
        port: Loopback port of its ssh; 0 before it is reserved.
        sockets: Short directory with the sockets `qmp`, `console`, `wake` and ssh's own, and the pipes of `PIPES`.
        accelerator: "kvm" or "tcg".
        pid: QEMU's process, or None before it starts and after it was destroyed.
        started: When that process started, in the kernel's clock ticks since boot: a pid alone may be a stranger's.
        boot: The boot of the computer in which it ran.
        origin: Whether it was booted for its user ("cold"), or the memory of an earlier boot was there ("memory").
        note: Why it was booted although a memory was wanted, a whole sentence; else empty.
        resets: How many QMP events RESET the harness caused, two or more in a reboot; None while it reboots the guest.
    """

    name: str
    port: int
    sockets: str
    accelerator: str
    pid: int | None = None
    started: int | None = None
    boot: str
    spec: Mapping[str, Any]
    argv: tuple[str, ...] = ()
    origin: str = "cold"
    note: str = ""
    resets: int | None = 0

    def write(self, files: MachineFiles) -> None:
        """Replace machine.json."""
        write_text(files.record, json.dumps(asdict(self), indent=1) + "\n", inside=True)

    @classmethod
    def read(cls, files: MachineFiles) -> "MachineRecord":
        """Read machine.json; raises InfrastructureError if there is none, or it is not ours."""
        try:
            return RECORD.validate_json(files.record.read_bytes())
        except FileNotFoundError as error:
            raise InfrastructureError(f"There is no machine in {files.directory}: it has no machine.json.") from error
        except OSError as error:
            raise InfrastructureError(f"The file {files.record} cannot be read: {error.strerror}.") from error
        except ValidationError as error:
            raise InfrastructureError(
                f"The file {files.record} does not describe a machine: {find_problem(error)}."
            ) from error

    def is_own_process(self, files: MachineFiles) -> bool:
        """Return whether its process is a QEMU of this user, or one of root's that gave up its rights, of this directory.

        machine.json may come from elsewhere, and number and start time of every process can be read by everybody.
        """
        try:
            process = Path(f"/proc/{self.pid}")
            words = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
            owner = process.stat().st_uid
        except OSError:
            return False
        places = {str(files.console), str(files.console.absolute()), str(files.console.resolve())}
        logs = {f"logfile={escape_value(place)}," for place in places}
        writes = any(log in f"{word}," for word in words for log in logs)
        ours = owner == os.geteuid() or (os.geteuid() == 0 and owner in USERS)
        return self.alive and ours and Path(words[0]).name.startswith("qemu-system-") and writes

    @property
    def alive(self) -> bool:
        """Whether the very process that was started is still there."""
        return self.pid is not None and self.boot == read_boot_id() and read_start_time(self.pid) == self.started


RECORD = TypeAdapter(MachineRecord)
"""What reads a record, and refuses what is of another type."""


def make_record(spec: MachineSpec, sockets: Path) -> MachineRecord:
    """Make the record of a machine that has not started."""
    described = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(spec).items()}
    described["disks"] = [str(disk) for disk in spec.disks]
    return MachineRecord(
        name=spec.name,
        port=0,
        sockets=str(sockets),
        accelerator=spec.accelerator.name,
        boot=read_boot_id(),
        spec=described,
    )


def make_short_directory() -> Path:
    """Make a directory for sockets, whose paths may have 107 bytes (unix(7)); ssh adds 17 while it connects."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parent = runtime if runtime and len(runtime) < LONGEST and _is_private(Path(runtime)) else "/tmp"  # noqa: S108
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


def _is_private(place: Path) -> bool:
    """Return whether a directory is ours, nobody else can write there, and ssh takes its name as it is.

    `su` leaves the directory of another user in XDG_RUNTIME_DIR, who could put his own sockets in the place of ours.
    """
    try:
        state = place.lstat()
    except (OSError, ValueError):
        return False
    plain = re.fullmatch(r"/[A-Za-z0-9/._+-]*", str(place)) is not None
    return plain and stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o022


def is_socket_directory(place: Path) -> bool:
    """Return whether a path is a directory that `make_short_directory` made for this user, and has nothing else in it.

    A record may come from elsewhere; what it names is looked at without following links.
    """
    parents = {Path("/tmp"), Path("/run/user", str(os.geteuid())), Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")}  # noqa: S108
    if not place.name.startswith(PREFIX) or place.parent not in parents:
        return False
    try:
        state = place.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
            return False
        kinds = [entry.stat(follow_symlinks=False).st_mode for entry in os.scandir(place)]
    except OSError:
        return False
    return all(stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) for mode in kinds)


def format_ssh_config(*, port: int, key: Path, sockets: Path) -> str:
    """Return the configuration with which the system's ssh reaches a guest.

    The guest's host key is not checked: the port is ours, on the loopback, and the guest minutes old.
    One master connection is shared, as a new handshake costs up to a second under emulation; the key
    exchange and the cipher are those that cost an emulated processor the least. A guest whose network
    is lost is given up after 45 s of silence, and after 20 s if it does not answer a new connection.
    """
    # ssh expands a percent sign in file names.
    identity = str(key).replace("%", "%%")
    if any(not character.isprintable() or character in '"\\' for character in identity):
        raise UsageError(
            f"ssh cannot take a key from {key}: its configuration has no way to write a quote or a control character.",
            hint="Give --runs (or --store) a directory without such a character in its path.",
        )
    return f"""\
Host {SSH_ALIAS}
  HostName 127.0.0.1
  Port {port}
  User root
  IdentityFile "{identity}"
  IdentitiesOnly yes
  IdentityAgent none
  PreferredAuthentications publickey
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
  LogLevel ERROR
  BatchMode yes
  ConnectTimeout 20
  ServerAliveInterval 15
  ServerAliveCountMax 3
  ControlMaster auto
  ControlPath {sockets}/ssh
  ControlPersist yes
  KexAlgorithms curve25519-sha256
  Ciphers aes128-gcm@openssh.com,chacha20-poly1305@openssh.com
  GSSAPIAuthentication no
  ForwardAgent no
  ForwardX11 no
"""


def make_pipes(sockets: Path) -> None:
    """Make the pipes of a machine."""
    for name in PIPES:
        os.mkfifo(sockets / name, 0o600)


def remove_sockets(sockets: Path) -> None:
    """Remove a directory that `make_short_directory` made; anything else is left alone, whatever a record says."""
    if is_socket_directory(sockets):
        shutil.rmtree(sockets, ignore_errors=True)
