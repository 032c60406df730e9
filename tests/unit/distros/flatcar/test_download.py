"""Whatever a release's host does, what is in the store is the release, or nothing; and it is fetched once."""

import bz2
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import fetch, lookup, store
from harness.distros import flatcar
from harness.distros.flatcar import Channel, Fetched, Release
from harness.distros.flatcar.download import BLOCK, SparseFile, _Disk
from harness.errors import CancelledError, DeadlineError, HarnessError, InfrastructureError, UsageError
from harness.fetch import DownloadProgress, streams
from harness.store import Store
from harness.wait import Cancellation, Deadline
from tests.helpers.flatcar_host import Fault, Host, SigningKey, serve, sign_release, signing_key, write_release

VERSION = "3815.2.5"
DISK = os.urandom(1_000_000) + bytes(3_000_000) + os.urandom(500_001) + bytes(900_000)
IMAGE = "flatcar_production_image.bin.bz2"
KERNEL = "flatcar_production_image.vmlinuz"
RELEASE = Release(channel=Channel.STABLE, version=VERSION)


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with signing_key() as key:
        yield key


@pytest.fixture(scope="module")
def signed(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a release that is all right."""
    root = tmp_path_factory.mktemp("signed")
    write_release(root / "amd64-usr" / VERSION, disk=DISK)
    sign_release(root / "amd64-usr" / VERSION, key)
    return root


@pytest.fixture
def host(signed: Path, tmp_path: Path) -> Iterator[Host]:
    """A server of a copy of that mirror."""
    shutil.copytree(signed, tmp_path / "mirror")
    with serve(tmp_path / "mirror") as host:
        yield host


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def obtain(
    store: Store,
    mirror: str,
    key: SigningKey,
    deadline: Deadline,
    *,
    tell: Callable[[DownloadProgress], None] | None = None,
) -> Fetched:
    log = store.root.with_name("log")
    return flatcar.obtain(RELEASE, store, deadline, log, mirror=mirror, key=key.public, progress=tell)


def image(host: Host) -> Path:
    return host.directory / "amd64-usr" / VERSION / IMAGE


def left(root: Path) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def renew(host: Host) -> None:
    """Put the same content there as a new file."""
    content = image(host).read_bytes()
    image(host).unlink()
    image(host).write_bytes(content)


MENDED: dict[str, tuple[list[Fault], int]] = {
    "breaks once": ([Fault(cut=400_000)], 1),
    "breaks again and again": ([Fault(cut=200_000)] * 5, 1),
    "is busy": ([Fault(status=503)] * 3, 1),
    "is busy in the middle": ([Fault(cut=300_000), Fault(status=503), Fault(status=502)], 1),
    "breaks and ignores Range": ([Fault(cut=400_000), Fault(plain=True)], 2),
    "breaks and sends another range": ([Fault(cut=400_000), Fault(moved=True)], 2),
    "breaks and refuses the range": ([Fault(cut=400_000), Fault(status=416)], 2),
    "stalls": ([Fault(stall=400_000)], 1),
}
"""What goes wrong, and how many times nearly all has to be sent at most."""


@pytest.mark.slow
@pytest.mark.parametrize("case", MENDED)
def test_what_a_host_can_mend_is_mended(
    host: Host, own: Store, key: SigningKey, deadline: Deadline, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """After breaks, stalls and busy answers the disk is right, and what was here already is not sent again."""
    monkeypatch.setattr(streams, "TIMEOUT", 1.0)
    host.faults[IMAGE], times = list(MENDED[case][0]), MENDED[case][1]
    assert DISK == obtain(own, host.url, key, deadline).disk.read_bytes()
    size = image(host).stat().st_size
    assert host.sent <= size * times + 12 * fetch.CHUNK


@pytest.mark.slow
def test_a_resumed_download_asks_for_the_rest_of_the_same_file(
    host: Host, own: Store, key: SigningKey, deadline: Deadline
) -> None:
    """The request after a break has Range from where it broke, and If-Range with the ETag of before."""
    host.faults[IMAGE] = [Fault(cut=400_000)]
    obtain(own, host.url, key, deadline)
    first, second = host.asked(IMAGE)
    assert "range" not in first
    begin = int(second["range"].removeprefix("bytes=").removesuffix("-"))
    assert 400_000 - fetch.CHUNK <= begin <= 400_000
    info = image(host).stat()
    assert f'"{info.st_mtime_ns:x}-{info.st_size:x}"' == second["if-range"]


@pytest.mark.slow
@pytest.mark.parametrize("lack", ["ranges", "validated"])
def test_a_host_that_cannot_resume_is_asked_for_all(
    host: Host, own: Store, key: SigningKey, deadline: Deadline, lack: str
) -> None:
    """Without Range, or without ETag, a broken download begins again, and nothing of the first is in the result."""
    setattr(host, lack, False)
    host.faults[IMAGE] = [Fault(cut=700_000), Fault(cut=100_000)]
    assert DISK == obtain(own, host.url, key, deadline).disk.read_bytes()


@pytest.mark.slow
def test_a_file_that_is_put_there_anew_is_taken_anew(
    host: Host, own: Store, key: SigningKey, deadline: Deadline
) -> None:
    """If the file has another ETag after a break, all of it is taken, though it is the same."""
    host.faults[IMAGE] = [Fault(cut=400_000, then=lambda: renew(host))]
    assert DISK == obtain(own, host.url, key, deadline).disk.read_bytes()


def _forever(host: Host, fault: Fault) -> None:
    host.always[IMAGE] = fault


def _missing(name: str) -> Callable[[Host], object]:
    return lambda host: (image(host).parent / name).unlink()


def _replaced(host: Host) -> None:
    """Replace the disk by another one while it is downloaded."""
    host.faults[IMAGE] = [Fault(cut=400_000, then=lambda: image(host).write_bytes(bz2.compress(DISK[::-1])))]


FATAL: dict[str, tuple[Callable[[Host], object], type[HarnessError], str]] = {
    "no disk": (_missing(IMAGE), UsageError, rf"no such file: http.*/{IMAGE} \(HTTP 404\)"),
    "no digests": (_missing(f"{IMAGE}.DIGESTS.asc"), UsageError, r"no such file: .*DIGESTS.asc \(HTTP 404\)"),
    "no signature": (_missing(f"{KERNEL}.sig"), UsageError, rf"no such file: .*{KERNEL}.sig \(HTTP 404\)"),
    "no version.txt": (_missing("version.txt"), UsageError, r"no such file: .*version.txt \(HTTP 404\)"),
    "forbidden": (lambda host: _forever(host, Fault(status=403)), InfrastructureError, "HTTP 403 Forbidden"),
    "not modified": (lambda host: _forever(host, Fault(status=304)), InfrastructureError, "HTTP 304 Not Modified"),
    "always busy": (
        lambda host: _forever(host, Fault(status=503)), InfrastructureError,
        "broke 3 times; the last reason was: HTTP 503 Service Unavailable",
    ),
    "always breaks": (lambda host: _forever(host, Fault(cut=10)), InfrastructureError, "broke 3 times"),
    "never fixes a range": (
        lambda host: _forever(host, Fault(cut=100_000, moved=True)), InfrastructureError, "broke 3 times"
    ),
    "becomes another file": (_replaced, flatcar.TrustError, "its SHA-512 is [0-9a-f]{128} instead"),
    "is truncated": (lambda host: _forever(host, Fault(truncate=400_000)), flatcar.TrustError, "was cut off"),
    "corrupts": (lambda host: _forever(host, Fault(flip=400_000)), flatcar.TrustError, "is damaged or altered"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", FATAL)
def test_what_cannot_be_mended_leaves_nothing(
    host: Host, own: Store, key: SigningKey, deadline: Deadline, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """The error says what the host did, and the store has neither the release nor anything half done."""
    monkeypatch.setattr(streams, "ATTEMPTS", 3)
    spoil, kind, sentence = FATAL[case]
    spoil(host)
    with pytest.raises(kind, match=sentence) as caught:
        obtain(own, host.url, key, deadline)
    assert type(caught.value) is kind
    assert [] == left(own.root)


def test_nobody_listens(own: Store, key: SigningKey, deadline: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host, the system's reason is given, and the hint speaks of the network."""
    monkeypatch.setattr(streams, "ATTEMPTS", 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(InfrastructureError, match="refused") as caught:
            obtain(own, f"http://127.0.0.1:{free.getsockname()[1]}", key, deadline)
    assert "network" in str(caught.value.hint)
    assert [] == left(own.root)


@pytest.mark.slow
def test_a_host_that_says_no_more_is_left_at_the_deadline(host: Host, own: Store, key: SigningKey) -> None:
    """A stall ends at the deadline however long a server may be silent otherwise."""
    host.always[IMAGE] = Fault(stall=200_000)
    begin = time.monotonic()
    with pytest.raises(DeadlineError, match="download of Flatcar did not end within 3 s"):
        obtain(own, host.url, key, Deadline.after(3, "download of Flatcar"))
    assert time.monotonic() - begin < streams.TIMEOUT
    assert [] == left(own.root)


@pytest.mark.slow
def test_an_interrupted_download_leaves_nothing(host: Host, own: Store, key: SigningKey) -> None:
    """Ctrl-C ends it between two chunks."""
    cancelled = Cancellation()
    with pytest.raises(CancelledError):
        obtain(own, host.url, key, Deadline.after(60, "test", cancelled=cancelled), tell=lambda _: cancelled.set())
    assert [] == left(own.root)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may mount a small file system.")
def test_a_full_disk_is_said_and_leaves_nothing(host: Host, own: Store, key: SigningKey, deadline: Deadline) -> None:
    """Where the disk has no room, the error says so, and what was written goes."""
    own.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", own.root], check=True)
    try:
        with pytest.raises(InfrastructureError, match="No space left on device"):
            obtain(own, host.url, key, deadline)
        assert [] == left(own.root)
    finally:
        subprocess.run(["umount", own.root], check=True)


@pytest.mark.slow
def test_progress_has_rate_and_time_left(host: Host, own: Store, key: SigningKey, deadline: Deadline) -> None:
    """Received bytes only grow, up to the whole; rate and time left are there and reach zero."""
    told: list[DownloadProgress] = []
    host.faults[IMAGE] = [Fault(cut=400_000)]
    obtain(own, host.url, key, deadline, tell=told.append)
    assert all(a.received < b.received for a, b in pairwise(told))
    assert {image(host).stat().st_size} == {item.total for item in told}
    assert told[-1].total == told[-1].received
    assert 0 == told[-1].left
    assert all(item.rate > 0 and item.left is not None for item in told)
    assert "MB/s, 0 s left" in str(told[-1])


@pytest.mark.slow
def test_what_is_here_needs_nobody(host: Host, own: Store, key: SigningKey, deadline: Deadline) -> None:
    """The second time there is no request, no GnuPG, and it takes at most 50 ms; a mirror that is gone is no matter."""
    obtain(own, host.url, key, deadline)
    count = len(host.requests)
    spent = []
    for _ in range(5):
        begin = time.process_time()
        done = obtain(Store(own.root), "http://127.0.0.1:1", key, deadline)
        spent.append(time.process_time() - begin)
    assert done.cached
    assert DISK == done.disk.read_bytes()
    assert count == len(host.requests)
    assert min(spent) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["damaged", "pruned"])
def test_what_was_here_is_fetched_anew(host: Host, own: Store, key: SigningKey, deadline: Deadline, harm: str) -> None:
    """A release that has lost a piece in the store, or was removed to make room, comes again, verified again."""
    disk = obtain(Store(own.root), host.url, key, deadline).disk
    if harm == "damaged":
        os.truncate(disk, 1000)
    else:
        store.prune(Store(own.root), 0, deadline)
    done = obtain(own, host.url, key, deadline)
    assert DISK == done.disk.read_bytes()
    assert not done.cached
    lookup.forget(own)
    assert obtain(own, host.url, key, deadline).cached


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["directory", "file", "channel", "slash"])
def test_a_mirror_may_be_many_things(
    signed: Path, host: Host, own: Store, key: SigningKey, deadline: Deadline, tmp_path: Path, spelling: str
) -> None:
    """A directory, a file address, an address with the channel in it and one with a slash at its end are mirrors."""
    (tmp_path / "mirrors").mkdir()
    shutil.move(host.directory, tmp_path / "mirrors" / "stable")
    host.directory = tmp_path / "mirrors"
    mirror = {
        "directory": str(signed),
        "file": signed.as_uri(),
        "channel": f"{host.url}/{{channel}}",
        "slash": f"{host.url}/stable/",
    }[spelling]
    assert DISK == obtain(own, mirror, key, deadline).disk.read_bytes()


