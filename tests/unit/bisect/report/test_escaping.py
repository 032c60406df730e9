"""Nothing that a guest prints, or a commit says, becomes more than text in a bisection's reports."""

import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from harness.bisect.report import View, render_bug_report, render_page, render_summary
from harness.report.page import bound, clean, clean_line
from tests.helpers.bisection_views import Structure, name_of, proven, says, searched, straight, with_answer

PLAIN = searched(straight(24), says({name_of(number) for number in range(13, 25)}))

NASTY = (
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "&lt;b&gt;", "\"' onclick='x", "{{ 7 * 7 }}{% raw %}",
    "\x1b]8;;file:///etc/passwd\x07click\x1b]8;;\x07", "\x1b[31mred\x1b[0m", "\x9b2J", "\x00\x07\x08", "\udcff\ud800", "\ufffe",
    "\u202etxt.exe", "\u2028\u2029", "\r\n", "````\n", "~~~", "@lennart fixes #1 https://example.org", "![x](y)", "|",
)  # fmt: skip

foreign = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=20)), max_size=6
).map("".join)
"""Text as guests, commit messages and file names have it: any characters, halves of them too, and all that is known to hurt."""


PARSED = {
    "heading_open", "heading_close", "inline", "paragraph_open", "paragraph_close", "fence",
    "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
    "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close",
    "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close",
}  # fmt: skip
"""Blocks of Markdown in a report."""

HEADINGS = ["h1", "h2", "h2", "h2", "h2", "h2"]


def infested(text: str) -> View:
    """Return a view that has the text in each place that somebody else fills; nothing validates it."""
    view = with_answer(proven(PLAIN, text), sentence=text)
    begun = view.begun.model_copy(
        update={
            "subject": text, "repository": text, "tests": (text,), "started": text, "facts": {text: text}, "cell": text,
            "term_old": text, "term_new": text, "paths": (text,), "canary": text, "harness": text,
        }
    )  # fmt: skip
    hostile = {
        "purpose": text, "reason": text, "message": text, "artifact": text, "evidence": text, "seconds": {text: 1.0},
    }  # fmt: skip
    return replace(
        view,
        begun=begun,
        commits=tuple(replace(commit, subject=text, author=text, date=text) for commit in view.commits),
        steps=tuple(replace(step, result=step.result.model_copy(update=hostile)) for step in view.steps),
    )


EXPECTED = Structure(render_page(proven(PLAIN)))


@pytest.mark.slow
@given(foreign)
@example("".join(NASTY))
@settings(max_examples=25)
def test_foreign_text_stays_text(text: str) -> None:
    """Whatever stands in a message, a log or a path: the page has no other elements, scripts or links, and shows the text."""
    found = render_page(infested(text))
    found.encode()
    structure = Structure(found)

    assert structure.elements <= EXPECTED.elements
    assert all(re.fullmatch(r"#step=\d+", link) for link in structure.links)
    assert EXPECTED.text["script"][1:] == structure.text["script"][1:]
    assert 2 == len(structure.text["script"])
    assert json.loads(structure.text["script"][0])["steps"][0]["purpose"] == clean_line(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", found)
    assert any(clean(text).rstrip("\n") in shown for shown in structure.text["pre"])


@given(foreign)
@example("".join(NASTY))
@settings(max_examples=25)
def test_foreign_text_stays_in_its_block_of_markdown(text: str) -> None:
    """A parser of Markdown finds the same blocks as with plain text: no other headings or markup, and no mentions in prose."""
    report = render_bug_report(infested(text))
    report.encode()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(report)
    inline = [child for token in tokens for child in token.children or ()]
    prose = "\n".join(child.content for child in inline if child.type == "text")

    assert PARSED >= {token.type for token in tokens}
    assert {"text", "code_inline", "softbreak"} >= {child.type for child in inline}
    assert HEADINGS == [token.tag for token in tokens if token.type == "heading_open"]
    assert not re.search(r"@|#\w", prose)
    # One that is blank with this text is left out: the revert's, what it says of properties.
    assert sum(token.type == "fence" for token in tokens) in {6, 7, 8}


@given(foreign)
@settings(max_examples=25)
def test_foreign_text_does_not_move_the_cursor(text: str) -> None:
    """Nothing that a terminal would act on gets to it."""
    out = io.StringIO()
    Console(file=out, width=120).print(render_summary(infested(text)))

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", out.getvalue())


@given(foreign, st.integers(60, 400))
def test_cleaning(text: str, most: int) -> None:
    """Clean text stays as it is when cleaned again; what is cut says so and is not much longer than allowed."""
    assert clean(clean(text)) == clean(text)
    assert len(bound(text * 20, most)) <= most + 50
    assert "\n" not in clean_line(text)
