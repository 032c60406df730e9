"""What an executor gives the app of an image (ace.md and OS-SPEC.md of the specification), as its validator checks it."""

import pytest

from suites.appc.conftest import Executor
from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.rights import CAPABILITY_NUMBERS, DEFAULT_CAPABILITIES
from suites.lib.spec import PATH

Said = dict[str, list[str]]


def _read_capabilities(word: str) -> set[str]:
    bits = int(word, 16)
    return {name for name, number in CAPABILITY_NUMBERS.items() if bits >> number & 1}


def test_exit_status_is_the_apps(probed: Result) -> None:
    """What the app ends with is what the runtime ends with."""
    assert probed.code == 7


def test_variables_that_every_app_has(said: Said) -> None:
    """PATH is the specification's, AC_APP_NAME names the app, and `container` says that it is in one."""
    assert said["PATH"] == [PATH]
    assert said["AC_APP_NAME"] == ["main"]


@pytest.mark.needs(feature=Feature.CONTAINER_VARIABLE)
def test_app_knows_that_it_is_in_a_container(said: Said) -> None:
    """The variable `container` names what runs it; an OCI runtime sets none."""
    assert said["container"][0]


def test_variables_of_the_image_are_not_touched(said: Said) -> None:
    """A variable's value is not evaluated in any way."""
    assert said["GREETING"] == [r"two  words\tand $HOME"]


def test_working_directory_is_the_images(said: Said) -> None:
    """The app starts in its working directory."""
    assert said["cwd"] == ["/srv"]


@pytest.mark.needs(feature=Feature.NUMERIC_GROUPS)
def test_supplementary_groups_are_the_images(said: Said) -> None:
    """The app has the supplementary groups of its image."""
    assert set(said["groups"][0].split()) >= {"0", "4001", "4002"}


@pytest.mark.parametrize(
    ("point", "kind"), [("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")]
)
def test_file_systems_that_linux_apps_expect(said: Said, point: str, kind: str) -> None:
    """The file systems of OS-SPEC.md are mounted where it says."""
    # nspawn shows /sys as a tmpfs with the parts that are harmless.
    assert f"{point} {kind}" in said["mount"] or (point == "/sys" and "/sys tmpfs" in said["mount"])


@pytest.mark.parametrize("device", ["null", "zero", "full", "random", "urandom", "tty", "ptmx"])
def test_devices_that_linux_apps_expect(said: Said, device: str) -> None:
    """The devices of OS-SPEC.md are there; a console only where the app has a terminal."""
    assert device in said["device"]


def test_mount_points_have_their_volumes(said: Said, guest: Guest, executor: Executor) -> None:
    """A volume is at its mount point, with its files; read-only where the image says so, and writable otherwise."""
    there = guest.do('cd "$1" && ls incoming outgoing', executor.images.directory).split()

    assert "here" in said["data"]
    assert there == ["incoming:", "file", "outgoing:", "new"]


def test_removed_capabilities_are_not_in_the_bounding_set(said: Said) -> None:
    """Of the default capabilities those are left that the image does not remove; removing others has no effect."""
    assert _read_capabilities(said["CapBnd"][0]) == set(DEFAULT_CAPABILITIES) - {"CAP_MKNOD"}


def test_removed_system_calls_fail_as_the_image_says(said: Said) -> None:
    """A system call of the remove set fails with its error number; the app goes on."""
    assert said["chmod"] == ["no"]


def test_oom_score_is_the_images(said: Said) -> None:
    """The isolator oom-score-adj is in force."""
    assert said["oom"] == ["123"]


def test_each_execution_starts_from_a_clean_copy(said: Said, executor: Executor) -> None:
    """What an app wrote into its root file system is not there the next time."""
    volumes = {name: f"{executor.images.directory}/{name}" for name in ("incoming", "outgoing")}
    again = executor.repeat("main", volumes)

    assert again.code == 7
    assert "left" not in again.out.split()
    assert "left" not in said


