"""Files at places that users name: whole or not at all, and where they cannot be the user reads why."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.errors import ExitCode, InfrastructureError, UsageError
from harness.writing import remove_halves, replace_file, translate_os_errors, write_text
from tests import ROOT

CELL = "debian-bookworm+systemd-252+legacy+nspawn"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Directories above are made; what was there stays until the end, and after an error."""
    path = tmp_path / "deep" / "file"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError), replace_file(path) as half:
        half.write_text("ha\udcff", encoding="utf-8")
    assert path.read_text() == "old"
    write_text(path, "new")

    assert path.read_text() == "new"
    assert [path] == list(path.parent.iterdir())


WRITER = """\
import os, sys
from pathlib import Path
from harness.writing import replace_file
with replace_file(Path(sys.argv[1])) as half:
    half.write_text("half")
    print("writes", flush=True)
    sys.stdin.readline()
"""


def test_what_a_killed_process_was_writing_is_removed_and_no_more(tmp_path: Path) -> None:
    """The temporary file of a process that lives stays, whatever number it has; the next writer removes that of a dead one."""
    argv = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writes\n"
        remove_halves(tmp_path)
        write_text(tmp_path / "file", "mine")
        assert len(list(tmp_path.iterdir())) == 2
        writer.kill()
    (tmp_path / ".film.part").write_text("not ours")
    os.mkfifo(tmp_path / ".x.y.part")
    write_text(tmp_path / "file", "new")

    assert {path.name for path in tmp_path.iterdir()} == {"file", ".film.part", ".x.y.part"}
    assert (tmp_path / "file").read_text() == "new"


def test_what_is_no_plain_file_stays_what_it_is(tmp_path: Path) -> None:
    """A link leads where it led, and a pipe gets the text."""
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "text")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "text")

    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"
    assert {"link", "pipe", "target"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["file/x", "directory", "."])
def test_a_place_that_cannot_be_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The sentence names the place as the user did, and no temporary file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(UsageError) as caught:
        write_text(Path(name), "text")

    assert str(caught.value).startswith(f"{name} cannot be written: ")
    assert ".part" not in str(caught.value)
    assert {"file", "directory"} == {path.name for path in tmp_path.iterdir()}


def test_a_full_disk_is_not_the_users() -> None:
    """No other word on the command line would have helped."""
    with (
        pytest.raises(InfrastructureError, match="It cannot be: No space left on device"),
        translate_os_errors("It cannot be"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(InfrastructureError, match=r"/dev/full cannot be written: No space left"):
        write_text(Path("/dev/full"), "text")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--runs", "/proc/x", "run", "--cell", CELL), "--runs or HARNESS_RUNS"),
        (("--runs", str(ROOT / "README.md"), "run", "--cell", CELL), "--runs or HARNESS_RUNS"),
        (("--runs", "/proc", "boot", CELL), "--runs or HARNESS_RUNS"),
        (("--store", "/proc/y", "boot", CELL), "--store or HARNESS_STORE"),
        (("--store", "/proc/y", "run", "--cell", CELL), "--store or HARNESS_STORE"),
        (("run", "--key", "/nosuch", "--dry-run"), "'/nosuch' does not exist"),
        (("run", "--cell", CELL, "--case", "cgroup/test_limits.py::test_nosuch"), "There is no case `test_nosuch`"),
        (("ci", "durations", "--into", "/proc/x"), "error: /proc/x cannot be written: "),
        (("ci", "durations", "nosuch"), "There is no run nosuch"),
        (("gate", str(ROOT / "docs")), "docs/result.json: there is no result"),
        (("ci", "merge", ".", "--shards=1", "--profile=quick", "--into", "/proc/x"), "error: /proc/x/result.json"),
    ],
)
def test_a_mistake_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    """A place or a name that cannot be ends the command with a sentence and the exit code for it."""
    places = {"--matrix": ROOT / "matrix.yaml", "--runs": tmp_path / "runs", "--store": tmp_path / "store"}
    assert ExitCode.USAGE == cli.main([*(f"{option}={path}" for option, path in places.items()), *words])
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err
    assert ".part" not in err
