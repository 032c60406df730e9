"""Mirrors of repositories in the store."""

from harness.source.git import open_mirror
from harness.store import Store
from harness.wait import Deadline


def test_locks_of_a_git_that_was_killed_stop_nobody(empty: Store, deadline: Deadline) -> None:
    """What was killed in the making of a mirror, or while it wrote a reference, is gone on with."""
    with open_mirror("https://git.example.org/a.git", empty, deadline) as mirror:
        (mirror / "refs" / "heads").mkdir(exist_ok=True)
    left = [mirror / "config.lock", mirror / "refs" / "heads" / "main.lock"]
    for lock in left:
        lock.touch()
    (mirror / "HEAD").unlink()

    with open_mirror("https://git.example.org/a.git", empty, deadline) as again:
        assert again == mirror
        assert (mirror / "HEAD").is_file()
    assert not any(lock.exists() for lock in left)
