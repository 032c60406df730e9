"""Downloads: whatever the server does, the file is whole and right, or not there and the sentence says why."""

import hashlib
import os
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from harness import fetch
from harness.errors import CancelledError, InfrastructureError, UsageError
from harness.wait import Cancellation, Deadline
from tests.helpers.web import Site, serving

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(CONTENT) as site:
        yield site


def test_a_file_arrives_whole(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """What is at the path afterwards is what the server has, and its digest is the answer."""
    assert DIGEST == fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)
    assert CONTENT == (tmp_path / "got").read_bytes()


@pytest.mark.parametrize("lengths", [True, False], ids=["said", "not said"])
def test_a_file_that_is_too_large_is_not_taken(
    site: Site, tmp_path: Path, deadline: Deadline, *, lengths: bool
) -> None:
    """It is refused before anything is written where the server says its length, and as soon as it is too much elsewhere."""
    site.lengths = lengths
    assert fetch.download(site.url, tmp_path / "all", sha256=None, deadline=deadline, most=len(CONTENT)) == DIGEST
    site.sent = 0
    with pytest.raises(InfrastructureError, match=r"it has more than 1\.0 MB"):
        fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline, most=1 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["all"]
    sizes = []

    class Sink(fetch.FileSink):
        def write(self, chunk: bytes, /) -> None:
            sizes.append(len(chunk))

    with pytest.raises(InfrastructureError, match="more than"), closing(Sink(tmp_path / "sink")) as sink:
        fetch.stream(site.url, sink, deadline, most=1 << 20)
    assert sum(sizes) <= (0 if lengths else 1 << 20)


@pytest.mark.slow
def test_a_broken_download_goes_on_where_it_broke(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """After two broken connections nearly every byte has been sent once, not three times."""
    site.breaks = [1_000_000, 700_000]
    fetch.download(site.url, tmp_path / "got", sha256=DIGEST, deadline=deadline)
    assert [True, True] == ["range" in request for request in site.requests[1:]]
    assert len(CONTENT) <= site.sent <= len(CONTENT) + 2 * fetch.CHUNK


@pytest.mark.parametrize("lack", ["validated", "ranges"])
def test_a_server_that_cannot_resume_is_asked_for_all(
    site: Site, tmp_path: Path, deadline: Deadline, lack: str
) -> None:
    """Without ETag, or without ranges, a broken download begins again and still ends right."""
    site.breaks = [1_000_000]
    setattr(site, lack, False)
    fetch.download(site.url, tmp_path / "got", sha256=DIGEST, deadline=deadline)
    assert CONTENT == (tmp_path / "got").read_bytes()


def test_a_file_that_changes_meanwhile_is_not_mixed(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """When the server's file changes after the connection broke, the result is all of the new one."""
    new = os.urandom(2_000_000)
    site.breaks = [1_000_000]
    site.hook = lambda: setattr(site, "content", new)
    fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)
    assert new == (tmp_path / "got").read_bytes()


@pytest.mark.slow
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """HTTP 503 is no final answer."""
    site.statuses = [503, 503]
    assert DIGEST == fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)


