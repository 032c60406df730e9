"""Text of guests and of other tools, made fit to be shown: no escapes, no tricks, bounded length."""

import unicodedata

__all__ = ["visible"]

LONGEST = 300
"""Characters of a name or message that are shown."""

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of characters that are not seen and may change what is: controls, bidi marks, surrogates."""


def visible(text: str, longest: int = LONGEST) -> str:
    r"""A text on one line, in which what cannot be seen stands as `\x1b`, cut after `longest` characters.

    Only the part that is shown is looked at, so that a line of 100 MB costs no more than a short one.
    """
    cut = text[:longest]
    # str.isprintable() is false for each of the categories, and for separators other than the space.
    if not cut.isprintable():
        cut = "".join(map(_shown, cut))
    return cut + "…" if len(text) > longest else cut


def _shown(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if unicodedata.category(char) not in HIDDEN:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - as Python writes them
