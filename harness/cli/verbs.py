"""The verbs, each with its place and its help: the one place where modules are imported only when they are needed.

A command line uses one verb, and most verbs import much that the others do not need: QEMU, Docker, numpy, pytest.
"""

import inspect
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["VERBS", "Verb", "VerbGroup", "load_part", "load_verb"]


class Verb(NamedTuple):
    """A verb of the command line.

    Attributes:
        place: Module of this package and, in it, the function or the application of further verbs: "run:run".
        help: What it does; further paragraphs of its own help are those of the docstring.
    """

    place: str
    help: str


VERBS = {
    "doctor": Verb(
        "doctor:examine",
        "Show what this computer can do, what is missing, and the command that fixes it; or check a source.",
    ),
    "run": Verb("run:run", "Build, boot and test the cells, and say what came out."),
    "plan": Verb(
        "plan:show", "Print what would be done for a cell, what of it is in the store, and how long it took last time."
    ),
    "matrix": Verb("matrix:verbs", "Which cells there are, and whether matrix.yaml is right."),
    "report": Verb(
        "report:report", "Make a report of a run: report.html or junit.xml in its directory, or JSON on stdout."
    ),
    "bisect": Verb(
        "bisect:bisect_checkouts",
        "Find the commit of any repository that changed what a command says, in checkouts on this computer.",
    ),
    "bisect-systemd": Verb("bisect:bisect_systemd", "Find the commit of systemd that changed what a test says."),
    "bisect-go": Verb(
        "bisect:bisect_go", "Find the release of Go that changed what a test says about the runtime that it builds."
    ),
    "bisect-runtime": Verb(
        "bisect:bisect_runtime",
        "Find the commit of the container runtime that changed what a test says; systemd stays fixed.",
    ),
    "bisect-axes": Verb("axes:bisect_axes", "Find which differences of two cells make a test fail."),
    "compare": Verb(
        "compare:compare_runs",
        "Show what changed from one run to another, what else differs, and which axis the regressions follow.",
    ),
    "gate": Verb(
        "gate:decide", "Decide whether a release may be shipped: exit code 0 if so, 1 if not, with the reasons."
    ),
    "baseline": Verb("baseline:verbs", "Keep what a run found, to compare later runs with it."),
    "boot": Verb("guest:boot", "Boot a cell's guest with its runtime installed, and keep it until Ctrl-C."),
    "shell": Verb(
        "guest:shell", "Boot a cell's guest with its runtime installed, and log in; the guest ends with the shell."
    ),
    "console": Verb(
        "guest:console",
        "Attach to the serial console of a running guest, until Ctrl-]; or check a saved log.",
    ),
    "cache": Verb("cache:verbs", "What is in the store; make room; find damage."),
    "image": Verb("image:verbs", "Releases of Flatcar: which there are; download one and verify it."),
    "ci": Verb("ci:verbs", "The files of CI systems from the matrix, and what their jobs need."),
}
"""The verbs by name, in the order of the help."""


def load_part(place: str) -> Any:
    """Return what only an option of a verb needs, for which its module is imported: "app.confirm:confirm_suspects"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"harness.{module}"), attribute)


def load_verb(name: str) -> TyperCommand | TyperGroup:
    """Return the command of a verb, for which its module is imported."""
    verb = VERBS[name]
    target = load_part(f"cli.{verb.place}")
    app = typer.Typer()
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name, help=verb.help)
    else:
        _, *further = (inspect.getdoc(target) or "").split("\n\n")
        app.command(name, help="\n\n".join((verb.help, *further)))(target)
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
