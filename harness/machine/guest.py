"""A running guest, as its owner and every other process that is handed its directory see it."""

import json
import logging
import os
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import proc
from harness.console import Console
from harness.errors import DeadlineError, InfrastructureError
from harness.machine.files import SSH_ALIAS, MachineFiles, MachineRecord
from harness.machine.pid1 import BACKTRACE, START, WATCHER, Pid1Log
from harness.proc import CommandError, Done
from harness.text import pluralize
from harness.wait import Deadline, poll

__all__ = ["GuestLostError", "Machine", "Pid1CrashError", "SshKilledError"]

logger = logging.getLogger(__name__)

LARGEST = 8 << 20
"""Bytes that are kept of what a command in a guest prints."""

SSH_FAILED = 255
"""Exit status with which ssh(1) says that it failed itself; a command in the guest may have it too."""


class GuestLostError(InfrastructureError):
    """The guest died: nothing can be said about what ran in it."""


class SshKilledError(CommandError):
    """This computer ended an ssh that ran a command in the guest."""


class Pid1CrashError(GuestLostError):
    """systemd as PID 1 crashed or stands still, which may be the very regression that is looked for."""


BUSY = 1.5
"""Load of this computer, for each of its processors, above which a guest may stand still without being lost."""

PID1_RULES = frozenset({"pid1-crashed", "pid1-died", "systemd-freezes"})
"""Console rules that say that PID 1 crashed."""

NOTICED = 6.0
"""Seconds in which the watcher in a guest says that PID 1 does not answer; multiplied by the accelerator's factor."""


