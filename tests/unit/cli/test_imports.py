"""A verb imports what it needs: readers of results need no engine, and `--version` needs no verb."""

import json
import subprocess
import sys

import pytest
from typer.main import get_group

from harness.cli import app
from harness.cli.verbs import VERBS, load_verb

ENGINES = {"docker", "numpy", "pytest", "qemu", "requests", "harness.machine", "harness.pipeline", "harness.qemu"}
"""What a verb that only reads results has no use for."""

SCRIPT = """
import json, sys
from harness.cli import main
from harness.cli.verbs import load_verb
if len(sys.argv) > 1:
    load_verb(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


def imported(*verb: str) -> set[str]:
    """Modules that are imported by the program, and by a verb of it."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *verb], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "most"), [("report", 39), ("compare", 49), ("gate", 64), ("baseline", 48)])
def test_readers_of_results_import_no_engine(verb: str, most: int) -> None:
    """Neither QEMU nor Docker, numpy or pytest; and no more modules of ours than reading takes."""
    modules = imported(verb)
    ours = {name for name in modules if name.partition(".")[0] == "harness"}
    assert not modules & ENGINES
    assert len(ours) <= most, sorted(ours)


def test_the_program_itself_imports_no_verb() -> None:
    """`harness --version` reads no matrix, and checks no model."""
    modules = imported()
    assert not modules & (ENGINES | {"pydantic", "rich", "jinja2", "yaml"})
    assert len({name for name in modules if name.partition(".")[0] == "harness"}) <= 12


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_its_help_when_it_is_loaded(name: str) -> None:
    """The table has the first paragraph, so that `--help` imports no verb."""
    assert VERBS[name].help == (load_verb(name).help or "").partition("\n\n")[0]


def test_every_verb_is_in_the_table() -> None:
    """`--help` lists what the table has, in its order."""
    assert list(VERBS) == list(get_group(app).commands)
