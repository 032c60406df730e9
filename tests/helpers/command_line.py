"""The real executable."""

import sys
from pathlib import Path

from harness import proc
from harness.proc import Done
from harness.wait import Deadline

HARNESS = (str(Path(sys.executable).with_name("harness")),)


def harness(*words: str, cwd: Path, program: tuple[str, ...] = HARNESS, env: dict[str, str] | None = None) -> Done:
    """Run the command line to its end; nothing that a user of this computer set is seen by it."""
    variables = proc.make_environment({"XDG_STATE_HOME": str(cwd / "state"), "COLUMNS": "200", **(env or {})})
    deadline = Deadline.after(60, "harness in a test")
    done = proc.run([*program, *words], deadline=deadline, env=variables, cwd=cwd, apart=True, expect=None)
    assert "Traceback" not in done.err
    return done


def cache(root: Path, *words: str) -> Done:
    """Run `harness cache` on a store to its end."""
    return harness("--store", str(root), "cache", *words, cwd=root.parent)
