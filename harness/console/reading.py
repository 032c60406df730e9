"""A serial console as evidence: read while it grows, and judged by the table in harness/console.yaml.

A fatal line means that the guest is lost, whatever a test says. What a guest prints may be of any size, so only a part
is in memory at a time, a line is judged in parts, and of each rule some findings are kept and the others counted.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO

from harness.console.line import list_messages
from harness.console.table import ConsoleRule, load_table
from harness.text import pluralize, strip_escapes

__all__ = ["Console", "ConsoleFinding", "format_warnings", "judge_line"]

CHUNK = 1 << 18
"""Bytes of a log that are read at once."""

PART = 4096
"""Bytes of a line that are judged at once."""

OVERLAP = 128
"""Bytes that two parts of a line have in common, so that no time stamp is cut in two."""

KEPT = 50
"""Findings of one rule that are kept."""

LARGEST = 64 << 20
"""Bytes of a running guest's log above which its end is cut off; QEMU goes on at the end of what is left."""

SHOWN = 64 * 1024
"""Bytes of a log around its end, or around a line, from which an excerpt is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFinding:
    """A line of a console that fits a rule.

    Attributes:
        line: Number of the line in the log, from 1.
        offset: Where the line begins in the log, in bytes.
        text: The message, without escapes and time stamp.
    """

    rule: str
    fatal: bool
    description: str
    line: int
    offset: int
    text: str


def find_no_load() -> str | None:
    """Return None, as nothing is known of the computer on which a saved log was written."""
    return None


class Console:
    """A console log that may still grow."""

    def __init__(self, path: Path, *, find_load: Callable[[], str | None] = find_no_load) -> None:
        """Follow the log at `path`, which need not exist yet.

        `find_load` returns a sentence if this computer has no time for its guests now: a guest that stands still is
        then not lost.
        """
        self.path = path
        self.findings: list[ConsoleFinding] = []
        self.counts: Counter[str] = Counter()
        self._find_load = find_load
        self._lines = LineJudge()
        self._offset = 0

    @property
    def fatal(self) -> ConsoleFinding | None:
        """The first fatal finding in what was read so far."""
        return next((finding for finding in self.findings if finding.fatal), None)

    def read(self, *, ended: bool = False) -> list[ConsoleFinding]:
        """Read what is new, and return what was found in it.

        A line counts when it is complete, a prompt at once, and the last line of a log that has `ended` too.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._offset:  # another process has cut it, see `limit`
                    self._go_on(min(size, LARGEST))
                file.seek(self._offset)
                return self.read_from(file, ended=ended)
        except FileNotFoundError:
            return []

    def read_from(self, log: IO[bytes], *, ended: bool) -> list[ConsoleFinding]:
        """Read a log to its end as `read` does; it may be a pipe."""
        new: list[ConsoleFinding] = []
        while data := log.read(CHUNK):
            self._offset += len(data)
            new += self._keep(self._lines.feed(data))
        return new + self._keep(self._lines.look_ahead(ended=ended))

    def _keep(self, found: Iterable[tuple[ConsoleRule, ConsoleFinding]]) -> list[ConsoleFinding]:
        new = []
        for rule, judged in found:
            finding = judged
            load = self._find_load() if rule.starved else None
            if load:
                finding = replace(finding, fatal=False, description=f"{finding.description} {load}")
            self.counts[finding.rule] += 1
            if self.counts[finding.rule] <= KEPT or (finding.fatal and not self.fatal):
                self.findings.append(finding)
                new.append(finding)
        return new

    def limit(self, largest: int = LARGEST) -> None:
        """Cut a log that is larger after `largest` bytes that were read and judged, with a note there."""
        if self._offset <= largest:
            return
        with suppress(FileNotFoundError):
            cut = self.path.stat().st_size - largest
            if cut > 0:
                os.truncate(self.path, largest)
                self._go_on(largest)
                with self.path.open("ab") as file:
                    file.write(f"\n[{cut} bytes of the console were left out here]\n".encode())

    def _go_on(self, offset: int) -> None:
        self._offset = offset
        self._lines.go_on(offset)

    def format_tail(self, lines: int = 15) -> str:
        """Return the last lines of the log that say something, each behind a bar as in other error messages."""
        return _draw_bars([line for line in self._read_text(-1) if line.strip()][-lines:])

    def format_excerpt(self, lines: int = 15) -> str:
        """Return the lines that say most: those around the fatal one, and without one the last."""
        fatal = self.fatal
        if not fatal:
            return self.format_tail(lines)
        first = max(0, fatal.offset - SHOWN // 4)
        text = self._read_text(first)
        before = min(fatal.line - 1, len(self._read_text(first, fatal.offset - first)) - 1)
        begin = max(0, before - lines // 2)
        return _draw_bars(text[begin : begin + lines])

    def _read_text(self, first: int, size: int = SHOWN) -> list[str]:
        """Return lines of the log from an offset on, or its last ones for -1; none is longer than `PART`."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, 2)
                file.seek(first if first >= 0 else max(0, end - SHOWN))
                return [line[:PART] for line in strip_escapes(file.read(size)).split("\n")]
        except FileNotFoundError:
            return []


class LineJudge:
    """Cuts bytes that come in pieces to lines, and judges them; a line of any length takes the memory of a part."""

    def __init__(self) -> None:
        self._number = 1
        self._begin = 0  # of the line that is not complete yet
        self._rest = b""
        self._judged = 0  # bytes of that line that are gone already
        self._found: set[str] = set()  # rules that were found in it
        self._again: set[tuple[str, str]] = set()

    def feed(self, data: bytes) -> Iterator[tuple[ConsoleRule, ConsoleFinding]]:
        """Yield what is found in the lines, and long parts of lines, that are complete with this data."""
        *complete, rest = (self._rest + data).split(b"\n")
        for line in complete:
            yield from self._judge_parts(line, all_of_it=True)
            self._begin += self._judged + len(line) + 1
            self._number += 1
            self._judged = 0
            self._found.clear()
        self._rest = rest
        yield from self._judge_parts(rest, all_of_it=False)
        if len(rest) > PART:
            gone = (len(rest) - OVERLAP) // (PART - OVERLAP) * (PART - OVERLAP)
            self._rest = rest[gone:]
            self._judged += gone

    def go_on(self, offset: int) -> None:
        """Go on with a line that begins at another offset."""
        self._begin, self._rest, self._judged = offset, b"", 0
        self._found.clear()

    def look_ahead(self, *, ended: bool) -> Iterator[tuple[ConsoleRule, ConsoleFinding]]:
        """Yield what is found in a line without an end: a prompt, or all if nothing comes any more."""
        if self._rest:
            yield from self._judge(self._rest, begins=self._judged == 0, whole=ended)

    def _judge_parts(self, line: bytes, *, all_of_it: bool) -> Iterator[tuple[ConsoleRule, ConsoleFinding]]:
        step = PART - OVERLAP
        last = len(line) if all_of_it else (len(line) - OVERLAP) // step * step
        for place in range(0, max(last, 1 if all_of_it else 0), step):
            yield from self._judge(line[place : place + PART], begins=place + self._judged == 0, whole=True)

    def _judge(self, part: bytes, *, begins: bool, whole: bool) -> Iterator[tuple[ConsoleRule, ConsoleFinding]]:
        table = load_table()
        for message in list_messages(strip_escapes(part), begins=begins):
            match = table.find_rule(message, whole=whole)
            if match is None or match[0].name in self._found:
                continue
            rule, key = match
            self._found.add(rule.name)
            fatal = rule.fatal or (rule.repeated and (rule.name, key) in self._again)
            if rule.repeated:
                self._again.add((rule.name, key))
            yield (
                rule,
                ConsoleFinding(
                    rule=rule.name, fatal=fatal, description=rule.description, line=self._number,
                    offset=self._begin, text=message.text,
                ),
            )  # fmt: skip


def judge_line(line: bytes) -> str | None:
    """Return the name of the first rule that a line of a log fits, by its first `PART` bytes."""
    table = load_table()
    found = map(table.find_rule, list_messages(strip_escapes(line[:PART])))
    return next((match[0].name for match in found if match), None)


def format_warnings(
    findings: Iterable[ConsoleFinding],
    expected: Collection[str],
    log: str,
    counts: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[str]:
    """Yield a line for each rule that is not fatal, with the first line of the console that fits it.

    `counts` says how many there are of each rule, where not all findings are kept.
    """
    by_rule: dict[str, list[ConsoleFinding]] = {}
    for finding in findings:
        if not finding.fatal and finding.rule not in expected:
            by_rule.setdefault(finding.rule, []).append(finding)
    for name, found in by_rule.items():
        number = max(len(found), counts.get(name, 0))
        more = f" (and {pluralize(number - 1, 'more line')})" if number > 1 else ""
        first = found[0]
        yield f"{name}: {first.description} {log}:{first.line}: {first.text}{more}"


def _draw_bars(lines: list[str]) -> str:
    return "\n".join(f"  | {line.rstrip()}" for line in lines)
