"""Sealed files of the store: nobody writes to one unnoticed, and what they cost does not grow with their holes."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.store import Artifact, Store, verify
from harness.store.manifest import BLOCK, hash_blocks
from harness.wait import Deadline

LARGE = 16 << 30
SIZE = 5 * BLOCK + 7


def make_memory(target: Path) -> dict[str, str]:
    """Make a sparse file that is larger than what is in it."""
    with (target / "ram").open("wb") as file:
        os.pwrite(file.fileno(), b"kept", 3 * BLOCK - 2)
        file.truncate(LARGE)
    (target / "state").write_text("state", encoding="utf-8")
    (target / "ram").chmod(0o400)
    return {"title": "a memory"}


def obtain(root: Path) -> Artifact:
    return Store(root).obtain("warm", {"of": "x"}, make_memory, Deadline.after(60, "test"), sealed=["ram"])


def write_byte(path: Path) -> None:
    """Change the file, and make its time of change what it was."""
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(3 * BLOCK)
        file.write(b"X")
    path.chmod(0o400)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(path: Path) -> None:
    """Put another file of the same size in its place."""
    path.unlink()
    with path.open("wb") as file:
        file.truncate(LARGE)
    path.chmod(0o400)


def lose_seals(path: Path) -> None:
    """Write to it, and remove what was noted of it."""
    write_byte(path)
    path.parents[1].joinpath("seals.json").unlink()


@pytest.mark.parametrize("harm", [write_byte, swap, lose_seals])
def test_a_changed_file_is_refused_by_name(
    harm: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A hit notices it without reading whole files, the artifact is made again, and the log says which file it was."""
    made = obtain(tmp_path)
    assert obtain(tmp_path).cached
    harm(made.path / "ram")
    assert not obtain(tmp_path).cached
    assert "the file ram has other content than when it was made" in caplog.text
    assert obtain(tmp_path).cached


def test_a_copied_store_is_read_once(tmp_path: Path, deadline: Deadline) -> None:
    """Other inodes and times with the same content are the same, without its holes too, and noted for the next time."""
    made = obtain(tmp_path / "a")
    proc.run(["cp", "-a", str(tmp_path / "a"), str(tmp_path / "b")], deadline=deadline)
    home = tmp_path / "b" / made.path.relative_to(tmp_path / "a").parent
    seals = home / "seals.json"
    before = seals.read_text(encoding="utf-8")
    assert obtain(tmp_path / "b").cached
    after = seals.read_text(encoding="utf-8")
    assert before != after
    assert obtain(tmp_path / "b").cached
    assert after == seals.read_text(encoding="utf-8")
    assert not verify(Store(tmp_path / "b"), deadline).damaged


def test_verify_reads_it(tmp_path: Path, deadline: Deadline) -> None:
    """What was changed while its seal was forged is found by who reads everything."""
    made = obtain(tmp_path)
    write_byte(made.path / "ram")
    info = (made.path / "ram").stat()
    forged = f'{{"ram": [{info.st_ino}, {info.st_size}, {info.st_mtime_ns}, {info.st_ctime_ns}]}}'
    made.path.with_name("seals.json").write_text(forged, encoding="utf-8")
    assert obtain(tmp_path).cached
    assert [damage.what for damage in verify(Store(tmp_path), deadline).damaged] == [
        "the file ram has other content than when it was made"
    ]


def test_holes_cost_nothing(tmp_path: Path) -> None:
    """16 GiB with four bytes in it are hashed in less than a second."""
    made = obtain(tmp_path)
    begin = time.process_time()
    hash_blocks(made.path / "ram")
    assert time.process_time() - begin < 1


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, 255), max_size=4), st.data())
def test_the_digest_is_of_the_content(
    tmp_path_factory: pytest.TempPathFactory, content: dict[int, int], data: st.DataObject
) -> None:
    """It is the same with and without holes, and another one for each other byte, place and size."""
    place = tmp_path_factory.mktemp("files")
    sparse, dense = place / "sparse", place / "dense"
    text = bytearray(SIZE)
    with sparse.open("wb") as file:
        for where, byte in content.items():
            text[where] = byte
            os.pwrite(file.fileno(), bytes([byte]), where)
        file.truncate(SIZE)
    dense.write_bytes(text)
    assert hash_blocks(sparse) == hash_blocks(dense)
    where = data.draw(st.integers(0, SIZE - 1))
    text[where] ^= data.draw(st.integers(1, 255))
    dense.write_bytes(text)
    assert hash_blocks(sparse) != hash_blocks(dense)
    shutil.copy(sparse, dense)
    with dense.open("r+b") as file:
        file.truncate(SIZE + 1)
    assert hash_blocks(sparse) != hash_blocks(dense)
