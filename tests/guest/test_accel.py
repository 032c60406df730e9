"""The choice of the accelerator, for a real kernel."""

from pathlib import Path

from harness import accel
from harness.image import Image
from harness.wait import Deadline


def test_real_kernel(bookworm: Image, tmp_path: Path) -> None:
    """The kernel of an image gets an answer with a reason, and factors that fit it."""
    answer = accel.probe(bookworm.kernel, tmp_path, Deadline.after(30, "probe of KVM"))

    assert answer.reason.endswith(".")
    assert answer.factor == (1.0 if answer.name == "kvm" else accel.TCG_FACTOR)
