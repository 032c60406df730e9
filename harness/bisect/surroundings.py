"""What a user's command depends on besides the revision, as far as can be seen: variables, and the files that it names."""

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.store import hash_file

__all__ = ["Surroundings", "find_files", "list_variables", "read_surroundings"]

VOLATILE = re.compile(
    r"_|SHLVL|PWD|OLDPWD|TERM|TERM_.*|COLORTERM|COLUMNS|LINES|DISPLAY|WAYLAND_.*|WINDOWID|XAUTHORITY|XDG_.*|DBUS_.*|SSH_.*|GPG_.*"
    r"|TMUX.*|STY|WINDOW|HIST.*|PS[0-9]|PROMPT_COMMAND|MAIL|LS_COLORS|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID"
    r"|SUDO_.*|VTE_.*|GNOME_.*|DESKTOP_.*|SESSION_.*|HARNESS_.*|PYTEST_.*|GIT_CONFIG_.*"
)
"""Variables that differ from shell to shell, or are the harness's own; no test should depend on them."""

LARGEST = 1 << 20
"""Bytes of a file up to which it is looked through for the names of others, as a script."""

MOST_FILES = 200

WORD = re.compile(r"[^\s'\"`$(){}<>|;&=,:\\*?\[\]]+")
"""What may be the name of a file in a script: no blank, and nothing that means something to a shell."""

SUBSTITUTED = re.compile(r"\$\{[^}]*\}|\$\([^()]*\)|\$\w+")
"""What a shell puts something else in place of, as in `$(dirname "$0")/helper`."""


class Surroundings(BaseModel):
    """What a command found around it.

    Attributes:
        salt: Of this record alone.
        variables: For each name, 16 bits of the salted digest of its value: enough to see that another value is there, and too
            few to find out a secret.
        files: For each file, SHA-256 of its content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    salt: str
    variables: dict[str, str]
    files: dict[str, str]

    def list_changes(self, now: "Surroundings") -> list[str]:
        """List what is gone or has another value or content now; what is new counts for nothing."""
        lines = [
            f"the file {path} {'no longer exists' if path not in now.files else 'has changed'}"
            for path, digest in self.files.items()
            if now.files.get(path) != digest
        ]
        return lines + [
            f"the variable {name} {'is no longer set' if name not in now.variables else 'has changed'}"
            for name, digest in self.variables.items()
            if now.variables.get(name) != digest
        ]


def read_surroundings(
    argv: Sequence[str], environment: Mapping[str, str], directory: Path, *, salt: str | None = None
) -> Surroundings:
    """Read what a command finds around it; with the salt of an earlier record, to be compared with that."""
    salt = salt or secrets.token_hex(8)
    return Surroundings(
        salt=salt,
        variables={
            name: hashlib.sha256(f"{salt}\0{name}\0{value}".encode(errors="surrogateescape")).hexdigest()[:4]
            for name, value in list_variables(environment).items()
        },
        files={str(path): hash_file(path) for path in find_files(argv, directory)},
    )


def list_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables on which a command may depend, sorted by name."""
    return {name: environment[name] for name in sorted(environment) if not VOLATILE.fullmatch(name)}


def find_files(argv: Sequence[str], directory: Path) -> tuple[Path, ...]:
    """Find the files that the words of a command name, and those that these name if they are scripts, and so on.

    A name is looked for in the directory of the command, and next to the script that has it. It cannot find what is
    only put together when a script runs.
    """
    found: dict[Path, None] = {}
    waiting = [(name, directory) for word in argv for name in (word, *_split_names(word))]
    if Path(argv[0]).name == "make":
        waiting += [(name, directory) for name in ("GNUmakefile", "makefile", "Makefile")]
    while waiting and len(found) < MOST_FILES:
        word, beside = waiting.pop(0)
        for place in dict.fromkeys((directory, beside)):
            path = place / word
            if _is_file(path) and path not in found:
                found[path] = None
                waiting += [(name, path.parent) for name in _list_names(path)]
    return tuple(sorted(found))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or a null character
        return False


def _list_names(path: Path) -> Iterator[str]:
    """Yield what may be names of files in a script; nothing from what is none."""
    try:
        if path.stat().st_size > LARGEST:
            return
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if not text.startswith("#!") and path.suffix not in {".sh", ".bash", ".mk", ""}:
        return
    yield from _split_names(text)


def _split_names(text: str) -> dict[str, None]:
    """Split shell text into what may be names; what a variable or command gives is taken for the script's directory."""
    return dict.fromkeys([*WORD.findall(text), *WORD.findall(SUBSTITUTED.sub(".", text))])
