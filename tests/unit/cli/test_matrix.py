"""The real executable: verbs of `harness matrix`, settings, exit codes, and what goes wrong."""

import json
import os
import signal
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness import catalog, proc
from harness.selection.fields import FIELDS
from harness.wait import Deadline, poll
from tests import ROOT
from tests.helpers import trees
from tests.helpers.command_line import HARNESS, harness

MODULE = (sys.executable, "-m", "harness.cli")
LEGACY_ON_SID = "debian-sid+systemd-262+legacy+nspawn"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a matrix of 9 cells, 3 of which are excluded."""
    trees.write(tmp_path, {**trees.PROJECT, "matrix.yaml": trees.AXES})
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("program", [HARNESS, MODULE, (sys.executable, "-m", "harness")])
def test_cells_are_listed_as_identifiers(project: Path, program: tuple[str, ...]) -> None:
    """`--format ids` prints one identifier on a line, in the order of the axes; all ways to start are the same."""
    done = harness("matrix", "list", "--format", "ids", "--select", "go!=1.21", cwd=project, program=program)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "debian-bookworm+systemd-252+legacy+nspawn",
        "debian-bookworm+systemd-252+unified+nspawn",
        "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5",
        "debian-bookworm+systemd-252+go-1.27+unified+runc-1.1.5",
        "debian-sid+systemd-262+unified+nspawn",
        "debian-sid+systemd-262+go-1.27+unified+runc-1.1.5",
    ]


@pytest.mark.slow
def test_cells_are_listed_as_a_table(project: Path) -> None:
    """The table is aligned, and cut nowhere when it goes to a pipe."""
    done = harness("matrix", "list", "--select", "distro==debian/sid and go==1.27", cwd=project)
    assert done.out.splitlines() == [
        "cell                                               systemd  go    cgroup   runtime",
        "debian-sid+systemd-262+go-1.27+unified+runc-1.1.5  262      1.27  unified  runc 1.1.5",
    ]


@pytest.mark.slow
def test_cells_are_listed_as_json(project: Path) -> None:
    """JSON has the identifier and every field of a cell."""
    done = harness("matrix", "list", "--format", "json", "--select", "cell==debian-sid*nspawn", cwd=project)
    assert json.loads(done.out) == [
        {
            "id": "debian-sid+systemd-262+unified+nspawn", "distro": "debian", "channel": "sid", "release": None,
            "systemd": "262", "upgrade": None, "systemd_built": False, "go": None, "cgroup": "unified", "runtime": "nspawn",
            "runtime_version": None, "flavor": None,
        }
    ]  # fmt: skip


@pytest.mark.slow
def test_excluded_cells_are_listed_with_their_reasons(project: Path) -> None:
    """`--excluded` shows the cells that are left out; in the table and in JSON each has its reason."""
    done = harness("matrix", "list", "--excluded", "--format", "json", cwd=project)
    assert len(json.loads(done.out)) == 3
    assert all(cell["reason"].startswith("systemd 258 removed cgroup v1") for cell in json.loads(done.out))
    assert "systemd 258 removed" in harness("matrix", "list", "--excluded", cwd=project).out
    ids = harness("matrix", "list", "--excluded", "--format", "ids", "--select", "go==none", cwd=project)
    assert ids.out == f"{LEGACY_ON_SID}\n"


@pytest.mark.slow
def test_several_selections_must_all_hold(project: Path) -> None:
    """`--select` given twice is an and, and so is a profile."""
    (project / "matrix.yaml").write_text(f"{trees.AXES}profiles: {{new: {{select: go==1.27}}}}\n")
    words = ("--profile", "new", "--select", "cgroup==unified", "--select", "distro==debian/sid")
    done = harness("matrix", "list", "--format", "ids", *words, cwd=project)
    assert done.out == "debian-sid+systemd-262+go-1.27+unified+runc-1.1.5\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("matrix", "list", "--select", "systemd<5"), 4, "No cell of the matrix fits the selection: systemd<5."),
        (("matrix", "list", "--select", "systemd>=258 and cgroup==legacy"), 4, "All cells that fit the selection are"),
        (("matrix", "list", "--excluded", "--select", "cgroup==unified"), 4, "No cell that fits the selection is"),
        (("matrix", "list", "--select", "go=1"), 2, "The expression is wrong at column 3: `=` is not a part of"),
        (("matrix", "list", "--profile", "x"), 2, "There is no profile `x`; known are none."),
        (("matrix", "list", "--format", "xml"), 2, "Invalid value for '--format'"),
        (("matrix", "list", "--colour"), 2, "No such option: --colour"),
        (("matrix", "lsit"), 2, "No such command 'lsit'"),
        (("matrix",), 2, "The name of a command is missing."),
        ((), 2, "The name of a command is missing."),
        (("--matrix", "gone.yaml", "matrix", "list"), 2, "gone.yaml: the file does not exist."),
        (("--matrix", ".", "matrix", "list"), 2, ".: the file cannot be read: Is a directory."),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_an_exit_code(
    project: Path, words: tuple[str, ...], code: int, error: str
) -> None:
    """Errors go to stderr as `error: ...`; 2 is usage, 4 is an empty selection."""
    done = harness(*words, cwd=project)
    assert code == done.code
    assert f"error: {error}" in done.err


@pytest.mark.slow
def test_a_wrong_matrix_is_named_with_its_places(project: Path) -> None:
    """Each problem of the file is one line with file:line:column; the exit code is 2."""
    text = trees.AXES.replace("debian/sid", "debian/woody").replace("legacy", "v1")
    (project / "matrix.yaml").write_text(text)
    for verb in ("list", "validate"):
        done = harness("matrix", verb, cwd=project)
        assert (done.code, done.out) == (2, "")
        assert [line.split(": ")[:2] for line in done.err.splitlines()] == [
            ["error", "matrix.yaml:3:36"],
            ["error", "matrix.yaml:6:12"],
        ]


@pytest.mark.slow
def test_validate_counts_cells_and_names_what_has_expired(project: Path) -> None:
    """A right file is summed up, and its expectations that are over are named."""
    more = """\
