"""What a container may do: capabilities, system calls, privileges, devices, paths, and limits of its process."""

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.rights import CAPABILITY_NUMBERS, Mount
from suites.lib.runtime import ContainerRuntime
from suites.pod.conftest import CAPABILITIES

MASK = f"{sum(1 << CAPABILITY_NUMBERS[name] for name in CAPABILITIES):016x}"


@pytest.fixture(scope="module")
def outside(confined: Container, guest: Guest) -> dict[str, str]:
    """The first process of `confined` as the guest's kernel shows it to the guest."""
    names = ("status", "limits", "oom_score_adj")
    texts = guest.read(*(f"/proc/{confined.pid}/{name}" for name in names))
    status, limits, oom = (texts[f"/proc/{confined.pid}/{name}"] for name in names)
    fields = dict(line.split(":", 1) for line in status.splitlines())
    files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    return {key: value.strip() for key, value in fields.items()} | {"files": files, "oom": oom.strip()}


def test_bounding_set_is_what_was_asked_for(probe: dict[str, str], outside: dict[str, str]) -> None:
    """No process of the container can ever have another capability than those that were asked for."""
    assert (probe["CapBnd"].strip(), outside["CapBnd"]) == (MASK, MASK)


def test_effective_set_is_what_was_asked_for(probe: dict[str, str], outside: dict[str, str]) -> None:
    """Root in the container has the capabilities that were asked for, and no others."""
    assert (probe["CapEff"].strip(), outside["CapEff"]) == (MASK, MASK)


def test_capability_that_was_kept_works(probe: dict[str, str]) -> None:
    """With CAP_FOWNER root changes the mode of another user's file."""
    assert probe["fowner"] == "yes"


def test_capability_that_was_taken_is_refused(probe: dict[str, str]) -> None:
    """Without CAP_CHOWN root gives no file away, be it its own."""
    assert probe["chown"] == "no"


def test_mknod_is_refused_without_its_capability(probe: dict[str, str]) -> None:
    """Without CAP_MKNOD not even the null device can be made."""
    assert probe["mknod"] == "no"


def test_device_that_was_given_works(probe: dict[str, str]) -> None:
    """A device of the guest that was asked for is there, and the device controller lets it be read."""
    assert probe["disk"] == "yes"


@pytest.mark.independent
def test_device_that_was_not_given_is_refused(runtime: ContainerRuntime, disk: str, guest: Guest) -> None:
    """The same device cannot be had by making its node, with all capabilities that containers usually have."""
    numbers = guest.do('stat -c "0x%t 0x%T" "$1"', disk).split()
    major, minor = (str(int(number, 16)) for number in numbers)
    # nspawn refuses the node already, runc its use.
    script = (
        f"mknod /dev/harness b {major} {minor} && head -c 1 /dev/harness >/dev/null; echo disk=$?;"
        "head -c 1 /dev/zero | hexdump"
    )
    result = runtime.run("sh", "-c", script)

    assert "disk=1" in result.out
    assert "not permitted" in _read_errors(runtime, result)
    assert "0000001" in result.out


@pytest.mark.needs(feature=Feature.MASKED_PATHS)
def test_masked_paths_show_nothing(probe: dict[str, str]) -> None:
    """A masked file has no content, and a masked directory no files."""
    assert (probe["secret"], probe["masked"]) == ("", "/srv/masked/*")


@pytest.mark.needs(feature=Feature.READ_ONLY_PATHS)
def test_path_that_was_made_read_only_is(probe: dict[str, str]) -> None:
    """A path that was asked to be read-only cannot be written, in a root file system that can."""
    assert (probe["path"], probe["root"]) == ("no", "yes")


def test_settings_of_the_kernel_are_read_only(probe: dict[str, str], guest: Guest) -> None:
    """Neither /proc/sys nor /sys takes what root in the container writes."""
    path = "/proc/sys/kernel/hostname"

    assert (probe["proc_sys"], probe["sys"]) == ("no", "no")
    assert guest.read(path)[path].strip() != "harness"


@pytest.mark.needs(feature=Feature.READ_ONLY_KERNEL_FILES)
def test_sysrq_is_read_only(probe: dict[str, str]) -> None:
    """Root in the container does not reboot the guest by /proc/sysrq-trigger."""
    assert probe["sysrq"] == "no"


