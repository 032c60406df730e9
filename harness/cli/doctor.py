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

__all__ = ["register"]

SECONDS = 60.0
"""For everything; a kernel that does not boot under KVM takes three of them."""


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("doctor", help="Say what this computer can do, what is missing, and the command that fixes it.")(run)


def run(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Look at this computer; ends with 3 where no guest can run."""
    settings = get_settings(context)
    found = doctor.examine(Store(settings.store), settings.make_deadline(SECONDS, "look at this computer"))
    match form:
        case Format.JSON:
            output.as_json([asdict(finding) for finding in found])
        case Format.IDS:
            names = [finding.what for finding in found if finding.state is not Health.OK]
            if names:
                output.say("\n".join(names))
        case Format.TABLE:
            rows = [(finding.state, finding.what, finding.says) for finding in found]
            output.table(("state", "what", "found"), rows)
            for finding in found:
                if finding.mend:
                    output.say(f"{finding.what}: {finding.mend}")
    if any(finding.state is Health.MISSING for finding in found):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)
