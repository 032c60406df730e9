"""systemd-nspawn as people call it: its console, its status, what it makes of an image, and units with a root directory."""

from collections.abc import Iterator

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

CALL = r"""
name=$1 tree=$2; shift 2
timeout --kill-after=1 30 systemd-nspawn --quiet --machine="$name" --directory="$tree" --private-network --link-journal=no "$@"
code=$?
n=50; while [ -e "/run/systemd/machines/$name" ]; do [ $((n -= 1)) -gt 0 ] || break; sleep 0.1; done
exit $code
"""

TREES = r"""
for name in none suffix; do
    mkdir -p "$1/$name" && cp -a "$2/." "$1/$name/" && rm -f "$1/$name/usr/lib/systemd/"* || exit
done
: >"$1/suffix/usr/lib/systemd/libsystemd-shared-$3.so"
"""
"""Trees without a systemd, and with one by the name that a distribution gives it: libsystemd-shared-252.39-1.so."""


@pytest.fixture(scope="module")
def trees(runtime: ContainerRuntime, systemd: str, guest: Guest) -> Iterator[str]:
    """A directory of the guest with the trees."""
    path = f"/var/tmp/{runtime.prefix}-trees"
    try:
        guest.do(TREES, path, runtime.rootfs.make_tiny(), f"{systemd}.9-1~distro3.fc1")
        yield path
    finally:
        guest.do('rm -rf "$1"', path)


def test_version_is_a_success(runtime: ContainerRuntime, guest: Guest) -> None:
    """Asked for its version, a runtime says it and ends with 0 (systemd#4605)."""
    said = guest.sh('"$1" --version', runtime.engine.service or runtime.name)

    assert (said.code, bool(said.out.strip())) == (0, True)


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
def test_console_of_its_own_choice_shows_the_output(runtime: ContainerRuntime, guest: Guest) -> None:
    """Without --console= and without a terminal a container's output arrives, and its status."""
    said = guest.sh(
        f"echo typed | ({CALL})", f"{runtime.prefix}-call", runtime.rootfs.make_tiny(), "sh", "-c", "echo said; exit 7"
    )

    assert (said.code, said.out.strip()) == (7, "said")


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
def test_pipe_passes_input_and_its_end(runtime: ContainerRuntime, guest: Guest) -> None:
    """Where a pipe is asked for, bytes arrive as they are, and the end of the input ends the reader (systemd#13822).

    Since systemd 242 that has to be asked for: a console of nspawn's own choice passes no input on.
    """
    script = f"printf 'typed\\r\\n\\004' | ({CALL}) | od -An -c"
    said = guest.do(script, f"{runtime.prefix}-call", runtime.rootfs.make_tiny(), "--pipe", "cat")

    assert said.split() == ["t", "y", "p", "e", "d", r"\r", r"\n", "004"]


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
@pytest.mark.parametrize("image", ["none", "suffix"])
def test_layout_is_that_of_the_guest(
    image: str, runtime: ContainerRuntime, hierarchies: Hierarchies, trees: str, guest: Guest
) -> None:
    """An image has the guest's layout of cgroups, whether it has no systemd (systemd/PR33987) or one with a suffix."""
    script = "cat /proc/self/mountinfo; echo; cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null; :"
    said = guest.do(CALL, f"{runtime.prefix}-call", f"{trees}/{image}", "--pipe", "sh", "-c", script)
    mounts, _, controllers = said.partition("\n\n")

    assert Hierarchies.parse(mounts, controllers).mode == hierarchies.mode


HIDDEN = ("kallsyms", "keys", "sysrq-trigger", "timer_list")
"""Files of the guest's kernel that nspawn means to hide (its mount table: PROC_INACCESSIBLE_REG)."""


@pytest.fixture(scope="module")
def rights(runtime: ContainerRuntime, guest: Guest) -> dict[str, str]:
    """Rights of the files in a container, by their names, where the kernel has them."""
    script = 'for name; do [ ! -e "/proc/$name" ] || echo "$name $(stat -c %a "/proc/$name")"; done'
    call = (f"{runtime.prefix}-call", runtime.rootfs.make_tiny(), "--pipe", "sh", "-c", script, "sh")
    return dict(map(str.split, guest.do(CALL, *call, *HIDDEN).splitlines()))


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
@pytest.mark.parametrize("name", HIDDEN)
def test_file_of_the_kernel_is_hidden(name: str, rights: dict[str, str]) -> None:
    """A file without any rights lies over one of the kernel's that a container has no business with (systemd#40501)."""
    if name not in rights:
        pytest.skip(f"needs a kernel with /proc/{name}")
    assert rights[name] == "0"


ROOTS = {
    "a user": ("User=daemon", "MountAPIVFS=no"),
    "a user and a mount": ("User=daemon", "BindPaths=/proc"),
    "a mount on a path that is missing": ("BindPaths=/run:/missing/path",),
    "supplementary groups": ("User=daemon", "SupplementaryGroups=tty", "MountAPIVFS=no"),
}


@pytest.mark.parametrize("kind", ROOTS)
def test_unit_with_a_root_directory_starts(kind: str, runtime: ContainerRuntime, guest: Guest) -> None:
    """RootDirectory= goes with a user (systemd#12498), with groups, and with a mount whose place is missing (systemd#20514).

    Only without a mount does systemd change the root itself and make no mount namespace; since 248 it mounts /proc and its like
    where it is not told to leave that.
    """
    tree = runtime.rootfs.make_overlay(f"{runtime.prefix}-root", runtime.rootfs.make_tiny())
    try:
        words = [f"--property={setting}" for setting in (f"RootDirectory={tree}", *ROOTS[kind])]
        said = guest.sh('systemd-run --quiet --wait --pipe --collect "$@" -- /bin/id </dev/null', *words)
    finally:
        runtime.rootfs.remove(f"{runtime.prefix}-root")

    assert said.code == 0, said.err
    assert f"uid={'1' if 'User=daemon' in ROOTS[kind] else '0'}" in said.out
