"""`harness ci check` and `generate`: drift is found, printed as a patch, and repaired."""

import json
import subprocess
from pathlib import Path

import pytest

from harness import ci
from harness.ci import DriftState, Rendered
from harness.cli import main
from tests.helpers import trees

MATRIX = trees.AXES + "profiles:\n  quick: {select: runtime==nspawn}\n  slow: {}\n"
CI = "ci: {change: {profile: quick, shards: 2}, release: {profile: slow, shards: 3}}\n"
FILES = {file for system in ci.list_systems() for file in system.files}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose matrix says what CI runs, with its CI files, as the working directory."""
    trees.write(tmp_path, {**trees.PROJECT, "matrix.yaml": MATRIX + CI})
    monkeypatch.chdir(tmp_path)
    assert main(["ci", "generate", "--format", "ids"]) == 0
    return tmp_path


@pytest.mark.slow
def test_check_prints_the_drift(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` is 0 after `generate`; after a change of a file it is 1 and prints what differs."""
    assert main(["ci", "check"]) == 0
    assert "5 CI files match the matrix" in capsys.readouterr().out
    path = project / ".gitlab-ci.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("parallel: 2", "parallel: 5"), encoding="utf-8")
    (project / ".travis.yml").unlink()
    assert main(["ci", "check"]) == 1
    printed = capsys.readouterr().out
    assert "-  parallel: 5\n+  parallel: 2\n" in printed
    assert "--- /dev/null\n+++ b/.travis.yml\n" in printed
    assert "2 of 5 CI files do not match the matrix" in printed
    assert main(["ci", "check", "--format", "ids"]) == 1
    assert capsys.readouterr().out.split() == [".gitlab-ci.yml", ".travis.yml"]


@pytest.mark.slow
def test_a_change_of_the_matrix_is_drift(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One more shard in the matrix makes all files that name shards wrong, until they are generated."""
    trees.write(project, {"matrix.yaml": MATRIX + CI.replace("shards: 2", "shards: 1")})
    capsys.readouterr()
    assert main(["ci", "check", "--format", "ids"]) == 1
    assert set(capsys.readouterr().out.split()) == FILES
    assert main(["ci", "generate"]) == 0
    assert main(["ci", "check"]) == 0


def test_check_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--format json` has every file with its system, its state and its diff, and the same exit code."""
    (project / ".travis.yml").unlink()
    capsys.readouterr()
    assert main(["ci", "check", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    states = {item["path"]: (item["system"], item["state"], bool(item["diff"])) for item in found}
    assert states[".travis.yml"] == ("travis", "missing", True)
    assert states[".semaphore/release.yml"] == ("semaphore", "same", False)
    assert set(states) == FILES


def test_generate_touches_only_what_differs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is right already is not written again, so that nothing is rebuilt for it."""
    before = (project / ".travis.yml").stat().st_mtime_ns
    (project / ".gitlab-ci.yml").write_bytes(b"\xff no text")
    capsys.readouterr()
    assert main(["ci", "generate", "--format", "json"]) == 0
    done = {item["path"]: item["done"] for item in json.loads(capsys.readouterr().out)}
    assert done == {**dict.fromkeys(FILES, "unchanged"), ".gitlab-ci.yml": "updated"}
    assert (project / ".travis.yml").stat().st_mtime_ns == before


def test_the_diff_can_be_applied(tmp_path: Path) -> None:
    """What is printed is a patch that makes a file right, also where the last newline is missing."""
    file = Rendered(system="x", path="a/b.yml", text="one\ntwo\nthree\n")
    trees.write(tmp_path, {"a/b.yml": "one\n2\nthree"})
    [drift] = ci.compare([file], tmp_path)
    assert drift.state is DriftState.DIFFERS
    argv = ["patch", "--strip=1", "--quiet"]
    subprocess.run(argv, input=drift.diff, text=True, cwd=tmp_path, check=True, timeout=30)
    assert (tmp_path / "a/b.yml").read_text(encoding="utf-8") == file.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        (MATRIX, "there is no key `ci`"),
        (MATRIX + CI.replace("quick", "quikc"), "matrix.yaml:11:15: there is no profile `quikc`; known: quick, slow."),
        (MATRIX + CI.replace("shards: 2", "shards: 0"), "matrix.yaml:"),
        (MATRIX + CI.replace("shards: 2", "shards: 30"), "30 shards cannot share"),
    ],
)
def test_a_matrix_that_ci_cannot_run_is_a_usage_error(
    project: Path, matrix: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a key `ci`, with a profile that is not there or too many shards: exit code 2 and a whole sentence."""
    trees.write(project, {"matrix.yaml": matrix})
    assert main(["ci", "check"]) == 2
    assert problem in capsys.readouterr().err
