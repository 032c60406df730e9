"""From axes to cells: the product, inclusions, exclusions, and what cannot be."""

import gc
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import matrix
from harness.catalog import Catalog
from harness.errors import NothingRanError, UsageError
from harness.garbage import pause_garbage_collection
from harness.matrix import Matrix
from harness.model import Cell, CgroupMode, find_systemd_version
from harness.selection.names import check_axis_runtime
from tests import ROOT
from tests.helpers import trees

REMOVED = "systemd 258 removed cgroup v1 (NEWS of 258); asked for it, it boots unified without a word."


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog of `trees`."""
    return trees.project(tmp_path_factory.mktemp("project"))


def test_the_project_s_own_matrix_has_these_cells() -> None:
    """The shipped matrix.yaml: identifiers, order, and the sizes of its profiles."""
    root = ROOT
    known = Catalog(root=root)
    wanted = matrix.load(root / "matrix.yaml", known)
    cells = matrix.expand(wanted, known).cells
    assert [cell.id for cell in cells[:6]] == [
        "debian-bullseye+systemd-247+legacy+nspawn",
        "debian-bullseye+systemd-247+go-1.21+legacy+runc-1.1.5",
        "debian-bullseye+systemd-247+legacy+runc-distro",
        "debian-bullseye+systemd-247+legacy+crun",
        "debian-bullseye+systemd-247+hybrid+nspawn",
        "debian-bullseye+systemd-247+go-1.21+hybrid+runc-1.1.5",
    ]
    quick = matrix.choose(matrix.expand(wanted, known), wanted, known, profile="quick")
    assert quick.suites == ("cgroup",)
    assert [cell.id for cell in quick.cells] == ["debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5"]


def test_an_upgrade_leads_to_a_newer_systemd_of_the_distro(tmp_path: Path) -> None:
    """Other cells are left out, each with the reason; a revision may be any."""
    known = Catalog(root=ROOT)
    text = (
        (ROOT / "matrix.yaml")
        .read_text(encoding="utf-8")
        .replace("systemd: [distro]", 'systemd: ["distro->257", "distro->262", "distro->v261"]')
    )
    (tmp_path / "matrix.yaml").write_text(text, encoding="utf-8")
    wanted = matrix.load(tmp_path / "matrix.yaml", known)
    expansion = matrix.expand(wanted, known)
    nspawn = {
        cell.id for cell in expansion.cells if cell.runtime == "nspawn" and cell.channel in {"trixie", "bookworm"}
    }
    reasons = {cell.id: reason for cell, reason in expansion.excluded}

    assert nspawn == {
        *(f"debian-bookworm+systemd-252-to-257+{mode}+nspawn" for mode in CgroupMode),
        "debian-bookworm+systemd-252-to-262+unified+nspawn",
        "debian-bookworm+systemd-252-to-v261+unified+nspawn",
        "debian-trixie+systemd-257-to-262+unified+nspawn",
        "debian-trixie+systemd-257-to-v261+unified+nspawn",
    }
    assert reasons["debian-trixie+systemd-257-to-257+unified+nspawn"] == (
        "Systemd 257 is no upgrade for a guest that has 257."
    )
    assert reasons["debian-bookworm+systemd-252-to-262+legacy+nspawn"] == REMOVED


def test_the_ci_profile_covers_what_it_promises() -> None:
    """At least 12 cells: four versions of systemd, three cgroup modes where they exist, two Gos, both runtimes."""
    root = ROOT
    known = Catalog(root=root)
    wanted = matrix.load(root / "matrix.yaml", known)
    cells = matrix.choose(matrix.expand(wanted, known), wanted, known, profile="ci").cells
    modes: dict[str, set[str]] = {}
    for cell in cells:
        modes.setdefault(cell.systemd, set()).add(cell.cgroup)
    assert len(cells) >= 12
    assert len(modes) == 4
    assert [{"legacy", "hybrid", "unified"}] * 3 + [{"unified"}] == list(modes.values())
    assert {"1.21", "1.27"} == {cell.go for cell in cells if cell.go}
    assert {"nspawn", "runc"} == {cell.runtime for cell in cells}


def test_every_kind_of_value_becomes_its_part_of_a_cell(known: Catalog) -> None:
    """Releases, revisions, versions and flavors stand in the identifier, which is safe as a file name."""
    text = """\
version: 1
axes:
  distro: [flatcar/edge@2079.99.0]
  systemd: [distro, v252, origin/main]
  go: ["1.21"]
  cgroup: [unified]
  runtime: [nspawn, rkt@1.30.0, rkt@1.30.0/host]