def test_a_mirror_that_is_none_is_the_users_error(own: Store, key: SigningKey, deadline: Deadline) -> None:
    """A directory that is not there, and a scheme that nobody knows, are reported as such."""
    for mirror, sentence in {"/nowhere": "is no directory", "gopher://x": "neither an http, https or file"}.items():
        with pytest.raises(UsageError, match=sentence):
            obtain(own, mirror, key, deadline)
    assert [] == left(own.root)


CHILD = """
import sys
from pathlib import Path
from harness.distros.flatcar.download import fetch_disk
from harness.wait import Deadline
fetch_disk(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Deadline.after(300, "download"))
status = Path("/proc/self/status").read_text().splitlines()
print(*[line.split()[1] for line in status if line.startswith("VmHWM")])
"""
"""What getrusage(2) calls the greatest size is that of the parent, if that was greater; proc(5) has our own."""


@pytest.mark.slow
def test_a_large_disk_takes_little_memory_and_room(tmp_path: Path) -> None:
    """A disk of 1 GB that is nearly empty is written with at most 100 MB of memory, and takes a few MB of the disk."""
    zeros, noise = bz2.compress(bytes(64 << 20)), bz2.compress(os.urandom(4 << 20))
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / IMAGE).write_bytes(zeros * 8 + noise + zeros * 8)
    digest = subprocess.run(["sha512sum", mirror / IMAGE], capture_output=True, check=True, text=True).stdout.split()[0]
    with serve(mirror) as host:
        argv: list[str | Path] = [sys.executable, "-c", CHILD, f"{host.url}/{IMAGE}", tmp_path / "disk", digest]
        done = subprocess.run(argv, capture_output=True, check=True, text=True, timeout=300)
    info = (tmp_path / "disk").stat()
    assert (64 << 20) * 16 + (4 << 20) == info.st_size
    assert info.st_blocks * 512 <= (4 << 20) + 4 * BLOCK
    assert int(done.stdout) * 1024 <= 100_000_000


