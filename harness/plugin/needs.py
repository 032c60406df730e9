"""What a case needs of its cell or its runtime, by the marker `needs`."""

import re
from collections.abc import Mapping

import pytest

from harness.model import AXES, AxisField, VersionRange
from harness.plugin.cell_description import DESCRIBED, get_backend, get_description

__all__ = ["FEATURE", "NEEDS", "ask_lacks", "find_unmet", "list_needable"]

VERSION = re.compile(r"v?\d{2,3}(\.\d+)*([-~]rc\d+)?")
"""A systemd version, as opposed to a revision that only the guest can translate."""

NEEDS: Mapping[str, AxisField] = {field.name: field for axis in AXES for field in axis.fields}
"""What a case may ask of its cell; of versions it names ranges, of all else one word or several."""

FEATURE = "feature"
"""What a case may ask of the runtime; which features there are, the suites say by `pytest_harness_lacks`."""


def list_needable() -> tuple[str, ...]:
    """Return what the marker takes."""
    return tuple(sorted((*NEEDS, FEATURE)))


def ask_lacks(item: pytest.Item) -> Mapping[str, str]:
    """Return why the cell's runtime lacks each feature; see `hooks.pytest_harness_lacks`."""
    described = item.config.stash.get(DESCRIBED, None)
    runtime = described.cell.runtime if described else None
    answer: Mapping[str, str] | None = item.ihook.pytest_harness_lacks(runtime=runtime)
    return answer or {}


def find_unmet(item: pytest.Item, name: str, wanted: str | tuple[str, ...]) -> str | None:
    """Return why the cell cannot give what a case needs, in words; None if it can."""
    if name == FEATURE:
        lack = ask_lacks(item)[str(wanted)]
        return f"needs {wanted}: {lack}" if lack else None
    config = item.config
    words = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    has = _find_systemd(config) if name == "systemd" else getattr(get_description(config).cell, name)
    if has is not None and any(
        VersionRange(word).contains(has) if NEEDS[name].version else has == word for word in words
    ):
        return None
    return f"needs {NEEDS[name].title or name} {' or '.join(words)}; this cell has {has or 'none'}"


def _find_systemd(config: pytest.Config) -> str:
    """Return the version of the guest's systemd; where the cell names a revision, the guest knows."""
    named = get_description(config).cell.systemd
    if VERSION.fullmatch(named):
        return named
    words: list[str] = get_backend(config).run("systemctl --version").stdout.split()
    return words[1] if len(words) > 1 else named
