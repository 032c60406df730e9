"""The search as a state machine: ends, answers, confirmation, resume, contradictions."""

from math import ceil, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.bisect_histories import Truth, linear, merged
from bench.bisect_play import observe, play
from harness.bisect.engine import Search
from harness.bisect.records import Sample
from harness.bisect.terms import AnswerKind, Goal, Noise, Purpose, SearchSettings, Stage
from harness.errors import UsageError
from harness.model import Verdict
from tests.helpers.bisect_graphs import Graph, graphs, history_of, walk

GOOD, BAD, SKIP = Verdict.GOOD, Verdict.BAD, Verdict.SKIP


def replay(search: Search, verdicts: list[tuple[str, Verdict]]) -> None:
    """Record fresh samples with these verdicts."""
    for revision, verdict in verdicts:
        search.record(Sample(revision=revision, verdict=verdict, fresh=True))


NONE = SearchSettings(noise=Noise.NONE)


@pytest.mark.slow
@settings(max_examples=60)
@given(graphs(), st.integers(0, 99), st.integers(1, 4), st.sampled_from([Noise.NONE, Noise.LOW, Noise.LEARN]))
def test_the_culprit_is_found_in_any_history(graph: Graph, number: int, workers: int, noise: Noise) -> None:
    """A reliable test leads to its culprit in every DAG, one boot at a time or several at once."""
    history = history_of(graph)
    culprit = number % len(history)
    played = play(Truth(history=history, culprit=culprit), SearchSettings(noise=noise), workers=workers)
    assert played.answer.kind is AnswerKind.CULPRIT
    assert history.commits[culprit] == played.answer.culprit
    assert played.answer.confidence >= 0.99


@pytest.mark.slow
@given(st.integers(1, 300), st.data())
@settings(max_examples=40)
def test_a_linear_history_takes_ceil_log2(size: int, data: st.DataObject) -> None:
    """Without noise a linear history takes at most ceil(log2 n) tests between the ends."""
    culprit = data.draw(st.integers(0, size - 1))
    played = play(Truth(history=linear(size), culprit=culprit), NONE)
    assert played.right
    assert played.between <= ceil(log2(size))


@pytest.mark.slow
@settings(max_examples=40)
@given(graphs(), st.integers(0, 99), st.data())
def test_untestable_commits_stay_suspects(graph: Graph, number: int, data: st.DataObject) -> None:
    """The suspects contain the culprit, whichever commits between the ends cannot be built."""
    history = history_of(graph)
    culprit = number % len(history)
    broken = np.array([data.draw(st.booleans()) for _ in history.commits])
    broken[-1] = False
    played = play(
        Truth(history=history, culprit=culprit, broken=broken), SearchSettings(noise=Noise.NONE, least_testable=0.0)
    )
    assert played.held
    tested = [
        place
        for place, name in enumerate(history.commits)
        if not broken[place] and (history.commits[culprit] in walk(graph, name))
    ]
    least = set.intersection(*(walk(graph, history.commits[place]) for place in tested))
    for place, name in enumerate(history.commits):
        if not broken[place] and place not in tested:
            least -= walk(graph, name)
    assert {suspect.revision for suspect in played.answer.suspects} == least


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 40), st.integers(0, 2**32), st.integers(0, 60))
def test_a_replayed_journal_continues_the_same(culprit: int, seed: int, cut: int) -> None:
    """After a kill at any point, replaying the journal gives the same next request and the same answer."""
    history = merged(41, np.random.default_rng(1))
    truth = Truth(history=history, culprit=culprit, fails_bad=0.9, fails_good=0.1, rng=np.random.default_rng(seed))
    first, second = Search(history), Search(history)
    for _ in range(cut):
        for request in first.choose_next():
            first.record(observe(truth, request))
    for sample in first.samples:
        second.record(sample)
    assert first.choose_next() == second.choose_next()
    assert first.answer() == second.answer()
    assert (first.belief.weights == second.belief.weights).all()


def test_the_ends_come_first_and_the_bad_one_before() -> None:
    """Both ends are verified before anything else; a bad end that passes would make the rest useless."""
    search = Search(linear(9), NONE)
    assert search.stage is Stage.ENDS
    assert [(request.revision, request.purpose) for request in search.choose_next(2)] == [
        ("c8", Purpose.END),
        ("good", Purpose.END),
    ]


@pytest.mark.parametrize("size", [2, 3, 16, 37, 64])
def test_trusted_ends_cost_one_test_more_than_git(size: int) -> None:
    """What decides between a commit and its child is on a fresh build at once, so that one more confirms the answer."""
    for culprit in range(size):
        truth = Truth(history=linear(size), culprit=culprit)
        played = play(truth, SearchSettings(noise=Noise.NONE, verify_ends=False))
        assert played.answer.culprit == truth.history.commits[culprit]
        assert played.answer.tests <= ceil(log2(size)) + (2 if culprit in {0, size - 1} else 1)


