"""`harness boot`, `harness shell` and `harness console`, through the real executable."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import proc
from harness.app.settings import resolve_settings
from harness.cli.guest import _open_guest
from harness.errors import ExitCode, HarnessError
from harness.image import Image
from harness.wait import Cancellation, Deadline, poll

ROOT = Path(__file__).parents[1]
CELL = "debian-bookworm+systemd-252+legacy+nspawn"


def harness(runs: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "--runs", str(runs), "--matrix", str(ROOT / "matrix.yaml"), *words]


@pytest.mark.guest
def test_shell_runs_in_the_guest_and_ends_it(tmp_path: Path, bookworm: Image) -> None:
    """A shell's commands run in the cell's guest, with its runtime there; nothing is left when it ends."""
    done = proc.run(
        harness(tmp_path, "shell", CELL),
        deadline=Deadline.after(240, "shell"),
        stdin=b"hostname; systemd-nspawn --version | head -n 1\nexit 3\n",
        apart=True,
    )

    assert done.out.startswith("guest\nsystemd 252")
    assert not list((tmp_path / "guests").iterdir())


@pytest.mark.guest
def test_boot_and_console(tmp_path: Path, bookworm: Image) -> None:
    """A booted guest says how to reach it, its console answers keys until Ctrl-], and Ctrl-C ends it."""
    deadline = Deadline.after(240, "boot and console")
    said = tmp_path / "said"
    with said.open("wb") as sink, proc.start(harness(tmp_path, "boot", CELL), output=sink) as process:
        poll(lambda: True if b"console:" in said.read_bytes() else None, deadline)
        (record,) = tmp_path.rglob("machine.json")
        guest = json.loads(record.read_text(encoding="utf-8"))
        config = record.with_name("ssh_config")
        assert f"ssh -F {config} guest" in said.read_text(encoding="utf-8")
        assert "guest\n" == proc.run(["ssh", "-F", str(config), "guest", "hostname"], deadline=deadline).out

        argv = harness(tmp_path, "console", str(record.parent))
        screen = tmp_path / "screen"
        with screen.open("wb") as shown, subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=shown) as console:
            assert console.stdin is not None
            console.stdin.write(b"\recho $((6 * 7))-$(hostname)\r")
            console.stdin.flush()
            poll(lambda: True if b"42-guest" in screen.read_bytes() else None, deadline)
            console.stdin.write(b"\x1d")
            console.stdin.flush()
            assert ExitCode.OK == console.wait(deadline.within(20, "end of the console").remaining)

        os.kill(process.pid, signal.SIGINT)
        assert ExitCode.INTERRUPTED == process.wait(deadline)
    assert not Path(guest["sockets"]).exists()
    assert not Path("/proc", str(guest["pid"])).exists()
    assert not list((tmp_path / "guests").iterdir())


def test_what_is_left_of_a_guest(tmp_path: Path) -> None:
    """After Ctrl-C nothing is; the directory of a guest that could not be had is evidence."""
    cancelled = Cancellation()
    chosen = resolve_settings(
        matrix=ROOT / "matrix.yaml", store=tmp_path / "file", runs=tmp_path, debug=False, cancelled=cancelled
    )
    (tmp_path / "file").write_text("in the way of the store")

    def attempt() -> None:
        deadline = chosen.make_deadline(60, "guest")
        with pytest.raises(HarnessError), _open_guest(chosen, CELL, deadline, fresh=False, distro_options={}):
            pytest.fail("There is a guest.")

    attempt()
    (left,) = (tmp_path / "guests").iterdir()
    cancelled.set()
    attempt()
    assert [left] == list((tmp_path / "guests").iterdir())


def test_console_of_no_guest(tmp_path: Path) -> None:
    """A name that is no guest is a usage error that says what is one."""
    argv = harness(tmp_path, "console", "20261124-1/no-such-cell")
    done = proc.run(argv, deadline=Deadline.after(60, "console"), expect=(ExitCode.USAGE,))

    assert "There is no guest `20261124-1/no-such-cell`" in done.out
    assert "harness boot CELL" in done.out


def test_shell_in_no_cell(tmp_path: Path) -> None:
    """A cell that does not exist is a usage error, before anything is built."""
    argv = harness(tmp_path, "shell", "no-such-cell")
    done = proc.run(argv, deadline=Deadline.after(60, "shell"), expect=(ExitCode.USAGE,))

    assert "no-such-cell" in done.out
    assert not (tmp_path / "guests").exists()
