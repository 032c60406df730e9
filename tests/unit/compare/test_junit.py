"""JUnit files: our own and those of other tools, whole, broken and hostile."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import ChangeKind, compare, load_run, open_side
from harness.compare.junit import FOREIGN, load_junit
from harness.compare.loading import Places
from harness.errors import InfrastructureError
from harness.model import Outcome
from harness.report import junit
from harness.results import CaseResult, CellResult, RunResult
from tests.helpers.sides import run_result, write_run

PYTEST = """\
<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1"
 skipped="2" tests="5" time="0.1" timestamp="2026-11-24T00:00:00+00:00" hostname="h">
<testcase classname="tests.test_a" name="test_pass[a|b]" time="0.001"><system-out>hello</system-out></testcase>
<testcase classname="tests.test_a.TestX" name="test_fail" time="0.001"><failure message="assert 1 == 2">text</failure></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no">x</skipped></testcase>
<testcase classname="tests.test_a" name="test_xfail" time="0.000"><skipped type="pytest.xfail" message="known" /></testcase>
<testcase classname="tests.test_a" name="test_setup" time="0.0"><error message="failed on setup">fixture</error></testcase>
</testsuite></testsuites>
"""
GO_JUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1">
	<testsuite name="github.com/x/y" tests="3" failures="1" errors="0" id="0" hostname="h" time="1.0" timestamp="2026-11-24T00:00:00Z">
		<properties><property name="go.version" value="go1.21"></property></properties>
		<testcase name="TestA" classname="github.com/x/y" time="0.060"></testcase>
		<testcase name="TestB/sub_test" classname="github.com/x/y" time="0.100">
			<failure message="Failed" type=""><![CDATA[    y_test.go:9: no <b>]]></failure>
		</testcase>
		<testcase name="TestC" classname="github.com/x/y" time="0"><skipped message="short"></skipped></testcase>
	</testsuite>
</testsuites>
"""
GOTESTSUM = """\
<testsuites tests="4" failures="2" errors="0" time="1.0">
	<testsuite tests="4" failures="2" time="0.1" name="pkg" timestamp="2026-11-24T00:00:00Z">
		<testcase classname="pkg" name="TestRetried" time="0.01"><failure message="Failed" type="">first</failure></testcase>
		<testcase classname="pkg" name="TestRetried" time="0.01"></testcase>
		<testcase classname="pkg" name="TestBad" time="0.01"><failure message="Failed" type="">a</failure></testcase>
		<testcase classname="pkg" name="TestBad" time="0.01"><failure message="Failed" type="">b</failure></testcase>
	</testsuite>
</testsuites>
"""
SUREFIRE = """\
<testsuite name="outer"><testsuite name="inner">
<testcase classname="c" name="flaky"><flakyFailure message="once"><stackTrace>x</stackTrace></flakyFailure></testcase>
<testcase classname="c" name="rerun"><failure message="no"/><rerunFailure message="no"/></testcase>
<testcase name="bare"/>
</testsuite></testsuite>
"""


def read(path: Path, text: str | bytes) -> dict[str, Outcome]:
    """Read the outcomes of a file with this content."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    side = load_junit(path, name="junit.xml")
    return dict(side.cells[FOREIGN].cases)


P, F, E, S, X, Y = (
    Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED, Outcome.XFAILED, Outcome.FLAKY,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        (PYTEST, {"tests.test_a::test_pass[a|b]": P, "tests.test_a.TestX::test_fail": F, "tests.test_a::test_skip": S,
                  "tests.test_a::test_xfail": X, "tests.test_a::test_setup": E}),
        (GO_JUNIT, {"github.com/x/y::TestA": P, "github.com/x/y::TestB/sub_test": F, "github.com/x/y::TestC": S}),
        (GOTESTSUM, {"pkg::TestRetried": Y, "pkg::TestBad": F}),
        (SUREFIRE, {"c::flaky": Y, "c::rerun": F, "inner::bare": P}),
        ("<testsuites/>", {}),
        ("\ufeff<testsuite><testcase name='a'/></testsuite>", {"a": P}),
        ("<testsuites><testcase name='a' classname='b'/></testsuites>", {"b::a": P}),
    ],
)  # fmt: skip
def test_each_tool_is_read_as_it_means_it(tmp_path: Path, text: str, cases: dict[str, Outcome]) -> None:
    """Failures, errors, skips, expected failures and passes after a rerun of each tool are what they are."""
    assert read(tmp_path / "j.xml", text) == cases


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_encoding_is_that_of_the_file(tmp_path: Path, encoding: str) -> None:
    """What the file says about its encoding holds."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><testsuite><testcase name="größer"/></testsuite>'
    path = tmp_path / "j.xml"
    assert read(path, text.encode(encoding)) == {"größer": P}
    assert open_side(str(path), Places(runs=tmp_path, baselines=tmp_path)).kind == "junit"


