"""How long a guest takes from a saved memory, beside QEMU's own share of it and a cold boot. Medians, in one run.

    python bench/warm.py [--channel bookworm] [--starts 10] [--boots 3] [--cycles 200] [--vng PATH]

`--cycles` starts and destroys that many guests, and compares what the computer has before and after: processes,
this process's descriptors, files below the store and the temporary directory, disk. `--vng` names the executable of
virtme-ng (`pip install virtme-ng` in an environment of its own); it boots the same kernel with a command.

The targets are those of the project: 1.5 s to the first command, at most 0.4 s of it not QEMU's own.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bench.boot import ROOT, Figures, obtain
from harness import accel, catalog, machine
from harness.machine import Machine, life, warm
from harness.machine.directory import Saved
from harness.model import CgroupMode
from harness.qemu import MachineSpec
from harness.store import Store
from harness.wait import Deadline

TARGETS = {"warm start to first command": "1.50 s", "of it not QEMU's own": "0.40 s"}
VNG_SECONDS = 180
REASON = re.compile(
    r"could not find|unknown filesystem|failed to mount|mount.* failed|does not have module fs", re.IGNORECASE
)

Start = Callable[[Path], AbstractContextManager[Machine]]


def to_first_command(start: Start) -> float:
    """Seconds from nothing to the answer of a guest's first command."""
    with tempfile.TemporaryDirectory() as name:
        begin = time.monotonic()
        with start(Path(name)) as guest:
            guest.run("true", deadline=Deadline.after(60, "first command"))
            return time.monotonic() - begin


def own_restore(spec: MachineSpec, saved: Saved) -> float:
    """Seconds that QEMU itself takes: from its start until it has loaded the memory and lets the guest run."""
    with tempfile.TemporaryDirectory() as name:
        deadline = Deadline.after(60, "restore")
        begin = time.monotonic()
        with life.started(spec, Path(name), deadline, saved=saved) as (guest, monitor):
            warm.load(guest, monitor, deadline)
            return time.monotonic() - begin


def virtme(vng: str, kernel: Path) -> float | str:
    """Seconds that virtme-ng takes to boot the kernel and run a command in it, or why it does not."""
    begin = time.monotonic()
    argv = [vng, "--run", str(kernel), "--disable-kvm", "--", "true"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=VNG_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        # The last lines are the trace of a kernel that lost its init; why comes before.
        return next((line for line in lines if REASON.search(line)), lines[-1])
    return time.monotonic() - begin


def possessions(store: Store) -> dict[str, int]:
    """What could grow from cycle to cycle."""
    processes = sum(1 for path in Path("/proc").iterdir() if path.name.isdigit() and _mentions_guest(path))
    places = (store.root, Path(tempfile.gettempdir()))
    files = [path for place in places for path in place.rglob("*") if "harness" in str(path)]
    return {
        "QEMU and ssh processes": processes,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "files": len(files),
        "MiB on the disk": sum(path.lstat().st_blocks for path in files if path.exists()) // 2048,
    }


def _mentions_guest(process: Path) -> bool:
    try:
        return b"harness-" in (process / "cmdline").read_bytes()
    except OSError:
        return False


def cycle(start: Start, store: Store, count: int) -> None:
    """Start and destroy guests, and print what grew."""
    to_first_command(start)
    before, begin = possessions(store), time.monotonic()
    for _ in range(count):
        to_first_command(start)
    seconds = time.monotonic() - begin
    print(f"{count} cycles in {seconds:.0f} s, {seconds / count:.2f} s each; before and after:")
    for name, value in possessions(store).items():
        print(f"  {name:26} {before[name]:7} {value:7}{'  GREW' if value > before[name] else ''}")


def show(name: str, seconds: list[float]) -> float:
    """Print a line, and return the median."""
    median = statistics.median(seconds)
    target = f"  (target {TARGETS[name]})" if name in TARGETS else ""
    print(f"{name:30} {median:7.2f} s  {len(seconds):3} times, {min(seconds):.2f} to {max(seconds):.2f}{target}")
    return median


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--channel", default="bookworm")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--vng", help="executable of virtme-ng")
    options = parser.parse_args()
    figures: Figures = {}
    made, store = obtain(options.channel, figures, build=False)
    accelerator = accel.probe(made.kernel, store.root, Deadline.after(60, "probe of KVM"))
    rule = catalog.load(ROOT).systemd.cgroup_rule(made.systemd.split(".")[0], CgroupMode.UNIFIED)
    spec = machine.specify(made, name="bench", arguments=rule.arguments or (), accelerator=accelerator)

    def started(directory: Path) -> AbstractContextManager[Machine]:
        return machine.start(spec, directory, Deadline.after(300, "start"), store=store)

    def booted(directory: Path) -> AbstractContextManager[Machine]:
        return machine.boot(spec, directory, Deadline.after(300, "boot"))

    print(f"debian/{options.channel} under {accelerator.name}, load {os.getloadavg()[0]:.1f}")
    to_first_command(started)  # saves it, if it was not
    artifact = store.find(warm.KIND, warm.inputs(spec, Deadline.after(60, "inputs")))
    assert artifact is not None
    if options.cycles:
        cycle(started, store, options.cycles)
        return
    own, first = [], []
    for _ in range(options.starts):
        own.append(own_restore(spec, Saved(artifact.path)))
        first.append(to_first_command(started))
    show("QEMU's own restore", own)
    median = show("warm start to first command", first)
    show("of it not QEMU's own", [one - other for one, other in zip(first, own, strict=True)])
    cold = show("cold boot to first command", [to_first_command(booted) for _ in range(options.boots)])
    print(f"{'warm against cold':30} {cold / median:7.1f} times as fast")
    if options.vng:
        answer = virtme(options.vng, made.kernel)
        if isinstance(answer, str):
            print(f"{'virtme-ng, the same kernel':30}       - does not boot it here: {answer}")
        else:
            print(f"{'virtme-ng, the same kernel':30} {answer:7.2f} s; we take {median / answer:.2f} of that")
    else:
        print(f"{'virtme-ng, the same kernel':30}       - not measured: name its executable with --vng")


if __name__ == "__main__":
    main()
