"""A pod of several apps under one systemd, as rkt's pods are: each app is a service with its own root, user and rights.

rkt always gave its apps a root directory. They have mounts of the pod besides, for which systemd makes a mount namespace:
a systemd that cannot change the root and the user without one (systemd#12498) is seen by booted/test_commands.py only.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.machined import find_machine
from suites.lib.rights import App, Mount
from suites.lib.runtime import ContainerRuntime
from suites.pod.conftest import CAPABILITIES, choose_offered
from suites.pod.test_rights import MASK

# One pod serves the cases, in order; two more end by themselves.
pytestmark = pytest.mark.independent("apps")

PROBE = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
write() { echo "$1" >"$2"; }
umask 0
exec >"/mnt/a/$NAME.new" 2>/dev/null
echo "cwd $(pwd)"
echo "greeting $GREETING"
echo "files $(ulimit -Sn)"
read -r value </proc/self/oom_score_adj; echo "oom $value"
while read -r key value; do case $key in Cap* | NoNew* | Uid* | Gid* | Groups*) echo "$key $value" ;; esac; done </proc/self/status
echo "su $(/bin/su -c 'id -u')"
try mkdir mkdir "/mnt/a/$NAME.made"
try sysrq write h /proc/sysrq-trigger
try sys write change /sys/devices/virtual/mem/null/uevent
echo "masked $(head -c 5 /proc/version)"
try disk head -c 1 $DISK
try below head -c 1 $BELOW
try other head -c 1 /mnt/b/disk
try mknod mknod "/mnt/a/$NAME.node" b 7 9
echo "log of $NAME" >&3
mv "/mnt/a/$NAME.new" "/mnt/a/$NAME"
trap 'echo "$NAME" >>/mnt/a/order; exit 0' TERM
[ "$NAME" != stubborn ] || trap 'echo "$NAME asked" >>/mnt/a/order' TERM
while :; do sleep 300 & wait; done
"""
"""What each app finds and tries; it reports when it is asked to end."""

NAMES = ("user", "filtered", "bound", "confined", "open", "stubborn")
"""Apps that sleep when they have looked; `stubborn` does not end when it is asked."""


@pytest.fixture(scope="module")
def place(runtime: ContainerRuntime, guest: Guest) -> Iterator[str]:
    """The directory of the guest that all apps see."""
    runtime.require(Feature.SEVERAL_APPS)
    path = f"/run/{runtime.prefix}-apps"
    guest.do('mkdir -m 0777 "$1"', path)
    yield path
    guest.do('rm -rf "$1"', path)


@pytest.fixture(scope="module")
def nodes(runtime: ContainerRuntime, guest: Guest, disk: str) -> Iterator[str]:
    """A directory with another node of the disk, which makes it the device of no app; not below /run, where nodes cannot be used."""
    path = f"/dev/{runtime.prefix}-nodes"
    guest.do('mkdir -p "$1" && cp -a "$2" "$1/disk" && chmod 0666 "$1/disk"', path, disk)
    yield path
    guest.do('rm -rf "$1"', path)


def _make_app(runtime: ContainerRuntime, name: str, place: str, disk: str, nodes: str) -> App:
    """Return an app that probes; what it is allowed hangs on its name."""
    argv = ("/bin/sh", "-c", f"exec 3>&1; {PROBE}")
    environment = {"NAME": name, "GREETING": r"two  words\tand", "DISK": runtime.get_device_path(disk), "BELOW": disk}
    mounts: tuple[Mount, ...] = (Mount(source=place, target="/mnt/a"),)
    if Feature.POD_SYSTEMD not in runtime.engine.lacks:
        mounts = (*mounts, Mount(source=nodes, target="/mnt/b"))

    def app(**rights: Any) -> App:
        return App(
            name=name, argv=argv, rootfs=runtime.rootfs.make_tiny(), environment=environment, mounts=mounts,
            **rights,
        )  # fmt: skip

    match name:
        case "user":
            return app(user=1000, group=1000, groups=(2001, 3003), working_directory="/srv", no_new_privileges=False)
        case "filtered":
            return app(user=1000, group=1000, syscalls_refused=("mkdir", "mkdirat"), after=("user",))
        case "bound":
            return app(user=1000, group=1000, no_new_privileges=True, after=("filtered",))
        case "confined":
            return app(
                capabilities=CAPABILITIES, oom_score_adj=321, after=("bound",),
                **choose_offered(
                    runtime, masked=("/proc/version",), open_files=77, read_only_paths=("/proc/sysrq-trigger", "/sys")
                ),
            )  # fmt: skip
        case "open":
            if Feature.POD_SYSTEMD not in runtime.engine.lacks:
                # At its own place, too, where the pod's systemd must not cover it.
                mounts = (*mounts, Mount(source=disk, target=disk))
            return app(devices=(disk,), after=("confined",))
        case _:
            return app(stop_seconds=1, after=("open",))


