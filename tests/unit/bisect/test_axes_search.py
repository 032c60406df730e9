"""A bisection of axes: written down, resumed where it was, and reported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.bisect import journal
from harness.bisect.axes_search import AxesBisection, AxesSearch
from harness.bisect.oracle import FindKnown, get_sample_path
from harness.bisect.records import Asked, AxesBegun, Begun, Sample
from harness.bisect.report import render_axes_bug_report, render_axes_page
from harness.errors import CancelledError, ExitCode, UsageError
from harness.model import Cell, CgroupMode, Verdict
from tests.helpers.bisection_views import Structure

GOOD = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="nspawn")
BAD = Cell(distro="debian", channel="trixie", systemd="257", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
MODE = "debian-bookworm+systemd-252+unified+nspawn"
IMAGE = "debian-trixie+systemd-257+legacy+nspawn"
BEGUN = AxesBegun(
    started="2026-01-02T03:04:05+00:00", harness="0", good=GOOD.id, bad=BAD.id, tests=("cgroup/test_x.py::test_y",)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOracle:
    """A DOUBLE of the oracle: what the test says in a cell is in a table, and it is interrupted where that has nothing."""

    verdicts: Mapping[str, Verdict]
    asked: list[str] = field(default_factory=list)

    def take(self, asked: Asked, directory: Path, find_known: FindKnown) -> Sample:  # noqa: ARG002 - as all
        """As `Oracle` says."""
        if asked.revision not in self.verdicts:
            raise CancelledError("Interrupted.")
        self.asked.append(asked.revision)
        evidence = get_sample_path(directory, asked.number)
        evidence.mkdir(parents=True)
        said = asked.conclude(self.verdicts[asked.revision], message="<b>said | so</b>")
        return said.model_copy(update={"evidence": str(evidence.relative_to(directory)), "seconds": {"boot": 2.0}})

    def make_key(self, artifact: str) -> str:
        """As `Oracle` says."""
        return artifact

    def list_stored(self) -> frozenset[str]:
        """As `Oracle` says."""
        return frozenset()


def search(written: journal.Journal[AxesBegun], oracle: TableOracle) -> AxesBisection:
    """Search over the two cells."""
    return AxesSearch(journal=written, oracle=oracle, good=GOOD, bad=BAD, watch=lambda _: None).run()


@pytest.mark.parametrize(
    ("between", "sets", "untried", "code"),
    [
        ({MODE: Verdict.BAD, IMAGE: Verdict.GOOD}, (("cgroup==unified",),), 0, ExitCode.OK),
        ({MODE: Verdict.SKIP, IMAGE: Verdict.BAD}, (("distro==debian-trixie and systemd==257",),), 1, ExitCode.OK),
    ],
)
def test_the_smallest_sets(
    tmp_path: Path, between: dict[str, Verdict], sets: tuple[tuple[str, ...], ...], untried: int, code: ExitCode
) -> None:
    """Each cell is asked once; what could not be tested leaves doubt, and both reports say what was found."""
    oracle = TableOracle(verdicts={GOOD.id: Verdict.GOOD, BAD.id: Verdict.BAD, **between})
    with journal.begin(tmp_path, BEGUN) as written:
        found = search(written, oracle)

    assert (found.sets, found.untried, found.exit_code) == (sets, untried, code)
    assert oracle.asked == [GOOD.id, BAD.id, *(sample.cell for sample in found.samples[2:])]
    assert len(set(oracle.asked)) == len(oracle.asked) == 4
    assert found.seconds == 8.0
    assert AxesBisection.model_validate_json(found.model_dump_json()) == found
    page, report = render_axes_page(found), render_axes_bug_report(found)
    assert Structure(page).text["h1"] == [found.sentence]
    assert "&lt;b&gt;said | so&lt;/b&gt;" in page
    assert "harness bisect-axes --good" in report
    assert all(line.count("|") == 4 for line in report.splitlines() if line.startswith("| "))


def test_ends_that_are_not_what_they_are_said_to_be(tmp_path: Path) -> None:
    """A good cell that fails is no end; nothing between is asked."""
    oracle = TableOracle(verdicts={GOOD.id: Verdict.BAD, BAD.id: Verdict.BAD})
    with journal.begin(tmp_path, BEGUN) as written:
        found = search(written, oracle)

    assert (found.sets, found.exit_code) == ((), ExitCode.FAILED)
    assert found.sentence == "The ends are not what they are said to be: the good cell is bad, and the bad one is bad."


@pytest.mark.parametrize("skipped", [GOOD.id, BAD.id])
def test_an_end_that_cannot_be_tested(tmp_path: Path, skipped: str) -> None:
    """It says nothing about the runtime, which is no failure: the exit code is that of a bisection of commits."""
    oracle = TableOracle(verdicts={GOOD.id: Verdict.GOOD, BAD.id: Verdict.BAD, skipped: Verdict.SKIP})
    with journal.begin(tmp_path, BEGUN) as written:
        found = search(written, oracle)

    assert (found.sets, found.exit_code) == ((), ExitCode.INFRASTRUCTURE)


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """What is written down is not asked again; the sample that was interrupted is, with a number of its own."""
    known = {GOOD.id: Verdict.GOOD, BAD.id: Verdict.BAD}
    with pytest.raises(CancelledError), journal.begin(tmp_path, BEGUN) as written:
        search(written, TableOracle(verdicts=known))
    again = TableOracle(verdicts={MODE: Verdict.BAD, IMAGE: Verdict.GOOD})
    with journal.resume(tmp_path, AxesBegun) as written:
        found = search(written, again)
        numbers = [sample.number for sample in written.state.samples]

    assert set(again.asked) == {MODE, IMAGE}
    assert found.sets == (("cgroup==unified",),)
    assert numbers == [1, 2, 4, 5]


def test_a_bisection_of_commits_is_of_another_kind(tmp_path: Path) -> None:
    """The journal of one kind is not read as the other, and it is said which verb goes on with it."""
    with journal.begin(tmp_path, BEGUN):
        pass
    with pytest.raises(UsageError, match="of another kind") as caught, journal.resume(tmp_path, Begun):
        pass
    assert caught.value.hint == "Continue it with `harness bisect-axes --resume`."
