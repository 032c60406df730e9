"""Every error that a user can meet, split by whose fault it is.

The class decides the exit code of the command line (see `ExitCode`).
A message is a whole sentence: what went wrong and where; the hint says what to do.
"""

from enum import IntEnum

from harness.credentials import redact

__all__ = [
    "CancelledError", "ConfigError", "DeadlineError", "ExitCode", "HarnessError", "InfrastructureError",
    "NothingRanError", "UsageError",
]  # fmt: skip


class ExitCode(IntEnum):
    """Exit codes of the `harness` command."""

    OK = 0
    """All as expected."""
    FAILED = 1
    """Tests failed, a regression was found, or the gate refused."""
    USAGE = 2
    """The command line or a configuration file is wrong."""
    INFRASTRUCTURE = 3
    """The harness, the computer or a guest broke: no statement about the runtime."""
    NOTHING_RAN = 4
    """The selection was empty or every case was skipped."""
    INTERRUPTED = 130
    """Ctrl-C or a termination signal."""


class HarnessError(Exception):
    """Base of all errors that the command line prints without a traceback.

    Attributes:
        hint: What to do about it, a whole sentence, or None.
    """

    exit_code = ExitCode.INFRASTRUCTURE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # A message often has words of other programs in it.
        super().__init__(redact(message))
        self.hint = hint


class UsageError(HarnessError):
    """The user asked for something that does not exist or does not fit."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A file that people write is wrong; the message starts with file:line:column."""


class InfrastructureError(HarnessError):
    """The computer, a tool, the network or a guest broke; it says nothing about the runtime."""


class DeadlineError(InfrastructureError):
    """Something took longer than its deadline."""


class NothingRanError(HarnessError):
    """The selection was empty: nothing ran, which is not success."""

    exit_code = ExitCode.NOTHING_RAN


class CancelledError(HarnessError):
    """The user interrupted the work, or a termination signal arrived."""

    exit_code = ExitCode.INTERRUPTED
