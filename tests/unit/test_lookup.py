"""Remembered answers: asked once, asked again when they are old, and better old than none."""

import json
import time

import pytest

from harness import lookup
from harness.errors import InfrastructureError
from harness.store import Store


class Oracle:
    """Counts how often it is asked; may be out of reach."""

    def __init__(self) -> None:
        self.asked = 0
        self.reachable = True

    def __call__(self) -> dict[str, int]:
        """Return the number of this question."""
        self.asked += 1
        if not self.reachable:
            raise InfrastructureError("The oracle cannot be reached.")
        return {"answer": self.asked}


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


def test_an_answer_is_asked_for_once(empty: Store, oracle: Oracle) -> None:
    """The second time, the remembered answer counts."""
    first = lookup.ask_remembered(empty, "kind", {"what": 1}, oracle)
    assert first == lookup.ask_remembered(empty, "kind", {"what": 1}, oracle)
    assert 1 == oracle.asked


def test_another_question_has_another_answer(empty: Store, oracle: Oracle) -> None:
    """Answers to different questions, or of different kinds, are not mixed up."""
    answers = [
        lookup.ask_remembered(empty, kind, {"what": what}, oracle)["answer"] for kind in ("a", "b") for what in (1, 2)
    ]
    assert [1, 2, 3, 4] == answers


def test_an_old_answer_is_asked_for_again(empty: Store, oracle: Oracle) -> None:
    """After its hours an answer does not count any more."""
    lookup.ask_remembered(empty, "kind", {}, oracle)
    (path,) = (empty.root / "lookup").iterdir()
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"asked": time.time() - lookup.HOURS * 3600 - 1}))
    assert {"answer": 2} == lookup.ask_remembered(empty, "kind", {}, oracle)


def test_an_old_answer_is_better_than_none(empty: Store, oracle: Oracle) -> None:
    """When the outside cannot be reached, what it said last counts."""
    lookup.ask_remembered(empty, "kind", {}, oracle)
    oracle.reachable = False
    assert {"answer": 1} == lookup.ask_remembered(empty, "kind", {}, oracle, hours=0)
    assert 2 == oracle.asked


def test_no_answer_at_all_is_an_error(empty: Store, oracle: Oracle) -> None:
    """When the outside cannot be reached and never was, its error is passed on."""
    oracle.reachable = False
    with pytest.raises(InfrastructureError, match="oracle"):
        lookup.ask_remembered(empty, "kind", {}, oracle)


def test_a_damaged_answer_is_asked_for_again(empty: Store, oracle: Oracle) -> None:
    """Half a file, from a computer that was switched off, is no answer."""
    lookup.ask_remembered(empty, "kind", {}, oracle)
    (path,) = (empty.root / "lookup").iterdir()
    path.write_text('{"asked": 12')
    assert {"answer": 2} == lookup.ask_remembered(empty, "kind", {}, oracle)


def test_forgetting_asks_everything_anew(empty: Store, oracle: Oracle) -> None:
    """After `forget` nothing is remembered, and forgetting twice is fine."""
    lookup.ask_remembered(empty, "kind", {}, oracle)
    lookup.forget(empty)
    lookup.forget(empty)
    assert {"answer": 2} == lookup.ask_remembered(empty, "kind", {}, oracle)
