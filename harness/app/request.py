"""What a user wants to run: which cells, suites and cases, and how; as a request, and as words that ask for it again."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness import ci, results, rundir, schedule
from harness.app.cases import check_cases
from harness.app.identity import find_commit, hash_matrix
from harness.app.permissions import check_said, list_unsaid
from harness.app.project import Project
from harness.app.settings import Settings, resolve_settings, show_path
from harness.errors import UsageError
from harness.matrix import find
from harness.rundir import Request

__all__ = ["RunOptions", "choose_request", "format_again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was asked for on the command line; what is empty was not asked for.

    Attributes:
        cell: Identifier of the only cell.
        shard: Which part of the cells: `2/5`.
        suites: Names of suites with commas between them, in place of the profile's or the matrix's.
        sets: What is changed about the matrix, each `KEY=VALUE`.
        distro_options: Values of the distros' own options by name.
        commit: The commit that is run, where the checkout does not say it.
        attempt: Which attempt at it this is.
    """

    cell: str | None = None
    profile: str | None = None
    select: tuple[str, ...] = ()
    shard: str | None = None
    suites: str | None = None
    cases: tuple[str, ...] = ()
    builder: str | None = None
    multiply: int = 1
    fresh: bool = False
    sets: tuple[str, ...] = ()
    distro_options: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    commit: str | None = None
    attempt: int | None = None

    @property
    def repeats(self) -> bool:
        """Whether nothing is asked for that would change what an earlier run did, but how often and on what guests."""
        return replace(self, multiply=1, fresh=False).nothing

    @property
    def nothing(self) -> bool:
        """Whether nothing is asked for; options of distros may be in the environment, and an earlier run has its own."""
        return replace(self, distro_options={}, commit=None, attempt=None) == RunOptions()

    def make_request(self, project: Project, settings: Settings) -> Request:
        """Return the run that it is.

        Raises:
            UsageError: It contradicts itself, or names something that there is not.
            NothingRanError: No cell fits.
        """
        if self.cell is not None and self.select:
            raise UsageError("--cell and --select exclude each other.")
        if self.cell is not None:
            named = project.matrix.find_profile(self.profile) if self.profile else None
            cells: tuple[str, ...] = (find(project.expansion, self.cell).id,)
            suites = project.matrix.list_suite_names(named, project.catalog)
        else:
            choice = project.choose(profile=self.profile, select=self.select)
            cells, suites = tuple(item.id for item in choice.cells), choice.suites
        if self.suites is not None:
            suites = tuple(dict.fromkeys(name.strip() for name in self.suites.split(",") if name.strip()))
            if not suites:
                raise UsageError(
                    f"--suites names no suite: {self.suites!r}.", hint="Leave it out to run the profile's."
                )
            for name in suites:
                project.catalog.get_suite(name)
        if self.shard is not None:
            index, count = rundir.parse_shard(self.shard)
            # Not by this computer's own history: all machines must come to the same shards.
            seconds = ci.read(settings.root / ci.DURATIONS)
            cells = tuple(schedule.select_shard(cells, cells, seconds, index=index, count=count))
        _check_cases(self.cases, suites, project, settings)
        return Request(
            command=shlex.join([*_list_program_words(settings), *self.list_words()]),
            cells=cells,
            suites=suites,
            builder=self.builder or project.matrix.defaults.builder,
            arguments=self.arguments,
            cases=dict.fromkeys(cells, self.cases) if self.cases else {},
            multiply=self.multiply,
            fresh=self.fresh,
            sets=self.sets,
            distro_options=dict(self.distro_options),
            shard=rundir.parse_shard(self.shard) if self.shard is not None else None,
            commit=self.commit or find_commit(settings),
            attempt=self.attempt,
            matrix=hash_matrix(settings),
        )

    def repeat_request(self, request: Request, run: str, settings: Settings) -> Request:
        """Return a request for what failed in a run, done as often and on such guests as is wanted now."""
        how = _list_repetition(self.multiply, fresh=self.fresh)
        return request.model_copy(
            update={
                "command": shlex.join([*_list_program_words(settings), "--failed", run, *how]),
                "multiply": self.multiply if self.multiply > 1 else request.multiply,
                "fresh": self.fresh or request.fresh,
            }
        )

    def list_words(self) -> Iterator[str]:
        """Yield the options that ask for it."""
        for option, value in (("--cell", self.cell), ("--profile", self.profile)):
            yield from (option, value) if value is not None else ()
        for text in self.select:
            yield from ("--select", text)
        for option, value in (("--shard", self.shard), ("--suites", self.suites)):
            yield from (option, value) if value is not None else ()
        for case in self.cases:
            yield from ("--case", case)
        yield from ("--builder", self.builder) if self.builder is not None else ()
        for word in self.sets:
            yield from ("--set", word)
        for name, value in self.distro_options.items():
            yield from (f"--{name}", value)
        yield from _list_repetition(self.multiply, fresh=self.fresh)
        yield from ("--", *self.arguments) if self.arguments else ()


