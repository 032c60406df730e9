"""`harness gate`: may we ship? A policy held against the results of a run and a baseline."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from harness.app.gate import POLICY, decide_release
from harness.app.project import load_project
from harness.cli import output
from harness.cli.options import MarkdownOption, PoolOption
from harness.cli.output import Format, FormatOption
from harness.cli.process import complain
from harness.cli.settings import get_settings
from harness.cli.verbs import load_part
from harness.errors import ExitCode, UsageError
from harness.gate import Suspect, SuspectTrial
from harness.report.decision import format_notice, render_decision, write_junit
from harness.writing import write_text

__all__ = ["decide"]

PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help=f"The release policy; by default the profile's, or {POLICY}."),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="The profile that was run: its policy applies, and all of its cells are required.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="NAME|FILE", help="What to compare with, in place of the policy's baseline."),
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="A run, or all shards of one: directories, names below runs/, `last`, or result files."
    ),
]
ConfirmOption = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        metavar="N",
        min=2,
        help="Run what looks like a regression again before refusing, up to N times on each side; 30 are enough for "
        "a case that fails half of the time.",
    ),
]
BeforeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--before",
        metavar="KEY=VALUE",
        help="How to build the old side for --confirm, as for --set of `harness run`; may be repeated.",
    ),
]
BuilderOption = Annotated[
    str | None,
    typer.Option(
        "--builder",
        metavar="docker|host",
        help="Where --confirm builds; has to be repeated for a run that used `host`.",
    ),
]
AnnotationsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--annotations",
        metavar="FILE",
        help="Write what is worse as annotations: for GitLab's Code Quality if FILE ends with .json, for GitHub "
        "otherwise; may be repeated.",
    ),
]


def decide(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    runs: RunsArgument,
    *,
    policy: PolicyOption = None,
    profile: ProfileOption = None,
    baseline: BaselineOption = None,
    pool: PoolOption = False,
    confirm: ConfirmOption = None,
    before: BeforeOption = None,
    builder: BuilderOption = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the decision as JUnit.")] = None,
    markdown_file: MarkdownOption = None,
    annotations: AnnotationsOption = None,
    form: FormatOption = Format.TABLE,
) -> NoReturn:
    """Decide whether a release may be shipped: exit code 0 if so, 1 if not, with the reasons."""
    settings = get_settings(context)
    project = load_project(settings)

    def run_again(suspects: Mapping[Suspect, tuple[int, int] | None]) -> Mapping[Suspect, SuspectTrial]:
        trials: Mapping[Suspect, SuspectTrial] = load_part("app.confirm:confirm_suspects")(
            suspects,
            runs,
            settings,
            planned=confirm or 1,
            before=before or (),
            builder=builder,
            say=complain,
        )
        return trials

    if before and confirm is None:
        raise UsageError("--before describes the old side, which only --confirm runs.")
    decision = decide_release(
        runs, project, settings, policy=policy, baseline=baseline, profile=profile,
        confirm=run_again if confirm is not None else None, pooled=pool,
    )  # fmt: skip
    if junit is not None:
        write_junit(decision, junit)
    if markdown_file is not None:
        write_text(markdown_file, render_decision(decision))
    for path in annotations or ():
        load_part("report.annotations:write_annotations")(decision, path)
    output.show(
        form,
        ids=["ships"] if decision.ships else [check.name for check in decision.refused],
        data=lambda: {
            "ships": decision.ships,
            "checks": [
                {"name": check.name, "level": check.level, "text": check.text, "details": check.details}
                for check in decision.checks
            ],
            "counts": dict(decision.comparison.counts),
            "follows": asdict(decision.following.overall),
            "causes": [asdict(one) for one in decision.causes],
            "excused": [{**asdict(one), "until": one.until and one.until.isoformat()} for one in decision.excuses],
            "first_bad": [asdict(one) for one in decision.first_bads],
            "trials": [
                {"cell": cell, "case": nodeid, **asdict(trial)} for (cell, nodeid), trial in decision.trials.items()
            ],
        },
        lines=[format_notice(decision)],
    )
    raise typer.Exit(ExitCode.OK if decision.ships else ExitCode.FAILED)
