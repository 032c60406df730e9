"""Hashes: of inputs, which name artifacts, and of files, which prove them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Inputs", "file_digest", "key_of"]

Inputs = Mapping[str, Any]
"""Everything that an artifact's content depends on, as plain JSON values."""


def key_of(kind: str, inputs: Inputs) -> str:
    """The key of an artifact: SHA-256 of its kind and its inputs as canonical JSON, 64 hexadecimal digits."""
    text = json.dumps([kind, inputs], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
