"""A run from elsewhere: no identifier leaves its directory, no link is followed or written through, nothing else is touched."""

import json
import os
import socket
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from harness import machine, results, rundir
from harness.errors import HarnessError, InfrastructureError
from harness.machine import files
from harness.machine.files import MachineFiles, MachineRecord
from harness.model import Outcome
from harness.process_identity import read_start_time
from harness.results import CaseResult, CellResult, RunResult
from harness.rundir import Request
from harness.writing import write_text
from tests.helpers.command_line import harness
from tests.unit.machine.test_directory import SPEC

CORPUS = Path(__file__).parent / "corpus"
IDS: dict[str, list[str]] = yaml.safe_load((CORPUS / "ids.yaml").read_text(encoding="utf-8"))
NODEID = "cgroup/test_limits.py::test_memory"


def write_run(directory: Path, cell: str = "cell", nodeid: str = NODEID) -> Path:
    """Write a run with one failed case as a stranger would, without any check."""
    case = {"nodeid": nodeid, "outcome": "failed", "raw": "failed", "seconds": 1.0}
    value = {
        "id": "run", "harness": "1", "command": "harness run", "started": datetime.now(UTC).isoformat(),
        "cells": [{"id": cell, "axes": {}, "cases": [case], "error": "lost"}],
    }  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "result.json").write_text(json.dumps(value), encoding="utf-8")
    return directory


@pytest.mark.parametrize("cell", IDS["cells"])
def test_the_id_of_a_cell_is_the_name_of_a_directory(tmp_path: Path, cell: str) -> None:
    """A result and a request whose cell is named like a path are refused, with a sentence."""
    with pytest.raises(InfrastructureError, match=r"`cells\.0\.id` must be the name of a directory"):
        results.read(write_run(tmp_path, cell=cell) / "result.json")
    with pytest.raises(ValidationError):
        Request(command="x", cells=(cell,), suites=(), builder="docker")


@pytest.mark.parametrize("nodeid", IDS["cases"])
def test_a_node_id_is_below_the_suites(tmp_path: Path, nodeid: str) -> None:
    """A case of a run from elsewhere is run again by `--failed`, so it is a case of the suites, and no option."""
    with pytest.raises(InfrastructureError, match=r"must be a node id below the suites"):
        results.read(write_run(tmp_path, nodeid=nodeid) / "result.json")
    with pytest.raises(ValidationError):
        Request(command="x", cells=("c",), suites=(), builder="docker", cases={"c": (nodeid,)})


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cells", "cell", "needs", "file", "machine"])
def test_no_link_leads_a_page_to_other_files(tmp_path: Path, way: str) -> None:
    """`harness report` shows and lists nothing that a link in the run leads to, on whichever level it is."""
    secret = tmp_path / "secret"
    for folder in (secret, secret / "cell", secret / "cell" / "machine"):
        folder.mkdir()
        (folder / "hidden-name.log").write_text("SECRET-IN-LOG\n" * 5)
    run = write_run(tmp_path / "run")
    place = run / "cells" / "cell"
    link, target = {
        "cells": (run / "cells", secret),
        "cell": (place, secret / "cell"),
        "needs": (run / "needs", secret / "cell"),
        "file": (place / "pytest.log", secret / "hidden-name.log"),
        "machine": (place / "machine", secret / "cell" / "machine"),
    }[way]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    done = harness("report", str(run), cwd=tmp_path)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert done.code == 0, done.err
    assert "SECRET-IN-LOG" not in page
    assert "hidden-name" not in page


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), [("html", "report.html"), ("junit", "junit.xml")])
def test_a_link_in_a_run_is_replaced_and_not_written_through(tmp_path: Path, form: str, name: str) -> None:
    """A report that goes to its usual place leaves alone what a link there leads to."""
    run, victim = write_run(tmp_path / "run"), tmp_path / "victim.txt"
    victim.write_text("precious")
    (run / name).symlink_to(victim)
    assert harness("report", str(run), "--format", form, cwd=tmp_path).code == 0
    assert victim.read_text() == "precious"
    assert not (run / name).is_symlink()
    named = tmp_path / "named"
    named.symlink_to(victim)
    assert harness("report", str(run), "--format", form, "-o", str(named), cwd=tmp_path).code == 0
    assert victim.read_text() != "precious"


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "directory", "half", "fifo"])
def test_files_are_not_written_through_what_was_there(tmp_path: Path, kind: str) -> None:
    """Whatever stands at the place or at that of the temporary sibling, nothing is written through it."""
    victim, place = tmp_path / "victim", tmp_path / "run" / "result.json"
    victim.write_text("precious")
    place.parent.mkdir()
    if kind == "half":
        half = place.with_name(f".{place.name}.{os.getpid()}-{threading.get_ident()}.part")
        half.symlink_to(victim)
    elif kind == "directory":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to({"link": victim, "dangling": tmp_path / "none", "loop": place}[kind])
    try:
        write_text(place, "new", inside=True)
    except HarnessError:
        assert kind == "directory"
    else:
        assert place.read_text() == "new"
        assert not place.is_symlink()
    assert victim.read_text() == "precious"
    assert not (tmp_path / "none").exists()


