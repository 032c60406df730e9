"""cell.json: what the harness writes for the pytest process that runs the suites of a cell, and its plugin reads."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.model import Cell

__all__ = ["CELL_FILE", "PUT_OFF", "BuildTree", "CellFile", "Limits", "TreeBind", "Upgrade"]

CELL_FILE = "cell.json"

PUT_OFF = "put-off"
"""File next to it that the plugin writes: node ids of the cases that wait for a booted guest, if there are any."""


class Limits(BaseModel):
    """What a suite declares about its cases.

    Attributes:
        timeout: Seconds that one case may take, already scaled by the accelerator; no end for None.
        reruns: How often a failed case is executed again; as often as pytest's own options say for None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: float | None = None
    reruns: int | None = None


class TreeBind(BaseModel):
    """A directory of this computer that commands in a build tree see at another place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outside: Path
    inside: str
    writable: bool


class BuildTree(BaseModel):
    """The source of the cell's runtime where it is built, with its Go: what cases of suites with `place: build` ask.

    Attributes:
        environment: Directory of the stored build environment that containers run on; None where commands run on this
            computer.
        binds: What containers see of this computer.
        source: Top directory of the source, as commands see it.
        goroot: Top directory of the cell's Go, likewise.
        scratch: A directory for anything, likewise.
        outside: That directory, as this computer sees it.
        env: Environment of each command.
        go: Exact version of Go: "1.27.3".
        tags: Go build tags that the runtime is built with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Path | None
    binds: tuple[TreeBind, ...] = ()
    source: str
    goroot: str
    scratch: str
    outside: Path
    env: dict[str, str]
    go: str
    tags: tuple[str, ...] = ()


class Upgrade(BaseModel):
    """How the running guest gets another systemd.

    Attributes:
        to: The version that the guest then has, or the revision that it was built from.
        files: Directory that is copied into the guest.
        script: What is run there, by a shell.
        target: Where the directory then is in the guest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    files: Path
    script: str
    target: str = "/var/lib/harness-upgrade"


class CellFile(BaseModel):
    """The cell, its guest or its build tree, and how its cases run.

    Attributes:
        cell: The cell that the guest is said to be.
        machine: Directory of the guest; None where the cases need none.
        tree: The build tree that the cases ask; None where they ask a guest, or where the runtime is not built with Go.
        suites: Limits of the cases, by suite.
        multiply: How many times each case runs, each as a case of its own.
        upgrade: How the guest is upgraded, by the fixture of that name; None where the cell has none.
        fresh: Which cases run: those marked `fresh_boot` (True), the others (False), or all (None).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    machine: Path | None = None
    tree: BuildTree | None = None
    suites: dict[str, Limits] = {}
    multiply: int = 1
    upgrade: Upgrade | None = None
    fresh: bool | None = None
