"""docs/reference/rkt-2019.md: it is what the data says, and what the data says of the double and of the prediction is so."""

import re

import pytest

from harness.model import CgroupMode
from tests.helpers.minirkt import TREE
from tools.rkt_breakages import PAGE, Breakage, Shown, find_problems, format_page, read
from tools.rkt_coverage import list_cases
from tools.rkt_predictions import read_prediction

ROWS = read()
SHOWN = [row for row in ROWS if row.shown is not None]
PREDICTION = read_prediction()


def test_nothing_is_wrong_with_the_rows() -> None:
    """A case that was renamed is reported with its row."""
    assert [] == find_problems(ROWS, list_cases())


def test_what_is_wrong_is_a_sentence() -> None:
    """A case that there is not, a double that is the same, a name twice."""
    shown = Shown(
        channel="bookworm",
        mode=CgroupMode.LEGACY,
        case="a/test_b.py::test_c",
        red="1",
        green="1",
    )
    row = Breakage(name="x", change="c", broke="b", source="rkt#1", shown=shown, fix="f")
    said = " ".join(find_problems((row, row), frozenset()))

    assert "the name x is there twice" in said
    assert "there is no case a/test_b.py::test_c" in said
    assert "the same in red and green" in said


def test_the_page_is_what_the_data_says() -> None:
    """It is made again by `python -m tools.rkt_breakages`."""
    assert PAGE.read_text(encoding="utf-8") == format_page(ROWS)


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.name)
def test_kinds_are_what_the_double_has(row: Breakage) -> None:
    """Words of repair and of what can be broken; a repair makes green, and what is broken red."""
    assert row.shown
    text = (TREE / "usr" / "lib" / "minirkt" / "common.sh").read_text()
    known = {name: set(words.split()) for name, words in re.findall(r"^(REPAIRS|BREAKS)='(.*)'", text, re.MULTILINE)}
    (_, *red), (_, *green) = row.shown.red.split(), row.shown.green.split()

    assert {word.removeprefix("!") for word in red} <= known["BREAKS"]
    assert set(green) <= known["REPAIRS"]


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.name)
def test_what_is_red_as_found_is_predicted(row: Breakage) -> None:
    """A row whose red double is the last release as found is an expectation of matrix-rkt.yaml in its cell, and no other row is."""
    assert row.shown
    shown = row.shown
    (cell,) = (cell for cell in PREDICTION.cells if (cell.channel, cell.cgroup) == (shown.channel, shown.mode))
    predicted = any(item.is_about(shown.case) for item in PREDICTION.expectations[cell])

    assert predicted == (shown.red == "1.30.0")
