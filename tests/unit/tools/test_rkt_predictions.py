"""docs/reference/rkt-predictions.md: it is what matrix-rkt.yaml says, and what was seen on the double is what was predicted."""

import pytest

from harness.model import CgroupMode
from tools.rkt_coverage import list_cases
from tools.rkt_predictions import PAGE, SuiteSeen, find_differences, format_page, read_prediction, read_seen

PREDICTION = read_prediction()


def test_the_page_is_what_the_matrix_says() -> None:
    """It is made again by `python -m tools.rkt_predictions`."""
    assert PAGE.read_text(encoding="utf-8") == format_page(PREDICTION, read_seen())


def test_what_the_double_did_is_what_was_predicted() -> None:
    """A prediction that is changed later has to be seen again: run the cell, and give the tool the run."""
    assert [] == find_differences(PREDICTION, read_seen())


def test_a_difference_is_a_sentence() -> None:
    """A case that is red without having been predicted, and one that was predicted and is not red; a skipped one is neither."""
    cell = next(cell for cell in PREDICTION.cells if (cell.channel, cell.cgroup) == ("bookworm", CgroupMode.UNIFIED))
    predicted = tuple(item.cases for item in PREDICTION.expectations[cell] if item.cases.startswith("pod/"))
    other = "pod/test_life.py::test_exit_status_is_passed_on[0]"

    def differ(red: tuple[str, ...], skipped: tuple[str, ...] = ()) -> list[str]:
        seen = SuiteSeen(double="x", passed=1, skipped=skipped, red=red)
        return find_differences(PREDICTION, {cell.id: {"pod": seen}})

    assert predicted
    assert differ(predicted) == differ(predicted[1:], predicted[:1]) == []
    assert differ((other, *predicted)) == [f"{cell.id}: {other} is red and not predicted."]
    assert differ(predicted[1:]) == [f"{cell.id}: {predicted[0]} is predicted and not red."]


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["bullseye", "bookworm", "trixie"])
@pytest.mark.parametrize("mode", list(CgroupMode))
def test_every_cell_is_predicted(channel: str, mode: CgroupMode) -> None:
    """In each there is something that rkt as found does wrong, and no prediction is about a case that there is not."""
    (cell,) = (cell for cell in PREDICTION.cells if (cell.channel, cell.cgroup) == (channel, mode))
    cases = list_cases()
    about = [item for item in PREDICTION.expectations[cell] if item.cases.partition("/")[0] in PREDICTION.suites]
    assert about
    assert [] == [
        item.cases for item in about
        if not any(item.is_about(case) or item.cases.startswith(f"{case}*") for case in cases)
    ]  # fmt: skip