pieces = st.lists(
    st.tuples(st.booleans(), st.integers(1, 5 * BLOCK) | st.sampled_from([BLOCK, 2 * BLOCK, 64 * BLOCK])), max_size=12
)


def _measure_data(path: Path) -> int:
    """Return the bytes that are no hole; st_blocks counts what the file system keeps about many pieces as well."""
    found = end = 0
    with path.open("rb") as file, suppress(OSError):  # ENXIO: nothing but a hole is left, see lseek(2)
        while True:
            begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found += end - begin
    return found


def _bytes(parts: list[tuple[bool, int]], seed: int) -> bytes:
    noise = random.Random(seed)
    return b"".join(noise.randbytes(size) if full else bytes(size) for full, size in parts)


@pytest.mark.slow
@settings(max_examples=80)
@given(parts=pieces, cuts=st.lists(st.integers(1, 70_000), min_size=1, max_size=9), seed=st.integers(0, 2**32))
@example(parts=[(True, 1), (False, 2 * BLOCK - 1)] * 4 + [(True, 1)], cuts=[1], seed=0)
def test_holes_do_not_change_a_file(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[bool, int]], cuts: list[int], seed: int
) -> None:
    """However a content is cut into writes, the file has it, and no block of zeros takes room that was written whole."""
    content = _bytes(parts, seed)
    path = tmp_path_factory.getbasetemp() / "sparse"
    file, place, index = SparseFile(path), 0, 0
    while place < len(content):
        size = cuts[index % len(cuts)]
        file.write(content[place : place + size])
        place, index = place + size, index + 1
    file.close()
    assert content == path.read_bytes()
    full = sum(any(content[at : at + BLOCK]) for at in range(0, len(content), BLOCK))
    assert _measure_data(path) <= full * BLOCK


