"""How long a schedule takes, and what none can beat: tasks that are simulated instead of run."""

from collections.abc import Iterable, Mapping

from harness.schedule.scheduler import Scheduler, Slots, Task, rank_tasks

__all__ = ["compute_lower_bound", "simulate_makespan"]


def compute_lower_bound(tasks: Iterable[Task], slots: Slots) -> float:
    """Return the seconds that no schedule can beat: the longest chain, or the work spread evenly over the slots."""
    known = tuple(tasks)
    chain = max(rank_tasks(known).values(), default=0.0)
    work = sum(task.seconds * task.cores for task in known) / slots.cores
    space = sum(task.seconds * task.memory for task in known) / slots.memory if slots.memory else 0.0
    return max(chain, work, space)


def simulate_makespan(tasks: Iterable[Task], slots: Slots, took: Mapping[str, float] | None = None) -> float:
    """Return the seconds that the schedule takes, by simulation.

    Args:
        tasks: The tasks.
        slots: What they share.
        took: How long each really takes, where that differs from what is expected.
    """
    real = took or {}
    scheduler = Scheduler(tasks, slots)
    now = 0.0
    ends: dict[str, float] = {}
    while not scheduler.finished:
        for task in scheduler.start(now):
            ends[task.name] = now + real.get(task.name, task.seconds)
        name = min(ends, key=lambda key: (ends[key], key))
        now = ends.pop(name)
        scheduler.end(name)
    return now
