"""The key of an artifact, a hash of what it is made from, and its manifest: what each of its files has to be."""

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harness.store.provenance import digest_entries, make_statement, read_digest, write_statement

__all__ = ["FILES", "Inputs", "Manifest", "hash_file", "make_key", "read", "write"]

Inputs = Mapping[str, Any]
"""Everything that an artifact's content depends on, as plain JSON values."""


def make_key(kind: str, inputs: Inputs) -> str:
    """Return the key of an artifact: SHA-256 of its kind and its inputs as canonical JSON, 64 hexadecimal digits."""
    text = json.dumps([kind, inputs], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


BLOCK = 1 << 16
"""Bytes of a block, as `hash_blocks` looks at files."""


def hash_blocks(path: Path) -> str:
    """Return SHA-256 of a file's blocks that are not all zero, each after its place, and of the file's size.

    What a sparse file has no blocks for costs nothing, and a copy with other holes is the same.
    """
    digest, nothing = hashlib.sha256(), bytes(BLOCK)
    with path.open("rb") as file:
        size, place = os.fstat(file.fileno()).st_size, 0
        while place < size:
            try:
                data = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break
            end = os.lseek(file.fileno(), data, os.SEEK_HOLE)
            place = -(-end // BLOCK) * BLOCK
            for start in range(data // BLOCK * BLOCK, place, BLOCK):
                block = os.pread(file.fileno(), BLOCK, start)
                if block != nothing[: len(block)]:
                    digest.update(start.to_bytes(8, "big") + block)
    digest.update(size.to_bytes(8, "big"))
    return digest.hexdigest()


MANIFEST = "manifest.json"
FILES = "files"

SEALS = "seals.json"
"""What the sealed files were when their content was looked at last."""

FORMAT = 2
"""Since 2 the manifest lists everything below `FILES`; before, only regular files."""

DIGEST = "sha256"
BLOCKS = "blocks"
"""Digest of a sealed file, which may be as large as a guest's memory and nearly empty, see `hash_blocks`."""

CHANGES = {
    "mode": "is another type of file or has other permissions than",
    "size": "has another size than",
    DIGEST: "has other content than",
    BLOCKS: "has other content than",
    "link": "points elsewhere than",
}
"""What it means that a field of an entry differs."""

Entry = Mapping[str, str | int]
"""One file: `mode` as git writes it (type and permissions, octal), `size` and `sha256` or `blocks`, or `link`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known about a stored artifact.

    Attributes:
        kind: What it is: "runtime".
        key: Hash of its inputs.
        format: Which things `entries` lists, see `FORMAT`.
        inputs: What it was made from.
        entries: Its files by their paths below `FILES`.
        said: What its maker returned about it.
        sealed: Names of files that nobody writes to; where one was touched, its content is looked at.
    """

    kind: str
    key: str
    title: str
    seconds: float
    format: int
    inputs: Inputs
    entries: Mapping[str, Entry]
    said: Mapping[str, Any]
    sealed: tuple[str, ...] = ()

    def find_damage(self, home: Path, *, thorough: bool = False, look: Callable[[], None] = lambda: None) -> str | None:
        """Return what is wrong with the files, as a sentence without its full stop, or None.

        `thorough` reads all of them; without it only types, permissions and sizes are compared, and seals. `look` is called before
        each file, and raises to stop.
        """
        root = str(home / FILES)
        for name, wanted in self.entries.items():
            look()
            try:
                found = _describe(f"{root}/{name}", thorough=thorough, sealed=name in self.sealed)
            except (FileNotFoundError, NotADirectoryError):
                return f"the file {name} is missing"
            except OSError as error:
                return f"the file {name} cannot be read: {error.strerror}"
            for field, value in wanted.items():
                if found.get(field) != value and (thorough or field not in {DIGEST, BLOCKS}):
                    return f"the file {name} {CHANGES.get(field, 'differs from')} when it was made"
        return self._find_contradiction(home) if thorough else self._find_broken_seal(home)

    def _find_broken_seal(self, home: Path) -> str | None:
        """Return which sealed file has other content, or None; the kernel's note of a change says whether to read it."""
        known = _read_seals(home)
        for name in self.sealed:
            seal = _make_seal(home / FILES / name)
            if seal == known.get(name):
                continue
            if hash_blocks(home / FILES / name) != self.entries.get(name, {}).get(BLOCKS):
                return f"the file {name} {CHANGES[BLOCKS]} when it was made"
            # It was copied with the store, and is the same.
            known[name] = seal
            with suppress(OSError):
                _write_seals(home, known)
        return None

    def _find_contradiction(self, home: Path) -> str | None:
        """Return what does not fit together among the manifest, the provenance and the names of the files, or None."""
        if make_key(self.kind, self.inputs) != self.key:
            return "its manifest does not say what it was made from"
        if read_digest(home) not in {None, digest_entries(self.entries)}:
            return "its provenance is that of other files"
        more = set(_list_names(home / FILES)) - set(self.entries) if self.format >= FORMAT else None
        return f"the file {min(more)} was not there when it was made" if more else None


def read(home: Path) -> Manifest | None:
    """Return the manifest in an artifact's directory, or None where it is missing, cut off or not one."""
    try:
        data = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(
            kind=str(data["kind"]),
            key=str(data["key"]),
            title=_read_title(data),
            seconds=float(data["seconds"]),
            format=int(data.get("format", 1)),
            inputs=dict(data["inputs"]),
            entries={str(name): dict(entry) for name, entry in data["files"].items()},
            said=dict(data["provenance"]),
            sealed=tuple(map(str, data.get("sealed", ()))),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return manifest if (manifest.kind, manifest.key) == (home.parent.name, home.name) else None


def write(
    home: Path, kind: str, inputs: Inputs, provenance: Mapping[str, Any], seconds: float, sealed: Sequence[str] = ()
) -> None:
    """Write the manifest of what is below `FILES` in `home` now, and its provenance."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind,
        "key": make_key(kind, inputs),
        "inputs": inputs,
        "provenance": provenance,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": seconds,
        **({"sealed": list(sealed)} if sealed else {}),
        "files": {
            name: _describe(f"{home / FILES}/{name}", thorough=True, sealed=name in sealed)
            for name in _list_names(home / FILES)
        },
    }
    if sealed:
        _write_seals(home, {name: _make_seal(home / FILES / name) for name in sealed})
    statement = make_statement(kind, manifest["key"], inputs, provenance, manifest["files"], seconds)
    write_statement(home, statement)
    (home / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _make_seal(path: Path) -> list[int]:
    """Return what changes with a file's content, whoever writes there; the last time cannot be set back by a process."""
    info = path.stat()
    return [info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]


def _read_seals(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / SEALS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write_seals(home: Path, seals: Mapping[str, list[int]]) -> None:
    half = home / f"{SEALS}.{os.getpid()}"
    half.write_text(json.dumps(seals) + "\n", encoding="utf-8")
    half.replace(home / SEALS)


def _list_names(root: Path) -> Iterator[str]:
    """Yield the paths of everything below a directory; symbolic links are not followed."""
    for folder, folders, files in os.walk(root, onerror=_fail):
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118 - a toolchain has 12,000 files


def _fail(error: OSError) -> NoReturn:
    raise error


def _describe(path: str, *, thorough: bool, sealed: bool) -> dict[str, str | int]:
    """Return an entry of the manifest; paths are text here, as making 12,000 Path objects takes longer than looking."""
    info = os.lstat(path)
    entry: dict[str, str | int] = {"mode": f"{info.st_mode:06o}"}
    if stat.S_ISREG(info.st_mode):
        entry["size"] = info.st_size
        if thorough and sealed:
            entry[BLOCKS] = hash_blocks(Path(path))
        elif thorough:
            entry[DIGEST] = hash_file(Path(path))
    elif stat.S_ISLNK(info.st_mode):
        entry["link"] = os.readlink(path)  # noqa: PTH115 - the text, as it is
    return entry


def _read_title(data: Mapping[str, Any]) -> str:
    """Return the title in the provenance, or the short facts there."""
    facts = dict(data["provenance"])
    return str(facts.get("title") or " ".join(value for value in facts.values() if isinstance(value, str)))
