"""The store: made once, published whole, made again where it is damaged, with several real processes on one disk."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.errors import CancelledError, DeadlineError, ExitCode, InfrastructureError, UsageError
from harness.store import Store, hold_lock, make_key
from harness.wait import Cancellation, Deadline, poll
from tests.helpers import stores
from tests.helpers.stores import content, fill, process, put

KIND = stores.KIND
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INPUTS = st.dictionaries(st.text(max_size=5), JSON, max_size=5)


def reversed_order(value: Any) -> Any:
    """Return the same JSON value with the members of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: reversed_order(value[name]) for name in reversed(value)}
    return [reversed_order(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
@given(INPUTS)
def test_equal_inputs_have_one_key(inputs: dict[str, object]) -> None:
    """The order in which inputs are written down, at any depth, does not change the key."""
    assert make_key("image", inputs) == make_key("image", reversed_order(inputs))


@pytest.mark.slow
@given(INPUTS, INPUTS)
def test_different_inputs_have_different_keys(left: dict[str, object], right: dict[str, object]) -> None:
    """Two keys are equal just when the inputs are, in type too (1 is not True); the kind counts as well."""
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert same == (make_key("image", left) == make_key("image", right))
    assert make_key("image", left) != make_key("runtime", left)


def test_an_artifact_is_made_once(tmp_path: Path) -> None:
    """The second time it is there, with what it took to make it."""
    first, second = put(tmp_path, "a"), put(tmp_path, "a")
    assert (first.cached, second.cached) == (False, True)
    assert (first.path, first.seconds) == (second.path, second.seconds)
    assert "a" == content(second)


@pytest.mark.slow
def test_two_processes_make_one_artifact(tmp_path: Path) -> None:
    """Of two processes that want the same at the same time, one makes it and the other one waits."""
    with process("build", tmp_path, "slow", 0.5) as one, process("build", tmp_path, "slow", 0.5) as other:
        assert [0, 0] == [running.wait(Deadline.after(20, "build")) for running in (one, other)]
    assert ["slow"] == stores.made(tmp_path)


def test_a_build_that_was_killed_is_done_by_the_next(tmp_path: Path) -> None:
    """The lock of a process that died is free, and what it had half made does not count."""
    with process("build", tmp_path, "slow", 60) as running:
        poll(lambda: stores.made(tmp_path) or None, Deadline.after(20, "begin of the build"))
        os.kill(running.pid, 9)
    (half,) = (tmp_path / KIND).glob("*.part")
    assert not put(tmp_path, "slow").cached
    assert not half.exists()


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), InfrastructureError("It broke.")])
def test_a_failed_build_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    """What the making raises is passed on as it is, and nothing half made stays."""

    def make(files: Path) -> None:
        fill(files, "a")
        raise error

    with pytest.raises(type(error)) as caught:
        Store(tmp_path).obtain(KIND, {"name": "a"}, make, Deadline.after(5, "build"))
    assert error is caught.value
    assert [] == stores.homes(tmp_path)
    assert not put(tmp_path, "a").cached


def test_waiting_for_another_process_ends_at_the_deadline(tmp_path: Path) -> None:
    """Who waits for a lock gives up at its deadline, or when it is interrupted, and says so."""
    lock = tmp_path / KIND / f"{stores.key('a')}.lock"
    cancelled = Cancellation()
    with hold_lock(lock, Deadline.after(5, "test")):
        with pytest.raises(DeadlineError, match=r"The build did not end within 0 s\."):
            put(tmp_path, "a", Deadline.after(0.3, "build"))
        cancelled.set()
        with pytest.raises(CancelledError):
            put(tmp_path, "a", Deadline.after(5, "build", cancelled=cancelled))


def replace(path: Path, make: Callable[[Path], None]) -> None:
    """Put something else in place of a file, a link or a directory."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    make(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "manifest cut off": lambda home: os.truncate(home / "manifest.json", 40),
    "manifest empty": lambda home: os.truncate(home / "manifest.json", 0),
    "manifest is a list": lambda home: (home / "manifest.json").write_text("[1]"),
    "manifest of another": lambda home: (home / "manifest.json").write_text(
        (home / "manifest.json").read_text().replace(home.name, "0" * 64)
    ),
    "manifest gone": lambda home: (home / "manifest.json").unlink(),
    "file gone": lambda home: (home / "files/sub/text").unlink(),
    "file cut off": lambda home: os.truncate(home / "files/sub/text", 0),
    "file is a directory": lambda home: replace(home / "files/sub/text", Path.mkdir),
    "directory gone": lambda home: shutil.rmtree(home / "files/sub"),
    "directory is a file": lambda home: replace(home / "files/sub", Path.touch),
    "link gone": lambda home: (home / "files/link").unlink(),
    "link points elsewhere": lambda home: replace(home / "files/link", lambda link: link.symlink_to("nowhere")),
    "not executable": lambda home: (home / "files/tool").chmod(0o644),
    "empty directory gone": lambda home: (home / "files/empty").rmdir(),
    "everything gone": lambda home: shutil.rmtree(home / "files"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_whole_is_made_anew(tmp_path: Path, damage: str) -> None:
    """An artifact with a missing or cut file, or a manifest that says nothing, is not there, and is made again."""
    home = put(tmp_path, "a").path.parent
    DAMAGES[damage](home)
    assert Store(tmp_path).find(KIND, {"name": "a"}) is None
    again = put(tmp_path, "a")
    assert (again.cached, content(again)) == (False, "a")
    assert put(tmp_path, "a").cached


def test_links_modes_and_odd_names_are_kept(tmp_path: Path) -> None:
    """Whatever a build leaves is whole afterwards: links to nowhere and to directories, set-id bits, bytes as names."""

    def make(files: Path) -> None:
        (files / "loop").symlink_to(".")
        (files / "dangling").symlink_to("/nowhere/at/all")
        (files / "suid").write_text("x")
        (files / "suid").chmod(0o4711)
        (files / "sticky").mkdir(mode=0o700)
        (files / "sticky").chmod(0o1777)
        (files / os.fsdecode(b"\xff\xfe")).write_text("bytes")
        os.mkfifo(files / "pipe")

    store = Store(tmp_path)
    store.obtain(KIND, {}, make, Deadline.after(5, "build"))
    assert store.find(KIND, {})
    assert 1 == stores.verify(tmp_path).sound


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two MiB."""
    if os.geteuid() != 0:
        pytest.skip("Only root may mount a small disk.")
    disk = tmp_path / "disk"
    disk.mkdir()
    deadline = Deadline.after(10, "mount")
    if proc.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], deadline=deadline, expect=None).code:
        pytest.skip("This root may not mount anything.")
    yield disk
    proc.run(["umount", "--lazy", str(disk)], deadline=Deadline.after(10, "umount"))


