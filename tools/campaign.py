"""What takes hours, step by step: `python -m tools.campaign [--only NAME] [--directory DIRECTORY]`.

tools/campaign.yaml has the steps. Each that has ended adds a row to docs/reference/campaign.md, which is committed. What
has passed at this commit is not run again: the directory remembers it, unless the tree has changes that are in no commit.
"""

import argparse
import datetime as dt
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness import proc, yamlfile
from harness.errors import DeadlineError, UsageError
from harness.wait import Deadline
from harness.yamlfile import FileModel
from tools.tool import run_tool

__all__ = ["Campaign", "CampaignPlan", "StepResult", "find_figure", "main", "read_commit"]

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tools" / "campaign.yaml"
TABLE = Path("docs") / "reference" / "campaign.md"

HEAD = """\
# What takes hours

Made by `make campaign` from `tools/campaign.yaml`, a row for each step that ended. A `+` says that the tree had changes
next to the commit.

| date | commit | step | result | figures | duration |
|---|---|---|---|---|---|
"""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class CampaignStep(FileModel):
    """A command, and how to find its figures in what it prints.

    Attributes:
        name: One word, unique.
        description: What it finds out.
        command: Words, run in the project's directory.
        hours: When it is ended at the latest.
        figures: By name a regular expression with one group, or a JSON pointer into the last line.
    """

    name: Name
    description: str
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    hours: float = 4
    figures: Mapping[str, str] = {}


class CampaignPlan(FileModel):
    """tools/campaign.yaml."""

    steps: Annotated[tuple[CampaignStep, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_names(self) -> "CampaignPlan":
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        return self

    def choose(self, only: Sequence[str]) -> tuple[CampaignStep, ...]:
        """Return the steps with these names, or all; raise UsageError for a name that there is not."""
        names = [step.name for step in self.steps]
        unknown = sorted(set(only) - set(names))
        if unknown:
            raise UsageError(f"There is no step `{unknown[0]}`; the steps are {', '.join(names)}.")
        return tuple(step for step in self.steps if not only or step.name in only)


class StepResult(BaseModel):
    """What the journal remembers of a step that ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    commit: str
    step: str
    passed: bool
    figures: dict[str, str]
    seconds: float

    def format_row(self) -> str:
        """Return the row of the table."""
        figures = "; ".join(f"{name} {value}" for name, value in self.figures.items()) or "none"
        cells = (
            self.date, self.commit, self.step, "passed" if self.passed else "FAILED", figures,
            str(dt.timedelta(seconds=round(self.seconds))),
        )  # fmt: skip
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def find_figure(wanted: str, output: str) -> str | None:
    """Return the figure that an expression or a pointer finds in an output, or None."""
    if not wanted.startswith("/"):
        found = re.findall(wanted, output)
        return str(found[-1]) if found else None
    try:
        value: Any = json.loads(output.strip().rpartition("\n")[2])
        for word in wanted[1:].split("/"):
            value = value[int(word) if isinstance(value, list) else word]
    except (ValueError, LookupError, TypeError):
        return None
    return str(value)


def read_commit(root: Path) -> str:
    """Return the short name of the commit that is checked out, with a `+` if the tree has changes besides the table."""
    deadline = Deadline.after(60, "git")
    name = proc.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=root, deadline=deadline).out.strip()
    argv = ["git", "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{TABLE}"]
    return name + ("+" if proc.run(argv, cwd=root, deadline=deadline).out.strip() else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """The steps at one commit.

    Attributes:
        root: The project.
        directory: Where journals and logs are, a directory for each commit.
        commit: What is tried.
    """

    root: Path
    directory: Path
    commit: str

    def has_passed(self, step: CampaignStep) -> bool:
        """Return whether the journal says that a step passed at this commit."""
        path = self._journal(step)
        if self.commit.endswith("+") or not path.exists():
            return False
        return StepResult.model_validate_json(path.read_bytes()).passed

    def run(self, step: CampaignStep) -> StepResult:
        """Run a step to its end, remember it and add its row; what is interrupted leaves neither."""
        log = self._journal(step).with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            deadline = Deadline.after(3600 * step.hours, step.name)
            code = proc.run(
                step.command, cwd=self.root, deadline=deadline, output=log, expect=None, env=os.environ
            ).code
        except DeadlineError:
            code = -1
        output = log.read_text(encoding="utf-8", errors="replace")
        found = {name: find_figure(wanted, output) for name, wanted in step.figures.items()}
        outcome = StepResult(
            date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", commit=self.commit, step=step.name, passed=code == 0,
            figures={name: value for name, value in found.items() if value is not None},
            seconds=round(time.monotonic() - started, 1),
        )  # fmt: skip
        self._add_row(outcome)
        self._journal(step).write_text(outcome.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return outcome

    def _journal(self, step: CampaignStep) -> Path:
        return self.directory / self.commit / f"{step.name}.json"

    def _add_row(self, outcome: StepResult) -> None:
        table = self.root / TABLE
        table.parent.mkdir(parents=True, exist_ok=True)
        text = table.read_text(encoding="utf-8") if table.exists() else HEAD
        table.write_text(text + outcome.format_row(), encoding="utf-8")


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT, file: Path = FILE) -> int:
    """Run the steps that are left; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this step only; may be repeated")
    parser.add_argument("--directory", type=Path, default=root / "runs" / "campaign", help="of journals and logs")
    options = parser.parse_args(arguments)
    steps = yamlfile.load(file, CampaignPlan).choose(options.only)
    campaign = Campaign(root=root, directory=options.directory.absolute(), commit=read_commit(root))
    failed = False
    for step in steps:
        if campaign.has_passed(step):
            print(f"{step.name}: passed before at {campaign.commit}", flush=True)
            continue
        print(f"{step.name}: {step.description}; at most {step.hours:g} h", flush=True)
        outcome = campaign.run(step)
        print(outcome.format_row(), end="", flush=True)
        failed |= not outcome.passed
    return int(failed)


if __name__ == "__main__":
    run_tool(main)