@pytest.fixture(scope="module")
def pod(runtime: ContainerRuntime, guest: Guest, place: str, disk: str, nodes: str) -> Iterator[Container]:
    """A pod of apps that sleep, and of one that has ended."""
    done = App(name="done", argv=("/bin/true",), rootfs=runtime.rootfs.make_tiny())
    apps = [done, *(_make_app(runtime, name, place, disk, nodes) for name in NAMES)]
    with runtime.boot(apps=apps, stop_seconds=60) as pod:
        condition = " && ".join(f'[ -e "$1/{name}" ]' for name in NAMES)
        if not guest.wait(f"{{ {condition}; }}", place, seconds=30):
            # Of programs a stage1 of rkt has little more than systemctl and bash.
            failed = pod.execute("systemctl", "--no-pager", "--failed").out
            log = guest.sh('journalctl --no-pager --lines=40 --machine="$1"', find_machine(guest, pod)).out
            pytest.fail(f"not every app of the pod came up:\n{failed}{log}", pytrace=False)
        yield pod


@pytest.fixture(scope="module")
def probes(pod: Container, guest: Guest, place: str) -> Mapping[str, Mapping[str, str]]:
    """What each app found."""
    assert pod.pid
    texts = guest.read(*(f"{place}/{name}" for name in NAMES))
    return {
        path.rpartition("/")[2]: {
            key.rstrip(":"): value.strip() for key, _, value in (line.partition(" ") for line in text.splitlines())
        }
        for path, text in texts.items()
    }


Probes = Mapping[str, Mapping[str, str]]


def test_every_app_is_running(pod: Container) -> None:
    """Each app is a service of the pod, and none of them failed."""
    units = [f"{name}.service" for name in NAMES]

    assert pod.execute("systemctl", "is-active", *units).out.split() == ["active"] * len(units)


def test_app_that_has_ended_ends_nothing_else(pod: Container) -> None:
    """An app that ended well has its status, and the pod goes on."""
    assert dict(pod.engine.read_statuses(pod)) == {"done": 0}


def test_app_has_its_user_and_groups(probes: Probes) -> None:
    """A user, a group and supplementary groups by number; in a root directory of its own."""
    app = probes["user"]

    assert (app["Uid"].split(), app["Gid"].split()) == (["1000"] * 4, ["1000"] * 4)
    assert {*app["Groups"].split()} - {"1000"} == {"2001", "3003"}
    assert app["CapEff"] == "0" * 16


def test_app_has_its_working_directory(probes: Probes) -> None:
    """An app starts in the directory of its root that was asked for."""
    assert (probes["user"]["cwd"], probes["bound"]["cwd"]) == ("/srv", "/")


def test_app_has_its_environment(probes: Probes) -> None:
    """Variables come by a file, as rkt passes them: spaces stay, and a backslash before a letter; until 240 systemd took it away."""
    assert {app["greeting"] for app in probes.values()} == {r"two  words\tand"}


@pytest.mark.needs(feature=Feature.RAISING_BY_USER)
def test_app_without_no_new_privileges_can_raise(probes: Probes) -> None:
    """A user's app becomes root by a set-user-id program where that was left open."""
    assert (probes["user"]["NoNewPrivs"], probes["user"]["su"]) == ("0", "0")


