"""What a bisection knows about its commits before anything is tested."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.engine import History, Search
from harness.bisect.priors import weigh_commits
from harness.bisect.records import Begun
from harness.bisect.repository import Range, Repository
from harness.errors import UsageError
from harness.wait import Deadline

__all__ = ["Candidates", "read_candidates"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The commits between the ends, and which of them are searched.

    Attributes:
        between: All commits between the ends.
        searched: The candidates.
        prior: What each candidate weighs.
    """

    repository: Repository
    between: Range
    searched: History
    prior: Mapping[str, float]

    def make_search(self, begun: Begun) -> Search:
        """Make a new search."""
        return Search(self.searched, begun.settings, prior=self.prior)

    def check(self, begun: Begun) -> None:
        """Raise UsageError for settings that make no sense, and for --skip of what is no candidate, or of an end."""
        self.make_search(begun)
        for revision in begun.skip:
            if revision in (begun.old, begun.new):
                raise UsageError(
                    f"The end {revision} is to be skipped; without a verdict there, there is nothing to search."
                )
            self.searched.find_index(revision)


def read_candidates(begun: Begun, repository: Repository, deadline: Deadline) -> Candidates:
    """Read the commits between the ends; raises UsageError where the ends do not fit."""
    for end in (begun.old, begun.new, *begun.others):
        repository.resolve(end, deadline)  # the mirror may have been pruned since the bisection began
    everything = repository.list_range(begun.old, begun.new, deadline, others=begun.others)
    searched = everything.history.follow_first_parent() if begun.first_parent else everything.history
    prior = weigh_commits(everything, searched, begun.paths)
    return Candidates(repository=repository, between=everything, searched=searched, prior=prior)
