"""What can be read off a view: verdict counts, sides, skipped stretches, the answer in one sentence."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.bisect.records import CHECKOUT, Begun, Sample
from harness.bisect.report.view import PackedBelief, Step, View
from harness.bisect.repository import Commit
from harness.bisect.terms import AnswerKind, Noise
from harness.model import Verdict
from harness.report.page import clean_line, format_percent
from harness.text import format_duration, pluralize

__all__ = [
    "SAME", "SAYS", "Stretch", "collect_facts", "count_verdicts", "describe_method", "describe_search",
    "estimate_sides", "find_final", "find_skipped", "find_stretches", "format_commit", "format_headline",
    "format_revert", "format_sureness", "get_purpose", "index_candidates", "shows_rates",
]  # fmt: skip

SAYS = {Verdict.GOOD: "passes", Verdict.BAD: "fails", Verdict.SKIP: "cannot be tested"}
"""What a test does whose verdict this is, as the end of a sentence."""

SHORT = 12
"""Digits of a commit's name that are shown."""

SAME = "same"
"""What stands for a verdict where another revision with the same built files has one."""

SHARED = ("kernel", "cgroup", "accelerator")
"""Facts of a guest that do not depend on the revision."""

METHOD = (
    "Each revision was built and laid over the same image, and a guest was booted for each sample.",
    "No verdict counts before the guest has proved that it runs that very build.",
)
CHECKED_OUT = ("Each revision was checked out, and the command ran in the checkout.",)

FRESH = "The first {new} commit and its parents were {how} from nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Candidates that could not be tested, and those between them that were not tried.

    Attributes:
        first: Index of the first.
        last: Index of the last.
        tried: How many were tried in vain.
        reasons: What failed, and at how many.
        chance: Probability that the culprit is among all between first and last.
    """

    first: int
    last: int
    tried: int
    reasons: Counter[str]
    chance: float


def index_candidates(view: View) -> Mapping[str, int]:
    """Map the full name of each candidate to its index."""
    return {commit.name: place for place, commit in enumerate(view.commits)}


def find_final(view: View) -> PackedBelief | None:
    """Return the last known posterior."""
    return view.steps[-1].belief if view.steps else None


def format_commit(view: View, revision: str, indices: Mapping[str, int]) -> str:
    """Format a commit as systemd and the kernel write it: `1a2b3c4d5e6f ("subject")`; without what is not known."""
    short = clean_line(revision)[:SHORT]
    return f'{short} ("{clean_line(view.commits[indices[revision]].subject)}")' if revision in indices else short


def count_verdicts(view: View) -> dict[str, Counter[Verdict]]:
    """Count the verdicts at each tested revision, in the order in which they were first tested."""
    counts: dict[str, Counter[Verdict]] = {}
    for step in view.steps:
        if step.verdict is not None:
            counts.setdefault(step.revision, Counter())[step.verdict] += 1
    return counts


def is_newer_side(view: View, verdict: Verdict) -> bool:
    """Return whether a verdict speaks for the newer side: bad, or good where a fix is looked for."""
    return (verdict is Verdict.GOOD) == view.begun.finds_fix


def estimate_sides(view: View, revisions: Iterable[str]) -> dict[str, float]:
    """Estimate for each revision the probability that it is on the newer side, if there is a culprit.

    It never falls from a commit to its descendants, so that verdicts made from it cannot contradict each
    other. Revisions that are no candidates are on the older side. Without any posterior it is empty.
    """
    belief = find_final(view)
    if belief is None:
        return {}
    chances = belief.expand_chances()
    total = float(chances.sum())
    indices = index_candidates(view)
    sides = {}
    for revision in revisions:
        reached = _find_ancestors(view.commits, indices, revision)
        sides[revision] = float(chances[reached].sum()) / total if total else 0.0
    return sides


def find_skipped(view: View) -> dict[str, Sample]:
    """Find the revisions that were tried and never gave a verdict, with the last attempt at each."""
    counts = count_verdicts(view)
    hopeless = {name for name, count in counts.items() if not count[Verdict.GOOD] + count[Verdict.BAD]}
    samples = (step.result for step in view.steps if isinstance(step.result, Sample))
    return {
        sample.revision: sample for sample in samples if sample.revision in hopeless and sample.verdict is Verdict.SKIP
    }


def find_stretches(view: View) -> list[Stretch]:
    """Find skipped candidates that follow each other without a verdict between them, in the order of the history."""
    indices, counts, failed = index_candidates(view), count_verdicts(view), find_skipped(view)
    belief = find_final(view)
    chances = np.zeros(len(view.commits)) if belief is None else belief.expand_chances()
    groups: list[list[int]] = []
    open_group = False
    for revision in sorted((name for name in counts if name in indices), key=indices.__getitem__):
        if revision not in failed:
            open_group = False
        elif open_group:
            groups[-1].append(indices[revision])
        else:
            groups.append([indices[revision]])
            open_group = True
    return [
        Stretch(
            first=group[0],
            last=group[-1],
            tried=len(group),
            reasons=Counter(failed[view.commits[place].name].reason or "unknown" for place in group),
            chance=float(chances[group[0] : group[-1] + 1].sum()),
        )
        for group in groups
    ]


def get_purpose(step: Step) -> str:
    """Return why a revision was sampled, in a word."""
    return step.result.purpose if isinstance(step.result, Sample) else SAME


def describe_method(view: View) -> tuple[str, ...]:
    """Describe how the revisions were tested, in whole sentences."""
    is_checkout = view.begun.subject == CHECKOUT
    fresh = FRESH.format(new=view.begun.term_new, how="checked out" if is_checkout else "built")
    return (*(CHECKED_OUT if is_checkout else METHOD), *([fresh] if _is_confirmed(view) else []))


def _is_confirmed(view: View) -> bool:
    """Return whether the culprit and all of its parents have a verdict on a fresh build."""
    culprit = view.answer.culprit if view.answer else None
    indices = index_candidates(view)
    if culprit is None or culprit not in indices:
        return False
    samples = (step.result for step in view.steps if isinstance(step.result, Sample))
    fresh = {sample.revision for sample in samples if sample.fresh and sample.verdict is not Verdict.SKIP}
    return {culprit, *view.commits[indices[culprit]].parents} <= fresh


def describe_search(begun: Begun) -> dict[str, str]:
    """Return what else was asked for, by name."""
    options = {"noise": str(begun.noise)}
    if begun.paths:
        options["paths"] = " ".join(begun.paths)
    if begun.canary:
        options["canary"] = begun.canary
    return options


def collect_facts(view: View) -> dict[str, str]:
    """Collect versions and computers by name, and what holds for the guests of all revisions."""
    side = view.after or view.before
    guest = {f"guest {name}": side.facts[name] for name in SHARED if name in side.facts} if side else {}
    cell = {"cell": view.begun.cell} if view.begun.cell else {}
    return {**cell, "harness": view.begun.harness, **view.begun.facts, **guest}


def format_headline(view: View) -> str:
    """Format the answer as one sentence."""
    answer, indices = view.answer, index_candidates(view)
    test, now = clean_line(view.begun.test), "has passed" if view.begun.finds_fix else "has failed"
    if answer is not None and answer.kind is AnswerKind.CULPRIT and answer.suspects:
        return f"{test} {now} since {format_commit(view, answer.suspects[0].revision, indices)}."
    if answer is not None:
        return clean_line(answer.sentence, 1000) + _explain_base(view)
    belief = find_final(view)
    leading = ""
    if belief is not None and belief.top:
        place, chance = belief.top[0]
        leading = f"; the likeliest so far is {format_commit(view, view.commits[place].name, indices)}, {format_percent(chance)}"
    done = sum(step.verdict is not None for step in view.steps)
    return f"The search for the commit since which {test} {now} is still running: {done} tests are done{leading}."


def _explain_base(view: View) -> str:
    """Say that the fix is on the user's branch, if the test already fails where that branch and the newer end diverge."""
    begun, answer = view.begun, view.answer
    if answer is None or answer.kind is not AnswerKind.GOOD_FAILS or not begun.parted or begun.finds_fix:
        return ""
    name = clean_line(begun.old_name)
    return (
        f" That is where {name} and {clean_line(begun.new_name)} diverge: if {name} is good, the fix is on its branch, and "
        f"`--find-fix --good {name} --bad {begun.old[:SHORT]}` finds it."
    )


