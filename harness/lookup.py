"""Answers of the outside world that are remembered for some hours: which version is newest, what it hashes to.

Artifacts are named by hashes and live forever; what "1.27" or "the runc of bookworm" means today does
not. Such an answer is asked for once, kept in the store for a while, and used a little longer where the
network is gone. `forget` asks everything again at the next run.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError
from harness.store import Store, make_key
from harness.writing import STORE_HINT, write_text

__all__ = ["HOURS", "ask_remembered", "forget"]

logger = logging.getLogger(__name__)

HOURS = 12.0
"""How long an answer of a package archive or index counts, in hours."""

Answer = dict[str, Any]


def ask_remembered(
    store: Store, kind: str, question: Mapping[str, Any], ask: Callable[[], Answer], *, hours: float = HOURS
) -> Answer:
    """Return the answer to `question`: a remembered one that is young enough, else what `ask` returns.

    `question` is all that the answer depends on, but for time; `ask` looks outside, and returns plain JSON values.

    Raises:
        InfrastructureError: `ask` could not look, and nothing is remembered, not even from long ago.
    """
    path = _get_home(store) / f"{kind}-{make_key(kind, question)[:24]}.json"
    old = _read(path)
    # An age below zero is a clock that was set back.
    if old is not None and 0 <= time.time() - old["asked"] < hours * 3600:
        return _answer(old)
    try:
        answer = ask()
    except InfrastructureError as error:
        if old is None:
            raise
        logger.warning("The answer from %s is used, because asking again failed: %s", _format_age(old), error)
        return _answer(old)
    kept = {"asked": time.time(), "question": dict(question), "answer": answer}
    write_text(path, json.dumps(kept), hint=STORE_HINT)
    return answer


def forget(store: Store) -> None:
    """Drop every remembered answer, so that the next run asks again."""
    shutil.rmtree(_get_home(store), ignore_errors=True)


def _get_home(store: Store) -> Path:
    return store.root / "lookup"


def _read(path: Path) -> Answer | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get("asked"), (int, float)) and "answer" in found
    return found if whole else None


def _answer(record: Answer) -> Answer:
    answer: Answer = record["answer"]
    return answer


def _format_age(record: Answer) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(record["asked"]))
