"""The store: what is none is left alone, nobody else reaches it, and nothing in it runs as another user."""

import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import fetch
from harness.distros.debian import disk
from harness.distros.debian.access import find_subordinate_user, share_directory
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.store import Store, claim
from harness.store.marker import MARKER
from harness.wait import Deadline
from tests.helpers import stores
from tests.helpers.command_line import cache

STRANGERS: dict[str, list[str]] = {
    "web": ["web/yarn.lock", "web/package.json"],
    "python": ["app/poetry.lock", "app/uv.lock"],
    "rust": ["crate/Cargo.lock"],
    "downloads": ["downloads/film.part/half"],
    "docker": [f"docker/{'0a' * 32}/layer.tar"],
    "used": ["x/y/last-use", "x/y/data"],
    "part": [f"x/{'0b' * 32}.part/half"],
    "manifest": [f"build/{'0c' * 32}/manifest.json", f"build/{'0c' * 32}/files/x"],
    "parent": ["rkt-harness/image/x.lock", "other/y.lock"],
    "git": [".git/index.lock", ".git/refs/x"],
    "home": [".cache/pip.lock", ".ssh/known_hosts.lock"],
    "empty-lock": ["a/b.lock"],
}
"""Directories that are no store, each with something that a sweep would remove."""


def make_tree(root: Path, names: list[str]) -> dict[str, bytes]:
    """Write the files, and return what is below the directory."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("" if "empty" in str(root) else '{"kind": "build"}')
    return look(root)


def look(root: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_is_no_store_is_left_alone(tmp_path: Path, kind: str, deadline: Deadline) -> None:
    """Neither pruned nor verified, and no run begins with it: a sentence, and every file is still there."""
    root = tmp_path / kind
    before = make_tree(root, STRANGERS[kind])
    with pytest.raises(UsageError, match="is not a store"):
        stores.prune(root)
    with pytest.raises(UsageError, match="is not a store"):
        stores.verify(root)
    with pytest.raises(UsageError, match="is not a store"):
        claim(root)
    assert look(root) == before
    Store(root).share("git", "x", deadline)
    with pytest.raises(UsageError, match="is not a store"):
        stores.prune(root)
    assert before.items() <= look(root).items()
    assert not (root / MARKER).exists()


@pytest.mark.slow
def test_the_command_line_refuses_what_is_no_store(tmp_path: Path) -> None:
    """`harness cache prune` in a directory of others ends with 2, and says what to look at."""
    root = tmp_path / "web"
    before = make_tree(root, STRANGERS["web"])
    done = cache(root, "prune", "--keep", "0")
    assert done.code == 2
    assert "is not a store" in done.err
    assert "HARNESS_STORE" in done.err
    assert look(root) == before


def test_a_store_of_before_there_was_a_marker_is_taken(tmp_path: Path) -> None:
    """A store without one, known by an artifact of it, gets a marker and is private from then on."""
    root = tmp_path / "store"
    stores.put(root, "a")
    (root / MARKER).unlink()
    root.chmod(0o755)
    stores.prune(root, keep=1 << 40)
    assert (root / MARKER).is_file()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stores.names(root) == {"a"}


def test_a_store_is_private(tmp_path: Path) -> None:
    """A new store, and an empty directory that becomes one, are their owner's alone."""
    (tmp_path / "empty").mkdir(mode=0o755)
    for name in ("new/deep", "empty"):
        claim(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_files_of_others_in_a_store_stay(tmp_path: Path) -> None:
    """In a store too, a lock that has content or a half file of another program is not swept."""
    root = tmp_path / "store"
    stores.put(root, "a")
    before = make_tree(root, ["web/yarn.lock", "downloads/film.part/half"])
    stores.prune(root, keep=1 << 40)
    assert before.keys() - look(root).keys() <= {name for name in before if name.endswith(".lock") and not before[name]}


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755, 0o1755, 0o4711, 0o4777, 0o2711, 0o7777, 0o4500, 0o2070])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_nothing_in_the_store_runs_as_another_user(tmp_path: Path, deadline: Deadline, mode: int, kind: str) -> None:
    """Whatever a build leaves, what is published has no such bit, and its manifest says so."""

    def make(files: Path) -> dict[str, str]:
        target = files / "x"
        target.mkdir() if kind == "directory" else target.write_text("x")
        target.chmod(mode | 0o500)
        return {}

    stored = Store(tmp_path / "store").obtain("build", {"mode": mode}, make, deadline)
    assert not (stored.path / "x").stat().st_mode & 0o7000
    assert stores.verify(tmp_path / "store").damaged == ()


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_a_device_is_not_published(tmp_path: Path, deadline: Deadline, kind: int) -> None:
    """A device in what was made is an error, and nothing of it stays."""
    if os.geteuid() != 0:
        pytest.skip("Only root makes devices.")
    with pytest.raises(InfrastructureError, match="has a device in it"):
        Store(tmp_path / "store").obtain(
            "build", {"x": 1}, lambda files: os.mknod(files / "x", 0o666 | kind, os.makedev(1, 3)), deadline
        )
    assert stores.homes(tmp_path / "store") == []


