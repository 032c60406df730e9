"""docs/reference/regressions.md: it is what the data says, and the data names cases that exist."""

from pathlib import Path

import pytest

from harness.errors import ConfigError
from tools.regressions import DATA, PAGE, find_missing, format_page, read
from tools.rkt_coverage import list_cases

ROW = """\
kinds: {some: Nobody asks., covered: ~}
reports:
  - {names: [a#1, b#2], url: https://example.org/1, upgrade: systemd, bad: "233", runtimes: nspawn, symptom: It broke., kind: some}
"""


def write(tmp_path: Path, text: str) -> Path:
    """Write a file with these reports."""
    path = tmp_path / "regressions.yaml"
    path.write_text(text)
    return path


def test_every_named_case_exists() -> None:
    """A case that was renamed or removed is reported by its node id: name another one in suites/regressions.yaml."""
    assert [] == find_missing(read(), list_cases())


def test_the_page_is_what_the_data_says() -> None:
    """It is made again by `python -m tools.regressions`."""
    assert PAGE.read_text(encoding="utf-8") == format_page(read())


def test_reports_are_there_once() -> None:
    """Each symptom has one row, and each kind is used."""
    symptoms = [report.symptom for report in read(DATA).reports]
    assert len(symptoms) == len(set(symptoms))
    assert {report.kind for report in read().reports} == set(read().kinds)


def test_counts_and_rows(tmp_path: Path) -> None:
    """What has no case has its reason, and what is proven is counted by how."""
    path = write(tmp_path, ROW)
    assert "| all | 1 | 0 | 0 | 0 | 0 | 1 |" in format_page(read(path))
    assert (
        "| [a#1](https://example.org/1), b#2 | bad 233; nspawn | It broke. | none: Nobody asks. |"
        in format_page(read(path)).splitlines()
    )
    waiting = ROW.replace("kind: some", "kind: covered, cases: ['x/test_a.py::test_x'], unproven: No version has it.")
    assert "`x/test_a.py::test_x`<br>not proven yet: No version has it. |" in format_page(
        read(write(tmp_path, waiting))
    )
    seen = ROW.replace("kind: some", "kind: covered, cases: ['x/test_a.py::test_x'], proof: patch, seen: In 252.")
    page = format_page(read(write(tmp_path, seen)))
    assert "| systemd | 1 | 0 | 1 | 0 | 0 | 0 |" in page
    assert "| `x/test_a.py::test_x`<br>patch: In 252. |" in page
    assert ["x/test_a.py::test_x"] == find_missing(read(path), frozenset())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("kind: none", "is of the kind `none`, which is not there"),
        ("kind: covered", "has no case, and its kind has no reason why"),
        ("kind: some, proof: pair", "a proof says where it was seen"),
        ("kind: some, proof: pair, seen: There.", "what was seen was seen by a case"),
        ("kind: some, seen: There.", "what was seen is a proof"),
        ("kind: some, unproven: Hm.", "only what has a case and no proof has a reason for that"),
    ],
)
def test_a_row_that_claims_too_much_is_refused(tmp_path: Path, wrong: str, sentence: str) -> None:
    """Nothing is seen without a case and a proof, and nothing is missing without a reason."""
    with pytest.raises(ConfigError, match=sentence):
        read(write(tmp_path, ROW.replace("kind: some", wrong)))
