"""Sizes as people write them."""

import pytest

from harness.text import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("2K", 2048), (" 1.5 m ", 3 << 19), ("20G", 20 << 30), ("1TiB", 1 << 40)]
)
def test_size_is_read_and_written(text: str, size: int) -> None:
    """Units are powers of 1024, with or without iB; what is written is read as the same."""
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1.G", "5 X", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
