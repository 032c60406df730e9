"""Runs and bisections from elsewhere run no code here and bring no key of their own, unless the command line says so too."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import rundir
from harness.app.confirm import confirm_suspects
from harness.app.permissions import check_bisection, check_said, list_unsaid
from harness.app.settings import resolve_settings
from harness.bisect import journal
from harness.bisect.records import AxesBegun, Begun
from harness.cli import main
from harness.errors import ExitCode, UsageError
from harness.rundir import Request
from harness.wait import Cancellation
from tests import ROOT
from tests.helpers.bisections import Repo, begun, script

pytestmark = pytest.mark.slow

CELL = "debian-bookworm+systemd-252+unified+nspawn"

LOADING = [
    ("-p", "evil"), ("-pevil",), ("--pdbcls=evil:Evil",), ("-c", "/evil.ini"), ("--rootdir=/evil",), ("-o", "addopts=-p evil"),
    ("--confcutdir=/",), ("/evil/test_evil.py",), ("-k", "a", "/evil/test_evil.py"), ("-k", "-pevil"), ("-xpevil",), ("-k",),
    ("--import-mode=append",), ("-W", "error::evil.Evil"), ("--basetemp=/",), ("--junitxml=/etc/passwd",), ("-k", "a", "-m"),
]  # fmt: skip
"""Arguments with which pytest loads code, or writes where it is told to."""
CHOOSING = [
    (),
    ("-x",),
    ("-k", "memory and not pids"),
    ("-kmemory", "-vv", "--tb=short"),
    ("-m", "independent", "--maxfail=2"),
]


def make_request(**values: object) -> Request:
    """Return what was asked for in some run."""
    common = {"command": "harness run", "cells": [CELL], "suites": ["cgroup"], "builder": "docker"}
    return Request.model_validate(common | values)


@pytest.mark.parametrize("arguments", LOADING, ids=" ".join)
def test_arguments_that_load_code_are_said_again(arguments: Sequence[str]) -> None:
    """What a file hands to pytest runs in this process's rights; without the same words now it is refused."""
    request = make_request(arguments=arguments)
    assert list_unsaid(request) == ["--", *arguments]
    assert list_unsaid(request, arguments=arguments[:-1]) == ["--", *arguments]
    assert list_unsaid(request, arguments=arguments) == []


@pytest.mark.parametrize("arguments", CHOOSING, ids=" ".join)
def test_arguments_that_choose_cases_are_not(arguments: Sequence[str]) -> None:
    """What only chooses among cases, or says how they are shown, continues as it was started."""
    assert list_unsaid(make_request(arguments=arguments)) == []


def test_a_key_is_said_again() -> None:
    """Which key signs an image is not for a file to say; where it is downloaded from may be, as the key holds that."""
    request = make_request(distro_options={"key": "/evil.asc", "mirror": "http://localhost"})
    assert list_unsaid(request) == list_unsaid(request, distro_options={"key": "/mine"}) == ["--key", "/evil.asc"]
    assert list_unsaid(request, distro_options={"key": "/evil.asc"}) == []


@pytest.mark.parametrize("option", ["--resume", "--failed"])
@pytest.mark.parametrize(
    ("values", "words"),
    [({"builder": "host"}, ["--builder", "host"]), ({"arguments": ["-p", "evil"]}, ["--", "-p", "evil"])],
    ids=["builder", "arguments"],
)
def test_a_run_from_elsewhere_stays_in_the_build_container(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, values: dict[str, object], words: list[str]
) -> None:
    """`--resume` and `--failed` refuse it with the words that allow it; with those the run goes on, and with others it does not."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "request.json").write_text(make_request(**values).model_dump_json())
    result = '{"id": "run", "harness": "1", "command": "c", "started": "x", "cells": [{"id": "%s", "axes": {}, "error": "e"}]}'
    (run / "result.json").write_text(result % CELL)
    argv = [
        "--matrix",
        str(ROOT / "matrix.yaml"),
        "--runs",
        str(tmp_path),
        "run",
        option,
        str(run),
        "--dry-run",
        "--format",
        "ids",
    ]

    assert main(argv) == ExitCode.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "which is not taken from its files" in said
    assert f"harness run {option} {run} {' '.join(words)}" in said
    assert main([*argv, *words]) == ExitCode.OK
    assert main([*argv, "--builder", "docker", "--", "-x"]) == ExitCode.USAGE


def test_suspects_are_built_where_the_command_line_says(tmp_path: Path) -> None:
    """The gate runs nothing again on the word of a file that asks for builds on this computer, or for another key."""
    (tmp_path / "request.json").write_text(
        make_request(builder="host", distro_options={"key": "/evil"}).model_dump_json()
    )
    settings = resolve_settings(
        matrix=ROOT / "matrix.yaml", store=tmp_path, runs=tmp_path, debug=False, cancelled=Cancellation()
    )
    for builder in (None, "docker", "host"):
        with pytest.raises(UsageError, match=r"which is not taken from its files"):
            confirm_suspects(
                {(CELL, "cgroup/a.py::b"): None},
                [f"{tmp_path}/"],
                settings,
                planned=2,
                before=(),
                builder=builder,
                say=print,
            )


def test_a_command_of_a_journal_is_said_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bisection from elsewhere does not run its command: the command line that goes on names it, and no other."""
    repo = Repo.empty(tmp_path / "repo").line("gggbb")
    asked = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1]).model_copy(update={"cell": CELL})
    place = tmp_path / "runs" / "bisect-20260101-1"
    with journal.begin(place, asked.model_copy(update={"builder": "host"})):
        pass
    argv = ["--matrix", str(ROOT / "matrix.yaml"), "--store", str(tmp_path / "s"), "--runs", str(tmp_path / "runs")]
    for words in ([], ["--builder", "host"], ["--run", asked.test]):
        assert main([*argv, "bisect-systemd", "--resume", *words]) == ExitCode.USAGE
        assert "which is not taken from its files" in capsys.readouterr().err
    assert main([*argv, "bisect-systemd", "--resume", "--run", "true"]) == ExitCode.USAGE
    assert "continues as it was started" in capsys.readouterr().err
    assert not (place / rundir.RESULT).exists()


@pytest.mark.parametrize("kind", [Begun, AxesBegun])
def test_what_was_said_again_goes_on(kind: type[Begun | AxesBegun]) -> None:
    """The same command is taken; cases need none."""
    command = kind.model_construct(run=("sh", "-c", "a b"), tests=(), subject="systemd", repository="/r", cell=CELL,
                                   builder="docker", good="a", bad="b", old_name="a", new_name="b")  # fmt: skip
    check_bisection(command, ("sh", "-c", "a b"), "x")
    cases = command.model_copy(update={"run": (), "tests": ("cgroup/a.py::b",)})
    check_bisection(cases, (), "x")
    check_said([], "x", "run")
    with pytest.raises(UsageError, match="continues as it was started, and asks `cgroup/a"):
        check_bisection(cases, ("true",), "x")
