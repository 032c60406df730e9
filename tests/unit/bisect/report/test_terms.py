"""The words for the two sides, next to git's own opinion of them."""

import subprocess
from pathlib import Path

import pytest

from harness.bisect.report.gitlog import SUBCOMMANDS, choose_terms
from harness.bisect.terms import Goal
from harness.errors import UsageError
from tests.helpers.bisections import Repo, git


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A line of commits."""
    return Repo.empty(tmp_path / "repo").line("gggbb")


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), [
    ("x", "x"), ("a b", "bad"), ("good", "a\tb"), ("bad", "good"), ("new", "slow"),
    ("fast", "old"), ("good", "a..b"), ("good", "a~1"),
    *((word, "bad") for word in sorted(SUBCOMMANDS)),
])  # fmt: skip
def test_terms_that_git_refuses(repo: Repo, old: str, new: str) -> None:
    """The log has to be replayable, so words are refused as git refuses them."""
    start = ["git", "-C", str(repo.path), "bisect", "start", f"--term-old={old}", f"--term-new={new}"]

    assert subprocess.run(start, capture_output=True, check=False).returncode != 0
    with pytest.raises(UsageError, match=r"cannot be the word of --term-|Both sides have the word"):
        choose_terms(Goal.BREAK, old, new)


@pytest.mark.parametrize("term", ["--good", "-x", ""])
def test_terms_that_look_like_options(term: str) -> None:
    """They are refused, as is none at all, though some versions of git take them."""
    for chosen in ((term, None), (None, term)):
        with pytest.raises(UsageError, match=f"`{term}` cannot be the word of --term-"):
            choose_terms(Goal.FIX, *chosen)


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), [("fast", "slow"), ("old", "new"), ("good", "not-good"), ("a_1", "schön")])
def test_terms_that_git_takes(repo: Repo, old: str, new: str) -> None:
    """Other words are the user's choice."""
    git(repo.path, "bisect", "start", f"--term-old={old}", f"--term-new={new}")

    assert choose_terms(Goal.BREAK, old, new) == (old, new)
