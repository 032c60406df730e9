"""The table of what means something on a serial console, harness/console.yaml, and what it says of a message."""

import re
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, model_validator

from harness import yamlfile
from harness.console.line import Message
from harness.errors import UsageError
from harness.yamlerror import check_pattern
from harness.yamlfile import FileModel

__all__ = ["ConsoleFile", "ConsoleRule", "check_names", "load_table"]

TABLE = Path(__file__).parents[1] / "console.yaml"


Pattern = Annotated[str, AfterValidator(check_pattern)]


class ConsoleWriter(FileModel):
    """Somebody who writes to a console.

    Attributes:
        prefix: Regular expression of what may stand before a message.
        stamped: Whether a message counts only with the kernel's time stamp.
    """

    prefix: Pattern = ""
    stamped: bool = False


class ConsoleRule(FileModel):
    """One kind of message; several rules of one name say what one rule with several patterns would.

    Attributes:
        name: Short name; a suite that provokes such lines names it below `expect` in its suite.yaml.
        writer: Who must have written it.
        pattern: Regular expression, matched at the beginning of the message.
        unless: Regular expression, matched there too, that lets the message pass after all.
        fatal: Whether the guest is lost.
        prompt: Whether it counts before its line has an end.
        starved: Whether a computer that is too busy causes it as well, and then is no more than a warning.
        repeated: Whether the second one with the same first group is fatal.
        description: What it means, a whole sentence.
    """

    name: str
    writer: str
    pattern: Pattern
    unless: Pattern | None = None
    fatal: bool
    prompt: bool = False
    starved: bool = False
    repeated: bool = False
    description: str


class ConsoleFile(FileModel):
    """harness/console.yaml."""

    name: str
    description: str
    writers: Mapping[str, ConsoleWriter]
    rules: tuple[ConsoleRule, ...]

    @model_validator(mode="after")
    def _check_writers(self) -> "ConsoleFile":
        for rule in self.rules:
            if rule.writer not in self.writers:
                raise ValueError(f"the rule {rule.name} has a writer `{rule.writer}` that is not among the writers")
        try:
            _ = self._all
        except (re.error, OverflowError, RecursionError) as error:
            # A flag belongs to the beginning of an expression, and a name to one group.
            raise ValueError(f"the patterns of writers and rules cannot be used together: {error}") from error
        return self

    @cached_property
    def _compiled(self) -> tuple[tuple[ConsoleRule, bool, re.Pattern[str], re.Pattern[str] | None], ...]:
        return tuple(
            (
                rule,
                self.writers[rule.writer].stamped,
                re.compile(f"{self.writers[rule.writer].prefix}(?:{rule.pattern})"),
                re.compile(rule.unless) if rule.unless else None,
            )
            for rule in self.rules
        )

    @cached_property
    def _all(self) -> re.Pattern[str]:
        """What any rule matches; most lines mean nothing, and cost one look that way."""
        return re.compile("|".join(f"(?:{pattern.pattern})" for _, _, pattern, _ in self._compiled))

    def find_rule(self, message: Message, *, whole: bool = True) -> tuple[ConsoleRule, str] | None:
        """Return the first rule that matches a message and the first group of the match; None if none does.

        Without the end of its line (`whole`) a message counts as a prompt only.
        """
        if not self._all.match(message.text):
            return None
        for rule, stamped, pattern, unless in self._compiled:
            if (whole or rule.prompt) and (message.stamped or not stamped):
                match = pattern.match(message.text)
                if match and not (unless and unless.match(message.text)):
                    return rule, (match[1] or "") if pattern.groups else ""
        return None


@cache
def load_table() -> ConsoleFile:
    """Return the table that ships with the harness."""
    return yamlfile.load(TABLE, ConsoleFile)


def check_names(names: Collection[str]) -> None:
    """Raise UsageError if one of the names is not that of a rule."""
    unknown = set(names) - {rule.name for rule in load_table().rules}
    if unknown:
        raise UsageError(f"The console rules {', '.join(sorted(unknown))} do not exist; see harness/console.yaml.")