@pytest.mark.slow
@settings(max_examples=120)
@given(
    streams=st.lists(st.lists(st.tuples(st.booleans(), st.integers(1, 2 * BLOCK)), max_size=6), min_size=1, max_size=3),
    cuts=st.lists(st.integers(50, 9000), min_size=1, max_size=9),
    seed=st.integers(0, 2**32),
    again=st.booleans(),
)
def test_a_disk_is_decompressed_however_it_comes(
    tmp_path_factory: pytest.TempPathFactory,
    streams: list[list[tuple[bool, int]]],
    cuts: list[int],
    seed: int,
    *,
    again: bool,
) -> None:
    """Any cuts between chunks, several streams in one file, and a second beginning give the same disk."""
    contents = [_bytes(parts, seed + index) for index, parts in enumerate(streams)]
    packed = b"".join(map(bz2.compress, contents))
    path = tmp_path_factory.getbasetemp() / "disk"
    disk = _Disk(path, "http://host/disk", Deadline.after(60, "test"))
    place, index = 0, 0
    while place < len(packed):
        size = cuts[index % len(cuts)]
        disk.write(packed[place : place + size])
        place, index = place + size, index + 1
        if again and place > len(packed) // 2:
            disk.restart()
            place, again = 0, False
    disk.finish(hashlib.sha512(packed).hexdigest())
    disk.close()
    assert b"".join(contents) == path.read_bytes()
