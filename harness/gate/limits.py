"""How much of what is bad there is, against how much a policy allows; and what is excused, and until when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from harness.compare import REGRESSIONS, CaseChange, ChangeKind, Comparison, RunOutcomes, find_suite
from harness.gate.policy import Allowed
from harness.text import pluralize

__all__ = ["Check", "CheckLevel", "Excuse", "check_excuses", "check_limits", "list_excuses"]

NO_KEYS: Mapping[str, str] = {}


class CheckLevel(StrEnum):
    """What a check does to the decision, the most important first."""

    REFUSED = "refused"
    TOLD = "told"
    """People should know, but it does not refuse."""
    MET = "met"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a rule says.

    Attributes:
        details: What it is about, one line each; as a guest may have printed them.
        cases: The cases that are the last of these lines.
    """

    name: str
    level: CheckLevel
    text: str
    details: tuple[str, ...] = ()
    cases: tuple[CaseChange, ...] = ()


def check_limits(allowed: Allowed, found: Comparison, keys: Mapping[str, str] = NO_KEYS) -> Iterable[Check]:
    """Yield each number against the number that is allowed.

    `keys` are the key cases of suites: without what they show nothing else of the suite can pass, so that in a cell
    where one regressed the others do not count.
    """
    cells = [cell for cell in found.cells if cell.change in {ChangeKind.BROKEN, ChangeKind.STILL_BROKEN}]
    gone = [cell for cell in found.cells if cell.change is ChangeKind.GONE and cell.cases]
    inside = {cell.cell for cell in cells}
    broken = [case for case in found.of(ChangeKind.BROKEN, ChangeKind.STILL_BROKEN) if case.cell not in inside]
    told = [f"{cell.cell}: {cell.text}" for cell in cells]
    lost = [f"{cell.cell}: no result, and {pluralize(cell.cases, 'case')} in the baseline" for cell in gone]
    regressed, followers = _fold_keys(found.of(*REGRESSIONS), keys)
    yield _check_limit(
        "regressions",
        ("regression", "regressions"),
        regressed,
        allowed.regressions,
        before=followers,
        more=0,
    )
    yield _check_limit(
        "new failures", ("new failure", "new failures"), found.of(ChangeKind.NEW_FAILING), allowed.new_failures
    )
    yield _check_limit("broken", ("broken cell or case", "broken cells or cases"), broken, allowed.broken, before=told)
    yield _check_limit(
        "gone",
        ("case gone", "cases gone"),
        found.of(ChangeKind.GONE),
        allowed.gone,
        before=lost,
        more=sum(cell.cases for cell in gone),
    )
    yield _check_limit(
        "flaky", ("flaky case", "flaky cases"), found.of(ChangeKind.FLAKY, ChangeKind.STILL_FLAKY), allowed.flaky
    )
    yield _check_limit(
        "still failing",
        ("case still failing", "cases still failing"),
        found.of(ChangeKind.STILL_FAILING),
        allowed.still_failing,
    )


def _check_limit(
    name: str,
    nouns: tuple[str, str],
    cases: Sequence[CaseChange],
    limit: int | Literal["any"],
    *,
    before: Sequence[str] = (),
    more: int | None = None,
) -> Check:
    """Return the check of a number against the number that is allowed.

    Args:
        name: The rule.
        nouns: What one of what is counted is called, and several.
        cases: Cases that count.
        limit: How many are allowed.
        before: Lines about what else counts.
        more: How many these lines stand for; one each if None.
    """
    count = len(cases) + (len(before) if more is None else more)
    details = (*before, *(f"{case.cell} {case.nodeid}: {case.message or case.new or 'gone'}" for case in cases))
    allowed = "any number is" if limit == "any" else f"{limit} {'is' if limit == 1 else 'are'}"
    level = CheckLevel.MET if not count else CheckLevel.TOLD if limit == "any" or count <= limit else CheckLevel.REFUSED
    return Check(
        name=name,
        level=level,
        text=f"{pluralize(count, *nouns)}; {allowed} allowed.",
        details=details,
        cases=tuple(cases),
    )


def _fold_keys(cases: Sequence[CaseChange], keys: Mapping[str, str]) -> tuple[list[CaseChange], list[str]]:
    """Return the cases that count, with a line for those of a suite whose key case is among them in the same cell."""
    guilty = {
        (case.cell, find_suite(case.nodeid)) for case in cases if case.nodeid == keys.get(find_suite(case.nodeid))
    }
    kept, followers = [], Counter[tuple[str, str]]()
    for case in cases:
        place = (case.cell, find_suite(case.nodeid))
        if place in guilty and case.nodeid != keys[place[1]]:
            followers[place] += 1
        else:
            kept.append(case)
    lines = [
        f"{cell} {keys[suite]}: with it {pluralize(number, 'more case')} of the suite {suite} fail"
        for (cell, suite), number in sorted(followers.items())
    ]
    return kept, lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """What fails and does not refuse.

    Attributes:
        case: A case, or the pattern of an expectation.
        cells: Where it fails.
        until: Its last day; None where it is not known since when it has failed.
        reason: Why it is excused, a whole sentence of the expectation, or since when it has failed.
        issue: Where it is being worked on; empty where no expectation names it.
    """

    case: str
    cells: tuple[str, ...]
    until: date | None
    reason: str
    issue: str = ""


def list_excuses(found: Comparison, old: RunOutcomes, days: int | Literal["any"]) -> tuple[Excuse, ...]:
    """Return the failures that the baseline has too, which are excused for some days; none where it is any number."""
    groups: dict[tuple[str, str], list[str]] = {}
    for case in found.of(ChangeKind.STILL_FAILING) if days != "any" else ():
        since = old.cells[case.cell].since.get(case.nodeid, old.started[:10])
        groups.setdefault((case.nodeid, since), []).append(case.cell)
    excuses = []
    for (nodeid, since), cells in groups.items():
        try:
            until = date.fromisoformat(since) + timedelta(days=int(days))
            reason = f"failing since {since}"
        except ValueError:
            until, reason = None, "it is not known since when it has failed"
        excuses.append(Excuse(case=nodeid, cells=tuple(cells), until=until, reason=reason))
    return tuple(sorted(excuses, key=lambda item: (item.until or date.min, item.case)))


def check_excuses(excuses: Sequence[Excuse], days: int | Literal["any"], today: date) -> Iterable[Check]:
    """Yield which failures of the baseline are excused, and until when."""
    late = [item for item in excuses if item.until is None or today > item.until]
    excused = [item for item in excuses if item not in late]
    if late:
        count = sum(len(item.cells) for item in late)
        text = (
            f"{pluralize(count, 'failure')} of the baseline {'is' if count == 1 else 'are'} no longer excused after "
            f"{pluralize(int(days), 'day')}; fix {'it' if count == 1 else 'them'}, or add an expectation to the matrix."
        )
        yield Check(name="excuses", level=CheckLevel.REFUSED, text=text, details=tuple(_list_excused(late)))
    if excused:
        count = sum(len(item.cells) for item in excused)
        text = f"{pluralize(count, 'failure')} of the baseline without an expectation will be refused later."
        yield Check(name="excused", level=CheckLevel.TOLD, text=text, details=tuple(_list_excused(excused)))


def _list_excused(excuses: Iterable[Excuse]) -> Iterable[str]:
    for item in excuses:
        last = f", excused until {item.until}" if item.until is not None else ""
        yield from (f"{cell} {item.case}: {item.reason}{last}" for cell in item.cells)