@pytest.mark.parametrize("kind", ["setuid", "setgid", "device"])
def test_an_archive_brings_no_privileges(tmp_path: Path, deadline: Deadline, kind: str) -> None:
    """What is unpacked is not setuid, and a device in an archive is refused."""
    archive, into = tmp_path / "x.tar", tmp_path / "into"
    into.mkdir()
    member = tarfile.TarInfo("x")
    member.mode = {"setuid": 0o4755, "setgid": 0o2755}.get(kind, 0o666)
    member.type = tarfile.CHRTYPE if kind == "device" else tarfile.REGTYPE
    member.devmajor, member.devminor = 1, 3
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member)
    if kind == "device":
        with pytest.raises(HarnessError):
            fetch.unpack(archive, into, deadline)
    else:
        fetch.unpack(archive, into, deadline)
        assert not (into / "x").stat().st_mode & 0o7000


def test_a_directory_is_shared_with_one_user_and_no_other(tmp_path: Path) -> None:
    """The user of mmdebstrap's name space writes there; another one cannot even enter."""
    if os.geteuid() != 0:
        pytest.skip("Only root can be other users.")
    place = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    try:
        share_directory(place, 100000)
        write = f"echo x >{place}/file"
        assert (
            subprocess.run(["sh", "-c", write], user=100000, group=100000, extra_groups=[], check=False).returncode == 0
        )
        (place / "file").chmod(0o666)
        for user in (65534, 100001):
            for command in (write, f"ls {place}", f"mv {place}/file {place}/other"):
                done = subprocess.run(
                    ["sh", "-c", command], user=user, group=user, extra_groups=[], check=False, capture_output=True
                )
                assert done.returncode != 0
    finally:
        shutil.rmtree(place)


def test_the_subordinate_user_is_the_one_of_the_table(tmp_path: Path) -> None:
    """The first line with this user's name or number counts; without one there is a sentence."""
    table = tmp_path / "subuid"
    table.write_text(f"other:1:1\n{os.geteuid()}:231072:65536\n")
    assert find_subordinate_user(table) == 231072
    table.write_text("other:1:1\nbroken\n:\n")
    with pytest.raises(InfrastructureError, match="no subordinate ids"):
        find_subordinate_user(table)


NAMES = ["a b", "a;id", "$(touch trace)", "`touch trace`", "a'b", 'a"b', "a|b", "a>b", "*", "a&b", "~", "a\nb"]


@pytest.mark.parametrize("name", NAMES)
def test_no_sign_in_the_path_of_the_store_is_read_by_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The hooks that mmdebstrap gives to a shell have the path of the work directory as one word."""
    work = tmp_path / name
    work.mkdir()
    said = tmp_path / "said"
    (work / "finish.sh").write_text('printf "%s\\n" "$1" "$2" >"$1/../said"\n')
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "mmdebstrap"
    fake.write_text(
        '#!/bin/sh\nfor word; do case $word in --customize-hook=*) sh -c "${word#*=}" sh /root-of-tree;; esac; done\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    file = disk.DebianFile(name="debian", description="x", channels={}, packages=("gcc",), modules=("ext4",), size=1)
    channel = disk.DebianChannel(systemd="252", release="bookworm")
    disk._bootstrap(work, file, channel, Deadline.after(20, "test"), tmp_path / "log")
    assert said.read_text() == f"{work}\n/root-of-tree\n"
    assert not (tmp_path / "trace").exists()
