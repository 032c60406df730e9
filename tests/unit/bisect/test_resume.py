"""Bisections that are interrupted, killed or cut off come to the same answer, and repeat nothing that was finished."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.bisect import journal
from harness.bisect.records import Begun
from harness.bisect.session import SPARE, SearchProgress
from harness.bisect.terms import Purpose
from harness.errors import CancelledError
from harness.rundir import JOURNAL
from harness.store import Store
from harness.wait import Cancellation, Deadline
from tests import ROOT
from tests.helpers.bisections import Repo, asked, begun, bisected, driver, run, script


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """A store of the test's own."""
    return Store(tmp_path / "store")


@pytest.mark.slow
def test_interruption(tmp_path: Path, own: Store) -> None:
    """Ctrl-C in a sample leaves a journal that goes on: what was finished is kept and not taken again, the answer is the same."""
    repo, whole, state = bisected(tmp_path, "g" * 8 + "b" * 8, own, Deadline.after(120, "bisection"))
    record = state.begun
    cancelled = Cancellation()
    deadline = Deadline.after(120, "bisection", cancelled=cancelled)

    def watch(progress: SearchProgress) -> None:
        if progress.taken == 3:
            cancelled.set()

    with pytest.raises(CancelledError), journal.begin(tmp_path / "again", record) as written:
        driver(written, own, deadline, watch=watch).run()
    finished = list(journal.read(tmp_path / "again", Begun).samples)
    assert len(finished) == 3
    with journal.resume(tmp_path / "again", Begun) as written:
        found, _ = driver(written, own, Deadline.after(120, "bisection")).run()

    taken = list(journal.read(tmp_path / "again", Begun).samples)
    searched = [item.revision for item in taken if item.purpose is Purpose.SEARCH]
    assert found.answer.culprit == whole.answer.culprit == repo.names[8]
    assert (found.answer.kind, found.answer.confidence >= 0.99) == (whole.answer.kind, True)
    assert taken[:3] == finished
    # What is tested next to the confirmations depends on which of those that run side by side ends first.
    assert len(searched) == len(set(searched))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(tmp_path: Path, own: Store, deadline: Deadline, seed: int) -> None:
    """A process that is killed at random moments, again and again, comes to the same answer and repeats nothing finished."""
    chance = random.Random(seed)
    repo = Repo.empty(tmp_path / "repo").line("ggggsgggbbbbbsbb")
    command = script(tmp_path)
    record = begun(repo, command, old=repo.names[0], new=repo.names[-1])
    with journal.begin(tmp_path / "run", record):
        pass
    argv = [sys.executable, "-m", "tests.helpers.bisections", str(tmp_path / "run"), str(own.root)]
    kills = 0
    for _ in range(40):
        with subprocess.Popen(argv, cwd=ROOT, start_new_session=True) as child:
            before = len(journal.read(tmp_path / "run", Begun).results)
            limit = time.monotonic() + 30
            wanted = before + chance.randint(1, 5)
            while child.poll() is None and time.monotonic() < limit:
                if len(journal.read(tmp_path / "run", Begun).results) >= wanted:
                    time.sleep(chance.random() * 0.02)
                    break
                time.sleep(0.001)
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                kills += 1
            child.wait()
        if journal.read(tmp_path / "run", Begun).ended:
            break
    state = journal.read(tmp_path / "run", Begun)

    assert kills
    assert state.ended is not None
    assert state.ended.answer.culprit == repo.names[8]
    # Each kill costs at most the samples that ran: the command's own list has every start, also those.
    told = len(list(state.samples)) + (state.reverted is not None)
    assert len(asked(tmp_path)) <= state.asked <= told + kills * (1 + SPARE + 1)
    # Each start was written down before, and nothing that was finished is started again.
    finished = [item.number for item in state.samples]
    assert len(finished) == len(set(finished))


@pytest.mark.slow
def test_cut_at_any_byte(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A journal cut at random bytes leads to the same answer, and what is whole in it is not asked again."""
    repo, found, _ = bisected(tmp_path, "gggggbbbsb", own, deadline)
    data = (tmp_path / "run" / JOURNAL).read_bytes()
    first = data.index(b"\n") + 1
    chance = random.Random(1)
    for cut in [first, *(chance.randrange(first, len(data)) for _ in range(6))]:
        (tmp_path / "run" / JOURNAL).write_bytes(data[:cut])
        kept = list(journal.read(tmp_path / "run", Begun).samples)
        (tmp_path / "asked").unlink(missing_ok=True)
        with journal.resume(tmp_path / "run", Begun) as written:
            again, _ = driver(written, own, deadline).run()
        state = journal.read(tmp_path / "run", Begun)

        assert again.answer.culprit == found.answer.culprit == repo.names[5]
        assert list(state.samples)[: len(kept)] == kept
        assert len(asked(tmp_path)) == len(list(state.samples)) - len(kept) + (1 if again.revert else 0) * (
            b'"reverted"' not in data[:cut]
        )


@pytest.mark.slow
def test_ended_stays_ended(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """To go on with a bisection that has ended asks nothing, and says the same."""
    _, found, _ = bisected(tmp_path, "gggbbb", own, deadline)
    (tmp_path / "asked").unlink()
    with journal.resume(tmp_path / "run", Begun) as written:
        again, _ = driver(written, own, deadline).run()

    assert again == found
    assert asked(tmp_path) == []


@pytest.mark.slow
def test_journal_is_before_the_step(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """When the test runs, the journal already says that it does."""
    repo = Repo.empty(tmp_path / "repo").line("ggbb")
    text = f"""#!/bin/sh
grep -q "\\"asked\\".*$HARNESS_REVISION" {tmp_path}/run/{JOURNAL} || exit 200
git show $HARNESS_REVISION:state.txt | grep -q g
"""
    record = begun(repo, script(tmp_path, text), old=repo.names[0], new=repo.names[-1])
    found, _ = run(tmp_path, record, own, deadline)

    assert found.answer.culprit == repo.names[2]
    lines = (tmp_path / "run" / JOURNAL).read_text().splitlines()
    assert [json.loads(line)["record"] for line in (lines[0], lines[-1])] == ["begun", "ended"]
