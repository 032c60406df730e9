"""Source code of components: from a git repository, a directory, a Debian source package or a tarball.

`resolve` says which state of the code a version means today, and is quick; `check_out` puts the tree in
the store. Adding a kind is adding a module with these two functions, and its name to `KINDS`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from harness.catalog import Source
from harness.errors import UsageError
from harness.model import VersionRange
from harness.source import directory, git, package, tarball
from harness.source.directory import hash_tree, mirror
from harness.source.revision import Revision
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["Revision", "check_out", "choose", "clone", "hash_tree", "read_patch", "require", "resolve", "update"]

Resolve = Callable[[Source, str, Store, Deadline], Revision]
Fill = Callable[[Source, Revision, Path, Store, Deadline], None]

KINDS: dict[str, tuple[Resolve, Fill]] = {
    "git": (git.resolve, git.fill),
    "directory": (directory.resolve, directory.fill),
    "debian": (package.resolve, package.fill),
    "tarball": (tarball.resolve, tarball.fill),
}


def choose(sources: Iterable[Source], version: str) -> Source:
    """Return the first source that has a version; raises UsageError with the ranges that exist if none has it."""
    known = tuple(sources)
    for source in known:
        if VersionRange(source.versions).contains(version):
            return source
    ranges = " and ".join(f"`{source.versions}`" for source in known) or "none"
    raise UsageError(f"No source has version {version}; the versions that have one are {ranges}.")


def resolve(source: Source, version: str, store: Store, deadline: Deadline) -> Revision:
    """Return which state of the code `version` means.

    A Debian package's version is remembered in the store for `lookup.HOURS` (see `lookup.forget`); a
    directory is read and a git repository is asked each time.

    Raises:
        UsageError: The source does not have this version.
        InfrastructureError: It cannot be reached.
    """
    return KINDS[source.kind][0](source, version, store, deadline)


def require(source: Source, name: str, landmarks: Iterable[str]) -> None:
    """Check that a directory or archive of this computer is a tree of the component that it is said to be.

    `landmarks` are paths that each tree of the component has; sources that have to be fetched are not looked at.

    Raises:
        UsageError: It is not there, or lacks some of the paths; the message names them.
    """
    wanted = tuple(landmarks)
    looks = {"directory": directory.find_missing, "tarball": tarball.find_missing}
    found = looks[source.kind](source, wanted) if source.kind in looks else None
    if found is not None and found[1]:
        path, missing = found
        kind = "archive" if source.kind == "tarball" else source.kind
        raise UsageError(
            f"The {kind} {path} is not a tree of {name}: it has no {', no '.join(missing)}.",
            hint=f"Name the top directory of a checkout of {name}, which has {', '.join(wanted)}.",
        )


def check_out(source: Source, revision: Revision, store: Store, deadline: Deadline) -> Artifact:
    """Return the tree of a revision in the store; raises InfrastructureError if it cannot be had."""

    def make(files: Path) -> dict[str, str]:
        KINDS[revision.kind][1](source, revision, files, store, deadline)
        return {"title": revision.text, "version": revision.version}

    return store.obtain("source", {"identity": revision.identity}, make, deadline)


def update(source: Source, revision: Revision, tree: Path, index: Path, store: Store, deadline: Deadline) -> None:
    """Bring a tree that belongs to somebody who builds in it to a revision; what is the same keeps its times.

    It is at another revision, or empty. `index` is a file that belongs to it, with what the next update wants to know.

    Raises:
        InfrastructureError: It cannot be had.
    """
    if revision.kind == "git":
        git.update(source, revision, tree, index, store, deadline)
    else:
        # An index would be about the files of another kind's tree.
        index.unlink(missing_ok=True)
        mirror(check_out(source, revision, store, deadline).path, tree)


def read_patch(source: Source, commit: str, store: Store, deadline: Deadline) -> str | None:
    """Return what a commit of a git source changed, as a patch; None for other kinds, which have no commits."""
    return git.read_patch(source, commit, store, deadline) if source.kind == "git" else None


def clone(
    source: Source, revision: Revision, tree: Path, tags: Iterable[str], store: Store, deadline: Deadline
) -> None:
    """Make a git repository with just this revision, checked out and under these tags, for a build that wants one.

    Raises:
        UsageError: The source is no git repository.
        InfrastructureError: It cannot be had.
    """
    if revision.kind != "git":
        raise UsageError(f"{revision.text} is no commit of a git repository, and the build wants a clone of one.")
    git.clone(source, revision, tree, tags, store, deadline)
