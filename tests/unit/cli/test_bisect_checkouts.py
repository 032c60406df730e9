"""`harness bisect`: any repository, a command in checkouts, no guest, no matrix; and what --resume takes for the same question."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bisect.records import Begun, Sample
from harness.cli import main
from harness.errors import ExitCode
from harness.model import Verdict
from tests.helpers.bisections import Repo, git, script

pytestmark = pytest.mark.slow

STATE = "#!/bin/sh\necho asked >>$0.asked; grep -q g state.txt\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a directory of the test's own, from which it may go on to others; in the end all is as before."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A line of commits, in which the user is."""
    made = Repo.empty(tmp_path / "repo").line("gggggbbb")
    monkeypatch.chdir(made.path)
    return made


def harness(tmp_path: Path, *words: str, verb: str = "bisect") -> int:
    """Run the command line where there is no matrix, with a store and results of the test's own."""
    return main(["--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs"), verb, *words])


def read(tmp_path: Path) -> dict[str, object]:
    """Read the last result."""
    loaded: dict[str, object] = json.loads(max((tmp_path / "runs").glob("bisect-*/result.json")).read_text())
    return loaded


ENDS = ("--good", "HEAD~7", "--bad", "HEAD")


@pytest.mark.parametrize("words", [
    ("--run", "./test-of-the-double"),
    ("--shell", "grep -q g state.txt"),
    ("--shell", "grep -q g state.txt", "--jobs", "3", "--noise", "none"),
    ("--run", "./test-of-the-double", "--trust-ends", "--noise", "none"),
])  # fmt: skip
def test_culprit_in_checkouts(
    tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """The commit is found with no matrix anywhere near; the user's repository and tree stay as they were, and no tree is left."""
    script(repo.path, STATE)
    before = git(repo.path, "status", "--porcelain"), git(repo.path, "for-each-ref")

    assert harness(tmp_path, *ENDS, *words, "--format", "ids") == ExitCode.OK
    assert capsys.readouterr().out == f"{repo.names[5]}\n"
    (run,) = (tmp_path / "runs").glob("bisect-*")
    assert list(run.rglob("state.txt")) == []
    assert "and the command ran in the checkout" in (run / "bug-report.md").read_text()
    assert "a guest was booted" not in (run / "bug-report.md").read_text()
    assert "grep -q g state.txt" in (run / "bug-report.md").read_text()
    shutil.rmtree(repo.path / "test-of-the-double.asked", ignore_errors=True)
    (repo.path / "test-of-the-double.asked").unlink(missing_ok=True)
    assert (git(repo.path, "status", "--porcelain"), git(repo.path, "for-each-ref")) == before


def test_trusted_ends_are_not_tested(tmp_path: Path, repo: Repo) -> None:
    """With --trust-ends a reliable test of 8 commits takes no more than git's 3 steps, and what confirms the answer."""
    path = script(tmp_path, STATE)
    words = ("--run", str(path), "--trust-ends", "--noise", "none")

    assert harness(tmp_path, *ENDS, *words) == ExitCode.OK
    assert len(Path(f"{path}.asked").read_text().split()) <= 3 + 2 + 1


def test_a_script_of_the_repository_is_that_of_each_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tracked script runs as each commit has it, in the directory where the user is; before it was there is a skip."""
    repo = Repo.empty(tmp_path / "repo")
    repo.commit("nothing", below__file="x")
    for letter in "gggbb":
        (repo.path / "below").mkdir(exist_ok=True)
        text = f"#!/bin/sh\ntest {letter} = g && test -e file.txt\n"
        (repo.path / "below" / "check").write_text(text)
        (repo.path / "below" / "check").chmod(0o755)
        repo.commit(f"check is {letter} {len(repo.names)}", n=str(len(repo.names)))
    os.chdir(repo.path / "below")

    words = ("--good", "HEAD~4", "--bad", "HEAD", "--run", "./check", "--format", "ids")
    assert harness(tmp_path, *words) == ExitCode.OK
    assert capsys.readouterr().out == f"{repo.names[4]}\n"
    assert harness(tmp_path, "--at", "HEAD~5", "--run", "./check", "--format", "ids") == ExitCode.INFRASTRUCTURE
    assert capsys.readouterr().out == "skip\n"
    assert harness(tmp_path, "--at", "HEAD~4", "--run", "./check", "--format", "ids") == ExitCode.OK


@pytest.mark.parametrize(("words", "sentence"), [
    ((*ENDS,), "Say what decides: --run COMMAND or --shell TEXT."),
    ((*ENDS, "--run", "a", "--shell", "b"), "Give either --run or --shell, not both."),
    ((*ENDS, "--run", "./nowhere"), "The command `./nowhere` is neither in the repository nor in"),
    ((*ENDS, "--run", "no-such-command-here"), "`no-such-command-here` is not there"),
    ((*ENDS, "--bad", "HEAD~1", "--run", "true"), "There is one newer end; --bad was given 2 times."),
    ((*ENDS, "--run", "true", "--accept-changes"), "`--accept-changes` belongs to --resume"),
    (("--good", "HEAD", "--bad", "HEAD~3", "--run", "true"), "is a descendant of the newer end"),
    (("--at", "HEAD", "--good", "HEAD~1", "--bad", "HEAD", "--run", "true"), "Name both ends"),
    ((*ENDS, "--run", "true", "--repo", "/nowhere/at/all"), "does not exist"),
    ((*ENDS, "--run", "true", "--timeout", "0"), "--timeout takes seconds, more than 0"),
    ((*ENDS, "--run", "true", "--timeout", "nan"), "--timeout takes seconds, more than 0"),
])  # fmt: skip
def test_refused(
    tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    """What is wrong is said before anything begins."""
    assert harness(tmp_path, *words) == ExitCode.USAGE
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "runs").glob("*"))


def test_a_release_of_another_branch(tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    """An end on a release branch is replaced by where the branches part, and the user reads so; several ends are taken."""
    git(repo.path, "checkout", "--quiet", "-b", "release", repo.names[2])
    repo.commit("release", release="1")
    git(repo.path, "checkout", "--quiet", "main")
    words = ("--good", "release", "--good", "HEAD~7", "--bad", "main", "--shell", "grep -q g state.txt")

    assert harness(tmp_path, *words) == ExitCode.OK
    said = capsys.readouterr()
    assert (
        f"release is not an ancestor of main, so the search starts where the two diverge, at {repo.names[2][:12]}."
        in said.out + said.err
    )
    found = read(tmp_path)
    assert found["answer"]["suspects"][0]["revision"] == repo.names[5]  # type: ignore[index]
    assert found["begun"]["old"] == repo.names[2]  # type: ignore[index]
    assert "--good release --bad main --good 'HEAD~7'" in found["commands"][-1]["line"]  # type: ignore[index]


def test_a_range_is_skipped(tmp_path: Path, repo: Repo) -> None:
    """--skip takes a range, of which only what is searched counts."""
    words = (*ENDS, "--skip", f"{repo.names[3]}..{repo.names[5]}", "--shell", "grep -q g state.txt")

    assert harness(tmp_path, *words) == ExitCode.FAILED
    suspects = {item["revision"] for item in read(tmp_path)["answer"]["suspects"]}  # type: ignore[index]
    assert suspects == set(repo.names[4:7])


def test_a_changed_history_is_told_change_by_change(tmp_path: Path) -> None:
    """Broken, fixed, broken again: each change is named, nothing is called flaky, and git's log has no made-up marks."""
    repo = Repo.empty(tmp_path / "repo").line("gggbbbbggggbbbb")
    os.chdir(repo.path)
    words = ("--good", "HEAD~14", "--bad", "HEAD", "--noise", "none")
    assert harness(tmp_path, *words, "--shell", "test ! -e /nowhere || exit 130; exit 200") == ExitCode.INFRASTRUCTURE
    # What samples side by side, or a wider search before, can have shown: two results that no single commit explains.
    (journal,) = (tmp_path / "runs").glob("bisect-*/journal.jsonl")
    first, _, rest = journal.read_text().partition("\n")
    begun = Begun.model_validate_json(first).model_copy(update={"run": ("sh", "-c", "grep -q g state.txt")})
    seen = [
        Sample(revision=repo.names[place], verdict=verdict) for place, verdict in ((5, Verdict.BAD), (9, Verdict.GOOD))
    ]
    journal.write_text("\n".join([begun.model_dump_json(), rest.strip(), *(it.model_dump_json() for it in seen), ""]))

    assert harness(tmp_path, "--resume", "--shell", "grep -q g state.txt") == ExitCode.FAILED
    found = read(tmp_path)
    assert found["answer"]["kind"] == "changes"  # type: ignore[index]
    named = {change["after"] for change in found["answer"]["changes"]}  # type: ignore[index]
    assert named == {repo.names[3], repo.names[7], repo.names[11]}
    log = max((tmp_path / "runs").glob("bisect-*/bisect.log"))
    assert [line for line in log.read_text().splitlines() if not line.startswith(("#", "git bisect start"))] == []
    report = log.with_name("bug-report.md").read_text()
    assert "The test changed 3 times" in report
    assert "Probability" not in report


KILLER = """#!/bin/sh
# Ends its bisection once, at the third sample.
echo >>$0.times
[ "$(wc -l <$0.times)" != 3 ] || exit 130
. "${0%/*}/settings"
grep -q g state.txt && [ -n "${WHAT:-}" ]
"""


@pytest.mark.parametrize(("change", "said"), [
    ("nothing", ""),
    ("variable", "the variable WHAT is no longer set"),
    ("value", "the variable WHAT has changed"),
    ("helper", "settings has changed"),
    ("gone", "settings no longer exists"),
    ("new", ""),
])  # fmt: skip
def test_resume_asks_the_same_question(
    tmp_path: Path,
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
    said: str,
) -> None:
    """Where the environment or a script that the command calls has changed, --resume refuses, and goes on if it may."""
    path, settings = script(tmp_path, KILLER), tmp_path / "settings"
    settings.write_text("true\n")
    monkeypatch.setenv("WHAT", "y")
    again = ("--resume", "--run", str(path))
    assert harness(tmp_path, *ENDS, "--run", str(path)) == ExitCode.INFRASTRUCTURE
    match change:
        case "variable":
            monkeypatch.delenv("WHAT")
        case "value":
            monkeypatch.setenv("WHAT", "z")
        case "helper":
            settings.write_text("true # edited\n")
        case "gone":
            settings.unlink()
        case "new":
            monkeypatch.setenv("ANOTHER", "1")
            monkeypatch.setenv("TERM", "another")
        case _:
            pass
    capsys.readouterr()
    if not said:
        assert harness(tmp_path, *again) == ExitCode.OK
        return
    assert harness(tmp_path, *again) == ExitCode.USAGE
    assert said in " ".join(capsys.readouterr().err.split())
    if change in {"helper", "value"}:
        assert harness(tmp_path, *again, "--accept-changes") == ExitCode.OK
        assert "accepted" in capsys.readouterr().out


def test_nothing_is_reused_unless_it_is_wanted(tmp_path: Path, repo: Repo) -> None:
    """A second bisection by the same command asks again; with --reuse it takes what the first saw, unless a helper changed."""
    path = script(tmp_path, STATE.replace("grep", ". ${0%/*}/helper; grep"))
    (tmp_path / "helper").write_text("true\n")
    counts: list[int] = []
    for words in ((), (), ("--reuse",), ("--reuse",)):
        if len(counts) == 3:
            (tmp_path / "helper").write_text("true # another\n")
        Path(f"{path}.asked").unlink(missing_ok=True)
        assert harness(tmp_path, *ENDS, "--noise", "none", "--run", str(path), *words) == ExitCode.OK
        counts.append(len(Path(f"{path}.asked").read_text().split()))

    assert counts[0] == counts[1] == counts[3]
    assert counts[2] < counts[0]


@pytest.mark.parametrize("how", ["remove", "chmod", "interpreter"])
def test_a_command_that_disappears_ends_the_search(
    tmp_path: Path, repo: Repo, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """That the command cannot start says nothing about a revision: it stops, and goes on when the command is back."""
    deeds = {"remove": "rm $0", "chmod": "chmod -x $0", "interpreter": "sed -i 1s,sh,gone, $0"}
    text = f"#!/bin/sh\necho >>$0.n; [ $(wc -l <$0.n) != 3 ] || {deeds[how]}\ngrep -q g state.txt\n"
    path = script(tmp_path, text)

    assert harness(tmp_path, *ENDS, "--run", str(path)) == ExitCode.INFRASTRUCTURE
    said = " ".join(capsys.readouterr().err.split())
    assert "The bisection stops here, and nothing is lost" in said
    assert '"verdict":"skip"' not in max((tmp_path / "runs").glob("bisect-*/journal.jsonl")).read_text()
    script(tmp_path, text)
    assert harness(tmp_path, "--resume", "--run", str(path)) == ExitCode.OK


@pytest.mark.parametrize(
    ("hang", "code", "kind"), [("bad", ExitCode.OK, "culprit"), ("skip", ExitCode.INFRASTRUCTURE, "untestable")]
)
def test_a_command_that_hangs(tmp_path: Path, repo: Repo, hang: str, code: ExitCode, kind: str) -> None:
    """A hang is what the user says that it is, after the time that the user gives; by default it says nothing."""
    text = "grep -q g state.txt || sleep 600"
    words = (*ENDS, "--noise", "none", "--shell", text, "--timeout", "1.5", "--hang", hang, "--jobs", "2")

    assert harness(tmp_path, *words) == code
    assert read(tmp_path)["answer"]["kind"] == kind  # type: ignore[index]
    assert "--timeout 1.5" in read(tmp_path)["commands"][-1]["line"]  # type: ignore[index]


@pytest.mark.parametrize("noise", ["none", "low"])
def test_one_command_at_a_time(tmp_path: Path, repo: Repo, noise: str) -> None:
    """With -j 1 no two commands run side by side, not for the ends nor for what confirms the answer."""
    lock = tmp_path / "lock"
    text = f"mkdir {lock} || {{ echo >>{lock}.taken; exit 1; }}; sleep 0.2; grep -q g state.txt; c=$?; rmdir {lock}; exit $c"

    assert harness(tmp_path, *ENDS, "--noise", noise, "--shell", text) == ExitCode.OK
    assert not Path(f"{lock}.taken").exists()


def test_names_with_every_sign(tmp_path: Path, repo: Repo) -> None:
    """The culprit's files may have a newline, a tab and quotes in their names, and a path is relative to where the user is."""
    odd = repo.path / "below" / 'a\nb\t"c'
    repo.commit("a directory", below__file="x")
    odd.write_text("1")
    repo.commit("odd names", state="b2")
    os.chdir(odd.parent)
    words = (
        "--good",
        "HEAD~1",
        "--bad",
        "HEAD",
        "--shell",
        "! grep -q 2 ../state.txt",
        "--noise",
        "none",
        "--",
        "file",
    )

    assert harness(tmp_path, *words) == ExitCode.OK
    assert 'below/a\nb\t"c' in read(tmp_path)["culprit"]["files"]  # type: ignore[index]
    assert read(tmp_path)["begun"]["paths"] == ["below/file"]  # type: ignore[index]


def test_all_that_can_be_tested_is_tested(tmp_path: Path) -> None:
    """Among many skips nothing that would give a verdict is left untried."""
    repo = Repo.empty(tmp_path / "repo").line("ggggsgggsgsggsgsssgssbssbbbb")
    os.chdir(repo.path)
    words = ("--good", "HEAD~27", "--bad", "HEAD", "--noise", "none")

    assert (
        harness(tmp_path, *words, "--shell", "! grep -q s state.txt || exit 125; grep -q g state.txt")
        == ExitCode.FAILED
    )
    suspects = {item["revision"] for item in read(tmp_path)["answer"]["suspects"]}  # type: ignore[index]
    assert suspects == set(repo.names[19:22])


def test_a_merge_base_that_fails_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A release with a fix of its own: the reader learns that the fix is there, and how to find it."""
    repo = Repo.empty(tmp_path / "repo").line("bbb")
    git(repo.path, "checkout", "--quiet", "-b", "release")
    repo.commit("fix", state="g")
    git(repo.path, "checkout", "--quiet", "main")
    repo.commit("more", other="1")
    os.chdir(repo.path)
    words = ("--good", "release", "--bad", "main", "--noise", "none", "--shell", "grep -q g state.txt")

    assert harness(tmp_path, *words) == ExitCode.FAILED
    said = capsys.readouterr().out
    assert f"`--find-fix --good release --bad {repo.names[2][:12]}`" in said
    assert "90 % interval" not in said


def test_the_reverted_commit_can_be_reached(tmp_path: Path, repo: Repo) -> None:
    """A command that looks at HARNESS_REVISION finds each in HARNESS_REPOSITORY, the revert included."""
    git(repo.path, "rm", "--quiet", "src/part6.txt")
    repo.commit("last", other="1")
    text = '#!/bin/sh\ngit -C "$HARNESS_REPOSITORY" show "$HARNESS_REVISION:state.txt" | grep -q g\n'
    path = script(tmp_path, text)
    words = ("--good", "HEAD~8", "--bad", "HEAD", "--run", str(path))

    assert harness(tmp_path, *words) == ExitCode.OK
    assert read(tmp_path)["revert"]["verdict"] == "good"  # type: ignore[index]


def test_one_thousand_lines_of_noise_are_bounded(tmp_path: Path, repo: Repo) -> None:
    """A command that prints 100 MB, in one line, leaves a journal and a result of kilobytes."""
    words = (*ENDS, "--noise", "none", "--shell", "head -c 100000000 /dev/zero | tr '\\0' x; grep -q g state.txt")

    assert harness(tmp_path, *words) == ExitCode.OK
    (run,) = (tmp_path / "runs").glob("bisect-*")
    assert max((run / name).stat().st_size for name in ("journal.jsonl", "result.json", "report.html")) < 1 << 20
    assert max(path.stat().st_size for path in run.rglob("run.log")) < 10 << 20


def test_a_killed_one_goes_on(tmp_path: Path, repo: Repo) -> None:
    """After kill -9 in the middle of a command, --resume finds the culprit; no finished sample is taken again."""
    path = script(tmp_path, STATE.replace("echo", "sleep 0.3; echo"))
    words = ["--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs"), "bisect"]
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *words, *ENDS, "--run", str(path)], stdout=subprocess.DEVNULL
    ) as running:
        asked = Path(f"{path}.asked")
        while not asked.exists() or len(asked.read_text().split()) < 3:
            assert running.poll() is None
        running.kill()
    (journal,) = (tmp_path / "runs").glob("bisect-*/journal.jsonl")
    done = journal.read_text().count('"observed"')

    assert harness(tmp_path, "--resume", "--run", str(path)) == ExitCode.OK
    assert done >= 2
    assert journal.read_text().count('"observed"') == read(tmp_path)["answer"]["tests"]  # type: ignore[index]
    assert read(tmp_path)["answer"]["suspects"][0]["revision"] == repo.names[5]  # type: ignore[index]
