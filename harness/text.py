"""Text for people: numbers and times in words, and what guests and other tools wrote made harmless.

What is not seen in a text can neither hide nor act. A text goes to one of these places. `clean` is for pages, which show
lines; `escape` for one line of a terminal, a message or Markdown, and `show` for all that goes to a terminal or a log,
where what is hidden is written out; `escape_json` for JSON; `strip_escapes` for a serial log, in which only what a reader
would see counts; `clean_xml` for XML, which cannot carry everything.
"""

import json
import re
import unicodedata

__all__ = [
    "clean", "clean_xml", "escape", "escape_json", "format_duration", "format_size", "parse_size", "pluralize", "show",
    "strip_escapes",
]  # fmt: skip

LONGEST = 300
"""Characters of a name or message that are shown."""

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of characters that are not seen and may change what is: controls, bidi marks, surrogates."""

STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
"""OSC and other strings; another start ends one, or many starts without an end would take time by their square."""
SEQUENCES = re.compile(rf"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|{STRING}|\x1b[ -/]*[0-~]")
"""What a terminal would act upon and not show: colours and cursor (ECMA-48, 5.4), strings, all other sequences."""

LINE_ENDS = re.compile("[\r\x0b\x0c\x85\u2028\u2029]")
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
NO_CHARACTERS = "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
"""Halves, such as invalid UTF-8 leaves, and others that are no characters."""
UNSEEN = re.compile(f"[{CONTROLS}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069{NO_CHARACTERS}]")
"""Controls that are left, what turns the direction of writing and so hides text, and what is no character."""

UNPRINTABLE = re.compile(r"[^\n\t -~\xa1-\xac\xae-\u02ff]")
"""Characters that may be hidden, in one class that is quick to look for."""

CI_COMMAND = re.compile(r"^([ \t]*)(::)|(##)(?=\[|vso\[)", re.MULTILINE)
"""What GitHub's and Azure's runners read as commands in a log ("Workflow commands", "Logging commands")."""

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry (section 2.2); a console is full of them."""

CONSOLE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]P^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, systemd's context marks
    rb"|\x1b[ -/]*[0-~]"
    rb"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"  # control characters, carriage return included
)
"""The same in bytes: what a reader of a serial log does not see."""

UNITS = "KMGT"
FACTOR = 1024
"""How many of a unit are the next."""
SIZE = re.compile(rf"([0-9]{{1,15}}(?:\.[0-9]+)?) *([{UNITS}]?)(?:i?B)?", re.IGNORECASE)


def clean(text: str) -> str:
    """Return text that shows what it is: no terminal sequences, no controls but line ends and tabs."""
    text = LINE_ENDS.sub("\n", SEQUENCES.sub("", text.replace("\r\n", "\n")))
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_xml(text: str) -> str:
    """Return text that XML can carry."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def strip_escapes(data: bytes) -> str:
    """Return console output as text, without terminal sequences and control characters."""
    return CONSOLE.sub(b"", data).decode(errors="replace")


def escape(text: str, longest: int = LONGEST) -> str:
    r"""Return a text on one line, in which what cannot be seen stands as `\x1b`, cut after `longest` characters.

    Only the part that is shown is looked at, so that a line of 100 MB costs no more than a short one.
    """
    cut = text[:longest]
    # str.isprintable() is false for each of the categories, and for separators other than the space.
    if not cut.isprintable():
        cut = "".join(" " if char in "\t\n\r" else _write_out(char) for char in cut)
    return cut + "…" if len(text) > longest else cut


def show(text: str) -> str:
    r"""Return text as a terminal may have it: what cannot be seen stands as `\x1b`, but line ends and tabs.

    What a CI system takes for a command to itself, `::set-output` at the beginning of a line or `##[group]`, gets a backslash.
    """
    if not text.isprintable():
        text = UNPRINTABLE.sub(lambda match: _write_out(match[0]), text)
    if "::" in text or "##" in text:
        text = CI_COMMAND.sub(lambda match: f"{match[1] or ''}\\{match[2] or match[3]}", text)
    return text


def escape_json(text: str) -> str:
    """Return JSON in which what cannot be seen stands as its number; only in strings there is such a character."""
    return UNPRINTABLE.sub(
        lambda match: match[0] if unicodedata.category(match[0]) not in HIDDEN else json.dumps(match[0])[1:-1], text
    )


def _write_out(char: str) -> str:
    if unicodedata.category(char) not in HIDDEN:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - as Python writes them


def pluralize(number: int, one: str, many: str | None = None) -> str:
    """Return a number and what it counts: `1 cell`, `2 cells`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def format_duration(seconds: float | None) -> str:
    """Return a time as people say it: `0.4 s`, `38 s`, `4 min 12 s`."""
    if seconds is None:
        return ""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a decimal says something
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def parse_size(text: str) -> int:
    """Return the bytes of a size; raise ValueError for what is none."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"`{text}` is not a size; write a number with K, M, G or T after it, such as 20G or 500M")
    return int(float(match[1]) * FACTOR ** (UNITS.find(match[2].upper()) + 1 if match[2] else 0))


def format_size(size: float) -> str:
    """Return a size as `parse_size` reads it."""
    unit = ""
    for larger in UNITS:
        if size < FACTOR:
            break
        size, unit = size / FACTOR, larger
    return f"{size:.1f}{unit}" if unit else f"{size:.0f}"
