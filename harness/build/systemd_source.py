"""Gives a build the source of systemd that a part of its output is made from: rkt's `src` flavor and its stage1.

It is a git repository of its own in the worktree, with nothing but the revision: rkt copies a path and clones
a URL, and finds the right code by either. What rkt made from another revision before is removed, as rkt itself
takes the clone that it has for the right one wherever the version looks like a tag.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness import source
from harness.build.spec import BuildSpec
from harness.store import Store
from harness.wait import Deadline

__all__ = ["BUILDS", "PLACE", "provide_systemd"]

PLACE = PurePosixPath("systemd")
"""Where in a worktree the repository is."""

BUILDS = "build-*"
"""Pattern of the build directories in a worktree."""

REMEMBERED = "systemd.revision"
"""File in a worktree that says which revision was handed over last."""


def provide_systemd(work: Path, spec: BuildSpec, store: Store, log: Path, deadline: Deadline) -> None:
    """Put the systemd of a spec into a worktree, unless it is there; does nothing where the build gets none.

    Raises:
        UsageError: The systemd is no commit of a git repository.
        InfrastructureError: It cannot be had.
    """
    if spec.systemd is None:
        return
    tree, remembered = work / PLACE, work / REMEMBERED
    revision = spec.systemd.revision
    lines = []
    if not (tree / ".git").exists() or not _is_in_file(remembered, revision.identity):
        # What is about the other revision goes first: if this is ended early, nothing of it is left behind.
        remembered.unlink(missing_ok=True)
        for path in (*_list_stale(work, spec), tree):
            if path.exists():
                lines.append(f"# removed {path.relative_to(work)}, which is of another systemd")
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        tags = (f"v{spec.systemd.number}",)
        source.clone(spec.systemd.source, revision, tree, tags, store, deadline)
        remembered.write_text(revision.identity, encoding="utf-8")
    lines.append(f"# systemd {spec.systemd.version} is handed over in {PLACE}: {revision.text}")
    if not (tree / "configure.ac").exists():
        lines.append("# this systemd has no configure.ac: it is built by meson, as all are since 235")
    with log.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def _list_stale(work: Path, spec: BuildSpec) -> Iterator[Path]:
    for build in sorted(work.glob(BUILDS)):
        for pattern in spec.kind.stale:
            yield from sorted(build.glob(pattern))


def _is_in_file(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text
