"""The oracle that builds and boots: what breaks is tried again and then a skip, and never bad."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness import catalog, matrix, plan
from harness.bisect.cell import CellOracle, find_first_error
from harness.bisect.question import AbortError
from harness.bisect.records import Asked, Sample
from harness.bisect.terms import Purpose
from harness.errors import CancelledError, InfrastructureError
from harness.machine import Pid1CrashError
from harness.model import Event, Phase, State, Verdict
from harness.pipeline import RunContext
from harness.plan import BuildRequest, Plan
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT


@pytest.fixture(scope="module")
def base() -> Plan:
    """Some plan of the project's matrix."""
    known = catalog.load(ROOT)
    wanted = matrix.load(ROOT / "matrix.yaml", known)
    cell = next(cell for cell in matrix.expand(wanted, known).cells if cell.runtime == "nspawn")
    return plan.make_plan(cell, wanted, known, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A DOUBLE of a subject: every revision has the same plan."""

    base: Plan
    name: str = "systemd"
    fixed: BuildRequest | None = None
    shares_image: bool = True

    def plan(self, commit: str, deadline: Deadline) -> Plan:  # noqa: ARG002 - as all
        """As `harness.bisect.subject.Subject` says."""
        return self.base

    def request(self, plan: Plan) -> BuildRequest:
        """Not used: the samples here are fresh, and then the evaluation builds."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A DOUBLE of a question: it goes through phases and fails in one, or answers."""

    attempts: list[Callable[[RunContext, Path], Verdict]]
    seen: list[RunContext] = field(default_factory=list)

    def ask(self, asked: Asked, plan: Plan, work: RunContext, directory: Path) -> Sample:  # noqa: ARG002 - as all
        """As `harness.bisect.question.Question` says: the next of its attempts."""
        self.seen.append(work)
        return asked.conclude(self.attempts[len(self.seen) - 1](work, directory))

    def needs(self, request: BuildRequest, plan: Plan) -> bool:  # noqa: ARG002 - as all
        """As `harness.bisect.question.Question` says."""
        return True

    def collect_inputs(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002 - as all
        """As `harness.bisect.question.Question` says."""
        return {}


def breaks(
    phase: Phase, log: str = "", error: InfrastructureError | None = None
) -> Callable[[RunContext, Path], Verdict]:
    """Return an attempt that breaks in a phase, with this in the build's log."""

    def attempt(work: RunContext, directory: Path) -> Verdict:
        for state in (State.RUNNING, State.FAILED):
            work.emit(Event(cell="cell", phase=phase, state=state))
        if log:
            (directory / "build-systemd.log").write_text(log)
        raise error or InfrastructureError(f"The {phase} failed.\n  | and more")

    return attempt


def answers(verdict: Verdict) -> Callable[[RunContext, Path], Verdict]:
    """Return an attempt that gives a verdict."""

    def attempt(work: RunContext, directory: Path) -> Verdict:
        for phase in (Phase.BUILD, Phase.BOOT, Phase.SUITES):
            for state in (State.RUNNING, State.DONE):
                work.emit(Event(cell="cell", phase=phase, state=state))
        return verdict

    return attempt


Take = Callable[..., tuple[Sample, Question]]


@pytest.fixture
def take(base: Plan, tmp_path: Path, deadline: Deadline) -> Take:
    """Takes one sample with these attempts."""

    def taken(
        *attempts: Callable[[RunContext, Path], Verdict],
        boot_failure: Verdict = Verdict.SKIP,
        pid1_crash: Verdict = Verdict.BAD,
        shares_image: bool = True,
    ) -> tuple[Sample, Question]:
        question = Question(attempts=list(attempts))
        work = RunContext(store=Store(tmp_path / "store"), emit=lambda _: None, deadline=deadline)
        oracle = CellOracle(
            subject=Subject(base=base, shares_image=shares_image),
            question=question,
            work=work,
            boot_failure=boot_failure,
            pid1_crash=pid1_crash,
        )
        asked = Asked(number=1, revision="a" * 40, purpose=Purpose.CONFIRM, fresh=True)
        sample = oracle.take(asked, tmp_path, lambda _: None)
        assert isinstance(sample, Sample)
        return sample, question

    return taken


@pytest.mark.slow
def test_verdict(take: Take) -> None:
    """An answer is taken as it is, with the time of each phase and the place of the evidence; the build is from nothing."""
    seen, question = take(answers(Verdict.BAD))

    assert seen.verdict is Verdict.BAD
    assert list(seen.seconds) == ["build", "boot", "suites"]
    assert seen.evidence == "samples/001"
    assert question.seen[0].scratch_builds


@pytest.mark.parametrize("phase", [Phase.BUILD, Phase.IMAGE, Phase.BOOT, Phase.SUITES])
def test_what_breaks_once(take: Take, phase: Phase) -> None:
    """What breaks is tried again, in a directory of its own, and then counts."""
    seen, _ = take(breaks(phase), answers(Verdict.GOOD))

    assert seen.verdict is Verdict.GOOD
    assert seen.evidence == "samples/001-again"


@pytest.mark.parametrize("phase", [Phase.BOOT, Phase.SUITES])
@pytest.mark.parametrize("boot_failure", [Verdict.SKIP, Verdict.BAD])
def test_what_breaks_twice(take: Take, phase: Phase, boot_failure: Verdict) -> None:
    """It is a skip by the phase that broke; only a guest that does not boot is bad, if the user says so."""
    seen, _ = take(breaks(phase), breaks(phase), boot_failure=boot_failure)

    if phase is Phase.BOOT and boot_failure is Verdict.BAD:
        assert (seen.verdict, seen.reason) == (Verdict.BAD, "")
    else:
        assert (seen.verdict, seen.reason) == (Verdict.SKIP, phase.value)
    assert seen.message == f"The {phase} failed."


@pytest.mark.parametrize("phase", [Phase.BOOT, Phase.SUITES])
@pytest.mark.parametrize("pid1_crash", [Verdict.SKIP, Verdict.BAD])
def test_a_crash_of_pid1_counts_when_it_comes_again(take: Take, phase: Phase, pid1_crash: Verdict) -> None:
    """A revision whose PID 1 crashes in two guests is bad, or a skip where the user wants that; one crash is chance."""
    crash = breaks(phase, error=Pid1CrashError("PID 1 crashed."))
    seen, _ = take(crash, crash, pid1_crash=pid1_crash)
    assert (seen.verdict, seen.reason) == (pid1_crash, "" if pid1_crash is Verdict.BAD else "PID 1")
    assert seen.message == "PID 1 crashed."

    seen, _ = take(crash, answers(Verdict.GOOD), pid1_crash=pid1_crash)
    assert seen.verdict is Verdict.GOOD
    seen, _ = take(crash, breaks(Phase.SUITES), pid1_crash=pid1_crash)
    assert seen.verdict is Verdict.SKIP


@pytest.mark.parametrize("phase", [Phase.BUILD, Phase.IMAGE])
def test_what_no_revision_is_to_blame_for(take: Take, phase: Phase) -> None:
    """Without Docker, room on the disk or an image there is no verdict on any revision: the bisection stops."""
    with pytest.raises(InfrastructureError, match=f"The {phase} failed"):
        take(breaks(phase), breaks(phase))


def test_an_image_of_a_cell_of_its_own(take: Take) -> None:
    """Where each revision has another image, one that cannot be made says nothing about the others."""
    seen, _ = take(breaks(Phase.IMAGE), breaks(Phase.IMAGE), shares_image=False)

    assert (seen.verdict, seen.reason) == (Verdict.SKIP, "image")


def test_reason_of_a_build(take: Take) -> None:
    """Builds fail for the symbol that a compiler names, which is what stretches have in common; they are not repeated here."""
    log = "[1/9] cc a.c\n../src/a.c:3: undefined reference to `mq_getattr'\n../src/b.c:1:2: error: 'other' undeclared\n"
    seen, _ = take(breaks(Phase.BUILD, log))

    assert seen.reason == "build:mq_getattr"
    assert seen.message == "../src/a.c:3: undefined reference to `mq_getattr'"


@pytest.mark.parametrize(("log", "line"), [
    ("a\nx.c:1:2: error: \u2018foo\u2019 undeclared\n", "x.c:1:2: error: \u2018foo\u2019 undeclared"),
    ("meson.build:3:0: ERROR: Option name debug is reserved\n", "meson.build:3:0: ERROR: Option name debug is reserved"),
    ("FAILED: src/a.o\nx.c:1: error: no\n", "x.c:1: error: no"),
    ("FAILED: src/a.o\nkilled\n", "FAILED: src/a.o"),
    ("a.go:3:4: undefined: b\n", "a.go:3:4: undefined: b"),
    ("compiling error.c\nterrors: 0\n", ""),
])  # fmt: skip
def test_first_error(tmp_path: Path, log: str, line: str) -> None:
    """The first line that is an error, and not one with a file of that name."""
    (tmp_path / "log").write_text(log)

    assert find_first_error(tmp_path / "log") == line
    assert find_first_error(tmp_path / "none") == ""


@pytest.mark.parametrize("error", [CancelledError("Interrupted."), AbortError("Status 200.")])
def test_what_is_passed_on(take: Take, error: Exception) -> None:
    """An interruption or the user's own end is no skip."""

    def attempt(work: RunContext, directory: Path) -> Verdict:
        raise error

    with pytest.raises(type(error)):
        take(attempt)
