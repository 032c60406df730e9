"""Can this computer's QEMU share the memory of a saved guest with its clones? Found out by doing it.

The guest that is saved has a file for its memory (`share=on`), which is then left out of QEMU's migration stream
(`x-ignore-shared`); clones map that file for themselves (`share=off`), so that the kernel reads a page when it is wanted
and copies it when it is written. See QEMU's docs/system/vm-templating.rst. A version number says neither how QEMU was
built nor what the file system can do, so the probe saves a machine without a program and restores it.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from harness import proc
from harness.accel import QEMU, read_qemu_version
from harness.confinement import probe_confinement
from harness.errors import InfrastructureError
from harness.machine.files import make_short_directory, remove_sockets
from harness.qemu import MEMORY, MemoryFile, Monitor, escape_value, make_memory_argv
from harness.wait import Deadline, poll
from harness.writing import STORE_HINT, write_text

__all__ = ["COPY", "Template", "load_state", "probe_template", "save_state"]

logger = logging.getLogger(__name__)

ANSWER = "memory-template.json"
"""File of the store with what was found out."""

SECONDS = 20.0
"""How long a trial may take on a busy computer; it takes half a second."""

SIZE = 32
"""MiB of the trial's memory."""

PLACE, WORD = 16 << 20, 0x6B6C6F6E
"""An address that firmware leaves alone, and what is there when the trial is saved."""

VECTOR = 0
"""An address that firmware writes to at once: the first interrupt vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How the memory of a saved guest is kept.

    Attributes:
        shared: Whether it is a file that clones map; else it is in the stream, and each clone copies it.
        mode: Permissions of that file.
        options: More words of a clone's memory, each with a comma before it.
        reason: Why it is so, a whole sentence.
    """

    shared: bool
    mode: int = 0o400
    options: str = ""
    reason: str


COPY = Template(shared=False, reason="Each clone copies the saved memory.")

CANDIDATES = (
    # Since QEMU 8.2; before that it wants to write to the file, whatever it does with it afterwards.
    Template(shared=True, options=",readonly=on,rom=off", reason="Clones map the saved memory, and cannot write to its file."),
    Template(shared=True, reason="Clones map the saved memory; QEMU opens its file for writing, and writes nothing."),
    Template(shared=True, mode=0o600, reason="Clones map the saved memory; QEMU opens its file for writing, and writes nothing."),
)  # fmt: skip
"""The strictest comes first; without root's rights, only the last one can be had of an old QEMU."""

_found: dict[tuple[Path, int, Path], Template] = {}


def probe_template(state: Path, deadline: Deadline) -> Template:
    """Return how saved memories are kept; tried once for each QEMU and each store, which is the directory `state`.

    Raises:
        InfrastructureError: QEMU is not installed, or the store cannot be written.
    """
    path = proc.require(QEMU)
    asked = (path, path.stat().st_mtime_ns, state)
    if asked not in _found:
        confinement = probe_confinement(deadline).options
        key = {"qemu": read_qemu_version(deadline), "binary": [str(path), *asked[1:2]], "confinement": [*confinement]}
        _found[asked] = _read_answer(state / ANSWER, key) or _try_all(state, key, deadline)
    return _found[asked]


def _read_answer(file: Path, key: dict[str, Any]) -> Template | None:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Template(**data["answer"]) if data["key"] == key else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _try_all(state: Path, key: dict[str, Any], deadline: Deadline) -> Template:
    why = "it does not take such a memory"
    for candidate in CANDIDATES:
        try:
            with tempfile.TemporaryDirectory(prefix=".trial-", dir=state) as name:
                _try(candidate, Path(name), deadline.within(SECONDS, "trial of a shared memory"))
        except InfrastructureError as error:
            deadline.check()
            why = str(error)
            logger.debug("%s: %s", candidate, error)
        else:
            found = candidate
            break
    else:
        found = Template(shared=False, reason=f"{COPY.reason} QEMU does not share one here: {why}")
    logger.info("saved memories: %s", found.reason)
    write_text(state / ANSWER, json.dumps({"key": key, "answer": asdict(found)}, indent=1) + "\n", hint=STORE_HINT)
    return found


