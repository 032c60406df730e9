"""What the suite kvm reads and builds: layers that are broken, the smallest monitor's lines, and the flat guest itself."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suites.kvm.layers import FLAT, RESET, SAYS, SIZE, SUM, Layer, Platform, Trial
from suites.lib.guest import Result

WHOLE = Platform(
    flag="svm",
    model="A processor",
    module="kvm_amd",
    device="crw-rw---- 1 root kvm 10, 232",
    number="10:232",
    misc="10:232",
)

STEPS = f"open 0\nversion 12\nvm 4\nvcpu 5\nexit io\nport 0xe9 {SUM}\nexit hlt\naccumulator {SUM}\nstored {SUM}\n"


@pytest.mark.parametrize(
    ("changes", "layer", "evidence"),
    [
        ({"flag": ""}, Layer.PROCESSOR, "A processor has neither svm nor vmx"),
        ({"module": "", "said": ("SVM disabled (by BIOS)",)}, Layer.MODULE, "SVM disabled"),
        ({"number": "1:3"}, Layer.DEVICE, "the kernel calls it 10:232"),
        ({"misc": ""}, Layer.DEVICE, "the kernel calls it nothing"),
    ],
)
def test_first_broken_layer_is_named(changes: dict[str, Any], layer: Layer, evidence: str) -> None:
    """A platform names the lowest layer that is broken, with what was seen of it; a whole one names none."""
    assert WHOLE.broken is None
    broken = replace(WHOLE, **changes).broken

    assert broken is not None
    assert broken.layer is layer
    assert evidence in str(broken)


def test_steps_are_read() -> None:
    """A run that came to its end is not broken; its steps and exits are there."""
    trial = Trial.parse(Result(code=0, out=STEPS, err=""))

    assert trial.broken is None
    assert trial.exits == ("io", "hlt")
    assert trial.steps["port"] == f"0xe9 {SUM}"


@pytest.mark.parametrize(
    ("out", "err", "evidence"),
    [
        ("open 0\nversion 12\nvm failed: Device or resource busy\n", "", "vm failed: Device or resource busy"),
        ("open failed: Permission denied\n", "", "open failed: Permission denied"),
        ("", "perl: not found\n", "nothing was said perl: not found"),
        (STEPS.replace(f"accumulator {SUM}", "accumulator 17"), "", "did not add up"),
    ],
)
def test_step_that_failed_is_the_evidence(out: str, err: str, evidence: str) -> None:
    """A run that stopped, said nothing, or computed something else is broken in the layer of the virtual machine."""
    broken = Trial.parse(Result(code=1, out=out, err=err)).broken

    assert broken is not None
    assert broken.layer is Layer.MACHINE
    assert evidence in broken.evidence


def test_flat_guest_says_its_word_and_ends(tmp_path: Path) -> None:
    """The flat guest's bytes are right: a processor that QEMU emulates runs them from reset to the triple fault."""
    image = bytearray(SIZE)
    image[: len(FLAT)] = FLAT
    image[-len(RESET) :] = RESET
    (tmp_path / "flat").write_bytes(image)
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "microvm"]
    argv += ["-accel", "tcg", "-m", "16", "-serial", "stdio", "-bios", str(tmp_path / "flat")]
    ended = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    assert ended.stdout.strip() == SAYS
