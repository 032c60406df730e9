"""The programs of suites: what builds them is what builds the runtime."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness import catalog, matrix
from harness.bisect.question import Cases
from harness.build import BuildSpec, find_recipe
from harness.build.spec import BuildPaths
from harness.catalog import SuiteFile
from harness.model import Cell, CgroupMode
from harness.pipeline import list_prerequisites
from harness.plan import Plan, make_plan
from harness.source import Revision
from tests import ROOT

KNOWN = catalog.load(ROOT)
CELL = Cell(
    distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="runc", runtime_version="1.1.5",
    go="1.27",
)  # fmt: skip


def plan_with_program(cell: Cell) -> Plan:
    """Return the plan of a cell with a suite that has a program."""
    plan = make_plan(cell, matrix.load(ROOT / "matrix.yaml", KNOWN), KNOWN, ())
    demo = SuiteFile(name="demo", description="Has a program.", program=("main.go", "more.go"))
    return replace(plan, suites={"demo": demo, "cgroup": KNOWN.get_suite("cgroup")})


def test_a_program_is_built_as_the_runtime_is() -> None:
    """By the same Go, in the same environment, so that no other one is made; and cells wait for it."""
    plan = plan_with_program(CELL)

    (program,) = plan.programs

    assert plan.build is not None
    assert (program.title, program.builder) == ("demo 1 with Go 1.27", plan.builder)
    assert program.rules.choose_environment("1").packages == plan.build.rules.choose_environment("1.1.5").packages
    assert program.source.directory == ROOT / "suites" / "demo" / "program"
    assert f"build {program.title} by docker" in [need.name for need in list_prerequisites(plan)]


def test_another_go_builds_another_program() -> None:
    """A bisection replaces the Go of the runtime's build, and the program's follows."""
    plan = plan_with_program(CELL)
    assert plan.build is not None

    other = replace(plan, build=replace(plan.build, go="1.21"))

    assert [program.go for program in other.programs] == ["1.21"]


def test_a_suite_that_needs_no_runtime_waits_for_none() -> None:
    """A Go that builds the program and not the runtime is still asked; where another suite runs, the runtime is built."""
    plan = plan_with_program(CELL)
    demo = plan.suites["demo"].model_copy(update={"runtime": False})
    alone, both = replace(plan, suites={"demo": demo}), replace(plan, suites={**plan.suites, "demo": demo})
    assert plan.build is not None

    needs = {which: [need.name.split()[1] for need in list_prerequisites(which)] for which in (alone, both)}

    assert needs == {alone: ["debian/bookworm", "demo"], both: ["debian/bookworm", "runc", "demo"]}
    assert not alone.needs_runtime()
    assert not both.needs_runtime(["demo/test_x.py"])
    assert replace(plan, suites={}).needs_runtime()
    for which, wanted in ((alone, False), (both, False), (plan, True)):
        asked = Cases(tests=("demo/test_x.py",))
        assert asked.needs(plan.build, which) is wanted


def test_a_runtime_that_is_not_built_has_no_programs() -> None:
    """There is no Go then."""
    assert plan_with_program(replace(CELL, runtime="nspawn", runtime_version=None, go=None)).programs == ()


def test_files_that_are_named_are_in_no_module(tmp_path: Path) -> None:
    """Go is given the files and no vendor directory, where Go 1.19 would panic; a tree is built as it was."""
    plan = plan_with_program(CELL)
    assert plan.build is not None
    (program,) = plan.programs
    recipe = find_recipe("go")
    place = PurePosixPath("/tree")
    paths = BuildPaths(work=place, toolchain=place, output=place, scratch=place, cache=place, outside=tmp_path)
    found = []
    for rules, source in ((program.rules, program.source), (plan.build.rules, plan.build.rules.sources[1])):
        revision = Revision(kind="git", version="1", identity="x", text="x", stamp="x")
        spec = BuildSpec(name="demo", version="1", rules=rules, source=source, revision=revision, toolchain=None)
        (command,) = recipe.make_commands(spec, paths)
        found.append((command.argv[-2:], command.env["GOFLAGS"]))
    assert found == [(("main.go", "more.go"), ""), (("/tree/usr/local/sbin/runc", "."), "-mod=vendor")]
