"""A real bisection of a runtime: which of the patches of Debian's runc fixed CVE-2024-21626, with systemd held fixed."""

import shlex
import sys
from pathlib import Path

import pytest

from harness import proc
from harness.bisect.journal import read
from harness.bisect.outcome import Bisection
from harness.bisect.records import Begun
from harness.bisect.terms import Purpose
from harness.errors import ExitCode
from harness.image import Image
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tools import history_runc

pytestmark = [pytest.mark.timeout(1800)]

CELL = "debian-bookworm+systemd-252+go-1.27+unified+runc-1.1.5"


@pytest.mark.longer
def test_the_fix_is_found(store: Store, docker: None, bookworm: Image, tmp_path: Path) -> None:
    """The fix of a vulnerability, in a history that nobody made up, by a container that tries to get out."""
    deadline = Deadline.after(1500, "bisection of runc")
    made = history_runc.make(tmp_path / "runc", store, deadline)
    script = tmp_path / "escape.sh"
    script.write_text(f'exec ssh -F "$HARNESS_SSH_CONFIG" guest {shlex.quote(history_runc.ESCAPE)}\n', encoding="utf-8")
    words = [
        "--repo", str(made.path), "--find-fix", "--bad", made.before, "--good", made.after,
        "--cell", CELL, "--run", f"sh {shlex.quote(str(script))}",
    ]  # fmt: skip
    argv = [sys.executable, "-m", "harness", "--store", str(store.root), "--runs", str(tmp_path / "runs")]
    done = proc.run(
        [*argv, "bisect-runtime", *words], deadline=deadline, cwd=ROOT, output=tmp_path / "output", expect=None
    )
    assert ExitCode.OK == done.code, done.out
    (directory,) = (tmp_path / "runs").iterdir()
    result = Bisection.model_validate_json((directory / "result.json").read_bytes())

    assert made.fixed == result.answer.culprit
    assert 0.99 <= result.answer.confidence
    fresh = {seen.revision for seen in read(directory, Begun).samples if seen.purpose is Purpose.CONFIRM}
    assert made.fixed in fresh