def test_app_with_no_new_privileges_cannot_raise(probes: Probes) -> None:
    """With no-new-privileges the same program raises nobody."""
    assert (probes["bound"]["NoNewPrivs"], probes["bound"]["su"]) == ("1", "")


@pytest.mark.needs(feature=Feature.SYSCALL_FILTER)
def test_filter_refuses_what_it_should(probes: Probes) -> None:
    """A refused system call fails for the one app, and works for its neighbours."""
    assert (probes["filtered"]["mkdir"], probes["bound"]["mkdir"]) == ("no", "yes")


# Seen with 247 and 252, and not with 257 (merged in between: systemd#6763).
@pytest.mark.needs(systemd="<=252")
def test_filter_of_a_user_brings_no_new_privileges(probes: Probes) -> None:
    """An older systemd turns no-new-privileges on for a user's filter; rkt's users were surprised by that (rkt#3896)."""
    assert (probes["filtered"]["NoNewPrivs"], probes["filtered"]["su"]) == ("1", "")


@pytest.mark.needs(systemd=">=257")
@pytest.mark.needs(feature=Feature.SYSCALL_FILTER)
@pytest.mark.needs(feature=Feature.RAISING_BY_USER)
def test_filter_of_a_user_brings_nothing_else(probes: Probes) -> None:
    """A newer systemd filters a user's system calls and leaves it to the unit whether the user can become root."""
    assert (probes["filtered"]["NoNewPrivs"], probes["filtered"]["su"]) == ("0", "0")


def test_app_has_its_capabilities(probes: Probes) -> None:
    """The bounding set of one app is smaller than its neighbours', in the same pod."""
    assert (probes["confined"]["CapBnd"], probes["confined"]["CapEff"]) == (MASK, MASK)
    assert int(probes["open"]["CapBnd"], 16) & ~int(MASK, 16)


@pytest.mark.needs(feature=Feature.MASKED_PATHS)
def test_masked_path_is_closed(probes: Probes) -> None:
    """Even root of one app reads nothing of a masked file of /proc, which the others read."""
    assert (probes["confined"]["masked"], probes["open"]["masked"]) == ("", "Linux")


def test_read_only_paths_are(probes: Probes) -> None:
    """Root of an app does not write to read-only files of /proc and /sys."""
    assert (probes["confined"]["sysrq"], probes["confined"]["sys"]) == ("no", "no")


def test_app_has_its_limits(probes: Probes) -> None:
    """The weight for lack of memory is the app's own."""
    assert probes["confined"]["oom"] == "321"
    assert probes["open"]["oom"] != "321"


@pytest.mark.needs(feature=Feature.OPEN_FILES)
def test_app_has_its_limit_of_open_files(probes: Probes) -> None:
    """The limit is one app's own."""
    assert (probes["confined"]["files"], probes["open"]["files"] == "77") == ("77", False)


def test_app_has_its_device(probes: Probes) -> None:
    """An app uses the device that it was given."""
    assert probes["open"]["disk"] == "yes"


@pytest.mark.needs(feature=Feature.POD_SYSTEMD, cgroup=("legacy", "hybrid"))
def test_device_of_an_app_is_no_others(probes: Probes) -> None:
    """What one app of a pod may use, its neighbour may not, if it had a node of it (rkt's TestDevices, which failed in 2019).

    On v2 an inner systemd may not attach the program for that to its cgroups.
    """
    assert (probes["open"]["other"], probes["confined"]["other"]) == ("yes", "no")


@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_app_has_its_device_below_dev(probes: Probes) -> None:
    """A volume below an app's /dev is seen there: since systemd 233 ProtectKernelTunables= covers it (systemd#5384)."""
    assert probes["open"]["below"] == "yes"


def test_app_makes_no_device(probes: Probes) -> None:
    """Root of an app makes no node of a device that it was not given (rkt's mknod test)."""
    assert (probes["open"]["Uid"].split()[0], probes["open"]["mknod"]) == ("0", "no")


def test_app_can_be_entered(pod: Container) -> None:
    """A command in the pod sees the app's process, and what its root is: the app's, and not the pod's."""
    script = (
        "root=/proc/$(systemctl show --property=MainPID --value user.service)/root\n"
        '[ "$root/srv/secret" -ef /opt/stage2/user/rootfs/srv/secret ] && [ ! -e /srv/secret ]'
    )

    assert pod.execute("bash", "-c", script).code == 0


