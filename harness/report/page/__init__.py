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

from harness.report.page.words import bound, clean_line, format_percent
from harness.sanitize import clean

__all__ = ["bound", "clean", "clean_line", "embed", "format_percent", "render"]

HERE = Path(__file__).parent

OUTSIDE_JSON = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""Signs that could end a script element or a JavaScript line, as JSON escapes."""


def embed(value: object) -> str:
    """JSON that can stand in a script element of HTML: nothing in it is markup.

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
    """A source expression of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
