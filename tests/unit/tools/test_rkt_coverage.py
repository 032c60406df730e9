"""docs/reference/coverage.md: it is what the data says, and the data names cases that exist."""

from pathlib import Path

import pytest

from harness.errors import ConfigError
from tools.rkt_coverage import DATA, PAGE, SUITES, find_missing, format_page, list_cases, read

DATA_TEXT = """\
areas:
  - title: Some
    rows:
      - files: [a_test.go, b_test.go]
        known: name
        functions: [TestA]
        behaviours:
          - {checks: one, cases: ["x/test_a.py::test_there", "x/test_a.py::test_gone"]}
          - {checks: other, reason: Because.}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small suites/ with its coverage.yaml."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "test_a.py").write_text(
        "import nothing\n\n\ndef test_there():\n    pass\n\n\nclass TestMore:\n    def test_inner(self):\n        pass\n"
    )
    (tmp_path / "coverage.yaml").write_text(DATA_TEXT)
    return tmp_path / "coverage.yaml"


def test_every_named_case_exists() -> None:
    """A case that was renamed or removed is reported by its node id: name another one in suites/coverage.yaml."""
    assert [] == find_missing(read(), list_cases())


def test_the_page_is_what_the_data_says() -> None:
    """It is made again by `python -m tools.rkt_coverage`."""
    assert PAGE.read_text(encoding="utf-8") == format_page(read())


@pytest.mark.slow
def test_no_file_of_rkt_is_in_two_rows() -> None:
    """Each of rkt's test files has one place; a behaviour has each of its cases once."""
    names = [file for row in read().rows for file in row.files]
    assert len(names) == len(set(names))
    assert all(len(each.cases) == len(set(each.cases)) for each in read().behaviours)
    functions = [(row.files[0], function) for row in read().rows for function in row.functions]
    assert len(functions) == len(set(functions))


def test_what_does_not_exist_is_found(data: Path) -> None:
    """By the text of the suites alone, which may not be importable here."""
    assert ["x/test_a.py::test_gone"] == find_missing(read(data), list_cases(data.parent))
    assert {"x/test_a.py::test_there", "x/test_a.py::TestMore::test_inner"} == list_cases(data.parent)


def test_the_page_has_a_line_for_each_behaviour(data: Path) -> None:
    """With all cases, or the reason; the file's name stands once, with how its purpose is known."""
    lines = format_page(read(data)).splitlines()
    assert (
        "| `a_test.go`<br>`b_test.go` ¹<br>TestA | one | `x/test_a.py::test_there`<br>`x/test_a.py::test_gone` |"
        in lines
    )
    assert "|  | other | none: Because. |" in lines
    assert any(
        "Of 2 test files, with 1 functions that are known by name and 2 behaviours, 1 behaviours have cases" in line
        for line in lines
    )


@pytest.mark.parametrize("word", ["{checks: one}", '{checks: one, cases: ["a"], reason: Because.}'])
def test_a_behaviour_has_cases_or_a_reason(data: Path, word: str) -> None:
    """Neither and both are errors with their place."""
    data.write_text(DATA_TEXT.replace("{checks: other, reason: Because.}", word))
    with pytest.raises(ConfigError, match=r"coverage\.yaml:9:.*either cases or a reason"):
        read(data)


def test_the_data_is_next_to_the_suites() -> None:
    """And not a suite itself, which would be run."""
    assert DATA.parent == SUITES
    assert not (SUITES / "coverage").exists()


def test_cases_that_a_class_inherits_are_there(data: Path) -> None:
    """From a class of the suites that its module imports, by whose own name they are not cases."""
    suites = data.parent
    (suites / "x" / "stays.py").write_text("class Stays:\n    def test_it(self):\n        pass\n")
    module = (
        f"from {suites.name}.x.stays import Stays\n\n\nclass TestOne(Stays):\n    def test_own(self):\n        pass\n"
    )
    (suites / "x" / "test_b.py").write_text(module)
    assert {"x/test_b.py::TestOne::test_own", "x/test_b.py::TestOne::test_it"} <= list_cases(suites)
