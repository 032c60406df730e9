"""The serial console as evidence: read while it grows, and compared with a table of patterns.

The table is harness/console.yaml. A fatal line means that the guest is lost, whatever a test says.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from harness import yamlfile
from harness.errors import UsageError
from harness.text import pluralize, strip_escapes
from harness.yamlfile import FileModel

__all__ = ["Console", "ConsoleFinding", "ConsoleRule", "check_names", "format_warnings", "load_rules"]

TABLE = Path(__file__).with_name("console.yaml")


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"`{text}` is no regular expression: {error}") from error
    return text


class ConsoleRule(FileModel):
    """One kind of line.

    Attributes:
        name: Short name; a suite that provokes such lines names it below `expect` in its suite.yaml.
        pattern: Regular expression, searched in the line.
        unless: Regular expression that lets the line pass after all.
        fatal: Whether the guest is lost.
        description: What it means, a whole sentence.
    """

    name: str
    pattern: Annotated[str, AfterValidator(_check_pattern)]
    unless: Annotated[str, AfterValidator(_check_pattern)] | None = None
    fatal: bool
    description: str

    def matches(self, line: str) -> bool:
        """Whether the line is of this kind."""
        # re keeps the compiled patterns in a cache of its own.
        return bool(re.search(self.pattern, line)) and not (self.unless and re.search(self.unless, line))


class ConsoleFile(FileModel):
    """harness/console.yaml."""

    name: str
    description: str
    rules: tuple[ConsoleRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFinding:
    """A line of a console that fits a rule.

    Attributes:
        line: Number of the line in the log, from 1.
        text: The line, without escapes.
    """

    rule: str
    fatal: bool
    description: str
    line: int
    text: str


@cache
def load_rules() -> tuple[ConsoleRule, ...]:
    """Return the table of patterns that ships with the harness."""
    return yamlfile.load(TABLE, ConsoleFile).rules


def check_names(names: Collection[str]) -> None:
    """Raise UsageError if one of the names is not that of a rule."""
    unknown = set(names) - {rule.name for rule in load_rules()}
    if unknown:
        raise UsageError(f"The console rules {', '.join(sorted(unknown))} do not exist; see harness/console.yaml.")


def format_warnings(findings: Iterable[ConsoleFinding], expected: Collection[str], log: str) -> Iterator[str]:
    """Yield a line for each rule that is not fatal, with the first line of the console that fits it."""
    by_rule: dict[str, list[ConsoleFinding]] = {}
    for finding in findings:
        if not finding.fatal and finding.rule not in expected:
            by_rule.setdefault(finding.rule, []).append(finding)
    for name, found in by_rule.items():
        more = f" (and {pluralize(len(found) - 1, 'more line')})" if len(found) > 1 else ""
        first = found[0]
        yield f"{name}: {first.description} {log}:{first.line}: {first.text}{more}"


class Console:
    """A console log that may still grow."""

    def __init__(self, path: Path) -> None:
        """Follow the log at `path`, which need not exist yet."""
        self.path = path
        self.findings: list[ConsoleFinding] = []
        self._offset = 0
        self._lines = 0

    @property
    def fatal(self) -> ConsoleFinding | None:
        """The first fatal finding in what was read so far."""
        return next((finding for finding in self.findings if finding.fatal), None)

    def read(self) -> list[ConsoleFinding]:
        """Read what is new, and return what was found in it. A line counts when it is complete."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        new = [finding for line in complete.split(b"\n")[:-1] if (finding := self._judge(strip_escapes(line)))]
        self.findings += new
        return new

    def format_tail(self, lines: int = 15) -> str:
        """Return the last lines of the log that say something, each behind a bar as in other error messages."""
        return _draw_bars([line for line in self._read_text() if line.strip()][-lines:])

    def format_excerpt(self, lines: int = 15) -> str:
        """Return the lines that say most: those around the fatal one, and without one the last."""
        if not self.fatal:
            return self.format_tail(lines)
        begin = max(0, self.fatal.line - 1 - lines // 2)
        return _draw_bars(self._read_text()[begin : begin + lines])

    def _read_text(self) -> list[str]:
        try:
            return strip_escapes(self.path.read_bytes()).split("\n")
        except FileNotFoundError:
            return []

    def _judge(self, line: str) -> ConsoleFinding | None:
        self._lines += 1
        for rule in load_rules():
            if rule.matches(line):
                return ConsoleFinding(
                    rule=rule.name, fatal=rule.fatal, description=rule.description, line=self._lines, text=line.strip()
                )
        return None


def _draw_bars(lines: list[str]) -> str:
    return "\n".join(f"  | {line.rstrip()}" for line in lines)
