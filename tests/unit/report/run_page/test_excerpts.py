"""Bounded looks into files that guests wrote."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.page import clean
from harness.report.run_page.excerpts import clean_passage, find_cited, make_excerpt


@pytest.mark.slow
@given(
    content=st.lists(st.sampled_from([b"line\n", b"Oops: BUG: \n", b"\xff", b"x" * 90, b"\r\n", b"\n"]), max_size=200),
    most=st.integers(200, 1500),
    lines=st.lists(st.integers(0, 100), max_size=4),
    trouble=st.booleans(),
)
def test_an_excerpt_is_pieces_of_the_file(content: list[bytes], most: int, lines: list[int], trouble: bool) -> None:  # noqa: FBT001
    """Pieces are in order and apart, clean, and not much more than was asked for; a small file is there as a whole."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "console.log")
        path.write_bytes(b"".join(content))
        found = make_excerpt(path, most, lines=lines, trouble=trouble)
        size = path.stat().st_size

    assert found is not None
    assert size == found.size
    assert all(part.skipped >= 0 and clean(part.text) == part.text for part in found.parts)
    left_out = found.skipped + sum(part.skipped for part in found.parts)
    assert size - left_out >= min(size, most // 2) - 4 * 400
    if size <= most:
        assert 0 == left_out
        assert [clean(b"".join(content).decode(errors="replace")).rstrip("\n")] == [
            part.text for part in found.parts
        ] or not size


def test_an_excerpt_has_beginning_end_and_trouble(tmp_path: Path) -> None:
    """The first and the last lines are there, the line that a message cites, and what looks like a panic; lines are counted."""
    lines = [f"line {number} of a long console" for number in range(1, 20_001)]
    lines[11_999] = "Kernel panic - not syncing: Attempted to kill init"
    path = tmp_path / "console.log"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = make_excerpt(
        path, 8000, lines=find_cited(["The guest died. See console.log:5000: x"], "console.log"), trouble=True
    )

    assert found is not None
    text = "\n".join(part.text for part in found.parts)
    for line in (1, 5000, 12_000, 20_000):
        assert lines[line - 1] in text
    for part in found.parts:
        assert part.line is not None
        assert part.text.splitlines() == lines[part.line - 1 : part.line - 1 + len(part.text.splitlines())]
    assert len(text) <= 9000


def test_text_is_bounded_in_time_and_size() -> None:
    """Text without end is cut before it is cleaned, and starts of terminal strings without an end cost no square of time."""
    assert len(clean_passage("\x90" * 50_000_000, 2000)) < 2200
    assert clean("\x90" * 2_000_000) == "\N{REPLACEMENT CHARACTER}" * 2_000_000
