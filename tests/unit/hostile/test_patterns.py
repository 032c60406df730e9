"""Patterns of files: none hangs the harness, and none that Python cannot take gets further than its file."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
from pydantic import ValidationError

from harness.catalog.building import Fixup
from harness.console.table import ConsoleFile, ConsoleRule, ConsoleWriter
from harness.errors import InfrastructureError
from harness.matching import search
from harness.selection.names import compile_glob
from harness.yamlerror import TextError, check_pattern

ENDLESS = [
    r"(\w+\s?)+$", r"(a+)+$", r"(a|a)*$", r"(a|aa)+$", r"(.*a){25}$", r"([a-z]+)*\d", r"(a*)*b", r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?:a?){40}a{40}!", r"(x+x+)+y|(a+a+)+y",
]  # fmt: skip
"""Patterns for which Python's matcher takes longer than anybody waits."""
NONE = [
    "(", "[", "*", "a{99999999999}", r"\UFFFFFFFF", "(" * 3000 + ")" * 3000, "(?P<a>", "(?P<1>x)", "a" * 3000, r"\1", "(?<=a*)b", "[z-a]", "x{3,1}",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ENDLESS)
def test_no_pattern_hangs(pattern: str) -> None:
    """It is found, not found, or given up with a sentence, soon after its time is over."""
    begin = time.monotonic()
    with suppress(InfrastructureError):
        search(check_pattern(pattern), "a" * 60 + "!", seconds=1.0)
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("pattern", NONE)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """With a sentence, and not with what Python raises."""
    with pytest.raises(TextError, match="regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("payload", "no payload here"),
        ("^b", "a\nb"),
        ("a$", "a\n"),
        ("é.\\d", "xé-7"),
        ("(?m)^b$", "a\nb\nc"),
        ("", ""),
    ],
)
def test_a_pattern_is_found_as_before(pattern: str, text: str) -> None:
    """The process says what Python says here."""
    assert search(pattern, text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["*a" * 30, "*" * 500, "*a*b" * 20 + "c", "?*" * 40 + "x", "a*" * 60 + "z"])
def test_no_glob_hangs(pattern: str) -> None:
    """However many stars there are, a node id is compared in no time."""
    begin = time.process_time()
    compile_glob(pattern).match("a" * 400 + "b" * 100)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a*c", ["ac", "abc", "a\nc", "acc"], ["a", "c", "acd"]),
        ("*b*", ["b", "abc"], ["", "ac"]),
        ("*ab", ["ab", "aab", "abab"], ["aba"]),
        ("a?c*", ["abc", "abcd"], ["ac", "abx"]),
        ("*a*a*", ["aa", "xaxax"], ["a"]),
        ("x[1]", ["x[1]"], ["x1"]),
        ("", [""], ["a"]),
        ("**", ["", "a"], []),
        ("*?b", ["ab", "bb", "xbb"], ["b"]),
    ],
)
def test_a_glob_means_what_it_meant(pattern: str, yes: list[str], no: list[str]) -> None:
    """A star is any text, a question mark one character, and all else is itself."""
    assert all(compile_glob(pattern).match(text) for text in yes)
    assert not any(compile_glob(pattern).match(text) for text in no)


BAD_PATTERNS = ["(", "a{99999999999}", "(" * 1500, "\\UFFFFFFFF", "x" * 3000, "(?P<a", "[b-a]"]


@pytest.mark.parametrize("pattern", BAD_PATTERNS, ids=lambda text: text[:12])
def test_each_pattern_of_a_knowledge_file_is_one(pattern: str) -> None:
    """A fix-up's and a console rule's are refused where they are read, and not when they are first used."""
    with pytest.raises(ValidationError, match="regular expression"):
        Fixup(file="a", pattern=pattern, replacement="x", reason="A.")
    with pytest.raises(ValidationError, match="regular expression"):
        ConsoleRule(name="a", writer="w", pattern=pattern, fatal=True, description="A.")


@pytest.mark.parametrize(
    ("pattern", "replacement"), [("a", "\\1"), ("a", "\\g<b>"), ("(a)", "\\2"), ("a", "\\g<"), ("a|b", "\\x")]
)
def test_a_replacement_names_groups_that_there_are(pattern: str, replacement: str) -> None:
    """Another one would end the build of a tree in which the pattern is found, with a traceback."""
    with pytest.raises(ValidationError, match="cannot replace what"):
        Fixup(file="a", pattern=pattern, replacement=replacement, reason="A.")
    assert Fixup(file="a", pattern=f"({pattern})", replacement="\\1", reason="A.").replacement == "\\1"


@pytest.mark.parametrize("patterns", [("(?i)a", "b"), ("a", "(?i)b"), ("(?P<x>a)", "(?P<x>b)")])
def test_patterns_of_console_rules_work_together(patterns: Sequence[str]) -> None:
    """All rules are looked for at once; what cannot stand next to others is refused when the table is read."""
    rules = [ConsoleRule(name="a", writer="w", pattern=each, fatal=True, description="A.") for each in patterns]
    with pytest.raises(ValidationError, match="cannot be used together"):
        ConsoleFile(name="c", description="C.", writers={"w": ConsoleWriter()}, rules=tuple(rules))


def test_a_pattern_that_python_warns_of_is_quiet(recwarn: pytest.WarningsRecorder) -> None:
    """What a later Python may read otherwise is no line on a user's terminal."""
    assert check_pattern("[[a]") == "[[a]"
    assert not recwarn.list
