"""`harness boot`, `harness shell` and `harness console`, through the real executable."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness import proc
from harness.app.guest import open_guest
from harness.app.settings import resolve_settings
from harness.cli import main
from harness.errors import ExitCode, HarnessError
from harness.wait import Cancellation, Deadline
from tests import ROOT

CELL = "debian-bookworm+systemd-252+legacy+nspawn"


def harness(runs: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "--runs", str(runs), "--matrix", str(ROOT / "matrix.yaml"), *words]


@pytest.mark.slow
def test_what_is_left_of_a_guest(tmp_path: Path) -> None:
    """After Ctrl-C nothing is; the directory of a guest that could not be had is evidence."""
    cancelled = Cancellation()
    chosen = resolve_settings(
        matrix=ROOT / "matrix.yaml", store=tmp_path / "file", runs=tmp_path, debug=False, cancelled=cancelled
    )
    (tmp_path / "file").write_text("in the way of the store")

    def attempt() -> None:
        deadline = chosen.make_deadline(60, "guest")
        silent = nullcontext(lambda _: None)
        wanted = open_guest(chosen, CELL, deadline, silent, fresh=False, network=False, distro_options={})
        with pytest.raises(HarnessError), wanted:
            pytest.fail("There is a guest.")

    attempt()
    (left,) = (tmp_path / "guests").iterdir()
    cancelled.set()
    attempt()
    assert [left] == list((tmp_path / "guests").iterdir())


@pytest.mark.slow
def test_console_of_no_guest(tmp_path: Path) -> None:
    """A name that is no guest is a usage error that says what is one."""
    argv = harness(tmp_path, "console", "20261124-1/no-such-cell")
    done = proc.run(argv, deadline=Deadline.after(60, "console"), expect=(ExitCode.USAGE,))

    assert "There is no guest `20261124-1/no-such-cell`" in done.out
    assert "harness boot CELL" in done.out


@pytest.mark.slow
def test_shell_in_no_cell(tmp_path: Path) -> None:
    """A cell that does not exist is a usage error, before anything is built."""
    argv = harness(tmp_path, "shell", "no-such-cell")
    done = proc.run(argv, deadline=Deadline.after(60, "shell"), expect=(ExitCode.USAGE,))

    assert "no-such-cell" in done.out
    assert not (tmp_path / "guests").exists()


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_saved_log_is_judged(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`console check` ends with 1 if the guest was lost, also in a line without an end, and shows what it found."""
    log = tmp_path / "log"
    log.write_text("x[3]: segfault at 0\n[    1.000000] Kernel panic - not syncing: \x1b[2Jx")

    assert main(["console", "check", str(log), "--format", form]) == ExitCode.FAILED
    said = capsys.readouterr().out
    assert "\x1b" not in said
    if form == "json":
        answer = json.loads(said)
        assert answer["lost"]
        assert ["program-crashed", "kernel-panic"] == [finding["rule"] for finding in answer["findings"]]
        assert [1, 2] == [finding["line"] for finding in answer["findings"]]
    else:
        assert f"{log}:1: warning: program-crashed" in said
        assert f"{log}:2: fatal: kernel-panic" in said


def test_a_harmless_log_and_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log in which nothing is fatal ends with 0; one that is not there is a usage error, as is a word but `check`."""
    log = tmp_path / "log"
    log.write_text("[FAILED] Failed to start x.service\n'Kernel panic - not syncing: x'\n")

    assert main(["console", "check", str(log)]) == ExitCode.OK
    assert "unit-failed" in capsys.readouterr().out
    assert main(["console", "check", str(tmp_path / "none")]) == ExitCode.USAGE
    assert main(["console", "chekc", str(log)]) == ExitCode.USAGE
