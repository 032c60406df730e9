"""Pruning and verifying a store, on a real disk and under the hands of other real processes."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.store import Store, hold_lock, list_artifacts
from harness.store.trees import remove
from harness.wait import Deadline, poll
from tests.helpers import stores
from tests.helpers.stores import KIND, names, process, prune, put, verify

BLOCK = 4096


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=12), st.floats(0, 1.2))
def test_the_oldest_uses_go_until_the_rest_fits(
    tmp_path_factory: pytest.TempPathFactory, uses: list[tuple[int, int]], share: float
) -> None:
    """What stays fits, what went was used before all that stays, and not one more went than had to."""
    root = tmp_path_factory.mktemp("store")
    last = {}
    for moment, (number, size) in enumerate(uses):
        put(root, str(number), size=size * BLOCK)
        last[str(number)] = moment
    sizes = {item.title.rpartition(" ")[2]: item.size for item in list_artifacts(Store(root))}
    keep = int(sum(sizes.values()) * share)
    done = prune(root, keep)
    stay, gone = names(root), [item.title.rpartition(" ")[2] for item in done.removed]
    assert sizes.keys() == stay | set(gone)
    assert done.size == sum(sizes[name] for name in stay) <= keep
    order = sorted(sizes, key=lambda name: last[name])
    assert gone == order[: len(gone)]
    if gone:
        assert done.size + sizes[gone[-1]] > keep


def test_sizes_are_those_of_the_disk(tmp_path: Path, deadline: Deadline) -> None:
    """A sparse file counts what it takes, and a file with two names counts once."""

    def make(files: Path) -> None:
        (files / "one").write_bytes(b"x" * 40 * BLOCK)
        os.link(files / "one", files / "two")
        with (files / "sparse").open("wb") as file:
            file.truncate(64 << 20)

    Store(tmp_path).obtain(KIND, {}, make, deadline)
    (item,) = list_artifacts(Store(tmp_path))
    assert 40 * BLOCK <= item.size < 60 * BLOCK


def test_the_list_has_the_latest_use_first(tmp_path: Path) -> None:
    """A hit is a use; looking whether something is there is none."""
    for name in ("a", "b", "c", "a"):
        put(tmp_path, name)
    assert Store(tmp_path).find(KIND, {"name": "b"})
    assert ["the thing a", "the thing c", "the thing b"] == [item.title for item in list_artifacts(Store(tmp_path))]


def test_a_clock_that_jumps_does_not_change_the_order(tmp_path: Path) -> None:
    """What was used while the clock was years ahead is still older than what was used after it was set right."""
    ahead = time.time_ns() + 10**18
    put(tmp_path, "ahead")
    for path in (tmp_path, *stores.homes(tmp_path)):
        os.utime(path / "last-use", ns=(ahead, ahead))
    put(tmp_path, "b")
    put(tmp_path, "c")
    assert ["the thing c", "the thing b", "the thing ahead"] == [item.title for item in list_artifacts(Store(tmp_path))]
    prune(tmp_path, list_artifacts(Store(tmp_path))[0].size)
    assert {"c"} == names(tmp_path)


def test_what_a_living_process_uses_stays(tmp_path: Path, deadline: Deadline) -> None:
    """An artifact that another process has got stays however little may remain; when that was killed, it may go."""
    put(tmp_path, "idle")
    with process("use", tmp_path, "busy", 60) as running:
        poll(lambda: (tmp_path / "busy.used").exists() or None, Deadline.after(20, "other process"))
        done = prune(tmp_path)
        assert {"busy"} == names(tmp_path)
        assert (1, ["the thing busy"]) == (len(done.removed), [item.title for item in done.busy])
        assert done.size > 0
        os.kill(running.pid, 9)
        running.wait(deadline)
    assert 0 == prune(tmp_path).size
    assert set() == names(tmp_path)


def test_what_is_being_made_stays(tmp_path: Path, deadline: Deadline) -> None:
    """Neither a half-made artifact of a living process nor one whose lock is held is touched; verifying skips it."""
    home = put(tmp_path, "locked").path.parent
    with process("build", tmp_path, "slow", 60), hold_lock(home.with_suffix(".lock"), deadline):
        poll(lambda: stores.made(tmp_path) or None, Deadline.after(20, "other process"))
        half = tmp_path / KIND / f"{stores.key('slow')}.part"
        done = prune(tmp_path)
        assert half.exists()
        assert (1, (), ()) == (len(done.busy), done.removed, done.leftovers)
        os.truncate(home / "files/sub/text", 0)
        assert (0, 1, ()) == ((found := verify(tmp_path)).sound, found.busy, found.damaged)
        assert home.exists()


def test_what_dead_processes_left_goes(tmp_path: Path) -> None:
    """Half-made directories, directories without manifest and locks without anything go, whatever may remain."""
    home = put(tmp_path, "whole").path.parent
    headless = put(tmp_path, "headless").path.parent
    (headless / "manifest.json").unlink()
    half = home.with_name(f"{'a' * 64}.part")
    (half / "files").mkdir(parents=True)
    for name in (f"{'b' * 64}.lock", f"{'b' * 64}.import.lock"):
        (home.parent / name).touch()
    done = prune(tmp_path, 1 << 40)
    assert {half, headless} == set(done.leftovers)
    assert {home, home.with_suffix(".lock")} == set(home.parent.iterdir())
    assert put(tmp_path, "whole").cached


def test_a_store_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    """Listing, pruning and verifying a store that was never used is no error, and makes nothing."""
    root = tmp_path / "none"
    assert [] == list_artifacts(Store(root))
    assert ((), 0) == ((done := prune(root)).removed, done.size)
    assert 0 == verify(root).sound
    assert not root.exists()


@pytest.mark.slow
def test_pruning_and_using_at_once_is_safe(tmp_path: Path, deadline: Deadline) -> None:
    """While one process prunes all the time and two others want the same, nobody ever has what is not there."""
    with process("loop", tmp_path, "a", 1.5) as one, process("loop", tmp_path, "a", 1.5) as other:
        removed = 0
        while one.poll() is None or other.poll() is None:
            removed += len(prune(tmp_path).removed)
            deadline.check()
        output = tmp_path.with_name(f"{tmp_path.name}-output").read_text()
        assert (0, 0) == (one.poll(), other.poll()), output
    assert removed > 0
    assert removed <= len(stores.made(tmp_path))


def test_shared_directories_are_pruned_like_artifacts(tmp_path: Path, deadline: Deadline) -> None:
    """A compiler's cache is listed, stays while its user lives, goes when it was not used for long, and comes back."""
    user = Store(tmp_path)
    place = user.share("build-cache", "x", deadline)
    (place / "object").write_bytes(bytes(10 * BLOCK))
    assert ["build-cache/x"] == [item.name for item in list_artifacts(Store(tmp_path))]
    assert 1 == len(prune(tmp_path).busy)
    assert place == user.share("build-cache", "x", deadline)
    del user
    assert ["build-cache/x"] == [item.name for item in prune(tmp_path).removed]
    assert [] == list(place.parent.iterdir())
    assert [] == list(Path(Store(tmp_path).share("build-cache", "x", deadline)).glob("object"))