@pytest.mark.needs(feature=Feature.MASKED_KERNEL_FILES)
def test_memory_of_the_kernel_is_masked(probe: dict[str, str]) -> None:
    """The null device is in the place of /proc/kcore."""
    assert probe.get("kcore") == "null"


def test_oom_score_is_what_was_asked_for(probe: dict[str, str], outside: dict[str, str]) -> None:
    """The kernel weighs the process as asked when memory is short."""
    assert (probe["oom"], outside["oom"]) == ("321", "321")


@pytest.mark.needs(feature=Feature.OPEN_FILES)
def test_limit_of_open_files_is_what_was_asked_for(probe: dict[str, str], outside: dict[str, str]) -> None:
    """A resource limit of the process is soft and hard what was asked for."""
    assert probe["files"] == "77 77"
    assert outside["files"].split()[3:5] == ["77", "77"]


@pytest.mark.needs(feature=Feature.OPEN_FILES)
def test_limit_of_open_files_is_in_force(probe: dict[str, str]) -> None:
    """A program that opens more files than its limit at the same time fails, and one with fewer does not."""
    assert (probe["few"], probe["many"]) == ("yes", "no")


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.SYSCALL_FILTER)
@pytest.mark.parametrize("user", [0, 1000])
def test_refused_system_call_fails(runtime: ContainerRuntime, user: int) -> None:
    """A refused call fails with EPERM, for root and for a user; others work, and the process lives."""
    script = "ln -s file /tmp/made; echo status=$?; : >/tmp/file && ls /tmp"
    # Which of the two symlink(2) is, the C library decides. A runtime itself makes no link at that point; nspawn 257
    # makes a user's home directory there, with mkdir(2).
    result = runtime.run("sh", "-c", script, user=user, syscalls_refused=("symlink", "symlinkat"))

    assert [word for word in result.out.split() if word in {"status=0", "status=1", "file", "made"}] == [
        "status=1",
        "file",
    ]
    assert "Operation not permitted" in _read_errors(runtime, result)


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.RAISING_BY_USER)
def test_set_user_id_raises(runtime: ContainerRuntime) -> None:
    """Without no-new-privileges a user becomes root by a set-user-id program, also under a filter of system calls."""
    result = runtime.run(
        "sh", "-c", "/bin/su -c 'id -u'", user=1000, no_new_privileges=False, syscalls_refused=("swapon",)
    )

    assert result.out.split() == ["0"], result.err


@pytest.mark.independent
def test_set_user_id_does_not_raise_with_no_new_privileges(runtime: ContainerRuntime) -> None:
    """With no-new-privileges the same program runs without root's rights, and the kernel says that it is on."""
    script = "/bin/su -c 'id -u'; grep NoNewPrivs /proc/self/status"
    result = runtime.run("sh", "-c", script, user=1000, no_new_privileges=True)

    lines = result.out.splitlines()

    assert lines[-1].split() == ["NoNewPrivs:", "1"]
    assert "0" not in lines
    assert "must be suid" in _read_errors(runtime, result)


YOUNG = "exit(syscall(436, 200, 200, 0) == 0 || $! == 38 ? 0 : 1)"
"""close_range(2) of Linux 5.9, of no file; 38 is ENOSYS."""


@pytest.mark.independent
def test_young_system_call_ends_nothing(runtime: ContainerRuntime, guest: Guest) -> None:
    """A call that is younger than a list of what is allowed works, or is unknown; rkt's list is of 2016, and kills."""
    if guest.sh("[ -x /usr/bin/perl ]").code != 0:
        pytest.skip("needs perl in the guest, which makes system calls by number")
    lib = "/mnt/a/lib/x86_64-linux-gnu"
    script = f'{lib}/ld-linux-x86-64.so.2 --library-path {lib} /mnt/a/bin/perl -e "$0"; echo status=$?'
    result = runtime.run("sh", "-c", script, YOUNG, mounts=(Mount(source="/usr", target="/mnt/a", read_only=True),))

    assert result.out.splitlines()[-1:] == ["status=0"], result


def _read_errors(runtime: ContainerRuntime, result: Result) -> str:
    """Return what a process wrote to its standard error, in which the runtime may mix its output."""
    return result.out if Feature.STANDARD_ERROR in runtime.engine.lacks else result.err