@pytest.mark.parametrize(
    ("verdicts", "kind", "words"),
    [
        ([("c8", GOOD), ("good", GOOD)], AnswerKind.BAD_PASSES, "bad end c8 passes"),
        ([("c8", BAD), ("good", BAD)], AnswerKind.GOOD_FAILS, "good end good fails"),
        ([("c8", SKIP)], AnswerKind.UNTESTABLE, "could not be tested"),
        ([("c8", BAD), ("good", GOOD), ("c3", BAD), ("c3", GOOD)], AnswerKind.FLAKY, "2 of 4 samples failed"),
    ],
)
def test_without_noise_a_contradiction_ends_the_search(
    verdicts: list[tuple[str, Verdict]], kind: AnswerKind, words: str
) -> None:
    """An end on the wrong side, or a revision that both passes and fails, ends a search that trusts its test."""
    search = Search(linear(9), NONE)
    replay(search, verdicts)
    answer = search.answer()
    assert answer is not None
    assert answer.kind is kind
    assert words in answer.sentence
    assert search.choose_next() == ()
    assert search.stage is Stage.DONE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "kind"), [(0.0, AnswerKind.BAD_PASSES), (1.0, AnswerKind.GOOD_FAILS), (0.5, AnswerKind.FLAKY)]
)
def test_a_test_that_is_the_same_everywhere_has_no_culprit(rate: float, kind: AnswerKind) -> None:
    """Where the failure rate is the same at both ends, the answer is that there is no culprit, and the rate."""
    truth = Truth(history=linear(50), culprit=None, fails_good=rate, rng=np.random.default_rng(5))
    answer = play(truth, SearchSettings()).answer
    assert answer.kind is kind
    assert answer.suspects == ()
    assert answer.fails_before.low <= max(rate, 0.01)
    assert answer.fails_before.high >= min(rate, 0.99)


@pytest.mark.parametrize("noise", [Noise.NONE, Noise.LOW, Noise.LEARN])
def test_a_single_commit_is_tested_until_it_is_sure(noise: Noise) -> None:
    """One commit between the ends is the culprit only once "no culprit" is improbable enough."""
    answer = play(Truth(history=linear(1), culprit=0), SearchSettings(noise=noise)).answer
    assert answer.culprit == "c0"
    assert answer.confidence >= 0.99


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"confidence": 0.2}, {"no_culprit": 1.0}, {"same_factor": 0.0}])
def test_senseless_settings_are_refused(wrong: dict[str, Any]) -> None:
    """A confidence that no evidence reaches, or a chance out of range, is the user's mistake."""
    with pytest.raises(UsageError):
        SearchSettings(**wrong)


def test_culprit_and_parents_are_confirmed_on_fresh_builds() -> None:
    """Before a culprit is named, it failed and each of its parents passed on a build made for that."""
    history = history_of({"a": ("good",), "b": ("good",), "m": ("a", "b"), "tip": ("m",)})
    search = Search(history, NONE)
    fresh = {}
    while search.answer() is None:
        for request in search.choose_next():
            bad = request.revision in {"m", "tip"}
            search.record(Sample(revision=request.revision, verdict=BAD if bad else GOOD, fresh=request.fresh))
            if request.fresh:
                fresh[request.revision] = bad
    assert fresh["m"]
    assert not fresh["a"]
    assert not fresh["b"]


def test_a_confirmation_that_fails_reopens_the_search() -> None:
    """A culprit that passes on a fresh build is not named until the samples outweigh that pass."""
    search = Search(linear(64), SearchSettings())
    refuted = False
    while search.answer() is None:
        (request,) = search.choose_next()
        bad = int(request.revision.removeprefix("c")) >= 40 if request.revision != "good" else False
        if request.purpose is Purpose.CONFIRM and bad and not refuted:
            refuted, bad = True, False
        search.record(Sample(revision=request.revision, verdict=BAD if bad else GOOD, fresh=request.fresh))
    answer = search.answer()
    assert answer is not None
    assert refuted
    assert answer.culprit == "c40"
    assert answer.fails_after is not None
    assert answer.fails_after.failed == answer.fails_after.samples - 1


def test_a_fix_is_found_by_swapping_the_terms() -> None:
    """Looking for a fix, the old end fails, the new one passes, and the rates are told as failures."""
    search = Search(linear(16), SearchSettings(goal=Goal.FIX))
    while search.answer() is None:
        (request,) = search.choose_next()
        fixed = request.revision != "good" and int(request.revision.removeprefix("c")) >= 5
        search.record(Sample(revision=request.revision, verdict=GOOD if fixed else BAD, fresh=request.fresh))
    answer = search.answer()
    assert answer is not None
    assert answer.culprit == "c5"
    assert answer.fails_after is not None
    assert answer.fails_after.failed == 0
    assert answer.fails_before.failed == answer.fails_before.samples
    assert "fixes" in answer.sentence


