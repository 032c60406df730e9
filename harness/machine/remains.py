"""What a machine leaves in its directory and outside of it, and how that is removed."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from harness.machine import directory as places
from harness.machine.directory import Place, Record
from harness.wait import Deadline, poll

__all__ = ["clean", "forget", "remove_secrets"]

PATIENCE = 10.0
"""Seconds in which a killed process is gone."""


def clean(directory: Path) -> None:
    """Kill and remove what a harness that died left of a machine; evidence stays. Does nothing otherwise.

    A process is killed only if it is the one that machine.json names, started at the same moment.
    """
    place = Place(directory)
    if not place.record.exists():
        return
    record = Record.read(place)
    if record.alive:
        assert record.pid is not None
        os.kill(record.pid, signal.SIGKILL)
        deadline = Deadline.after(PATIENCE, f"end of the process {record.pid}")
        poll(lambda: None if record.alive else True, deadline)
    remove_secrets(place)
    places.remove_sockets(Path(record.sockets))
    forget(place)


def remove_secrets(place: Place) -> None:
    """Remove the keys of a machine, and the disk."""
    for path in (place.overlay, place.key, place.key.with_suffix(".pub"), place.ssh_config):
        path.unlink(missing_ok=True)


def forget(place: Place) -> None:
    """Write down that no process runs the machine any more."""
    replace(Record.read(place), pid=None, started=None).write(place)
