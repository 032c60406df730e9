"""The candidate commits good..bad as a DAG, with exact sums over all ancestors of every commit.

A dense closure of 50,000 commits is 2.5e9 bits, too much to multiply with at every step. The ancestors
of a commit are therefore kept as a difference to those of one parent, its base: the parent with the most
ancestors. `anc(t) = anc(base(t)) + own(t)`, where `own(t)` is `t` and what its other parents bring in.
The sets along a path of bases are disjoint, so a sum over ancestors is a sum along a path of a forest:
one cumulative sum over an Euler tour. That is exact, and for histories that people make the sets together
are a few times N. Where merges are so entangled that they grow with N squared, memory grows with them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

__all__ = ["OUTSIDE", "Floats", "History", "Indices", "Mask"]

OUTSIDE = -1
"""Index of every commit that is no candidate: the good end and its ancestors. Good under every hypothesis."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closure:
    """Ancestor sets as differences along a forest of bases.

    Attributes:
        enter: Place of a commit's entry in the Euler tour of the forest.
        leave: Place of its exit.
        merges: Commits whose own set is larger than themselves, ascending.
        starts: Where the extra commits of each of these begin in `extra`.
        extra: The commits that the other parents bring in.
        owner: For each entry of `extra`, the merge that it belongs to.
    """

    enter: Indices
    leave: Indices
    merges: Indices
    starts: Indices
    extra: Indices
    owner: Indices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The commits that can be the first bad one, parents before children.

    Attributes:
        commits: Their names; the last is the bad end.
        parents: Indices of each commit's parents that are candidates too, first parent first.
        outsiders: Names of each commit's parents that are no candidates, thus good.
        good: The good end, which is no candidate.
        sizes: How many commits each stands for: 1, or the size of what a merge brought in (`follow_first_parent`).
        mainline: Which commits lie on the first-parent line from the bad end.
        bundle: For each commit, the mainline commit that brought it in.
    """

    commits: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    outsiders: tuple[tuple[str, ...], ...]
    good: str
    sizes: Floats
    mainline: Mask
    bundle: Indices
    _index: dict[str, int]
    _closure: _Closure

    @classmethod
    def parse(cls, text: str, *, good: str, bad: str) -> "History":
        """Read the output of `git rev-list --parents <bad> ^<good>`; lines in any order.

        `text` has one commit a line, followed by its parents. Parents that have no line are good.

        Raises:
            UsageError: The bad end is not among the commits: it is the good end or one of its ancestors.
        """
        listed = [line.split() for line in text.splitlines() if line.strip()]
        return cls.make({names[0]: tuple(names[1:]) for names in listed}, good=good, bad=bad)

    @classmethod
    def make(cls, graph: dict[str, tuple[str, ...]], *, good: str, bad: str) -> "History":
        """Make the history of a graph given as name to names of parents; raises as `parse`."""
        if bad not in graph:
            raise UsageError(
                f"There is nothing between the good revision {good} and the bad revision {bad}.",
                hint="The good revision must be an ancestor of the bad one; to look for a fix, say so instead.",
            )
        order = _sort_parents_first(graph, bad)
        index = {name: place for place, name in enumerate(order)}
        parents = tuple(tuple(index[parent] for parent in graph[name] if parent in index) for name in order)
        outsiders = tuple(tuple(parent for parent in graph[name] if parent not in graph) for name in order)
        return cls._build(
            order, parents, outsiders, good, np.ones(len(order)), _follow_first_parents(order, graph, index)
        )

    @classmethod
    def _build(
        cls,
        order: Sequence[str],
        parents: tuple[tuple[int, ...], ...],
        outsiders: tuple[tuple[str, ...], ...],
        good: str,
        sizes: Floats,
        mainline: Sequence[int],
    ) -> "History":
        on_mainline = np.zeros(len(order), dtype=bool)
        on_mainline[list(mainline)] = True
        return cls(
            commits=tuple(order),
            parents=parents,
            outsiders=outsiders,
            good=good,
            sizes=sizes,
            mainline=on_mainline,
            bundle=_find_bundles(parents, mainline),
            _index={name: place for place, name in enumerate(order)},
            _closure=_close(parents),
        )

    def follow_first_parent(self) -> "History":
        """Return the mainline alone, each commit for all that it brought in; its size says how many those are."""
        line = np.flatnonzero(self.mainline)
        names = [self.commits[place] for place in line]
        parents = tuple((place - 1,) if place else () for place in range(len(names)))
        outsiders = (self.outsiders[line[0]][:1] or (self.good,), *((),) * (len(names) - 1))
        sizes = np.bincount(self.bundle, weights=self.sizes).astype(np.float64)[line]
        return History._build(names, parents, outsiders, self.good, sizes, range(len(names)))

    def __len__(self) -> int:
        return len(self.commits)

    @property
    def bad(self) -> str:
        """The bad end."""
        return self.commits[-1]

    def find_index(self, revision: str) -> int:
        """Return the index of a candidate, or `OUTSIDE` for what is good; raises UsageError for any other revision."""
        found = self._index.get(revision, OUTSIDE)
        if found == OUTSIDE and revision != self.good and not any(revision in names for names in self.outsiders):
            raise UsageError(f"The revision {revision} is not between {self.good} and {self.bad}.")
        return found

    def list_parents(self, place: int) -> tuple[str, ...]:
        """List all parents of a candidate, candidates or not; the good end for a commit without parents."""
        names = tuple(self.commits[parent] for parent in self.parents[place]) + self.outsiders[place]
        return names or (self.good,)

    def find_ancestors(self, place: int) -> Mask:
        """Return which candidates are ancestors of a commit, itself among them; none for `OUTSIDE`."""
        found = np.zeros(len(self), dtype=bool)
        if place == OUTSIDE:
            return found
        closure = self._closure
        found |= (closure.enter <= closure.enter[place]) & (closure.leave >= closure.leave[place])
        found[closure.extra[found[closure.owner]]] = True
        return found

    def sum_ancestors(self, values: Floats) -> Floats:
        """Sum `values` for every commit over its ancestors and itself.

        `values` has one row per commit, of any width. The rounding error is about 1e-16 of the total of the absolute
        values.
        """
        closure = self._closure
        own = np.array(values, dtype=np.float64)
        if len(closure.merges):
            own[closure.merges] += np.add.reduceat(values[closure.extra], closure.starts, axis=0)
        tour = np.zeros((2 * len(own), *own.shape[1:]))
        tour[closure.enter] = own
        tour[closure.leave] = -own
        summed: Floats = tour.cumsum(axis=0)[closure.enter]
        return summed


def _sort_parents_first(graph: dict[str, tuple[str, ...]], bad: str) -> list[str]:
    """Sort commits with parents before children, each branch in one piece right before its merge."""
    order: list[str] = []
    entered: set[str] = {bad}
    stack = [(bad, iter(graph[bad]))]
    while stack:
        name, parents = stack[-1]
        following = next((parent for parent in parents if parent in graph and parent not in entered), None)
        if following is None:
            order.append(name)
            stack.pop()
        else:
            entered.add(following)
            stack.append((following, iter(graph[following])))
    return order


def _follow_first_parents(order: Sequence[str], graph: dict[str, tuple[str, ...]], index: dict[str, int]) -> list[int]:
    """Return the indices of the first-parent line, oldest first."""
    line: list[int] = []
    name: str | None = order[-1]
    while name in index:
        line.append(index[name])
        name = next(iter(graph[name]), None)
    return line[::-1]


def _find_bundles(parents: tuple[tuple[int, ...], ...], mainline: Iterable[int]) -> Indices:
    bundle = np.full(len(parents), OUTSIDE, dtype=np.int64)
    for tip in mainline:
        waiting = [tip]
        while waiting:
            place = waiting.pop()
            if bundle[place] == OUTSIDE:
                bundle[place] = tip
                waiting.extend(parents[place])
    return bundle


def _close(parents: tuple[tuple[int, ...], ...]) -> _Closure:
    """Walk once, with sets as integers; a set is dropped when its last child has been seen."""
    uses = np.bincount(np.fromiter((p for ps in parents for p in ps), dtype=np.int64), minlength=len(parents)).tolist()
    sets: dict[int, int] = {}
    bases: list[int] = []
    extras: dict[int, Indices] = {}
    for place, above in enumerate(parents):
        base = max(above, key=lambda parent: sets[parent].bit_count()) if len(above) > 1 else (above or (OUTSIDE,))[0]
        bases.append(base)
        reached = sets[base] if base != OUTSIDE else 0
        if len(above) > 1:
            brought = 0
            for parent in above:
                brought |= sets[parent] & ~reached
            if brought:
                extras[place] = _list_bits(brought)
            reached |= brought
        sets[place] = reached | 1 << place
        for parent in above:
            uses[parent] -= 1
            if not uses[parent]:
                del sets[parent]
    enter, leave = _walk_forest(bases)
    merges = np.fromiter(extras, dtype=np.int64, count=len(extras))
    lengths = np.array([len(found) for found in extras.values()], dtype=np.int64)
    return _Closure(
        enter=enter,
        leave=leave,
        merges=merges,
        starts=np.concatenate(([0], lengths.cumsum()[:-1])) if len(lengths) else lengths,
        extra=np.concatenate(list(extras.values())) if extras else np.zeros(0, dtype=np.int64),
        owner=np.repeat(merges, lengths),
    )


def _list_bits(number: int) -> Indices:
    low = (number & -number).bit_length() - 1
    number >>= low
    raw = np.frombuffer(number.to_bytes((number.bit_length() + 7) // 8, "little"), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(raw, bitorder="little")) + low


def _walk_forest(bases: Sequence[int]) -> tuple[Indices, Indices]:
    """Walk around the forest of bases, and return entry and exit of each commit."""
    children: list[list[int]] = [[] for _ in bases]
    roots: list[int] = []
    for place, base in enumerate(bases):
        (roots if base == OUTSIDE else children[base]).append(place)
    enter = np.zeros(len(bases), dtype=np.int64)
    leave = np.zeros(len(bases), dtype=np.int64)
    clock = 0
    for root in roots:
        stack = [(root, iter(children[root]))]
        enter[root] = clock
        clock += 1
        while stack:
            place, rest = stack[-1]
            child = next(rest, OUTSIDE)
            if child == OUTSIDE:
                leave[place] = clock
                stack.pop()
            else:
                enter[child] = clock
                stack.append((child, iter(children[child])))
            clock += 1
    return enter, leave