def shows_rates(view: View) -> bool:
    """Return whether failure rates say something: not those of a test that is believed, without a culprit."""
    answer = view.answer
    return (
        answer is not None
        and answer.kind.has_rates
        and (answer.fails_after is not None or view.begun.noise is not Noise.NONE)
    )


def format_sureness(view: View) -> str:
    """Say how sure the answer is and what it took, in a sentence; empty while there is none."""
    answer = view.answer
    if answer is None:
        return ""
    skips = f", {pluralize(answer.skips, 'attempt')} without a verdict" if answer.skips else ""
    # What was seen with one's own eyes, or not at all, is no matter of probability.
    unsure = "Given up" if answer.kind is AnswerKind.UNTESTABLE else "Seen"
    sure = f"{format_percent(answer.confidence)} sure" if answer.kind.has_rates else unsure
    return f"{sure} after {pluralize(answer.tests, 'test')}{skips}, in {format_duration(view.seconds)}."


def format_revert(view: View, end: str) -> str:
    """Say what became of taking the culprit back, in a sentence; empty if that was not tried.

    `end` is the newer end as it is to be written.
    """
    revert = view.revert
    if revert is None:
        return ""
    if revert.commit is None:
        return f"The commit does not revert cleanly on top of {end}."
    verdict = revert.verdict
    if verdict is None:
        return f"The commit reverts cleanly on top of {end}; the result was not tested."
    then = f"The commit reverts cleanly on top of {end}, and the test then {SAYS[verdict]}"
    if verdict is not Verdict.SKIP and is_newer_side(view, verdict):
        return f"{then} all the same: another commit does what this one did."
    return f"{then}."


def _find_ancestors(commits: tuple[Commit, ...], indices: Mapping[str, int], revision: str) -> NDArray[np.int64]:
    """Return the indices of a candidate and its ancestors among the candidates; none for another revision."""
    waiting = [indices[revision]] if revision in indices else []
    reached = set(waiting)
    while waiting:
        for parent in commits[waiting.pop()].parents:
            place = indices.get(parent)
            if place is not None and place not in reached:
                reached.add(place)
                waiting.append(place)
    return np.fromiter(reached, dtype=np.int64, count=len(reached))