"""
    cells = matrix.expand(trees.load(known, text), known).cells
    assert [cell.id for cell in cells] == [
        f"flatcar-edge-2079.99.0+systemd-{systemd}+{rest}"
        for systemd in ("241", "v252", "origin@2fmain")
        for rest in ("unified+nspawn", "go-1.21+unified+rkt-1.30.0-coreos", "go-1.21+unified+rkt-1.30.0-host")
    ]
    assert [cell.systemd_built for cell in cells] == [False] * 3 + [True] * 6


def test_a_plain_runtime_has_no_flavor_unless_one_is_named() -> None:
    """Runc without a word is what it always was; rkt has its first flavor."""
    known, names = Catalog(root=ROOT), ("runc@1.1.5", "runc@1.1.5/cgroupfs", "rkt@1.30.0")

    assert [check_axis_runtime(name, known).flavor for name in names] == [None, "cgroupfs", "coreos"]


def test_what_is_not_built_has_one_cell_for_all_versions_of_go(known: Catalog) -> None:
    """Nspawn has no Go: its cells stand where those of the first Go are."""
    cells = matrix.expand(trees.load(known, trees.AXES), known).cells
    assert [(cell.cgroup.value, cell.runtime, cell.go) for cell in cells if cell.channel == "bookworm"] == [
        ("legacy", "nspawn", None),
        ("legacy", "runc", "1.21"),
        ("unified", "nspawn", None),
        ("unified", "runc", "1.21"),
        ("legacy", "runc", "1.27"),
        ("unified", "runc", "1.27"),
    ]


def test_cells_that_cannot_be_are_left_out_with_the_reason(known: Catalog) -> None:
    """Cgroup v1 with systemd 258 and later is known as data; the rest of the distro stays."""
    expansion = matrix.expand(trees.load(known, trees.AXES), known)
    assert {"unified"} == {cell.cgroup.value for cell in expansion.cells if cell.channel == "sid"}
    assert [(cell.channel, cell.cgroup.value, reason) for cell, reason in expansion.excluded] == [
        ("sid", "legacy", REMOVED)
    ] * 3


@pytest.mark.parametrize(
    ("revision", "version", "possible"),
    [
        ("v257", "257", True), ("v258", "258", False), ("v258.3", "258.3", False), ("v258-rc1", "258", False),
        ("v257-300-g1a2b3c4", "257", True), ("v258-1-gabcdef0", "258", False), ("main", None, True),
        ("1a2b3c4d5e6f", None, True), ("1234567", None, True), ("v2570000", None, True),
    ],
)  # fmt: skip
def test_rules_follow_the_version_of_a_revision(
    known: Catalog, revision: str, version: str | None, *, possible: bool
) -> None:
    """A tag or a description has the rules of its release; what only the repository could tell stays in."""
    assert version == find_systemd_version(revision)
    text = trees.AXES.replace("[distro]", f"[{revision}]")
    cells = matrix.expand(trees.load(known, text), known).cells
    assert possible == any(cell.cgroup is CgroupMode.LEGACY for cell in cells)


def test_inclusions_come_last_and_exclusions_hold_for_them_too(known: Catalog) -> None:
    """An included cell follows the product; the first exclusion that holds gives the reason."""
    text = f"""{trees.AXES}\
include:
  - {{distro: debian/trixie, cgroup: unified, runtime: nspawn}}
  - {{distro: flatcar/edge, systemd: v252, go: "1.27", cgroup: hybrid, runtime: rkt@1.30.0}}
exclude:
  - {{when: distro==flatcar and cgroup==hybrid, reason: First.}}
  - {{when: systemd==v252, reason: Second.}}
