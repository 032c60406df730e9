"""What the cases of a guest, or a command's exit status, say about a revision."""

import os
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.question import AbortError, Command, judge
from harness.bisect.records import Asked
from harness.bisect.terms import Purpose
from harness.errors import DeadlineError
from harness.model import Outcome, Verdict
from harness.pipeline import RunContext
from harness.results import CaseResult
from harness.store import Store
from harness.suite import is_named
from harness.wait import Deadline

TEST = "cgroup/test_places.py::test_x"
CANARY = "cgroup/test_mounts.py::test_y"
ASKED = Asked(number=1, revision="a" * 40, purpose=Purpose.SEARCH)


def case(nodeid: str, outcome: Outcome, message: str = "") -> CaseResult:
    """Return a case with an outcome."""
    return CaseResult(nodeid=nodeid, outcome=outcome, raw=outcome, seconds=1.0, message=message)


@pytest.mark.parametrize(("outcome", "verdict", "reason"), [
    (Outcome.PASSED, Verdict.GOOD, ""),
    (Outcome.XPASSED, Verdict.GOOD, ""),
    (Outcome.FLAKY, Verdict.GOOD, ""),
    (Outcome.FAILED, Verdict.BAD, ""),
    (Outcome.XFAILED, Verdict.BAD, ""),
    (Outcome.ERROR, Verdict.SKIP, "error"),
    (Outcome.SKIPPED, Verdict.SKIP, "skipped"),
])  # fmt: skip
def test_each_outcome(outcome: Outcome, verdict: Verdict, reason: str) -> None:
    """An error or a skipped case says nothing about a revision, and least of all that it is bad."""
    found = judge(ASKED, [case(TEST, outcome, "because")], [TEST])

    assert (found.verdict, found.reason) == (verdict, reason)


def test_no_such_case() -> None:
    """A revision at which the case did not run is a skip."""
    assert judge(ASKED, [case("cgroup/other.py::test_z", Outcome.FAILED)], [TEST]).reason == "not found"
    assert judge(ASKED, [], [TEST]).verdict is Verdict.SKIP


@pytest.mark.slow
@given(outcomes=st.lists(st.sampled_from(Outcome), min_size=1, max_size=5), order=st.randoms())
def test_bad_needs_a_failure(outcomes: list[Outcome], order: Random) -> None:
    """However cases are mixed: bad only if one failed, good only if one passed and none failed or broke."""
    cases = [case(f"{TEST}[{number}]", outcome) for number, outcome in enumerate(outcomes)]
    order.shuffle(cases)
    found = judge(ASKED, cases, [TEST])
    failed = {Outcome.FAILED, Outcome.XFAILED} & set(outcomes)

    assert (found.verdict is Verdict.BAD) == bool(failed)
    if found.verdict is Verdict.GOOD:
        assert Outcome.ERROR not in outcomes
        assert {Outcome.PASSED, Outcome.XPASSED, Outcome.FLAKY} & set(outcomes)
    assert bool(found.reason) == (found.verdict is Verdict.SKIP)


@given(outcome=st.sampled_from(Outcome), of_test=st.sampled_from(Outcome))
def test_canary(outcome: Outcome, of_test: Outcome) -> None:
    """Where the canary does not pass, the sample is void, whatever the test says."""
    found = judge(ASKED, [case(CANARY, outcome), case(TEST, of_test)], [TEST], canary=CANARY)
    sound = outcome in {Outcome.PASSED, Outcome.XPASSED, Outcome.FLAKY}

    assert (found.reason == "canary") == (not sound)
    if sound:
        assert found == judge(ASKED, [case(TEST, of_test)], [TEST])


def test_canary_that_did_not_run() -> None:
    """A canary that is not there is none that sings."""
    assert judge(ASKED, [case(TEST, Outcome.PASSED)], [TEST], canary=CANARY).reason == "canary"


def test_other_failure() -> None:
    """With --matching, a failure of another kind is a skip; one of the right kind among others is bad."""
    wanted = re.compile("payload")
    other = case(f"{TEST}[a]", Outcome.FAILED, "no such file")
    right = case(f"{TEST}[b]", Outcome.FAILED, "expected /payload")

    assert judge(ASKED, [other], [TEST], matching=wanted).reason == "other failure"
    assert judge(ASKED, [other, right], [TEST], matching=wanted).verdict is Verdict.BAD
    assert judge(ASKED, [other, case(TEST, Outcome.PASSED)], [TEST], matching=wanted).verdict is Verdict.SKIP


@pytest.mark.parametrize(("name", "meant"), [
    (TEST, True), (f"{TEST}_more", False), ("cgroup/test_places.py", True), ("cgroup", True), ("cgroup/", True),
    ("cgroup/test_place", False), (f"{TEST}[1]", False),
])  # fmt: skip
def test_names(name: str, meant: bool) -> None:  # noqa: FBT001 - a parameter
    """A case is meant by its name, its file's and its suite's, and not by the beginning of a word."""
    assert is_named(TEST, name) is meant


def command(tmp_path: Path, text: str) -> Command:
    """Return a command from a script."""
    path = tmp_path / "script"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Command(argv=(str(path),), environment=dict(os.environ), cwd=tmp_path)


@pytest.fixture
def work(tmp_path: Path, deadline: Deadline) -> RunContext:
    """A workplace."""
    return RunContext(store=Store(tmp_path / "store"), emit=lambda _: None, deadline=deadline)


@pytest.mark.parametrize("code", [0, 1, 124, 125, 126, 127, 128, 255])
def test_exit_status(tmp_path: Path, work: RunContext, code: int) -> None:
    """The statuses mean what they mean to `git bisect run`."""
    it = command(tmp_path, f"echo some words; exit {code}")
    if code >= 128:
        with pytest.raises(AbortError, match=f"status {code}"):
            it.run(ASKED, {}, work, tmp_path)
        return
    found = it.run(ASKED, {}, work, tmp_path)

    assert found.verdict is {0: Verdict.GOOD, 125: Verdict.SKIP}.get(code, Verdict.BAD)
    assert found.message == f"status {code}: some words"
    assert (tmp_path / "run.log").read_text() == "some words\n"


def test_signal(tmp_path: Path, work: RunContext) -> None:
    """A command that a signal ended says nothing, and ends the bisection."""
    with pytest.raises(AbortError, match="SIGTERM"):
        command(tmp_path, "kill -TERM $$").run(ASKED, {}, work, tmp_path)


def test_hanging_command(tmp_path: Path) -> None:
    """A command that does not end when the bisection has to is no verdict, and is ended."""
    work = RunContext(store=Store(tmp_path / "store"), emit=lambda _: None, deadline=Deadline.after(0.5, "test"))
    with pytest.raises(DeadlineError):
        command(tmp_path, "sleep 60").run(ASKED, {}, work, tmp_path)


def test_no_shell(tmp_path: Path, work: RunContext) -> None:
    """Words are words: nothing in them is run by a shell, and the variables are there."""
    argv = ("sh", "-c", 'test "$1" = "a; exit 3" && test "$HARNESS_REVISION" = abc', "sh", "a; exit 3")
    it = Command(argv=argv, environment=dict(os.environ), cwd=tmp_path)

    assert it.run(ASKED, {"HARNESS_REVISION": "abc"}, work, tmp_path).verdict is Verdict.GOOD
