"""How likely each commit is the culprit before anything is tested: weights by the paths that it touches, never 0."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from harness import yamlfile
from harness.bisect.engine import History
from harness.bisect.repository import Commit, Range
from harness.catalog import KnowledgeFile
from harness.yamlfile import FileModel

__all__ = ["Priors", "is_below", "load_priors", "weigh_commits"]

Weight = Annotated[float, Field(gt=0, le=1)]


class PriorRule(FileModel):
    """What some paths weigh.

    Attributes:
        patterns: As in fnmatch, over the whole path; `*` also matches a slash.
        weight: Of a commit that touches one, in 0..1.
    """

    patterns: tuple[str, ...]
    weight: Weight
    reason: str


class Priors(KnowledgeFile):
    """harness/bisect/priors.yaml.

    Attributes:
        floor: What every commit weighs at least.
        elsewhere: Factor for commits that touch none of the paths that the user named.
        merge: What a merge weighs by itself.
        rules: The first that fits a path counts; one fits every path.
    """

    floor: Weight
    elsewhere: Weight
    merge: Weight
    rules: tuple[PriorRule, ...]

    def weigh(self, commit: Commit, paths: Sequence[str]) -> float:
        """Weigh a commit."""
        if len(commit.parents) > 1:
            return max(self.floor, self.merge)
        heaviest = max((self._weigh_path(path) for path in commit.files), default=self.floor)
        named = not paths or any(is_below(file, path) for file in commit.files for path in paths)
        # What the user named counts fully, whatever the rules say.
        return max(self.floor, (1.0 if paths else heaviest) if named else heaviest * self.elsewhere)

    def _weigh_path(self, path: str) -> float:
        return next(
            (rule.weight for rule in self.rules if any(fnmatchcase(path, pattern) for pattern in rule.patterns)),
            self.floor,
        )


@cache
def load_priors() -> Priors:
    """Load the rules that ship with the harness."""
    return yamlfile.load(Path(__file__).with_name("priors.yaml"), Priors)


def weigh_commits(known: Range, searched: History, paths: Sequence[str]) -> Mapping[str, float]:
    """Weigh each candidate.

    `searched` is their history, or its first-parent line, where a commit weighs as the mean of what it brought in.
    """
    table = load_priors()
    single = {name: table.weigh(known.commits[name], paths) for name in known.history.commits}
    if searched is known.history:
        return single
    values = np.array([single[name] for name in known.history.commits])
    total = np.bincount(known.history.bundle, weights=values, minlength=len(values))
    count = np.maximum(np.bincount(known.history.bundle, minlength=len(values)), 1)
    means = dict(zip(known.history.commits, (total / count).tolist(), strict=True))
    return {name: max(table.floor, means[name]) for name in searched.commits}


def is_below(file: str, path: str) -> bool:
    """Return whether a file is meant by a path that the user named: itself, a directory above it, or a pattern."""
    trimmed = path.removeprefix("./").rstrip("/")
    return trimmed in ("", ".") or file == trimmed or file.startswith(f"{trimmed}/") or fnmatchcase(file, trimmed)
