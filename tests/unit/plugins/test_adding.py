"""A copy of the project gets one plug-in more, by the files that CONTRIBUTING names for it and no other, and has it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

COPIED = ("harness", "suites", "images", "ci", "matrix.yaml")
"""What of the project is copied."""

MATRIX = """\
version: 1
axes:
  distro: [{distro}]
  systemd: [distro]
  go: ["1.27"]
  cgroup: [unified]
  runtime: [{runtime}]
profiles:
  all: {{suites: all}}
ci:
  change: {{profile: all, shards: 1}}
"""
"""A matrix of one cell."""

DISTRO = '''\
"""A distro that a test adds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.distros.protocol import Distro, DistroOption, ImageSpec
from harness.store import Store
from harness.wait import Deadline


class Hello(Distro):
    """A distro whose images are never built."""

    title = "Hello"
    options = (DistroOption(name="greeting", metavar="WORD", help="What it says."),)

    def collect_inputs(self, spec: ImageSpec) -> Mapping[str, Any]:
        """Return what its images depend on."""
        return {"recipe": 1}

    def build(self, spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
        """Build nothing."""
        raise NotImplementedError


DISTRO = Hello()
'''

RUNTIME = '''\
"""A runtime that a test adds."""

from suites.lib.features import Feature

LACKS = {Feature.MACHINED: "it greets, and registers no machine"}


def connect(guest: object) -> object:
    """Return nothing that runs."""
    return guest
'''

RECIPE = '''\
"""A recipe that a test adds."""

REVISION = 1
INCREMENTAL = False
IN_SOURCE = False
'''

SUITE = '''\
"""A case that a test adds."""


def test_greeting() -> None:
    """It greets."""
'''

CI_SYSTEM = """\
name: hello
description: A CI system that a test adds.
sources: [https://ci.example.org/]
shards: 4
cache: 1000
files:
  hello-ci.yml: |
    << change.profile >>: << change.shards >>
"""

FILES_TO_TOUCH = {"runtime": 2, "distro": 2}
"""How many files a new one of a kind is made of."""

Add = Callable[[Mapping[str, str]], None]
Run = Callable[..., str]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, tmp_path / name)
    return tmp_path


@pytest.fixture
def run(tree: Path) -> Run:
    """Runs Python in the copy, and returns what it prints."""

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tree, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def add(tree: Path, files: Mapping[str, str]) -> None:
    """Add files, none of which was there."""
    for name, text in files.items():
        path = tree / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_matrix(tree: Path, *, distro: str = "debian/bookworm", runtime: str = "nspawn") -> None:
    """Replace the matrix, the one file that a user edits, by one of one cell."""
    (tree / "matrix.yaml").write_text(MATRIX.format(distro=distro, runtime=runtime), encoding="utf-8")


@pytest.mark.slow
def test_distro(tree: Path, run: Run) -> None:
    """Two files make a distro: the matrix may name it, its cells have plans, it has an option of its own, and the doctor knows it."""
    image = "name: hello\ndescription: A distro.\nchannels:\n  stable: {systemd: 252}\n"
    files = {"images/hello/image.yaml": image, "harness/distros/hello/__init__.py": DISTRO}
    assert len(files) == FILES_TO_TOUCH["distro"]
    add(tree, files)
    write_matrix(tree, distro="hello/stable")

    run("-m", "harness", "matrix", "validate")
    (cell,) = run("-m", "harness", "matrix", "list", "--format", "ids").split()
    shown = run("-m", "harness", "--store", str(tree / "store"), "plan", cell, "--greeting", "moin")

    assert cell.startswith("hello-stable+")
    assert "hello/stable" in shown
    assert "images of Hello" in run("-m", "harness", "doctor", "--format", "json", code=0 if _is_ready(run) else 3)


def _is_ready(run: Run) -> bool:
    """Whether this computer has all that the harness needs."""
    script = "from harness import doctor, store; from harness.wait import Deadline; from pathlib import Path; "
    found = "doctor.examine(store.Store(Path('store')), Deadline.after(60, 'doctor'))"
    return run("-c", f"{script}print(any(each.state == 'missing' for each in {found}))").strip() == "False"


@pytest.mark.slow
def test_runtime(tree: Path, run: Run) -> None:
    """Two files make a runtime; it is asked every case but those that need what its adapter says that it lacks."""
    about = "name: hello\ndescription: A runtime.\ncommand: hello\n"
    files = {"harness/runtimes/hello.yaml": about, "suites/runtimes/hello.py": RUNTIME}
    assert len(files) == FILES_TO_TOUCH["runtime"]
    add(tree, files)
    write_matrix(tree, runtime="hello")

    run("-m", "harness", "matrix", "validate")
    assert run("-m", "harness", "matrix", "list", "--format", "ids").strip().endswith("+hello")
    lacks = run(
        "-c", "from suites.conftest import pytest_harness_lacks as ask; print(*filter(None, ask('hello').values()))"
    )
    assert lacks.strip() == "it greets, and registers no machine"


@pytest.mark.slow
def test_suite(tree: Path, run: Run) -> None:
    """A folder makes a suite: its cases can be named."""
    about = "name: hello\ndescription: A suite.\n"
    add(tree, {"suites/hello/suite.yaml": about, "suites/hello/test_hello.py": SUITE})
    write_matrix(tree)

    run("-m", "harness", "matrix", "validate")
    assert "hello/test_hello.py::test_greeting" in run("-m", "harness", "matrix", "cases")


@pytest.mark.slow
def test_feature_that_there_is_not(tree: Path, run: Run) -> None:
    """A case that needs a feature of which nobody knows is an error when the cases are collected, and not a skip."""
    marked = SUITE.replace("\n\ndef ", '\nimport pytest\n\n\n@pytest.mark.needs(feature="greeting")\ndef ', 1)
    about = "name: hello\ndescription: A suite.\n"
    add(tree, {"suites/hello/suite.yaml": about, "suites/hello/test_hello.py": marked})
    write_matrix(tree)

    done = subprocess.run(
        [sys.executable, "-m", "harness", "matrix", "cases"],
        cwd=tree, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no feature `greeting`" in done.stderr


@pytest.mark.slow
def test_ci_system(tree: Path, run: Run) -> None:
    """One file makes a CI system: its own file is written and checked with the others'."""
    add(tree, {"harness/ci/systems/hello.yaml": CI_SYSTEM})
    write_matrix(tree)

    run("-m", "harness", "ci", "generate")
    assert (tree / "hello-ci.yml").read_text(encoding="utf-8").strip().endswith("all: 1")
    run("-m", "harness", "ci", "check")


@pytest.mark.slow
def test_recipe(tree: Path, run: Run) -> None:
    """One file makes a recipe."""
    add(tree, {"harness/build/recipes/hello.py": RECIPE})

    assert run("-c", "from harness.build import find_recipe; print(find_recipe('hello').REVISION)") == "1\n"


@pytest.mark.slow
def test_console_rule(tree: Path, run: Run) -> None:
    """Some lines in one file make a console rule: the line is found, and shown as trouble in the pages' excerpts."""
    table = tree / "harness" / "console.yaml"
    rule = "  - {name: hello, writer: kernel, pattern: 'moin from', fatal: false, description: The guest greets.}\n"
    table.write_text(table.read_text(encoding="utf-8") + rule, encoding="utf-8")
    (tree / "console.log").write_text("a\n[ 1.0] moin from the guest\n" + "b\n" * 9999, encoding="utf-8")
    script = "from harness.console import Console; from pathlib import Path; print(Console(Path('console.log')).read()[0].rule)"

    assert run("-c", script) == "hello\n"
    script = "from harness.report.run_page.excerpts import make_excerpt; from pathlib import Path; print(make_excerpt(Path('console.log'), 900, trouble=True))"
    assert "moin from the guest" in run("-c", script)
