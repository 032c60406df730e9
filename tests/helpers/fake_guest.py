"""A fake guest, and a child pytest with the plugin on it.

The guest is a real machine directory whose QEMU is a `sleep`, and an `ssh` on PATH that runs commands here as
long as that process lives.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from harness import proc
from harness.machine.files import MachineFiles, MachineRecord
from harness.model import Cell, CgroupMode
from harness.process_identity import read_boot_id, read_start_time
from harness.results import CaseResult
from harness.suite import parse_cases, read_report
from harness.wait import Deadline

CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="nspawn")

Limits = dict[str, float]

SSH = """#!/bin/sh
# ssh -F FILE guest COMMAND
directory=$(dirname "$2")
# A killed process is a zombie until the test collects it.
if [ -e "$directory/mute" ] || grep -q "^State:.Z" "/proc/$(cat "$directory/pid")/status"; then
    echo "Connection closed by remote host" >&2
    exit 255
fi
sh -c "$4"
"""


@contextmanager
def guest(tmp_path: Path) -> Iterator[Path]:
    """Directory of a fake guest, which lives as long as the context."""
    directory = tmp_path / "machine"
    directory.mkdir()
    with subprocess.Popen(["sleep", "600"]) as qemu:
        place = MachineFiles(directory)
        MachineRecord(
            name="fake", port=0, sockets=str(tmp_path), accelerator="tcg", pid=qemu.pid,
            started=read_start_time(qemu.pid), boot=read_boot_id(), spec={},
        ).write(place)  # fmt: skip
        (directory / "pid").write_text(str(qemu.pid))
        place.console.write_text("[    1.0] the last words of the guest\n")
        place.ssh_config.write_text("Host guest\n")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "ssh").write_text(SSH)
        (tmp_path / "bin" / "ssh").chmod(0o755)
        yield directory
        qemu.kill()


def run(
    tmp_path: Path, machine: Path, tests: str, *words: str, more: dict[str, object] | None = None, **suites: Limits
) -> tuple[str, dict[str, CaseResult]]:
    """Run a suite `demo` with these tests, more words for pytest and more in the description; output, and cases."""
    demo = tmp_path / "suites" / "demo"
    demo.mkdir(parents=True, exist_ok=True)
    (demo / "test_demo.py").write_text("import os, signal, time\nimport pytest\n" + tests)
    described = {"cell": asdict(CELL), "machine": str(machine), "suites": suites, **(more or {})}
    (tmp_path / "cell.json").write_text(json.dumps(described))
    argv = [
        sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(demo.parent), "-p", "no:cacheprovider",
        "-p", "harness.plugin", "--harness-cell", str(tmp_path / "cell.json"), "-ra", "--strict-markers",
        "--report-log", str(tmp_path / "log.jsonl"), *words, str(demo),
    ]  # fmt: skip
    env = proc.make_environment({"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"})
    done = proc.run(argv, deadline=Deadline.after(120, "child pytest"), expect=None, env=env)
    cases = {case.nodeid.rpartition("::")[2]: case for case in parse_cases(read_report(tmp_path / "log.jsonl"))}
    return done.out, cases