def test_journal_of_the_pod_is_read_in_the_guest(pod: Container, guest: Guest) -> None:
    """`journalctl -M` shows what an app wrote, under the app's name."""
    command = 'journalctl --no-pager --machine="$1" --identifier=user --output=cat'

    # A stage1 of rkt has no journalctl, which could wait until the journal has it.
    assert guest.wait(f"{command} | grep -qx 'log of user'", find_machine(guest, pod))


@pytest.mark.needs(feature=Feature.OWN_SYSTEMD)
def test_service_is_ready_when_the_pod_is(pod: Container, guest: Guest) -> None:
    """The guest's service is started when the pod's systemd has reached its target, and not before."""
    show = "systemctl show --property={} --value {}"
    inside = pod.read_output("bash", "-c", show.format("ExecMainExitTimestampMonotonic", "harness-ready.service"))
    outside = guest.do(show.format("ActiveEnterTimestampMonotonic", '"$1.service"'), pod.name)

    assert 0 < int(inside) <= int(outside)


@pytest.mark.needs(feature=Feature.APP_ORDER)
def test_apps_stop_in_the_reverse_order(pod: Container, guest: Guest, place: str) -> None:
    """Stopping a pod asks each app, the one that was started last first, and kills one that does not end."""
    # The last case of this pod.
    orderly = pod.stop()
    order = guest.read(f"{place}/order")[f"{place}/order"].splitlines()

    assert orderly
    assert order == ["stubborn asked", *reversed(NAMES[:-1])]


def _make_waiting(runtime: ContainerRuntime, name: str, code: int) -> App:
    """Return an app that ends with a status when it gets a signal."""
    script = f"trap 'exit {code}' USR1; sleep 300 & wait"
    return App(name=name, argv=("/bin/sh", "-c", script), rootfs=runtime.rootfs.make_tiny())


def _end(pod: Container, name: str) -> None:
    """Signal an app of a pod when it sleeps, and so can be woken up by a signal."""
    directory = pod.get_directory(pod.hierarchies.main)
    asleep = '[ "$(find "$1" -path "*/$2.service/cgroup.procs" -exec cat {} + | wc -l)" -eq 2 ]'
    assert pod.guest.wait(asleep, directory, name, seconds=30), f"{name} does not sleep"
    pod.read_output("systemctl", "kill", "--signal=USR1", f"{name}.service")


def test_first_failure_is_the_pods_status(runtime: ContainerRuntime) -> None:
    """An app that fails ends the pod: the others are stopped, and its status is the pod's."""
    runtime.require(Feature.SEVERAL_APPS)
    well = App(name="well", argv=("/bin/true",), rootfs=runtime.rootfs.make_tiny())
    with runtime.boot(apps=(_make_waiting(runtime, "good", 0), _make_waiting(runtime, "bad", 7), well)) as pod:
        _end(pod, "bad")
        code = pod.engine.wait_end(pod)
        statuses = dict(pod.engine.read_statuses(pod))

    assert code == 7
    expected = {"bad": 7, "good": 143, "well": 0}
    if Feature.STOPPED_STATUS in runtime.engine.lacks:
        expected["good"] = statuses["good"]
    assert statuses == expected


def test_pod_ends_with_its_last_app(runtime: ContainerRuntime) -> None:
    """A pod whose apps have all ended well ends well, when the last one does."""
    runtime.require(Feature.SEVERAL_APPS)
    with runtime.boot(apps=(_make_waiting(runtime, "one", 0), _make_waiting(runtime, "two", 0))) as pod:
        _end(pod, "one")
        alive = pod.execute("systemctl", "is-active", "two.service").out.strip()
        pod.read_output("systemctl", "kill", "--signal=USR1", "two.service")
        code = pod.engine.wait_end(pod)
        statuses = dict(pod.engine.read_statuses(pod))

    assert alive == "active"
    assert (code, statuses) == (0, {"one": 0, "two": 0})
