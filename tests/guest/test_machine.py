"""The life of real guests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, image, machine
from harness.accel import Accelerator
from harness.errors import DeadlineError, InfrastructureError
from harness.image import Image, ImageSpec
from harness.machine import GuestLostError, Machine
from harness.machine.files import MachineFiles, MachineRecord
from harness.model import CgroupMode
from harness.proc import CommandError
from harness.process_identity import read_start_time
from harness.qemu import MachineSpec
from harness.store import Store
from harness.wait import Deadline, poll
from tests import ROOT

LEFT = {"machine.json", "console.log", "qemu.log", "events.jsonl", "pid1.log"}
"""What stays in the directory of a machine: evidence, and nothing else."""


@pytest.fixture(scope="module")
def trixie(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of Debian trixie (systemd 257)."""
    spec = ImageSpec(distro="debian", channel="trixie", files=ROOT / "images" / "debian")
    return image.make(spec, store, Deadline.after(1200, "image of trixie"), tmp_path_factory.mktemp("log") / "log")


def specify(disk: Image, accelerator: Accelerator, mode: CgroupMode, *further: str) -> MachineSpec:
    """Specify the machine for an image in a cgroup mode."""
    rule = catalog.load(ROOT).systemd.find_cgroup_rule(disk.systemd.split(".")[0], mode)
    assert rule.arguments is not None
    return machine.specify(disk, name=f"test-{mode}", arguments=(*rule.arguments, *further), accelerator=accelerator)


Boot = Callable[..., AbstractContextManager[Machine]]


@pytest.fixture
def boot(bookworm: Image, accelerator: Accelerator, tmp_path: Path) -> Boot:
    """Boots bookworm in unified mode, with further kernel arguments."""

    def start(
        *further: str, seconds: float = 180, ports: Callable[[], int] = machine.find_free_port
    ) -> AbstractContextManager[Machine]:
        spec = specify(bookworm, accelerator, CgroupMode.UNIFIED, *further)
        return machine.boot(spec, tmp_path / "m", Deadline.after(seconds, "boot of a test"), ports=ports)

    return start


def processes(text: str) -> Iterator[str]:
    """Command lines of all processes with `text` in them."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        except OSError:
            continue
        if text in line and int(path.parent.name) != os.getpid():
            yield line


def test_unified(guest: Machine, deadline: Deadline) -> None:
    """A guest proves which systemd and which mode it has, and is not taken for another."""
    found = machine.prove(guest, systemd="252", cgroup=CgroupMode.UNIFIED, deadline=deadline)
    assert found.systemd_major == "252"

    with pytest.raises(InfrastructureError, match="asked for legacy, booted unified"):
        machine.prove(guest, systemd="252", cgroup=CgroupMode.LEGACY, deadline=deadline)
    with pytest.raises(InfrastructureError, match=r"asked for systemd v241, booted systemd 252\."):
        machine.prove(guest, systemd="v241", cgroup=CgroupMode.UNIFIED, deadline=deadline)


@pytest.mark.parametrize("mode", [CgroupMode.LEGACY, CgroupMode.HYBRID])
def test_old_modes(
    mode: CgroupMode, bookworm: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline
) -> None:
    """Systemd 252 boots in the v1 modes, and is in the same mode after a reboot."""
    spec = specify(bookworm, accelerator, mode)
    with machine.boot(spec, tmp_path / "m", deadline.within(180, "boot")) as booted:
        machine.prove(booted, systemd="252", cgroup=mode, deadline=deadline)
        if mode is CgroupMode.HYBRID:
            return
        booted.run("touch /run/gone /root/kept", deadline=deadline)
        booted.reboot(deadline=deadline.within(180, "reboot"))
        assert booted.run("ls /run/gone /root/kept 2>/dev/null", deadline=deadline, expect=(2,)).out == "/root/kept\n"
        machine.prove(booted, systemd="252", cgroup=mode, deadline=deadline)


def test_guest_that_reboots_in_a_loop(
    bookworm: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline
) -> None:
    """A guest whose boot ends in a reboot is lost at the first one, and not at the end of the deadline."""
    spec = specify(bookworm, accelerator, CgroupMode.UNIFIED)
    spec = replace(spec, arguments=(*spec.arguments, "systemd.unit=reboot.target"))
    with (
        pytest.raises(GuestLostError, match="The guest rebooted by itself"),
        machine.boot(spec, tmp_path / "m", deadline.within(300, "boot")),
    ):
        pass


@pytest.mark.parametrize("mode", [CgroupMode.LEGACY, CgroupMode.UNIFIED])
def test_newer_systemd(
    mode: CgroupMode, trixie: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline
) -> None:
    """Systemd 257 boots in the default mode, and, forced, in the oldest one."""
    with machine.boot(specify(trixie, accelerator, mode), tmp_path / "m", deadline.within(240, "boot")) as booted:
        machine.prove(booted, systemd="257", cgroup=mode, deadline=deadline)


def test_commands(guest: Machine, deadline: Deadline) -> None:
    """Arguments arrive as they are, shell text is shell text, and the status is the command's own."""
    arguments = ["a b", "$HOME", "it's", "*", ""]
    assert guest.run(["printf", "%s\\n", *arguments], deadline=deadline).out == "".join(f"{a}\n" for a in arguments)
    assert guest.run("cat; echo err >&2; exit 3", deadline=deadline, expect=(3,), stdin=b"in").out == "in"
    assert guest.run("exit 255", deadline=deadline, expect=None).code == 255
    with pytest.raises(CommandError, match="status 4"):
        guest.run("exit 4", deadline=deadline)
    with pytest.raises(DeadlineError):
        guest.run("sleep 60", deadline=deadline.within(1, "command"))


