"""`harness report` makes the reports of a run again: the page, JUnit, JSON."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness import results, rundir
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.settings import get_settings
from harness.errors import InfrastructureError
from harness.report import junit, run_page

__all__ = ["register"]


class ReportFormat(StrEnum):
    """What a run is made into."""

    HTML = "html"
    """The page for people; a file."""
    JUNIT = "junit"
    """For CI systems; a file."""
    JSON = "json"
    """For programs; on stdout."""


RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The run, by its name below runs/ or by its path; `last` without it."),
]
ReportOption = Annotated[
    ReportFormat, typer.Option("--format", help="A page for a browser, JUnit for CI systems, or JSON.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where it goes, in place of the run's directory or stdout."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("report")(report)


def report(
    context: typer.Context,
    name: RunArgument = None,
    *,
    form: ReportOption = ReportFormat.HTML,
    path: OutputOption = None,
) -> None:
    """Make a report of a run: report.html or junit.xml in its directory, or JSON on stdout."""
    directory = rundir.find_run(get_settings(context).runs, name or rundir.LAST)
    run = results.read(directory / rundir.RESULT)
    place = path or directory / (rundir.PAGE if form is ReportFormat.HTML else rundir.JUNIT)
    try:
        match form:
            case ReportFormat.HTML:
                run_page.write(run, directory, place)
            case ReportFormat.JUNIT:
                junit.write(run, place)
            case ReportFormat.JSON:
                _text(run.model_dump_json(indent=1), path)
                return
    except OSError as error:
        raise InfrastructureError(f"{show_path(place)} cannot be written: {error.strerror}.") from error
    output.say(show_path(place))


def _text(text: str, path: Path | None) -> None:
    """Write a report that is text, on stdout where no file is named."""
    if path is None:
        output.say(text)
    else:
        path.write_text(f"{text}\n", encoding="utf-8")
        output.say(show_path(path))
