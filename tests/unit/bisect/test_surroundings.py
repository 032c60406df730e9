"""What a command depends on besides the revision: files that it names, files that these name, variables."""

from pathlib import Path

import pytest

from harness.bisect.surroundings import find_files, read_surroundings


def write(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("call", [
    "./helper --all", "sh helper", ". ./helper", 'exec "$(dirname "$0")/helper"', "x=1 ./helper && true", "env A=b ./helper",
    "cat <helper", "bash -c './helper; true'",
])  # fmt: skip
def test_what_a_script_calls_is_found(tmp_path: Path, call: str) -> None:
    """However a script names another one that is next to it, and that one a third, all belong to the command."""
    script = write(tmp_path / "check.sh", f"#!/bin/sh\n{call}\n")
    helper = write(tmp_path / "helper", "#!/bin/sh\n. deep/lib.sh\n")
    deep = write(tmp_path / "deep" / "lib.sh", "true\n")

    assert set(find_files(("./check.sh",), tmp_path)) == {script, helper, deep}


def test_make_reads_its_file(tmp_path: Path) -> None:
    """The words of `make` name no file, but it reads one; shell text names what is in it."""
    made = write(tmp_path / "Makefile", "check:\n\t./t.sh\n")
    script = write(tmp_path / "t.sh", "#!/bin/sh\n")

    assert set(find_files(("make", "-s", "check"), tmp_path)) == {made, script}
    assert set(find_files(("sh", "-c", "cd . && ./t.sh | tee log"), tmp_path)) == {script}


def test_what_is_no_script_is_not_looked_through(tmp_path: Path) -> None:
    """A large or binary file is a part of the command, and what its bytes look like is not."""
    write(tmp_path / "other", "x")
    binary = tmp_path / "program"
    binary.write_bytes(b"\x7fELF\xff\x00 other ")
    loop = write(tmp_path / "loop", "#!/bin/sh\n./loop ./program\n")

    assert set(find_files(("./loop",), tmp_path)) == {binary, loop}
    assert find_files(("x" * 5000, "a\0b"), tmp_path) == ()


def test_changes_are_listed_and_no_secret_is_kept(tmp_path: Path) -> None:
    """A file or variable that is gone or another one is listed; what is new, or differs from shell to shell, is not."""
    script = write(tmp_path / "check.sh", "#!/bin/sh\n./helper\n")
    helper = write(tmp_path / "helper", "#!/bin/sh\n")
    before = read_surroundings(
        ("./check.sh",), {"WHAT": "y", "TOKEN": "hunter2", "GONE": "1", "TERM": "xterm"}, tmp_path
    )
    script.write_text("#!/bin/sh\n./helper # edited\n")
    helper.unlink()
    now = read_surroundings(
        ("./check.sh",), {"WHAT": "z", "TOKEN": "hunter2", "NEW": "1", "TERM": "vt100"}, tmp_path, salt=before.salt
    )

    assert before.list_changes(now) == [
        f"the file {script} has changed", f"the file {helper} no longer exists",
        "the variable GONE is no longer set", "the variable WHAT has changed",
    ]  # fmt: skip
    assert "hunter2" not in before.model_dump_json()
    assert all(len(digest) == 4 for digest in before.variables.values())
    assert before.list_changes(before) == []