"""
    expansion = matrix.expand(trees.load(known, text), known)
    assert expansion.cells[-1].id == "debian-trixie+systemd-257+unified+nspawn"
    assert (
        expansion.excluded[-1][0].id,
        expansion.excluded[-1][1],
    ) == ("flatcar-edge+systemd-v252+go-1.27+hybrid+rkt-1.30.0-coreos", "First.")


axes = st.fixed_dictionaries(
    {
        "distro": st.lists(st.sampled_from(["debian/bookworm", "debian/sid", "flatcar/edge"]), min_size=1, unique=True),
        "systemd": st.lists(st.sampled_from(["distro", "v240", "v252", "v260", "main"]), min_size=1, unique=True),
        "go": st.lists(st.sampled_from(["1.21", "1.22", "1.27"]), min_size=1, unique=True),
        "cgroup": st.lists(st.sampled_from([mode.value for mode in CgroupMode]), min_size=1, unique=True),
        "runtime": st.lists(
            st.sampled_from(["nspawn", "runc@1.1.5", "runc@distro", "rkt@1.0/host"]), min_size=1, unique=True
        ),
    }
)
exclusions = st.lists(
    st.sampled_from(["go==1.21", "cgroup==legacy and systemd>=250", "runtime==nspawn", "not distro==debian"]),
    max_size=2,
)
AXES = ("distro", "systemd", "go", "cgroup", "runtime")
OWN = {"debian/bookworm": "252", "debian/sid": "262", "flatcar/edge": "241"}


def naive(values: dict[str, list[str]], excluded: list[str]) -> tuple[list[str], list[str]]:
    """Return the identifiers of the cells and of the excluded ones, from itertools and if."""
    rules: dict[str, Callable[[dict[str, Any]], bool]] = {
        "go==1.21": lambda point: point["go"] == "1.21",
        "cgroup==legacy and systemd>=250": lambda point: point["cgroup"] == "legacy" and (point["number"] or 0) >= 250,
        "runtime==nspawn": lambda point: point["runtime"] == "nspawn",
        "not distro==debian": lambda point: not point["distro"].startswith("debian"),
    }
    found: dict[str, bool] = {}
    for distro, systemd, go, cgroup, runtime in itertools.product(*(values[axis] for axis in AXES)):
        version = OWN[distro] if systemd == "distro" else systemd
        number = None if version == "main" else int(version.removeprefix("v"))
        built = None if runtime in {"nspawn", "runc@distro"} else go
        point: dict[str, Any] = {
            "distro": distro, "number": number, "go": built, "cgroup": cgroup, "runtime": runtime
        }  # fmt: skip
        parts = [distro.replace("/", "-"), f"systemd-{version}", *([f"go-{built}"] if built else []), cgroup]
        name = "+".join([*parts, runtime.replace("@", "-").replace("/", "-")])
        impossible = number is not None and number >= 258 and cgroup != "unified"
        found[name] = impossible or any(rules[rule](point) for rule in excluded)
    return [name for name, out in found.items() if not out], [name for name, out in found.items() if out]


@pytest.mark.slow
@given(values=axes, excluded=exclusions)
def test_expansion_agrees_with_the_naive_one(known: Catalog, values: dict[str, list[str]], excluded: list[str]) -> None:
    """Cells, excluded cells, their identifiers and their order are those of the plain product."""
    model = Matrix.model_validate(
        {"version": 1, "axes": values, "exclude": [{"when": rule, "reason": "No."} for rule in excluded]}, context=known
    )
    expansion = matrix.expand(model, known)
    cells, left_out = naive(values, excluded)
    assert cells == [cell.id for cell in expansion.cells]
    assert left_out == [cell.id for cell, _ in expansion.excluded]


def test_the_search_for_garbage_goes_on_after_an_expansion(known: Catalog) -> None:
    """It is paused while cells are made, and left as it was found, also where the making fails."""

    def fail() -> None:
        with pause_garbage_collection():
            assert not gc.isenabled()
            raise ZeroDivisionError

    for before in (True, False):
        gc.enable() if before else gc.disable()
        with pytest.raises(ZeroDivisionError):
            fail()
        assert gc.isenabled() is before
    gc.enable()


def test_a_choice_has_the_profile_s_cells_and_suites(known: Catalog) -> None:
    """A profile's expression and those of the user must all hold; its suites, or else the default ones, run."""
    text = f"""{trees.AXES}\
profiles:
  new: {{select: go==1.27, suites: [pod], gate: ci/policy.yaml}}
  every: {{}}
  none: {{suites: []}}
defaults: {{suites: [cgroup]}}
"""
    wanted = trees.load(known, text)
    expansion = matrix.expand(wanted, known)
    chosen = matrix.choose(expansion, wanted, known, profile="new", select=["cgroup==unified", "distro==debian/sid"])
    assert [cell.id for cell in chosen.cells] == ["debian-sid+systemd-262+go-1.27+unified+runc-1.1.5"]
    assert (chosen.suites, chosen.gate) == (("pod",), "ci/policy.yaml")
    assert matrix.choose(expansion, wanted, known, profile="every").suites == ("cgroup",)
    assert matrix.choose(expansion, wanted, known, profile="none").suites == ()
    assert matrix.choose(expansion, wanted, known).cells == expansion.cells
    with pytest.raises(UsageError, match=r"There is no profile `old`; known are new, every, none\."):
        matrix.choose(expansion, wanted, known, profile="old")


def test_an_empty_choice_says_why(known: Catalog) -> None:
    """Where all cells that fit are excluded, their reasons are the hint; otherwise how to see all cells."""
    wanted = trees.load(known, trees.AXES)
    expansion = matrix.expand(wanted, known)
    with pytest.raises(NothingRanError, match="All cells that fit the selection are excluded") as caught:
        matrix.choose(expansion, wanted, known, select=["systemd>=258 and cgroup==legacy"])
    assert caught.value.hint == REMOVED
    with pytest.raises(NothingRanError, match=r"No cell of the matrix fits the selection: systemd<5\."):
        matrix.choose(expansion, wanted, known, select=["systemd<5"])


def test_a_cell_is_found_by_its_identifier(known: Catalog) -> None:
    """An unknown identifier is answered with near ones, an excluded one with the reason."""
    expansion = matrix.expand(trees.load(known, trees.AXES), known)
    some: Cell = expansion.cells[3]
    assert some is matrix.find(expansion, some.id)
    with pytest.raises(UsageError, match="There is no cell") as caught:
        matrix.find(expansion, "debian-bookworm+systemd-252+legacy+nspwan")
    assert "debian-bookworm+systemd-252+legacy+nspawn" in str(caught.value.hint)
    with pytest.raises(UsageError, match="is excluded: systemd 258 removed cgroup v1"):
        matrix.find(expansion, "debian-sid+systemd-262+legacy+nspawn")
