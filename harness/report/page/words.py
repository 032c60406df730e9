"""Foreign text of bounded length, and numbers as people read them."""

from harness.sanitize import clean

__all__ = ["bound", "clean_line", "format_percent"]

CUT = "[… {} characters left out …]"


def bound(text: str, most: int, *, lines: int | None = None) -> str:
    """Clean text of at most about `most` characters (and `lines` lines): its beginning and, mostly, its end."""
    text = clean(text)
    if lines is not None and (rows := text.splitlines())[lines:]:
        head, tail = lines // 4, lines - lines // 4
        text = "\n".join([*rows[:head], f"[… {len(rows) - lines} lines left out …]", *rows[-tail:]])
    if len(text) <= most:
        return text
    head, tail = most // 4, most - most // 4
    return f"{text[:head]}\n{CUT.format(len(text) - most)}\n{text[-tail:]}"


def clean_line(text: str, most: int = 200) -> str:
    """Clean text as one line of at most `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def format_percent(chance: float) -> str:
    """A probability for people: never 0 or 100 % unless it is exactly that."""
    if chance <= 0 or chance >= 1:
        return "0 %" if chance <= 0 else "100 %"
    if chance < 0.001:  # noqa: PLR2004 - a tenth of a percent
        return "<0.1 %"
    if chance > 0.999:  # noqa: PLR2004 - the same from above
        return ">99.9 %"
    return f"{100 * chance:.1f} %"
