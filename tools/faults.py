"""One thing broken at a time, at a point that a seed chooses: `python -m tools.faults [--points N] [--only KIND] [--seed N]`.

Whole runs and bisections are disturbed, their guests being doubles (tests/faults), and continued by `--resume`. After each: is
a verdict wrong, a result lost, is the exit code that of what happened, was there a traceback, is anything left?
New points are added to docs/reference/faults.md, which is committed; `--only KIND --seed N --points 1` makes one again, and adds
nothing.
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

from tests.faults.kinds import KINDS, Kind
from tests.faults.trial import WORDS, Trial, make_trial, measure
from tests.faults.world import PRIVATE, can_mount
from tools.tool import run_tool

__all__ = ["add_trials", "choose_points", "format_table", "main", "read_table"]

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "reference" / "faults.md"
SORTS = ("wrong verdict", "lost result", "leftover", "exit code", "traceback", "hang")

HEAD = """\
# Kinds of fault, and how many points of each were tried

Made by `make faults`, which adds to it. A point with a problem counts in the column of each sort that it had; what was found
was fixed, or is an issue. The kinds are in `tests/faults/kinds.py`.

"""

Counts = dict[str, Counter[str]]


def read_table(text: str) -> Counts:
    """Return the counts of a table, by kind: of points, and of points with a problem of each sort."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    names = rows[0][1:] if rows else []
    return {row[0]: Counter(dict(zip(names, map(int, row[1:]), strict=True))) for row in rows[2:] if row[0] != "all"}


def add_trials(counts: Counts, trials: Iterable[Trial]) -> Counts:
    """Return the counts with those of trials; two problems of one sort at one point are one."""
    added = {name: Counter(count) for name, count in counts.items()}
    for trial in trials:
        sorts = {problem.sort for problem in trial.problems}
        added.setdefault(trial.kind, Counter()).update(["points", *sorts])
    return added


def format_table(counts: Counts) -> str:
    """Return the table, with the sums of all kinds."""
    everything: Counter[str] = Counter()
    for count in counts.values():
        everything.update(count)
    names = ("points", *SORTS)
    lines = ["| kind | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind, count in [*sorted(counts.items()), ("all", everything)]:
        lines.append("| " + " | ".join([kind, *(str(count[name]) for name in names)]) + " |")
    return "\n".join(lines) + "\n"


def enter_namespace(arguments: Sequence[str]) -> None:
    """Go on in a mount namespace of our own, where root may have one: its mounts are gone with it, whatever happens."""
    if os.geteuid() == 0 and not can_mount():
        words = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tools.faults", *arguments]
        os.execvpe(words[0], words, {**os.environ, PRIVATE: "1"})


def choose_points(kinds: Sequence[Kind], points: int, seed: int | None, counts: Counts) -> list[tuple[Kind, int]]:
    """Return so many kinds and seeds, the kinds in turn; without a first seed, those after the points that were tried."""
    first = {kind.name: seed or counts.get(kind.name, Counter())["points"] + 1 for kind in kinds}
    return [(kind, first[kind.name] + number) for number in range(points) for kind in kinds]


def main(arguments: Sequence[str] | None = None, *, table: Path = TABLE) -> int:
    """Make trials, and print the table of them; return 1 if one had a problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5, help="new ones of each kind")
    parser.add_argument("--seed", type=int, help="of the first point of each kind, again")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind only; may be repeated")
    parser.add_argument("--minutes", type=float, default=600.0, help="no trial begins later than that")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials next to each other")
    options = parser.parse_args(arguments)
    if arguments is None:
        enter_namespace(sys.argv[1:])
    kinds = [KINDS[name] for name in options.only or KINDS]
    if not can_mount():
        print("Only root has file systems of its own; without them:", *(kind.name for kind in kinds if kind.private))
        kinds = [kind for kind in kinds if not kind.private]
    known = read_table(table.read_text(encoding="utf-8")) if table.exists() else {}
    chosen = choose_points(kinds, options.points, options.seed, known)
    if any(kind.where != "bisection" for kind in kinds):
        for words in WORDS:
            measure(words)  # once, and not in each process
    end = time.monotonic() + 60 * options.minutes
    trials: list[Trial] = []
    with ProcessPoolExecutor(max_workers=options.jobs, mp_context=get_context("fork")) as pool:
        for trial in pool.map(make_trial_in_time, chosen, [end] * len(chosen)):
            if trial is None:
                continue
            trials.append(trial)
            for problem in trial.problems:
                print(
                    f"{trial.kind} --seed {trial.seed} ({trial.at} of {trial.of}): {problem.sort}: {problem.text}",
                    flush=True,
                )
            if options.seed is None:  # what is interrupted keeps what it tried
                table.write_text(HEAD + format_table(add_trials(known, trials)), encoding="utf-8")
    print(format_table(add_trials({}, trials)), end="")
    bad = sum(bool(trial.problems) for trial in trials)
    print(f"{len({trial.kind for trial in trials})} kinds, {len(trials)} points; with a problem: {bad}")
    return int(bad > 0)


def make_trial_in_time(point: tuple[Kind, int], end: float) -> Trial | None:
    """Make a trial, unless the time is over."""
    return make_trial(*point) if time.monotonic() < end else None


if __name__ == "__main__":
    run_tool(main)
