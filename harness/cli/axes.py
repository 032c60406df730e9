"""`harness bisect-axes`: a case passes in one cell and fails in another; which of their differences does it?"""

import json
import os
from typing import Annotated

import typer

from harness import plan, rundir
from harness.app.cases import check_cases
from harness.app.settings import show_path
from harness.bisect.axes import AxisChange, Found, apply_changes, find_differences, find_smallest
from harness.bisect.question import AbortError, Question
from harness.bisect.records import Asked
from harness.bisect.terms import Purpose
from harness.cli import output
from harness.cli.bisect import place_of
from harness.cli.bisect_options import RunOption, TestOption, words
from harness.cli.bisect_setup import Place, question
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import CancelledError, ExitCode, HarnessError, UsageError
from harness.matrix import find
from harness.model import Cell, Verdict
from harness.pipeline import RunContext

__all__ = ["bisect_axes"]

GoodOption = Annotated[str, typer.Option("--good", metavar="CELL", help="A cell in which the test passes.")]
BadOption = Annotated[str, typer.Option("--bad", metavar="CELL", help="A cell in which it fails.")]


def bisect_axes(
    context: typer.Context, *, good: GoodOption, bad: BadOption, test: TestOption = None, run: RunOption = None,
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Find the smallest set of axis values that flips the outcome."""
    place = place_of(get_settings(context), None, form)
    if bool(test) == bool(run):
        raise UsageError("Say what decides: either --test NODEID or --run COMMAND.")
    cells = [find(place.here.expansion, name) for name in (good, bad)]
    tests, command = tuple(test or ()), words(run)
    check_cases(tests, place.here, place.chosen)
    changes = find_differences(*cells)
    if not changes:
        raise UsageError("The two cells are the same.")
    asker = _Asker(
        place, cells, question(tests, command), tuple(dict.fromkeys(case.partition("/")[0] for case in tests))
    )
    found = find_smallest(changes, asker.ask)
    _show(place, found, cells, asker)
    raise typer.Exit(ExitCode.OK if found.sets else ExitCode.FAILED)


class _Asker:
    """Asks in the cells between the two."""

    def __init__(self, place: Place, cells: list[Cell], asked: Question, suites: tuple[str, ...]) -> None:
        self.directory = rundir.make_directory(place.chosen.runs, rundir.BISECTION)
        self.told: list[dict[str, str]] = []
        self._place, self._cells, self._question, self._suites = place, cells, asked, suites

    def ask(self, chosen: frozenset[AxisChange]) -> Verdict:
        """What the good cell is with some changes; a cell that cannot be, or breaks twice, is a skip."""
        cell = apply_changes(self._cells[0], self._cells[1], chosen)
        verdict, why = Verdict.SKIP, ""
        here = self._place.here
        for attempt in (1, 2):
            directory = self.directory / "samples" / f"{cell.id}-{attempt}"
            work = RunContext(store=self._place.store, emit=lambda _: None, deadline=self._place.deadline)
            try:
                wanted = plan.make_plan(cell, here.matrix, here.catalog, self._suites)
                directory.mkdir(parents=True)
                asked = Asked(number=len(self.told) + 1, revision=cell.id, purpose=Purpose.SEARCH)
                ruling = self._question.ask(asked, wanted, work, directory)
            except (AbortError, CancelledError):
                raise
            except UsageError as error:
                why = str(error)
                break
            except HarnessError as error:
                why = str(error).splitlines()[0]
            else:
                verdict, why = ruling.verdict, ruling.message
                break
        self.told.append({"cell": cell.id, "verdict": verdict, "message": why})
        self._place.console.print(f"{verdict:<5} {cell.id}" + (f"  {why}" if why else ""), soft_wrap=True)
        return verdict


def _show(place: Place, found: Found, cells: list[Cell], asker: _Asker) -> None:
    good, bad = cells
    sets = [
        [change.format_value(bad) for change in sorted(each, key=lambda change: change.axes)] for each in found.sets
    ]
    facts = {"good": good.id, "bad": bad.id, "sets": sets, "samples": asker.told}
    (asker.directory / rundir.RESULT).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    match place.form:
        case Format.JSON:
            output.as_json(facts)
        case Format.IDS:
            output.say("\n".join(" and ".join(each) for each in sets))
        case Format.TABLE:
            output.say(_sentence(found, sets) + f"\nevidence: {show_path(asker.directory)}{os.sep}")


def _sentence(found: Found, sets: list[list[str]]) -> str:
    if not found.sets:
        good, bad = (found.verdicts[each] for each in (frozenset[AxisChange](), max(found.verdicts, key=len)))
        return f"The ends are not what they are said to be: the good cell is {good}, and the bad one is {bad}."
    whole = "It fails with " + ", and also with ".join(" and ".join(each) for each in sets) + "."
    together = " It takes all of them: with fewer it passes." if len(found.sets[0]) > 1 and not found.skipped else ""
    doubt = f" {len(found.skipped)} sets of at most that size could not be tried." if found.skipped else ""
    return whole + together + doubt
