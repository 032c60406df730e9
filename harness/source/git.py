"""Source code from a git repository, through a bare mirror of our own; a user's repository is only read."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import lookup, proc
from harness.catalog import Source
from harness.errors import InfrastructureError, UsageError
from harness.source.git_environment import NO_REPOSITORY, Reach, list_server_words, make_environment
from harness.source.revision import Revision, fill_template
from harness.store import Store, hold_lock
from harness.wait import Deadline

__all__ = [
    "ask_remote", "clone", "fetch", "fill", "has_commit", "open_commit", "open_mirror", "read_patch", "resolve", "run_git",
    "update",
]  # fmt: skip

COMMIT = re.compile(r"[0-9a-f]{40}\Z")

EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def resolve(source: Source, version: str, store: Store, deadline: Deadline) -> Revision:
    """Return the commit that the ref names in the repository now.

    A tag counts before a branch of the same name. The repository is asked each time, and where it cannot be
    reached its last answer counts.

    Raises:
        UsageError: The ref begins with a dash, or names nothing there.
        InfrastructureError: The repository cannot be reached and has never been.
    """
    url, ref = _find_address(source), _find_ref(source, version)
    if COMMIT.match(ref):
        commit = ref
    else:
        question = {"url": url, "ref": ref}
        answer = lookup.ask_remembered(store, "git", question, lambda: ask_remote(url, ref, store, deadline), hours=0)
        commit = answer["commit"]
    return Revision(
        kind="git",
        version=version,
        identity=f"git:{commit}",
        stamp=commit,
        text=f"{ref if ref != commit else version} of {url} (commit {commit[:12]})",
    )


def fill(source: Source, revision: Revision, files: Path, store: Store, deadline: Deadline) -> None:
    """Write the commit's tree to `files`, without submodules; raises as `open_commit` does."""
    with tempfile.TemporaryDirectory(dir=files.parent) as scratch:
        update(source, revision, files, Path(scratch, "index"), store, deadline)


def update(source: Source, revision: Revision, files: Path, index: Path, store: Store, deadline: Deadline) -> None:
    """Bring a tree that is at another revision, or empty, to this one; files that are the same keep their times.

    Changes to files of the repository are undone in it; `index` is what git knows about the tree, and belongs to it.

    Raises:
        InfrastructureError: The repository cannot be reached, or does not have the commit.
    """
    with open_commit(_find_address(source), revision.stamp, store, deadline) as mirror:
        # Plumbing instead of `checkout`: no hooks, no HEAD, and an index that nobody else sees.
        argv = [f"--work-tree={files}", "read-tree", "--reset", "-u", revision.stamp]
        run_git(mirror, argv, deadline, env={"GIT_INDEX_FILE": str(index)})


def clone(
    source: Source, revision: Revision, tree: Path, tags: Iterable[str], store: Store, deadline: Deadline
) -> None:
    """Make a repository of its own with the commit checked out, and no history: for a build that wants one.

    The tree does not exist yet; the commit gets the tags there.

    Raises:
        InfrastructureError: The repository cannot be reached, or does not have the commit.
    """
    with open_commit(_find_address(source), revision.stamp, store, deadline) as mirror:
        argv = ["git", "init", "--quiet", "--template=", str(tree)]
        proc.run(argv, deadline=deadline, env=make_environment(reach=Reach.MIRROR))
        origin, place = f"file://{mirror.absolute()}", tree / ".git"
        # Protocol 2 gives a commit that no ref names, too.
        fetching = ["-c", "protocol.version=2", "fetch", "--quiet", "--no-tags", "--depth=1", origin, revision.stamp]
        run_git(place, fetching, deadline)
        run_git(place, [f"--work-tree={tree}", "checkout", "--quiet", "--force", "--detach", revision.stamp], deadline)
        for tag in tags:
            run_git(place, ["tag", "--force", tag, revision.stamp], deadline)


def read_patch(source: Source, commit: str, store: Store, deadline: Deadline) -> str:
    """Return what a commit changed, as a patch that `git apply` reads; raises as `open_commit` does."""
    with open_commit(_find_address(source), commit, store, deadline) as mirror:
        return run_git(mirror, ["show", "--format=", "--binary", "--no-color", "--first-parent", commit], deadline).out


