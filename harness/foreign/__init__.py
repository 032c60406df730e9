"""Results of other tools: JUnit, TAP, CTRF, `go test -json` and meson's testlog.json, as one stream of cases.

`detect_format` knows a file by its beginning, and `read_cases` yields its cases as they are read, so that a log of
100 MB inside costs no memory. A file that is cut off, or of which a part is not understood, is never taken for one
with fewer cases.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, cast

from harness.foreign.records import ForeignCase, ForeignReport

__all__ = ["FORMATS", "HEAD", "detect_format", "read_cases"]

HEAD = 4096
"""Bytes by which a file is known."""

FORMATS = {"junit": "junit", "tap": "tap", "ctrf": "json_lines", "go": "json_lines", "meson": "json_lines"}
"""The module of each format, which has `read_` and its name; it is imported when there is such a file."""

BEGINNINGS = {
    "junit": re.compile(rb"\s*<|\xff\xfe|\xfe\xff"),
    "ctrf": re.compile(rb'\s*\{(?s:.*)"reportFormat"\s*:\s*"CTRF"|\s*\{\s*"results"\s*:\s*\{'),
    "go": re.compile(rb'\s*\{[^\n]*"Action"\s*:\s*"'),
    "meson": re.compile(rb'\s*\{"name": "(?:[^"\\]|\\.)*", "(?:stdout|result)": '),
    "tap": re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:K?TAP version \d|1\.\.\d|(?:not )?ok\b)"),
}


def detect_format(head: bytes) -> str | None:
    """Return the format of a file that begins with `head`, or None if it is none of `FORMATS`."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    return next((name for name, pattern in BEGINNINGS.items() if pattern.match(text)), None)


def read_cases(stream: BinaryIO, form: str, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of a file of the format `form`, and fill in what else there is to know of it.

    Raises:
        InfrastructureError: It is none of this format, or is cut off; with file:line:column.
    """
    reader = getattr(import_module(f"harness.foreign.{FORMATS[form]}"), f"read_{form}")
    return cast("Iterator[ForeignCase]", reader(stream, report))