def test_what_is_in_flight_is_not_asked_for_again() -> None:
    """Requests without an observation count as running; an abandoned one is asked for again."""
    search = Search(linear(100), NONE)
    replay(search, [("c99", BAD), ("good", GOOD)])
    first = search.choose_next(3)
    second = search.choose_next(3)
    assert len({request.revision for request in (*first, *second)}) == 6
    alone = Search(linear(100), NONE)
    replay(alone, [("c99", BAD), ("good", GOOD)])
    (lost,) = alone.choose_next()
    alone.abandon(lost)
    assert alone.choose_next() == (lost,)


def test_a_spare_slot_is_for_what_is_tested_in_any_case() -> None:
    """Both ends go at once, and a culprit with its parent; while the search can still turn, it gets one slot only."""
    history = linear(16)
    search = Search(history)
    ends = search.choose_next(1, spare=1)
    assert {request.revision for request in ends} == {history.bad, history.good}
    assert search.choose_next(0, spare=1) == ()
    replay(search, [(history.bad, BAD), (history.good, GOOD)])
    alone = []
    while len(chosen := search.choose_next(1, spare=1)) == 1:
        assert search.choose_next(0, spare=1) == ()
        assert search.find_leader() is None
        alone.append(chosen[0].revision)
        bad = history.find_index(chosen[0].revision) >= 5
        search.record(Sample(revision=chosen[0].revision, verdict=BAD if bad else GOOD))
    assert len(alone) == len(set(alone)) >= 3
    assert all(request.purpose is Purpose.CONFIRM and request.fresh for request in chosen)
    assert {request.revision for request in chosen} == {history.commits[4], history.commits[5]}
    assert search.find_leader() == history.commits[5]
    repeats = [request for request in search.choose_next(2, spare=2) if not request.fresh]
    assert repeats
    repeated = repeats[0].revision
    search.record(Sample(revision=repeated, verdict=BAD if repeated == history.commits[5] else GOOD))
    assert not any(request.fresh for request in search.choose_next(2, spare=2))


def test_a_prior_is_no_filter() -> None:
    """A strong prior saves tests when it is right, and only costs some when it is wrong."""
    history = linear(1000)
    prior = {f"c{place}": 20.0 for place in range(300, 320)}

    def tests(culprit: int) -> int:
        search = Search(history, NONE, prior=prior)
        while search.answer() is None:
            for request in search.choose_next():
                search.record(observe(Truth(history=history, culprit=culprit), request))
        answer = search.answer()
        assert answer is not None
        assert answer.culprit == f"c{culprit}"
        return answer.tests

    assert tests(310) < 14 <= tests(777) + 1
    with pytest.raises(UsageError, match="more than 0"):
        Search(history, prior={"c1": 0.0})


def test_first_parents_come_before_the_merge_s_own_commits() -> None:
    """The search tests the mainline until one merge is guilty, then descends into it; `follow_first_parent` stops before."""
    rng = np.random.default_rng(3)
    history = merged(600, rng)
    culprit = next(place for place in range(300, 600) if not history.mainline[place])
    search, stages = Search(history, NONE), []
    while search.answer() is None:
        stages.append(search.stage)
        for request in search.choose_next():
            search.record(observe(Truth(history=history, culprit=culprit), request))
    assert stages.index(Stage.MAINLINE) < stages.index(Stage.DESCENT) < stages.index(Stage.CONFIRM)
    line = history.follow_first_parent()
    merge = line.find_index(history.commits[history.bundle[culprit]])
    assert play(Truth(history=line, culprit=merge), NONE).answer.culprit == history.commits[history.bundle[culprit]]


def test_identical_builds_are_not_told_apart_twice() -> None:
    """Two revisions with identical files share what is known, and what lies between is searched last."""
    search = Search(linear(64), NONE)
    replay(search, [("c63", BAD), ("good", GOOD)])
    search.join_same("c10", "c50")
    (request,) = search.choose_next()
    assert int(request.revision.removeprefix("c")) not in range(12, 49)


def test_a_budget_ends_in_the_smallest_set() -> None:
    """When the budget is spent, the answer is the credible set and its probability."""
    truth = Truth(history=linear(200), culprit=50, fails_bad=0.7, fails_good=0.3, rng=np.random.default_rng(2))
    answer = play(truth, SearchSettings(most_tests=12)).answer
    assert answer.kind is AnswerKind.SUSPECTS
    assert answer.tests == 12
    assert sum(suspect.probability for suspect in answer.suspects) == pytest.approx(answer.confidence, abs=1e-3)


def test_tests_left_shrink_to_nothing() -> None:
    """The estimate of tests left is near the truth at the start and ends at none."""
    history = linear(256)
    search = Search(history, NONE)
    assert search.estimate_tests_left() == pytest.approx(8 + 2, abs=2)
    while search.answer() is None:
        for request in search.choose_next():
            search.record(observe(Truth(history=history, culprit=9), request))
    assert search.estimate_tests_left() == 0
