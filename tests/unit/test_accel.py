"""The choice of the accelerator: what KVM's device says, and what a kernel under it does."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import accel
from harness.accel import Accelerator
from harness.wait import Deadline

DEVICE = Path("/dev/kvm")

FAKE = """\
#!/bin/sh
# A QEMU that is asked for its version, or boots a kernel in the way that a test wants.
if [ "$1" = --version ]; then echo "QEMU emulator version 7.2.0 (fake)"; exit; fi
echo "$@" >>"{calls}"
for argument; do
    case $argument in file:*) serial=${{argument#file:}} ;; esac
done
{behaviour}
"""

BOOTS = 'echo "[    0.000000] Linux version 6.1.0" >"$serial"; exec sleep 30'
HANGS = ': >"$serial"; exec sleep 30'
ABORTS = 'echo "qemu: error: failed to set MSR 0x10a to 0x69" >&2; exit 134'

needs_kvm = pytest.mark.skipif(
    not os.access(DEVICE, os.R_OK | os.W_OK), reason="This computer has no /dev/kvm that this user may open."
)


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A file that stands for a kernel."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(b"kernel")
    return path


class FakeQemu:
    """A QEMU on PATH that does what it is told, and counts how often it is started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"

    def behave(self, behaviour: str) -> None:
        """Do this from now on."""
        path = self.directory / accel.QEMU
        path.write_text(FAKE.format(calls=self.calls, behaviour=behaviour), encoding="utf-8")
        path.chmod(0o755)

    @property
    def starts(self) -> int:
        """How often a machine was started."""
        return len(self.calls.read_text(encoding="utf-8").splitlines()) if self.calls.exists() else 0


@pytest.fixture
def fake_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeQemu:
    """See `FakeQemu`."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return FakeQemu(directory)


def probe(kernel: Path, state: Path, device: Path = DEVICE) -> Accelerator:
    """Probe with time enough."""
    return accel.probe(kernel, state, Deadline.after(30, "probe of KVM"), device=device)


@needs_kvm
def test_kernel_boots(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """A kernel that prints its first line under KVM is the proof, and is asked for once."""
    fake_qemu.behave(BOOTS)

    assert probe(kernel, tmp_path / "state").name == "kvm"
    assert probe(kernel, tmp_path / "state").name == "kvm"
    assert fake_qemu.starts == 1

    kernel.write_bytes(b"another kernel")
    assert probe(kernel, tmp_path / "state").name == "kvm"
    assert fake_qemu.starts == 2


@pytest.mark.slow
@needs_kvm
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(HANGS, "the kernel printed nothing within 3 s"), (ABORTS, "status 134 (qemu: error: failed to set MSR")],
)
def test_kernel_does_not_boot(behaviour: str, reason: str, kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """A KVM that opens but boots nothing is not used, the reason is said, and it is not tried again."""
    fake_qemu.behave(behaviour)
    answer = probe(kernel, tmp_path / "state")

    assert (answer.name, answer.cpu) == ("tcg", accel.TCG_CPU)
    assert reason in answer.reason
    assert answer == probe(kernel, tmp_path / "state")
    assert fake_qemu.starts == 1


def test_no_device(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """Without /dev/kvm guests are emulated, and QEMU is not even tried."""
    fake_qemu.behave(BOOTS)
    answer = probe(kernel, tmp_path, tmp_path / "kvm")

    assert answer.name == "tcg"
    assert "has no" in answer.reason
    assert fake_qemu.starts == 0


def test_device_of_another_kind(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """Something else in KVM's place is recognized by what it answers."""
    fake_qemu.behave(BOOTS)
    assert "does not answer like KVM" in probe(kernel, tmp_path, Path(os.devnull)).reason
    assert "cannot be opened" in probe(kernel, tmp_path, tmp_path).reason


@pytest.mark.skipif(os.geteuid() == 0, reason="Root may open everything.")
def test_no_permission(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """A user who may not open the device is told which group to join."""
    fake_qemu.behave(BOOTS)
    device = tmp_path / "kvm"
    device.touch(0o000)

    assert "usermod -aG kvm" in probe(kernel, tmp_path, device).reason


@needs_kvm
def test_broken_memory(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """A memory that cannot be read is as good as none."""
    fake_qemu.behave(BOOTS)
    (tmp_path / "accelerator.json").write_text('{"key": ', encoding="utf-8")

    assert probe(kernel, tmp_path).name == "kvm"


@needs_kvm
def test_cells_that_probe_at_the_same_time(kernel: Path, tmp_path: Path, fake_qemu: FakeQemu) -> None:
    """Each gets its answer, with another kernel another one, and nothing else is left than what is remembered."""
    fake_qemu.behave(BOOTS)
    kernels = [kernel.with_name(f"kernel-{number}") for number in range(16)]
    for number, path in enumerate(kernels):
        path.write_bytes(bytes([number]))
    with ThreadPoolExecutor(max_workers=len(kernels)) as pool:
        answers = list(pool.map(lambda path: probe(path, tmp_path / "state"), kernels))

    assert {"kvm"} == {answer.name for answer in answers}
    assert ["accelerator.json"] == [path.name for path in (tmp_path / "state").iterdir()]
