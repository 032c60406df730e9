"""Names: what the check finds in a small tree that breaks each of its rules."""

from pathlib import Path

import pytest

from tools.check_names import Term, check_tree, parse_glossary

GLOSSARY = """# Glossary

**cell**: one point of the matrix. Not: job.

**suite**: a directory with its `suite.yaml`.
"""


def write_tree(root: Path, glossary: str = GLOSSARY, **modules: str) -> Path:
    """Write a tree with a glossary and some modules of harness."""
    (root / "docs").mkdir()
    (root / "docs/glossary.md").write_text(glossary)
    for folder in ("harness", "suites"):
        (root / folder).mkdir()
    for name, text in modules.items():
        (root / f"harness/{name}.py").write_text(text)
    return root


def test_good_names_are_silent(tmp_path: Path) -> None:
    """A tree that keeps the rules has no problem; private classes may have one name in two modules."""
    text = "class _Reader:\n    pass\ndef read_file(): ...\n"
    assert check_tree(write_tree(tmp_path, reading=text, writing=text)) == []


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ({"one": "class Step: ...", "two": "class Step: ..."}, "The public class Step is defined in harness.one and"),
        ({"one": "def counted(): ...\ndef read(): ..."}, "1 of 2 functions begin with a verb"),
        ({"wanted": ""}, "The module harness.wanted has a name that does not say"),
        ({"one": "class JobList: ..."}, "harness.one.JobList says job; the glossary's word is cell."),
        ({"one": "def start_job(): ..."}, "harness.one.start_job says job;"),
    ],
)
def test_each_rule(modules: dict[str, str], problem: str, tmp_path: Path) -> None:
    """What breaks a rule is found, and it is all that is found."""
    (found,) = check_tree(write_tree(tmp_path, **modules))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("glossary", "problem"),
    [
        ("**b**: x.\n\n**a**: x.\n", "The glossary has a behind b"),
        ("**a**: x.\n\n**a**: y.\n", "The glossary has the term a more than once."),
        ("**a**: x. Not: b.\n\n**b**: y.\n", "The glossary rules out b, which is a term of it."),
    ],
)
def test_order_of_the_glossary(glossary: str, problem: str, tmp_path: Path) -> None:
    """Terms are in order, stand once, and are not ruled out."""
    (found,) = check_tree(write_tree(tmp_path, glossary))
    assert found.startswith(problem)


def test_entries_of_the_glossary() -> None:
    """An entry has a term, a meaning, and what is not used for it; a line that is half an entry is refused."""
    assert parse_glossary(GLOSSARY) == [
        Term(name="cell", meaning="one point of the matrix.", banned=("job",)),
        Term(name="suite", meaning="a directory with its `suite.yaml`.", banned=()),
    ]
    with pytest.raises(ValueError, match=r"glossary\.md:1"):
        parse_glossary("**cell** is a point\n")
