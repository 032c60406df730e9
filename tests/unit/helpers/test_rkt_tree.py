"""The rkt-shaped tree, a double that is no rkt."""

from pathlib import Path

from tests.helpers.rkt_tree import commit, run_git, systemd_double


def test_commits_are_where_the_double_says(tmp_path: Path) -> None:
    """The double of systemd has two tags with different commits, without which the tests above would test nothing."""
    commits = systemd_double(tmp_path / "systemd")
    assert 2 == len(set(commits.values()))
    assert commits["v234"] == run_git(tmp_path / "systemd", "rev-parse", "v234^{commit}")
    assert commit(tmp_path / "systemd") != commits["v234"]
