"""What a bisection's renderers say."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.bisect.records import Reverted, Same, Sample
from harness.bisect.report import PackedBelief, Step, View, render_bug_report, render_page, render_summary
from harness.bisect.report.facts import estimate_sides, find_stretches
from harness.bisect.report.lanes import assign_lanes
from harness.bisect.repository import Commit
from harness.bisect.terms import AnswerKind, Purpose, SearchSettings
from harness.model import Verdict
from harness.report.page import bound, format_percent
from tests.helpers.bisection_views import Structure, answer_of, name_of, proven, says, searched, straight, with_answer

CULPRIT = 13
PLAIN = searched(straight(24), says({name_of(number) for number in range(CULPRIT, 25)}))
VIEW = proven(PLAIN)


def test_a_cut_keeps_both_ends() -> None:
    """An excerpt has the first and the last line, and the number of those between that are missing."""
    text = bound("\n".join(f"line {number}" for number in range(1000)), 10_000, lines=40)

    assert text.startswith("line 0\n")
    assert text.endswith("\nline 999")
    assert "[… 960 lines left out …]" in text


@pytest.mark.parametrize(
    ("chance", "text"),
    [(0, "0 %"), (0.0001, "<0.1 %"), (0.25, "25.0 %"), (0.9985, "99.9 %"), (0.9999, ">99.9 %"), (1, "100 %")],
)
def test_probabilities_are_not_rounded_to_certainty(chance: float, text: str) -> None:
    """Only what is certain is written so."""
    assert text == format_percent(chance)


def test_the_page_says_what_was_found() -> None:
    """The facts are there without JavaScript: answer, rates, suspects, steps, evidence, commands, machines."""
    text = render_page(VIEW)
    headline = Structure(text).text["h1"][0]

    assert (
        f'cgroup/test_payload.py::test_processes_live_in_their_scope has failed since {name_of(CULPRIT)[:12]} '
        f'("core: change number {CULPRIT - 1}").'
    ) == headline  # fmt: skip
    for fact in ("harness run --cell", "/machine.slice/c.scope/payload", "6.1.0-40-cloud-amd64", "90 % interval"):
        assert fact in text
    assert len(VIEW.steps) == text.count('<a href="#step=')
    assert 1 == text.count("<mark>    └─payload plain</mark>")
    assert "http" not in re.sub(r"http-equiv", "", text)


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_search_that_runs_is_rendered(kept: int) -> None:
    """Before the first result and in the middle, all renderers say how far it is."""
    view = replace(PLAIN, result=None, steps=PLAIN.steps[:kept])
    out = io.StringIO()
    Console(file=out, width=400).print(render_summary(view))

    for text in (render_page(view), render_bug_report(view), out.getvalue()):
        assert f"is still running: {kept} tests are done" in text


def test_a_revert_that_changes_nothing_is_said() -> None:
    """Where the test fails without the culprit too, another commit does the same, and each renderer says it."""
    assert VIEW.result is not None
    reverted = Reverted(culprit=name_of(CULPRIT), commit="f" * 40, verdict=Verdict.BAD)
    view = replace(VIEW, result=VIEW.result.model_copy(update={"revert": reverted}))
    out = io.StringIO()
    Console(file=out, width=400).print(render_summary(view))

    for text in (render_page(view), render_bug_report(view), out.getvalue()):
        assert "the test then fails all the same: another commit does what this one did." in text
    assert "all the same" not in render_bug_report(VIEW)


def test_ends_that_cannot_be_tested() -> None:
    """Nobody is sure of anything then; what went wrong at the end is said."""
    skipped = Sample(revision=PLAIN.begun.new, verdict=Verdict.SKIP, reason="build", message="no such header")
    said = "An end of the history could not be tested."
    view = with_answer(PLAIN, kind=AnswerKind.UNTESTABLE, sentence=said, tests=0, skips=1)
    view = replace(view, steps=(replace(PLAIN.steps[0], result=skipped),))
    out = io.StringIO()
    Console(file=out, width=400).print(render_summary(view))

    assert "could not be tested: no such header\n" in out.getvalue()
    for text in (render_page(view), render_bug_report(view), out.getvalue()):
        assert "sure after" not in text
        assert "Probability that this result is right" not in text


def test_a_view_without_steps_is_rendered() -> None:
    """A search that has not begun has a page."""
    assert "Nothing is tested yet." in render_page(replace(PLAIN, result=None, steps=()))


@pytest.mark.slow
def test_a_large_history_is_a_small_page() -> None:
    """10,000 commits with hundreds of steps: a few MB, and every commit is in some bar."""
    view = searched(straight(10_000), says({name_of(number) for number in range(7_000, 10_001)}))
    steps = tuple(replace(step, number=place + 1) for place, step in enumerate(view.steps * 20))
    text = render_page(replace(view, steps=steps[:300]))

    assert len(text.encode()) < 3_000_000
    assert f"{name_of(7_000)[:12]}" in Structure(text).text["h1"][0]
    assert 10_000 == sum(map(int, re.findall(r"<title>(\d+) commits", text)))


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50).filter(lambda values: sum(values) > 0.01))
def test_a_packed_posterior_is_nearly_the_posterior(values: list[float]) -> None:
    """Packed and unpacked, each probability is right to 3 %, and the likeliest are exact."""
    chances = [value / sum(values) for value in values]
    belief = PackedBelief.pack(chances, 0.0)
    expanded = belief.expand_chances().tolist()

    assert all(abs(one - other) <= 0.03 * one + 5e-7 for one, other in zip(chances, expanded, strict=True))
    assert max(chances) == max(expanded)


def test_skipped_stretches_are_told_apart() -> None:
    """Neighbours that could not be tested are one stretch, with what failed and how much doubt they leave."""
    broken = [name_of(number) for number in (12, 13, 14)]
    view = searched(
        straight(24),
        says({name_of(number) for number in range(13, 25)}, broken=broken),
        settings=SearchSettings(least_testable=1e-9),
    )
    (stretch,) = find_stretches(view)

    assert (11, 13, 3, {"build": 3}) == (stretch.first, stretch.last, stretch.tried, stretch.reasons)
    assert 0.5 < stretch.chance <= 1
    assert "What failed: build (3)" in render_bug_report(view)
    assert "In doubt" in rendered(view)


def rendered(view: View) -> str:
    """Render the end on a terminal."""
    out = io.StringIO()
    Console(file=out, width=200).print(render_summary(view))
    return out.getvalue()


def test_sides_grow_along_the_history() -> None:
    """The probability to be on the newer side never falls from a commit to its descendants."""
    likely = list(estimate_sides(PLAIN, [PLAIN.begun.old, *(commit.name for commit in PLAIN.commits)]).values())

    assert sorted(likely) == likely
    assert 0 == likely[0]
    assert likely[-1] == pytest.approx(1)


def test_branches_are_drawn_beside_the_main_line() -> None:
    """Two branches that overlap have lanes of their own, and the main line has the first."""
    graph = {"a": ("x",), "b": ("a",), "c": ("a",), "d": ("b",), "m": ("d", "c"), "n": ("m", "b")}
    lanes = assign_lanes(
        [Commit(name=name, subject="", author="", date="", files=(), parents=it) for name, it in graph.items()]
    )

    assert {"a": 0, "b": 0, "c": 1, "d": 0, "m": 0, "n": 0} == {name: lanes[place] for place, name in enumerate(graph)}


def test_the_report_has_what_a_maintainer_asks_for() -> None:
    """Commit, runs of it and its parent alone, revert, commands, and what was not tested; no address of the author."""
    author = tuple(replace(commit, author="A. U. Thor <thor@example.org>") for commit in VIEW.commits)
    text = render_bug_report(replace(VIEW, commits=author))

    assert text.startswith("# systemd: cgroup/test\\_payload.py::")
    assert f"Full name: `{name_of(CULPRIT)}`" in text
    for part in (
        "## What was tested",
        "## What differs",
        "## Reverting it",
        "## How to repeat it",
        "## What was not tested",
    ):
        assert 1 == text.count(part)
    assert "-ControlGroup=/machine.slice/c.scope\n+ControlGroup=/machine.slice/c.scope/payload\n" in text
    assert "reverts cleanly" in text
    assert "by A. U. Thor)" in text
    assert "example.org" not in text


def test_other_answers_are_said_as_they_are() -> None:
    """Where the test is flaky no commit is named, and nobody is blamed."""
    flaky = searched(
        straight(16), lambda revision, asked: Verdict.BAD if (int(revision, 16) + asked) % 2 else Verdict.GOOD
    )

    assert answer_of(flaky).kind is AnswerKind.FLAKY
    for text in (render_page(flaky), render_bug_report(flaky), rendered(flaky)):
        assert "No commit explains the results" in text
    assert "first bad commit is" not in render_bug_report(flaky)


def test_a_step_outside_the_candidates_is_shown() -> None:
    """A repeat at the good end, which is no candidate, has a mark and a row."""
    sample = Sample(revision=PLAIN.begun.old, purpose=Purpose.END, verdict=Verdict.GOOD)
    step = Step(number=1, result=sample, belief=PLAIN.steps[0].belief)

    assert "older than all candidates" in render_page(replace(PLAIN, steps=(step,), result=None))


def test_a_revision_that_was_built_the_same_says_whose_files_it_has() -> None:
    """It has no verdict of its own, and does not look like one that still runs."""
    same = Step(number=1, result=Same(first=name_of(3), second=name_of(4)), belief=PLAIN.steps[0].belief)
    text = render_page(replace(PLAIN, steps=(same,), result=None))

    assert "its built files are those of" in text
    assert '<td class="verdict ">same' in text
    assert "is still running: 0 tests are done" in text
