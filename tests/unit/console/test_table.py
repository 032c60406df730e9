"""The table of console rules, held against lines of each kind (`lines.tsv`): of lost guests, of warnings, and of others."""

from collections import Counter
from pathlib import Path

import pytest

from harness import yamlfile
from harness.console import load_table
from harness.console.line import list_messages
from harness.console.table import TABLE, ConsoleFile
from harness.errors import ConfigError

LINES = [
    tuple(line.split("\t", 1))
    for line in Path(__file__).with_name("lines.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def judge(line: str) -> str:
    """Return what the table says of a line: fatal, warning or none."""
    rules = [match[0] for message in list_messages(line) if (match := load_table().find_rule(message))]
    return "fatal" if any(rule.fatal for rule in rules) else "warning" if rules else "none"


@pytest.mark.parametrize("verdict", ["fatal", "warning", "none"])
def test_lines_of_each_kind(verdict: str) -> None:
    """Each line is judged as what it is; what only looks like a lost guest is no finding at all."""
    wrong = [(line, found) for wanted, line in LINES if wanted == verdict and (found := judge(line)) != verdict]

    assert [] == wrong
    assert Counter(wanted for wanted, _ in LINES)[verdict] >= 20


@pytest.mark.parametrize(
    "quoting",
    [
        "root@guest:~# echo {}", "+ echo {}", "'{}'", 'msg="{}"', "app[17]: {}", "web-1  | {}", "old.log:9:{}", "> {}",
        "The log says: {}", "kernel[9]: {}",
    ],
)  # fmt: skip
def test_a_fatal_line_that_is_quoted_is_nobodys_end(quoting: str) -> None:
    """A program, a container or a person who quotes the line of a lost guest does not end one."""
    stamped = [line for verdict, line in LINES if verdict == "fatal" and line.startswith("[ ")]

    assert len(stamped) > 50
    assert [] == [line for line in stamped if judge(quoting.format(line)) == "fatal"]


def test_every_rule_is_described() -> None:
    """Rules of one name mean the same, and a description is a sentence."""
    meanings = {(rule.name, rule.description) for rule in load_table().rules}

    assert len(meanings) == len({rule.name for rule in load_table().rules})
    assert all(rule.description.endswith(".") for rule in load_table().rules)


def test_a_rule_has_a_writer_of_the_table() -> None:
    """A rule of a writer that is not in the table is an error of the file."""
    text = TABLE.read_text(encoding="utf-8").replace("writer: printk", "writer: nobody", 1)

    with pytest.raises(ConfigError, match="nobody"):
        yamlfile.parse(text, name="console.yaml").validate_as(ConsoleFile)
