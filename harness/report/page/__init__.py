"""What all HTML pages share: the base template, the stylesheet, and how foreign text gets into them.

A page is one file: it loads nothing, and its content security policy forbids that it does. The policy
names the hashes of the page's own style and script, so that nothing else runs even if escaping failed.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.text import clean

__all__ = ["bound", "clean", "clean_line", "embed", "format_percent", "render"]

CUT = "[… {} characters left out …]"

HERE = Path(__file__).parent

OUTSIDE_JSON = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""Signs that could end a script element or a JavaScript line, as JSON escapes."""


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
    """Return a probability for people: never 0 or 100 % unless it is exactly that."""
    if chance <= 0 or chance >= 1:
        return "0 %" if chance <= 0 else "100 %"
    if chance < 0.001:  # noqa: PLR2004 - a tenth of a percent
        return "<0.1 %"
    if chance > 0.999:  # noqa: PLR2004 - the same from above
        return ">99.9 %"
    return f"{100 * chance:.1f} %"


def embed(value: object) -> str:
    """Return JSON that can stand in a script element of HTML: nothing in it is markup.

    Raises:
        ValueError: The value has a number that JSON cannot say.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(OUTSIDE_JSON)


def render(template: Path, *, style: str = "", script: str = "", **values: object) -> str:
    """Render a page from a template that extends `base.html`.

    Args:
        template: The template, a file.
        style: CSS for this kind of page, after the shared stylesheet.
        script: JavaScript of the page; it must not contain a closing script tag.
        values: What the template needs; it is an error to leave something out.
    """
    # Without a line end before and after, so that what is hashed is what stands between the tags.
    sheet = f"{(HERE / 'style.css').read_text(encoding='utf-8')}\n{style}".strip()
    environment = Environment(
        loader=FileSystemLoader([template.parent, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "clean": clean,
        "bounded": bound,
        "percent": format_percent,
        "whole": clean_line,
    }
    environment.filters.update(filters)
    page = environment.get_template(template.name)
    return page.render(
        sheet=sheet, sheet_hash=_hash(sheet), script=script.strip(), script_hash=_hash(script.strip()), **values
    )


def _hash(text: str) -> str:
    """Return a source expression of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