def spill(files: Path) -> None:
    """Write more than the disk takes."""
    (files / "large").write_bytes(bytes(4 << 20))


def spill_in_a_command(files: Path) -> None:
    """Let a command do it, which says nothing that a program could read."""
    try:
        spill(files)
    except OSError as error:
        raise InfrastructureError("The command `make` ended with status 2.") from error


@pytest.mark.parametrize("make", [spill, spill_in_a_command])
def test_a_full_disk_is_said_and_leaves_nothing(tiny_disk: Path, make: Callable[[Path], None]) -> None:
    """A build that fills the disk ends in a sentence with what to do and exit code 3, and frees what it took."""
    store = Store(tiny_disk)
    free = os.statvfs(tiny_disk).f_bavail
    with pytest.raises(InfrastructureError, match=r"No space left on device") as caught:
        store.obtain(KIND, {}, make, Deadline.after(10, "build"))
    assert str(caught.value).startswith(f"The {KIND} {make_key(KIND, {})[:12]} could not be stored below {tiny_disk}: ")
    assert "harness cache prune" in str(caught.value.hint)
    assert ExitCode.INFRASTRUCTURE == caught.value.exit_code
    assert [] == stores.homes(tiny_disk)
    assert free - os.statvfs(tiny_disk).f_bavail <= 2  # the directory and the lock
    assert not put(tiny_disk, "small").cached


def test_a_store_that_cannot_be_is_said(tmp_path: Path) -> None:
    """Where a file is in the way of the store, the error names it and says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/.* cannot be made: (Not a directory|File exists)\.") as caught:
        put(tmp_path / "file", "a")
    assert "--store or HARNESS_STORE" in str(caught.value.hint)


def test_a_hit_costs_little(tmp_path: Path) -> None:
    """Asking for the same again and again opens no further file and leaves nothing on the disk."""
    store = Store(tmp_path)

    def ask() -> tuple[int, int]:
        store.obtain(KIND, {"name": "a"}, lambda files: fill(files, "a"), Deadline.after(5, "build"))
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), sum(1 for _ in tmp_path.rglob("*"))

    first = ask()
    assert {first} == {ask() for _ in range(50)}


@settings(max_examples=10)
@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_cut_of_a_manifest_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, data: st.DataObject
) -> None:
    """Wherever a manifest was cut off, and whatever bytes it was overwritten with, the artifact is not whole."""
    root = tmp_path_factory.mktemp("store")
    path = put(root, "a").path.parent / "manifest.json"
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, 10_000)) % (len(whole) - 2)  # its length varies with the time that making it took
    path.write_bytes(whole[:cut])
    assert Store(root).find(KIND, {"name": "a"}) is None
    path.write_bytes(text)
    assert Store(root).find(KIND, {"name": "a"}) is None


@contextmanager
def process_in(place: Path, script: str) -> Iterator[None]:
    """Provide a shell that runs a script in a directory."""
    with place.with_name("output").open("wb") as output, proc.start(["sh", "-c", script], output=output, cwd=place):
        yield


def test_what_a_killed_build_still_writes_does_not_matter(tmp_path: Path) -> None:
    """A command that outlived its harness writes on in its directory, and the next build is done next to it."""
    half = tmp_path / KIND / f"{stores.key('a')}.part"
    half.mkdir(parents=True)
    script = "n=0; echo > begun; while :; do n=$((n+1)); mkdir d$n; echo > d$n/f; done"
    with process_in(half, script):
        poll(lambda: (half / "begun").exists() or None, Deadline.after(20, "other process"))
        built = put(tmp_path, "a")
    assert "a" == content(built)
    stores.prune(tmp_path, 1 << 40)
    assert [built.path.parent] == stores.homes(tmp_path)
