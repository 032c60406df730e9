"""May a release be shipped: the policy, the run and the baseline that a user means, put before the gate."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness import gate
from harness.app.project import Project, load_project
from harness.app.settings import Settings, show_path
from harness.compare import Comparison, Places, RunOutcomes, find_baseline, load_baseline, open_all, open_side
from harness.errors import ConfigError, HarnessError
from harness.gate import Allowed, Check, CheckLevel, Decision, GateInput, Policy, Suspect, SuspectTrial

__all__ = ["POLICY", "decide_release", "list_excess"]

POLICY = Path("ci", "release-policy.yaml")
"""The policy that holds where none is named, next to the matrix."""


def decide_release(  # noqa: PLR0913 - each is an option of the command
    runs: list[str],
    project: Project,
    settings: Settings,
    *,
    policy: Path | None = None,
    baseline: str | None = None,
    profile: str | None = None,
    confirm: Callable[[Mapping[Suspect, tuple[int, int] | None]], Mapping[Suspect, SuspectTrial]] | None = None,
    pooled: bool = False,
) -> Decision:
    """Return the decision about a run, or, if `pooled`, about several runs of the same.

    What looks like a regression is given to `confirm`, which runs it again.

    For None, `policy` is that of the profile, or `POLICY`. A `baseline` takes the place of the policy's, and all cells
    of the `profile` that was run are required.

    Raises:
        ConfigError: There is no such policy, or something in it is wrong.
        UsageError: There is no such run, baseline or profile.
    """
    path = policy or _find_policy(project, profile, settings)
    rules = gate.load(path, project.matrix, project.catalog, name=show_path(path))
    places = Places(runs=settings.runs, baselines=settings.baselines)
    side, conflicts = open_all(runs, places, pooled=pooled, strict=True)
    before, missing = _open_baseline(rules, baseline, places)
    evidence = GateInput(
        side=side,
        conflicts=conflicts,
        baseline=before,
        missing_baseline=missing,
        requirements=gate.list_requirements(rules, project.matrix, project.expansion, project.catalog, profile=profile),
        expectations=project.matrix.expectations,
        keys={name: suite.key for name, suite in project.catalog.suites.items() if suite.key is not None},
        trials=confirm(gate.list_suspects(side, before)) if confirm is not None else None,
    )
    return gate.decide(rules, evidence, datetime.now(UTC).date())


def list_excess(found: Comparison, settings: Settings) -> tuple[Check, ...]:
    """Return what of a comparison the project's release policy would refuse; the usual limits hold where it has none."""
    path = settings.root / POLICY
    allowed = Allowed()
    if path.is_file():
        project = load_project(settings)
        allowed = gate.load(path, project.matrix, project.catalog, name=show_path(path)).allowed
    return tuple(check for check in gate.check_limits(allowed, found) if check.level is CheckLevel.REFUSED)


def _find_policy(project: Project, profile: str | None, settings: Settings) -> Path:
    named = project.matrix.find_profile(profile).gate if profile is not None else None
    path = settings.root / (named or POLICY)
    if not path.is_file():
        raise ConfigError(
            f"{show_path(path)}: there is no such release policy.",
            hint="Name one with --policy, or as `gate` of a profile in the matrix.",
        )
    return path


def _open_baseline(rules: Policy, named: str | None, places: Places) -> tuple[RunOutcomes | None, str]:
    """Return what is compared with, or why there is nothing; what the user names must be there."""
    if named is not None:
        return open_side(named, places), ""
    if rules.baseline is None:
        return None, ""
    path = find_baseline(places.baselines, rules.baseline.name)
    if not path.is_file():
        text = f"There is no baseline {rules.baseline.name} ({show_path(path)}); `harness baseline save` creates it."
        return None, text
    try:
        return load_baseline(path, name=rules.baseline.name), ""
    except HarnessError as error:
        return None, f"The baseline cannot be read: {error}"
