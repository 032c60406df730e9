"""Which accelerator a guest can have here, found out by running a guest under it.

/dev/kvm that opens proves little: on some computers (nested virtualization without its support, CI's
among them) it answers with the right version, and yet no stock kernel gets past its first
instructions, with QEMU at full CPU and nothing printed. So the probe boots the kernel that will be
used, with the processor that will be used, until it prints its first line.
"""

import fcntl
import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness import proc
from harness.errors import DeadlineError
from harness.process_identity import read_boot_id
from harness.store import hash_file
from harness.wait import Deadline, poll
from harness.writing import STORE_HINT, write_text

__all__ = ["DEVICE", "QEMU", "Accelerator", "find_obstacle", "make_tcg", "probe", "read_qemu_version"]

logger = logging.getLogger(__name__)

QEMU = "qemu-system-x86_64"

DEVICE = Path("/dev/kvm")
KVM_GET_API_VERSION = 0xAE00
"""ioctl(2) of /dev/kvm, Linux's include/uapi/linux/kvm.h; answers 12 since Linux 2.6.22."""
API_VERSION = 12

PATIENCE = 3.0
"""Seconds that a kernel has for its first line. Under KVM it takes 0.2 s, and firmware is part of it."""

FIRST_LINE = b"Linux version"

KVM_CPU = "host"

TCG_CPU = "Nehalem,vendor=AuthenticAMD,family=16,model=4,+rdrand,+svm,+npt"
"""Emulated processor. `max` costs a fifth more in a boot of Debian 12 (10.4 s of QEMU's processor time
instead of 12.5 s): with its XSAVE the dynamic linker saves 2.5 KiB around each first call of a function,
and with its five levels of page tables each miss of the emulated TLB is longer. RDRAND fills the
guest's random pool at once. TCG has AMD's virtualization (SVM), and the kernel's module for it wants
AMD's name and a family that had it: so a guest can run guests of its own."""

TCG_FACTOR = 10.0
"""How many times longer things may take under emulation; 5 to 20 is what is seen."""

_versions: dict[tuple[Path, int], str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """How guests are run on this computer.

    Attributes:
        name: QEMU's word for it.
        cpu: Processor model that goes with it.
        reason: Why it is this one, a whole sentence.
    """

    name: Literal["kvm", "tcg"]
    cpu: str
    reason: str

    @property
    def factor(self) -> float:
        """How many times longer than under KVM a piece of work may take."""
        return 1.0 if self.name == "kvm" else TCG_FACTOR


def make_tcg(reason: str) -> Accelerator:
    """Make the accelerator that works everywhere: emulation."""
    return Accelerator(name="tcg", cpu=TCG_CPU, reason=reason)


def read_qemu_version(deadline: Deadline) -> str:
    """Return the first line of `qemu --version`; raises InfrastructureError if QEMU is not installed."""
    path = proc.require(QEMU)
    # Asking takes longer than starting a guest of it may; another QEMU is another file, or a younger one.
    asked = (path, path.stat().st_mtime_ns)
    if asked not in _versions:
        _versions[asked] = proc.run([str(path), "--version"], deadline=deadline).out.splitlines()[0].strip()
    return _versions[asked]


def probe(kernel: Path, state: Path, deadline: Deadline, *, device: Path = DEVICE) -> Accelerator:
    """Return the accelerator to use, probed once for each boot of the computer, QEMU and kernel.

    `state` is where the answer is remembered; QEMU itself gets at most 3 s.

    Raises:
        InfrastructureError: QEMU is not installed.
    """
    version = read_qemu_version(deadline)
    boot = read_boot_id()
    # Who may open the device can change while the computer is up, and looking costs nothing.
    trouble = find_obstacle(device)
    if trouble:
        return make_tcg(trouble)
    key = {"boot": boot, "qemu": version, "kernel": hash_file(kernel), "cpu": KVM_CPU, "emulated": TCG_CPU}
    memory = state / "accelerator.json"
    known = _read_answer(memory, key)
    if known:
        return known
    answer = _try_kvm(kernel, deadline)
    logger.info("accelerator: %s; %s", answer.name, answer.reason)
    # Cells of one run probe at the same time, and those with other kernels have another answer.
    write_text(memory, json.dumps({"key": key, "answer": asdict(answer)}, indent=1) + "\n", hint=STORE_HINT)
    return answer


def _read_answer(memory: Path, key: dict[str, str]) -> Accelerator | None:
    try:
        data = json.loads(memory.read_text(encoding="utf-8"))
        return Accelerator(**data["answer"]) if data["key"] == key else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def find_obstacle(device: Path = DEVICE) -> str | None:
    """Return why KVM cannot be used, as far as the device itself says, or None."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return f"Guests are emulated (TCG), as this computer has no {device}."
    except PermissionError:
        return (
            f"Guests are emulated (TCG), as this user may not open {device}; "
            "`usermod -aG kvm USER` and a new login would fix that."
        )
    except OSError as error:
        return f"Guests are emulated (TCG), as {device} cannot be opened: {error.strerror}."
    try:
        version = fcntl.ioctl(descriptor, KVM_GET_API_VERSION)
    except OSError as error:
        return f"Guests are emulated (TCG), as {device} does not answer like KVM: {error.strerror}."
    finally:
        os.close(descriptor)
    if version != API_VERSION:
        return f"Guests are emulated (TCG), as {device} speaks version {version} of its API instead of {API_VERSION}."
    return None


def _try_kvm(kernel: Path, deadline: Deadline) -> Accelerator:
    with tempfile.TemporaryDirectory(prefix="harness-probe-") as name:
        serial, output = Path(name, "serial"), Path(name, "output")
        argv = [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "pc", "-accel", "kvm", "-cpu", KVM_CPU, "-m", "256",
            "-kernel", str(kernel), "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1",
            "-no-reboot", "-serial", f"file:{serial}",
        ]  # fmt: skip
        with output.open("wb") as sink, proc.start(argv, output=sink) as running:

            def attempt() -> str | None:
                if serial.exists() and FIRST_LINE in serial.read_bytes():
                    return ""
                code = running.poll()
                if code is None:
                    return None
                said = output.read_text(errors="replace").strip().splitlines()
                return f"QEMU ended with status {code}" + (f" ({said[0]})" if said else "")

            try:
                trouble = poll(attempt, deadline.within(PATIENCE, "probe of KVM"))
            except DeadlineError:
                deadline.check()
                trouble = f"the kernel printed nothing within {PATIENCE:.0f} s"
    if trouble:
        return make_tcg(f"Guests are emulated (TCG), as {DEVICE} opens but no kernel boots under KVM here: {trouble}.")
    return Accelerator(name="kvm", cpu=KVM_CPU, reason="A kernel was booted under KVM and printed its first line.")
