"""How git is run: asking nobody, running nothing that a repository's own configuration names, with our credentials.

A repository is data. What its `config` can name as a program (a monitor of files, hooks, filters, a helper of a transport,
how to fetch what a partial clone lacks) is switched off by what git reads last, or has no part in the command.
"""

import os
import shlex
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

from harness import proc
from harness.credentials import find_headers

__all__ = ["NO_REPOSITORY", "Reach", "list_server_words", "make_environment"]

OWN_FILE = Path(__file__).with_name("gitconfig")

NO_REPOSITORY = {"GIT_DIR": "/dev/null/none"}
"""Git then takes no directory around the working directory for a repository, and reads the configuration of none."""

OVERRIDES = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.alternateRefsCommand": "true",
    "core.gitProxy": "",
    "core.pager": "cat",
    "core.attributesFile": "/dev/null",
    "core.editor": "false",
    "diff.external": "",
    "gpg.program": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "status.submoduleSummary": "false",
    "diff.ignoreSubmodules": "all",
    "uploadpack.packObjectsHook": "",
    # Collecting garbage would go on in the background after we have ended.
    "gc.auto": "0",
    "maintenance.auto": "false",
}
"""What counts whatever a repository says (git-config(1): the command's scope is read last)."""

NETWORK = "file:git:http:https:ssh"
"""Transports that are git's own; `ext` runs any program."""


class Reach(Enum):
    """What a command of git may reach, and whose configuration counts in it."""

    NETWORK = auto()
    """Another repository, by one of `NETWORK`: the user's configuration counts, which may name proxies and keys."""
    MIRROR = auto()
    """Our own mirrors only: no configuration but `OWN_FILE` counts."""
    NOTHING = auto()
    """The repository of the user in which it runs, to be read; what a partial clone lacks is not fetched."""


def make_environment(extra: Mapping[str, str] | None = None, *, reach: Reach = Reach.NETWORK) -> dict[str, str]:
    """Return the environment of a command of git, with more variables."""
    settings = dict(OVERRIDES)
    own = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(OWN_FILE)} if reach is Reach.MIRROR else {}
    pairs = [] if own else _list_callers_settings()
    pairs += settings.items()
    if reach is Reach.NETWORK:
        # In the environment nobody else sees them; on a command line everybody would.
        pairs += [(f"http.{address}.extraHeader", header) for address, header in find_headers().items()]
    # As in git itself, a repository of whoever called sudo is trusted like one's own (git-config(1), safe.directory).
    caller = {"SUDO_UID": os.environ["SUDO_UID"]} if not own and "SUDO_UID" in os.environ else {}
    numbered = {f"GIT_CONFIG_{what}_{index}": pair[side] for index, pair in enumerate(pairs)
                for side, what in enumerate(("KEY", "VALUE"))}  # fmt: skip
    return proc.make_environment(
        {
            # Nobody is there to answer when git or ssh ask for a password.
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": {Reach.NETWORK: NETWORK, Reach.MIRROR: "file", Reach.NOTHING: "none"}[reach],
            "GIT_CONFIG_COUNT": str(len(pairs)),
            **caller,
            **numbered,
            **own,
            **(extra or {}),
        }
    )


def list_server_words() -> list[str]:
    """Return the options by which the other end of a path takes the directories that the caller's environment calls safe.

    git hands that on to no process that serves another repository.
    """
    safe = [f"{key}={value}" for key, value in _list_callers_settings() if key.lower() == "safe.directory"]
    command = ["git", *(word for setting in safe for word in ("-c", setting)), "upload-pack"]
    return [f"--upload-pack={shlex.join(command)}"] if safe else []


def _list_callers_settings() -> list[tuple[str, str]]:
    """Return what the user's environment sets, such as the `safe.directory` of ci/with-make."""
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    numbers = range(int(count)) if count.isdigit() and len(count) < len("1000") else ()
    found = ((os.environ.get(f"GIT_CONFIG_KEY_{n}"), os.environ.get(f"GIT_CONFIG_VALUE_{n}")) for n in numbers)
    return [(key, value) for key, value in found if key and value is not None]
