"""What is known about rkt: its matrix, `--set runtime.rkt.source=`, and the systemd that its src flavor is made from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, matrix, toolchain
from harness.app.sources import set_sources
from harness.catalog import Source
from harness.errors import UsageError
from harness.matrix import Matrix
from harness.model import Cell, CgroupMode, VersionRange
from harness.plan import make_plan, make_plans, replace_systemd
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers import trees
from tests.helpers.command_line import harness
from tests.helpers.rkt_tree import RktTree

KNOWN = catalog.load(ROOT)
FILE = "matrix-rkt.yaml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def wanted() -> Matrix:
    """The matrix of rkt, as it is shipped."""
    return matrix.load(ROOT / FILE, KNOWN, name=FILE)


def _cell(flavor: str, systemd: str, *, built: bool = False) -> Cell:
    return Cell(
        distro="debian", channel="bullseye", systemd=systemd, systemd_built=built, go="1.12", cgroup=CgroupMode.LEGACY,
        runtime="rkt", runtime_version="1.30.0", flavor=flavor,
    )  # fmt: skip


def test_every_cell_of_its_matrix_has_a_plan(wanted: Matrix) -> None:
    """Each has a build in its flavor; the runtime is asked for its version as rkt wants to be asked."""
    cells = matrix.expand(wanted, KNOWN).cells
    made = make_plans(cells, wanted, KNOWN, ("cgroup",))
    assert {"host", "fly", "src"} == {each.build.flavor for each in made if each.build}
    assert [each.cell.flavor for each in made] == [each.build.flavor for each in made if each.build]
    assert {("rkt", "version")} == {each.command for each in made}
    assert {"src"} == {each.cell.flavor for each in made if each.build and each.build.systemd}


def test_the_flavors_are_those_that_are_built() -> None:
    """Each flavor of the axis says what it makes: its own image, in the directory that rkt is told to look in."""
    runtime = KNOWN.get_runtime("rkt")
    assert runtime.build is not None
    assert set(runtime.flavors) == set(runtime.build.flavors)
    (images,) = (
        options.set["with-stage1-default-images-directory"]
        for options in runtime.build.options
        if "with-stage1-default-images-directory" in options.set
    )
    for name, flavor in runtime.build.flavors.items():
        assert [f"{images.lstrip('/')}/stage1-{name}.aci"] == [output.place for output in flavor.outputs]
        assert (
            name
            == {key: value for options in flavor.options for key, value in options.set.items()}["with-stage1-flavors"]
        )


def test_src_is_made_from_the_systemd_of_the_cell(wanted: Matrix) -> None:
    """From the revision that also runs the guest; where that is the image's own, from the tag of its version."""
    made = make_plans(
        (_cell("src", "v234", built=True), _cell("src", "247"), _cell("host", "247")), wanted, KNOWN, ("cgroup",)
    )
    builds = [each.build for each in made]
    assert ["v234", "v247", None] == [each.systemd[0] if each and each.systemd else None for each in builds]
    assert made[0].systemd is not None
    assert builds[0] is not None
    assert builds[0].systemd is not None
    assert made[0].systemd.source == builds[0].systemd[1]
    assert "rkt 1.30.0/src of systemd v234 with Go 1.12" == builds[0].title


def test_a_bisection_of_systemd_builds_src_anew(wanted: Matrix) -> None:
    """A commit that takes the place of the guest's systemd takes that of stage1's too; other flavors stay."""
    for flavor, expected in (("src", ("234", COMMIT)), ("host", None)):
        base = make_plan(_cell(flavor, "v234", built=True), wanted, KNOWN, ("cgroup",))
        after = replace_systemd(base, KNOWN, source=Source(git="/repository"), version="234", commit=COMMIT)
        assert after.build is not None
        found = after.build.systemd
        assert expected == ((found[0], found[1].ref) if found else None)


