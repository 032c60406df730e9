"""One exit to the terminal: whoever wrote a text, no terminal acts upon it, and it has no markup."""

import ast
import io
import json
import logging
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.live import Live
from rich.table import Table

from harness import cli, log, text
from harness.cli import output, process
from harness.cli.console import TextConsole
from harness.cli.progress import ProgressTable
from harness.model import Event, Outcome, Phase, State
from harness.report import terminal
from harness.results import CaseResult, CellResult, RunResult

ESCAPES: list[str] = yaml.safe_load((Path(__file__).parent / "corpus" / "escapes.yaml").read_text(encoding="utf-8"))
CI_COMMANDS = ["::error::x", "  ::set-output name=x::y", "::add-mask::x", "##[group]x", "##vso[task.setvariable]x"]
MARKUP = [
    "[/sys/fs]",
    "[bold]x[/bold]",
    "[/x]r",
    "[link=http://evil]x[/link]",
    "[",
    "]",
    "[[",
    "\\[x]",
    "[#ff0000]",
    "x[/]",
    ":bomb:",
]


def is_harmless(shown: str) -> bool:
    """Return whether no character of a text is one that is not seen, but line ends and tabs."""
    return all(char in "\n\t" or unicodedata.category(char) not in text.HIDDEN for char in shown)


def draw(renderable: object, *, terminal_too: bool = False) -> str:
    """Return what a console writes."""
    file = io.StringIO()
    TextConsole(file=file, width=200, force_terminal=terminal_too, color_system=None).print(renderable, soft_wrap=True)
    return file.getvalue()


def make_run(hostile: str) -> RunResult:
    """Return a run in which every text of others is hostile."""
    case = CaseResult(
        nodeid=f"cgroup/test_x.py::test_x[{hostile}]", outcome=Outcome.FAILED, raw=Outcome.FAILED, seconds=1.0,
        message=hostile, details=hostile,
    )  # fmt: skip
    cell = CellResult(
        id=f"cell{hostile.replace('/', '')}", axes={}, cases=(case,), error=hostile, again=hostile, warnings=(hostile,),
        facts={"accelerator_reason": hostile, "boot": hostile},
    )  # fmt: skip
    return RunResult(id="run", harness="1", command=hostile, started=datetime.now(UTC).isoformat(), cells=(cell,))


@pytest.mark.parametrize("hostile", ESCAPES)
def test_every_exit_is_clean(
    hostile: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines, errors, JSON, tables, the summary of a run, progress and logs show what is hidden, and do not send it."""
    shown = [
        draw(hostile),
        draw(terminal.run_summary(make_run(hostile), Path("runs", hostile))),
        draw(terminal.render_rates(make_run(hostile))),
    ]
    table = Table(hostile, title=hostile)
    table.add_row(hostile)
    shown.append(draw(table))
    file = io.StringIO()
    progress = ProgressTable(TextConsole(file=file, width=200), ["cell"])
    progress(Event(cell=f"cell{hostile}", phase=Phase.BOOT, state=State.FAILED, text=hostile))
    shown.append(file.getvalue())
    output.say(hostile)
    process.complain(hostile)
    output.as_json({"text": hostile, hostile: 1})
    cli._print_error(hostile, hint=hostile)
    shown += capsys.readouterr()
    handler = log.add_file(tmp_path / "log.txt")
    logging.getLogger("harness").warning("%s", hostile)
    logging.getLogger("harness").removeHandler(handler)
    handler.close()
    shown.append((tmp_path / "log.txt").read_text(encoding="utf-8"))
    assert all(map(is_harmless, shown))
    # A live screen has controls of rich's own; the text's are not among them.
    file = io.StringIO()
    live = TextConsole(file=file, width=80, force_terminal=True, color_system=None)
    with Live("nothing", console=live, auto_refresh=False) as screen:
        screen.update(table, refresh=True)
    assert hostile not in file.getvalue()


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for programs has the same value as before."""
    output.as_json(ESCAPES)
    assert json.loads(capsys.readouterr().out) == ESCAPES


@pytest.mark.parametrize("hostile", MARKUP)
def test_text_has_no_markup(hostile: str) -> None:
    """What looks like rich's markup or emoji is shown as it is, in a line, a table and the rates of cases."""
    table = Table("case")
    table.add_row(hostile)
    assert hostile in draw(hostile)
    assert hostile in draw(table)
    assert f"test_x[{hostile}]" in draw(terminal.render_rates(make_run(hostile)))


@pytest.mark.parametrize("hostile", CI_COMMANDS)
def test_no_line_is_a_command_to_a_ci_system(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What GitHub or Azure read as a command in a log is text."""
    output.say(f"x\n{hostile}")
    process.complain(hostile)
    for lines in capsys.readouterr():
        assert not any(line.lstrip().startswith(("::", "##[", "##vso[")) for line in lines.splitlines())


@pytest.mark.slow
def test_there_is_one_exit() -> None:
    """No other module prints or makes a console, so that what is tested here is all that there is."""
    allowed = {
        "cli/output.py",
        "cli/process.py",
        "cli/console.py",
        "cli/image.py",
        "cli/settings.py",
    }
    found = set()
    package = Path(cli.__file__).parent.parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_exit(node.func):
                found.add(str(path.relative_to(package)))
    assert found == allowed


def _is_exit(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in {"print", "TextConsole"}
    name = ast.unparse(function)
    return name in {
        "typer.echo",
        "typer.secho",
        "sys.stdout.write",
        "sys.stderr.write",
        "traceback.print_exc",
        "rich.print",
    }
