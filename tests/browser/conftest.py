"""The browser of the tests."""

from collections.abc import Iterator

import pytest

from bench.report_browser import Browser, browsing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with browsing() as running:
        yield running