@pytest.mark.slow
def test_a_directory_that_is_no_rkt_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    """The sentence says what was looked for and where, the hint what to do; nothing is written below runs/."""
    tree = RktTree(tmp_path / "tree").path
    (tree / "rkt" / "rkt.mk").unlink()
    (tree / "autogen.sh").unlink()
    words = ("--matrix", str(ROOT / FILE), "--runs", str(tmp_path / "runs"), "run", "--profile", "first", "--set")
    done = harness(*words, f"runtime.rkt.source={tree}", cwd=tmp_path)
    rules = KNOWN.get_runtime("rkt").build
    assert rules is not None
    assert (2, "") == (done.code, done.out)
    assert done.err.splitlines() == [
        f"error: The directory {tree} is not a tree of rkt: it has no autogen.sh, no rkt/rkt.mk.",
        f"hint: Name the top directory of a checkout of rkt, which has {', '.join(rules.landmarks)}.",
    ]
    done = harness(*words, "runtime.rkt.source=./nowhere", cwd=tmp_path)
    assert (2, f"error: The source directory {tmp_path}/nowhere does not exist.\n") == (done.code, done.err)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_directory_takes_the_place_of_the_known_source(tmp_path: Path, wanted: Matrix) -> None:
    """`plan --set` shows the directory as it is now, an address of a repository takes a ref."""
    tree = RktTree(tmp_path / "tree").path
    cell = "debian-bullseye+systemd-247+go-1.12+legacy+rkt-1.30.0-host"
    shared = ("--matrix", str(ROOT / FILE), "--store", str(tmp_path / "store"))
    done = harness(*shared, "plan", cell, "--set", f"runtime.rkt.source={tree}", "--format", "json", cwd=tmp_path)
    assert (0, "") == (done.code, done.err)
    (step, *_) = json.loads(done.out)[0]["steps"]
    assert step["text"].startswith(f"rkt 1.30.0/host with go 1.12.17, builder docker; {tree} as it is now (")
    changed = set_sources(wanted, ["runtime.rkt.source=https://example.org/rkt#main"], KNOWN)
    assert ("https://example.org/rkt", "main") == (changed.sources["rkt"][0].git, changed.sources["rkt"][0].ref)
    assert set_sources(wanted, [], KNOWN) is wanted


@pytest.mark.parametrize("word", ["runtime.rkt.sources=/tmp", "runtime.nspawn.source=/tmp", "rkt", "systemd.source="])
def test_what_cannot_be_set_is_named_with_what_can(wanted: Matrix, word: str) -> None:
    """A key of nothing, of a runtime that is not built, or without a value."""
    with pytest.raises(UsageError, match="sets nothing that there is") as caught:
        set_sources(wanted, [word], KNOWN)
    assert "runtime.rkt.source, runtime.runc.source, systemd.source" in str(caught.value.hint)


def test_go_of_its_years_is_known_exactly(tmp_path: Path, deadline: Deadline) -> None:
    """Each minor version from 1.5 to 1.12 is one archive with a digest; another patch release is refused by its name."""
    go, store = KNOWN.toolchains["go"], Store(tmp_path / "store")
    found = {f"1.{minor}": toolchain.resolve("go", go, f"1.{minor}", store, deadline) for minor in range(5, 13)}
    assert all(VersionRange(f"=={minor}").contains(release.version) for minor, release in found.items())
    assert 8 == len({release.identity for release in found.values()})
    ((address, (version, _)),) = found["1.12"].files.items()
    assert (version, True) == ("1.12.17", address.endswith("/go1.12.17.linux-amd64.tar.gz"))
    assert "1.12.6" == toolchain.resolve("go", go, "1.12.6", store, deadline).version
    with pytest.raises(UsageError, match=r"There is no go 1\.8\.1; the version in .* is 1\.8\.7"):
        toolchain.resolve("go", go, "1.8.1", store, deadline)


def test_the_fakes_of_other_tests_are_built_without_flavors(tmp_path: Path) -> None:
    """A runtime whose flavors are built alike has one build for all of them, in no flavor."""
    known = trees.project(tmp_path)
    found = trees.load(known, trees.AXES.replace("runc@1.1.5", "rkt@1.30.0/host"))
    cell = replace(_cell("host", "252"), channel="bookworm", go="1.27")
    request = make_plan(cell, found, known, ("cgroup",)).build
    assert request is not None
    assert (None, None) == (request.flavor, request.systemd)