def test_connection_is_shared(guest: Machine, deadline: Deadline) -> None:
    """Commands share one connection: the sshd process that serves them is the same."""
    script = "cut -d' ' -f4 /proc/$PPID/stat"

    assert len({guest.run(script, deadline=deadline).out for _ in range(3)}) == 1


def test_copies(guest: Machine, tmp_path: Path, deadline: Deadline) -> None:
    """Files and trees come back as they were, with their modes, links and odd names."""
    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    (tree / "sub dir" / "tool's").write_bytes(bytes(range(256)) * 300)
    (tree / "sub dir" / "tool's").chmod(0o755)
    (tree / "link").symlink_to("sub dir/tool's")

    guest.copy_in(tree, "/root/copy/of it", deadline=deadline)
    guest.copy_out("/root/copy/of it", tmp_path / "back", deadline=deadline)
    assert (tmp_path / "back" / "link").read_bytes() == (tree / "link").read_bytes()
    assert (tmp_path / "back" / "link").is_symlink()
    assert (tmp_path / "back" / "sub dir" / "tool's").stat().st_mode & 0o777 == 0o755

    guest.copy_in(tree / "sub dir" / "tool's", "/root/new/tool", deadline=deadline)
    assert (
        guest.run("stat -c '%a %s' /root/new/tool; rm -r /root/new /root/copy", deadline=deadline).out == "755 76800\n"
    )
    with pytest.raises(InfrastructureError, match="nothing to copy into"):
        guest.copy_in(tmp_path / "nothing", "/root/x", deadline=deadline)
    with pytest.raises(CommandError):
        guest.copy_out("/root/nothing", tmp_path / "never", deadline=deadline)


def test_journal(guest: Machine, tmp_path: Path, deadline: Deadline) -> None:
    """The journal of a living guest is evidence from its first line on."""
    assert guest.save_journal(tmp_path / "journal", deadline=deadline)
    assert "Linux version" in (tmp_path / "journal").read_text(encoding="utf-8")


def test_other_process(guest: Machine, deadline: Deadline) -> None:
    """Another process reaches the guest through the directory alone."""
    script = (
        "import sys; from pathlib import Path; from harness import machine; from harness.wait import Deadline\n"
        "guest = machine.attach(Path(sys.argv[1]))\n"
        "print(guest.find_cause_of_death(), guest.run(['hostname'], deadline=Deadline.after(60, 'command')).out.strip())"
    )
    argv: list[str | Path] = [sys.executable, "-c", script, guest.files.directory]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=True)

    assert done.stdout == "None guest\n"


