"""docs/reference/rkt-facts.md: each thing of rkt that the recipe and the adapter name has a fact, and each fact a source."""

import re
from pathlib import Path

import pytest

from harness.errors import ConfigError
from suites.runtimes.rkt.versions import FEATURES
from tests.helpers.rkt_tree import RKT
from tools.rkt_facts import (
    ADAPTER,
    DATA,
    PAGE,
    compare,
    format_page,
    list_adapter_uses,
    list_recipe_uses,
    list_uses,
    read,
)

SOURCE = re.compile(
    r"[A-Za-z0-9_./-]+\.(?:go|md|mk|ac|sh|yaml|in)\b|\b(?:rkt|systemd)#\d+|CHANGELOG \d|NEWS of|specification|logs of|[a-z0-9]+/"
)
"""What a source is: a file or directory of rkt's, an issue, a changelog, a specification."""


def test_nothing_of_rkt_is_named_without_a_fact() -> None:
    """Say where a new one is from in suites/runtimes/rkt/facts.yaml, and take a fact away with what rested on it."""
    assert ([], []) == compare(read(), list_uses())


def test_every_fact_has_a_source_and_versions() -> None:
    """A source can be looked up; the features of versions.py have one as well."""
    for fact in read().facts:
        assert SOURCE.search(fact.source), fact.says
        assert re.search(r"\d|all", fact.versions), fact.says
    for name, feature in FEATURES.items():
        assert SOURCE.search(feature.source), name


def test_the_page_is_what_the_data_says() -> None:
    """It is made again by `python -m tools.rkt_facts`."""
    assert PAGE.read_text(encoding="utf-8") == format_page(read())


def test_what_the_recipe_adds_is_seen() -> None:
    """An option, a package, an output and a note of a flavor; each wants a fact of its own."""
    assert RKT is not None
    host = RKT.flavors["host"]
    text = host.model_dump_json().replace("with-stage1-flavors", "with-new").replace("systemd-executor", "new")
    changed = type(host).model_validate_json(text).model_copy(update={"packages": ("new-dev",)})
    added = list_recipe_uses(RKT.model_copy(update={"flavors": {**RKT.flavors, "host": changed}}))

    assert {"option with-new", "note stage1/init/init.go new", "package new-dev"} <= added - list_recipe_uses(RKT)


@pytest.mark.parametrize(
    ("name", "line", "use"),
    [
        ("command.py", 'WORD = "--new-option=x"', "word --new-option"),
        ("engine.py", 'LINE = ("rkt", "image", "verify")', "command image"),
        ("scripts.py", 'MORE = "rkt export --overwrite x\\nread -r y <newfile"', "command export"),
        ("scripts.py", 'MORE = "rkt export --overwrite x\\nread -r y <newfile"', "word --overwrite"),
        ("scripts.py", 'MORE = "rkt export --overwrite x\\nread -r y <newfile"', "file newfile"),
        ("pods.py", 'VALUE = {}.get("created_at")', "member created_at"),
        ("images.py", 'NAME = "resource/network"', "isolator resource/network"),
    ],
)
def test_what_the_adapter_adds_is_seen(tmp_path: Path, name: str, line: str, use: str) -> None:
    """By its text, whatever it is used for."""
    for path in ADAPTER.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    with (tmp_path / name).open("a") as file:
        file.write(f"\n{line}\n")
    assert use in list_adapter_uses(tmp_path) - list_adapter_uses()


def test_a_fact_has_a_source(tmp_path: Path) -> None:
    """One without is an error with its place."""
    path = tmp_path / "facts.yaml"
    path.write_text(re.sub(r"\n    source: .*", "", DATA.read_text(), count=1))
    with pytest.raises(ConfigError, match=r"facts\.yaml:\d+:.*source"):
        read(path)
