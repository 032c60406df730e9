"""What a user wants to run: which cells, suites and cases, and how; as a request, and as words that ask for it again."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from harness import ci, rundir, schedule
from harness.app.project import Project
from harness.app.settings import Settings, resolve_settings, show_path
from harness.errors import UsageError
from harness.matrix import find
from harness.rundir import Request

__all__ = ["Wanted", "again", "check_case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line; what is empty was not asked for.

    Attributes:
        cell: Identifier of the only cell.
        profile: Name of a profile.
        select: Expressions over cells.
        shard: Which part of the cells: `2/5`.
        suites: Names of suites with commas between them, in place of the profile's or the matrix's.
        cases: Node ids of the only cases.
        builder: Where runtimes are built.
        multiply: How many times each case runs.
        fresh: Whether every guest is booted.
        sets: What is changed about the matrix, each `KEY=VALUE`.
        mirror: What stands in place of the host of a distro's releases.
        key: File with the public key that is trusted for them.
        arguments: Further arguments for pytest.
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
    mirror: str | None = None
    key: Path | None = None
    arguments: tuple[str, ...] = ()

    @property
    def repeats(self) -> bool:
        """Whether nothing is asked for that would change what an earlier run did, but how often and on what guests."""
        return replace(self, multiply=1, fresh=False).nothing

    @property
    def nothing(self) -> bool:
        """Whether nothing is asked for; mirror and key may be in the environment, and an earlier run has its own."""
        return replace(self, mirror=None, key=None) == Wanted()

    def request(self, here: Project, chosen: Settings) -> Request:
        """The run that it is.

        Raises:
            UsageError: It contradicts itself, or names something that there is not.
            NothingRanError: No cell fits.
        """
        if self.cell is not None and self.select:
            raise UsageError("--cell and --select exclude each other.")
        if self.cell is not None:
            named = here.matrix.profile(self.profile) if self.profile else None
            cells: tuple[str, ...] = (find(here.expansion, self.cell).id,)
            suites = here.matrix.suite_names(named, here.catalog)
        else:
            choice = here.choose(profile=self.profile, select=self.select)
            cells, suites = tuple(item.id for item in choice.cells), choice.suites
        if self.suites is not None:
            suites = tuple(dict.fromkeys(name.strip() for name in self.suites.split(",") if name.strip()))
            if not suites:
                raise UsageError(
                    f"--suites names no suite: {self.suites!r}.", hint="Leave it out to run the profile's."
                )
            for name in suites:
                here.catalog.suite(name)
        if self.shard is not None:
            index, count = rundir.parse_shard(self.shard)
            # Not by this computer's own history: all machines must come to the same shards.
            seconds = ci.read(chosen.root / ci.DURATIONS)
            cells = tuple(schedule.select_shard(cells, cells, seconds, index=index, count=count))
        _check_cases(self.cases, suites, here)
        return Request(
            command=shlex.join([*_called(chosen), *self.words()]),
            cells=cells,
            suites=suites,
            builder=self.builder or here.matrix.defaults.builder,
            arguments=self.arguments,
            cases=dict.fromkeys(cells, self.cases) if self.cases else {},
            multiply=self.multiply,
            fresh=self.fresh,
            sets=self.sets,
            mirror=self.mirror,
            key=self.key.absolute() if self.key is not None else None,
        )

    def repeated(self, request: Request, run: str, chosen: Settings) -> Request:
        """A request for what failed in a run, done as often and on such guests as is wanted now.

        Args:
            request: What failed, see `Request.failed`.
            run: The run, as `--failed` names it.
            chosen: The settings of this process.
        """
        how = _how(self.multiply, fresh=self.fresh)
        return request.model_copy(
            update={
                "command": shlex.join([*_called(chosen), "--failed", run, *how]),
                "multiply": self.multiply if self.multiply > 1 else request.multiply,
                "fresh": self.fresh or request.fresh,
            }
        )

    def words(self) -> Iterator[str]:
        """The options that ask for it."""
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
        for option, value in (("--mirror", self.mirror), ("--key", str(self.key) if self.key else None)):
            yield from (option, value) if value is not None else ()
        yield from _how(self.multiply, fresh=self.fresh)
        yield from ("--", *self.arguments) if self.arguments else ()


def again(cell: str, request: Request, here: Project, chosen: Settings) -> str:
    """The command line that repeats one cell of a run: the same suites, cases, guests and arguments.

    Args:
        cell: The cell's identifier.
        request: What was asked for in the run.
        here: The project as its files are, without what the command line changed.
        chosen: The settings of this process.
    """
    usual = here.matrix.suite_names(None, here.catalog)
    wanted = Wanted(
        cell=cell,
        suites=None if request.suites == usual else ",".join(request.suites),
        cases=request.cases.get(cell, ()),
        builder=None if request.builder == here.matrix.defaults.builder else request.builder,
        multiply=request.multiply,
        fresh=request.fresh,
        sets=request.sets,
        mirror=request.mirror,
        key=request.key,
        arguments=request.arguments,
    )
    return shlex.join([*_called(chosen), *wanted.words()])


def _how(multiply: int, *, fresh: bool) -> list[str]:
    return [*(("--multiply", str(multiply)) if multiply > 1 else ()), *(("--fresh",) if fresh else ())]


def _called(chosen: Settings) -> list[str]:
    """The words before a verb's options: the program, its matrix where that is not found by itself, and the verb."""
    nearest = resolve_settings(matrix=None, store=None, runs=None, debug=False, cancelled=chosen.cancelled).matrix
    named = ["--matrix", show_path(chosen.matrix)] if chosen.matrix != nearest else []
    return ["harness", *named, "run"]


def check_case(here: Project, case: str) -> None:
    """Raise UsageError for a case that no suite has: a guest would be booted for it, and say nothing."""
    path, _, name = case.partition("::")
    here.catalog.suite(path.partition("/")[0])
    file = here.catalog.root / "suites" / path
    if not file.exists():
        raise UsageError(f"The suites have no `{path}`.", hint="A case is named as cgroup/test_places.py::test_x.")
    wanted = name.partition("[")[0].rpartition("::")[2]
    # A case may also be inherited or assigned, so that every word of the file counts.
    words = re.findall(r"\w+", file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else []
    if wanted and wanted not in words:
        near = get_close_matches(wanted, dict.fromkeys(word for word in words if word.lower().startswith("test")))
        raise UsageError(
            f"There is no case `{wanted}` in suites/{path}.",
            hint=f"Near it are {', '.join(near)}." if near else None,
        )


def _check_cases(cases: tuple[str, ...], suites: tuple[str, ...], here: Project) -> None:
    """Raise UsageError for a case that is in no suite that runs, or that its suite does not have."""
    for case in cases:
        suite = case.partition("/")[0]
        if suite not in suites:
            raise UsageError(
                f"The case `{case}` is in no suite that runs; these do: {', '.join(suites) or 'none'}.",
                hint="Write it as result.json does, for instance cgroup/test_limits.py::test_fork_fails_at_the_pids_limit.",
            )
        check_case(here, case)
