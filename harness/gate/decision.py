"""May we ship? A policy held against results, rule by rule: a pure function, with the day given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from harness.compare import (
    REGRESSIONS,
    ChangeKind,
    Comparison,
    Following,
    RunOutcomes,
    compare,
    find_rules,
    find_suite,
)  # fmt: skip
from harness.gate.evidence import Suspect, SuspectTrial, find_bar, find_confirmed, judge_counts
from harness.gate.first_bad import Cause, FirstBad, find_first_bads, group_by_cause
from harness.gate.limits import Check, CheckLevel, Excuse, check_excuses, check_limits, list_excuses
from harness.gate.policy import Policy, Requirement
from harness.matrix import Expectation
from harness.model import Outcome
from harness.text import pluralize

__all__ = ["Decision", "GateInput", "decide", "list_suspects"]

NOTHING = RunOutcomes(name="nothing", kind="baseline", cells={})
"""What is compared with where there is no baseline."""
SUSPICIOUS = (*REGRESSIONS, ChangeKind.NEW_FAILING, ChangeKind.FLAKY, ChangeKind.STILL_FLAKY)
"""Changes of cases that may be chance, or a regression."""
SKEW_DAYS = 3
"""Days by which the clock of a computer may run ahead."""


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
        keys: The key case of each suite that has one, by the suite.
    """

    side: RunOutcomes
    conflicts: tuple[str, ...] = ()
    baseline: RunOutcomes | None = None
    missing_baseline: str = ""
    requirements: tuple[Requirement, ...]
    expectations: tuple[Expectation, ...] = ()
    trials: Mapping[Suspect, SuspectTrial] | None = None
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, with its reasons.

    Attributes:
        checks: Every rule of the policy and what it says, those that refuse first.
        comparison: What changed since the baseline.
        following: Which axis the regressions follow.
        first_bads: At which systemd or Go each regression begins, as far as the cells say.
        causes: The regressions that count, by what they follow.
        trials: What suspects did when they ran again, or in runs that were counted on both sides.
        excuses: What fails and does not refuse, and until when.
    """

    checks: tuple[Check, ...]
    comparison: Comparison
    following: Following
    first_bads: tuple[FirstBad, ...]
    causes: tuple[Cause, ...] = ()
    trials: Mapping[Suspect, SuspectTrial] = field(default_factory=dict)
    excuses: tuple[Excuse, ...] = ()

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
    trials = {**judge_counts(found.of(*SUSPICIOUS), old, evidence.side), **(evidence.trials or {})}
    quiet = trials.keys() - find_confirmed(trials)
    # What is intermittent has no cause to look for.
    sure = replace(found, cases=tuple(case for case in found.cases if (case.cell, case.nodeid) not in quiet))
    excuse_days = policy.baseline.excuse_days if policy.baseline is not None else "any"
    excuses = list_excuses(found, old, excuse_days)
    limits = tuple(check_limits(policy.allowed, sure, evidence.keys))
    counted = next(check.cases for check in limits if check.name == "regressions")
    following, first_bads = find_rules(sure, old, evidence.side), find_first_bads(sure, old, evidence.side)
    checks = [
        _check_whole(evidence),
        *_list_older(evidence.side),
        _check_pid1(evidence.side),
        *(_check_required(item, evidence.side) for item in evidence.requirements),
        _check_ran(policy, found),
        _check_baseline(policy, evidence, today),
        *limits,
        *_check_trials(trials or evidence.trials, quiet),
        *check_excuses(excuses, excuse_days, today),
        *_check_unnamed(evidence),
        *_check_expectations(policy, evidence, today),
    ]
    order = list(CheckLevel)
    return Decision(
        checks=tuple(sorted(checks, key=lambda check: order.index(check.level))),
        comparison=found,
        following=following,
        first_bads=first_bads,
        causes=group_by_cause(counted, following, first_bads),
        trials=trials,
        excuses=(*excuses, *_list_known(evidence)),
    )


def _check_whole(evidence: GateInput) -> Check:
    problems = (*evidence.conflicts, *evidence.side.problems)
    if problems:
        return Check(name="whole", level=CheckLevel.REFUSED, text="The results are incomplete.", details=problems)
    shards = f", {pluralize(len(evidence.side.shards), 'shard')}" if evidence.side.shards else ""
    text = f"The results are complete: {pluralize(len(evidence.side.cells), 'cell')}{shards}."
    return Check(name="whole", level=CheckLevel.MET, text=text)


def _list_older(side: RunOutcomes) -> Iterable[Check]:
    if side.older:
        text = f"{pluralize(len(side.older), 'result does', 'results do')} not count: an older attempt, or broken in one of several runs."
        yield Check(name="attempts", level=CheckLevel.TOLD, text=text, details=side.older)


def _check_pid1(side: RunOutcomes) -> Check:
    """Refuse a release with which PID 1 crashed, however many broken cells are allowed."""
    crashed = tuple(f"{name}: {cell.pid1_crash}" for name, cell in side.cells.items() if cell.pid1_crash)
    text = f"systemd as PID 1 crashed in {pluralize(len(crashed), 'cell')}." if crashed else "PID 1 crashed in no cell."
    level = CheckLevel.REFUSED if crashed else CheckLevel.MET
    return Check(name="pid 1", level=level, text=text, details=crashed)


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
        text = f"The baseline {name} does not say when it was run, so its age is not known; save it again."
        return Check(name="baseline", level=CheckLevel.REFUSED, text=text)
    if (made - today).days > SKEW_DAYS:
        text = f"The baseline {name} is dated {made}, which is in the future, so its age is not known; save it again."
        return Check(name="baseline", level=CheckLevel.REFUSED, text=text)
    age = max((today - made).days, 0)
    text = f"The baseline {name} is dated {made}, {pluralize(age, 'day')} old; at most {rule.max_age_days} are allowed."
    return Check(name="baseline", level=CheckLevel.REFUSED if age > rule.max_age_days else CheckLevel.MET, text=text)


def list_suspects(side: RunOutcomes, baseline: RunOutcomes | None) -> dict[Suspect, tuple[int, int] | None]:
    """Return the cases that look like regressions, so that they should run again before anybody believes it.

    Each is with how often it failed in the baseline, where that is known to be its habit.
    """
    found = compare(baseline or NOTHING, side)
    suspects = ((case.cell, case.nodeid) for case in found.of(*SUSPICIOUS))
    return {suspect: find_bar(baseline, suspect) for suspect in suspects}


def _check_trials(trials: Mapping[Suspect, SuspectTrial] | None, quiet: Collection[Suspect]) -> Iterable[Check]:
    """Yield what became of the suspects that ran again."""
    if trials is None:
        return
    for name, level, noun, mine in (
        ("confirmed", CheckLevel.TOLD, "suspect is confirmed", trials.keys() - quiet),
        ("intermittent", CheckLevel.TOLD, "suspect is intermittent and does not count", quiet),
    ):
        details = tuple(f"{cell} {nodeid}: {trials[cell, nodeid].text}" for cell, nodeid in sorted(mine))
        text = f"{pluralize(len(mine), noun, noun.replace('suspect is', 'suspects are').replace('does', 'do'))}."
        yield Check(name=name, level=level if mine else CheckLevel.MET, text=text, details=details)


def _match_expectations(evidence: GateInput) -> tuple[dict[int, list[str]], tuple[str, ...]]:
    """Return the cells that each expectation of the matrix excuses in this run, and the expected failures that none names."""
    found: dict[int, list[str]] = {}
    unnamed = []
    for name, side in evidence.side.cells.items():
        known = [nodeid for nodeid, outcome in side.cases.items() if outcome is Outcome.XFAILED]
        cell = side.cell if known else None
        if cell is None:
            continue
        mine = [index for index, item in enumerate(evidence.expectations) if item.cells.holds(cell)]
        for nodeid in known:
            index = next((index for index in mine if evidence.expectations[index].is_about(nodeid)), None)
            if index is None:
                unnamed.append(f"{name} {nodeid}")
            else:
                found.setdefault(index, []).append(name)
    return found, tuple(unnamed)


def _list_known(evidence: GateInput) -> Iterable[Excuse]:
    """Yield what expectations of the matrix excuse in this run; the first that is about a case counts."""
    for index, cells in sorted(_match_expectations(evidence)[0].items()):
        item = evidence.expectations[index]
        yield Excuse(
            case=item.cases, cells=tuple(dict.fromkeys(cells)), until=item.expires, reason=item.reason, issue=item.issue
        )


def _check_unnamed(evidence: GateInput) -> Iterable[Check]:
    """Refuse failures that were expected when they ran, and that no expectation of this matrix names: nobody answers for them."""
    unnamed = _match_expectations(evidence)[1]
    if unnamed:
        text = (
            f"{pluralize(len(unnamed), 'failure was', 'failures were')} expected, but not by this matrix; fix the cause, or add an "
            "expectation."
        )
        yield Check(name="expected", level=CheckLevel.REFUSED, text=text, details=unnamed)


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
        text = f"{pluralize(len(late), what)} of the matrix expired; fix the failure, or set a new date with a reason."
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
