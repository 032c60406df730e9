"""TAP, the Test Anything Protocol, versions 12 to 14: what prove, bats, node, meson and the kernel's own tests print.

https://testanything.org/tap-version-14-specification.html. tap-py (its last release is of January 2025) knows no
subtests, which bats and node write, so the few forms of a line are read here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from harness.errors import InfrastructureError
from harness.foreign.records import LONGEST, ForeignCase, ForeignReport, ForeignSuite, make_outside
from harness.model import Outcome
from harness.text import pluralize

__all__ = ["read_tap"]

LONGEST_LINE = 1 << 20
"""Bytes of a line that are looked at."""
TEST = re.compile(
    r"(?P<bad>not )?ok\b *(?P<number>\d+)?(?: *-)? *(?P<name>(?:[^#\\]|\\.|#(?! ?(?i:skip|todo)))*)(?:# *(?P<what>(?i:skip|todo))\w*:? *(?P<why>.*))?"
)
PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s*#.*)?")
SUBTEST = re.compile(r"# Subtest(?:: *(.*))?")
BAIL = re.compile(r"Bail out!\s*(.*)")
TIMED = re.compile(r"(?:\s*# *(?:time=|duration_ms |in )[\d.]+ *\w*|\s+in \d+ms)?(?:\s*\{)?$")
"""What node-tap and bats write after a name: how long it took, and that a subtest begins."""
MESSAGE = re.compile(r"(?:message|error): *(?P<quote>['\"]?)(.+?)(?P=quote)")


@dataclass(slots=True)
class _Level:
    """A document or a subtest while it is read."""

    suite: ForeignSuite
    planned: int | None = None
    seen: int = 0


def read_tap(stream: BinaryIO, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of a TAP document, as `read_cases` does."""
    reader = _Reader(report)
    while line := stream.readline(LONGEST_LINE):
        yield from reader.take(line.decode(errors="replace").rstrip("\r\n"))
    yield from reader.finish()


class _Reader:
    """Follows the lines of one document; a case is known when the lines about it have ended."""

    def __init__(self, report: ForeignReport) -> None:
        self.report = report
        self.levels = [_Level(ForeignSuite())]
        self.indents = [0]  # of the lines of each level: two spaces more in KTAP, four in TAP 14
        self.block: int | None = None  # spaces before the lines of a YAML block, which may be anything
        self.pending: ForeignCase | None = None
        self.title: str | None = None
        self.bailed = False

    def take(self, line: str) -> Iterator[ForeignCase]:
        """Read one line."""
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        if self.is_in_block(text, indent):
            self.learn_why(text)
            return
        test = TEST.fullmatch(text)
        if (subtest := SUBTEST.fullmatch(text)) is not None:
            self.title = subtest[1] or ""
        elif (plan := PLAN.fullmatch(text)) is not None:
            yield from self.move_to(self.find_depth(indent))
            self.levels[-1].planned = int(plan[1])
        elif (bail := BAIL.fullmatch(text)) is not None:
            self.bailed = True
            yield from self.flush()
            yield make_outside(self.levels[0].suite, f"The tests bailed out: {bail[1] or 'no reason is given'}.")
        elif test is not None:
            yield from self.move_to(self.find_depth(indent))
            self.levels[-1].seen += 1
            self.pending = _make_case(self.levels[-1].suite, test)
        else:
            self.learn_why(text)

    def is_in_block(self, text: str, indent: int) -> bool:
        """Return whether a line is of a YAML block below a test, from `---` to `...` or to a line that stands before it."""
        if self.block is None:
            if self.pending is not None and text == "---" and indent > self.indents[-1]:
                self.block = indent
            return self.block is not None
        if text and indent < self.block:
            self.block = None
            return False
        if text == "..." and indent == self.block:
            self.block = None
        return True

    def find_depth(self, indent: int) -> int:
        """Return on which level a line is, by the spaces before it."""
        while indent < self.indents[-1]:
            self.indents.pop()
        if indent > self.indents[-1]:
            self.indents.append(indent)
        return len(self.indents) - 1

    def learn_why(self, text: str) -> None:
        """Take what follows a failure as its message: `# ...`, or `message:` of a YAML block."""
        if self.pending is None or self.pending.message or not self.pending.outcome.wants_a_look:
            return
        said = MESSAGE.fullmatch(text)
        message = said[2] if said is not None else text.removeprefix("#").strip() if text.startswith("#") else ""
        if message:
            case = self.pending
            self.pending = ForeignCase(
                suite=case.suite, owner=case.owner, name=case.name, outcome=case.outcome, message=message[:LONGEST]
            )

    def flush(self) -> Iterator[ForeignCase]:
        """Yield the case whose lines have ended."""
        if self.pending is not None:
            yield self.pending
        self.pending = None

    def move_to(self, depth: int) -> Iterator[ForeignCase]:
        """Enter or leave subtests until the level of a line is the innermost one."""
        yield from self.flush()
        while len(self.levels) > depth + 1:
            yield from self.close(self.levels.pop())
        while len(self.levels) < depth + 1:
            path = (*self.levels[-1].suite.path, self.title or f"subtest {self.levels[-1].seen + 1}")
            self.levels.append(_Level(ForeignSuite(path=path)))
        self.title = None

    def finish(self) -> Iterator[ForeignCase]:
        """Yield what the end of the document says."""
        yield from self.move_to(0)
        level = self.levels[0]
        if level.planned is None and not level.seen:
            raise InfrastructureError(f"{self.report.name}:1:1: this TAP document has neither a plan nor a test.")
        if level.planned is None and not self.bailed:
            self.report.problems.append(f"{self.report.name} has no plan (`1..N`), so it may have been cut off.")
        yield from self.close(level)

    def close(self, level: _Level) -> Iterator[ForeignCase]:
        """Yield that a plan was not kept, if it was not."""
        if level.planned is not None and level.planned != level.seen and not self.bailed:
            planned = pluralize(level.planned, "test was", "tests were")
            yield make_outside(level.suite, f"{planned} planned, and {level.seen or 'none'} ended.")


def _make_case(suite: ForeignSuite, test: re.Match[str]) -> ForeignCase:
    what = (test["what"] or "").lower()
    if what == "skip":
        outcome = Outcome.SKIPPED
    elif what == "todo":
        outcome = Outcome.XFAILED if test["bad"] else Outcome.XPASSED
    else:
        outcome = Outcome.FAILED if test["bad"] else Outcome.PASSED
    name = re.sub(r"\\([#\\])", r"\1", TIMED.sub("", test["name"].strip())) or f"#{test['number'] or '?'}"
    return ForeignCase(suite=suite, owner="", name=name, outcome=outcome, message=test["why"] or "")
