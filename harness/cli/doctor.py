"""`harness doctor`: what this computer can do, what is missing, and the command that fixes it; or the same of a source."""

from dataclasses import asdict
from typing import Annotated

import typer

from harness import doctor
from harness.app.catalog import load_catalog
from harness.app.examination import examine_source
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.doctor import Health
from harness.errors import ExitCode, UsageError
from harness.store import Store

__all__ = ["examine"]

SECONDS = 60.0
"""For everything; a kernel that does not boot under KVM takes three of them."""

FETCHING = 900.0
"""Seconds for a look at a source, which may have to be fetched."""

RuntimeOption = Annotated[
    str | None,
    typer.Option("--runtime", metavar="NAME", help="Check a source of this runtime instead of this computer."),
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="The source: a directory, an archive, a git bundle, or URL#REF, as for --set.",
    ),
]


def examine(
    context: typer.Context, *, runtime: RuntimeOption = None, source: SourceOption = None,
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Check this computer, or a source.

    Exit code 3 if no guest can run here, or nothing can be built from the source.
    """
    settings = get_settings(context)
    store = Store(settings.store)
    if (runtime is None) != (source is None):
        raise UsageError("--runtime and --source belong together: give both, or neither.")
    if runtime is not None and source is not None:
        deadline = settings.make_deadline(FETCHING, "look at a source")
        found = examine_source(load_catalog(settings), runtime, source, store, deadline)
    else:
        found = doctor.examine(store, settings.make_deadline(SECONDS, "look at this computer"))
    rows = [(finding.state, finding.what, finding.says) for finding in found]
    output.show(
        form,
        ids=(finding.what for finding in found if finding.state is not Health.OK),
        data=lambda: [asdict(finding) for finding in found],
        lines=(
            *output.format_table(("state", "what", "found"), rows),
            *(f"{finding.what}: {finding.mend}" for finding in found if finding.mend),
        ),
    )
    if any(finding.state is Health.MISSING for finding in found):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)
