"""One thing broken at a time, at a point that a seed chooses: `python -m tools.faults [--points N] [--seed N] [--only KIND]`.

Whole runs of the harness are disturbed, their guests being doubles (tests/faults), and continued by `--resume`. After each:
is a verdict wrong, a result lost, is the exit code that of what happened, was there a traceback, is anything left?
Trials are remembered below --directory, and the table has all of this commit; `--only KIND --seed N --points 1` makes one
again.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pydantic import TypeAdapter

from tests.faults.kinds import KINDS, Kind
from tests.faults.trial import WORDS, Trial, make_trial, measure
from tests.faults.world import PRIVATE, can_mount
from tools.campaign import read_commit
from tools.tool import run_tool

__all__ = ["format_table", "main"]

ROOT = Path(__file__).resolve().parents[1]
SORTS = ("wrong verdict", "lost result", "leftover", "exit code", "traceback", "hang")
TRIAL = TypeAdapter(Trial)


def format_table(trials: Iterable[Trial]) -> str:
    """Return the table: for each kind its points, and how many of them had which problem."""
    rows = [["kind", "points", *(f"{sort}s" for sort in SORTS)]]
    points: Counter[str] = Counter()
    problems: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        for name in (trial.kind, "all"):
            points[name] += 1
            problems.update({(name, problem.sort) for problem in trial.problems})
    names = [*sorted(set(points) - {"all"}), "all"]
    rows += [[name, str(points[name]), *(str(problems[name, sort]) for sort in SORTS)] for name in names]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def enter_namespace(arguments: Sequence[str]) -> None:
    """Go on in a mount namespace of our own, where root may have one: its mounts are gone with it, whatever happens."""
    if os.geteuid() == 0 and not can_mount():
        words = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tools.faults", *arguments]
        os.execvpe(words[0], words, {**os.environ, PRIVATE: "1"})


def choose_points(kinds: Sequence[Kind], points: int, seed: int, known: Iterable[Trial]) -> list[tuple[Kind, int]]:
    """Return the kinds and seeds that are not known, the kinds in turn."""
    done = {(trial.kind, trial.seed) for trial in known}
    return [
        (kind, number) for number in range(seed, seed + points) for kind in kinds if (kind.name, number) not in done
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the trials that are left; return 1 if one had a problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20, help="for each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the first point of each kind")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind only; may be repeated")
    parser.add_argument("--minutes", type=float, default=600.0, help="no trial begins later than that")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials next to each other")
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "faults", help="of what is remembered")
    options = parser.parse_args(arguments)
    if arguments is None:
        enter_namespace(sys.argv[1:])
    kinds = [KINDS[name] for name in options.only or KINDS]
    if not can_mount():
        print("Only root has file systems of its own; without them:", *(kind.name for kind in kinds if kind.mounts))
        kinds = [kind for kind in kinds if not kind.mounts]
    journal = options.directory / f"{read_commit(ROOT)}.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    known = [TRIAL.validate_json(line) for line in journal.open(encoding="utf-8")] if journal.exists() else []
    if journal.name.endswith("+.jsonl"):
        known = []
    end = time.monotonic() + 60 * options.minutes
    chosen = choose_points(kinds, options.points, options.seed, known)
    for words in WORDS if chosen else ():
        measure(words)  # once, and not in each process
    with (
        ProcessPoolExecutor(max_workers=options.jobs, mp_context=get_context("fork")) as pool,
        journal.open("a", encoding="utf-8") as file,
    ):
        for trial in pool.map(make_trial_in_time, chosen, [end] * len(chosen)):
            if trial is None:
                continue
            known.append(trial)
            file.write(TRIAL.dump_json(trial).decode() + "\n")
            file.flush()
            for problem in trial.problems:
                print(
                    f"{trial.kind} --seed {trial.seed} ({trial.at} of {trial.of}): {problem.sort}: {problem.text}",
                    flush=True,
                )
    print(format_table(known))
    bad = sum(bool(trial.problems) for trial in known)
    print(f"{len({trial.kind for trial in known})} kinds, {len(known)} points; with a problem: {bad}")
    return int(bad > 0)


def make_trial_in_time(point: tuple[Kind, int], end: float) -> Trial | None:
    """Make a trial, unless the time is over."""
    return make_trial(*point) if time.monotonic() < end else None


if __name__ == "__main__":
    run_tool(main)
