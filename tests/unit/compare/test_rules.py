"""Which axis regressions follow: the smallest rule, in the language of --select."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import Catalog
from harness.compare import ChangeKind, compare, find_rules, separate
from harness.compare.rules import MOST, make_atoms
from harness.matrix import expand
from harness.model import Cell, CgroupMode, Outcome
from harness.selection import parse_selection
from tests.helpers import trees
from tests.helpers.sides import CASE, cell_side, side

CELLS = [
    Cell(distro="debian", channel=channel, systemd=systemd, cgroup=mode, runtime=runtime, go=go,
         runtime_version="1.1.5" if go else None)
    for channel, systemd in (("bookworm", "252"), ("trixie", "257"), ("sid", "262"))
    for mode in CgroupMode
    for runtime, go in (("nspawn", None), ("runc", "1.21"), ("runc", "1.27"))
]  # fmt: skip
"""27 cells, in which distro and systemd go together, and Go with runc."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What the cells' names mean."""
    return trees.project(tmp_path_factory.mktemp("project"))


def picked(text: str, known: Catalog) -> set[str]:
    """Return the cells that --select picks with an expression."""
    holds = parse_selection(text, known).holds
    return {cell.id for cell in CELLS if holds(cell)}


def split(bits: int) -> tuple[list[Cell], list[Cell]]:
    return [cell for index, cell in enumerate(CELLS) if bits >> index & 1], [
        cell for index, cell in enumerate(CELLS) if not bits >> index & 1
    ]


@pytest.mark.slow
@given(st.integers(min_value=1, max_value=2 ** len(CELLS) - 2))
def test_rule_picks_exactly_those_cells(known: Catalog, bits: int) -> None:
    """Whatever regressed: a rule, and each other one of its size, pasted after --select picks these cells; else none is claimed."""
    with_it, without = split(bits)
    rule = separate(with_it, without)

    for text in filter(None, (rule.expression, *rule.others)):
        assert picked(text, known) == {cell.id for cell in with_it}
    if rule.expression is None:
        assert "no rule" in rule.text
    if rule.nearest is not None:
        near = picked(rule.nearest, known)
        assert near >= {cell.id for cell in with_it}
        assert rule.wrong == len(near) - len(with_it)


SIMPLE = [
    "systemd>=257", "systemd<257", "cgroup==legacy", "cgroup!=hybrid", "go==1.27", "go==none", "runtime==runc",
    "systemd==257", "cgroup in (legacy, hybrid)",
]  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.sampled_from(SIMPLE), min_size=1, max_size=3, unique=True))
def test_no_smaller_conjunction_separates(known: Catalog, parts: list[str]) -> None:
    """What follows from some comparisons is found, and no conjunction of fewer comparisons does it: the naive search."""
    wanted = picked(" and ".join(parts), known)
    if not 0 < len(wanted) < len(CELLS):
        return
    with_it, without = ([cell for cell in CELLS if (cell.id in wanted) is kind] for kind in (True, False))
    rule = separate(with_it, without)
    assert rule.expression is not None
    assert picked(rule.expression, known) == wanted
    goal = sum(1 << index for index, cell in enumerate(CELLS) if cell.id in wanted)
    masks = {atom.mask for atom in make_atoms(CELLS)}
    naive = (size for size in (1, 2) for item in itertools.combinations(masks, size) if _and(item) == goal)
    needed = next(naive, 3)
    assert rule.expression.count(" and ") + 1 <= needed


def _and(masks: tuple[int, ...]) -> int:
    result = -1
    for mask in masks:
        result &= mask
    return result


def test_rule_of_the_release_manager() -> None:
    """The wanted sentence: how many, the smallest rule, and what else separates them as well."""
    with_it = [cell for cell in CELLS if cell.systemd != "252" and cell.cgroup is CgroupMode.LEGACY]
    rule = separate(with_it, [cell for cell in CELLS if cell not in with_it])

    assert rule.expression == "systemd>=257 and cgroup==legacy"
    assert rule.text.startswith("all 6 have systemd>=257 and cgroup==legacy, and none of 21 others")
    assert "cgroup==legacy and distro!=debian/bookworm" in rule.others


def test_either_of_two_causes_is_found() -> None:
    """Two independent causes are two conjunctions with `or` between."""
    with_it = [cell for cell in CELLS if cell.systemd == "262" or (cell.go == "1.21" and cell.cgroup == "legacy")]
    rule = separate(with_it, [cell for cell in CELLS if cell not in with_it])

    assert rule.expression == "systemd>=262 or go<1.27 and cgroup==legacy"


def test_chance_is_not_called_a_rule() -> None:
    """Cells without a pattern have no rule, which is said, with the nearest and how wrong that is."""
    with_it = [CELLS[index] for index in (0, 4, 8, 10, 14, 15, 20, 21, 25)]
    rule = separate(with_it, [cell for cell in CELLS if cell not in with_it])

    assert rule.expression is None
    assert rule.text.startswith(f"no rule of at most {MOST} values was found that separates the 9 from 18 others")


def test_nothing_to_tell_apart_is_said() -> None:
    """All cells, or none: there is no rule, and no claim."""
    assert separate(CELLS, []).text == "all 27 that can be compared, so no axis distinguishes them from others"
    assert separate([], CELLS).text == "there are none"
    assert separate(CELLS[:1], CELLS[1:2]).text.startswith("the only one")


def test_cells_that_say_nothing_do_not_count() -> None:
    """Cells where the case failed before, is skipped or broke are neither with nor without the regression."""
    old = [cell_side(cell, {CASE: Outcome.FAILED if cell.go == "1.27" else Outcome.PASSED}) for cell in CELLS]
    new = [
        cell_side(cell, {CASE: Outcome.SKIPPED})
        if cell.go is None
        else cell_side(cell, {CASE: Outcome.FAILED if cell.cgroup == "legacy" or cell.go == "1.27" else Outcome.PASSED})
        for cell in CELLS
    ]
    before, now = side(*old), side(*new)
    found = compare(before, now)
    follows = find_rules(found, before, now)

    assert found.counts[ChangeKind.REGRESSED] == 3
    assert (follows.by_case[CASE].with_it, follows.by_case[CASE].without) == (3, 6)
    assert follows.by_case[CASE].expression == "cgroup==legacy"
    assert follows.overall.expression == "cgroup==legacy"


def test_results_without_axes_have_no_rule() -> None:
    """A file of another tool has one cell and no axes: nothing is claimed about them."""
    before, now = side(cell_side("junit", {"x": Outcome.PASSED})), side(cell_side("junit", {"x": Outcome.FAILED}))
    assert find_rules(compare(before, now), before, now).overall.with_it == 0


@pytest.mark.slow
def test_every_comparison_is_pasteable(tmp_path: Path) -> None:
    """Names with every part (releases, flavors, built revisions) are written as --select reads them."""
    known = trees.project(tmp_path)
    text = trees.AXES.replace("[debian/bookworm, debian/sid]", "[debian/bookworm, flatcar/edge@2079.99.0]")
    text = text.replace("systemd: [distro]", "systemd: [distro, v241-12-g1a2b3c4, main]")
    text = text.replace("runc@1.1.5]", "runc@1.1.5, rkt@1.30.0/host]")
    cells = expand(trees.load(known, text), known).cells
    for atom in make_atoms(cells):
        value = f"({atom.values[0]})" if atom.sign == "in" else atom.values[0]
        holds = parse_selection(f"{atom.field} {atom.sign} {value}", known).holds
        assert atom.mask == sum(1 << index for index, cell in enumerate(cells) if holds(cell))
