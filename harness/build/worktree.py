"""Trees in which builds leave what they made, so that the next revision compiles only what it changes.

A worktree belongs to one build at a time. There are as many of a kind as ever were in use at once.
"""

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import proc, source
from harness.build.spec import BuildSpec
from harness.model import VersionRange
from harness.source.git_environment import NO_REPOSITORY, Reach, make_environment
from harness.store import Store, try_lock
from harness.wait import Deadline

__all__ = ["borrow_worktree", "clean_worktree", "fill_worktree"]


@contextmanager
def borrow_worktree(name: str, store: Store, deadline: Deadline) -> Iterator[Path]:
    """Yield a directory of this name that nobody else uses while the context lasts, with what was left in it."""
    with ExitStack() as stack:
        for number in itertools.count():
            directory = store.share("worktree", f"{name}-{number}", deadline)
            if stack.enter_context(try_lock(directory.with_name(f"{directory.name}.use.lock"))):
                yield directory
                return


def clean_worktree(directory: Path, tree: Path, *, whole: bool = False) -> None:
    """Remove everything from a worktree but the source in it; with `whole` that too, and what is known about it."""
    for path in directory.iterdir():
        if path.is_dir() and (whole or path != tree):
            shutil.rmtree(path)
        elif whole and not path.is_dir():
            path.unlink()


def fill_worktree(directory: Path, tree: Path, spec: BuildSpec, store: Store, log: Path, deadline: Deadline) -> None:
    """Bring the source in a worktree to the spec's revision, with the fix-ups that its version needs.

    `tree` is where in the worktree the source is; `log` gets a line for each fix-up.

    Raises:
        InfrastructureError: The source cannot be had.
    """
    tree.mkdir(parents=True, exist_ok=True)
    source.update(spec.source, spec.revision, tree, directory / f"{tree.name}.index", store, deadline)
    with log.open("a", encoding="utf-8") as file:
        for fixup in spec.rules.fixups:
            if VersionRange(fixup.versions).contains(spec.version):
                for commit in fixup.commits:
                    done = _apply(source.read_patch(spec.source, commit, store, deadline), tree, deadline)
                    file.write(f"# fix-up {commit[:12]}: {done}. {fixup.reason}\n")
                if fixup.file is not None:
                    done = _replace(tree / fixup.file, tree, fixup.pattern or "", fixup.replacement or "")
                    file.write(f"# fix-up of {fixup.file}: {done}. {fixup.reason}\n")


def _replace(path: Path, tree: Path, pattern: str, replacement: str) -> str:
    if not path.exists():
        return "there is no such file"
    if not path.resolve().is_relative_to(tree.resolve()):
        return "not done, as a link there leads out of the source"
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(pattern, replacement, old)
    if new != old:
        path.write_text(new, encoding="utf-8")
    return f"replaced {count} times" if count else "not needed"


def _apply(patch: str | None, tree: Path, deadline: Deadline) -> str:
    if patch is None:
        return "not applied, as the source is no git repository"
    # Neither a repository around the store is the tree's, nor one that came with the source.
    env = make_environment(NO_REPOSITORY, reach=Reach.MIRROR)

    def git(*options: str) -> bool:
        argv = ["git", "apply", *options, "-"]
        return proc.run(argv, deadline=deadline, env=env, cwd=tree, stdin=patch.encode(), expect=None).code == 0

    if git("--check", "--reverse"):
        return "not needed"
    return "applied" if git() else "does not apply"
