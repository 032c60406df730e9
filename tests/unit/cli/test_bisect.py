"""The command line of bisections: what is refused before anything is built or booted, and what can go on."""

import io
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from harness import rundir
from harness.app.bisect_setup import make_command
from harness.bisect import journal
from harness.bisect.candidates import read_candidates
from harness.bisect.records import Asked, Begun, Inquiry
from harness.bisect.report import SearchLines
from harness.bisect.repository import open_repository
from harness.bisect.session import SearchProgress
from harness.bisect.terms import Noise, Purpose
from harness.cli import main
from harness.cli.bisect_progress import Screen
from harness.errors import ExitCode
from harness.model import Event, Phase, State, Verdict
from harness.pipeline import RunContext
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers.bisections import Repo, begun, driver, git, script

TEST = "cgroup/test_places.py::test_processes_live_in_payload"
CELL = "debian-bookworm+systemd-252+unified+nspawn"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A line of commits."""
    return Repo.empty(tmp_path / "repo").line("gggbb")


def harness(tmp_path: Path, *words: str, verb: str = "bisect-systemd") -> int:
    """Run the command line on the project, with a store and results of the test's own."""
    own = ["--matrix", str(ROOT / "matrix.yaml"), "--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs")]
    return main([*own, verb, *words])


@pytest.mark.slow
@pytest.mark.parametrize(("words", "sentence"), [
    (["--good", "main~4", "--bad", "main"], "Say what decides: either --test NODEID or --run COMMAND."),
    (["--good", "main~4", "--bad", "main", "--test", TEST, "--run", "true"], "Say what decides"),
    (["--good", "main~4", "--test", TEST], "Name both ends with --good and --bad, or one revision with --at."),
    (["--good", "main", "--bad", "main", "--test", TEST], "Both ends are the same commit"),
    (["--good", "nowhere", "--bad", "main", "--test", TEST], "has no commit `nowhere`"),
    (["--good=-x", "--bad", "main", "--test", TEST], "The revision `-x` begins with a dash"),
    (["--good", "main", "--bad", "main~4", "--test", TEST], "is a descendant of the newer end"),
    (["--good", "main~4", "--bad", "main", "--test", "cgroup/none.py::test_x"], "The suites have no `cgroup/none.py`."),
    (["--good", "main~4", "--bad", "main", "--test", "cgroup/test_places.py::test_no"], "There is no case `test_no`"),
    (["--good", "main~4", "--bad", "main", "--test", "none/a.py"], "There is no suite `none`"),
    (["--good", "main~4", "--bad", "main", "--run", "no-such-command-here"], "`no-such-command-here` is not there"),
    (["--good", "main~4", "--bad", "main", "--run", "true", "--canary", TEST], "belong to --test"),
    (["--good", "main~4", "--bad", "main", "--test", TEST, "--matching", "("], "--matching `(` cannot be used: this is not a regular expression: missing )"),
    (["--good", "main~4", "--bad", "main", "--test", TEST, "--cell", "nothing"], "There is no cell `nothing`"),
    (["--good", "main~4", "--bad", "main", "--test", TEST, "--confidence", "2"], "The confidence must be"),
    (["--good", "main~4", "--bad", "main", "--run", "foo 'bar"], "`foo 'bar` of --run cannot be read: no closing"),
    (["--good", "main~4", "--bad", "main", "--run", "true", "--skip", "main"], "is to be skipped; without a verdict"),
    (["--good", "main~3", "--bad", "main", "--run", "true", "--skip", "main~4"], "is not between"),
    (["--good", "main~4", "--bad", "main", "--run", "true", "--term-new", "good"], "to git it means the other side."),
    (["--resume", "--good", "main"], "--resume continues a bisection as it was started"),
    (["--resume", "--noise", "none", "--find-fix"], "it takes only --accept-changes, --jobs and --format, not --find-fix, --noise."),
    (["--resume", "--confidence", "0.99"], ", not --confidence."),
    (["--resume", "--term-old", "zzz"], ", not --term-old."),
    (["--resume", "--boot-failure", "skip"], ", not --boot-failure."),
    (["--resume", "--first-parent", "--most-tests", "3"], ", not --first-parent, --most-tests."),
    (["--resume", "--skip", "a", "--matching", "b", "--canary", "c"], ", not --skip, --canary, --matching."),
    (["--resume", "a", "b"], "it takes only --accept-changes, --jobs and --format."),
    (["--resume"], "There is no bisection in"),
    (["--resume", "runs/none"], "There is no bisection runs/none"),
])  # fmt: skip
def test_refused(
    tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    """What cannot be is refused with a sentence and exit code 2, and leaves no bisection behind."""
    place = [] if "--resume" in words else ["--repo", str(repo.path)]

    assert harness(tmp_path, *place, *words) == ExitCode.USAGE
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/journal.jsonl"))


def test_a_command_of_axes_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the user's mistake, and no crash."""
    words = ["--good", CELL, "--bad", CELL.replace("unified", "legacy"), "--run", "a 'b"]

    assert harness(tmp_path, *words, verb="bisect-axes") == ExitCode.USAGE
    assert "The command `a 'b` of --run cannot be read: no closing quotation." in capsys.readouterr().err


@pytest.mark.slow
def test_paths_that_nothing_touches_are_noted(tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt path leaves no commit out and weighs nothing, so it is said."""
    words = ["--repo", str(repo.path), "--good", "main~4", "--bad", "main", "--run", "true", "--confidence", "2"]

    assert harness(tmp_path, *words, "--", "src/nspwan", "src", "./src/part2.txt", "src/part0.txt") == ExitCode.USAGE
    noted = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    # The file of the older end is none that a commit after it touches.
    assert noted == [
        f"note: No commit between main~4 and main touches `{path}`; all are searched."
        for path in ("src/nspwan", "src/part0.txt")
    ]


@pytest.mark.slow
def test_runtime_that_is_not_built(tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """Nspawn has no history of its own: it is a part of systemd."""
    words = ["--repo", str(repo.path), "--good", "main~4", "--bad", "main", "--test", TEST, "--cell", CELL]

    assert harness(tmp_path, *words, verb="bisect-runtime") == ExitCode.USAGE
    assert "The runtime nspawn is not built" in capsys.readouterr().err


def test_go_has_no_repository(tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """The releases of Go are known, and no repository of the user's has them."""
    words = ["--repo", str(repo.path), "--good", "1.21", "--bad", "1.27", "--test", TEST, "--cell", CELL]

    assert harness(tmp_path, *words, verb="bisect-go") == ExitCode.USAGE
    assert "bisect-go takes no --repo" in capsys.readouterr().err


def test_missing_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is not there is named."""
    words = ["--good", "a", "--bad", "b", "--test", TEST, "--repo", str(tmp_path / "gone")]

    assert harness(tmp_path, *words) == ExitCode.USAGE
    assert f"The repository {tmp_path}/gone does not exist." in capsys.readouterr().err


def ended(
    tmp_path: Path, repo: Repo, deadline: Deadline, number: int = 1, states: str = "culprit",
    update: Mapping[str, object] | None = None,
) -> Begun:  # fmt: skip
    """Return a bisection by the double that has ended, where the command line looks for it; its cell is a real one."""
    ends = (repo.names[0], repo.names[-1]) if states == "culprit" else (repo.names[0], repo.names[1])
    record = begun(repo, script(tmp_path), old=ends[0], new=ends[1]).model_copy(update={"cell": CELL})
    with journal.begin(tmp_path / "runs" / f"bisect-20260101-{number}", record) as written:
        driver(written, Store(tmp_path / "store"), deadline).run()
    path = tmp_path / "runs" / f"bisect-20260101-{number}" / rundir.JOURNAL
    first, _, rest = path.read_text().partition("\n")
    changed = Begun.model_validate_json(first).model_copy(update=dict(update or {}))
    path.write_text(f"{changed.model_dump_json()}\n{rest}")
    return record


@pytest.mark.slow
def test_what_ended_is_shown_again(
    tmp_path: Path, repo: Repo, deadline: Deadline, capsys: pytest.CaptureFixture[str]
) -> None:
    """--resume of a bisection that has ended prints its answer, even if the repository is gone."""
    ended(tmp_path, repo, deadline)
    repo.path.rename(tmp_path / "moved")

    assert harness(tmp_path, "--resume", "--format", "ids") == ExitCode.OK
    assert capsys.readouterr().out == f"{repo.names[3]}\n"
    assert harness(tmp_path, "--resume") == ExitCode.OK
    said = capsys.readouterr().out
    assert repo.names[3][:12] in said
    assert f"--at {repo.names[3]}" in said


@pytest.mark.slow
def test_last_one_goes_on(tmp_path: Path, repo: Repo, deadline: Deadline, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a directory, --resume takes the one that was written last; with one, that; the exit code is the answer's."""
    ended(tmp_path, repo, deadline, 1)
    ended(tmp_path, repo, deadline, 2, "good")

    assert harness(tmp_path, "--resume", "--format", "ids") == ExitCode.FAILED
    assert harness(tmp_path, "--resume", "--format", "ids", "bisect-20260101-1") == ExitCode.OK
    assert (
        harness(tmp_path, "--resume", "--format", "json", str(tmp_path / "runs" / "bisect-20260101-1")) == ExitCode.OK
    )
    assert repo.names[3] in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_asked_for_is_written_down(
    tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal says where the command runs and what is skipped; commits that are no systemd cannot be tested."""
    monkeypatch.chdir(tmp_path)
    script(tmp_path)
    words = ["--repo", "repo", "--good", "main~4", "--bad", "main", "--run", "./test-of-the-double", "--skip", "main~2"]

    assert harness(tmp_path, *words, "--skip", repo.names[2]) == ExitCode.INFRASTRUCTURE
    (directory,) = (tmp_path / "runs").iterdir()
    record = journal.read(directory, Begun).begun
    assert (record.directory, record.skip) == (str(tmp_path), (repo.names[2],))


@pytest.mark.slow
def test_command_runs_where_it_was_begun(
    tmp_path: Path, repo: Repo, deadline: Deadline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A relative command is found again from another directory, and one there with the same name is not taken for it."""
    there, here = tmp_path / "there", tmp_path / "here"
    for place, code in ((there, 0), (here, 1)):
        place.mkdir()
        script(place, f"#!/bin/sh\nexit {code}\n")
    monkeypatch.chdir(here)
    asked = make_command(Inquiry(run=("./test-of-the-double",), directory=str(there)))
    work = RunContext(store=Store(tmp_path / "store"), emit=lambda _: None, deadline=deadline)
    assert (
        asked.run(Asked(number=1, revision="a" * 40, purpose=Purpose.SEARCH), {}, work, tmp_path).verdict
        is Verdict.GOOD
    )

    (here / "test-of-the-double").unlink()
    ended(tmp_path, repo, deadline, update={"run": ("./test-of-the-double",), "directory": str(there)})
    assert harness(tmp_path, "--resume", "--jobs", "1") == ExitCode.OK
    there.rename(tmp_path / "moved")
    assert harness(tmp_path, "--resume") == ExitCode.USAGE
    assert f"The directory {there} no longer exists; the command `./test-of-the-double`" in capsys.readouterr().err


@pytest.mark.slow
def test_at_work_elsewhere(tmp_path: Path, repo: Repo, deadline: Deadline, capsys: pytest.CaptureFixture[str]) -> None:
    """A bisection that another process is at is left to it."""
    ended(tmp_path, repo, deadline)
    with journal.resume(tmp_path / "runs" / "bisect-20260101-1", Begun):
        assert harness(tmp_path, "--resume") == ExitCode.USAGE
    assert "Another process is at the bisection" in capsys.readouterr().err


def test_the_printed_command_asks_the_same(repo: Repo) -> None:
    """What is printed to repeat a bisection has every option that was not a default, in words that a shell takes."""
    record = begun(
        repo,
        Path("/a b/test"),
        old="v1",
        new="v2",
        noise=Noise.LEARN,
        first_parent=True,
        paths=("src/x y",),
        most_tests=9,
    ).model_copy(update={"skip": ("v3",)})
    words = record.format_words()

    assert words[:2] == ["harness", "bisect-systemd"]
    for option, value in (
        ("--good", "v1"),
        ("--bad", "v2"),
        ("--noise", "learn"),
        ("--most-tests", "9"),
        ("--skip", "v3"),
    ):
        assert words[words.index(option) + 1] == value
    assert words[-2:] == ["--", "src/x y"]
    assert shlex.split(words[words.index("--run") + 1]) == ["/a b/test"]
    assert "--confidence" not in words


@pytest.mark.slow
def test_uncommitted_changes_are_noted(tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """A dirty repository is no error; it is said that its changes are not tested."""
    (repo.path / "state.txt").write_text("changed")
    words = ["--repo", str(repo.path), "--good", "main~4", "--bad", "main", "--test", "none/a.py"]

    assert harness(tmp_path, *words) == ExitCode.USAGE
    assert "changes that are not committed; they are not tested" in capsys.readouterr().out.replace("\n", " ")
    assert git(repo.path, "status", "--porcelain") == "M state.txt"


@pytest.mark.slow
def test_screen(tmp_path: Path, repo: Repo, deadline: Deadline) -> None:
    """A terminal shows what runs, how much is left and what is likeliest; each result is a line, in the user's words."""
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1]).model_copy(
        update={"term_old": "quick", "term_new": "slow"}
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=200, highlight=False)
    shown: list[str] = []
    with journal.begin(tmp_path / "run", record) as written:
        known = read_candidates(record, open_repository(str(repo.path), Store(tmp_path / "store"), deadline), deadline)
        screen = Screen(console, SearchLines(begun=record, commits=known.between.commits))

        def watch(progress: SearchProgress) -> None:
            screen.show_progress(progress)
            for asked in progress.running:
                screen.note_event(Event(cell=f"cell-g{asked.revision[:12]}", phase=Phase.BOOT, state=State.RUNNING))
            with console.capture() as captured:
                console.print(screen)
            shown.append(captured.get())

        driver(written, Store(tmp_path / "store"), deadline, watch=watch).run()
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()

    assert any("boot" in text and "left; likeliest" in text for text in shown)
    assert "slow" in said
    assert "quick" in said
    assert "bad " not in said


@pytest.mark.slow
@pytest.mark.parametrize(("words", "sentence"), [
    (["--good", CELL], "Name both cells with --good and --bad"),
    (["--good", CELL, "--bad", CELL, "--run", "true"], "The two cells are the same."),
    (["--resume", "--good", CELL], "besides one directory, and --run or --shell unchanged, it takes only --accept-changes and --format, not --good."),
    (["--resume"], "is of another kind."),
])  # fmt: skip
def test_axes_refused(
    tmp_path: Path, repo: Repo, deadline: Deadline, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    """What cannot be is refused with a sentence and exit code 2; the journal of another verb is not taken for one's own."""
    ended(tmp_path, repo, deadline)

    assert harness(tmp_path, *words, verb="bisect-axes") == ExitCode.USAGE
    assert sentence in capsys.readouterr().err
