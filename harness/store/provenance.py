"""What an artifact was made from and how, in the form that others' tools read: an in-toto statement with SLSA provenance.

https://github.com/in-toto/attestation/tree/main/spec/v1 and https://slsa.dev/spec/v1.0/provenance. Nobody signs it: it says
what this harness did, to whoever trusts the store that it lies in, and its own text says so.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import DISTRIBUTION, read_version

__all__ = ["PROVENANCE", "digest_entries", "make_statement", "read_digest", "write_statement"]

PROVENANCE = "provenance.intoto.json"
"""The file next to an artifact's manifest."""

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"

NAMESPACE = f"urn:{DISTRIBUTION}"
"""How identifiers begin that this harness defines."""

UNSIGNED = "Nobody has signed this: who can write to the store can change it."

TREE = "dirHash"
"""Digest of a directory: of the lines that sha256sum(1) prints of its files, by name (in-toto's digest_set.md)."""

IDENTITY = re.compile(r"(?P<kind>[a-z]+):(?:(?P<name>.+?):)?(?:sha256:)?(?P<digest>[0-9a-f]{40}|[0-9a-f]{64})")
"""How sources and toolchains are named in inputs, see `source.Revision`: kind, name and version, and a digest."""

ALGORITHMS = {"git": "gitCommit", "directory": "harness_tree"}
"""What the digest of an identity is where it is not that of a file's content."""

TYPES = {"wheel": "pypi", "debian": "deb/debian"}
"""Types of package URLs."""


def digest_entries(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of a directory with these files, see `TREE`; links and permissions are not in it.

    A sealed file has the digest of its blocks in its line, see `manifest.hash_blocks`.
    """
    digests = {name: entry.get("sha256") or entry.get("blocks") for name, entry in entries.items()}
    lines = (f"{digests[name]}  {name}\n" for name in sorted(entries, key=os.fsencode) if digests[name])
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def make_statement(
    kind: str,
    key: str,
    inputs: Mapping[str, Any],
    said: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """Make the statement about an artifact that is whole now, and took so many seconds.

    Args:
        kind: What it is.
        key: Hash of its inputs.
        inputs: What it was made from.
        said: What its maker returned about it.
        entries: Its files.
        seconds: How long it took.
    """
    now = time.time()
    return {
        "_type": STATEMENT,
        "subject": [{"name": f"{kind}/{key}", "digest": {TREE: digest_entries(entries)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{NAMESPACE}:{kind}",
                "externalParameters": dict(inputs),
                "resolvedDependencies": [*_list_sources(inputs), *_list_packages(said)],
            },
            "runDetails": {
                "builder": {
                    "id": f"{NAMESPACE}:builder:{inputs.get('builder', 'host')}",
                    "version": {DISTRIBUTION: read_version()},
                },
                "metadata": {
                    "startedOn": _format_time(now - seconds), "finishedOn": _format_time(now), "harness_signature": UNSIGNED,
                },
            },
        },
    }  # fmt: skip


def write_statement(home: Path, statement: Mapping[str, Any]) -> None:
    """Write the statement of the artifact in a directory."""
    (home / PROVENANCE).write_text(json.dumps(statement, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_digest(home: Path) -> str | None:
    """Return the digest of what a statement is about, an empty one if it is none; None where there is no statement."""
    try:
        (subject,) = json.loads((home / PROVENANCE).read_text(encoding="utf-8"))["subject"]
        return str(subject["digest"][TREE])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ""


def _format_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _list_sources(inputs: Any) -> Iterator[dict[str, Any]]:
    """Yield what the inputs name by a digest of its content."""
    if isinstance(inputs, Mapping):
        inputs = list(inputs.values())
    if isinstance(inputs, list | tuple):
        for value in inputs:
            yield from _list_sources(value)
    elif isinstance(inputs, str):
        prefix = inputs.partition(":")[0]
        for part in inputs.split(","):
            match = IDENTITY.fullmatch(part if part.startswith(f"{prefix}:") else f"{prefix}:{part}")
            if match:
                yield _describe_source(match["kind"], match["name"], match["digest"])


def _describe_source(kind: str, name: str | None, digest: str) -> dict[str, Any]:
    known = {"digest": {ALGORITHMS.get(kind, "sha256"): digest}}
    if name is None or kind not in TYPES:
        return {"name": kind, **known}
    package, _, version = name.replace("==", "=").partition("=")
    return {"uri": _format_package(TYPES[kind], package, version), **known}


def _list_packages(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the packages of Debian that its maker put into it; their archive's signature holds what they are."""
    for name in ("installed", "versions"):
        found = said.get(name)
        if isinstance(found, Mapping):
            yield from (
                {"uri": _format_package(TYPES["debian"], package, str(found[package]))} for package in sorted(found)
            )


def _format_package(kind: str, name: str, version: str) -> str:
    """Format a package URL (https://github.com/package-url/purl-spec)."""
    return f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe='')}"
