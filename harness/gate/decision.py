"""May we ship? A policy held against results, rule by rule: a pure function, with the day given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from harness.compare import CaseChange, ChangeKind, Comparison, Following, RunOutcomes, compare, find_rules, find_suite
from harness.gate.evidence import Suspect, SuspectTrial, find_confirmed
from harness.gate.first_bad import FirstBad, find_first_bads
from harness.gate.policy import Policy, Requirement
from harness.matrix import Expectation
from harness.model import Outcome
from harness.text import pluralize

__all__ = ["Check", "CheckLevel", "Decision", "GateInput", "decide", "list_suspects"]

NOTHING = RunOutcomes(name="nothing", kind="baseline", cells={})
"""What is compared with where there is no baseline."""
SUSPICIOUS = (ChangeKind.REGRESSED, ChangeKind.NEW_FAILING, ChangeKind.FLAKY, ChangeKind.STILL_FLAKY)
"""Changes of cases that may be chance, or a regression."""
SKEW_DAYS = 3
"""Days by which the clock of a computer may run ahead."""


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
    """

    name: str
    level: CheckLevel
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """What a decision is made from.

    Attributes:
        conflicts: What speaks against taking the shards together, see `compare.join`.
        baseline: What it is compared with, or None where there is none.
        missing_baseline: Why there is none although the policy names one; empty otherwise.
        requirements: What must have been tested.
        expectations: Known failures of the matrix.
        trials: What suspects did when they ran again; None where nothing did.
    """

    side: RunOutcomes
    conflicts: tuple[str, ...] = ()
    baseline: RunOutcomes | None = None
    missing_baseline: str = ""
    requirements: tuple[Requirement, ...]
    expectations: tuple[Expectation, ...] = ()
    trials: Mapping[Suspect, SuspectTrial] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, with its reasons.

    Attributes:
        checks: Every rule of the policy and what it says, those that refuse first.
        comparison: What changed since the baseline.
        following: Which axis the regressions follow.
        first_bads: At which systemd or Go each regression begins, as far as the cells say.
        trials: What suspects did when they ran again.
    """

    checks: tuple[Check, ...]
    comparison: Comparison
    following: Following
    first_bads: tuple[FirstBad, ...]
    trials: Mapping[Suspect, SuspectTrial] = field(default_factory=dict)

    @property
    def ships(self) -> bool:
        """Whether no check refuses."""
        return not self.refused

    @property
    def refused(self) -> tuple[Check, ...]:
        """The checks that refuse."""
        return tuple(check for check in self.checks if check.level is CheckLevel.REFUSED)


def decide(policy: Policy, evidence: GateInput, today: date) -> Decision:
    """Return whether a release may be shipped.

    `today` is the day to judge at, by the clock of the computer that decides. No other clock is read, but for the age
    of the baseline, in whole days.
    """
    old = evidence.baseline or NOTHING
    found = compare(old, evidence.side)
    trials = evidence.trials or {}
    quiet = trials.keys() - find_confirmed(trials)
    checks = [
        _check_whole(evidence),
        *_list_older(evidence.side),
        *(_check_required(item, evidence.side) for item in evidence.requirements),
        _check_ran(policy, found),
        _check_baseline(policy, evidence, today),
        *_check_limits(policy, found, quiet),
        *_check_trials(evidence.trials, quiet),
        *_check_expectations(policy, evidence, today),
    ]
    order = list(CheckLevel)
    return Decision(
        checks=tuple(sorted(checks, key=lambda check: order.index(check.level))),
        comparison=found,
        following=find_rules(found, old, evidence.side),
        first_bads=find_first_bads(found, old, evidence.side),
        trials=trials,
    )


def _check_whole(evidence: GateInput) -> Check:
    problems = (*evidence.conflicts, *evidence.side.problems)
    if problems:
        return Check(name="whole", level=CheckLevel.REFUSED, text="The results are not whole.", details=problems)
    shards = f", {pluralize(len(evidence.side.shards), 'shard')}" if evidence.side.shards else ""
    text = f"The results are whole: {pluralize(len(evidence.side.cells), 'cell')}{shards}."
    return Check(name="whole", level=CheckLevel.MET, text=text)


def _list_older(side: RunOutcomes) -> Iterable[Check]:
    if side.older:
        text = f"{pluralize(len(side.older), 'older attempt does', 'older attempts do')} not count."
        yield Check(name="attempts", level=CheckLevel.TOLD, text=text, details=side.older)


def _check_required(item: Requirement, side: RunOutcomes) -> Check:
    name = f"required: {item.text}"
    if not item.cells or not item.suites:
        what = "cell" if not item.cells else "suite"
        return Check(name=name, level=CheckLevel.REFUSED, text=f"The policy requires {item.text}, which has no {what}.")
    problems = [f"{cell}: there is no result." for cell in item.cells if cell not in side.cells]
    for cell in item.cells:
        if cell in side.cells:
            cases = side.cells[cell].cases.items()
            ran = {find_suite(nodeid) for nodeid, outcome in cases if outcome.ran}
            problems += [f"{cell}: no case of the suite {suite} ran." for suite in item.suites if suite not in ran]
    what = f"{pluralize(len(item.cells), 'cell')} with {', '.join(item.suites)}"
    if problems:
        text = f"Of what is required ({item.text}: {what}), {pluralize(len(problems), 'part was', 'parts were')} not tested."
        return Check(name=name, level=CheckLevel.REFUSED, text=text, details=tuple(problems))
    return Check(name=name, level=CheckLevel.MET, text=f"What is required was tested ({item.text}: {what}).")


def _check_ran(policy: Policy, found: Comparison) -> Check:
    enough = found.ran >= policy.minimum_ran
    text = f"{pluralize(found.ran, 'case')} really ran; at least {policy.minimum_ran} must."
    return Check(name="ran", level=CheckLevel.MET if enough else CheckLevel.REFUSED, text=text)


def _check_baseline(policy: Policy, evidence: GateInput, today: date) -> Check:
    rule = policy.baseline
    if rule is None:
        text = "The policy names no baseline: every failure counts as new."
        return Check(name="baseline", level=CheckLevel.MET, text=text)
    if evidence.baseline is None:
        return Check(
            name="baseline", level=CheckLevel.REFUSED, text=evidence.missing_baseline or "There is no baseline."
        )
    name, started = evidence.baseline.name, evidence.baseline.started
    if rule.max_age_days is None:
        return Check(name="baseline", level=CheckLevel.MET, text=f"Compared with the baseline {name}.")
    try:
        made = date.fromisoformat(started[:10])
    except ValueError:
        text = f"The baseline {name} does not say when its run was, so that its age is not known; save it again."
        return Check(name="baseline", level=CheckLevel.REFUSED, text=text)
    if (made - today).days > SKEW_DAYS:
        text = f"The baseline {name} is of {made}, which is to come, so that its age is not known; save it again."
        return Check(name="baseline", level=CheckLevel.REFUSED, text=text)
    age = max((today - made).days, 0)
    text = f"The baseline {name} is of {made}, {pluralize(age, 'day')} old; at most {rule.max_age_days} are allowed."
    return Check(name="baseline", level=CheckLevel.REFUSED if age > rule.max_age_days else CheckLevel.MET, text=text)


def list_suspects(side: RunOutcomes, baseline: RunOutcomes | None) -> tuple[Suspect, ...]:
    """Return the cases that look like regressions, so that they should run again before anybody believes it."""
    found = compare(baseline or NOTHING, side)
    return tuple((case.cell, case.nodeid) for case in found.of(*SUSPICIOUS))


def _check_trials(trials: Mapping[Suspect, SuspectTrial] | None, quiet: Collection[Suspect]) -> Iterable[Check]:
    """Yield what became of the suspects that ran again."""
    if trials is None:
        return
    for name, level, noun, mine in (
        ("confirmed", CheckLevel.TOLD, "suspect is confirmed", trials.keys() - quiet),
        ("intermittent", CheckLevel.TOLD, "suspect is intermittent and does not refuse", quiet),
    ):
        details = tuple(f"{cell} {nodeid}: {trials[cell, nodeid].text}" for cell, nodeid in sorted(mine))
        text = f"{pluralize(len(mine), noun, noun.replace('suspect is', 'suspects are').replace('does', 'do'))}."
        yield Check(name=name, level=level if mine else CheckLevel.MET, text=text, details=details)


def _check_limits(policy: Policy, found: Comparison, quiet: Collection[Suspect]) -> Iterable[Check]:
    """Yield each number against the number that is allowed; what was `quiet` when it ran again counts for nothing."""
    allowed = policy.allowed
    found = replace(found, cases=tuple(case for case in found.cases if (case.cell, case.nodeid) not in quiet))
    cells = [cell for cell in found.cells if cell.change in {ChangeKind.BROKEN, ChangeKind.STILL_BROKEN}]
    gone = [cell for cell in found.cells if cell.change is ChangeKind.GONE and cell.cases]
    inside = {cell.cell for cell in cells}
    broken = [case for case in found.of(ChangeKind.BROKEN, ChangeKind.STILL_BROKEN) if case.cell not in inside]
    told = [f"{cell.cell}: {cell.text}" for cell in cells]
    lost = [f"{cell.cell}: no result, and {pluralize(cell.cases, 'case')} in the baseline" for cell in gone]
    yield _check_limit(
        "regressions", ("regression", "regressions"), found.of(ChangeKind.REGRESSED), allowed.regressions
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
    return Check(name=name, level=level, text=f"{pluralize(count, *nouns)}; {allowed} allowed.", details=details)


def _check_expectations(policy: Policy, evidence: GateInput, today: date) -> Iterable[Check]:
    rule = policy.expectations
    cells = [cell for item in evidence.side.cells.values() if (cell := item.cell) is not None]
    about = [item for item in evidence.expectations if any(item.cells.holds(cell) for cell in cells)]
    late = [item for item in about if item.is_expired(today)]
    limit = today + timedelta(days=rule.soon_days)
    soon = [item for item in about if item not in late and item.expires <= limit]
    passing = [
        f"{name} {nodeid}"
        for name, cell in evidence.side.cells.items()
        for nodeid, outcome in cell.cases.items()
        if outcome is Outcome.XPASSED
    ]
    levels = {"refuse": CheckLevel.REFUSED, "tell": CheckLevel.TOLD}
    what = "expectation"
    if late:
        text = f"{pluralize(len(late), what)} of the matrix expired; fix the failure, or renew the day with a reason."
        yield Check(name="expired", level=levels[rule.expired], text=text, details=_format_items(late))
    else:
        yield Check(name="expired", level=CheckLevel.MET, text="No expectation about these cells has expired.")
    if soon:
        text = f"{pluralize(len(soon), what)} will expire within {pluralize(rule.soon_days, 'day')}."
        yield Check(name="expires soon", level=CheckLevel.TOLD, text=text, details=_format_items(soon))
    if passing:
        text = f"{pluralize(len(passing), 'case')} passed though expected to fail; the expectation can be removed."
        yield Check(name="passing", level=levels[rule.passing], text=text, details=tuple(passing))


def _format_items(items: Sequence[Expectation]) -> tuple[str, ...]:
    return tuple(
        f"{item.cases} where {item.cells}, expires {item.expires}: {item.reason} {item.issue}" for item in items
    )
