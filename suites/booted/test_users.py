"""Private users as people have them: picked by systemd-nspawn, in several containers at once, on trees of their own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import ContainerOptions

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
for name in harness-a harness-b; do
    grep -q "^$name:" /etc/passwd || useradd --create-home --base-dir /var/tmp "$name" || exit
done
"""
FORGET_USERS = "for name in harness-a harness-b; do userdel --remove --force $name 2>/dev/null; done; :"

HIDDEN = ("/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list")
"""What systemd-nspawn hides from a container with private users (its nspawn-mount.c since version 243)."""

LINK = 'ip link add "$1" type veth peer name "$2"'


@pytest.fixture
def trees(runtime: ContainerRuntime, guest: Guest) -> Iterator[tuple[str, str]]:
    """Two trees on the guest's disk, which containers may own."""
    first, second = (f"/var/tmp/{runtime.prefix}-users-{number}" for number in (1, 2))
    try:
        for path in (first, second):
            guest.do(COPY, runtime.rootfs.make_tiny(), path)
        yield first, second
    finally:
        guest.do('rm -rf "$@"', first, second)


@pytest.fixture(scope="module")
def mapping(guest: Guest) -> None:
    """Skip a case where the owners of a tree cannot be mapped."""
    kernel = tuple(int(word) for word in guest.do("uname -r").split(".")[:2])
    if kernel < (5, 12):
        pytest.skip("needs Linux 5.12, which maps the owners of a mounted ext4")


def _start_both(runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest, *words: str) -> list[dict[str, int]]:
    with ExitStack() as stack:
        options = ContainerOptions(words=(PICK, *words))
        containers = [stack.enter_context(runtime.start_in(tree, "sh", "-c", SLEEP, **options)) for tree in trees]
        return [_look(container, guest) for container in containers]


def _look(container: Container, guest: Guest) -> dict[str, int]:
    lines = guest.do(LOOK, str(container.pid), container.spec.rootfs).splitlines()
    return {word: int(number) for word, number in map(str.split, lines)}


def test_two_with_picked_users_have_no_user_in_common(
    runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest
) -> None:
    """Two containers at once have ranges of their own, and what root makes in them belongs to the first user of each."""
    first, second = _start_both(runtime, trees, guest, "--private-users-chown")

    assert abs(first["first"] - second["first"]) >= 65536
    assert min(first["first"], second["first"]) >= 65536
    for look in (first, second):
        assert look["seen"] == look["kept"] == look["first"]


@pytest.mark.needs(systemd=">=249")
@pytest.mark.usefixtures("mapping")
def test_mapped_tree_keeps_its_owners(runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest) -> None:
    """With ownership=map what root makes in a container is root's in the tree, and can be made (systemd#20989)."""
    for look in _start_both(runtime, trees, guest, "--private-users-ownership=map"):
        assert look["kept"] == 0
        assert look["seen"] == look["first"] >= 65536


@pytest.mark.needs(systemd=">=249")
@pytest.mark.usefixtures("mapping")
@pytest.mark.parametrize("kind", ["yes", "state", "overlay"])
def test_volatile_tree_with_picked_users(
    kind: str, runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest
) -> None:
    """A container with private users starts on a tree that is kept as it was (systemd#34254)."""
    place = "/var/made" if kind == "state" else "/root/made"
    script = SLEEP.replace("/root/made", place).replace("mkdir", "mkdir -p")
    with runtime.start_in(trees[0], "sh", "-c", script, words=(PICK, f"--volatile={kind}")) as container:
        assert guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root{place}/file")

    assert guest.sh('[ ! -e "$1" ]', f"{trees[0]}{place}").code == 0


@pytest.mark.needs(systemd=">=250")
@pytest.mark.usefixtures("mapping")
def test_two_users_of_the_guest_are_bound(runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest) -> None:
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


def test_interface_is_moved_into_a_container_with_users(
    runtime: ContainerRuntime, trees: tuple[str, str], guest: Guest
) -> None:
    """An interface given to a container with private users is in it, and back in the guest afterwards (systemd#8599)."""
    guest.do(LINK, "hn-given", "hn-kept")
    try:
        words = (PICK, "--network-interface=hn-given")
        with runtime.start_in(trees[0], "sh", "-c", SLEEP, words=words) as container:
            inside = guest.do(
                "ls /proc/$1/root/sys/class/net; nsenter --target $1 --net ls /sys/class/net; :", str(container.pid)
            )
            outside = guest.do("ls /sys/class/net").split()
            assert "hn-given" in inside.split()
            assert "hn-given" not in outside
            assert "hn-kept" in outside
    finally:
        guest.sh("ip link delete hn-kept")


def test_kernel_files_are_hidden(runtime: ContainerRuntime, trees: tuple[str, str]) -> None:
    """Files of the kernel that say something of the guest are files without any right in them (systemd#40501)."""
    with runtime.start_in(trees[0], "sh", "-c", SLEEP, words=(PICK, "--private-users-chown")) as container:
        shown = container.read_output("stat", "-c", "%a %n", *HIDDEN).splitlines()
        read = container.execute("cat", "/proc/kallsyms").code

    assert shown == [f"0 {path}" for path in HIDDEN]
    assert read != 0
