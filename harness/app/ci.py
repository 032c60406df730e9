"""What CI systems run: how their files differ from the matrix, whose shard a cell is in, how long cells take."""

from collections.abc import Mapping, Sequence

from harness import ci, results, rundir, schedule
from harness.app.project import Project, load_project
from harness.app.settings import Settings, show_path
from harness.ci import Drift, Pipeline
from harness.errors import ConfigError
from harness.matrix import CiRun

__all__ = ["assign_shards", "collect_durations", "find_drift"]


def find_drift(settings: Settings) -> tuple[Drift, ...]:
    """Return each CI system's file next to what the matrix says; raise ConfigError if it says nothing of CI."""
    project = load_project(settings)
    wanted = project.matrix.ci
    if wanted is None:
        raise ConfigError(
            f"{show_path(settings.matrix)}: there is no key `ci`, so it is not known what CI should run.",
            hint="For instance, at the left margin:  ci: {change: {profile: quick, shards: 1}}",
        )
    release = _make_pipeline(project, wanted.release) if wanted.release is not None else None
    return ci.compare(ci.render(ci.list_systems(), _make_pipeline(project, wanted.change), release), settings.root)


def assign_shards(project: Project, profile: str, count: int, seconds: Mapping[str, float]) -> dict[str, int]:
    """Return the cells of a profile in the order of the matrix, with the number of the shard of each."""
    cells = [cell.id for cell in project.choose(profile=profile, select=()).cells]
    shards = {
        index: schedule.select_shard(cells, cells, seconds, index=index, count=count) for index in range(1, count + 1)
    }
    owner = {cell: index for index, mine in shards.items() for cell in mine}
    return {cell: owner[cell] for cell in cells}


def collect_durations(runs: Sequence[str], project: Project, settings: Settings) -> dict[str, int]:
    """Return how long cells take, by the runs named or by the history here; raises UsageError for unknown runs."""
    if runs:
        found = [results.read(rundir.find_run(settings.runs, name) / rundir.RESULT) for name in runs]
        now = ci.collect_durations(sorted(found, key=lambda run: run.started))
    else:
        now = {name: value for name, value in schedule.DurationHistory(settings.history).read().items() if value > 0}
    return ci.merge_durations(ci.read(settings.root / ci.DURATIONS), now, (cell.id for cell in project.expansion.cells))


def _make_pipeline(project: Project, wanted: CiRun) -> Pipeline:
    cells = project.choose(profile=wanted.profile, select=()).cells
    return Pipeline(profile=wanted.profile, shards=wanted.shards, cells=len(cells))