profiles: {unified: {select: cgroup==unified}}
expectations:
  - {cells: runtime==runc, cases: "pod/*", reason: No., issue: "https://example.org/1", expires: 2020-01-01}
"""
    suites = {"suites/pytest.ini": "[pytest]\n", "suites/pod/test_life.py": "def test_end(): ...\n"}
    trees.write(project, {"matrix.yaml": f"{trees.AXES}{more}", **suites})
    assert harness("matrix", "validate", cwd=project).out.splitlines() == [
        "matrix.yaml: 9 cells, 3 excluded.",
        "  profile unified: 6 cells",
        "  expired on 2020-01-01: the expectation of pod/* (https://example.org/1)",
    ]
    report = json.loads(harness("matrix", "validate", "--format", "json", cwd=project).out)
    assert (report["cells"], report["profiles"], len(report["expired"])) == (9, {"unified": 6}, 1)


@pytest.mark.slow
def test_validate_names_expectations_about_no_case(project: Path) -> None:
    """An expectation that no case of the suites could meet is refused with its place; `list` does not look for it."""
    text = 'cells: runtime==runc, cases: "pod/test_old.py::test_end", reason: No.'
    more = f'expectations:\n  - {{{text}, issue: "https://example.org/1", expires: 2099-01-01}}\n'
    suites = {"suites/pytest.ini": "[pytest]\n", "suites/pod/test_life.py": "def test_end(): ...\n"}
    trees.write(project, {"matrix.yaml": f"{trees.AXES}{more}", **suites})
    done = harness("matrix", "validate", cwd=project)
    assert done.code == 2
    assert "error: matrix.yaml:9:28: the suites have no case `pod/test_old.py::test_end`" in done.err
    assert harness("matrix", "list", cwd=project).code == 0


@pytest.mark.slow
def test_a_profile_without_cells_is_found(project: Path) -> None:
    """A profile that selects nothing would run nothing: validate names it and exits with 4."""
    (project / "matrix.yaml").write_text(f"{trees.AXES}profiles: {{old: {{select: systemd<5}}}}\n")
    done = harness("matrix", "validate", cwd=project)
    assert done.code == 4
    assert "error: No cell of the matrix fits the selection of the profile `old`: systemd<5." in done.err


@pytest.mark.slow
def test_the_schema_is_json(project: Path) -> None:
    """`harness matrix schema` needs no project."""
    done = harness("matrix", "schema", cwd=project / "suites")
    assert json.loads(done.out)["title"] == "Matrix"


@pytest.mark.slow
def test_the_fields_of_expressions_are_explained(project: Path) -> None:
    """`harness matrix fields` has a line for every field that an expression can name."""
    lines = harness("matrix", "fields", cwd=project).out.splitlines()[1:]
    assert list(FIELDS) == [line.split()[0] for line in lines]
    assert all(len(line.split()) > 1 for line in lines)


@pytest.mark.slow
def test_the_matrix_is_found_from_below_and_by_variable(project: Path, tmp_path: Path) -> None:
    """Without --matrix it is the nearest matrix.yaml above; HARNESS_MATRIX and --matrix name another."""
    below = project / "suites" / "cgroup"
    assert harness("matrix", "validate", cwd=below).out.startswith(f"{project}/matrix.yaml: 9 cells")
    other = project / "other.yaml"
    other.write_text(trees.AXES.replace(", debian/sid", ""))
    done = harness("matrix", "validate", cwd=project, env={"HARNESS_MATRIX": "other.yaml"})
    assert done.out == "other.yaml: 6 cells, 0 excluded.\n"
    done = harness("--matrix", str(project / "matrix.yaml"), "matrix", "validate", cwd=project)
    assert done.out.startswith("matrix.yaml: 9 cells")


@pytest.mark.slow
def test_a_broken_harness_is_exit_code_3_and_a_file_with_the_traceback(project: Path) -> None:
    """An error that nobody foresaw is a sentence; --debug shows the traceback that is otherwise in a file."""
    broken = project / "broken.py"
    broken.write_text("""\
