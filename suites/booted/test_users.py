"""Private users as people have them: picked by systemd-nspawn, in several containers at once, on trees of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)

PICK = "--private-users=pick"
SLEEP = "mkdir /root/made && : >/root/made/file; while :; do sleep 3600 & wait; done"

COPY = 'mkdir "$2" && cp -a "$1/." "$2/" && cp -a "$2/bin/." "$2/usr/bin/" && rm -rf "$2/bin" && ln -s usr/bin "$2/bin"'
"""A tree with a merged /usr, which `--volatile=yes` wants, on the guest's disk, whose owners can be mapped."""

LOOK = r"""
n=100; until [ -e "/proc/$1/root/root/made/file" ]; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
read -r _ first _ <"/proc/$1/uid_map"
echo "first $first"
echo "seen $(stat -c %u "/proc/$1/root/root/made/file")"
echo "kept $(stat -c %u "$2/root/made/file" 2>/dev/null || echo -1)"
"""
"""The first user of a container, and the owner of a file that its root made: as a process sees it, and as the tree has it."""

USERS = r"""
id=3200
for name in harness-a harness-b; do
    id=$((id + 1))
    echo "$name:x:$id:$id::/var/tmp/$name:/bin/sh" >>/etc/passwd && echo "$name:x:$id:" >>/etc/group &&
        mkdir "/var/tmp/$name" && chown "$id:$id" "/var/tmp/$name" || exit
done
"""
"""Not with useradd, which not every guest has."""

FORGET_USERS = "sed -i '/^harness-[ab]:/d' /etc/passwd /etc/group; rm -rf /var/tmp/harness-a /var/tmp/harness-b"

LINK = 'for name; do ip link add "$name" type veth peer name "hn-kept-${name##*-}" || exit; done'
UNLINK = "for name in hn-kept-1 hn-kept-2; do [ ! -e /sys/class/net/$name ] || ip link delete $name; done"


@pytest.fixture(scope="module")
def trees(runtime: ContainerRuntime, guest: Guest) -> Iterator[tuple[str, ...]]:
    """Trees on the guest's disk: one whose owners stay root, and two that containers come to own."""
    paths = tuple(f"/var/tmp/{runtime.prefix}-users-{number}" for number in (1, 2, 3))
    try:
        for path in paths:
            guest.do(COPY, runtime.rootfs.make_tiny(), path)
        yield paths
    finally:
        guest.do('rm -rf "$@"', *paths)


@pytest.fixture(scope="module")
def mapping(guest: Guest) -> None:
    """Skip a case where the owners of a tree cannot be mapped."""
    kernel = tuple(int(word) for word in guest.do("uname -r").split(".")[:2])
    if kernel < (5, 12):
        pytest.skip("needs Linux 5.12, which maps the owners of a mounted ext4")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserContainer:
    """A container with private users, to which an interface was given.

    Attributes:
        container: It.
        first: The guest's user that is its root.
        seen: Owner of a file that its root made, as a process sees it.
        kept: The same as its tree has it; -1 where the file is not there.
        interface: The interface.
    """

    container: Container
    first: int
    seen: int
    kept: int
    interface: str = ""


def _look(container: Container, guest: Guest, interface: str = "") -> UserContainer:
    lines = guest.do(LOOK, str(container.pid), container.spec.rootfs).splitlines()
    found = {word: int(number) for word, number in map(str.split, lines)}
    return UserContainer(container=container, interface=interface, **found)


@pytest.fixture(scope="module")
def pair(runtime: ContainerRuntime, trees: tuple[str, ...], guest: Guest) -> Iterator[tuple[UserContainer, ...]]:
    """Two at once, each with users that were picked for it, a tree that it owns, and an interface."""
    given = ("hn-given-1", "hn-given-2")
    try:
        guest.do(LINK, *given)
        with ExitStack() as stack:
            pair = []
            for tree, name in zip(trees[1:], given, strict=True):
                words = (PICK, "--private-users-chown", f"--network-interface={name}")
                container = stack.enter_context(runtime.start_in(tree, "sh", "-c", SLEEP, words=words))
                pair.append(_look(container, guest, name))
            yield tuple(pair)
    finally:
        guest.do(UNLINK)


def test_two_with_picked_users_have_no_user_in_common(pair: tuple[UserContainer, ...]) -> None:
    """Containers have ranges of their own, and what root makes in them belongs to the first user of each."""
    first, second = pair

    assert abs(first.first - second.first) >= 65536
    assert min(first.first, second.first) >= 65536
    assert {(each.seen, each.kept) for each in pair} == {(each.first, each.first) for each in pair}


def test_interface_is_moved_into_a_container_with_users(pair: tuple[UserContainer, ...], guest: Guest) -> None:
    """An interface given to a container with private users is in it, and no longer in the guest (systemd#8599)."""
    inside = [guest.do('nsenter --target "$1" --net ip -o link', str(each.container.pid)) for each in pair]
    outside = guest.do("ls /sys/class/net").split()

    assert [f" {each.interface}@" in text for each, text in zip(pair, inside, strict=True)] == [True, True]
    assert not {each.interface for each in pair} & {*outside}


@pytest.mark.needs(systemd=">=249")
@pytest.mark.usefixtures("mapping")
def test_mapped_tree_keeps_its_owners(runtime: ContainerRuntime, trees: tuple[str, ...], guest: Guest) -> None:
    """With ownership=map what root makes in a container is root's in the tree, and can be made (systemd#20989)."""
    words = (PICK, "--private-users-ownership=map")
    with runtime.start_in(trees[0], "sh", "-c", SLEEP, words=words) as container:
        found = _look(container, guest)

    assert found.kept == 0
    assert found.seen == found.first >= 65536


@pytest.mark.needs(systemd=">=249")
@pytest.mark.usefixtures("mapping")
@pytest.mark.parametrize("kind", ["yes", "state"])
def test_volatile_tree_with_picked_users(
    kind: str, runtime: ContainerRuntime, trees: tuple[str, ...], guest: Guest
) -> None:
    """A container with private users starts on a tree that is kept as it was (systemd#34254)."""
    place = "/var/volatile" if kind == "state" else "/root/volatile"
    script = SLEEP.replace("/root/made", place).replace("mkdir", "mkdir -p")
    with runtime.start_in(trees[0], "sh", "-c", script, words=(PICK, f"--volatile={kind}")) as container:
        assert guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root{place}/file")

    assert guest.sh('[ ! -e "$1" ]', f"{trees[0]}{place}").code == 0


@pytest.mark.needs(systemd=">=250")
@pytest.mark.usefixtures("mapping")
def test_two_users_of_the_guest_are_bound(runtime: ContainerRuntime, trees: tuple[str, ...], guest: Guest) -> None:
    """Each user that is bound into a container owns a home there and can write to it, as the same user of the guest."""
    homes = ("/run/host/home/harness-a", "/run/host/home/harness-b")
    words = (PICK, "--bind-user=harness-a", "--bind-user=harness-b")
    try:
        guest.do(USERS)
        with runtime.start_in(trees[0], "sh", "-c", SLEEP, words=words) as container:
            _look(container, guest)
            uids = [int(text) for text in container.read_output("stat", "-c", "%u", *homes).split()]
            made = [
                container.execute("touch", f"{home}/made", user=uid).code for home, uid in zip(homes, uids, strict=True)
            ]
            owners = guest.do("stat -c %U /var/tmp/harness-a/made /var/tmp/harness-b/made; :").split()
    finally:
        guest.do(FORGET_USERS)

    assert len({*uids} - {0, 65534}) == 2
    assert (made, owners) == ([0, 0], ["harness-a", "harness-b"])
