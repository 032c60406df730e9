"""Which differences of two cells flip an outcome, in real guests."""

import json
from pathlib import Path

import pytest

from harness.cli import main
from tests import ROOT


def test_axis_is_named_by_asking_real_guests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between bookworm in legacy mode and trixie in unified mode, it is the mode that takes a v1 controller away."""
    monkeypatch.chdir(ROOT)
    code = main([
        "--runs", str(tmp_path), "bisect-axes", "--format", "json",
        "--good", "debian-bookworm+systemd-252+legacy+nspawn", "--bad", "debian-trixie+systemd-257+unified+nspawn",
        "--run", """sh -c 'ssh -F "$HARNESS_SSH_CONFIG" guest test -d /sys/fs/cgroup/freezer'""",
    ])  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert (0, [["cgroup==unified"]]) == (code, said["sets"])
    assert ["good", "bad", "good", "bad"] == [sample["verdict"] for sample in said["samples"]]
    (directory,) = tmp_path.iterdir()
    assert said == json.loads((directory / "result.json").read_text())
