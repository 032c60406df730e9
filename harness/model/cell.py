"""One point of the matrix, as an identifier, and as results write it."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.axes import AXES, CgroupMode
from harness.model.cell_id import format_id_parts, parse_id_fields

__all__ = ["Cell", "format_axes", "parse_axes", "parse_cell_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the matrix.

    Attributes:
        distro: Guest operating system: "debian", "flatcar".
        channel: Its release stream: "bookworm", "stable".
        release: Exact release in the channel, where one was asked for: "2079.99.0".
        systemd: Version or revision of systemd: "252" as the image carries it, "v252" built from that revision.
        systemd_built: Whether systemd is built from a revision and laid over the image.
        go: Go version that builds the runtime, or None where the runtime is no Go program.
        cgroup: cgroup mode that the guest boots in.
        runtime: The container runtime under test: "runc".
        runtime_version: Its version, or None where it comes with the image (nspawn).
        flavor: rkt's stage1 flavor, or None.
    """

    distro: str
    channel: str
    release: str | None = None
    systemd: str
    systemd_built: bool = False
    go: str | None = None
    cgroup: CgroupMode
    runtime: str
    runtime_version: str | None = None
    flavor: str | None = None

    @property
    def id(self) -> str:
        """Stable, readable name, safe as a file name: `debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5`."""
        return "+".join(format_id_parts(self))


def parse_cell_id(text: str) -> Cell:
    """Return the cell that has an identifier; the inverse of `Cell.id`.

    A systemd whose name is a bare number comes with the image, and every other one is built; a cell for which that is
    not so has an id too, but not one that leads back to it.

    Raises:
        ValueError: It is the identifier of no cell.
    """
    return Cell(**parse_id_fields(text))


def format_axes(cell: Cell) -> dict[str, str | None]:
    """Return a cell's place on each axis, as results have it: `{"distro": "debian/bookworm", ...}`."""
    return {axis.name: axis.format(cell) for axis in AXES}


def parse_axes(axes: Mapping[str, str | None]) -> Cell:
    """Return the cell at a place; the inverse of `format_axes`, with the same rule for systemd as `parse_cell_id`.

    Raises:
        ValueError: A value is missing, or is none of its axis.
    """
    return Cell(**{name: value for axis in AXES for name, value in axis.parse(axes.get(axis.name)).items()})
