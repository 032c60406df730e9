"""What no single commit explains: ends the wrong way round, and a test that changes more than once."""

import pytest

from bench.bisect_histories import linear
from harness.bisect.engine import History, Search
from harness.bisect.records import Sample
from harness.bisect.terms import AnswerKind, Goal, Noise, SearchSettings
from harness.model import Verdict

GOOD, BAD = Verdict.GOOD, Verdict.BAD


def search_all(history: History, states: str, settings: SearchSettings) -> Search:
    """Search to the end; the first letter of `states` is the good end's, the others are the commits'."""
    search = Search(history, settings)
    verdicts = dict(zip((history.good, *history.commits), states, strict=True))
    while search.answer() is None:
        probe = search.choose_next()[0]
        verdict = BAD if verdicts[probe.revision] == "b" else GOOD
        search.record(Sample(revision=probe.revision, verdict=verdict, fresh=probe.fresh))
    return search


@pytest.mark.parametrize(("noise", "tests"), [(Noise.NONE, 2), (Noise.LOW, 4), (Noise.LEARN, 4)])
@pytest.mark.parametrize("goal", Goal)
def test_ends_the_wrong_way_round(noise: Noise, tests: int, goal: Goal) -> None:
    """Two ends that are each other's opposite are recognized at once, whatever the goal, and the cure is named."""
    states = "bbbbgggg" if goal is Goal.BREAK else "ggggbbbb"
    answer = search_all(linear(7), states, SearchSettings(noise=noise, goal=goal)).answer()

    assert answer is not None
    assert (answer.kind, answer.tests, answer.suspects) == (AnswerKind.SWAPPED, tests, ())
    assert ("use --find-fix" if goal is Goal.BREAK else "leave out --find-fix") in answer.sentence
    assert answer.confidence > 0.95


def test_one_wrong_result_at_each_end_is_no_mistake_of_the_user() -> None:
    """Where results can be wrong, the ends are looked at again before the user is said to be wrong."""
    history = linear(7)
    search = Search(history, SearchSettings(noise=Noise.LOW))
    for revision, verdict in ((history.bad, GOOD), (history.good, BAD)):
        search.record(Sample(revision=revision, verdict=verdict))

    assert {probe.revision for probe in search.choose_next(2)} == {history.bad, history.good}
    for revision, verdict in ((history.bad, BAD), (history.good, GOOD)):
        search.record(Sample(revision=revision, verdict=verdict))
    assert search.answer() is None


@pytest.mark.parametrize(("states", "changes"), [
    ("gggbbbbggggbbbbb", "3b 7g 11b"),
    ("ggggggggggbbggbb", "10b 12g 14b"),
    ("gbbbbbbbbbbbbgbb", "1b 13g 14b"),
])  # fmt: skip
def test_each_change_is_narrowed_down(states: str, changes: str) -> None:
    """Broken, fixed and broken again: no commit gave two results, so it is not flaky, and each change is one commit."""
    history = linear(len(states) - 1)
    search = Search(history, SearchSettings(noise=Noise.NONE))
    verdicts = {name: BAD if letter == "b" else GOOD for name, letter in
                zip((history.good, *history.commits), states, strict=True)}  # fmt: skip
    # What two samples at a time, or an earlier bisection, can have shown before the search knows better.
    wanted = [int(word[:-1]) for word in changes.split()]
    for place in (0, len(states) - 1, *wanted):
        name = (history.good, *history.commits)[place]
        search.record(Sample(revision=name, verdict=verdicts[name]))
    while search.answer() is None:
        (probe,) = search.choose_next()
        search.record(Sample(revision=probe.revision, verdict=verdicts[probe.revision]))
    answer = search.answer()

    assert answer is not None
    assert answer.kind is AnswerKind.CHANGES
    found = [f"{history.find_index(change.after) + 1}{'b' if change.breaks else 'g'}" for change in answer.changes]
    assert found == changes.split()
    assert {change.untested for change in answer.changes} == {0}
    assert "it has failed since" in answer.sentence
    assert "it has passed since" in answer.sentence


def test_what_cannot_be_tested_is_left_between() -> None:
    """A change with skipped commits in it says how many it can also be."""
    history = linear(6)
    search = Search(history, SearchSettings(noise=Noise.NONE))
    for place, letter in enumerate("gbsgsb"):
        verdict = {"g": GOOD, "b": BAD, "s": Verdict.SKIP}[letter]
        search.record(Sample(revision=history.commits[place], verdict=verdict, reason="build"))
    search.record(Sample(revision=history.good, verdict=GOOD))
    answer = search.answer()

    assert answer is not None
    assert [(history.find_index(change.after), change.untested) for change in answer.changes] == [
        (1, 0),
        (3, 1),
        (5, 1),
    ]
    assert "or the untested commit before it" in answer.sentence
