"""Options that several verbs have; each is declared once."""

from pathlib import Path
from typing import Annotated

import typer

from harness.selection.fields import FIELDS

__all__ = ["MarkdownOption", "ProfileOption", "SelectOption", "SetOption"]

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="EXPRESSION",
        help="Cells for which this holds: 'systemd>=252 and cgroup==legacy'; given again, all must hold. "
        f"Fields: {', '.join(FIELDS)}.",
    ),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Cells and suites of a profile of the matrix.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Where a source comes from in place of what the matrix says: runtime.NAME.source=DIRECTORY or "
        "runtime.NAME.source=URL#REF, and systemd.source likewise; may be repeated.",
    ),
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option(
        "--markdown", metavar="FILE", help="Write it as Markdown for a pull request, 60,000 characters at most."
    ),
]
