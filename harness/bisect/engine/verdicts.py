"""When a search is over, and what it says then."""

import numpy as np

from harness.bisect.engine.changes import choose_split, find_changes
from harness.bisect.engine.history import OUTSIDE, Mask
from harness.bisect.engine.state import SearchState
from harness.bisect.terms import Answer, AnswerKind, Goal, RateEstimate, Suspect, TestChange
from harness.model import Verdict

__all__ = ["decide"]

LISTED = 1e-6
"""Suspects with less probability are not listed."""

SWAPPED = 0.05
"""Prior probability that a user has the ends, or the meaning of a status, the wrong way round."""


def decide(search: SearchState) -> Answer | None:
    """Decide what the answer to a search is as it stands, or None while it must go on."""
    if search.settings.verify_ends and search.is_swapped() and not search.list_unverified():
        otherwise = (1 - SWAPPED) * float(np.exp(search.belief.evidence))
        return _answer(search, AnswerKind.SWAPPED, SWAPPED / (SWAPPED + otherwise), None)
    if search.is_contradictory():
        return _explain_contradiction(search)
    if search.settings.verify_ends and any(
        _is_untestable(search, end) for end in (search.history.bad, search.history.good)
    ):
        return _answer(search, AnswerKind.UNTESTABLE, 1.0, None)
    if search.list_unverified():
        return None
    # A prior alone is no evidence, however strong it is.
    if search.samples and search.belief.no_culprit >= search.settings.confidence:
        return _answer_no_culprit(search, search.belief.no_culprit)
    return _find_culprit(search)


def _find_culprit(search: SearchState) -> Answer | None:
    """Return the answer with the culprit, or the set that contains it, if it is time to name them."""
    belief, settings = search.belief, search.settings
    leader = int(belief.weights.argmax())
    if belief.weights[leader] >= settings.confidence:
        if search.list_unconfirmed(leader) and not _is_spent(search):
            return None
        return _answer(search, AnswerKind.CULPRIT, float(belief.weights[leader]), leader)
    suspects = _find_credible(search)
    mass = float(belief.weights[suspects].sum())
    # Less than the confidence is on commits where "no culprit" is still in the running; samples at the ends decide that.
    if _is_spent(search) or (mass >= settings.confidence and not _has_split(search, suspects)):
        return _answer(search, AnswerKind.SUSPECTS, mass, None, suspects)
    return None


def _is_spent(search: SearchState) -> bool:
    most = search.settings.most_tests
    return most is not None and search.belief.fails + search.belief.passes >= most


def _is_untestable(search: SearchState, revision: str) -> bool:
    samples = search.list_samples(revision)
    return bool(samples) and all(sample.verdict is Verdict.SKIP for sample in samples)


def _find_credible(search: SearchState) -> Mask:
    """Find the smallest set of candidates with the wanted probability; equally likely ones go in together."""
    weights = search.belief.weights
    falling = np.sort(weights)[::-1]
    enough = int(np.searchsorted(falling.cumsum(), search.settings.confidence - 1e-12))
    least = falling[min(enough, len(falling) - 1)]
    credible: Mask = weights >= least * (1 - 1e-9)
    return credible


def _has_split(search: SearchState, suspects: Mask) -> bool:
    """Return whether a usable commit has some of the suspects among its ancestors, but not all."""
    inside = np.rint(search.history.sum_ancestors(suspects.astype(np.float64)))
    splitting = (inside > 0) & (inside < suspects.sum())
    return bool((splitting & search.find_usable()[:-1]).any())


def _explain_contradiction(search: SearchState) -> Answer | None:
    """Return what no single commit explains, when each change of a reliable test is narrowed down as far as can be."""
    kind = _find_contradicting_end(search)
    if kind is not AnswerKind.CHANGES:
        return _answer(search, kind, 1.0, None)
    failed = search.list_failed()
    if not _is_spent(search) and choose_split(search.history, failed, search.find_untested()) is not None:
        return None
    return _answer(search, kind, 1.0, None, changes=find_changes(search.history, failed))


def _answer_no_culprit(search: SearchState, confidence: float) -> Answer:
    if not search.belief.passes:
        kind = AnswerKind.GOOD_FAILS
    elif not search.belief.fails:
        kind = AnswerKind.BAD_PASSES
    else:
        kind = AnswerKind.FLAKY
    return _answer(search, kind, confidence, None)


