"""Which cases are red on rkt as it was found, cell by cell: `python -m tools.rkt_predictions` writes docs/reference/rkt-predictions.md.

The prediction is the expectations of matrix-rkt.yaml, which were written from the facts before the test double ran. With the directories
of runs after it, what came out on the double is written down as well, where it is exactly what was predicted.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import TypeAdapter

from harness import catalog, matrix, results
from harness.matrix import Expectation
from harness.model import Cell, Outcome
from harness.results import CellResult
from harness.yamlfile import FileModel
from tools.generated_page import ROOT, write_page
from tools.rkt_coverage import list_cases

__all__ = [
    "PAGE",
    "PROFILE",
    "SEEN",
    "Prediction",
    "SuiteSeen",
    "find_differences",
    "format_page",
    "read_prediction",
    "read_seen",
    "record",
]

MATRIX = ROOT / "matrix-rkt.yaml"
PAGE = ROOT / "docs" / "reference" / "rkt-predictions.md"
SEEN = ROOT / "suites" / "runtimes" / "rkt" / "seen.json"
PROFILE = "predicted"
DOUBLE = "(test double), as found"

HEAD = """\
# What rkt 1.30 is predicted to do

Made by `python -m tools.rkt_predictions` from the expectations of `matrix-rkt.yaml`; do not edit it. A test says when it is old.

No rkt could be built where this was written. These predictions follow from [what is known of it](rkt-facts.md), and were written before the
test double as found ([Bring rkt back](../how-to/revive-rkt.md)) ran. A real rkt that differs is reported: a case that passes against its
prediction as xpassed, and any other failure as failed. All other cases of {suites} are predicted to pass, or are skipped for what rkt lacks.

{cells}; in each the flavor is host, whose stage1 has the guest's systemd. L is legacy, H hybrid, U unified; `*` is any text.

"""

SEEN_HEAD = """
## What the double did

Exactly what is predicted above, as rkt {release} as found: passed, skipped for what rkt or the guest lacks, and red. A cell and suite that is not
here was not run whole.