@pytest.mark.parametrize(
    ("user", "group", "ids"),
    [("1000", "1000", "1000 1000"), ("user", "user", "1000 1000"), ("/srv/theirs", "/srv/theirs", "1000 1000")],
    ids=["numbers", "names", "the owner of a file"],
)
@pytest.mark.usefixtures("probed")
def test_user_and_group_are_found_in_the_image(
    guest: Guest, executor: Executor, user: str, group: str, ids: str
) -> None:
    """User and group are numbers, names of the image's own files, or those of a file in it."""
    root = f"{executor.images.directory}/apps.layout/rootfs"
    guest.do(': >"$1/srv/theirs" && chown 1000:1000 "$1/srv/theirs"', root)
    ended = executor.run("user", {"exec": ["/bin/sh", "-c", "id -u; id -g"], "user": user, "group": group})

    assert " ".join(ended.out.split()) == ids


@pytest.mark.parametrize("flag", ["0", "1"])
def test_new_privileges_are_the_images_choice(executor: Executor, flag: str) -> None:
    """With no-new-privileges execve(2) raises nothing; without it the flag is not set."""
    isolators = [{"name": "os/linux/no-new-privileges", "value": flag == "1"}]
    script = "while read -r key value; do [ $key != NoNewPrivs: ] || echo $value; done </proc/self/status"
    ended = executor.run("privileges", {"exec": ["/bin/sh", "-c", script], "isolators": isolators})

    assert ended.out.split() == [flag]


def test_retained_capabilities_are_all_that_there_is(executor: Executor) -> None:
    """A retain set is the bounding set, and nothing else is in it."""
    isolators = [{"name": "os/linux/capabilities-retain-set", "value": {"set": ["CAP_KILL", "CAP_SETUID"]}}]
    script = "while read -r key value; do [ $key != CapBnd: ] || echo $value; done </proc/self/status"
    ended = executor.run("retained", {"exec": ["/bin/sh", "-c", script], "isolators": isolators})

    assert _read_capabilities(ended.out.strip()) == {"CAP_KILL", "CAP_SETUID"}


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("limit", "end"), [("128Mi", "alive"), ("24Mi", "killed")])
def test_memory_isolator_is_in_force(executor: Executor, limit: str, end: str) -> None:
    """An app that wants 48 MiB lives below a limit of 128 Mi, and is killed at one of 24."""
    script = "echo begun; dd if=/dev/zero of=/dev/null bs=48M count=1 2>/dev/null; echo status=$?"
    isolators = [{"name": "resource/memory", "value": {"limit": limit}}]
    ended = executor.run("memory", {"exec": ["/bin/sh", "-c", script], "isolators": isolators})

    # Where the whole container is killed there is no status; one that never began is no proof of a limit.
    assert ("begun" in ended.out, "status=0" in ended.out) == (True, end == "alive")


@pytest.mark.needs(feature=Feature.METADATA_SERVICE)
def test_metadata_service_knows_the_app(executor: Executor) -> None:
    """AC_METADATA_URL leads to a service that has the pod's UUID and the image's manifest."""
    script = 'wget -q -O - "$AC_METADATA_URL/acMetadata/v1/pod/uuid"'
    with executor.serve_metadata():
        ended = executor.run("metadata", {"exec": ["/bin/sh", "-c", script]}, registered=True)

    assert len(ended.out.strip()) == 36


@pytest.mark.needs(feature=Feature.EVENT_HANDLERS)
def test_event_handlers_run_before_the_app(executor: Executor) -> None:
    """What an image wants to be run before its app has ended when that starts."""
    handler = {"name": "pre-start", "exec": ["/bin/cp", "/etc/passwd", "/srv/before"]}
    ended = executor.run("handlers", {"exec": ["/bin/cat", "/srv/before"], "eventHandlers": [handler]})

    assert ended.out.startswith("root:")
