"""Plans: a cell becomes everything that its engines need, and a commit of systemd can take the place of the image's."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import matrix
from harness.build import Builder
from harness.catalog import Catalog, Source
from harness.errors import UsageError
from harness.matrix import Matrix
from harness.model import Cell, CgroupMode
from harness.plan import Plan, make_plan, make_plans, replace_systemd
from tests.helpers.trees import AXES, load, project, write

COMMIT = "0123456789abcdef0123456789abcdef01234567"

SOURCES = """\
include:
  - {distro: debian/bookworm, systemd: v257, cgroup: legacy, runtime: nspawn}
sources:
  systemd: [{versions: "<258", git: /somewhere, ref: "{version}"}]
"""

CRUN = "name: crun\ndescription: A runtime that is never built.\ncommand: crun\npackages: [crun]\n"

DISKS = "name: pod\ndescription: Pods.\ndisks: [debian/trixie, debian/{}]\n"


@pytest.fixture
def known(tmp_path: Path) -> Catalog:
    (tmp_path / "knowledge" / "runtimes").mkdir(parents=True)
    (tmp_path / "knowledge" / "runtimes" / "crun.yaml").write_text(CRUN, encoding="utf-8")
    return project(tmp_path)


def _cell(found: Matrix, known: Catalog, wanted: str) -> Cell:
    return matrix.find(matrix.expand(found, known), wanted)


def _plan(known: Catalog, wanted: str) -> Plan:
    found = load(known, AXES + SOURCES)
    return make_plan(_cell(found, known, wanted), found, known, ("cgroup",))


def test_cells_share_what_is_the_same(known: Catalog) -> None:
    """Cells with one runtime and toolchain have one build, those with one channel one image; the image's systemd none."""
    found = load(known, AXES)
    made = make_plans(matrix.expand(found, known).cells, found, known, ("cgroup", "pod"))
    assert {False} == {each.systemd is not None for each in made}
    assert 2 == len({id(each.build) for each in made if each.build})
    assert 2 == len({id(each.image) for each in made})
    assert [None] == list({each.build for each in made if each.cell.runtime == "nspawn"})


def test_a_revision_of_systemd_is_built_and_booted_by_its_version(known: Catalog) -> None:
    """A cell with a tag gets a build from the first source that has it, and the kernel arguments of that version."""
    made = _plan(known, "debian-bookworm+systemd-v257+legacy+nspawn")
    assert made.systemd is not None
    assert ("systemd", "v257", "/somewhere") == (made.systemd.name, made.systemd.version, made.systemd.source.git)
    assert "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" in made.arguments
    assert made.systemd.builder is made.builder is Builder.DOCKER


def test_a_commit_takes_the_place_of_the_systemd_of_a_plan(known: Catalog) -> None:
    """The cell names the version and the commit, all else stays, and a mode that the version cannot be in is refused."""
    before = _plan(known, "debian-bookworm+systemd-252+legacy+nspawn")
    origin = Source(git="/repository")
    after = replace_systemd(before, known, source=origin, version="256", commit=COMMIT)
    assert "debian-bookworm+systemd-256-g0123456789ab+legacy+nspawn" == after.cell.id
    assert after.systemd is not None
    assert (COMMIT, "256") == (after.systemd.source.ref, after.systemd.version)
    assert "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" in after.arguments
    assert before == replace(after, cell=before.cell, systemd=None, arguments=before.arguments)
    with pytest.raises(UsageError, match="removed cgroup v1"):
        replace_systemd(before, known, source=origin, version="258", commit=COMMIT)


def test_a_revision_without_a_version_is_refused(known: Catalog) -> None:
    """Of a branch nobody knows how it is built and booted; the hint says what to name instead."""
    found = load(known, AXES)
    cell = replace(
        _cell(found, known, "debian-bookworm+systemd-252+unified+nspawn"), systemd="main", systemd_built=True
    )
    assert cell.cgroup is CgroupMode.UNIFIED
    with pytest.raises(UsageError, match="`main`") as caught:
        make_plan(cell, found, known, ("cgroup",))
    assert "v257" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("runtime", "name", "packages", "built"),
    [
        ("crun", "unified+crun", ("crun",), False),
        ("runc@distro", "unified+runc-distro", ("runc",), False),
        ("runc@1.1.5", "go-1.21+unified+runc-1.1.5", (), True),
        ("nspawn", "unified+nspawn", (), False),
    ],
)
def test_a_runtime_comes_from_packages_where_it_is_not_built(
    known: Catalog, runtime: str, name: str, packages: tuple[str, ...], *, built: bool
) -> None:
    """One that has nothing else, or is asked for as `distro`: no build, no Go, and it says its version as others do."""
    found = load(known, AXES.replace("runc@1.1.5", runtime) if runtime != "nspawn" else AXES)
    made = make_plan(_cell(found, known, f"debian-bookworm+systemd-252+{name}"), found, known, ("cgroup",))
    assert (packages, built) == (made.packages, made.build is not None)
    assert "--version" == made.command[1]
    assert built == (made.cell.go is not None)


def test_a_suite_has_disks_of_other_images(known: Catalog) -> None:
    """The guest gets the disks that its suites want, and not its own a second time."""
    write(known.root, {"suites/pod/suite.yaml": DISKS.format("sid")})
    found = load(known, AXES)
    for each in make_plans(matrix.expand(found, known).cells, found, known, ("cgroup", "pod")):
        titles = {disk.title for disk in each.disks}
        assert each.image.title not in titles
        assert titles | {each.image.title} == {"debian/sid", "debian/trixie", each.image.title}
    assert {()} == {each.disks for each in make_plans(matrix.expand(found, known).cells, found, known, ("cgroup",))}


def test_a_disk_of_no_image_is_refused(known: Catalog) -> None:
    """A suite that names an image that is not there is an error, before anything is made."""
    write(known.root, {"suites/pod/suite.yaml": DISKS.format("none")})
    found = load(known, AXES)
    with pytest.raises(UsageError, match=r"debian/none"):
        make_plans(matrix.expand(found, known).cells, found, known, ("pod",))


def test_a_plan_is_a_value(known: Catalog) -> None:
    """Equal plans have one hash, and what is planned with another suite is another plan."""
    found = load(known, AXES)
    cells = matrix.expand(found, known).cells
    first, again, other = (
        set(make_plans(cells, found, known, suites)) for suites in (("cgroup",), ("cgroup",), ("pod",))
    )
    assert first == again
    assert len(cells) == len(first)
    assert not first & other