FLIPS = {
    "sub/text": "the file sub/text has other content than when it was made",
    "tool": "the file tool has other content than when it was made",
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_flipped_bit_is_found_and_mended(tmp_path: Path, name: str) -> None:
    """One bit of one file: the artifact goes, the others stay, and at its next use it is made again."""
    path = put(tmp_path, "bad", size=100_000).path / name
    put(tmp_path, "good")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert put(tmp_path, "bad").cached  # types and sizes are all that a hit looks at
    found = verify(tmp_path)
    assert [("the thing bad", FLIPS[name])] == [(item.title, item.what) for item in found.damaged]
    assert (1, {"good"}) == (found.sound, names(tmp_path))
    assert not put(tmp_path, "bad").cached
    assert (2, ()) == ((again := verify(tmp_path)).sound, again.damaged)


def test_other_damage_is_found(tmp_path: Path) -> None:
    """A file too many, a link that points elsewhere and a manifest with other inputs are damage; each is named."""
    more, link, inputs = (put(tmp_path, name).path.parent for name in ("more", "link", "inputs"))
    (more / "files/sub/stray").touch()
    (link / "files/link").unlink()
    (link / "files/link").symlink_to("sub/tex_")
    manifest = inputs / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"name": "inputs"', '"name": "imputs"'))
    assert {
        "the file sub/stray was not there when it was made",
        "the file link points elsewhere than when it was made",
        "its manifest does not say what it was made from",
    } == {item.what for item in verify(tmp_path).damaged}
    assert [] == stores.homes(tmp_path)


def test_a_damaged_artifact_goes_even_if_it_is_used(tmp_path: Path, deadline: Deadline) -> None:
    """An error is better than a wrong result; the user itself gets a sound one when it asks again."""
    user = Store(tmp_path)

    def ask() -> bool:
        return user.obtain(KIND, {"name": "a"}, lambda files: stores.fill(files, "a"), deadline).cached

    ask()
    (home,) = stores.homes(tmp_path)
    (home / "files/sub/text").write_text("b")
    assert 1 == len(verify(tmp_path).damaged)
    assert [False, True] == [ask(), ask()]
    # The new one is in use as the old one was.
    assert 1 == len(prune(tmp_path).busy)


def test_directories_that_may_not_be_written_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user removes what Go's module cache looks like: directories without write permission."""
    monkeypatch.chdir(tmp_path)  # an ordinary user cannot come here by the whole path
    user = os.geteuid() or 65534
    for path in (Path(), Path("tree"), Path("tree/inner")):
        path.mkdir(exist_ok=True)
        os.chown(path, user, -1)
    (Path("tree/inner") / "file").touch()
    for path in (Path("tree/inner"), Path("tree")):
        path.chmod(0o500)
    before = os.geteuid()
    os.seteuid(user)
    try:
        remove(Path("tree"))
    finally:
        os.seteuid(before)
    assert not Path("tree").exists()
