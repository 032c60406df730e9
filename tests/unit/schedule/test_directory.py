"""Directories of runs: found by name, held by one process, and not left behind by a run that never was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli, rundir
from harness.errors import ExitCode, UsageError
from tests import ROOT

WORDS = ("--matrix", str(ROOT / "matrix.yaml"))

HOLDER = """\
import sys
from pathlib import Path
from harness import rundir
with rundir.lock_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def harness(runs: Path, *words: str) -> int:
    """Return the exit code of `harness run` for the project's own matrix."""
    return cli.main([*WORDS, "--runs", str(runs), "run", *words])


def test_found_by_name_path_and_last(tmp_path: Path) -> None:
    """The last one is the one with the highest number of the latest day, and no bisection."""
    for name in ("20261124-9", "20261124-10", "20261123-11", "bisect-20261125-1", "guests"):
        (tmp_path / name).mkdir()

    assert tmp_path / "20261124-9" == rundir.find_run(tmp_path, "20261124-9")
    assert tmp_path / "20261124-9" == rundir.find_run(Path("elsewhere"), str(tmp_path / "20261124-9"))
    assert tmp_path / "20261124-10" == rundir.find_run(tmp_path, "last")
    with pytest.raises(UsageError, match="There is no run 20261124-1: "):
        rundir.find_run(tmp_path, "20261124-1")
    with pytest.raises(UsageError, match="There is no run in "):
        rundir.find_run(tmp_path / "guests", "last")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A run that goes on is not gone on with; one whose process was killed is."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        with pytest.raises(UsageError, match="is still going on, in another process"), rundir.lock_directory(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    with rundir.lock_directory(tmp_path):
        pass


@pytest.mark.slow
def test_words_are_no_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`harness run quick` does not run everything: the word is no option of pytest, and what was meant is said."""
    assert ExitCode.USAGE == harness(tmp_path, "quick", "--dry-run")
    assert ExitCode.USAGE == harness(tmp_path, "--suites", ",", "--dry-run")
    assert "--profile, --cell and --select choose cells" in capsys.readouterr().err
    assert ExitCode.OK == harness(tmp_path, "--profile", "quick", "--dry-run", "--", "-k", "quick")


def test_a_refused_run_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a guest has no room the run ends before it begins, and `last` is what it was."""
    assert ExitCode.USAGE == harness(tmp_path, "--profile", "quick", "--memory", "100")
    assert "MiB" in capsys.readouterr().err
    assert ExitCode.USAGE == cli.main(
        ["--store", "/proc/no", *WORDS, "--runs", str(tmp_path), "run", "--profile", "quick"]
    )
    assert "error: The directory /proc/no/ of the store cannot be made" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_run_here_is_meant_before_one_below_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word is a run in the working directory if there is one, and a directory that is no run hides nothing."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    for name in ("foo", "bar"):
        (tmp_path / name).mkdir()
        (runs / name).mkdir(parents=True)
    (tmp_path / "foo" / rundir.RESULT).touch()
    (runs / "bar" / rundir.RESULT).touch()

    assert tmp_path / "foo" == rundir.find_run(runs, "foo")
    assert tmp_path / "foo" == rundir.find_run(runs, "foo/result.json")
    assert runs / "bar" == rundir.find_run(runs, "bar")
    with pytest.raises(UsageError, match="There is no run baz: there is none here, and none in "):
        rundir.find_run(runs, "baz")


def test_the_last_bisection_goes_by_its_number_too(tmp_path: Path) -> None:
    """No clock of a file is asked, and neither a run nor a directory without a journal is a bisection to go on with."""
    for name in ("bisect-20261125-2", "bisect-20261125-10", "bisect-20261125-11", "20261126-1"):
        (tmp_path / name).mkdir()
    for name in ("bisect-20261125-2", "bisect-20261125-10"):
        (tmp_path / name / rundir.JOURNAL).touch()

    assert tmp_path / "bisect-20261125-10" == rundir.find_run(tmp_path, "last", prefix=rundir.BISECTION)
    assert tmp_path / "20261126-1" == rundir.find_run(tmp_path, "last")
