"""Which cases run on which of pytest-xdist's workers: those that are not independent on one, in their order.

xdist's own `--dist loadgroup` writes the group into a case's node id, which pytest 9.2 does not let it do any more
(xdist 3.8 then spreads everything). Here the first worker writes the groups down, and the scheduler in xdist's
controller, which collects nothing itself, reads them.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

__all__ = ["Spread", "write_groups"]

GROUPS = "groups.json"
"""File next to the description of the cell: group by node id, for the cases that are in one."""

IN_ORDER = "in order"
"""Group of the cases that are not independent."""


class Spread(LoadScopeScheduling):  # type: ignore[misc]
    """xdist's scheduler of whole groups, with our groups; the largest one starts first."""

    def __init__(self, config: pytest.Config, log: Producer, description: Path) -> None:
        super().__init__(config, log)
        self._path = description.with_name(GROUPS)
        self._groups: Mapping[str, str] = {}

    def schedule(self) -> None:
        """Begin, when all workers have collected their cases."""
        self._groups = json.loads(self._path.read_text(encoding="utf-8"))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid)


def write_groups(items: Iterable[pytest.Item], description: Path) -> None:
    """Write down the groups of the cases; done by one worker, before it says that it has collected them."""
    groups: dict[str, str] = {}
    for item in items:
        independent = item.get_closest_marker("independent")
        if independent is None:
            groups[item.nodeid] = IN_ORDER
        elif independent.args:
            groups[item.nodeid] = f"independent {independent.args[0]}"
    description.with_name(GROUPS).write_text(json.dumps(groups, indent=1) + "\n", encoding="utf-8")
