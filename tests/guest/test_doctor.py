"""What `harness doctor` says of a computer that runs guests."""

from harness import accel, doctor
from harness.doctor import Diagnosis, Health
from harness.image import Image
from harness.store import Store
from harness.wait import Deadline


def by_name(found: tuple[Diagnosis, ...]) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in found}


def test_a_computer_that_runs_guests(bookworm: Image, store: Store, deadline: Deadline) -> None:
    """Nothing that guests need is missing, and the accelerator is the one that they get, with its reason."""
    found = by_name(doctor.examine(store, deadline))
    chosen = accel.probe(bookworm.kernel, store.root, deadline)

    assert {finding.what for finding in found.values() if finding.state is Health.MISSING} == set()
    assert (chosen.name == "tcg") == (found["accelerator"].state is Health.LIMITED)
    assert "KVM" in found["accelerator"].says
