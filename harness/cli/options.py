"""Options that several verbs have; each is declared once."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.selection.fields import FIELDS

__all__ = ["MarkdownOption", "PoolOption", "ProfileOption", "SelectOption", "SetOption", "refuse_search"]

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="EXPRESSION",
        help="Cells for which this holds: 'systemd>=252 and cgroup==legacy'; if repeated, all must hold. "
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
        help="Take a source from elsewhere than the matrix says: runtime.NAME.source=DIRECTORY, an archive, a git "
        "bundle, or URL#REF; systemd.source likewise. Or give a build what it needs: "
        "runtime.rkt.coreos-local-pxe-image-path=FILE. May be repeated.",
    ),
]
PoolOption = Annotated[
    bool,
    typer.Option("--pool", help="The runs are runs of the same, and no shards: count each case over all of them."),
]

MarkdownOption = Annotated[
    Path | None,
    typer.Option(
        "--markdown", metavar="FILE", help="Write it as Markdown for a pull request, at most 60,000 characters."
    ),
]

FREE = frozenset({"paths", "jobs", "resume", "form", "accept_changes"})
"""Parameters of the verbs that do not say what is looked for, nor how; --resume takes no others."""
REPEATED = frozenset({"run", "shell", "builder"})
"""Parameters that have to be repeated with --resume, unchanged; see `app.permissions`."""


def refuse_search(context: typer.Context) -> None:
    """Raise UsageError where the user gave more with --resume than which bisection goes on, and how it is shown."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in FREE | REPEATED and _is_given(context, parameter.name or "")
    ]
    if given or len(context.params["paths"] or ()) > 1:
        allowed = [p.opts[-1] for p in context.command.params if p.name in FREE - {"paths", "resume"}]
        repeated = [p.opts[-1] for p in context.command.params if p.name in REPEATED]
        raise UsageError(
            f"--resume continues a bisection as it was started; besides one directory, and {_list_words(repeated, 'or')} unchanged, "
            f"it takes only {_list_words(allowed, 'and')}" + (f", not {', '.join(given)}." if given else ".")
        )


def _list_words(words: list[str], last: str) -> str:
    """Return words as a sentence lists them: `a, b and c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and not source.name.startswith("DEFAULT")
