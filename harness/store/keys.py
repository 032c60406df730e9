"""Hashes: of inputs, which name artifacts, and of files, which prove them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Inputs", "hash_file", "make_key"]

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
