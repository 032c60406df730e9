"""Figures of how the source is built, each next to what is wanted: `python -m tools.measure`.

How each is counted stands in its row of `--format json` and in the docstrings here, so that two trees (`--tree`) are
measured alike.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

from harness import proc
from harness.wait import Deadline
from tools.source_index import find_collisions, load_verbs, read_modules, starts_with_verb

__all__ = ["Figure", "main", "measure_tree"]

ROOT = Path(__file__).resolve().parents[1]

READERS = ("report", "compare", "gate")
"""Verbs that only read results."""

COUNT_LOADED = """
import importlib, sys
importlib.import_module("harness.cli." + sys.argv[1])
print(sum(name == "harness" or name.startswith("harness.") for name in sys.modules))
"""

ADDED = {
    "axis": "tests/unit/model/test_axes.py",
    "runtime": "tests/unit/plugins/test_adding.py",
    "distro": "tests/unit/plugins/test_adding.py",
}
"""Tests that add one of a kind to a temporary tree; `FILES_TO_TOUCH = {"axis": 3}` in them is what they touched."""

REPEATS = 5
MINUTES_FROM = 120
"""Seconds from which a time is said in minutes."""
PATIENCE = 60.0 * 60
"""Seconds that the slowest of the measured commands may take; `.ci/run` takes half an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table.

    Attributes:
        name: What is counted, as the table says it.
        value: The figure as text; `?` if this tree does not have it, `-` if it was not asked for.
        wanted: What is aimed at.
        how: How it is counted.
    """

    name: str
    value: str
    wanted: str
    how: str


def measure_tree(root: Path, *, timed: bool = False) -> list[Figure]:
    """Measure a tree.

    Args:
        root: The tree; its environment, or ours if it has none, runs what must be run.
        timed: Run `make check` and `.ci/run`, too, which takes more than half an hour.
    """
    modules = read_modules(root, ["harness"])
    functions = [function for module in modules for function in module.functions]
    verbs = load_verbs()
    named = sum(starts_with_verb(function, verbs) for function in functions)
    classes = {name for module in modules for name in module.classes if not name.startswith("_")}
    in_cli = [module.lines for module in modules if (module.name + ".").startswith("harness.cli.")]
    return [
        Figure(
            name=f"modules of ours that {' / '.join(READERS)} import",
            value=" / ".join(str(_count_loaded(root, verb)) for verb in READERS),
            wanted="20 / 35 / 40",
            how="modules of harness in sys.modules after the verb's module is imported",
        ),
        Figure(name="lines of cli", value=f"{sum(in_cli):,}", wanted="2,300", how="lines of harness/cli/**/*.py"),
        Figure(
            name="internal imports per module",
            value=f"{mean(len(module.imports) for module in modules):.1f}",
            wanted="3.5",
            how="other modules of harness that a module names in its imports, on average",
        ),
        Figure(
            name="public class names defined twice",
            value=f"{len(find_collisions(modules))} of {len(classes)}",
            wanted="0",
            how="names of classes at the top level of more than one module of harness",
        ),
        Figure(
            name="functions that begin with a verb",
            value=f"{100 * named / len(functions):.0f} %",
            wanted="70 %",
            how="first word in tools/verbs.txt; functions and methods of harness, without properties, dunders, "
            "fixtures, closures and hooks of pytest",
        ),
        Figure(
            name=f"files to touch for a new {' / '.join(ADDED)}",
            value=" / ".join(_read_touched(root, kind) for kind in ADDED),
            wanted="3 / 2 / 2",
            how="what the tests that add one to a temporary tree write and change",
        ),
        Figure(
            name="harness --version",
            value=f"{_time_version(root):.2f} s of CPU",
            wanted="0.3 s",
            how=f"user and system time of the process, median of {REPEATS}",
        ),
        Figure(
            name="quick tier / .ci/run, whole",
            value=" / ".join(_time_command(root, argv) if timed else "-" for argv in (["make", "check"], [".ci/run"])),
            wanted="60 s / 28 min",
            how="wall clock; only with --time",
        ),
        Figure(
            name="lines of harness/",
            value=f"{sum(module.lines for module in modules):,}",
            wanted="fewer than 28,965",
            how="lines of harness/**/*.py",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table.

    Args:
        arguments: Words of the command line; those of this process if None.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description="Figures of how the source is built.")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the tree to measure; this one if not given")
    parser.add_argument("--format", choices=("markdown", "json"), default="markdown")
    parser.add_argument("--time", action="store_true", help="run `make check` and `.ci/run`, too, and take their time")
    options = parser.parse_args(arguments)
    figures = measure_tree(options.tree.resolve(), timed=options.time)
    if options.format == "json":
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        print(_format_table(figures))


def _format_table(figures: Sequence[Figure]) -> str:
    rows = [("figure", "today", "wanted"), *((figure.name, figure.value, figure.wanted) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _count_loaded(root: Path, verb: str) -> int:
    return int(_run(root, [_find_python(root), "-c", COUNT_LOADED, verb]).out)


def _time_version(root: Path) -> float:
    def spend() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _run(root, [_find_python(root), "-m", "harness", "--version"])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return median(spend() for _ in range(REPEATS))


def _time_command(root: Path, argv: list[str]) -> str:
    begun = time.monotonic()
    done = _run(root, argv, expect=None)
    seconds = time.monotonic() - begun
    text = f"{seconds:.0f} s" if seconds < MINUTES_FROM else f"{seconds / 60:.0f} min"
    return text if done.code == 0 else f"{text} (failed)"


def _read_touched(root: Path, kind: str) -> str:
    path = root / ADDED[kind]
    found = re.search(rf'"{kind}": (\d+)', path.read_text(encoding="utf-8")) if path.exists() else None
    return found[1] if found else "?"


def _find_python(root: Path) -> str:
    own = root / ".venv/bin/python"
    return str(own) if own.exists() else sys.executable


def _run(root: Path, argv: list[str], *, expect: Sequence[int] | None = (0,)) -> proc.Done:
    env = proc.make_environment({"PYTHONPATH": str(root)})
    return proc.run(argv, deadline=Deadline.after(PATIENCE, argv[0]), cwd=root, env=env, expect=expect, apart=True)


if __name__ == "__main__":
    main()
