"""The verbs, each with its module and its help: the one place where modules are imported only when they are needed.

A command line uses one verb, and most verbs import much that the others do not need: QEMU, Docker, numpy, pytest.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["VERBS", "Verb", "VerbGroup", "load_verb"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb of the command line.

    Attributes:
        module: Module of this package that has it, with a function `register(app)`.
        help: What `harness --help` says of it: the first paragraph of its own help.
    """

    module: str
    help: str


VERBS = {
    "doctor": Verb(
        module="doctor", help="Say what this computer can do, what is missing, and the command that fixes it."
    ),
    "run": Verb(module="run", help="Build, boot and test the cells, and say what came out."),
    "plan": Verb(
        module="plan",
        help="Print what would be done for a cell, what of it is in the store, and how long it took last time.",
    ),
    "matrix": Verb(module="matrix", help="Which cells there are, and whether matrix.yaml is right."),
    "report": Verb(
        module="report", help="Make a report of a run: report.html or junit.xml in its directory, or JSON on stdout."
    ),
    "bisect-systemd": Verb(module="bisect", help="Find the commit of systemd that changed what a test says."),
    "bisect-go": Verb(
        module="bisect", help="Find the release of Go that changed what a test says about the runtime that it builds."
    ),
    "bisect-runtime": Verb(
        module="bisect",
        help="Find the commit of the container runtime that changed what a test says; systemd stays fixed.",
    ),
    "bisect-axes": Verb(module="axes", help="Find which differences of two cells make a test fail."),
    "compare": Verb(
        module="compare",
        help="Say what changed from one run to another, what else differs, and which axis the regressions follow.",
    ),
    "gate": Verb(
        module="gate", help="Decide whether a release may be shipped: exit code 0 if so, 1 if not, with the reasons."
    ),
    "baseline": Verb(module="baseline", help="Keep what a run found, to compare later runs with it."),
    "boot": Verb(module="guest", help="Boot a cell's guest with its runtime installed, and keep it until Ctrl-C."),
    "shell": Verb(
        module="guest",
        help="Boot a cell's guest with its runtime installed, and log in; the guest ends with the shell.",
    ),
    "console": Verb(module="guest", help="Attach to the serial console of a running guest; Ctrl-] leaves it."),
    "cache": Verb(module="cache", help="What is in the store; make room; find damage."),
    "image": Verb(module="image", help="Releases of Flatcar: which there are; download one and verify it."),
    "ci": Verb(module="ci", help="The files of CI systems from the matrix, and what their jobs need."),
}
"""The verbs by name, in the order of the help."""


def load_verb(name: str) -> TyperCommand | TyperGroup:
    """Return the command of a verb, for which its module is imported."""
    app = typer.Typer()
    import_module(f"harness.cli.{VERBS[name].module}").register(app)
    command = typer.main.get_group(app).commands[name]
    assert isinstance(command, (TyperCommand, TyperGroup))
    return command


class VerbGroup(TyperGroup):
    """The program's commands: a verb that is not called has its name and its help, and nothing more."""

    def __init__(self, *, commands: dict[str, Any] | None = None, **attributes: Any) -> None:
        names = {name: TyperCommand(name, help=verb.help) for name, verb in VERBS.items()}
        super().__init__(commands={**names, **(commands or {})}, **attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, loaded."""
        self.commands.update({name: load_verb(name) for name in args[:1] if name in VERBS})
        return super().resolve_command(ctx, args)
