"""Foreign text made harmless, and numbers as people read them."""

import re

__all__ = ["bounded", "clean", "percent", "whole"]

SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor (ECMA-48, 5.4)
    # OSC and other strings; another start ends one, or many starts without an end would take time by their square.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"  # all other sequences
)
"""What a terminal would act upon and not show."""

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls that are left
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing and so hides text
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # no characters: halves, such as invalid UTF-8 leaves, and others
)

CUT = "[… {} characters left out …]"


def clean(text: str) -> str:
    """Text that shows what it is: no terminal sequences, no controls but line ends and tabs, no half characters."""
    text = SEQUENCES.sub("", text.replace("\r\n", "\n"))
    text = re.sub("[\r\x0b\x0c\x85\u2028\u2029]", "\n", text)
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def bounded(text: str, most: int, *, lines: int | None = None) -> str:
    """Clean text of at most about `most` characters (and `lines` lines): its beginning and, mostly, its end."""
    text = clean(text)
    if lines is not None and (rows := text.splitlines())[lines:]:
        head, tail = lines // 4, lines - lines // 4
        text = "\n".join([*rows[:head], f"[… {len(rows) - lines} lines left out …]", *rows[-tail:]])
    if len(text) <= most:
        return text
    head, tail = most // 4, most - most // 4
    return f"{text[:head]}\n{CUT.format(len(text) - most)}\n{text[-tail:]}"


def whole(text: str, most: int = 200) -> str:
    """Clean text as one line of at most `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def percent(chance: float) -> str:
    """A probability for people: never 0 or 100 % unless it is exactly that."""
    if chance <= 0 or chance >= 1:
        return "0 %" if chance <= 0 else "100 %"
    if chance < 0.001:  # noqa: PLR2004 - a tenth of a percent
        return "<0.1 %"
    if chance > 0.999:  # noqa: PLR2004 - the same from above
        return ">99.9 %"
    return f"{100 * chance:.1f} %"