def _try(wanted: Template, place: Path, deadline: Deadline) -> None:
    """Save a machine and restore it twice; raises InfrastructureError if a clone lacks the memory, or changes the file."""
    ram, stream = place / "ram", place / "state"
    loader = ("-device", f"loader,addr={PLACE:#x},data={WORD:#x},data-len=4")
    maker = MemoryFile(path=ram, shared=True)
    with _start(maker, place / "maker", loader, deadline) as monitor, stream.open("wb") as file:
        save_state(monitor, file, deadline, shared=True)
    ram.chmod(wanted.mode)
    before = (ram.read_bytes(), ram.stat().st_mtime_ns)
    clone = MemoryFile(path=ram, shared=False, options=wanted.options)
    for name in ("one", "two"):
        with _start(clone, place / name, ("-incoming", "defer"), deadline) as monitor, stream.open("rb") as file:
            load_state(monitor, file, deadline, shared=True)
            poll(lambda m=monitor: _read_status(m, deadline) != "inmigrate" or None, deadline)  # type: ignore[misc]
            found = _read_word(monitor, PLACE, deadline)
            if found != WORD:
                raise InfrastructureError(f"A clone has {found:#x} where {WORD:#x} was saved.")
            monitor.execute("cont", deadline)
            poll(lambda m=monitor: _read_word(m, VECTOR, deadline) or None, deadline)  # type: ignore[misc]
    if (ram.read_bytes(), ram.stat().st_mtime_ns) != before:
        raise InfrastructureError("What a clone wrote went to the file.")


@contextmanager
def _start(memory: MemoryFile, place: Path, words: tuple[str, ...], deadline: Deadline) -> Iterator[Monitor]:
    place.mkdir()
    sockets = make_short_directory()
    argv = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-S", "-machine", f"q35,{MEMORY}",
        *make_memory_argv(memory, SIZE), "-chardev", f"socket,id=qmp,path={escape_value(sockets / 'qmp')},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control", *words, *probe_confinement(deadline).make_options(0),
    ]  # fmt: skip
    try:
        with (place / "said").open("w+b") as output, proc.start(argv, output=output) as running:

            def connect() -> Monitor | None:
                if running.poll() is not None:
                    said = (place / "said").read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
                    raise InfrastructureError(f"QEMU ended: {said.splitlines()[-1]}.")
                try:
                    return Monitor(sockets / "qmp", place / "events", deadline)
                except InfrastructureError:
                    deadline.check()
                    return None

            monitor = poll(connect, deadline, every=0.01)
            try:
                yield monitor
                monitor.execute("quit", deadline)
                running.wait(deadline)
            finally:
                monitor.close()
    finally:
        remove_sockets(sockets)


def _read_word(monitor: Monitor, address: int, deadline: Deadline) -> int:
    said = str(monitor.execute("human-monitor-command", deadline, **{"command-line": f"xp /1xw {address:#x}"}))
    return int(said.split(":")[1], 16)


def _read_status(monitor: Monitor, deadline: Deadline) -> str:
    return str(cast("dict[str, Any]", monitor.execute("query-status", deadline))["status"])


def save_state(monitor: Monitor, file: IO[bytes], deadline: Deadline, *, shared: bool) -> None:
    """Write the state of a machine that stands still to a file: without its memory where that is `shared`.

    Raises:
        InfrastructureError: QEMU could not, or is gone.
        DeadlineError: It took too long.
    """
    monitor.send_descriptor("state", file.fileno(), deadline)
    _leave_out_memory(monitor, deadline, shared=shared)
    monitor.execute("migrate-set-parameters", deadline, **{"max-bandwidth": 1 << 40})
    monitor.execute("migrate", deadline, uri="fd:state")

    def attempt() -> bool | None:
        answer = cast("dict[str, Any]", monitor.execute("query-migrate", deadline))
        if answer.get("status") in {"failed", "cancelled"}:
            why = answer.get("error-desc", "QEMU gave no reason")
            raise InfrastructureError(f"QEMU could not save the guest: {why}.")
        return True if answer.get("status") == "completed" else None

    poll(attempt, deadline, every=0.02)


def load_state(monitor: Monitor, file: IO[bytes], deadline: Deadline, *, shared: bool) -> None:
    """Let a QEMU that waits for it (`-incoming defer`) load what `save_state` wrote; it has not ended then."""
    monitor.send_descriptor("state", file.fileno(), deadline)
    _leave_out_memory(monitor, deadline, shared=shared)
    monitor.execute("migrate-incoming", deadline, uri="fd:state")


def _leave_out_memory(monitor: Monitor, deadline: Deadline, *, shared: bool) -> None:
    if shared:
        capability = {"capability": "x-ignore-shared", "state": True}
        monitor.execute("migrate-set-capabilities", deadline, capabilities=[capability])
