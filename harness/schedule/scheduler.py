"""Which task starts next: a pure state machine over tasks with needs, and slots of cores and memory.

The rule is list scheduling by the longest path to the end (Graham 1969; Coffman and Denning 1973): among the
tasks that may start and fit, the one with the most work behind it goes first. A task that is too large for
what is free does not let a smaller one of lower rank delay it for ever: it may be overtaken only by tasks
that are expected to end before it could start.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import UsageError

__all__ = ["Scheduler", "Slots", "Task", "rank_tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work.

    Attributes:
        name: Its identifier.
        seconds: How long it is expected to take.
        cores: Processors that it keeps busy.
        memory: Main memory that it needs, in MiB.
        after: Names of tasks that must have ended before.
    """

    name: str
    seconds: float
    cores: int = 1
    memory: int = 0
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What the tasks share.

    Attributes:
        cores: Processors.
        memory: Main memory in MiB.
    """

    cores: int
    memory: int

    def subtract(self, task: Task) -> "Slots":
        """Return what is left next to a task."""
        return Slots(cores=self.cores - task.cores, memory=self.memory - task.memory)

    def add(self, task: Task) -> "Slots":
        """Return what is there once a task has ended."""
        return Slots(cores=self.cores + task.cores, memory=self.memory + task.memory)

    def has_room_for(self, task: Task) -> bool:
        """Return whether a task fits."""
        return task.cores <= self.cores and task.memory <= self.memory


def rank_tasks(tasks: Iterable[Task]) -> dict[str, float]:
    """Return the seconds of the longest chain that begins with each task; raises UsageError for circles or gaps."""
    known = {task.name: task for task in tasks}
    waiting = {name: set(task.after) for name, task in known.items()}
    followers: dict[str, list[str]] = {name: [] for name in known}
    for task in known.values():
        for name in task.after:
            if name not in known:
                raise UsageError(f"The task {task.name} waits for {name}, which does not exist.")
            followers[name].append(task.name)
    order = [name for name, before in waiting.items() if not before]
    for name in order:
        for follower in followers[name]:
            waiting[follower].discard(name)
            if not waiting[follower]:
                order.append(follower)
    if len(order) < len(known):
        raise UsageError(f"These tasks wait for each other: {', '.join(sorted(set(known) - set(order)))}.")
    result: dict[str, float] = {}
    for name in reversed(order):
        result[name] = known[name].seconds + max((result[follower] for follower in followers[name]), default=0.0)
    return result


class Scheduler:
    """What waits, what runs and what has ended."""

    def __init__(self, tasks: Iterable[Task], slots: Slots) -> None:
        """Begin; raises UsageError if tasks wait for each other, or one does not fit the slots even alone."""
        self.tasks = {task.name: task for task in tasks}
        for task in self.tasks.values():
            if not slots.has_room_for(task):
                raise UsageError(
                    f"{task.name} needs {task.cores} cores and {task.memory} MiB; "
                    f"there are {slots.cores} cores and {slots.memory} MiB.",
                    hint="Raise -j or --memory, or lower `cpus` or `memory` in the matrix's defaults.",
                )
        rank = rank_tasks(self.tasks.values())
        self._waiting = sorted(self.tasks, key=lambda name: (-rank[name], name))
        self._ends: dict[str, float] = {}
        self._ended: set[str] = set()
        self._free = slots

    @property
    def running(self) -> frozenset[str]:
        """Names of the tasks that run."""
        return frozenset(self._ends)

    @property
    def finished(self) -> bool:
        """Whether every task has ended."""
        return not self._waiting and not self._ends

    def start(self, now: float) -> tuple[Task, ...]:
        """Return the tasks that start at the time `now`; they count as running from here."""
        started: list[Task] = []
        bound: float | None = None
        for name in list(self._waiting):
            task = self.tasks[name]
            if not self._ended.issuperset(task.after):
                continue
            if not self._free.has_room_for(task):
                bound = self._predict_start(task) if bound is None else bound
                continue
            if bound is not None and now + task.seconds > bound:
                continue  # it would delay one that is more urgent
            self._waiting.remove(name)
            self._free = self._free.subtract(task)
            self._ends[name] = now + task.seconds
            started.append(task)
        return tuple(started)

    def end(self, name: str) -> None:
        """Note that a task has ended."""
        del self._ends[name]
        self._ended.add(name)
        self._free = self._free.add(self.tasks[name])

    def _predict_start(self, task: Task) -> float:
        """Return when the running tasks will have made room for one, by what is expected of them."""
        free = self._free
        for name, end in sorted(self._ends.items(), key=lambda item: item[1]):
            free = free.add(self.tasks[name])
            if free.has_room_for(task):
                return end
        raise AssertionError("every task fits the slots alone")
