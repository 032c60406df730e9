"""Guests for a person: one that is booted, and one that runs already."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from harness import rundir
from harness.app.plan import plan_cells
from harness.app.project import load_project
from harness.app.settings import Settings
from harness.errors import UsageError
from harness.machine import Machine
from harness.model import Event
from harness.pipeline import RunContext, boot_cell
from harness.store import Store
from harness.wait import Deadline

__all__ = ["find_machine", "open_guest"]


@contextmanager
def open_guest(
    settings: Settings,
    cell: str,
    deadline: Deadline,
    watching: AbstractContextManager[Callable[[Event], None]],
    *,
    fresh: bool,
    network: bool,
    distro_options: Mapping[str, str],
) -> Iterator[Machine]:
    """Yield the cell's guest; its directory is removed after a good end or Ctrl-C, and else is evidence."""
    project = load_project(settings)
    # A person may want what suites bring into a guest, but does not wait for whole images besides its own.
    names = project.matrix.list_suite_names(None, project.catalog)
    suites = tuple(name for name in names if not project.catalog.suites[name].disks)
    (plan,) = plan_cells(project, (cell,), suites, distro_options)
    above = settings.runs / "guests"
    with rundir.open_runs(above):
        # Another guest of the same cell may run.
        directory = Path(tempfile.mkdtemp(prefix=f"{re.sub('[^A-Za-z0-9.+-]', '-', plan.cell.id)}-", dir=above))
    ended = False
    try:
        with ExitStack() as stack:
            with watching as emit:
                run = RunContext(
                    store=Store(settings.store), emit=emit, deadline=deadline, fresh=fresh, network=network
                )
                guest = stack.enter_context(boot_cell(plan, run, directory))
            yield guest
        ended = True
    finally:
        if ended or deadline.cancelled.is_set():
            shutil.rmtree(directory, ignore_errors=True)


def find_machine(settings: Settings, name: str) -> Path:
    """Return the machine's directory that a person means; raise UsageError if there is none."""
    run, _, cell = name.partition("/")
    candidates = [Path(name), Path(name) / rundir.MACHINE]
    with suppress(UsageError):
        candidates.append(rundir.find_run(settings.runs, run) / rundir.CELLS / cell / rundir.MACHINE)
    for place in candidates:
        if (place / "machine.json").exists():
            return place
    raise UsageError(
        f"There is no guest `{name}`: neither a directory with machine.json nor a run and its cell.",
        hint="`harness boot CELL` prints the directory of its guest; those of a run are runs/RUN/cells/CELL/machine.",
    )
