"""`harness gate`: may we ship? A policy held against the results of a run and a baseline."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness import gate
from harness.app.project import Project, load_project
from harness.app.settings import Settings, show_path
from harness.cli import output
from harness.cli.compare import MarkdownOption, places
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.compare import Places, Side, open_all, open_side
from harness.compare.baseline import load_baseline, path_of
from harness.errors import ConfigError, ExitCode, HarnessError
from harness.gate import Decision, Evidence, Policy
from harness.gate import junit as junit_file
from harness.report import markdown
from harness.writing import write_text

__all__ = ["register"]

POLICY = Path("ci", "release-policy.yaml")
"""The policy that holds where none is named, beside the matrix."""

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help=f"The release policy; that of the profile, or {POLICY}, without it.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="The profile that was run: its policy holds, and all of its cells are required.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="NAME|FILE", help="What is compared with, in place of the policy's baseline."),
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="A run, or all shards of one: directories, names below runs/, `last`, or JUnit files."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("gate")(decide)


def decide(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    runs: RunsArgument,
    *,
    policy: PolicyOption = None,
    profile: ProfileOption = None,
    baseline: BaselineOption = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the decision as JUnit.")] = None,
    markdown_file: MarkdownOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Decide whether a release may be shipped: exit code 0 if so, 1 if not, with the reasons."""
    chosen = get_settings(context)
    here = load_project(chosen)
    path = policy or _policy_of(here, profile, chosen)
    rules = gate.load(path, here.matrix, here.catalog, name=show_path(path))
    decision = gate.decide(rules, _evidence(runs, rules, baseline, profile, here, chosen), datetime.now(UTC).date())
    if junit is not None:
        junit_file.write(decision, junit)
    if markdown_file is not None:
        write_text(markdown_file, markdown.decision(decision))
    _show(decision, form)
    raise typer.Exit(ExitCode.OK if decision.ships else ExitCode.FAILED)


def _policy_of(here: Project, profile: str | None, chosen: Settings) -> Path:
    named = here.matrix.profile(profile).gate if profile is not None else None
    path = chosen.root / (named or POLICY)
    if not path.is_file():
        raise ConfigError(
            f"{show_path(path)}: there is no such release policy.",
            hint="Name one with --policy, or as `gate` of a profile in the matrix.",
        )
    return path


def _evidence(
    runs: list[str], rules: Policy, named: str | None, profile: str | None, here: Project, chosen: Settings
) -> Evidence:
    side, conflicts = open_all(runs, places(chosen))
    baseline, missing = _baseline(rules, named, places(chosen))
    return Evidence(
        side=side,
        conflicts=conflicts,
        baseline=baseline,
        missing_baseline=missing,
        requirements=gate.requirements(rules, here.matrix, here.expansion, here.catalog, profile=profile),
        expectations=here.matrix.expectations,
    )


def _baseline(rules: Policy, named: str | None, where: Places) -> tuple[Side | None, str]:
    """What is compared with, or why there is nothing; what the user names must be there."""
    if named is not None:
        return open_side(named, where), ""
    if rules.baseline is None:
        return None, ""
    path = path_of(where.baselines, rules.baseline.name)
    if not path.is_file():
        shown = show_path(path)
        return None, f"There is no baseline {rules.baseline.name} ({shown}); `harness baseline save` makes it."
    try:
        return load_baseline(path, name=rules.baseline.name), ""
    except HarnessError as error:
        return None, f"The baseline cannot be read: {error}"


def _show(decision: Decision, form: Format) -> None:
    match form:
        case Format.TABLE:
            output.say(gate.notice(decision))
        case Format.IDS:
            output.say("ships" if decision.ships else "\n".join(check.name for check in decision.refused))
        case Format.JSON:
            output.as_json(
                {
                    "ships": decision.ships,
                    "checks": [asdict(check) for check in decision.checks],
                    "counts": dict(decision.comparison.counts),
                    "follows": asdict(decision.following.overall),
                    "first_bad": [asdict(one) for one in decision.first_bads],
                }
            )