from harness.cli import app, main
from harness.cli.settings import get_settings

@app.command()
def broken():
    [][1]

raise SystemExit(main())
""")
    program = (sys.executable, str(broken))
    done = harness("broken", cwd=project, program=program)
    assert done.code == 3
    assert "error: The harness met an error of its own: IndexError: list index out of range." in done.err
    kept = next((project / "state").rglob("crash-*.txt"))
    assert str(kept) in done.err
    assert "[][1]" in kept.read_text()
    variables = proc.make_environment({"XDG_STATE_HOME": str(project / "state")})
    deadline = Deadline.after(60, "harness in a test")
    shown = proc.run([*program, "--debug", "broken"], deadline=deadline, env=variables, cwd=project, expect=[3])
    assert "Traceback" in shown.out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_work_with_130_after_cleaning_up(project: Path, number: signal.Signals) -> None:
    """The first signal interrupts waits, what is in `finally` is done although more signals come, the code is 130."""
    waiting = project / "waiting.py"
    waiting.write_text("""\
import typer
from pathlib import Path
from harness.cli import app, main
from harness.cli.settings import get_settings

@app.command()
def wait(context: typer.Context):
    deadline = get_settings(context).make_deadline(60, "waiting")
    try:
        Path("started").touch()
        while True:
            deadline.pause(10)
    finally:
        Path("cleaning").touch()
        while not Path("go-on").exists():
            pass
        Path("cleaned").touch()

raise SystemExit(main())
""")
    deadline = Deadline.after(60, "waiting in a test")
    out = project / "out"
    with (
        out.open("wb") as file,
        proc.start([sys.executable, str(waiting), "wait"], output=file, cwd=project) as running,
    ):
        poll(lambda: (project / "started").exists() or None, deadline)
        os.kill(running.pid, number)
        poll(lambda: (project / "cleaning").exists() or None, deadline)
        os.kill(running.pid, number)
        (project / "go-on").touch()
        assert running.wait(deadline) == 130
    assert (project / "cleaned").exists()
    assert out.read_text() == "error: The work was interrupted.\n"


@pytest.mark.slow
def test_cases_are_listed_without_a_guest() -> None:
    """Each line is a case as --case takes it; a suite that there is not is refused."""
    one = harness("matrix", "cases", "cgroup", "--format", "ids", cwd=ROOT)
    every = json.loads(harness("matrix", "cases", "--format", "json", cwd=ROOT).out)
    assert "cgroup/test_places.py::test_processes_live_in_payload" in one.out.splitlines()
    assert one.out.splitlines() == [case for case in every if case.startswith("cgroup/")]
    assert {case.partition("/")[0] for case in every} == set(catalog.load(ROOT).suites)
    assert harness("matrix", "cases", "no", cwd=ROOT).code == 2


@pytest.mark.slow
def test_a_suite_that_cannot_be_collected(project: Path) -> None:
    """Where pytest cannot import a suite its words are shown."""
    (project / "suites" / "pytest.ini").write_text("[pytest]\n")
    (project / "suites" / "cgroup" / "test_broken.py").write_text("import no_such_module\n")
    done = harness("matrix", "cases", "cgroup", cwd=project)
    assert done.code == 2
    assert "error: The suites could not be collected; pytest says:" in done.err
    assert "No module named 'no_such_module'" in done.err


def test_version(project: Path) -> None:
    """The version is the package's, alone on a line, and needs no project."""
    done = harness("--version", cwd=project)
    assert (done.code, done.out, done.err) == (0, f"{metadata.version('rkt-upgrade-harness')}\n", "")


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    """`harness matrix list | head -1` ends quietly, and a full disk behind stdout is infrastructure."""
    many = ", ".join(f"v{number}" for number in range(100, 400))
    (project / "matrix.yaml").write_text(trees.AXES.replace("[distro]", f"[{many}]"))
    script = f"{HARNESS[0]} matrix list --format json | head -1; echo ${{PIPESTATUS[0]}}"
    done = harness("-c", script, cwd=project, program=("bash",))
    assert (done.out, done.err) == ("[\n0\n", "")
    closed = harness("-c", f"{HARNESS[0]} matrix list >&-", cwd=project, program=("bash",))
    assert (closed.code, closed.err) == (0, "")
    full = harness("-c", f"{HARNESS[0]} matrix list > /dev/full", cwd=project, program=("bash",))
    assert full.code == 3
    assert full.err == "error: What was printed is not whole: No space left on device.\n"


@pytest.mark.slow
def test_the_project_s_own_files_are_right() -> None:
    """The repository's matrix.yaml, images and suites pass their own check."""
    done = harness("matrix", "validate", cwd=ROOT)
    assert (done.code, done.err) == (0, "")
    assert catalog.load(ROOT).suites
