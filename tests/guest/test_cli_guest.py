"""`harness boot`, `harness shell` and `harness console`, through the real executable, with real guests."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from harness import proc
from harness.errors import ExitCode
from harness.image import Image
from harness.wait import Deadline, poll
from tests import ROOT

CELL = "debian-bookworm+systemd-252+legacy+nspawn"


def harness(runs: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "--runs", str(runs), "--matrix", str(ROOT / "matrix.yaml"), *words]


def test_shell_runs_in_the_guest_and_ends_it(tmp_path: Path, bookworm: Image) -> None:
    """A shell's commands run in the cell's guest, with its runtime there; nothing is left when it ends."""
    done = proc.run(
        harness(tmp_path, "shell", CELL),
        deadline=Deadline.after(480, "shell"),
        stdin=b"hostname; systemd-nspawn --version | head -n 1\nexit 3\n",
        apart=True,
    )

    assert done.out.startswith("guest\nsystemd 252")
    assert not list((tmp_path / "guests").iterdir())


def test_boot_and_console(tmp_path: Path, bookworm: Image) -> None:
    """A booted guest says how to reach it, its console answers keys until Ctrl-], and Ctrl-C ends it."""
    deadline = Deadline.after(480, "boot and console")
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
