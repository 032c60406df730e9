"""A container that a user without rights starts by an OCI runtime, with the bundle that the runtime itself proposes."""

from collections.abc import Iterator

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.needs(feature=Feature.ROOTLESS)

USER = "1"
"""The user `daemon`, which every system has."""

RUN = r"""
program=$1 tree=$2 directory=$3 name=$4 user=$5
mkdir -p "$directory" && chown "$user:$user" "$directory" && cd "$directory" || exit
as_user() {
    setpriv --reuid="$user" --regid="$user" --clear-groups env -i PATH="$PATH" HOME="$directory" XDG_RUNTIME_DIR="$directory" "$@"
}
as_user "$program" spec --rootless || exit
sed -i 's#"terminal": true#"terminal": false#; s#"path": "rootfs"#"path": "'"$tree"'"#; s#"sh"#"sh", "-c", "id -u; ulimit -n; true >/refused || true; cat /proc/self/uid_map"#' config.json
as_user "$program" --root "$directory/state" run "$name" </dev/null
"""
"""The bundle is the runtime's own proposal, which has a read-only root and a limit of open files."""


@pytest.fixture(scope="module")
def said(runtime: ContainerRuntime, guest: Guest) -> Iterator[Result]:
    """What the container and the runtime said."""
    directory = f"/run/{runtime.prefix}-rootless"
    try:
        yield guest.sh(RUN, runtime.name, runtime.rootfs.make_tiny(), directory, f"{runtime.prefix}-user", USER)
    finally:
        guest.do('rm -rf "$1"', directory)


def test_user_can_run_a_container(said: Result) -> None:
    """The container of a user runs, and its root is that user and no other (runc#4972)."""
    lines = said.out.splitlines()

    assert said.code == 0, said.err
    assert lines[0] == "0"
    assert lines[-1].split() == ["0", USER, "1"]


def test_limit_of_open_files_can_be_set_for_it(said: Result) -> None:
    """A limit below the user's own is set in the container (raspberrypi/linux#5483)."""
    assert said.code == 0, said.err
    assert said.out.splitlines()[1] == "1024"


def test_root_of_the_container_is_read_only(said: Result) -> None:
    """A root that is to be read-only is."""
    assert "Read-only file system" in said.err
