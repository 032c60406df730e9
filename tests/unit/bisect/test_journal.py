"""The journal: what it holds is what was written, however the writer ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.bisect import journal
from harness.bisect.outcome import Bisection
from harness.bisect.records import READER, Asked, Begun, Same, Sample
from harness.bisect.terms import AnswerKind, Purpose
from harness.errors import InfrastructureError, UsageError
from harness.model import Verdict
from harness.rundir import JOURNAL, RESULT

DATA = Path(__file__).with_name("data")

BEGUN = Begun(
    started="2026-01-02T03:04:05+00:00", harness="0", subject="systemd", repository="/r", old="a" * 40, new="b" * 40,
    old_name="v1", new_name="main", cell="cell", builder="host", run=("true",),
)  # fmt: skip

names = st.sampled_from(["a" * 40, "b" * 40, "c" * 40])
purposes = st.sampled_from(Purpose)
records = st.lists(
    st.one_of(
        st.builds(Asked, number=st.integers(1, 99), revision=names, purpose=purposes, fresh=st.booleans()),
        st.builds(
            Sample, number=st.integers(1, 99), revision=names, purpose=purposes, verdict=st.sampled_from(Verdict),
            message=st.text(max_size=20), seconds=st.dictionaries(st.sampled_from(["build", "boot"]), st.floats(0, 9)),
        ),
        st.builds(Same, first=names, second=names),
    ),
    max_size=6,
)  # fmt: skip


def written(directory: Path, more: list[Asked | Sample | Same]) -> bytes:
    """Return the bytes of a journal with some records."""
    with journal.begin(directory, BEGUN) as it:
        for record in more:
            it.write(record)
    return (directory / JOURNAL).read_bytes()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(more=records, share=st.floats(0, 1))
def test_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, more: list[Asked | Sample | Same], share: float
) -> None:
    """A journal that ends at any byte holds exactly the records that were whole, and can be written on."""
    directory = tmp_path_factory.mktemp("journal")
    data = written(directory, more)
    first = data.index(b"\n") + 1
    cut = first + int(share * (len(data) - first))
    (directory / JOURNAL).write_bytes(data[:cut])
    whole = data[:cut].count(b"\n") - 1
    kept = [record for record in more[:whole] if not isinstance(record, Asked)]

    assert journal.read(directory, Begun).results == kept
    with journal.resume(directory, Begun) as it:
        assert it.state.results == kept
        it.write(Same(first="a" * 40, second="c" * 40))
    assert journal.read(directory, Begun).results == [*kept, Same(first="a" * 40, second="c" * 40)]


@given(more=records)
def test_records_come_back(more: list[Asked | Sample | Same]) -> None:
    """A record is the same after it was written and read, whatever text is in it."""
    for record in more:
        assert READER.validate_json(record.model_dump_json()) == record


def test_a_bisection_of_before_the_one_model_is_read(tmp_path: Path) -> None:
    """Its journal and its result.json, as an older version wrote them, say what they said then."""
    shutil.copy(DATA / JOURNAL, tmp_path)
    state = journal.read(tmp_path, Begun)
    found = Bisection.model_validate_json((DATA / RESULT).read_bytes())

    assert [sample.number for sample in state.samples] == list(range(1, 10))
    assert sum(sample.verdict is Verdict.SKIP for sample in state.samples) == 2
    assert state.ended is not None
    assert state.ended.answer == found.answer
    assert found.answer.kind is AnswerKind.SUSPECTS
    assert found.before is not None
    assert found.before.log == "the state is g"
    lines = (DATA / JOURNAL).read_text().splitlines()
    assert [READER.validate_json(line).model_dump(mode="json") for line in lines] == [
        json.loads(line) for line in lines
    ]


def test_older_journals_are_read(tmp_path: Path) -> None:
    """Those that do not say where the command runs, nor what the user skips."""
    written(tmp_path, [])
    (tmp_path / JOURNAL).write_text(BEGUN.model_dump_json(exclude={"directory", "skip"}) + "\n")

    assert journal.read(tmp_path, Begun).begun == BEGUN


def test_numbers_go_on(tmp_path: Path) -> None:
    """The number of a sample that was asked for and never came is not used again."""
    written(tmp_path, [Asked(number=7, revision="a" * 40, purpose=Purpose.SEARCH)])

    assert journal.read(tmp_path, Begun).asked == 7


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """A line that is wrong and not the last one is no torn line: it is said which, and nothing is guessed."""
    data = written(tmp_path, [Same(first="a" * 40, second="b" * 40), Same(first="a" * 40, second="c" * 40)])
    lines = data.splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(lines[0] + b'{"record": "same"}\n' + lines[2])

    with pytest.raises(InfrastructureError, match=rf"{JOURNAL}:2: the journal is damaged"):
        journal.read(tmp_path, Begun)


def test_unknown_keys(tmp_path: Path) -> None:
    """A journal of another version is refused."""
    data = written(tmp_path, [])
    (tmp_path / JOURNAL).write_bytes(data.replace(b'"cell"', b'"tile"') + b"{}\n")

    with pytest.raises(InfrastructureError, match="damaged"):
        journal.read(tmp_path, Begun)


@pytest.mark.parametrize("data", [None, b"", b'{"record": "beg'])
def test_nothing_there(tmp_path: Path, data: bytes | None) -> None:
    """A directory without a bisection, or with one that was killed before its first record, has its sentence."""
    if data is not None:
        (tmp_path / JOURNAL).write_bytes(data)

    with (
        pytest.raises(UsageError, match=r"There is no bisection in|ended before it began"),
        journal.resume(tmp_path, Begun),
    ):
        pass


@pytest.mark.slow
def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two processes cannot go on with one bisection; the lock goes with its owner, however that dies."""
    written(tmp_path, [])
    code = f"""
import signal, sys
from pathlib import Path
from harness.bisect import journal
from harness.bisect.records import Begun
with journal.resume(Path({str(tmp_path)!r}), Begun):
    print("held", flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="Another process is at the bisection"), journal.resume(tmp_path, Begun):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with journal.resume(tmp_path, Begun) as it:
        assert it.state.begun == BEGUN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(tmp_path: Path) -> None:
    """A journal that cannot be written stops the bisection with a sentence."""
    (tmp_path / JOURNAL).symlink_to("/dev/full")

    with (
        pytest.raises(InfrastructureError, match="cannot be written: No space left on device"),
        journal._hold_lock(tmp_path, 0) as descriptor,
    ):
        journal._append(descriptor, tmp_path / JOURNAL, BEGUN)