def make_sockets(place: Path) -> Path:
    """Make what looks most like a directory of our sockets."""
    place.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(place)
        try:
            one.bind("qmp")
        finally:
            os.chdir(here)
    return place


KINDS = [
    "elsewhere",
    "file",
    "open",
    "link",
    "parent",
    "nested",
    "other-name",
    "empty-name",
    "relative",
    "dots",
    "root",
    "home",
]


@pytest.mark.parametrize("kind", KINDS)
def test_clean_removes_only_directories_of_our_sockets(tmp_path: Path, kind: str) -> None:
    """A record from elsewhere names any directory; only one of ours, at the place for them, with sockets alone, is removed."""
    short = files.make_short_directory()
    try:
        victim = {
            "elsewhere": lambda: make_sockets(tmp_path / "harness-thesis"),
            "file": lambda: _touch(short / "notes.txt").parent,
            "open": lambda: _open(short),
            "link": lambda: _link(tmp_path, make_sockets(tmp_path / "x" / "harness-x")),
            "parent": lambda: short.parent,
            "nested": lambda: make_sockets(short / "harness-in"),
            "other-name": lambda: make_sockets(tmp_path / "other"),
            "empty-name": lambda: Path(f"{short}/."),
            "relative": lambda: Path(os.path.relpath(make_sockets(tmp_path / "harness-r"))),
            "dots": lambda: Path(f"{short.parent}/../{make_sockets(tmp_path / 'harness-d')}"),
            "root": lambda: Path("/"),
            "home": Path.home,
        }[kind]()
        replace(files.make_record(SPEC, victim), pid=None).write(MachineFiles(tmp_path))
        if kind == "empty-name":
            machine.clean(tmp_path)  # it is the directory itself, spelled in another way
            return
        machine.clean(tmp_path)
        assert victim.exists()
    finally:
        subprocess.run(["rm", "-rf", str(short)], check=True)


@pytest.mark.parametrize("kind", ["stranger", "writable", "blank", "percent", "quote", "link", "none", "file"])
def test_sockets_are_made_where_nobody_else_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A run-time directory of another user, one where others may write, or one that ssh reads in its own way is not used."""
    short = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    try:
        place = short / {"blank": "a b", "percent": "a%h", "quote": 'a"b'}.get(kind, "x")
        if kind == "file":
            place.write_text("")
        elif kind == "link":
            place.symlink_to(tmp_path)
        elif kind != "none":
            place.mkdir(mode=0o700)
        if kind == "stranger" and os.geteuid() == 0:
            os.chown(place, 65534, 65534)
        if kind == "writable":
            place.chmod(0o777)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
        made = files.make_short_directory()
        try:
            assert made.parent == (Path("/tmp") if kind != "stranger" or os.geteuid() == 0 else place)
        finally:
            files.remove_sockets(made)
        assert not made.exists()
    finally:
        subprocess.run(["rm", "-rf", str(short)], check=True)


def _touch(path: Path) -> Path:
    path.write_text("precious")
    return path


def _open(path: Path) -> Path:
    path.chmod(0o755)
    return path


def _link(tmp_path: Path, target: Path) -> Path:
    link = tmp_path / "harness-link"
    link.symlink_to(target)
    return link


@pytest.mark.parametrize("words", [["sleep", "30"], ["sh", "-c", "sleep 30; :", "qemu-system-x86_64", "logfile=x"]])
def test_clean_kills_no_process_that_is_not_the_machines(tmp_path: Path, words: list[str]) -> None:
    """Number, start time and words of every process can be read by everybody; none is killed by them."""
    with subprocess.Popen(words) as stranger:
        record = files.make_record(SPEC, tmp_path)
        started = read_start_time(stranger.pid)
        replace(record, pid=stranger.pid, started=started, argv=tuple(words)).write(MachineFiles(tmp_path))
        machine.clean(tmp_path)
        assert stranger.poll() is None
        stranger.kill()


BROKEN = [
    "", "[]", "1", "null", "{", '{"pid": "1"}', "[" * 20_000, '{"sockets": 5}', '{"a":' * 5_000, '{"name": []}', "\\x00", '"x"', "NaN",
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever machine.json has in it, there is a sentence and no traceback."""
    place = MachineFiles(tmp_path)
    place.record.write_text(text)
    with pytest.raises(InfrastructureError, match="does not describe a machine"):
        MachineRecord.read(place)


@pytest.mark.parametrize("text", [*BROKEN, '{"seconds": NaN}', '{"seconds": 1e999}', '{"cells": 1}'])
def test_a_result_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """The same for result.json and request.json."""
    for name, read in (
        ("result.json", lambda: results.read(tmp_path / "result.json")),
        ("request.json", lambda: rundir.read_request(tmp_path)),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(HarnessError):
            read()


def test_a_result_written_is_read_again(tmp_path: Path) -> None:
    """What the harness itself writes fits: ids of cells and cases as they are."""
    cell = "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5@2f"
    case = CaseResult(nodeid=f"{NODEID}[/sys/../x]", outcome=Outcome.PASSED, raw=Outcome.PASSED, seconds=1.0)
    run = RunResult(id="r", harness="1", command="c", started="x", cells=(CellResult(id=cell, axes={}, cases=(case,)),))
    results.write(run, tmp_path / "result.json")
    assert results.read(tmp_path / "result.json") == run
