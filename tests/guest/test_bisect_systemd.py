"""A real bisection: systemd is built from real code, laid over an image, booted, and asked by a case of a suite.

It is killed in the middle and goes on. On two cores without KVM it takes some minutes, most of which are compilers'.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import proc, rundir
from harness.bisect import journal
from harness.bisect.journal import JournalState
from harness.bisect.outcome import Bisection
from harness.bisect.records import Begun, Sample
from harness.bisect.terms import Purpose
from harness.errors import ExitCode
from harness.image import Image
from harness.model import Verdict
from harness.store import Store
from harness.wait import Deadline, poll
from tests import ROOT
from tools import history
from tools.history import History, git

pytestmark = [pytest.mark.longer, pytest.mark.timeout(3600)]

CELL = "debian-bookworm+systemd-252+unified+nspawn"

KEPT = ("accelerator.json", "build-cache", "environment", "image", "source", "warm")
"""What of the store the bisection may use: all that is not the answer of an earlier one, or what that was read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A bisection that was killed and went on.

    Attributes:
        made: The history.
        killed: What its journal said when it was killed.
        state: What it says in the end.
        result: What was found.
        orphan: The process of the guest that ran when it was killed.
    """

    made: History
    killed: JournalState[Begun]
    state: JournalState[Begun]
    result: Bisection
    orphan: int

    @property
    def after(self) -> list[Sample]:
        """The samples that were taken after it was killed."""
        return list(self.state.samples)[len(list(self.killed.samples)) :]


@pytest.fixture(scope="module")
def ended(store: Store, docker: None, bookworm: Image, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The bisection of a history as short as it can be, with the culprit on a merged branch."""
    deadline = Deadline.after(3000, "bisection of systemd")
    place = tmp_path_factory.mktemp("bisection")
    made = history.make(place / "systemd", store, deadline, commits=history.FEWEST, inside=True)
    own = place / "store"
    own.mkdir()
    for name in KEPT:
        (own / name).symlink_to(store.root.absolute() / name)
    env = os.environ | {"HARNESS_STORE": str(own)}
    argv = [sys.executable, "-m", "harness", "--runs", str(place / "runs"), "bisect-systemd"]
    words = ["--repo", str(made.path), "--good", made.good, "--bad", made.bad, "--cell", CELL]
    with (
        (place / "output").open("wb") as output,
        proc.start([*argv, *words, *history.question(made, place)], env=env, output=output, cwd=ROOT) as process,
    ):
        directory, orphan = poll(lambda: next(_third_guests(place / "runs"), None), deadline)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(deadline)
    killed = journal.read(directory, Begun)
    proc.run([*argv, "--resume", str(directory)], env=env, deadline=deadline, cwd=ROOT, expect=(ExitCode.OK,))
    result = Bisection.model_validate_json((directory / "result.json").read_bytes())
    return Ended(made=made, killed=killed, state=journal.read(directory, Begun), result=result, orphan=orphan)


def _third_guests(runs: Path) -> Iterator[tuple[Path, int]]:
    """Yield the bisection's directory and a guest's process when two samples are finished and the third has a guest."""
    for written in runs.glob(f"*/{rundir.JOURNAL}"):
        if len(list(journal.read(written.parent, Begun).samples)) >= 2:
            for record in written.parent.glob("samples/*/machine*/machine.json"):
                if pid := json.loads(record.read_bytes())["pid"]:
                    yield written.parent, pid


def test_the_culprit_is_found(ended: Ended) -> None:
    """The planted commit and no other one, though it was merged and though there are commits that do not build."""
    assert ended.made.culprit == ended.result.answer.culprit
    assert 0.99 <= ended.result.answer.confidence


def test_it_was_killed_in_the_middle(ended: Ended) -> None:
    """Otherwise the next ones say nothing."""
    assert ended.killed.ended is None
    assert ended.killed.asked > len(list(ended.killed.samples))
    assert ended.after


def test_no_finished_test_is_repeated(ended: Ended) -> None:
    """What was known when it was killed stands, is not asked for again, and no guest of then is left."""
    finished = [(observed.revision, observed.purpose) for observed in ended.killed.samples]
    # One more sample of what is known is a choice of its own, and says so.
    asked = [(seen.revision, seen.purpose) for seen in ended.after if seen.purpose is not Purpose.REPEAT]

    assert list(ended.killed.samples) == list(ended.state.samples)[: len(finished)]
    assert set(finished).isdisjoint(asked)
    assert not Path(f"/proc/{ended.orphan}").exists()


def test_each_verdict_is_the_truth(ended: Ended) -> None:
    """A revision with the change is bad, one without it is good, and what does not build is a skip with that reason."""
    names = git(ended.made.path, "rev-list", "--ancestry-path", f"{ended.made.culprit}..{ended.made.bad}").split()
    broken = ended.made.unbuildable
    for observed in ended.state.samples:
        if observed.revision in broken:
            assert observed.verdict is Verdict.SKIP
            assert "log_progress" in f"{observed.reason} {observed.message}"
        else:
            wanted = Verdict.BAD if observed.revision in {*names, ended.made.culprit} else Verdict.GOOD
            assert wanted is observed.verdict, observed


def test_it_is_proved(ended: Ended) -> None:
    """Culprit and parent are built from nothing, the change taken back on top of the newer end is good."""
    parent = git(ended.made.path, "rev-parse", f"{ended.made.culprit}^")
    fresh = {observed.revision for observed in ended.state.samples if observed.fresh}

    assert {parent, ended.made.culprit} <= fresh
    assert ended.result.revert is not None
    assert ended.result.revert.verdict is Verdict.GOOD


def test_what_is_reported_shows_the_change(ended: Ended) -> None:
    """Both sides' cgroups are there, and differ as the commit says."""
    assert ended.result.before is not None
    assert ended.result.after is not None
    assert "/payload" in ended.result.before.cgroups
    assert "/container" in ended.result.after.cgroups
