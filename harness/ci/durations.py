"""How long cells take, in a file that is committed: all machines of a CI run must compute the same shards.

The history in the store is each machine's own, and a cache can lose or mix it. Two shards that read different
histories would both leave out a cell, or both run it; so shards read this file and nothing else.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import ConfigError
from harness.results import RunResult

__all__ = ["DURATIONS", "collect_durations", "format_durations", "merge_durations", "read"]

DURATIONS = Path("ci") / "durations.json"
"""The file, below the project's directory."""


def read(path: Path) -> dict[str, float]:
    """Return seconds by cell, empty without the file: all count the same; raises ConfigError if it is wrong."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: the file cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path}: this is not JSON: {error}.") from error
    if not isinstance(data, dict) or not all(_is_time(value) for value in data.values()):
        raise ConfigError(
            f"{path}: this must be a JSON object of seconds, each above 0, by the identifiers of cells.",
            hint="`harness ci durations` writes it.",
        )
    return {name: float(value) for name, value in data.items()}


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def collect_durations(runs: Iterable[RunResult]) -> dict[str, float]:
    """Return seconds by cell of runs in their order; the latest counts, and a cell that broke says nothing."""
    return {cell.id: cell.seconds for run in runs for cell in run.cells if not cell.error and cell.cases}


def merge_durations(before: Mapping[str, float], now: Mapping[str, float], cells: Iterable[str]) -> dict[str, int]:
    """Return seconds of a matrix's cells for the file; whole ones, so that its changes are readable.

    Args:
        before: What the file said; stays where nothing newer is known.
        now: What was measured since, of cells and perhaps of other things.
        cells: The cells that there are; others are dropped.
    """
    found = {**before, **now}
    return {name: max(1, round(found[name])) for name in sorted(cells) if name in found}


def format_durations(durations: Mapping[str, int]) -> str:
    """Return the file's text."""
    return json.dumps(durations, indent=1, sort_keys=True) + "\n"