def test_a_pass_before_a_failure_is_a_failure(tmp_path: Path) -> None:
    """Two cases with one name hide no failure: only a failure that is followed by a pass is a rerun."""
    text = "<testsuite><testcase name='a'/><testcase name='a'><failure/></testcase></testsuite>"
    assert read(tmp_path / "j.xml", text) == {"a": F}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "junit.xml:1:1: the file is empty"),
        (" \n ", "junit.xml:1:1: the file is empty"),
        (PYTEST[:400], "The file was cut off."),
        (PYTEST[: PYTEST.index("hello")], "inside <system-out>"),
        ("<html><body/></html>", "junit.xml:1:1: the outermost element is <html>, not <testsuites>"),
        ("<testsuite>\n<testcase/></testsuite>", "junit.xml:2:1: this <testcase> has no name."),
        ("<testsuite>\n <testcase name='a\x1b[31m'/></testsuite>", "junit.xml:2:19: this JUnit file is broken"),
        (b"<testsuite>\n<testcase name='\xff\xfe'/></testsuite>", "junit.xml:2:17: this JUnit file is broken"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "unknown encoding"),
        ("<testsuite><a></b></testsuite>", "mismatched tag"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite/>', "a JUnit file has no DOCTYPE"),
        ("<testsuite>" * 101, "nested too deeply"),
    ],
)
def test_broken_files_are_refused_with_their_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    """Truncated, foreign, ill-encoded and malicious files have a sentence with file:line:column."""
    with pytest.raises(InfrastructureError, match=r"^junit\.xml:\d+:\d+: ") as caught:
        read(tmp_path / "j.xml", text)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    """A file that ends early anywhere is refused, and never read as one with fewer cases."""
    for end in range(1, len(PYTEST.rstrip()), 7):
        with pytest.raises(InfrastructureError, match="cut off"):
            read(tmp_path / "j.xml", PYTEST[:end])


@pytest.mark.slow
def test_log_of_100_mb_is_skipped_and_such_a_tag_refused(tmp_path: Path) -> None:
    """A long line in a log is nothing; one in an attribute is refused at its place before it fills the memory."""
    path = tmp_path / "j.xml"
    with path.open("wb") as file:
        file.write(b"<testsuite><testcase name='a'><system-out>")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"</system-out></testcase></testsuite>")
    assert load_junit(path, name="j").cells[FOREIGN].cases == {"a": P}
    text = path.read_bytes().replace(b"<system-out>", b"<failure message='").replace(b"</system-out>", b"'/>")
    path.write_bytes(text)
    with pytest.raises(InfrastructureError, match=r"j:1:31: one tag is longer than 16 MB"):
        load_junit(path, name="j")