def find_load() -> str | None:
    """Return a sentence that says so if this computer has no time for its guests."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load <= BUSY * cores:
        return None
    return f"This computer was too busy for its guests (load {load:.1f} on {pluralize(cores, 'processor')})."


class Machine:
    """A guest; commands are POSIX shell, as a guest need not have anything else."""

    def __init__(self, directory: Path) -> None:
        """Open the machine in `directory`; raises InfrastructureError if there is none."""
        self.files = MachineFiles(directory)
        self.record = MachineRecord.read(self.files)
        self.console = Console(self.files.console, find_load=find_load)
        self.pid1_crash: str | None = None
        """What happened to PID 1 where it crashed or stands still: a sentence; None until that is seen."""
        self._pid1 = Pid1Log(self.files.pid1)
        self._cause: str | None = None

    @property
    def name(self) -> str:
        """The guest as messages name it."""
        return self.record.name

    @property
    def ssh_config(self) -> Path:
        """File for `ssh -F`, in which the guest is the host `guest`."""
        return self.files.ssh_config

    def find_cause_of_death(self) -> str | None:
        """Return None while the guest lives; else a sentence that says what happened and where to look.

        A guest that died once stays dead, with its first cause.
        """
        if self._cause is None:
            self._cause = self._look()
        return self._cause

    def _look(self) -> str | None:
        # The guest knows more about its death than QEMU, so it is asked first.
        return self._look_inside() or self._look_at_qemu()

    def _look_inside(self) -> str | None:
        self.console.read()
        self.console.limit()
        fatal = self.console.fatal
        if fatal:
            cause = f"{fatal.description} See {self.files.console}:{fatal.line}: {fatal.text}"
            self.pid1_crash = cause if fatal.rule in PID1_RULES else None
            return cause
        crash = self._pid1.find_crash()
        if crash:
            self.pid1_crash = f"systemd as PID 1 {crash}. See {self.files.pid1}."
        return self.pid1_crash

    def _look_at_qemu(self) -> str | None:
        events = self._read_events()
        resets = _count_resets(events)
        # Another process may have rebooted it, so the record is read again.
        if resets and (known := MachineRecord.read(self.files).resets) is not None and resets > known:
            return f"The guest rebooted by itself; {self.files.console} has what it said before."
        kinds = {event["event"] for event in events}
        if "GUEST_PANICKED" in kinds:
            return f"The guest's kernel panicked; see the end of {self.files.console}."
        if "BLOCK_IO_ERROR" in kinds:
            return f"The guest's disk could not be written on this computer; is there space at {self.files.overlay}?"
        if not self.record.alive:
            return f"QEMU is not running any more ({self.read_last_words()}); see {self.files.qemu_log}."
        return None

    def _read_events(self) -> list[dict[str, Any]]:
        try:
            lines = self.files.events.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return []
        # The last part has no line end yet. What is cut off by a full disk is as good as not said.
        return [event for event in map(_read_event, lines[:-1]) if event is not None]

    def read_last_words(self) -> str:
        """Return why QEMU ended, as far as it said so: not a whole sentence."""
        shutdowns = [event.get("data") for event in self._read_events() if event["event"] == "SHUTDOWN"]
        if shutdowns:
            return f"it shut down: {json.dumps(shutdowns[-1])}"
        try:
            said = self.files.qemu_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except FileNotFoundError:
            said = []
        return said[-1] if said else "it was killed"

    def check(self) -> None:
        """Raise GuestLostError, with the most telling lines of the console, if the guest died."""
        cause = self.find_cause_of_death()
        if cause:
            kind = Pid1CrashError if self.pid1_crash else GuestLostError
            raise kind(f"The guest {self.name} died. {cause}\n{self.console.format_excerpt()}")

    def run(
        self,
        command: Sequence[str] | str,
        *,
        deadline: Deadline,
        expect: Sequence[int] | None = (0,),
        stdin: bytes | Path | None = None,
        output: Path | None = None,
    ) -> Done:
        """Run a command in the guest as root.

        Args:
            command: An argv list, or POSIX shell text.
            deadline: When it is given up at the latest; the process in the guest may then still run.
            expect: Exit statuses that are not an error; None allows all.
            stdin: Its standard input.
            output: File to append its standard output to.

        Raises:
            CommandError: The status was not expected.
            SshKilledError: Something on this computer ended ssh.
            GuestLostError: The guest died meanwhile.
            DeadlineError: It did not end in time.
        """
        text = command if isinstance(command, str) else shlex.join(command)
        done = self._run_ssh(text, deadline, stdin, output)
        if done.code == SSH_FAILED:
            self.check()
            # Either the command said so itself, and then ssh still works, or ssh did.
            if self._run_ssh("true", deadline, None, None).code == SSH_FAILED:
                self.check()
                raise InfrastructureError(
                    f"The guest {self.name} cannot be reached by ssh in the {deadline.what}, though QEMU runs: "
                    f"{done.err.strip() or 'no reason given'}; see {self.files.console}."
                )
        if expect is not None and done.code not in expect:
            raise CommandError(done)
        return done

    def _run_ssh(self, text: str, deadline: Deadline, stdin: bytes | Path | None, output: Path | None) -> Done:
        argv = ["ssh", "-F", str(self.ssh_config), SSH_ALIAS, text]
        done = proc.run(
            argv, deadline=deadline, apart=True, expect=None, stdin=stdin, output=output, watch=self.check,
            most=None if output else LARGEST,
        )  # fmt: skip
        if done.code < 0:
            # Somebody here ended ssh, the kernel for want of memory perhaps. A command that is ended in the guest has a
            # status of its own, so this says nothing about it.
            raise SshKilledError(done)
        return done

    def copy_in(self, source: Path, target: str, *, deadline: Deadline) -> None:
        """Copy a file or a tree to `target` in the guest; makes parents, merges a tree, and raises as `run`."""
        if not source.exists():
            raise InfrastructureError(f"There is no {source} to copy into the guest {self.name}.")
        quoted = shlex.quote(target)
        if source.is_dir():
            with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
                # An emulated processor unpacks in a fifth of the time in which it decrypts.
                proc.run(["tar", "-C", str(source), "-I", "gzip -1", "-cf", archive.name, "."], deadline=deadline)
                self.run(
                    f"mkdir -p {quoted} && tar -C {quoted} --no-same-owner -xzf -",
                    deadline=deadline,
                    stdin=Path(archive.name),
                )
        else:
            mode = f"{source.stat().st_mode & 0o7777:o}"
            self.run(
                f'mkdir -p "$(dirname {quoted})" && cat >{quoted} && chmod {mode} {quoted}',
                deadline=deadline,
                stdin=source,
            )

    def copy_out(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """Copy a file or a tree from the guest to the path `target`, which must not exist; raises as `run` does."""
        quoted = shlex.quote(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            archive, tree = Path(name, "archive.tar"), Path(name, "tree")
            tree.mkdir()
            # Named by its own last part, whatever a link before it is called.
            self.run(f'tar -C "$(dirname {quoted})" -cf - -- "$(basename {quoted})"', deadline=deadline, output=archive)
            proc.run(["tar", "-C", str(tree), "--no-same-owner", "-xf", str(archive)], deadline=deadline)
            (copied,) = tree.iterdir()
            copied.rename(target)

    def find_late_crash(self, deadline: Deadline) -> str | None:
        """Return the cause of a death that nothing has said yet, as PID 1 may have crashed just now.

        Where it does not answer, its watcher is given the time to say so.
        """
        if self.find_cause_of_death() is None:
            asked = "timeout 5 systemctl show --property=Version"
            if self._run_ssh(asked, deadline, None, None).code == 0:
                return None
            with suppress(DeadlineError):
                poll(self.find_cause_of_death, deadline.within(NOTICED, f"watcher of PID 1 in {self.name}"))
        return self.find_cause_of_death()

    def save_backtrace(self, to: Path, *, deadline: Deadline) -> None:
        """Write what the guest knows of the crash of its PID 1 to a file, as far as it still answers."""
        argv = ["ssh", "-F", str(self.ssh_config), SSH_ALIAS, BACKTRACE]
        proc.run(argv, deadline=deadline, expect=None, output=to, most=LARGEST)

    def save_journal(self, to: Path, *, deadline: Deadline) -> bool:
        """Write the guest's journal to a file; False if the guest is dead or does not give it."""
        if self.find_cause_of_death():
            return False
        try:
            self.run("journalctl --no-pager -o short-monotonic", deadline=deadline, output=to)
        except InfrastructureError as error:
            logger.warning("The journal of %s could not be read: %s", self.name, error)
            return False
        return True

    def reboot(self, *, deadline: Deadline) -> None:
        """Reboot the guest, and wait until it is up again; raises as `wait_ready` does."""
        before = self._read_boot_id(deadline)
        replace(MachineRecord.read(self.files), resets=None).write(self.files)
        self.run("systemctl reboot --no-block", deadline=deadline, expect=None)
        self.disconnect(deadline)

        def again() -> bool | None:
            return True if self._read_boot_id(deadline) not in {before, ""} else None

        poll(again, deadline, every=0.5)
        self.wait_ready(deadline)
        replace(MachineRecord.read(self.files), resets=_count_resets(self._read_events())).write(self.files)

    def _read_boot_id(self, deadline: Deadline) -> str:
        self.check()
        return self._run_ssh("cat /proc/sys/kernel/random/boot_id", deadline, None, None).out.strip()

    def wait_ready(self, deadline: Deadline) -> None:
        """Wait until systemd in the guest says that the boot is complete.

        Raises:
            GuestLostError: The guest died, or went to a state that is not a running system.
            DeadlineError: It did not come up in time.
        """
        # `--wait` is there since systemd 240; before that the question is asked again and again.
        script = "systemctl is-system-running --wait 2>/dev/null || systemctl is-system-running"

        def attempt() -> str | None:
            self.check()
            done = self._run_ssh(script, deadline, None, None)
            state = done.out.split()[-1] if done.out.split() else ""
            return None if state in {"", "initializing", "starting", "offline", "unknown"} else state

        state = poll(attempt, deadline, every=0.1)
        if state not in {"running", "degraded"}:
            raise GuestLostError(
                f"The guest {self.name} came up in the state `{state}`; see {self.files.console}.\n"
                f"{self.console.format_excerpt()}"
            )
        if state == "degraded":
            logger.warning("A unit failed in the boot of %s; its journal says which.", self.name)
        self.run(START, deadline=deadline, stdin=WATCHER)

    def disconnect(self, deadline: Deadline) -> None:
        """End the shared ssh connection, so that the next command makes a new one."""
        if Path(self.record.sockets, "ssh").exists():
            argv = ["ssh", "-F", str(self.ssh_config), "-O", "exit", SSH_ALIAS]
            proc.run(argv, deadline=deadline, expect=None)


def _read_event(line: str) -> dict[str, Any] | None:
    """Return a QMP event out of a line of its own, or None if the line is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event and isinstance(event.get("data", {}), dict) else None


def _count_resets(events: list[dict[str, Any]]) -> int:
    """Return how often the guest was reset by itself, as opposed to QEMU's own command."""
    return sum(event["event"] == "RESET" and bool(event.get("data", {}).get("guest")) for event in events)
