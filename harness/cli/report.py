"""`harness report` makes the reports of a run again: the page, JUnit, JSON."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness import results, rundir
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.settings import get_settings
from harness.report import junit, run_page
from harness.writing import write_text

__all__ = ["report"]


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
    typer.Argument(metavar="[RUN]", help="The run, by its name below runs/ or by its path; by default, `last`."),
]
ReportOption = Annotated[
    ReportFormat, typer.Option("--format", help="A page for a browser, JUnit for CI systems, or JSON.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where it goes, in place of the run's directory or stdout."),
]


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
    if form is ReportFormat.JSON and path is None:
        output.as_json(run.model_dump(mode="json"))
        return
    place = path or directory / (rundir.PAGE if form is ReportFormat.HTML else rundir.JUNIT)
    match form:
        case ReportFormat.HTML:
            run_page.write(run, directory, path)
        case ReportFormat.JUNIT:
            junit.write(run, place, inside=path is None)
        case ReportFormat.JSON:
            write_text(place, f"{run.model_dump_json(indent=1)}\n", inside=path is None)
    output.say(show_path(place))
