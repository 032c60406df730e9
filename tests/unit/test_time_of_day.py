"""Which modules ask what time it is."""

import re

from tests import ROOT

WALL = {
    "distros/flatcar/trust.py": "whether a key has expired",
    "lookup.py": "answers that are hours old, of another run",
    "machine/warm.py": "what the guest's clock says",
    "machine/cloning.py": "what the guest's clock should say",
    "store/locks.py": "an order of uses that only ever grows",
    "store/provenance.py": "when an artifact was made, for people",
    "store/upkeep.py": "ages for people",
}
"""Modules that ask this computer what time it is, and for what; whatever waits asks a clock that does not jump."""


def test_no_wait_depends_on_the_time_of_day() -> None:
    """Deadlines are on the monotonic clock: nothing but what is listed, with its reason, asks for the time of day."""
    modules = {path.relative_to(ROOT / "harness").as_posix(): path for path in (ROOT / "harness").rglob("*.py")}
    asking = {name for name, path in modules.items() if re.search(r"\btime\.time(_ns)?\(", path.read_text("utf-8"))}

    assert set() == asking - set(WALL)
    assert "time.monotonic()" in modules["wait.py"].read_text("utf-8")
