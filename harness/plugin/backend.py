"""The connection of the cases to their guest."""

from functools import cached_property
from pathlib import Path
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult

from harness.errors import CancelledError, DeadlineError, InfrastructureError
from harness.machine import Machine, SshKilledError, attach
from harness.proc import OutputError, SpawnError
from harness.text import escape
from harness.wait import Deadline

__all__ = ["FOREVER", "GuestBackend", "GuestGoneError", "get_first_line"]

FOREVER = 3600.0
"""Seconds of a case whose suite says nothing."""

ANSWER = 30.0
"""Seconds in which a guest that lives answers."""


class GuestGoneError(InfrastructureError):
    """The guest died or does not answer any more; the case was not run, or not to its end."""


class GuestBackend(BaseBackend):  # type: ignore[misc]  # testinfra comes without types
    """testinfra's backend for a machine of the harness: its connection, its death, and the time of a case.

    Attributes:
        gone: Why the guest is gone, once that is known.
        deadline: End of the running case; set again for each attempt, which pytest-timeout does not do.
    """

    NAME = "guest"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory.name)
        self.directory = directory
        self.gone: str | None = None
        self.deadline = Deadline.after(FOREVER, "case")

    @cached_property
    def guest(self) -> Machine:
        """The machine, attached when it is first wanted."""
        return attach(self.directory)

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a shell command in the guest.

        Raises:
            SpawnError, OutputError, SshKilledError: This computer could not start ssh, ended it, or could not keep all
                of what came.
            GuestGoneError: The guest is dead or does not answer; found out while the command runs, too.
            TimeoutError: The guest lives, but the case has used up its time.
        """
        if self.gone:
            raise GuestGoneError(f"The guest is gone: {self.gone}")
        text = self.get_command(command, *args)
        try:
            done = self.guest.run(text, deadline=self.deadline, expect=None)
        except (CancelledError, SpawnError, OutputError, SshKilledError):
            raise
        except InfrastructureError as error:
            if isinstance(error, DeadlineError) and not self.find_silence():
                raise TimeoutError(f"The case took longer than {self.deadline.seconds:.0f} s, in `{text}`.") from None
            self.gone = self.find_cause() or get_first_line(error)
            raise GuestGoneError(f"The guest is gone: {self.gone}") from error
        if done.cut:
            raise OutputError(
                f"`{escape(text)}` printed {done.cut} bytes more than the harness keeps; write its output to a file in the guest."
            )
        return self.result(done.code, text.encode(), done.out, done.err)

    def find_cause(self) -> str | None:
        """Return why the guest is dead; None while it lives, and if nothing was wanted from it yet."""
        if self.gone is None and "guest" in vars(self):
            self.gone = self.guest.find_cause_of_death()
        return self.gone

    def find_silence(self) -> str | None:
        """Return why the guest counts as gone although nothing says that it died; None if it answers."""
        try:
            self.guest.run("true", deadline=Deadline.after(ANSWER, "answer of the guest"))
        except InfrastructureError as error:
            self.gone = self.find_cause() or get_first_line(error)
        return self.gone


def get_first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
