"""What guests from one saved memory cost, mapped (template) and copied, in turn. Medians, in one run.

    python -m bench.clones [--channel bookworm] [--times 10] [--sizes 512 1024 4096] [--clones 8]

The targets are those of the project: 0.35 s to the first command alone, 0.6 s with four side by side, within 10 % whatever the
memory's size; 40 % of the memory that copies take.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench.boot import ROOT, obtain
from harness import accel, catalog, machine
from harness.machine import Machine
from harness.machine.template import COPY, Template, probe_template
from harness.model import CgroupMode
from harness.qemu import MachineSpec
from harness.store import Store
from harness.wait import Deadline

SIDE_BY_SIDE = 4


@contextmanager
def clone(spec: MachineSpec, store: Store, template: Template) -> Iterator[Machine]:
    """Yield a guest from memory that has answered its first command."""
    with tempfile.TemporaryDirectory() as name:
        within = Deadline.after(300, "start")
        with machine.start(spec, Path(name), within, store=store, template=template) as guest:
            guest.run("true", deadline=within)
            yield guest


def start(spec: MachineSpec, store: Store, template: Template) -> float:
    """Return the seconds from nothing to the answer of a guest's first command."""
    begin = time.monotonic()
    with clone(spec, store, template):
        return time.monotonic() - begin


def compare_starts(spec: MachineSpec, store: Store, templates: dict[str, Template], times: int) -> None:
    """Start guests of one size alone and side by side, of each kind in turn, and print the medians."""
    alone: dict[str, list[float]] = {kind: [] for kind in templates}
    several: dict[str, list[float]] = {kind: [] for kind in templates}
    for template in templates.values():
        start(spec, store, template)  # saves it, if it was not
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        for _ in range(times):
            for kind, template in templates.items():
                alone[kind].append(start(spec, store, template))
                begun = [threads.submit(start, spec, store, template) for _ in range(SIDE_BY_SIDE)]
                several[kind] += [one.result() for one in begun]
    for kind in templates:
        one, four = (sorted(figures[kind]) for figures in (alone, several))
        print(
            f"{spec.memory:5} MiB {kind:9} alone {statistics.median(one):5.2f} s ({one[0]:.2f} to {one[-1]:.2f})   "
            f"{SIDE_BY_SIDE} side by side {statistics.median(four):5.2f} s ({four[0]:.2f} to {four[-1]:.2f})"
        )


def measure_memory(spec: MachineSpec, store: Store, template: Template, count: int) -> float:
    """Return the MiB that so many idle guests take together: proportional set sizes, proc_pid_smaps_rollup(5)."""
    with ExitStack() as stack:
        guests = [stack.enter_context(clone(spec, store, template)) for _ in range(count)]
        time.sleep(5)
        texts = [Path(f"/proc/{guest.record.pid}/smaps_rollup").read_text(encoding="ascii") for guest in guests]
    return sum(int(found[1]) for text in texts if (found := re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE))) / 1024


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--channel", default="bookworm")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 4096])
    parser.add_argument("--clones", type=int, default=8)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = options()
    made, store = obtain(asked.channel, {}, build=False)
    accelerator = accel.probe(made.kernel, store.root, Deadline.after(60, "probe of KVM"))
    found = probe_template(store.root, Deadline.after(60, "trial"))
    templates = {"copied": COPY, **({"template": found} if found.shared else {})}
    print(f"debian/{asked.channel} under {accelerator.name}, load {os.getloadavg()[0]:.1f}. {found.reason}")
    rule = catalog.load(ROOT).systemd.find_cgroup_rule(made.systemd.split(".")[0], CgroupMode.UNIFIED)
    spec = machine.specify(made, name="bench", arguments=rule.arguments or (), accelerator=accelerator, cores=1)
    for size in asked.sizes:
        compare_starts(replace(spec, memory=size), store, templates, asked.times)
    taken = {kind: measure_memory(spec, store, each, asked.clones) for kind, each in templates.items()}
    shares = "".join(
        f", {kind} {size / taken['copied']:.2f} of that" for kind, size in taken.items() if kind != "copied"
    )
    print(
        f"memory of {asked.clones} idle guests of {spec.memory} MiB: copied {taken['copied']:.0f} MiB{shares} (target 0.40)"
    )


if __name__ == "__main__":
    main()