def ask_remote(url: str, ref: str, store: Store, deadline: Deadline) -> dict[str, str]:
    """Return the commit of a tag, branch, full ref, or, with a copy of everything, of any expression that git knows.

    What an expression begins with is asked of the repository itself: `HEAD` and `@` are its own, and not our mirror's.

    Raises:
        UsageError: It means no commit there, or asks for a reflog, which only a local repository has.
        InfrastructureError: The repository cannot be reached.
    """
    base, operators = _split_expression(ref)
    if operators.startswith("@{"):
        raise UsageError(
            f"The revision `{ref}` asks for the reflog of {url}, which another repository does not give.",
            hint="Give a tag, a branch, a commit, or an expression such as v252~3; or --repo the path of a clone.",
        )
    if operators:
        commit = ask_remote(url, base, store, deadline)["commit"]
        with open_commit(url, commit, store, deadline) as mirror:
            argv = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}{operators}^{{commit}}"]
            parsed = run_git(mirror, argv, deadline, expect=(0, 1, 128))
        if parsed.code != 0:
            raise UsageError(f"The repository {url} has no commit `{ref}`: `{base}` is {commit[:12]} there.")
        return {"commit": parsed.out.strip()}
    ref = base
    names = (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", f"{ref}^{{}}", ref)
    hint = "Is the address right, is there a network, and may this user read the repository?"
    argv = ["git", "ls-remote", "--quiet", *list_server_words(), "--", url, *names]
    done = proc.run(argv, deadline=deadline, env=make_environment(NO_REPOSITORY), apart=True, hint=hint)
    found = {name: commit for commit, _, name in (line.partition("\t") for line in done.out.splitlines())}
    for name in names:
        if name in found:
            return {"commit": found[name]}
    with open_mirror(url, store, deadline) as mirror:
        _fetch(mirror, ["--prune"], url, EVERYTHING, deadline, hint=hint)
        argv = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"]
        parsed = run_git(mirror, argv, deadline, expect=(0, 1, 128))
    if parsed.code != 0:
        raise UsageError(f"The repository {url} has no tag, branch or commit `{ref}`.")
    return {"commit": parsed.out.strip()}


def _split_expression(ref: str) -> tuple[str, str]:
    """Split `v252~3^2` into the name at its beginning and the operators after it; `@` alone is HEAD (gitrevisions(7))."""
    match = re.fullmatch(r"([^~^:@]+|@(?![^~^{]))?((?:[~^]|@\{).*)?", ref, re.DOTALL)
    if match is None or not ref:
        return ref, ""
    name, operators = match[1] or "", match[2] or ""
    if not name and operators.startswith("@{"):
        return "HEAD", operators
    return ("HEAD" if name == "@" else name), operators


def fetch(mirror: Path, url: str, commit: str, deadline: Deadline) -> None:
    """Fetch one commit with its history; from a server that gives only what has a name, everything."""
    name = f"+{commit}:refs/harness/{commit}"
    if _fetch(mirror, ["--no-tags"], url, (name,), deadline, expect=None).code != 0:
        _fetch(mirror, ["--no-tags"], url, EVERYTHING, deadline)
    if not has_commit(mirror, commit, deadline):
        raise InfrastructureError(f"The repository {url} does not have the commit {commit}.")


def _fetch(
    mirror: Path, options: list[str], url: str, names: tuple[str, ...], deadline: Deadline,
    *, expect: tuple[int, ...] | None = (0,), hint: str | None = None,
) -> proc.Done:  # fmt: skip
    argv = ["fetch", "--quiet", "--no-write-fetch-head", *options, *list_server_words(), "--", url, *names]
    return run_git(mirror, argv, deadline, expect=expect, hint=hint, reach=Reach.NETWORK)


@contextmanager
def open_commit(url: str, commit: str, store: Store, deadline: Deadline) -> Iterator[Path]:
    """Provide our mirror of a repository, with a commit in it; nobody else changes it meanwhile.

    Raises:
        InfrastructureError: The repository cannot be reached, or does not have the commit.
    """
    with open_mirror(url, store, deadline) as mirror:
        if not has_commit(mirror, commit, deadline):
            fetch(mirror, url, commit, deadline)
        yield mirror


def has_commit(mirror: Path, commit: str, deadline: Deadline) -> bool:
    """Return whether the mirror has a commit."""
    return run_git(mirror, ["cat-file", "-e", f"{commit}^{{commit}}"], deadline, expect=None).code == 0


@contextmanager
def open_mirror(url: str, store: Store, deadline: Deadline) -> Iterator[Path]:
    """Provide the bare mirror of a repository, ours alone while the context lasts."""
    proc.require("git")
    path = store.share("git", f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git", deadline)
    with hold_lock(path.with_suffix(".lock"), deadline):
        # The mirror is ours alone, so a lock in it is of a git that was killed, and would stop every later one.
        for stale in (*path.glob("*.lock"), *(path / "refs").rglob("*.lock")):
            stale.unlink(missing_ok=True)
        argv = ["git", "init", "--quiet", "--bare", "--template=", str(path)]
        proc.run(argv, deadline=deadline, env=make_environment(reach=Reach.MIRROR))
        yield path


def run_git(
    mirror: Path,
    arguments: list[str],
    deadline: Deadline,
    *,
    env: dict[str, str] | None = None,
    expect: tuple[int, ...] | None = (0,),
    hint: str | None = None,
    reach: Reach = Reach.MIRROR,
) -> proc.Done:
    """Run git on a mirror; the arguments are those of `proc.run`, and it raises as that does."""
    argv = ["git", f"--git-dir={mirror}", *arguments]
    environment = make_environment(env, reach=reach)
    return proc.run(argv, deadline=deadline, env=environment, expect=expect, apart=True, hint=hint)


def _find_address(source: Source) -> str:
    url = source.git or ""
    # A path is made absolute: git runs in another directory.
    path = os.path.expanduser(url)  # noqa: PTH111 - that of pathlib raises for a user whom nobody knows
    return os.path.abspath(path) if os.path.exists(path) else url  # noqa: PTH100, PTH110 - and for a long name


def _find_ref(source: Source, version: str) -> str:
    ref = fill_template(source.ref, source, version)
    if not ref or ref.startswith("-"):
        raise UsageError(f"The git ref `{ref}` begins with a dash or is empty; a ref is a tag, branch or commit.")
    return ref
