"""Another systemd for the running guest, in the middle of its suites."""

import shlex

from testinfra.backend.base import CommandResult

from harness.cell_file import Upgrade
from harness.plugin.backend import GuestBackend

__all__ = ["GuestUpgrade"]


class GuestUpgrade:
    """An upgrade of the guest's systemd while containers run.

    Attributes:
        to: The version that the guest then has, or the revision that it was built from.
    """

    def __init__(self, backend: GuestBackend, described: Upgrade) -> None:
        self._backend = backend
        self._described = described
        self.to = described.to
        self._done: CommandResult | None = None

    def apply(self) -> None:
        """Upgrade the guest; once, whoever asks again.

        Raises:
            AssertionError: The upgrade failed, which is a failure of what is tested: the message is its output.
            GuestGoneError: The guest died of it.
        """
        if not self._done:
            what = self._described
            self._backend.guest.copy_in(what.files, what.target, deadline=self._backend.deadline)
            self._done = self._backend.run(f"cd {shlex.quote(what.target)} && sh -c {shlex.quote(what.script)} 2>&1")
        said = f"The upgrade to systemd {self.to} ended with {self._done.rc}:\n{self._done.stdout}"
        assert self._done.rc == 0, said
