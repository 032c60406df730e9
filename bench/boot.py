"""How long a guest takes: image, boot to the first test command, ssh command, end. Medians, in one run.

    python bench/boot.py [--channel bookworm] [--boots 5] [--build]

The targets are those of the project (bookworm under TCG, two idle cores).
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from harness import accel, catalog, image, machine
from harness.image import Image, ImageSpec
from harness.machine import Machine
from harness.model import CgroupMode
from harness.store import Store, list_artifacts
from harness.wait import Deadline

ROOT = Path(__file__).parent.parent
TARGETS = {"boot to first command": 9.0, "ssh command": 0.15, "image build": 22.0}
FLOORS = {"image": "22 s by hand for bookworm's packages", "runtime": "30 s by hand for each version of Go"}
"""What the same work took when a person did it on such a computer."""
COMMANDS = 20

Figures = dict[str, list[float]]


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    """Add the seconds that the block takes."""
    begin = time.monotonic()
    yield
    figures.setdefault(name, []).append(time.monotonic() - begin)


def obtain(channel: str, figures: Figures, *, build: bool) -> tuple[Image, Store]:
    """Return the image, newly built if asked for."""
    spec = ImageSpec(distro="debian", channel=channel, files=ROOT / "images" / "debian")
    store = Store(Path(os.environ.get("HARNESS_STORE") or platformdirs.user_cache_path("rkt-harness")))
    with tempfile.TemporaryDirectory() as name:
        log = Path(name, "log")
        if build:
            with timed(figures, "image build"):
                image.make(spec, Store(Path(name, "store")), Deadline.after(900, "image"), log)
        return image.make(spec, store, Deadline.after(900, "image"), log), store


def measure(guest: Machine, figures: Figures) -> None:
    """Measure what a command costs in a guest that is up."""
    deadline = Deadline.after(300, "commands")
    for _ in range(COMMANDS):
        with timed(figures, "ssh command"):
            guest.run("true", deadline=deadline)
    guest.disconnect(deadline)
    with timed(figures, "ssh command, new connection"):
        guest.run("true", deadline=deadline)


def boot(made: Image, accelerator: accel.Accelerator, figures: Figures) -> None:
    """One life of a guest."""
    major = made.systemd.split(".")[0]
    rule = catalog.load(ROOT).systemd.find_cgroup_rule(major, CgroupMode.UNIFIED)
    spec = machine.specify(made, name="bench", arguments=rule.arguments or (), accelerator=accelerator)
    with tempfile.TemporaryDirectory() as name:
        begin = time.monotonic()
        with machine.boot(spec, Path(name), Deadline.after(300, "boot")) as guest:
            guest.run("true", deadline=Deadline.after(60, "first command"))
            figures.setdefault("boot to first command", []).append(time.monotonic() - begin)
            ticks = Path(f"/proc/{guest.record.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
            used = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            figures.setdefault("QEMU's processor time for it", []).append(used)
            measure(guest, figures)
            begin = time.monotonic()
        figures.setdefault("end", []).append(time.monotonic() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--channel", default="bookworm")
    parser.add_argument("--boots", type=int, default=5)
    parser.add_argument("--build", action="store_true", help="build the image again, in a store of its own")
    options = parser.parse_args()
    figures: Figures = {}
    made, store = obtain(options.channel, figures, build=options.build)
    with timed(figures, "probe of KVM"):
        accelerator = accel.probe(made.kernel, store.root, Deadline.after(60, "probe of KVM"))
    for _ in range(options.boots):
        boot(made, accelerator, figures)
    print(f"debian/{options.channel} under {accelerator.name}, load {os.getloadavg()[0]:.1f}: {accelerator.reason}")
    for name, seconds in figures.items():
        target = f"  (target {TARGETS[name]:.2f})" if name in TARGETS else ""
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name:30} {statistics.median(seconds):7.2f} s  {len(seconds):3} times, {spread}{target}")
    for item in list_artifacts(store):
        if item.kind in FLOORS and item.seconds is not None:
            print(f"{item.title:50} {item.seconds:5.0f} s when it was made  ({FLOORS[item.kind]})")


if __name__ == "__main__":
    main()
