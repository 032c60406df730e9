"""The user's own repository, asked in place: what a revision means there, what is odd about it, which release has a commit.

It is only read; no program that its configuration names is run.
"""

import re
from pathlib import Path

from harness import proc
from harness.errors import UsageError
from harness.source.git_environment import Reach, make_environment
from harness.wait import Deadline

__all__ = [
    "ask_local",
    "describe_commit",
    "find_top",
    "find_web_address",
    "is_partial",
    "list_oddities",
    "resolve_local",
]

NAME = re.compile(r"[0-9a-f]{40}")

FORGE = re.compile(r"^(?:github\.com|gitlab\.|codeberg\.org|salsa\.debian\.org|git(?:ea|hub)\.)")
"""Hosts of which it is known."""

PRERELEASE = re.compile(r"(?i)[-~._]?(?:rc|alpha|beta|pre)[-.]?\d*$")


def ask_local(address: str, words: list[str], deadline: Deadline, *, command: str = "rev-parse") -> proc.Done:
    """Return what a command of git that only reads says in the repository."""
    argv = ["git", "-C", address, command, *words]
    return proc.run(argv, deadline=deadline, env=make_environment(reach=Reach.NOTHING), apart=True, expect=None)


def find_top(path: Path, deadline: Deadline) -> str:
    """Return the top directory of the repository that a path is in, or the path of a bare one.

    Raises:
        UsageError: It is in none, or in one whose history is cut off, or whose objects have names of SHA-256.
    """
    proc.require("git")
    done = ask_local(str(path), ["--is-shallow-repository", "--absolute-git-dir", "--show-object-format"], deadline)
    if done.code != 0:
        lines = [line.strip() for line in done.err.splitlines() if line.strip()]
        why = lines[0].removeprefix("fatal: ").rstrip(".") if lines else "it says nothing"
        advice = next((line for line in lines if line.startswith("git config --global --add safe.directory")), None)
        raise UsageError(
            f"The path {path} is not a readable git repository; git says: {why}.",
            hint=f"If you trust it: `{advice}`." if advice else None,
        )
    shallow, directory, names = done.out.splitlines()
    top = ask_local(str(path), ["--show-toplevel"], deadline)
    name = top.out.strip() if top.code == 0 else directory
    if shallow == "true":
        raise UsageError(
            f"The repository {name} is a shallow clone: a part of its history is missing.",
            hint=f"Get the rest with `git -C {name} fetch --unshallow`.",
        )
    if names != "sha1":
        raise UsageError(
            f"The repository {name} uses {names.upper()} object names, which the harness cannot bisect yet.",
            hint="`git bisect run` can.",
        )
    return name


def resolve_local(address: str, revision: str, deadline: Deadline) -> str:
    """Return the full name of the commit that a revision means in the repository, as git(7) has it there.

    Raises:
        UsageError: It means no commit, more than one thing, or something older than a reflog goes back.
    """
    done = ask_local(address, ["--verify", "--end-of-options", revision], deadline)
    said = next((line.strip().removeprefix("warning: ") for line in done.err.splitlines() if line.strip()), "")
    if done.code == 0 and said:
        raise UsageError(
            f"git is not sure about the revision `{revision}` of {address}: {said.rstrip('.')}.",
            hint="Give its full name, such as refs/tags/NAME or refs/heads/NAME, or the commit itself.",
        )
    if done.code == 0 and NAME.fullmatch(done.out.strip()):
        done = ask_local(address, ["--verify", "--end-of-options", f"{done.out.strip()}^{{commit}}"], deadline)
        if done.code == 0:
            return done.out.strip()
    why = f" git says: {said}" if "ambiguous" in said else ""
    raise UsageError(
        f"The repository {address} has no commit `{revision}`.{why}",
        hint="A revision is a tag, a branch, a commit or an expression such as v252~3.",
    )


def list_oddities(address: str, deadline: Deadline) -> tuple[str, ...]:
    """List, in whole sentences, what git shows of the repository that is not in the commits themselves, and is not followed."""
    notes = []
    if ask_local(address, ["--count=1", "refs/replace/"], deadline, command="for-each-ref").out.strip():
        notes.append(f"The repository {address} has replaced objects (git-replace(1)); the original ones are searched.")
    place = ask_local(address, ["--git-path", "info/grafts"], deadline)
    if place.code == 0 and Path(address, place.out.strip()).exists():
        notes.append(
            f"The repository {address} has grafts (info/grafts); the parents that its commits name are searched."
        )
    return tuple(notes)


def is_partial(address: str, deadline: Deadline) -> bool:
    """Return whether the repository is a partial clone, which may lack objects."""
    done = ask_local(address, ["--get-regexp", r"^remote\..*\.promisor$"], deadline, command="config")
    return done.code == 0 and bool(done.out.strip())


def describe_commit(address: str, commit: str, deadline: Deadline) -> tuple[str, str]:
    """Return a commit as `git describe` names it, and the oldest release that has it; each empty where no tag says it."""
    named = ask_local(address, ["--tags", commit], deadline, command="describe")
    tags = ask_local(address, ["--contains", commit, "--sort=creatordate"], deadline, command="tag").out.split()
    release = next((tag for tag in tags if not PRERELEASE.search(tag)), "")
    return (named.out.strip() if named.code == 0 else ""), release


def find_web_address(address: str, commit: str, deadline: Deadline) -> str:
    """Return where people see a commit in a browser, if the repository or its `origin` is on a forge; else nothing."""
    origin = address
    if Path(address).exists():
        done = ask_local(address, ["get-url", "origin"], deadline, command="remote")
        origin = done.out.strip() if done.code == 0 else ""
    match = re.fullmatch(r"(?:https?://|git://|ssh://git@|git@)([\w.-]+)[/:]([\w./~-]+?)(?:\.git)?/?", origin)
    # All of GitHub, GitLab and Forgejo have this path; other hosts have pages of their own.
    return f"https://{match[1]}/{match[2]}/commit/{commit}" if match and FORGE.search(match[1]) else ""
