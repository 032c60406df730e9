"""What machinectl does with a running container: a shell, a login, mounts and copies, also after a restart of machined."""

from collections.abc import Iterator

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest

pytestmark = pytest.mark.needs(feature=Feature.SHELL)

SHELL = 'machinectl --quiet shell "$@" </dev/null'

STAYS = ("/bin/sleep", "3217")

STAY = f"""
({SHELL} >/dev/null 2>&1 &)
shift
n=200; until pgrep -x -f "$*"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
"""

LOGIN = r"""
unit=$1-login out=/run/$1-login
systemd-run --quiet --pty --wait --collect --unit="$unit" -- machinectl login "$1" </dev/null >"$out" 2>&1 &
n=200; until grep -qs 'login:' "$out" || [ $((n -= 1)) -lt 1 ]; do sleep 0.1; done
systemctl stop "$unit.service" 2>/dev/null
wait $!
cat "$out"; rm -f "$out"
"""

BIND = r"""
mkdir -p "$1" && echo "from the guest" >"$1/file" || exit
machinectl --mkdir bind "$2" "$1" "$3"
code=$?
cat "/proc/$4/root$3/file" 2>/dev/null
exit $code
"""

COPY = r"""
mkdir "$1" && echo "there and back" >"$1/file" || exit
machinectl copy-to "$2" "$1/file" /root/copied && machinectl copy-from "$2" /root/copied "$1/back" && cat "$1/back"
"""


@pytest.fixture(scope="module", params=["as it is", "after a restart of machined"])
def known(request: pytest.FixtureRequest, system: Container, guest: Guest) -> Container:
    """The container, which machined has known from the start or found again."""
    if request.param != "as it is":
        guest.do("systemctl restart systemd-machined.service")
    return system


@pytest.fixture
def place(system: Container, guest: Guest) -> Iterator[str]:
    """A directory of the guest for one case, not below /run, which is not the same in every namespace."""
    path = f"/var/tmp/{system.name}"
    yield path
    system.execute("sh", "-c", "umount /run/bound 2>/dev/null; rm -f /root/copied")
    guest.do('rm -rf "$1"', path)


def test_shell_passes_the_output(known: Container, guest: Guest) -> None:
    """`machinectl shell` runs a command on a terminal of its own."""
    said = guest.sh(SHELL, f"root@{known.name}", "/bin/sh", "-c", "tty; id -u; cat /etc/machine-id")
    lines = said.out.split()

    assert said.code == 0
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:] == ["0", known.read_output("cat", "/etc/machine-id").strip()]


def test_shell_is_in_the_cgroup_of_the_container(system: Container, guest: Guest) -> None:
    """A command that machined brings into a container counts against the container's limits."""
    try:
        pid = int(guest.do(STAY, f"root@{system.name}", *STAYS))
        processes = system.list_processes()
    finally:
        guest.sh('pkill -x -f "$*"', *STAYS)

    assert processes.get(pid) == "sleep"


def test_login_shows_a_prompt(system: Container, guest: Guest) -> None:
    """`machinectl login` leads to a login of the container's system."""
    assert "login:" in guest.do(LOGIN, system.name)


def test_bind_reaches_the_container(known: Container, place: str, guest: Guest) -> None:
    """`machinectl bind` shows a directory of the guest in the running container (systemd#18964)."""
    said = guest.sh(BIND, place, known.name, "/run/bound", str(known.pid))

    assert (said.code, said.out.strip()) == (0, "from the guest"), said.err


def test_file_is_copied_to_and_fro(system: Container, place: str, guest: Guest) -> None:
    """`machinectl copy-to` and `copy-from` are each other's opposite."""
    assert guest.do(COPY, place, system.name).strip() == "there and back"


def test_unit_can_be_run_in_the_container(system: Container, guest: Guest) -> None:
    """`systemd-run --machine` speaks to the container's own systemd over its bus, and passes the status on."""
    said = guest.sh(
        'systemd-run --quiet --machine="$1" --wait --pipe --collect -- sh -c "$2" </dev/null',
        system.name,
        "echo in the container; exit 7",
    )

    assert (said.code, said.out.strip()) == (7, "in the container")


def test_system_can_be_asked_from_outside(system: Container, guest: Guest) -> None:
    """`systemctl --machine` asks the container's systemd."""
    assert guest.do('systemctl --machine="$1" is-active systemd-journald.service', system.name).strip() == "active"
