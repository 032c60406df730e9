"""That a booted system works in a container: its own services, and services that ask systemd for something of their own."""

import pytest

from suites.booted.services import CREDENTIAL, SETTINGS, ServiceFacts
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rootfs import TARGET

pytestmark = pytest.mark.needs(feature=Feature.OWN_SYSTEMD)

DAEMONS = ("dbus", "systemd-journald", "systemd-logind", "systemd-networkd")
RESOLVER = "systemd-resolved"
UDEV = "systemd-udevd"
AUDIT = "systemd-journald-audit.socket"


@pytest.fixture(scope="module")
def units(system: Container) -> dict[str, str]:
    """What becomes of daemons: the states and the result of each, in the order of their names."""
    names = (*DAEMONS, RESOLVER, UDEV, AUDIT)
    said = system.read_output("systemctl", "show", "--property=ActiveState,LoadState,Result", *names)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    return dict(zip(names, (" ".join(block[key] for key in sorted(block)) for block in blocks), strict=True))


def test_system_is_running(system: Container) -> None:
    """The system has started all that it wanted, and calls itself neither degraded nor still starting."""
    assert system.execute("systemctl", "is-system-running", "--wait").out.strip() == "running"


def test_no_unit_of_the_system_failed(system: Container) -> None:
    """No unit failed on the way."""
    assert system.read_output("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip() == ""


def test_target_of_the_system_is_reached(system: Container) -> None:
    """The system has come to its target."""
    assert system.read_output("systemctl", "is-active", TARGET).strip() == "active"


@pytest.mark.parametrize("name", DAEMONS)
def test_daemon_is_active(name: str, units: dict[str, str]) -> None:
    """A daemon that each system has runs."""
    assert units[name] == "active loaded success"


def test_resolver_is_active(units: dict[str, str]) -> None:
    """The resolver runs, where the guest has it."""
    if "not-found" in units[RESOLVER]:
        pytest.skip(f"needs {RESOLVER}; the guest's release has it in a package of its own")
    assert units[RESOLVER] == "active loaded success"


def test_udev_is_not_failed(units: dict[str, str]) -> None:
    """A container has no devices to manage: udevd runs, or systemd sees that it cannot and goes on."""
    assert units[UDEV] in {"active loaded success", "inactive loaded success"}


def test_audit_socket_is_not_failed(units: dict[str, str]) -> None:
    """A container may not read the kernel's audit: systemd sees that and goes on without the socket (systemd#6519)."""
    assert units[AUDIT].partition(" ")[2] == "loaded success"


@pytest.mark.parametrize("name", SETTINGS)
def test_service_with_a_setting_is_active(name: str, services: dict[str, ServiceFacts]) -> None:
    """A service that asks for something of its own starts."""
    assert services[name].state == "active success"


def test_service_has_a_network_of_its_own(services: dict[str, ServiceFacts]) -> None:
    """PrivateNetwork= is another network than that of the container."""
    assert services["network"].namespaces["net"] != services["plain"].namespaces["net"]


def test_service_has_users_of_its_own(services: dict[str, ServiceFacts]) -> None:
    """PrivateUsers= is another user namespace than that of the container."""
    assert services["users"].namespaces["user"] != services["plain"].namespaces["user"]


def test_service_cannot_write_to_the_system(services: dict[str, ServiceFacts]) -> None:
    """ProtectSystem=strict leaves /tmp, and another service can write everywhere."""
    assert services["plain"].writable == {"/usr", "/etc", "/tmp"}
    assert services["files"].writable == {"/tmp"}


def test_service_has_a_user_of_the_moment(services: dict[str, ServiceFacts]) -> None:
    """DynamicUser= takes a user of systemd's range (61184 to 65519, systemd.exec(5))."""
    assert 61184 <= services["dynamic"].uid <= 65519


def test_service_gets_its_credential(system: Container) -> None:
    """SetCredential= is a file that the service can read."""
    assert system.execute("cat", CREDENTIAL).out == "a secret"


def test_limit_of_process_ids_is_the_containers_own(system: Container, guest: Guest) -> None:
    """What a container writes to pid_max is a limit of its own, which the guest does not get (systemd#38011)."""
    kernel = tuple(int(word) for word in guest.do("uname -r").split(".")[:2])
    if kernel < (6, 14):
        pytest.skip("needs Linux 6.14, which has a limit of process ids for each namespace")
    path = "/proc/sys/kernel/pid_max"
    before = guest.read(path)[path]
    said = system.execute("sh", "-c", f"echo 12345 >{path} && cat {path}")

    assert (said.code, said.out.strip()) == (0, "12345"), said.err
    assert guest.read(path)[path] == before


@pytest.mark.usefixtures("memory")
def test_limit_stays_when_the_system_reloads(system: Container) -> None:
    """A systemd that is reloaded in a container leaves the container's own limit to the guest (systemd#14014)."""
    knob = "memory.max" if system.hierarchies.mode == "unified" else "memory.limit_in_bytes"
    system.read_output("systemctl", "daemon-reload")

    assert system.read_knobs(knob) == {knob: str(system.spec.memory)}


def test_system_is_running_after_a_reload(system: Container, guest: Guest) -> None:
    """After a reload all is as before, and the first process is still systemd."""
    comm = f"/proc/{system.pid}/comm"

    assert system.execute("systemctl", "is-system-running").out.strip() == "running"
    assert guest.read(comm)[comm].strip() == "systemd"


def test_system_shuts_down_when_asked(system: Container) -> None:
    """Stopping the container makes the system shut down in an orderly way; nothing has to be killed."""
    # The last case of the last module that looks at it.
    assert system.stop()
