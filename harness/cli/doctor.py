"""`harness doctor`: what this computer can do, what is missing, and the command that fixes it."""

from dataclasses import asdict

import typer

from harness import doctor
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.doctor import Health
from harness.errors import ExitCode
from harness.store import Store

__all__ = ["examine"]

SECONDS = 60.0
"""For everything; a kernel that does not boot under KVM takes three of them."""


def examine(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Look at this computer; ends with 3 where no guest can run."""
    settings = get_settings(context)
    found = doctor.examine(Store(settings.store), settings.make_deadline(SECONDS, "look at this computer"))
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