def _find_contradicting_end(search: SearchState) -> AnswerKind:
    """Return, for a test without noise, which end is not what it is said to be, else whether a revision gave both results."""
    size = len(search.history)
    failed, passed = search.belief.count_samples(OUTSIDE)
    if failed and not passed:
        return AnswerKind.GOOD_FAILS
    failed, passed = search.belief.count_samples(size - 1)
    if passed and not failed:
        return AnswerKind.BAD_PASSES
    flaky = any(all(search.belief.count_samples(place)) for place in (OUTSIDE, *range(size)))
    return AnswerKind.FLAKY if flaky else AnswerKind.CHANGES


def _answer(
    search: SearchState,
    kind: AnswerKind,
    confidence: float,
    culprit: int | None,
    suspects: Mask | None = None,
    changes: tuple[TestChange, ...] = (),
) -> Answer:
    weights = search.belief.weights
    places = [culprit] if culprit is not None else [] if suspects is None else np.flatnonzero(suspects).tolist()
    places.sort(key=lambda place: (-weights[place], place))
    before, after = search.belief.estimate_rates(places[0] if places else None)
    if search.settings.goal is Goal.FIX:
        before, after = _turn_rate(before), after and _turn_rate(after)
    listed = tuple(
        Suspect(
            revision=search.history.commits[place],
            probability=float(weights[place]),
            untestable=search.is_skipped(search.history.commits[place]),
        )
        for place in places
        if weights[place] >= LISTED or place == culprit
    )
    return Answer(
        kind=kind,
        sentence=_format_sentence(search, kind, listed, before, changes),
        confidence=confidence,
        suspects=listed,
        changes=changes,
        fails_before=before,
        fails_after=after,
        tests=search.belief.fails + search.belief.passes,
        skips=sum(sample.verdict is Verdict.SKIP for sample in search.samples),
    )


def _turn_rate(rate: RateEstimate) -> RateEstimate:
    """Turn the rate of passing, which the engine counted, into that of failing."""
    return RateEstimate(
        failed=rate.samples - rate.failed,
        samples=rate.samples,
        mean=1 - rate.mean,
        low=1 - rate.high,
        high=1 - rate.low,
    )


def _format_sentence(
    search: SearchState,
    kind: AnswerKind,
    suspects: tuple[Suspect, ...],
    rate: RateEstimate,
    changes: tuple[TestChange, ...],
) -> str:
    history, fix = search.history, search.settings.goal is Goal.FIX
    what = "commit that fixes it" if fix else "bad commit"
    untestable = sum(suspect.untestable for suspect in suspects)
    match kind:
        case AnswerKind.CULPRIT:
            sentence = f"The first {what} is {suspects[0].revision}."
        case AnswerKind.SUSPECTS:
            sentence = f"The first {what} is one of {len(suspects)}; {untestable} of them could not be tested."
        case AnswerKind.GOOD_FAILS:
            old = f"{'old' if fix else 'good'} end {history.good} {'passes' if fix else 'fails'}"
            sentence = f"The {old}: there is no change to look for."
        case AnswerKind.BAD_PASSES:
            new = f"{'new' if fix else 'bad'} end {history.bad} {'fails' if fix else 'passes'}"
            sentence = f"The {new}: there is no change to look for."
        case AnswerKind.SWAPPED:
            sentence = _format_swapped(history.good, history.bad, fix=fix)
        case AnswerKind.CHANGES:
            listed = "; ".join(map(_format_change, changes))
            sentence = f"The test changed {len(changes)} times, so no single commit explains the results: {listed}."
        case AnswerKind.FLAKY:
            share = f"{rate.failed} of {rate.samples} samples failed"
            sentence = f"No commit explains the results: the test is flaky ({share})."
        case AnswerKind.UNTESTABLE:
            ends = {history.good: "older", history.bad: "newer"}
            listed = " and ".join(f"the {side} end {end}" for end, side in ends.items() if _is_untestable(search, end))
            sentence = f"{listed[:1].upper()}{listed[1:]} could not be tested."
    return sentence


def _format_swapped(old: str, new: str, *, fix: bool) -> str:
    if fix:
        seen, cure = f"passes at the older end {old} and fails at the newer end {new}", "leave out --find-fix"
    else:
        seen, cure = f"fails at the good end {old} and passes at the bad end {new}", "use --find-fix"
    return (
        f"The test {seen}. To look for that change, {cure} and swap the two ends, unless it is the command's exit status that "
        "is the wrong way round."
    )


def _format_change(change: TestChange) -> str:
    verb = "has failed" if change.breaks else "has passed"
    if change.untested:
        several = f"one of the {change.untested} untested commits" if change.untested > 1 else "the untested commit"
        return f"it {verb} since {change.after} or {several} before it"
    return f"it {verb} since {change.after}"
