"""What a file of another tool says about one case, whatever its format; and what our own JUnit says besides.

Properties of ours are in JSON, which carries any character; files of before December 2026 have none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model import Outcome

__all__ = [
    "BROKEN", "CELL", "LONGEST", "MESSAGE", "NODEID", "OUTSIDE", "PREFIX", "RUN", "ForeignCase", "ForeignReport",
    "ForeignSuite", "make_outside", "shorten_text",
]  # fmt: skip

LONGEST = 1000
"""Characters of a message that a reader keeps."""
PREFIX = "harness."
"""How the types and properties begin."""
RUN = "harness.run"
"""Property of the first suite: what result.json says of the run, without its cells."""
CELL = "harness.cell"
"""Property of a suite: the cell's identifier, axes, facts and error."""
NODEID = "harness.nodeid"
"""Property of a case: its node id, where class and name do not say it."""
MESSAGE = "harness.message"
"""Property of a case that wants a look: its message."""
BROKEN = "cell"
"""Name of the case by which a cell that broke is red in a CI system."""

OUTSIDE = "(outside of the cases)"
"""Name of the case that stands for what broke next to the cases of a suite: class loading, setup, a crash."""

VAGUE = frozenset({"", "failed", "failure", "error", "test failed", "test failure", "exception"})
"""Messages of writers that put the reason into the text: go-junit-report, gotestsum, meson, PHPUnit."""


@dataclass(slots=True, kw_only=True)
class ForeignSuite:
    """A suite, class, package or file of cases; its properties are whole when its first case is read.

    Attributes:
        path: Its name after those of the suites that it is in.
        repeats: Whether the format says that a case which is there again was executed again.
    """

    path: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    repeats: bool = False

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1] if self.path else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCase:
    """One case, as often as it is in the file.

    Attributes:
        owner: Its class, or what the tool has for one; empty if it says none.
        message: One line: why it failed.
        properties: What the file says of it by name.
    """

    suite: ForeignSuite
    owner: str
    name: str
    outcome: Outcome
    message: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodeid(self) -> str:
        """Its name, the same in another file of the same tool."""
        owner = self.owner or self.suite.name
        return f"{owner}::{self.name}" if owner else self.name

    @property
    def place(self) -> str:
        """Where it is, by which cases with equal node ids are told apart."""
        return " / ".join((*self.suite.path, *((self.owner,) if self.owner else ())))


@dataclass(slots=True, kw_only=True)
class ForeignReport:
    """What is known of a file besides its cases, while they are read.

    Attributes:
        name: The file, as messages name it.
        started: When its tests began, as it says; empty if it does not.
        suites: All suites of a JUnit file, those without cases as well.
        problems: Why it is not whole, each a sentence.
    """

    name: str
    started: str = ""
    suites: list[ForeignSuite] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def make_outside(suite: ForeignSuite, message: str) -> ForeignCase:
    """Return the case that stands for what broke next to the cases of a suite."""
    return ForeignCase(suite=suite, owner="", name=OUTSIDE, outcome=Outcome.ERROR, message=message[:LONGEST])


def shorten_text(message: str, text: str) -> str:
    """Return a failure's message, or the beginning of its text where the message says nothing."""
    if message.strip().lower() not in VAGUE:
        return message[:LONGEST]
    return text.strip()[:LONGEST] or message[:LONGEST]
