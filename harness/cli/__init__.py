"""The command line: verbs, and the one place that turns errors into sentences and exit codes.

Each verb is a function in a module here; adding one is adding it to `verbs.VERBS`. A verb reads
`settings.get_settings(context)`, prints through `output`, raises `HarnessError`s, and ends with another exit code than 0
by `raise typer.Exit(code)`.
"""

import os
import sys
import time
import traceback
from collections.abc import Sequence

import platformdirs
import typer

from harness import log
from harness.app.settings import APPLICATION, resolve_settings
from harness.cli.process import complain, find_lost_output, interruptible, outlive_readers
from harness.cli.settings import (
    DebugOption,
    LogLevel,
    LogOption,
    MatrixOption,
    RunsOption,
    StoreOption,
    VersionOption,
)
from harness.cli.verbs import VerbGroup
from harness.credentials import redact, remember_credentials
from harness.errors import CancelledError, ExitCode, HarnessError
from harness.wait import Cancellation

__all__ = ["app", "main"]

app = typer.Typer(
    name="harness",
    cls=VerbGroup,
    help="Boot guests with other systemd and Go versions, build a container runtime there, and say what broke.",
    epilog="Exit codes: 0 all as expected; 1 tests failed; 2 usage or configuration; 3 infrastructure; "
    "4 nothing ran; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def configure(
    context: typer.Context,
    *,
    matrix_file: MatrixOption = None,
    store: StoreOption = None,
    runs: RunsOption = None,
    level: LogOption = LogLevel.WARNING,
    debug: DebugOption = False,
    version: VersionOption = False,
) -> None:
    """Boot guests with other systemd and Go versions, build a container runtime there, and say what broke."""
    del version  # its callback has printed it
    log.add_stderr((LogLevel.DEBUG if debug else level).upper())
    cancelled = context.find_object(Cancellation)
    context.obj = resolve_settings(
        matrix=matrix_file, store=store, runs=runs, debug=debug, cancelled=cancelled or Cancellation()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, see `ExitCode`.

    Args:
        arguments: Words after the program's name; those of this process if None.
    """
    if arguments is None:
        outlive_readers()
    words = list(sys.argv[1:] if arguments is None else arguments)
    own = words[: words.index("--")] if "--" in words else words
    words = [*map(remember_credentials, own), *words[len(own) :]]
    with interruptible() as cancelled:
        try:
            code = _run(words, cancelled, debug="--debug" in own)
        except KeyboardInterrupt:  # outside of typer, which makes it an exit code of its own
            code = ExitCode.INTERRUPTED
        if cancelled.is_set():  # whatever else went wrong then is a consequence
            _print_error("The work was interrupted.")
            code = ExitCode.INTERRUPTED
        if lost := find_lost_output():
            _print_error(f"What was printed is not whole: {lost}.")
            code = max(code, ExitCode.INFRASTRUCTURE)
        return code


def _run(words: list[str], cancelled: Cancellation, *, debug: bool) -> int:
    try:
        code = app(words, prog_name="harness", standalone_mode=False, obj=cancelled)
        sys.stdout.flush()
    except typer.TyperException as error:
        where = getattr(error, "ctx", None)
        command = where.command_path if where is not None else "harness"
        _print_error(_make_sentence(error.format_message()), hint=f"`{command} --help` prints what there is.")
        return ExitCode.USAGE
    except CancelledError:  # `main` says it, however the work ended
        return ExitCode.INTERRUPTED
    except HarnessError as error:
        if debug:
            complain(redact(traceback.format_exc()))
        _print_error(str(error), hint=error.hint)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence instead of a traceback
        return _report_crash(error, debug=debug)
    return code if isinstance(code, int) else ExitCode.OK


def _make_sentence(message: str) -> str:
    if not message:  # the help was printed instead
        return "The name of a command is missing."
    return message if message.endswith((".", "?", ")")) else f"{message}."


def _report_crash(error: Exception, *, debug: bool) -> ExitCode:
    """Say that the harness itself is broken, and keep the traceback in a file."""
    text = redact("".join(traceback.format_exception(error)))
    what = redact(f"The harness met an error of its own: {type(error).__name__}: {error}.")
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        what = f"The computer refused: {error.strerror}{where}."
    try:
        folder = platformdirs.user_log_path(APPLICATION, ensure_exists=True)
        place = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        place.write_text(text, encoding="utf-8")
    except OSError:
        place = None
    if debug or place is None:
        complain(text)
    _print_error(what, hint=f"The traceback is in {place}; please report it." if place else None)
    return ExitCode.INFRASTRUCTURE


def _print_error(message: str, *, hint: str | None = None) -> None:
    """Say what went wrong on stderr: each problem on its own line, further lines of a problem are indented."""
    for line in redact(message).rstrip("\n").split("\n") if message else ():
        complain(line if line.startswith(" ") else f"error: {line}")
    if hint:
        complain(f"hint: {hint}")
