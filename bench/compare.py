"""Two runs of 10,000 cells with 50 cases each: how long it takes to read and compare them, and the memory of that.

Target: at most 1.5 s and 100 MB, with the rule that the regressions follow.
"""

import json
import os
import resource
import tempfile
import time
from pathlib import Path

from harness.compare import compare, find_rules, load_run
from harness.compare.changes import ChangeKind

CELLS, CASES = 10_000, 50
FILES = 10
"""Files of a suite with the same number of cases each."""


def cells() -> list[dict[str, str | None]]:
    """Return the axes of the cells."""
    return [
        {"distro": f"debian/{channel}", "systemd": f"v{systemd}", "go": f"1.{go}", "cgroup": mode,
         "runtime": f"runc@1.{minor}.0", "flavor": None}
        for channel in ("bullseye", "bookworm", "trixie", "sid") for systemd in range(240, 261)
        for go in range(20, 28) for mode in ("legacy", "hybrid", "unified") for minor in range(5)
    ][:CELLS]  # fmt: skip


def write_run(directory: Path, *, late: bool) -> None:
    """Write the result of a run as `results.write` does; the later one has regressions and what is usual next to them."""
    case = {"raw": "passed", "seconds": 1.234, "message": "", "details": "", "reruns": 0, "expectation": None}
    head = {"id": directory.name, "format": 1, "harness": "0.1.0", "command": "harness run", "seconds": 1.0,
            "started": "2026-11-24T00:00:00+00:00", "computer": {"cores": "2"}}  # fmt: skip
    directory.mkdir()
    with (directory / "result.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "cells": [\n')
        for number, axes in enumerate(cells()):
            bad = late and axes["cgroup"] == "legacy" and int((axes["systemd"] or "")[1:]) >= 257
            cases = [{"nodeid": f"suite/test_number{place % FILES}.py::test_what_is_checked_here_{place}",
                      "outcome": "failed" if bad and place == 7 else "flaky" if late and number + place == 99 else "passed",
                      **case, "message": "assert 1 == 2" if bad and place == 7 else "",
                      "details": "traceback " * 200 if bad and place == 7 else ""} for place in range(CASES)]  # fmt: skip
            cell = {"id": f"cell-{number:05}", "axes": axes, "phases": [],
                    "facts": {"systemd": (axes["systemd"] or "")[1:], "kernel": "6.1.0", "accelerator": "kvm"},
                    "cases": cases, "error": None, "again": "harness run --cell ..."}  # fmt: skip
            text = json.dumps(cell, indent=1).replace("\n", "\n  ")
            file.write(f"  {text}{',' if number < CELLS - 1 else ''}\n")
        file.write(' ],\n "interrupted": false,\n "expectations": []\n}\n')


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name, "one"), Path(name, "two")
        if os.fork() == 0:  # so that making the files is not in the figures
            write_run(one, late=False)
            write_run(other, late=True)
            os._exit(0)
        os.wait()
        size = (other / "result.json").stat().st_size / 1e6
        begin, wall = time.process_time(), time.monotonic()
        old, new = load_run(one, name="one"), load_run(other, name="two")
        loaded = time.process_time()
        found = compare(old, new)
        compared = time.process_time()
        rules = find_rules(found, old, new)
        end, wall = time.process_time(), time.monotonic() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"2 runs of {len(new.cells):,} cells with {CASES} cases, {size:.0f} MB each, CPU seconds: read {loaded - begin:.2f}, "
          f"compare {compared - loaded:.2f}, rule {end - compared:.2f}, all {end - begin:.2f} (target 1.50; wall {wall:.2f}); "
          f"peak {peak:.0f} MB (target 100)")  # fmt: skip
    print(f"{found.counts[ChangeKind.REGRESSED]} regressions: {rules.overall.text}")
    assert len(new.cells) == CELLS


if __name__ == "__main__":
    main()