def test_a_wrong_digest_leaves_nothing(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """Content that does not hash to what was promised never gets the file's name, and both digests are named."""
    with pytest.raises(InfrastructureError, match=f"{DIGEST} instead of {'0' * 64}"):
        fetch.download(site.url, tmp_path / "got", sha256="0" * 64, deadline=deadline)
    assert [] == list(tmp_path.iterdir())


def test_what_does_not_exist_is_the_users_error(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """HTTP 404 is reported at once, with the address."""
    with pytest.raises(UsageError, match=r"no such file: http.*/file2 \(HTTP 404\)"):
        fetch.download(f"{site.url}2", tmp_path / "got", sha256=None, deadline=deadline)
    assert [] == list(tmp_path.iterdir())
    assert 1 == len(site.requests)


def test_a_server_that_refuses_is_named(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """HTTP 403 is reported at once, with the status."""
    site.statuses = [403]
    with pytest.raises(InfrastructureError, match="HTTP 403"):
        fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)


@pytest.mark.slow
def test_no_network_is_said_with_a_hint(tmp_path: Path, deadline: Deadline) -> None:
    """Where nobody listens, the message has the system's reason and the hint speaks of network and proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
        with pytest.raises(InfrastructureError, match="refused") as caught:
            fetch.download(url, tmp_path / "got", sha256=None, deadline=deadline)
    assert "network" in str(caught.value.hint)
    assert [] == list(tmp_path.iterdir())


def test_an_address_that_is_none_is_the_users_error(tmp_path: Path, deadline: Deadline) -> None:
    """A scheme that nobody knows is reported at once."""
    with pytest.raises(UsageError, match="cannot be downloaded"):
        fetch.download("gopher://127.0.0.1/file", tmp_path / "got", sha256=None, deadline=deadline)


@pytest.mark.slow
def test_a_connection_that_always_breaks_is_given_up(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """The number of attempts is bounded and reported."""
    site.breaks = [10] * 100
    with pytest.raises(InfrastructureError, match=f"broke {fetch.ATTEMPTS} times"):
        fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)
    assert fetch.ATTEMPTS == len(site.requests)


def test_an_interrupted_download_leaves_nothing(site: Site, tmp_path: Path) -> None:
    """Cancelling ends a download that waits to take up a broken connection."""
    cancelled = Cancellation()
    site.breaks = [1_000_000]
    site.hook = cancelled.set
    deadline = Deadline.after(60, "test", cancelled=cancelled)
    with pytest.raises(CancelledError):
        fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may mount a small file system.")
def test_a_full_disk_is_said_with_a_hint(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """When the disk is full, the message says so and the hint is the command to look at it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(InfrastructureError, match="No space left on device") as caught:
            fetch.download(site.url, tmp_path / "got", sha256=None, deadline=deadline)
        assert f"Look at `df -h {tmp_path}`." == caught.value.hint
        assert [] == list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def _tar(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """Make an archive of files (name, b"0", content) and links (name, type, target)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            if kind == tarfile.REGTYPE:
                member.size = len(text)
                archive.addfile(member, BytesIO(text.encode()))
            else:
                member.type, member.linkname = kind, text
                archive.addfile(member)
    return path


def test_links_inside_an_archive_are_kept(tmp_path: Path, deadline: Deadline) -> None:
    """A link that stays inside is unpacked as a link."""
    archive = _tar(tmp_path / "a.tgz", ("a/file", tarfile.REGTYPE, "x"), ("a/link", tarfile.SYMTYPE, "../a/file"))
    into = tmp_path / "into"
    into.mkdir()
    fetch.unpack(archive, into, deadline)
    assert "x" == (into / "a" / "link").read_text()


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", tarfile.REGTYPE, "x")],
        [("link", tarfile.SYMTYPE, "/etc/passwd")],
        [("link", tarfile.SYMTYPE, "../../x")],
        [("out", tarfile.SYMTYPE, ".."), ("out/evil", tarfile.REGTYPE, "x")],
        [("hard", tarfile.LNKTYPE, "../victim")],
    ],
    ids=["dotdot", "absolute link", "relative link", "through a link", "hard link"],
)
def test_an_archive_cannot_leave_its_directory(
    tmp_path: Path, deadline: Deadline, members: list[tuple[str, bytes, str]]
) -> None:
    """A member that would write or point outside is refused, and nothing outside has changed."""
    archive = _tar(tmp_path / "evil.tgz", *members)
    (tmp_path / "victim").write_text("untouched")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(InfrastructureError):
        fetch.unpack(archive, into, deadline)
    assert {"evil.tgz", "victim", "into"} == {path.name for path in tmp_path.iterdir()}
    assert "untouched" == (tmp_path / "victim").read_text()


def test_what_is_no_archive_is_said(tmp_path: Path, deadline: Deadline) -> None:
    """Damaged data is an error, and no traceback."""
    (tmp_path / "x.tgz").write_bytes(b"no archive")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(InfrastructureError, match="tar --extract"):
        fetch.unpack(tmp_path / "x.tgz", into, deadline)