def test_killed(boot: Boot, deadline: Deadline, tmp_path: Path) -> None:
    """A port that somebody else took is no obstacle; a QEMU that is killed is the cause; nothing is left then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], machine.find_free_port()])
        with boot(ports=ports.__next__) as booted:
            assert booted.find_cause_of_death() is None
            assert booted.record.pid is not None
            os.kill(booted.record.pid, signal.SIGKILL)
            with pytest.raises(GuestLostError, match=r"QEMU is not running any more"):
                booted.run("sleep 60", deadline=deadline)
            assert booted.find_cause_of_death() is not None
            assert not booted.save_journal(tmp_path / "journal", deadline=deadline)
            sockets = Path(booted.record.sockets)
    assert {path.name for path in (tmp_path / "m").iterdir()} == LEFT
    assert not sockets.exists()
    assert list(processes(str(tmp_path))) == []


def test_panic(boot: Boot, deadline: Deadline) -> None:
    """A panic ends the command that waits for it, at once, and the place in the console is said."""
    with boot() as booted:
        begin = deadline.remaining
        with pytest.raises(GuestLostError, match=r"console\.log:\d+: .*Kernel panic - not syncing: sysrq") as caught:
            booted.run("echo c >/proc/sysrq-trigger; sleep 600", deadline=deadline)
        assert begin - deadline.remaining < 60
        assert "sysrq: Trigger a crash" in str(caught.value)
        assert (booted.find_cause_of_death() or "").startswith("The kernel stopped for good.")
    assert list(processes(str(booted.files.directory))) == []


def test_boot_fails_early(boot: Boot, tmp_path: Path) -> None:
    """A guest that ends in emergency mode fails the boot then, and not at the deadline."""
    deadline = Deadline.after(400, "test")
    with pytest.raises(GuestLostError, match="emergency mode"), boot("systemd.unit=emergency.target", seconds=400):
        pass
    assert deadline.remaining > 200
    assert {path.name for path in (tmp_path / "m").iterdir()} == LEFT


def test_boot_takes_too_long(boot: Boot, tmp_path: Path) -> None:
    """A guest that is not up at the deadline is said to be so, with the end of its console, and is gone."""
    with (
        pytest.raises(DeadlineError, match=r"boot of a test did not end within 2 s\. See .*console\.log"),
        boot(seconds=2),
    ):
        pass
    assert {path.name for path in (tmp_path / "m").iterdir()} == LEFT
    assert list(processes(str(tmp_path / "m"))) == []


def test_qemu_does_not_start(boot: Boot, bookworm: Image, accelerator: Accelerator, tmp_path: Path) -> None:
    """When QEMU itself refuses, what it said is the message."""
    spec = machine.specify(bookworm, name="odd", arguments=(), accelerator=accelerator, cores=4096)
    with (
        pytest.raises(InfrastructureError, match=r"QEMU did not start for odd: .*CPUs.*qemu\.log"),
        machine.boot(spec, tmp_path / "m", Deadline.after(60, "boot")),
    ):
        pass


def test_dead_harness(bookworm: Image, accelerator: Accelerator, tmp_path: Path, deadline: Deadline) -> None:
    """What a killed harness leaves, running guest and all, is cleaned up by the next one."""
    script = (
        "import sys; from pathlib import Path; from harness import machine; from harness.wait import Deadline\n"
        "from harness.accel import make_tcg; from harness.image import load\n"
        "spec = machine.specify(load(Path(sys.argv[1])), name='left', arguments=(), accelerator=make_tcg('Test.'))\n"
        "with machine.boot(spec, Path(sys.argv[2]), Deadline.after(180, 'boot')): print('up', flush=True); input()"
    )
    directory = tmp_path / "m"
    argv: list[str | Path] = [sys.executable, "-c", script, bookworm.directory, directory]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "up\n"
        harness.kill()
    record = MachineRecord.read(MachineFiles(directory))
    assert record.alive
    assert machine.attach(directory).run(["hostname"], deadline=deadline).out == "guest\n"

    machine.clean(directory)
    machine.clean(directory)

    assert record.pid is not None
    assert read_start_time(record.pid) is None
    assert not Path(record.sockets).exists()
    assert {path.name for path in directory.iterdir()} == LEFT
    # ssh's shared connection ends by itself, when it notices.
    poll(lambda: None if list(processes(record.sockets)) else True, deadline.within(60, "end of ssh"))
