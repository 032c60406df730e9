"""What upgrades broke of rkt, and the case that shows each: `python -m tools.rkt_breakages` writes docs/reference/rkt-2019.md.

What is known is suites/runtimes/rkt/breakages.yaml; tests/guest/test_rkt_breakages.py tries it on the test double.
"""

import sys
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from harness import yamlfile
from harness.model import CgroupMode
from harness.yamlfile import FileModel
from tools.generated_page import ROOT, write_page
from tools.rkt_coverage import list_cases

__all__ = ["DATA", "PAGE", "Breakage", "Breakages", "Shown", "find_problems", "format_page", "read"]

DATA = ROOT / "suites" / "runtimes" / "rkt" / "breakages.yaml"
PAGE = ROOT / "docs" / "reference" / "rkt-2019.md"

HEAD = """\
# What upgrades broke of rkt, and what shows it

Made by `python -m tools.rkt_breakages` from `suites/runtimes/rkt/breakages.yaml`; do not edit it. A test says when it is old.

In 2019 systemd 241 and Go 1.12 were brought to rkt, and nine of its own tests failed (rkt#4002). Each of them is a row here, with what was found
before and since. {shown} of {all} rows are tried on the test double ([Bring rkt back](../how-to/revive-rkt.md)): the case is red on the first kind of
it, and green on the second. No rkt could be built where this was written. All of them, and one alone:

    .venv/bin/pytest -n 0 -m '' tests/guest/test_rkt_breakages.py
    .venv/bin/pytest -n 0 -m '' tests/guest/test_rkt_breakages.py -k 'hybrid'

"""


class Shown(FileModel):
    """How the double shows a breakage.

    Attributes:
        channel: Debian's release that the guest is.
        mode: The guest's cgroup mode.
        case: The case that sees it.
        red: The double with which it fails: a release, and words of repair, or of what is broken after a "!".
        green: The one with which it passes.
    """

    channel: str
    mode: CgroupMode
    case: str
    red: str
    green: str


class Breakage(FileModel):
    """Something that an upgrade broke.

    Attributes:
        name: Unique, for people.
        change: What changed in systemd or Go.
        broke: Which of rkt's tests, and how.
        source: Where it is from.
        shown: How the double shows it.
        fix: What fixed it.
        reason: Why the double does not show it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9 -]+$")]
    change: str
    broke: str
    source: Annotated[str, Field(min_length=5)]
    shown: Shown | None = None
    fix: str | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.shown is None) == (self.reason is None) or (self.shown is None) != (self.fix is None):
            raise ValueError("a breakage is shown and has a fix, or has a reason why it is not shown")
        return self


class Breakages(FileModel):
    """suites/runtimes/rkt/breakages.yaml."""

    breakages: Annotated[tuple[Breakage, ...], Field(min_length=1)]


def read(path: Path = DATA) -> tuple[Breakage, ...]:
    """Return what is known; raises ConfigError where the file is wrong."""
    return yamlfile.load(path, Breakages).breakages


def find_problems(rows: tuple[Breakage, ...], cases: frozenset[str]) -> list[str]:
    """Return what is wrong with the rows, as sentences: cases that there are not, and names that are there twice."""
    where = DATA.relative_to(ROOT)
    names = [row.name for row in rows]
    problems = [
        f"{where}: the name {name} is there twice." for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for row in rows:
        if row.shown and row.shown.case.partition("[")[0] not in cases:
            problems.append(f"{where}: {row.name}: there is no case {row.shown.case}.")
        if row.shown and row.shown.red == row.shown.green:
            problems.append(f"{where}: {row.name}: the double is the same in red and green.")
    return problems


def format_page(rows: tuple[Breakage, ...]) -> str:
    """Return the page."""
    text = HEAD.format(shown=sum(row.shown is not None for row in rows), all=len(rows))
    text += "| what | the change | what broke | the case | red with | green with | the fix |\n|---|---|---|---|---|---|---|\n"
    for row in rows:
        if row.shown is None:
            continue
        where = f"{row.shown.channel}, {row.shown.mode}"
        text += f"| {row.name} | {row.change} | {row.broke} ({row.source}) | `{row.shown.case}` ({where}) "
        text += f"| `{row.shown.red}` | `{row.shown.green}` | {row.fix} |\n"
    text += "\n## What the double cannot show\n\n| what | the change | what broke | why |\n|---|---|---|---|\n"
    for row in rows:
        if row.shown is None:
            text += f"| {row.name} | {row.change} | {row.broke} ({row.source}) | {row.reason} |\n"
    return text


def main() -> int:
    """Write the page; returns the exit code."""
    rows = read()
    return write_page(PAGE, find_problems(rows, list_cases()), lambda: format_page(rows))


if __name__ == "__main__":
    sys.exit(main())
