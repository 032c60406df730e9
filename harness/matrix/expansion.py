"""From axes to cells: the product, what is included and excluded, and what is impossible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from harness.catalog import Catalog
from harness.errors import NothingRanError, UsageError
from harness.matrix import names
from harness.matrix.models import Matrix
from harness.matrix.names import DistroName, RuntimeName
from harness.matrix.selection import Selection, selection
from harness.model import Cell, CgroupMode

__all__ = ["Choice", "Expansion", "cell_from", "choose", "expand", "find"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """All cells of a matrix.

    Attributes:
        cells: Those that can run, in the order of the axes, then the included ones.
        excluded: Those that are left out, each with the reason, in the same order.
    """

    cells: tuple[Cell, ...]
    excluded: tuple[tuple[Cell, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Cells that a user asked for.

    Attributes:
        cells: Those that run; never empty.
        excluded: Those that would fit but are left out, each with the reason.
        suites: Names of the suites that run in them.
        gate: Path of the release policy, relative to the matrix file, or None.
    """

    cells: tuple[Cell, ...]
    excluded: tuple[tuple[Cell, str], ...]
    suites: tuple[str, ...]
    gate: str | None = None


def expand(matrix: Matrix, catalog: Catalog) -> Expansion:
    """All cells of a matrix, in an order that depends on nothing but the file.

    A cell is left out by the first `exclude` that holds for it, or because the harness knows that its
    systemd cannot boot in its cgroup mode. The rule of a systemd whose version cannot be told from its
    revision is not known here, so such cells stay.
    """
    cells: list[Cell] = []
    excluded: list[tuple[Cell, str]] = []
    impossible: dict[tuple[str, CgroupMode], str | None] = {}
    exclusions = tuple((item.when.holds, item.reason) for item in matrix.exclude)
    for cell in _all(matrix, catalog):
        reason = next((why for holds, why in exclusions if holds(cell)), None)
        if reason is None:
            pair = (cell.systemd, cell.cgroup)
            if pair not in impossible:
                impossible[pair] = _impossible(*pair, catalog)
            reason = impossible[pair]
        if reason is None:
            cells.append(cell)
        else:
            excluded.append((cell, reason))
    return Expansion(cells=tuple(cells), excluded=tuple(excluded))


def choose(
    expansion: Expansion, matrix: Matrix, catalog: Catalog, *, profile: str | None = None, select: Sequence[str] = ()
) -> Choice:
    """The cells and suites that a user asked for.

    Args:
        expansion: All cells of the matrix.
        matrix: The matrix.
        catalog: The catalog.
        profile: Name of a profile; every cell and the default suites if None.
        select: Expressions that must hold as well.

    Raises:
        UsageError: There is no such profile, or an expression is wrong.
        NothingRanError: No cell fits; the hint says why, where all that fit are excluded.
    """
    named = matrix.profile(profile) if profile is not None else None
    wanted = [named.select] if named is not None and named.select is not None else []
    wanted += [selection(text, catalog) for text in select]
    cells, excluded = expansion.cells, expansion.excluded
    for item in wanted:
        holds = item.holds
        cells = tuple([cell for cell in cells if holds(cell)])
        excluded = tuple([pair for pair in excluded if holds(pair[0])])
    if not cells:
        of_profile = f" of the profile `{profile}`" if profile is not None else ""
        raise _nothing(of_profile, wanted, excluded)
    suites = matrix.suite_names(named, catalog)
    return Choice(cells=cells, excluded=excluded, suites=suites, gate=named.gate if named is not None else None)


def find(expansion: Expansion, identifier: str) -> Cell:
    """The cell with an identifier.

    Raises:
        UsageError: There is none, or it is excluded; the message has the reason, or the nearest names.
    """
    for cell in expansion.cells:
        if cell.id == identifier:
            return cell
    for cell, reason in expansion.excluded:
        if cell.id == identifier:
            raise UsageError(f"The cell `{identifier}` is excluded: {reason}")
    near = get_close_matches(identifier, [cell.id for cell in expansion.cells], n=3)
    raise UsageError(
        f"There is no cell `{identifier}` in the matrix.",
        hint=f"Near it are {', '.join(near)}." if near else "`harness matrix list` prints all cells.",
    )


def cell_from(
    distro: DistroName, systemd: str, go: str | None, cgroup: CgroupMode, runtime: RuntimeName, catalog: Catalog
) -> Cell:
    """The cell at a point; `systemd` is `distro` or a revision, and `go` is dropped for what is not built."""
    assert distro.channel is not None  # names.axis_distro
    own = systemd == names.DISTRO_IMAGE
    return Cell(
        distro=distro.distro,
        channel=distro.channel,
        release=distro.release,
        systemd=catalog.distros[distro.distro].channels[distro.channel].systemd if own else systemd,
        systemd_built=not own,
        go=go if catalog.runtimes[runtime.runtime].build is not None else None,
        cgroup=cgroup,
        runtime=runtime.runtime,
        runtime_version=runtime.version,
        flavor=runtime.flavor,
    )


def _all(matrix: Matrix, catalog: Catalog) -> Iterator[Cell]:
    axes = matrix.axes
    runtimes = [names.axis_runtime(text, catalog) for text in axes.runtime]
    for distro in [names.axis_distro(text, catalog) for text in axes.distro]:
        for systemd in axes.systemd:
            for index, go in enumerate(axes.go):
                # What is not built has one cell for all versions of Go: it stands where the first is.
                present = [item for item in runtimes if index == 0 or catalog.runtimes[item.runtime].build is not None]
                for cgroup in axes.cgroup:
                    for runtime in present:
                        yield cell_from(distro, systemd, go, cgroup, runtime, catalog)
    yield from included(matrix, catalog)


def included(matrix: Matrix, catalog: Catalog) -> Iterator[Cell]:
    """The cells of `include`, in the order of the file."""
    for item in matrix.include:
        distro, runtime = names.axis_distro(item.distro, catalog), names.axis_runtime(item.runtime, catalog)
        yield cell_from(distro, item.systemd, item.go, item.cgroup, runtime, catalog)


def _impossible(systemd: str, cgroup: CgroupMode, catalog: Catalog) -> str | None:
    version = names.systemd_version(systemd)
    if version is None:
        return None
    rule = catalog.systemd.cgroup_rule(version, cgroup)
    return rule.reason if rule.arguments is None else None


def _nothing(of_profile: str, wanted: Sequence[Selection], excluded: tuple[tuple[Cell, str], ...]) -> NothingRanError:
    asked = " and ".join(f"({item})" for item in wanted) if len(wanted) > 1 else "".join(map(str, wanted))
    if not excluded:
        return NothingRanError(
            f"No cell of the matrix fits the selection{of_profile}: {asked}.",
            hint="`harness matrix list` prints all cells.",
        )
    reasons = " ".join(dict.fromkeys(reason for _, reason in excluded))
    return NothingRanError(
        f"All cells that fit the selection{of_profile} are excluded: {asked or 'all cells'}.", hint=reasons
    )