def choose_request(
    options: RunOptions, project: Project, settings: Settings, *, resume: str | None = None, failed: str | None = None
) -> Request:
    """Return what is run: what is asked for now, or was asked for in an earlier run.

    `resume` names the run that goes on, and `failed` the run whose failures are run again.

    Raises:
        UsageError: The options contradict each other, or name something that there is not.
        NothingRanError: No cell fits, or nothing failed.
    """
    earlier = resume or failed
    if earlier is None:
        return options.make_request(project, settings)
    said = replace(options, builder=None, arguments=())
    wrong = "--resume and --failed repeat what was asked for; they take no other cells or arguments."
    if (resume and failed) or not said.repeats:
        raise UsageError(wrong)
    directory = rundir.find_run(settings.runs, earlier)
    request = rundir.read_request(directory)
    if options.builder not in {None, request.builder} or options.arguments not in {(), request.arguments}:
        raise UsageError(wrong)
    lacking = list_unsaid(
        request, builder=options.builder, arguments=options.arguments, distro_options=options.distro_options
    )
    check_said(lacking, earlier, f"run {'--resume' if resume else '--failed'} {shlex.quote(earlier)}")
    if failed is not None:
        failures = request.select_failed(results.read(directory / rundir.RESULT))
        return options.repeat_request(failures, directory.name if failed == rundir.LAST else failed, settings)
    if not said.nothing:
        raise UsageError("--resume continues a run as it was started; start a new one for --multiply or --fresh.")
    return request


def format_again(cell: str, request: Request, project: Project, settings: Settings) -> str:
    """Return the command line that repeats one cell of a run: the same suites, cases, guests and arguments.

    `project` is as its files are, without what the command line changed.
    """
    usual = project.matrix.list_suite_names(None, project.catalog)
    options = RunOptions(
        cell=cell,
        suites=None if request.suites == usual else ",".join(request.suites),
        cases=request.cases.get(cell, ()),
        builder=None if request.builder == project.matrix.defaults.builder else request.builder,
        multiply=request.multiply,
        fresh=request.fresh,
        sets=request.sets,
        distro_options=request.distro_options,
        arguments=request.arguments,
    )
    return shlex.join([*_list_program_words(settings), *options.list_words()])


def _list_repetition(multiply: int, *, fresh: bool) -> list[str]:
    return [*(("--multiply", str(multiply)) if multiply > 1 else ()), *(("--fresh",) if fresh else ())]


def _list_program_words(settings: Settings) -> list[str]:
    """Return the words before a verb's options: the program, its matrix where that is not found by itself, and the verb."""
    nearest = resolve_settings(matrix=None, store=None, runs=None, debug=False, cancelled=settings.cancelled).matrix
    named = ["--matrix", show_path(settings.matrix)] if settings.matrix != nearest else []
    return ["harness", *named, "run"]


def _check_cases(cases: tuple[str, ...], suites: tuple[str, ...], project: Project, settings: Settings) -> None:
    """Raise UsageError for a case that is in no suite that runs, or that its suite does not have."""
    for case in cases:
        suite = case.partition("/")[0]
        if suite not in suites:
            raise UsageError(
                f"The case `{case}` is in no suite that runs; these do: {', '.join(suites) or 'none'}.",
                hint="Write it as result.json does, for instance cgroup/test_limits.py::test_fork_fails_at_the_pids_limit.",
            )
    check_cases(cases, project, settings)