def test_our_own_file_says_the_same_as_the_run(tmp_path: Path) -> None:
    """Cells with axes, node ids, outcomes and what broke come back from our JUnit as from result.json."""
    axes = {"distro": "debian/bookworm", "systemd": "252", "go": "1.27", "cgroup": "legacy",
            "runtime": "runc@1.1.5", "flavor": None}  # fmt: skip
    cases = tuple(
        CaseResult(nodeid=f"cgroup/test_x.py::test_{outcome}[a-b]", outcome=outcome, raw=outcome, seconds=1)
        for outcome in (P, F, E, S, Y)
    )
    facts = {"systemd": "252.39-1", "runtime": "runc version 1.1.5"}
    name = "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5"
    cell = CellResult(id=name, axes=axes, facts=facts, cases=cases)
    dead = CellResult(id="dead+systemd-262+legacy+nspawn", axes=axes, error="The guest died.\nSee its console.")
    run = RunResult(id="r", harness="0", command="c", started="2026-11-24T00:00:00+00:00", cells=(cell, dead))
    junit.write(run, tmp_path / "junit.xml")
    ours, theirs = load_junit(tmp_path / "junit.xml", name="r"), load_run(write_run(tmp_path, run), name="r")

    assert ours.cells[name].axes == theirs.cells[name].axes
    assert ours.cells[name].cases == theirs.cells[name].cases
    assert ours.cells[name].facts.items() >= facts.items()
    assert (ours.cells[dead.id].error, ours.cells[dead.id].cases) == (theirs.cells[dead.id].error, {})


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
FILE_NAMES = TEXTS.filter(lambda text: text not in {"", ".", ".."} and not {"/", "\0"} & set(text))
NODEIDS = st.builds(
    "{}{}".format, FILE_NAMES.filter(lambda text: text[0] not in "-:"), TEXTS.filter(lambda text: "." not in text)
)
CASES = st.builds(
    CaseResult,
    nodeid=st.one_of(NODEIDS, st.sampled_from(["pod/test_a.py::test_b[x.y/z]", "a.b/test_c.py::T::test[::]", "cell"])),
    outcome=st.sampled_from(list(Outcome)), raw=st.just(P), seconds=st.just(0.5), message=TEXTS, details=TEXTS,
    expectation=st.none() | TEXTS,
)  # fmt: skip
CELLS = st.builds(
    CellResult,
    id=FILE_NAMES,
    axes=st.dictionaries(st.sampled_from(["distro", "systemd", "cgroup", "runtime", "go"]), st.none() | TEXTS),
    facts=st.dictionaries(TEXTS, TEXTS, max_size=3),
    cases=st.lists(CASES, max_size=4).map(tuple),
    error=st.none() | TEXTS.filter(lambda text: bool(text.strip())),
)


@pytest.mark.slow
@given(cells=st.lists(CELLS, max_size=3, unique_by=lambda cell: cell.id), interrupted=st.booleans())
def test_any_run_is_the_same_in_its_junit(
    tmp_path_factory: pytest.TempPathFactory, cells: list[CellResult], *, interrupted: bool
) -> None:
    """Whatever names, outcomes, messages, facts and errors a run has, its junit.xml says what its result.json says."""
    directory = tmp_path_factory.mktemp("run")
    run = RunResult(
        id="r", harness="0", command="harness run --shard 1/2", started="2026-11-24", shard=(1, 2),
        computer={"cores": "2"}, cells=tuple(cells), interrupted=interrupted,
    )  # fmt: skip
    junit.write(run, directory / "junit.xml")
    ours, theirs = load_junit(directory / "junit.xml", name="r"), load_run(write_run(directory, run), name="r")
    for cell in theirs.cells.values():
        assert ours.cells[cell.id] == replace(cell, place="r")
    assert replace(ours, cells={}, kind="run") == replace(theirs, cells={})
    shutil.rmtree(directory)


def test_passes_that_were_not_expected_change_nothing(tmp_path: Path) -> None:
    """A run is the same as its own JUnit, with expected failures and unexpected passes."""
    outcomes = {"s/test_a.py::test_x": Outcome.XPASSED, "s/test_a.py::test_y": X, "s/test_a.py::test_z": F}
    run = run_result("r", {"c": outcomes})
    junit.write(run, tmp_path / "junit.xml")
    found = compare(load_run(write_run(tmp_path, run), name="a"), load_junit(tmp_path / "junit.xml", name="b"))
    assert found.counts == {ChangeKind.STILL_FAILING: 1, ChangeKind.SAME: 2}
