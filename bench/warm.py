"""How long a guest takes from a saved memory, next to QEMU's own share of it and a cold boot. Medians, in one run.

    python -m bench.warm [--channel bookworm] [--starts 10] [--boots 3] [--cycles 200] [--vng PATH --kernel DIRECTORY]

`--cycles` starts and destroys that many guests, and compares what there is before and after: processes, this process's
descriptors and threads, files in the store and among the temporary ones, disk. `--vng` names the executable of
virtme-ng, and `--kernel` a kernel that both boot, see bench/virtme.py.

The targets are those of the project: 1.5 s to the first command, at most 0.4 s of it not QEMU's own. QEMU's own is
what passes from the start of its process until it runs the guest; the key and the disk, which we make before, are ours.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bench import virtme
from bench.boot import ROOT, Figures, obtain
from harness import accel, catalog, machine
from harness.machine import Machine, warm
from harness.machine.files import SavedMachine
from harness.machine.template import Template, probe_template
from harness.model import CgroupMode
from harness.qemu import MachineSpec
from harness.store import Store
from harness.wait import Deadline

TARGETS = {"warm start to first command": "1.50 s", "of it not QEMU's own": "0.40 s"}

Start = Callable[[Path], AbstractContextManager[Machine]]


def to_first_command(start: Start) -> float:
    """Seconds from nothing to the answer of a guest's first command."""
    with tempfile.TemporaryDirectory() as name:
        begin = time.monotonic()
        with start(Path(name)) as guest:
            guest.run("true", deadline=Deadline.after(60, "first command"))
            return time.monotonic() - begin


def own_restore(spec: MachineSpec, saved: SavedMachine, template: Template) -> float:
    """Seconds that QEMU itself takes: from its start until it has loaded the memory and lets the guest run."""
    with tempfile.TemporaryDirectory() as name:
        deadline = Deadline.after(60, "restore")
        with warm.start_clone(spec, Path(name), deadline, saved, template) as (guest, monitor):
            warm.load(guest, monitor, saved, deadline)
            assert guest.record.started is not None
            # Of the clock in which the kernel notes it, see proc_pid_stat(5).
            return time.clock_gettime(time.CLOCK_BOOTTIME) - guest.record.started / os.sysconf("SC_CLK_TCK")


def possessions(place: Path) -> dict[str, int]:
    """Return what could grow from cycle to cycle: all that is below a directory or knows of it."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit() and _mentions(path, str(place))]
    files = list(place.rglob("*"))
    return {
        "QEMU and ssh processes": len(processes),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "files": len(files),
        "MiB on the disk": sum(path.lstat().st_blocks for path in files) // 2048,
    }


def _mentions(process: Path, text: str) -> bool:
    try:
        return text.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def cycle(spec: MachineSpec, count: int) -> None:
    """Start and destroy guests, and print what grew; store, temporary files and sockets are the bench's own."""
    with tempfile.TemporaryDirectory(prefix="cycles-") as name:
        place = Path(name)
        (place / "temporary").mkdir()
        tempfile.tempdir = str(place / "temporary")
        os.environ["XDG_RUNTIME_DIR"] = name
        started, _ = starts(spec, Store(place / "store"))
        # The first one saves the memory.
        for _ in range(3):
            to_first_command(started)
        before, begin = possessions(place), time.monotonic()
        for _ in range(count):
            to_first_command(started)
        seconds = time.monotonic() - begin
        print(f"{count} cycles in {seconds:.0f} s, {seconds / count:.2f} s each; before and after:")
        for what, value in possessions(place).items():
            print(f"  {what:26} {before[what]:7} {value:7}{'  GREW' if value > before[what] else ''}")
        tempfile.tempdir = None


def show(name: str, seconds: list[float]) -> float:
    """Print a line, and return the median."""
    median = statistics.median(seconds)
    target = f"  (target {TARGETS[name]})" if name in TARGETS else ""
    print(f"{name:30} {median:7.2f} s  {len(seconds):3} times, {min(seconds):.2f} to {max(seconds):.2f}{target}")
    return median


def beside(vng: str, kernel: Path, spec: MachineSpec, times: int) -> None:
    """Boot the same kernel with virtme-ng and with ours, in turn, and print the ratio."""
    with tempfile.TemporaryDirectory() as name:
        answer = virtme.seconds(vng, kernel)
        if isinstance(answer, str):
            print(f"{'virtme-ng':30}       - not measured: it does not boot {kernel}: {answer}")
            return
        ours, store = virtme.with_kernel(spec, kernel, Path(name)), Store(Path(name, "store"))
        print(f"the kernel {virtme.kernel_in(kernel).name} in both:")
        figures: dict[str, list[float]] = {"virtme-ng to its command": [], "our cold boot": [], "our warm start": []}
        started, booted = starts(ours, store)
        to_first_command(started)  # saves it
        for _ in range(times):
            answer = virtme.seconds(vng, kernel)
            assert isinstance(answer, float), answer
            for kind, one in zip(figures, (answer, to_first_command(booted), to_first_command(started)), strict=True):
                figures[kind].append(one)
        theirs, cold, warmed = (show(kind, seconds) for kind, seconds in figures.items())
        print(f"{'of virtme-ng':30} {cold / theirs:7.2f} cold, {warmed / theirs:.2f} warm")


def starts(spec: MachineSpec, store: Store) -> tuple[Start, Start]:
    """How a guest is started from memory, and how it is booted."""

    def started(directory: Path) -> AbstractContextManager[Machine]:
        return machine.start(spec, directory, Deadline.after(300, "start"), store=store)

    def booted(directory: Path) -> AbstractContextManager[Machine]:
        return machine.boot(spec, directory, Deadline.after(300, "boot"))

    return started, booted


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--channel", default="bookworm")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--vng", help="executable of virtme-ng")
    parser.add_argument("--kernel", type=Path, help="directory of an unpacked kernel package, for --vng")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = options()
    figures: Figures = {}
    made, store = obtain(asked.channel, figures, build=False)
    accelerator = accel.probe(made.kernel, store.root, Deadline.after(60, "probe of KVM"))
    rule = catalog.load(ROOT).systemd.find_cgroup_rule(made.systemd.split(".")[0], CgroupMode.UNIFIED)
    spec = machine.specify(made, name="bench", arguments=rule.arguments or (), accelerator=accelerator)
    if asked.cycles:
        cycle(spec, asked.cycles)
        return
    started, booted = starts(spec, store)
    print(f"debian/{asked.channel} under {accelerator.name}, load {os.getloadavg()[0]:.1f}")
    to_first_command(started)  # saves it, if it was not
    template = probe_template(store.root, Deadline.after(60, "trial"))
    artifact = store.find(warm.KIND, warm.list_inputs(spec, template, Deadline.after(60, "inputs")))
    assert artifact is not None
    own, first = [], []
    for _ in range(asked.starts):
        own.append(own_restore(spec, SavedMachine(artifact.path), template))
        first.append(to_first_command(started))
    show("QEMU's own restore", own)
    median = show("warm start to first command", first)
    show("of it not QEMU's own", [one - other for one, other in zip(first, own, strict=True)])
    cold = show("cold boot to first command", [to_first_command(booted) for _ in range(asked.boots)])
    print(f"{'warm against cold':30} {cold / median:7.1f} times as fast")
    if asked.vng and asked.kernel:
        beside(asked.vng, asked.kernel, spec, asked.boots)
    else:
        print(f"{'virtme-ng':30}       - not measured: name its executable with --vng, and a kernel with --kernel")


if __name__ == "__main__":
    main()
