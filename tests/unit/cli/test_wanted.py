"""What a user asks for on the command line, and the line that asks for it again."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from harness import matrix
from harness.app.project import Project
from harness.app.request import RunOptions, format_again
from harness.app.settings import Settings, resolve_settings, show_path
from harness.cli import app
from harness.cli.verbs import load_verb
from harness.errors import UsageError
from harness.wait import Cancellation
from tests.helpers import trees

TEXT = f"""{trees.AXES}\
profiles:
  pods: {{select: cgroup==unified, suites: [pod]}}
  nothing: {{suites: []}}
"""


CLASS = """\
import pytest


class TestK:
    @pytest.mark.parametrize("n", ["x::y z"])
    def test_d(self, n):
        ...
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two suites, whose default is both."""
    root = tmp_path_factory.mktemp("project")
    known = trees.project(root)
    trees.write(root / "suites", {"pytest.ini": "[pytest]\n"})
    for suite in ("cgroup", "pod"):
        files = {"test_a.py": "def test_b():\n    ...\n", "test_c.py": CLASS}
        trees.write(root / "suites" / suite, files)
    wanted = trees.load(known, TEXT)
    return Project(catalog=known, matrix=wanted, expansion=matrix.expand(wanted, known))


@pytest.fixture(scope="module")
def chosen(here: Project) -> Settings:
    """Settings that name the project's matrix, which is not the nearest one."""
    return resolve_settings(
        matrix=here.catalog.root / "matrix.yaml", store=here.catalog.root, runs=None, debug=False,
        cancelled=Cancellation(),
    )  # fmt: skip


ONE = ("cell", "profile", "shard", "suites", "builder", "multiply", "fresh")
MANY = {"select": "select", "cases": "case", "sets": "sets", "arguments": "arguments"}


def pasted(line: str) -> tuple[Path, RunOptions]:
    """Return the matrix and the wish that the program reads from a command line."""
    program, *words = shlex.split(line)
    assert program == "harness"
    command = get_command(app)
    outer = command.make_context("harness", words)
    verb, *rest = outer._protected_args + outer.args  # click keeps the verb apart
    assert verb == "run"
    read = load_verb("run").make_context("run", rest, parent=outer).params
    wish: dict[str, Any] = {name: read[name] for name in ONE} | {
        name: tuple(read[option] or ()) for name, option in MANY.items()
    }
    return outer.params["matrix_file"], RunOptions(**wish)


wishes = st.builds(
    RunOptions,
    profile=st.sampled_from([None, "pods"]),
    select=st.sampled_from([(), ("runtime==nspawn",), ("go==1.27", "systemd>=252")]),
    suites=st.sampled_from([None, "cgroup", "pod,cgroup", "cgroup, pod"]),
    builder=st.sampled_from([None, "docker", "host"]),
    multiply=st.integers(1, 3),
    fresh=st.booleans(),
    sets=st.sampled_from([(), ("runtime.rkt.source=/a b", "systemd.source=git@example.org:x#v1")]),
    arguments=st.lists(st.sampled_from(["-k", "a b", "--", "-x", "it's", "--fresh", "{}"]), max_size=3).map(tuple),
)


@pytest.mark.slow
@given(
    wish=wishes,
    cases=st.lists(
        st.sampled_from(["test_a.py::test_b", "test_c.py::TestK::test_d[x::y z]", "test_c.py"]), unique=True
    ).map(tuple),
)
def test_the_line_of_a_cell_asks_for_the_same_again(
    here: Project, chosen: Settings, wish: RunOptions, cases: tuple[str, ...]
) -> None:
    """Whatever was asked for: read by the program, `again` is one cell with the same suites, cases, guest and words."""
    suites = wish.suites or ("pod" if wish.profile else "cgroup")
    wish = replace(wish, cases=tuple(f"{suites.partition(',')[0]}/{case}" for case in cases))
    first = wish.make_request(here, chosen)
    for cell in first.cells:
        path, second = pasted(format_again(cell, first, here, chosen))
        request = second.make_request(here, chosen)

        assert path.absolute() == chosen.matrix
        assert request.cells == (cell,)
        assert request.cases.get(cell, ()) == first.cases.get(cell, ())
        same = {"cells", "cases", "command"}
        assert request.model_dump(exclude=same) == first.model_dump(exclude=same)


@pytest.mark.slow
@given(wish=wishes)
def test_the_line_of_a_run_asks_for_the_same_again(here: Project, chosen: Settings, wish: RunOptions) -> None:
    """A run's `command`, read by the program, is the same request."""
    first = wish.make_request(here, chosen)
    _, second = pasted(first.command)

    assert second.make_request(here, chosen) == first


def test_the_line_names_only_what_is_not_usual(here: Project, chosen: Settings) -> None:
    """A plain run of a cell is repeated by a plain line; the matrix is named only where it is not found by itself."""
    cell = here.expansion.cells[0].id
    line = format_again(cell, RunOptions(cell=cell).make_request(here, chosen), here, chosen)

    assert line == f"harness --matrix {show_path(chosen.matrix)} run --cell {cell}"
    nearest = resolve_settings(matrix=None, store=None, runs=None, debug=False, cancelled=Cancellation())
    assert (
        format_again(cell, RunOptions(cell=cell).make_request(here, chosen), here, nearest)
        == f"harness run --cell {cell}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (RunOptions(suites="cgroup,pods"), "no suite `pods`"),
        (RunOptions(suites="cgroup", cases=("pod/test_a.py::test_b",)), "in no suite that runs; these do: cgroup"),
        (RunOptions(profile="nothing", cases=("pod/test_a.py::test_b",)), "these do: none"),
        (RunOptions(cases=("cgroup/none.py::b",)), "The suites have no `cgroup/none.py`"),
        (
            RunOptions(cases=("cgroup/test_a.py::test_b", "cgroup/test_a.py::test_bb")),
            "There is no case `test_bb` in suites/cgroup/test_a.py",
        ),
        (RunOptions(cases=("cgroup/::test_b",)), "There is no case `test_b` in suites/cgroup"),
        (RunOptions(cases=("cgroup/test_a.py::pytest",)), "There is no case `pytest` in suites/cgroup/test_a.py"),
        (RunOptions(cases=("pod/test_c.py::TestK::test_d[x]",)), "There is no case `TestK::test_d[x]` in suites/pod"),
        (RunOptions(cell="x", select=("go==1.27",)), "exclude each other"),
        (RunOptions(shard="3/2"), "is not a shard"),
    ],
)
def test_wish_that_makes_no_sense_is_refused(here: Project, chosen: Settings, wish: RunOptions, said: str) -> None:
    """Suites, cases and shards that are none end with a sentence that says what there is."""
    with pytest.raises(UsageError) as caught:
        wish.make_request(here, chosen)
    assert said in str(caught.value)