| cell | suite | passed | skipped | red |
|---|---|---|---|---|
"""


class Prediction(FileModel):
    """The cells and suites of the prediction, and what is expected in each cell."""

    suites: tuple[str, ...]
    cells: tuple[Cell, ...]
    expectations: Mapping[Cell, tuple[Expectation, ...]]


class SuiteSeen(FileModel):
    """What came of a suite on the double as found.

    Attributes:
        double: The double's version.
        passed: How many cases passed.
        skipped: Those that were skipped.
        red: Those that failed as predicted.
    """

    double: str
    passed: int
    skipped: tuple[str, ...]
    red: tuple[str, ...]


Seen = dict[str, dict[str, SuiteSeen]]
"""By cell and suite."""


def read_prediction() -> Prediction:
    """Return what matrix-rkt.yaml says; raises ConfigError."""
    known = catalog.load(ROOT)
    wanted = matrix.load(MATRIX, known)
    choice = matrix.choose(matrix.expand(wanted, known), wanted, known, profile=PROFILE)
    expectations = {cell: wanted.find_expectations(cell) for cell in choice.cells}
    return Prediction(suites=choice.suites, cells=choice.cells, expectations=expectations)


def read_seen(path: Path = SEEN) -> Seen:
    """Return what the double did."""
    return TypeAdapter(Seen).validate_json(path.read_bytes()) if path.exists() else {}


def find_differences(prediction: Prediction, seen: Seen) -> list[str]:
    """Return what was seen and not predicted, or predicted and not seen, as sentences."""
    cells = {cell.id: cell for cell in prediction.cells}
    return [
        sentence
        for name, suites in seen.items()
        for suite, found in suites.items()
        for sentence in _compare(name, suite, found, prediction.expectations[cells[name]])
    ]


def _compare(cell: str, suite: str, found: SuiteSeen, expectations: Sequence[Expectation]) -> Iterator[str]:
    about = [item for item in expectations if item.cases.startswith(f"{suite}/")]
    for case in found.red:
        if not any(item.is_about(case) for item in about):
            yield f"{cell}: {case} is red and not predicted."
    for item in about:
        if not any(item.is_about(case) for case in (*found.red, *found.skipped)):
            yield f"{cell}: {item.cases} is predicted and not red."


def record(runs: Sequence[Path], seen: Seen) -> list[str]:
    """Add what runs of the double found to `seen`; return what keeps a suite from being written down, as sentences."""
    problems: list[str] = []
    for run in runs:
        for cell in results.read(run / "result.json").cells:
            for suite, cases in groupby(cell.cases, lambda case: case.nodeid.partition("/")[0]):
                by = {case.nodeid: case.outcome for case in cases}
                bad = [f"{case} {outcome}" for case, outcome in by.items() if outcome not in GOOD]
                if bad or cell.error is not None or DOUBLE not in _get_double(cell):
                    problems.append(f"{run}: {cell.id}: {suite}: {', '.join(bad) or cell.error or _get_double(cell)}")
                    continue
                red, skipped = (
                    tuple(sorted(c for c, o in by.items() if o is which))
                    for which in (Outcome.XFAILED, Outcome.SKIPPED)
                )
                seen.setdefault(cell.id, {})[suite] = SuiteSeen(
                    double=_get_double(cell), passed=len(by) - len(red) - len(skipped), skipped=skipped, red=red
                )
    return problems


GOOD = {Outcome.PASSED, Outcome.SKIPPED, Outcome.XFAILED}


def _get_double(cell: CellResult) -> str:
    return cell.facts.get("runtime", "").partition("Version: ")[2].partition("\n")[0] or cell.facts.get("runtime", "")


def format_page(prediction: Prediction, seen: Seen) -> str:
    """Return the page."""
    names = [
        f"{channel} (systemd {systemd})"
        for channel, systemd in dict.fromkeys((c.channel, c.systemd) for c in prediction.cells)
    ]
    suites = ", ".join(f"`{name}`" for name in prediction.suites)
    text = HEAD.format(suites=suites, cells=f"The guests are {', '.join(names)}")
    marks: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in prediction.cells:
        for item in prediction.expectations[cell]:
            marks.setdefault((item.reason, item.issue), {}).setdefault(item.cases, []).append(cell)
    channels = list(dict.fromkeys(cell.channel for cell in prediction.cells))
    cases = list_cases()
    for (reason, issue), rows in marks.items():
        text += f"## {reason}\n\n<{issue}>\n\n| cases | {' | '.join(channels)} |\n|---|{'---|' * len(channels)}\n"
        for pattern, where in rows.items():
            number = sum(_is_about(pattern, case) for case in cases)
            more = f" ({number})" if number > 1 else ""
            columns = ("".join(c.cgroup[0].upper() for c in where if c.channel == channel) for channel in channels)
            text += f"| `{pattern}`{more} | {' | '.join(columns)} |\n"
        text += "\n"
    if not seen:
        return text.rstrip("\n") + "\n"
    text = text.rstrip("\n") + "\n" + SEEN_HEAD.format(release="1.30")
    for cell in prediction.cells:
        for suite in (name for name in prediction.suites if name in seen.get(cell.id, {})):
            found = seen[cell.id][suite]
            text += f"| {cell.channel}, {cell.cgroup} | {suite} | {found.passed} | {len(found.skipped)} | {len(found.red)} |\n"
    return text


def _is_about(pattern: str, case: str) -> bool:
    return matrix.Expectation.model_construct(cases=pattern.partition("[")[0]).is_about(case) or pattern.startswith(
        f"{case}*"
    )


def main(arguments: Sequence[str]) -> int:
    """Write down what runs found, and write the page; returns the exit code."""
    prediction, seen = read_prediction(), read_seen()
    problems = record([Path(each) for each in arguments], seen)
    problems += find_differences(prediction, seen)
    if not problems:
        SEEN.write_bytes(TypeAdapter(Seen).dump_json(seen, indent=1) + b"\n")
    return write_page(PAGE, problems, lambda: format_page(prediction, seen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
