"""`harness run` from end to end, in a process of its own: real guests, and what happens on bad days."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness import proc, results
from harness.errors import ExitCode
from harness.image import Image
from harness.model import Outcome, Phase, State
from harness.proc import Running
from harness.results import RunResult
from harness.wait import Deadline, poll
from tests import ROOT

CELL = "debian-bookworm+systemd-252+legacy+nspawn"


def harness(runs: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "--runs", str(runs), "--matrix", str(ROOT / "matrix.yaml"), *words]


@contextmanager
def running(runs: Path, *words: str, temporary: Path | None = None) -> Iterator[Running]:
    runs.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ)
    if temporary is not None:
        env |= {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary)}
    with (runs / "output").open("wb") as output, proc.start(harness(runs, *words), output=output, env=env) as process:
        yield process


def only_run(runs: Path) -> Path:
    (directory,) = (path for path in runs.iterdir() if path.is_dir())
    return directory


def leftovers(runs: Path) -> list[str]:
    """Return processes that use the run's directory, secrets and overlays, and sockets of guests whose harness is gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # it has just ended
            continue
        if str(runs) in words and path.parent.name != str(os.getpid()):
            found.append(f"{path.parent.name}: {words}")
    found += [str(path) for path in runs.rglob("*") if path.name in {"overlay.qcow2", "ssh_key"}]
    for record in runs.rglob("machine.json"):
        sockets = Path(json.loads(record.read_text(encoding="utf-8"))["sockets"])
        found += [str(sockets)] if sockets.exists() else []
    return found


def surroundings() -> tuple[frozenset[str], ...]:
    """Mounts and network namespaces of this computer."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    spaces = Path("/run/netns")
    return frozenset(mounts), frozenset(map(str, spaces.iterdir()) if spaces.exists() else ())


def result_of(runs: Path) -> RunResult:
    return results.read(only_run(runs) / "result.json")


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory, bookworm: Image) -> Path:
    """The directory of runs after a run of one cell that passed."""
    runs = tmp_path_factory.mktemp("passed")
    done = proc.run(
        harness(runs, "run", "--cell", CELL, "--suites", "cgroup", "--", "-k", "mounts or places"),
        deadline=Deadline.after(300, "run"),
    )
    (runs / "output").write_text(done.out, encoding="utf-8")
    return runs


def test_a_run_leaves_its_evidence(passed: Path) -> None:
    """Plan, console, journal, pytest's output, the result and JUnit are there, and say the same."""
    directory = only_run(passed)
    cell = directory / "cells" / CELL
    result = result_of(passed)

    for name in ("plan.json", "result.json", "pytest.log", "machine/console.log", "machine/journal.txt"):
        assert (cell / name).stat().st_size > 0, name
    assert Outcome.PASSED == result.cells[0].outcome
    assert "252" == result.cells[0].facts["systemd"].partition(".")[0]
    assert result.cells[0].facts["accelerator_reason"] in (directory.parent / "output").read_text(encoding="utf-8")
    assert "legacy" == result.cells[0].facts["cgroup"]
    assert f"harness run --cell {CELL} --suites cgroup -- -k 'mounts or places'" == result.cells[0].again
    assert len(result.cells[0].cases) == JUnitXml.fromfile(str(directory / "junit.xml")).tests
    assert {Phase.IMAGE, Phase.BOOT, Phase.SUITES} == {item.phase for item in result.cells[0].phases}
    assert State.CACHED == result.cells[0].phases[0].state


def test_a_run_leaves_nothing_else(passed: Path) -> None:
    """No process, overlay, key or socket outlives the run."""
    assert [] == leftovers(passed)


def suites_begun(runs: Path) -> bool | None:
    reports = [path.read_text(encoding="utf-8") for path in runs.glob("*/cells/*/reportlog.jsonl")]
    return True if any('"TestReport"' in text for text in reports) else None


def qemu_runs(runs: Path) -> bool | None:
    records = [json.loads(path.read_text(encoding="utf-8")) for path in runs.rglob("machine.json")]
    return True if any(record["pid"] for record in records) else None


def run_exists(runs: Path) -> bool | None:
    return True if list(runs.glob("*/cells/*")) else None


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where a run has its temporary files and sockets, which nobody else uses; sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="own-", dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [run_exists, qemu_runs, suites_begun])
def test_interruption_leaves_nothing(
    tmp_path: Path,
    bookworm: Image,
    temporary: Path,
    moment: Callable[[Path], bool | None],
    number: signal.Signals,
) -> None:
    """Ctrl-C or a termination signal at any moment: exit 130, a result that says so, nothing left behind."""
    deadline = Deadline.after(240, "interrupted run")
    before = surroundings()
    with running(tmp_path, "run", "--cell", CELL, "--suites", "cgroup", temporary=temporary) as process:
        poll(lambda: moment(tmp_path), deadline, every=0.02)
        os.kill(process.pid, number)
        assert ExitCode.INTERRUPTED == process.wait(deadline.within(40, "end of the run"))

    assert result_of(tmp_path).interrupted
    assert [] == leftovers(tmp_path)
    assert [] == list(temporary.rglob("*"))
    assert before == surroundings()


def test_guest_that_is_killed_is_an_error_and_no_failure(tmp_path: Path, bookworm: Image) -> None:
    """QEMU killed in the middle of a suite: cases are errors with the console's last lines, exit 3."""
    deadline = Deadline.after(240, "run whose guest dies")
    with running(tmp_path, "run", "--cell", CELL, "--suites", "cgroup") as process:
        poll(lambda: suites_begun(tmp_path), deadline)
        (record,) = tmp_path.rglob("machine.json")
        os.kill(json.loads(record.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
        assert ExitCode.INFRASTRUCTURE == process.wait(deadline)
    (cell,) = result_of(tmp_path).cells
    broken = [case for case in cell.cases if case.outcome is Outcome.ERROR]

    assert broken
    assert not [case for case in cell.cases if case.outcome is Outcome.FAILED]
    assert "The guest is gone" in broken[0].message
    assert "guest console" in broken[0].details
    assert "1 error" in (tmp_path / "output").read_text(encoding="utf-8")
    assert [] == leftovers(tmp_path)


def test_nothing_ran_is_not_success(tmp_path: Path, bookworm: Image) -> None:
    """Cases that are all deselected end with exit 4."""
    argv = harness(tmp_path, "run", "--cell", CELL, "--suites", "cgroup", "--", "-k", "no_such_case")
    done = proc.run(argv, deadline=Deadline.after(240, "run"), expect=(ExitCode.NOTHING_RAN,))

    assert "1 cell: 1 skipped" in done.out


def test_suite_that_cannot_be_collected_is_named(tmp_path: Path, bookworm: Image) -> None:
    """An argument that pytest does not know is the cell's error, with pytest's words."""
    argv = harness(tmp_path, "run", "--cell", CELL, "--suites", "cgroup", "--", "--no-such-option")
    done = proc.run(argv, deadline=Deadline.after(240, "run"), expect=(ExitCode.INFRASTRUCTURE,))

    assert "unrecognized arguments: --no-such-option" in done.out
