"""From axes to cells: the product, what is included and excluded, and what is impossible."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import product
from typing import Any

from harness.catalog import Catalog
from harness.errors import NothingRanError, UsageError
from harness.garbage import pause_garbage_collection
from harness.matrix.models import Inclusion, Matrix
from harness.model import BARE_NUMBER, DISTRO_OWN, OUTER_AXES, Cell, CgroupMode, compare_versions, find_systemd_version
from harness.selection import Selection, names, parse_option
from harness.selection.names import DistroName, RuntimeName, SystemdName

__all__ = ["Choice", "Expansion", "choose", "expand", "find"]


@dataclass(frozen=True, kw_only=True)  # without slots, which leave no room for what is worked out once
class Expansion:
    """All cells of a matrix.

    Attributes:
        cells: Those that can run, in the order of the axes, then the included ones.
        excluded: Those that are left out, each with the reason, in the same order.
        own: By profile, the cells that only this profile has.
    """

    cells: tuple[Cell, ...]
    excluded: tuple[tuple[Cell, str], ...]
    own: Mapping[str, "Expansion"] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> Mapping[str, Cell]:
        """The cells that can run, by their identifiers; those of profiles too."""
        cells = [cell for expansion in self.own.values() for cell in expansion.cells]
        return {cell.id: cell for cell in (*self.cells, *cells)}


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
    """Return all cells of a matrix, in an order that depends on nothing but the file.

    A cell is left out by the first `exclude` that holds for it, or because the harness knows that its
    systemd cannot boot in its cgroup mode. The rule of a systemd whose version cannot be told from its
    revision is not known here, so such cells stay.
    """
    cells: list[Cell] = []
    excluded: list[tuple[Cell, str]] = []
    exclusions = tuple((item.when.holds, item.reason) for item in matrix.exclude)
    with pause_garbage_collection():
        for cell, impossible in _make_all(matrix, catalog):
            reason = impossible
            for holds, why in exclusions:
                if holds(cell):
                    reason = why
                    break
            if reason is None:
                cells.append(cell)
            else:
                excluded.append((cell, reason))
    own = {
        name: expand(matrix.take_axes_of(profile), catalog)
        for name, profile in matrix.profiles.items()
        if profile.axes is not None
    }
    return Expansion(cells=tuple(cells), excluded=tuple(excluded), own=own)


def choose(
    expansion: Expansion, matrix: Matrix, catalog: Catalog, *, profile: str | None = None, select: Sequence[str] = ()
) -> Choice:
    """Return the cells and suites that a user asked for.

    Without a profile these are every cell and the default suites. All expressions of `select` must hold as well.

    Raises:
        UsageError: There is no such profile, or an expression is wrong.
        NothingRanError: No cell fits; the hint says why, where all that fit are excluded.
    """
    named = matrix.find_profile(profile) if profile is not None else None
    wanted = [named.select] if named is not None and named.select is not None else []
    wanted += [parse_option(text, catalog) for text in select]
    among = expansion.own.get(profile or "", expansion)
    cells, excluded = among.cells, among.excluded
    for item in wanted:
        holds = item.holds
        cells = tuple([cell for cell in cells if holds(cell)])
        excluded = tuple([pair for pair in excluded if holds(pair[0])])
    if not cells:
        of_profile = f" of the profile `{profile}`" if profile is not None else ""
        raise _make_empty_error(of_profile, wanted, excluded)
    suites = matrix.list_suite_names(named, catalog)
    return Choice(cells=cells, excluded=excluded, suites=suites, gate=named.gate if named is not None else None)


def find(expansion: Expansion, identifier: str) -> Cell:
    """Return the cell with an identifier; raises UsageError with why it is excluded, or the nearest names."""
    found = expansion.by_id.get(identifier)
    if found is not None:
        return found
    for cell, reason in (*expansion.excluded, *(pair for own in expansion.own.values() for pair in own.excluded)):
        if cell.id == identifier:
            raise UsageError(f"The cell `{identifier}` is excluded: {reason}")
    near = get_close_matches(identifier, expansion.by_id, n=3)
    raise UsageError(
        f"There is no cell `{identifier}` in the matrix.",
        hint=f"Near it are {', '.join(near)}." if near else "`harness matrix list` prints all cells.",
    )


RESOLVED = frozenset({"distro", "systemd", "go", "cgroup", "runtime"})
"""Axes whose values mean something only together with others; the values of all others go into a cell as they are."""

PLAIN_AXES = tuple(axis.name for axis in OUTER_AXES if axis.name not in RESOLVED)


def make_cell(item: Inclusion, catalog: Catalog) -> Cell:
    """Return the cell at a point of the matrix, without `go` if nothing is built; raises TextError."""
    distro, runtime = names.check_axis_distro(item.distro, catalog), names.check_axis_runtime(item.runtime, catalog)
    go = item.go if catalog.runtimes[runtime.runtime].is_built(runtime.version) else None
    systemd = names.check_axis_systemd(item.systemd)
    plain = {name: getattr(item, name) for name in PLAIN_AXES}
    return _make_cell(distro, _find_systemd(distro, systemd, catalog), systemd, go, item.cgroup, runtime, plain)


def _make_cell(
    distro: DistroName,
    version: str,
    systemd: SystemdName,
    go: str | None,
    cgroup: CgroupMode,
    runtime: RuntimeName,
    plain: Mapping[str, Any],
) -> Cell:
    assert distro.channel is not None  # names.axis_distro
    return Cell(
        distro=distro.distro,
        channel=distro.channel,
        release=distro.release,
        systemd=version,
        upgrade=systemd.upgrade,
        systemd_built=systemd.revision != DISTRO_OWN,
        go=go,
        cgroup=cgroup,
        runtime=runtime.runtime,
        runtime_version=runtime.version,
        flavor=runtime.flavor,
        **plain,
    )


def _make_all(matrix: Matrix, catalog: Catalog) -> Iterator[tuple[Cell, str | None]]:
    """Yield every cell, with the reason for which it cannot be, or None."""
    axes = matrix.axes
    runtimes = [names.check_axis_runtime(text, catalog) for text in axes.runtime]
    kinds = [(item, catalog.runtimes[item.runtime].is_built(item.version)) for item in runtimes]
    plain = [
        dict(zip(PLAIN_AXES, values, strict=True)) for values in product(*(getattr(axes, name) for name in PLAIN_AXES))
    ]
    for distro in [names.check_axis_distro(text, catalog) for text in axes.distro]:
        for systemd in [names.check_axis_systemd(text) for text in axes.systemd]:
            # What depends on the systemd and the mode alone is worked out before the many cells that share it.
            version = _find_systemd(distro, systemd, catalog)
            modes = [(mode, _find_obstacle(distro, version, systemd.upgrade, mode, catalog)) for mode in axes.cgroup]
            for index, go in enumerate(axes.go):
                # What is not built has one cell for all versions of Go: it stands where the first is.
                present = [(item, go if built else None) for item, built in kinds if built or index == 0]
                for mode, reason in modes:
                    for runtime, with_go in present:
                        for rest in plain:
                            yield _make_cell(distro, version, systemd, with_go, mode, runtime, rest), reason
    for item, cell in zip(matrix.include, make_included(matrix, catalog), strict=True):
        distro = names.check_axis_distro(item.distro, catalog)
        yield cell, _find_obstacle(distro, cell.systemd, cell.upgrade, cell.cgroup, catalog)


def make_included(matrix: Matrix, catalog: Catalog) -> Iterator[Cell]:
    """Yield the cells of `include`, in the order of the file."""
    for item in matrix.include:
        yield make_cell(item, catalog)


def _find_systemd(distro: DistroName, systemd: SystemdName, catalog: Catalog) -> str:
    """Return the version that a distro's image carries for `distro`, else the revision itself."""
    if systemd.revision != DISTRO_OWN:
        return systemd.revision
    assert distro.channel is not None  # names.axis_distro
    return catalog.distros[distro.distro].find_systemd(distro.channel, distro.release)


def _find_obstacle(
    distro: DistroName, systemd: str, upgrade: str | None, cgroup: CgroupMode, catalog: Catalog
) -> str | None:
    """Return why a systemd cannot boot in a mode or be upgraded so, or None where it can or nobody knows."""
    if upgrade is not None and BARE_NUMBER.match(upgrade):
        if find_systemd_version(systemd) and not compare_versions(upgrade, ">", systemd):
            return f"Systemd {upgrade} is no upgrade for a guest that has {systemd}."
        if upgrade not in {channel.systemd for channel in catalog.distros[distro.distro].channels.values()}:
            return f"No channel of {distro.distro} has systemd {upgrade}."
    for revision in (systemd, upgrade):
        version = find_systemd_version(revision) if revision is not None else None
        rule = catalog.systemd.find_cgroup_rule(version, cgroup) if version is not None else None
        if rule is not None and rule.arguments is None:
            return rule.reason
    return None


def _make_empty_error(
    of_profile: str, wanted: Sequence[Selection], excluded: tuple[tuple[Cell, str], ...]
) -> NothingRanError:
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
