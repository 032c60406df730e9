"""The browser of the tests, and the page of a test in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.report_browser import Browser, Tab, browsing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with browsing() as running:
        yield running


@pytest.fixture
def tab(browser: Browser, page: Path) -> Iterator[Tab]:
    """The page, opened; in the end it did not complain, and nothing that a guest said was run."""
    opened = browser.open(page)
    yield opened
    assert [] == opened.complaints()
    assert opened.run("window.hurt") is None
    opened.call("Page.close")
