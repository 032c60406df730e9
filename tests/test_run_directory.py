"""Directories of runs: found by name, held by one process, and not left behind by a run that never was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli, schedule
from harness.errors import ExitCode, UsageError

ROOT = Path(__file__).parents[1]

WORDS = ("--matrix", str(ROOT / "matrix.yaml"))

HOLDER = """\
import sys
from pathlib import Path
from harness import schedule
with schedule.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def harness(runs: Path, *words: str) -> int:
    """The exit code of `harness run` with the project's own matrix."""
    return cli.main([*WORDS, "--runs", str(runs), "run", *words])


def test_found_by_name_path_and_last(tmp_path: Path) -> None:
    """The last one is the one with the highest number of the latest day, and no bisection."""
    for name in ("20261124-9", "20261124-10", "20261123-11", "bisect-20261125-1", "guests"):
        (tmp_path / name).mkdir()

    assert tmp_path / "20261124-9" == schedule.find(tmp_path, "20261124-9")
    assert tmp_path / "20261124-9" == schedule.find(Path("elsewhere"), str(tmp_path / "20261124-9"))
    assert tmp_path / "20261124-10" == schedule.find(tmp_path, "last")
    with pytest.raises(UsageError, match="There is no run 20261124-1: "):
        schedule.find(tmp_path, "20261124-1")
    with pytest.raises(UsageError, match="There is no run in "):
        schedule.find(tmp_path / "guests", "last")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A run that goes on is not gone on with; one whose process was killed is."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        with pytest.raises(UsageError, match="is still going on, in another process"), schedule.held(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    with schedule.held(tmp_path):
        pass


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
    assert "error: The store /proc/no cannot be made" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())
