"""The guest's shell: the only thing of the guest that adapters and suites use.

A guest has a POSIX shell with the programs of coreutils, util-linux, grep and sed, a busybox, systemd and iproute2, and no
Python. A command over ssh costs more than what it does, so everything that can be asked in one command is.
"""

import shlex
from dataclasses import dataclass
from typing import Protocol

__all__ = ["CommandFailedError", "CommandResult", "Guest", "Host", "Result"]


class CommandResult(Protocol):
    """What testinfra gives for a command."""

    @property
    def rc(self) -> int:
        """Exit status."""

    @property
    def stdout(self) -> str:
        """Standard output."""

    @property
    def stderr(self) -> str:
        """Standard error."""


class Host(Protocol):
    """The part of testinfra's handle that is used here."""

    def run(self, command: str, /, *args: str) -> CommandResult:
        """Run a shell command; each `%s` in it is an argument, quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A command that has ended.

    Attributes:
        code: Exit status.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str


class CommandFailedError(Exception):
    """A command in the guest ended with an error that its caller did not expect."""

    def __init__(self, script: str, result: Result) -> None:
        first = next((line for line in script.splitlines() if line.strip()), "")
        said = "\n".join(part.strip() for part in (result.out, result.err) if part.strip())
        super().__init__(
            f"`{first.strip()}` ended with status {result.code} in the guest:\n{said or '(it said nothing)'}"
        )
        self.result = result


class Guest:
    """Runs shell scripts in the guest."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def sh(self, script: str, *args: str) -> Result:
        """Run a POSIX shell script with arguments; any exit status is a result."""
        answer = self.host.run("sh -c %s sh" + " %s" * len(args), script, *args)
        return Result(code=answer.rc, out=answer.stdout, err=answer.stderr)

    def do(self, script: str, *args: str) -> str:
        """Run a script that has to succeed, and return its standard output.

        Raises:
            CommandFailedError: It did not.
        """
        result = self.sh(script, *args)
        if result.code != 0:
            raise CommandFailedError(script, result)
        return result.out

    def read(self, *paths: str) -> dict[str, str]:
        """Return the text of many files in one command; a file that is absent or empty is an empty text."""
        texts = dict.fromkeys(paths, "")
        # grep puts the file's name before each line, so that one process reads them all.
        for line in self.sh('grep -sH "" "$@" || :', *paths, "/dev/null").out.splitlines():
            path, _, text = line.partition(":")
            texts[path] = texts.get(path, "") + text + "\n"
        return texts

    def wait(self, condition: str, *args: str, seconds: int = 10) -> bool:
        """Wait in the guest until a shell condition holds; whether it did within `seconds`."""
        script = f"n={seconds * 10}\nuntil {condition}; do [ $((n -= 1)) -gt 0 ] || exit 1; sleep 0.1; done"
        return self.sh(script, *args).code == 0

    @staticmethod
    def quote(*words: str) -> str:
        """Return words as one piece of shell text."""
        return shlex.join(words)
