"""100,000 cells: how long it takes to expand, choose and plan them, and how near the schedule of many cells is to the best.

Targets: at most 1 s and 300 MB for the cells, at most 1.15 of the lower bound for the schedule.
"""

import resource
import tempfile
import time
from pathlib import Path

from bench.schedule_play import compute_lower_bound, simulate_makespan
from harness import catalog, matrix
from harness.plan import make_plans
from harness.schedule.scheduler import Slots, Task

ROOT = Path(__file__).parents[1]

CELLS = 100_000


def write_matrix(path: Path) -> None:
    """Write a matrix with at least this number of cells."""
    patches = ", ".join(f'"1.{minor}.{patch}"' for minor in range(21, 28) for patch in range(551))
    path.write_text(
        "version: 1\naxes:\n"
        "  distro: [debian/bullseye, debian/bookworm, debian/bookworm-backports, debian/trixie, debian/sid]\n"
        f"  systemd: [distro]\n  go: [{patches}]\n  cgroup: [legacy, hybrid, unified]\n"
        "  runtime: [nspawn, runc@1.1.5, runc@1.2.0]\n",
        encoding="utf-8",
    )


def main() -> None:
    """Print the figures."""
    known = catalog.load(ROOT)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "matrix.yaml")
        write_matrix(path)
        wanted = matrix.load(path, known)
    begin = time.process_time()
    expansion = matrix.expand(wanted, known)
    expanded = time.process_time()
    choice = matrix.choose(expansion, wanted, known, select=["systemd>=247 and cgroup in (legacy, hybrid, unified)"])
    chosen = time.process_time()
    planned = make_plans(choice.cells, wanted, known, ("cgroup",))
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(planned):,} cells, CPU seconds: expand {expanded - begin:.2f}, choose {chosen - expanded:.2f}, "
          f"plan {end - chosen:.2f}, all {end - begin:.2f} (target 1.00); peak {peak:.0f} MB (target 300)")  # fmt: skip
    assert len(planned) >= CELLS

    needs = [Task(name=f"image {channel}", seconds=35) for channel in range(5)]
    needs += [Task(name=f"build {go}", seconds=60) for go in range(4)]
    cells = [
        Task(name=f"{channel} {go} {mode}", seconds=20 + 7 * mode + 3 * channel, memory=1280,
             after=(f"image {channel}", f"build {go}"))
        for channel in range(5) for go in range(4) for mode in range(3)
    ]  # fmt: skip
    for cores in (1, 2, 4, 8):
        slots = Slots(cores=cores, memory=20_000)
        ratio = simulate_makespan([*needs, *cells], slots) / compute_lower_bound([*needs, *cells], slots)
        print(f"schedule of {len(cells)} cells on {cores} slots: {ratio:.3f} of the lower bound (target 1.15)")


if __name__ == "__main__":
    main()
