"""What a machine leaves in its directory and outside of it, and how that is removed."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from harness.machine.files import MachineFiles, MachineRecord, remove_sockets
from harness.wait import Deadline, poll

__all__ = ["clean", "forget", "remove_secrets"]

PATIENCE = 10.0
"""Seconds in which a killed process is gone."""


def clean(directory: Path) -> None:
    """Kill and remove what a harness that died left of a machine; evidence stays. Does nothing otherwise.

    machine.json may come from elsewhere: a process is killed only if it is the one that it names, started at the same
    moment, and a QEMU of ours that works in this directory; a directory is removed only if it has sockets of ours alone.
    """
    files = MachineFiles(directory)
    if not files.record.exists():
        return
    record = MachineRecord.read(files)
    if record.is_own_process(files):
        assert record.pid is not None
        os.kill(record.pid, signal.SIGKILL)
        deadline = Deadline.after(PATIENCE, f"end of the process {record.pid}")
        poll(lambda: None if record.alive else True, deadline)
    remove_secrets(files)
    remove_sockets(Path(record.sockets))
    forget(files)


def remove_secrets(files: MachineFiles) -> None:
    """Remove the keys of a machine, and the disk."""
    for path in (files.overlay, files.key, files.key.with_suffix(".pub"), files.ssh_config):
        path.unlink(missing_ok=True)


def forget(files: MachineFiles) -> None:
    """Write down that no process runs the machine any more."""
    replace(MachineRecord.read(files), pid=None, started=None).write(files)
