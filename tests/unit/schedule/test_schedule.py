"""The scheduler's pure parts: who starts when, and which machine gets which cells."""

import itertools
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.schedule_play import compute_lower_bound, simulate_makespan
from harness.errors import UsageError
from harness.rundir import parse_shard
from harness.schedule import DurationHistory, select_shard
from harness.schedule.scheduler import Scheduler, Slots, Task, rank_tasks


@st.composite
def task_lists(draw: st.DrawFn) -> list[Task]:
    """Tasks whose needs come before them, so that none waits for itself."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 9))):
        before = (
            draw(st.lists(st.sampled_from([task.name for task in tasks]), unique=True, max_size=2)) if tasks else []
        )
        tasks.append(
            Task(
                name=f"t{number}",
                seconds=draw(st.integers(1, 20)),
                cores=draw(st.integers(1, 2)),
                memory=draw(st.sampled_from([0, 100, 250])),
                after=tuple(before),
            )
        )
    return tasks


SLOTS = st.builds(Slots, cores=st.integers(2, 4), memory=st.integers(250, 800))


def naive_rank(name: str, tasks: dict[str, Task]) -> float:
    """Compute the longest chain that begins with a task, by looking at every chain."""
    followers = [task.name for task in tasks.values() if name in task.after]
    return tasks[name].seconds + max((naive_rank(follower, tasks) for follower in followers), default=0)


@pytest.mark.slow
@given(task_lists())
def test_rank_is_the_longest_chain(tasks: list[Task]) -> None:
    """The rank agrees with a walk over all chains."""
    known = {task.name: task for task in tasks}

    assert {name: naive_rank(name, known) for name in known} == rank_tasks(tasks)


@pytest.mark.slow
@given(task_lists(), SLOTS, st.randoms())
def test_every_task_runs_once_in_its_slots_after_its_needs(tasks: list[Task], slots: Slots, random: Random) -> None:
    """Whatever the tasks really take: no slot is overdrawn, no need is passed over, nothing is left or done twice."""
    board = Scheduler(tasks, slots)
    known = {task.name: task for task in tasks}
    ended: list[str] = []
    now = 0.0
    while not board.finished:
        for task in board.start(now):
            assert set(task.after) <= set(ended)
        assert board.running, "a free computer and waiting tasks, and nothing starts"
        assert sum(known[name].cores for name in board.running) <= slots.cores
        assert sum(known[name].memory for name in board.running) <= slots.memory
        name = random.choice(sorted(board.running))
        now += random.uniform(0, 30)
        board.end(name)
        ended.append(name)

    assert sorted(known) == sorted(ended)


def best_makespan(tasks: list[Task], slots: Slots) -> float:
    """Compute the shortest of all schedules that start each task as early as an order of the tasks lets it."""
    best = float("inf")
    for order in itertools.permutations(tasks):
        ends: dict[str, float] = {}
        if any(set(task.after) - {earlier.name for earlier in order[:index]} for index, task in enumerate(order)):
            continue
        placed: list[tuple[float, float, Task]] = []
        for task in order:
            ready = max((ends[name] for name in task.after), default=0.0)
            for begin in sorted({ready, *(end for _, end, _ in placed if end >= ready)}):
                moments = [begin, *(start for start, _, _ in placed if begin < start < begin + task.seconds)]
                if all(_fits(task, moment, placed, slots) for moment in moments):
                    break
            placed.append((begin, begin + task.seconds, task))
            ends[task.name] = begin + task.seconds
        best = min(best, max(ends.values()))
    return best


def _fits(task: Task, moment: float, placed: list[tuple[float, float, Task]], slots: Slots) -> bool:
    beside = [other for start, end, other in placed if start <= moment < end]
    return (
        sum(other.cores for other in beside) + task.cores <= slots.cores
        and sum(other.memory for other in beside) + task.memory <= slots.memory
    )


@pytest.mark.slow
@given(task_lists().filter(lambda tasks: len(tasks) <= 5), SLOTS)
def test_schedule_is_near_the_best_of_all(tasks: list[Task], slots: Slots) -> None:
    """Never better than the lower bound, and within 3 times the best, as promised for 2 resources (Garey, Graham 1975)."""
    best = best_makespan(tasks, slots)
    took = simulate_makespan(tasks, slots)

    assert compute_lower_bound(tasks, slots) <= best + 1e-9
    assert best <= took + 1e-9
    assert took <= 3 * best


def test_cells_of_a_real_matrix_end_near_the_lower_bound() -> None:
    """Builds and images first, many cells behind them: within 1.15 of what no schedule can beat."""
    needs = [Task(name=f"image {name}", seconds=30) for name in "abcd"]
    needs += [Task(name=f"build {name}", seconds=60) for name in "xy"]
    cells = [
        Task(
            name=f"{image}{build}{mode}", seconds=25 + 3 * mode, memory=1280, after=(f"image {image}", f"build {build}")
        )
        for image in "abcd"
        for build in "xy"
        for mode in range(3)
    ]
    for cores in (2, 3, 4):
        slots = Slots(cores=cores, memory=16000)
        assert simulate_makespan([*needs, *cells], slots) <= 1.15 * compute_lower_bound([*needs, *cells], slots)


def test_urgent_task_is_not_starved_by_small_ones() -> None:
    """A task that needs both cores starts although single-core tasks could always slip in before it."""
    small = [Task(name=f"s{number}", seconds=10) for number in range(6)]
    large = Task(name="large", seconds=30, cores=2)
    board = Scheduler([*small, large], Slots(cores=2, memory=0))

    assert ("large",) == tuple(task.name for task in board.start(0.0))


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        (
            [Task(name="a", seconds=1, after=("b",)), Task(name="b", seconds=1, after=("a",))],
            "wait for each other: a, b",
        ),
        ([Task(name="a", seconds=1, after=("z",))], "waits for z, which does not exist"),
        ([Task(name="a", seconds=1, cores=3)], "a needs 3 cores and 0 MiB; there are 2 cores and 100 MiB"),
        ([Task(name="a", seconds=1, memory=101)], "a needs 1 cores and 101 MiB"),
    ],
)
def test_what_can_never_run_is_said_at_once(tasks: list[Task], words: str) -> None:
    """Circles, missing needs and tasks larger than the computer are refused before anything starts."""
    with pytest.raises(UsageError, match=words):
        Scheduler(tasks, Slots(cores=2, memory=100))


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0.1, 500), max_size=30), st.integers(1, 6))
def test_shards_are_a_partition_and_balanced(seconds: dict[str, float], count: int) -> None:
    """Each cell is in one shard, in the order of the matrix; no shard exceeds the mean by more than one cell."""
    names = list(seconds)
    shards = [select_shard(names, names, seconds, index=index, count=count) for index in range(1, count + 1)]
    loads = [sum(seconds[name] for name in part) for part in shards]

    assert sorted(names) == sorted(itertools.chain.from_iterable(shards))
    assert all(part == [name for name in names if name in part] for part in shards)
    assert max(loads) <= sum(loads) / count + max(seconds.values(), default=0.0) + 1e-6


@given(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=12), st.randoms())
def test_shards_do_not_depend_on_the_order_of_the_cells(names: list[str], random: Random) -> None:
    """Two machines that list the cells differently compute the same shards."""
    other = list(names)
    random.shuffle(other)

    assert set(select_shard(names, names, {}, index=1, count=3)) == set(
        select_shard(other, other, {}, index=1, count=3)
    )


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/", "a/b", "-1/3", "1/3/5"])
def test_shard_that_is_none_is_refused(text: str) -> None:
    """Only I/N with 1 <= I <= N is a shard."""
    with pytest.raises(UsageError, match="is not a shard"):
        parse_shard(text)


def test_history_survives_a_broken_file(tmp_path: Path) -> None:
    """A file that was cut off is forgotten and written again; what others wrote meanwhile stays."""
    history = DurationHistory(tmp_path / "deep" / "history.json")
    history.add({"a": 1.0})
    DurationHistory(tmp_path / "deep" / "history.json").add({"b": 2.00049})

    assert {"a": 1.0, "b": 2.0} == history.read()
    (tmp_path / "deep" / "history.json").write_text('{"a": ', encoding="utf-8")
    assert {} == history.read()
    history.add({"c": 3.0})
    assert {"c": 3.0} == history.read()
