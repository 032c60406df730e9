"""The user's repository, read through our own bare mirror: it is never written to, nor its index or a worktree."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import proc
from harness.bisect.engine import History
from harness.bisect.local_repository import ask_local, find_top, is_partial, resolve_local
from harness.catalog.named_values import check_git_address
from harness.errors import InfrastructureError, UsageError
from harness.source.git import ask_remote, has_commit, open_commit, open_mirror, run_git
from harness.source.git_environment import Reach, make_environment
from harness.store import Store
from harness.wait import Deadline

__all__ = ["Commit", "FileChange", "Range", "Repository", "open_repository", "reopen"]

FORMAT = "tformat:%x01%H%x00%P%x00%an <%ae>%x00%aI%x00%s"
START = re.compile(r"\x01(?=[0-9a-f]{40}\0)")

VERSIONS = {
    "meson.version": r"^(\d+)",
    "meson.build": r"project\s*\([^)]*?version\s*:\s*'v?(\d+)",
    "configure.ac": r"AC_INIT\s*\(\s*\[?systemd\]?\s*,\s*\[?(\d+)",
}
"""Where systemd has said its version: since 255, since 233 (meson came next to autotools), and before."""

AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "harness"), ("EMAIL", "harness@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}
"""Whose the commits are that are made in the mirror; always the same, so that the same commit has the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a range.

    Attributes:
        name: Full name, 40 hexadecimal digits.
        parents: Names of its parents.
        author: "Name <address>".
        date: When it was written, ISO 8601.
        subject: First line of its message.
        files: Paths that it touched; none for a merge.
    """

    name: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str
    files: tuple[str, ...]


class FileChange(NamedTuple):
    """A file that a commit touches, and its lines added and removed; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Range:
    """The commits between two ends.

    Attributes:
        commits: What is known about each, and about the old end.
    """

    history: History
    commits: Mapping[str, Commit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository and its mirror.

    Attributes:
        address: URL, or absolute path of its top directory.
        mirror: Our bare copy; has every commit that was resolved, with its history.
        local: Whether `address` is a path.
    """

    address: str
    mirror: Path
    store: Store
    local: bool

    def resolve(self, revision: str, deadline: Deadline) -> str:
        """Resolve a tag, branch, abbreviation or expression to the full name of a commit, which is then in the mirror.

        Raises:
            UsageError: It means no commit, or begins with a dash.
            InfrastructureError: The repository cannot be reached.
        """
        if not revision or revision.startswith("-"):
            raise UsageError(
                f"The revision `{revision}` begins with a dash or is empty; git would take it for an option."
            )
        if re.fullmatch("[0-9a-f]{40}", revision) and has_commit(self.mirror, revision, deadline):
            return revision
        name = resolve_local(self.address, revision, deadline) if self.local else self._find_remote(revision, deadline)
        try:
            with open_commit(self.address, name, self.store, deadline):
                return name
        except proc.CommandError as error:
            if self.local and is_partial(self.address, deadline):
                raise UsageError(
                    f"The repository {self.address} is a partial clone: files of {name[:12]} or of its history are missing.",
                    hint=f"Get the rest with `git -C {self.address} fetch --refetch --no-filter`.",
                ) from error
            raise

    def _find_remote(self, revision: str, deadline: Deadline) -> str:
        return ask_remote(self.address, revision, self.store, deadline)["commit"]

    def is_reachable(self) -> bool:
        """Return whether it is a directory of this computer that is still there."""
        return self.local and Path(self.address).is_dir()

    def is_dirty(self, deadline: Deadline) -> bool:
        """Return whether there are changes that no commit has; a bisection does not see them."""
        if not self.local:
            return False
        found = ask_local(self.address, ["--git-path", "index", "--git-path", "objects", "--show-toplevel"], deadline)
        head = ask_local(self.address, ["--verify", "--quiet", "HEAD^{commit}"], deadline)
        if found.code or head.code:
            return False
        index, objects, top = (Path(self.address, line) for line in found.out.splitlines())
        with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
            # By our mirror, of which no configuration but ours counts: a filter or monitor of theirs would be run.
            copy = Path(scratch, "index")
            if not index.is_file():
                return False
            shutil.copyfile(index, copy)
            env = {"GIT_INDEX_FILE": str(copy), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}
            tree = f"--work-tree={top}"
            self._run_git([tree, "update-index", "-q", "--refresh"], deadline, env=env, expect=None)
            argv = [tree, "diff-index", "--quiet", "--ignore-submodules=all", "--no-ext-diff", head.out.strip(), "--"]
            return self._run_git(argv, deadline, env=env, expect=None).code == 1

    def list_range(self, old: str, new: str, deadline: Deadline, *, others: tuple[str, ...] = ()) -> Range:
        """List the commits that `new` has and neither `old` nor `others` have; raises UsageError if `old` is no ancestor."""
        self._check_order(old, new, deadline)
        log = ["log", "-z", "--no-renames", "--name-only", f"--format={FORMAT}"]
        text = (
            self._run_git([*log, new, f"^{old}", *(f"^{name}" for name in others)], deadline).out
            + self._run_git([*log, "-1", old], deadline).out
        )
        commits = {commit.name: commit for commit in map(_parse_commit, START.split(text)[1:])}
        graph = {name: commit.parents for name, commit in commits.items() if name != old}
        return Range(history=History.make(graph, good=old, bad=new), commits=commits)

    def find_bases(self, old: str, new: str, deadline: Deadline) -> tuple[str, ...]:
        """Find where the history of a newer end leaves that of an older one: the older end itself, or their merge bases.

        Raises:
            UsageError: The older end is the newer one or a descendant of it, or they have no history in common.
        """
        found = self._run_git(["merge-base", "--all", old, new], deadline, expect=(0, 1)).out.split()
        if not found or old == new or new in found:
            self._check_order(old, new, deadline)
        return tuple(found)

    def count_between(self, old: str, new: str, deadline: Deadline) -> int:
        """Count the commits that `new` has and `old` does not."""
        return int(self._run_git(["rev-list", "--count", new, f"^{old}"], deadline).out)

    def resolve_range(self, revisions: str, within: tuple[str, ...], deadline: Deadline) -> tuple[str, ...]:
        """Resolve a range `A..B` to the full names of its commits that are also reached by `within`, git's words.

        Raises:
            UsageError: As `resolve`, or the range has three dots.
        """
        first, _, last = revisions.partition("..")
        if last.startswith("."):
            raise UsageError(
                f"The range `{revisions}` has three dots; give A..B, the commits that B has and A has not."
            )
        old, new = (self.resolve(name or "HEAD", deadline) for name in (first, last))
        inside = set(self._run_git(["rev-list", *within], deadline).out.split())
        return tuple(
            name for name in self._run_git(["rev-list", new, f"^{old}"], deadline).out.split() if name in inside
        )

    def _check_order(self, old: str, new: str, deadline: Deadline) -> None:
        if old == new:
            raise UsageError(f"Both ends are the same commit {old}; there is nothing between them.")
        if self._is_ancestor(old, new, deadline):
            return
        if self._is_ancestor(new, old, deadline):
            raise UsageError(
                f"The older end {old[:12]} is a descendant of the newer end {new[:12]}.",
                hint="Swap --good and --bad if they are mixed up; to look for the commit that fixed it, add --find-fix "
                "(leave it out if it is there).",
            )
        raise UsageError(f"The commits {old[:12]} and {new[:12]} have no history in common.")

    def _is_ancestor(self, old: str, new: str, deadline: Deadline) -> bool:
        return self._run_git(["merge-base", "--is-ancestor", old, new], deadline, expect=(0, 1)).code == 0

    def find_version(self, commit: str, deadline: Deadline) -> str:
        """Find the major version of systemd at a commit, "252"; raises InfrastructureError if it says none."""
        for path, pattern in VERSIONS.items():
            match = re.search(pattern, self.read_content(commit, path, deadline), re.MULTILINE)
            if match:
                return match[1]
        raise InfrastructureError(f"The commit {commit} does not say which version of systemd it is.")

    def read_content(self, commit: str, path: str, deadline: Deadline) -> str:
        """Read the text of a file at a commit; nothing if it is not there."""
        done = self._run_git(["cat-file", "blob", f"{commit}:{path}"], deadline, expect=None)
        return done.out if done.code == 0 else ""

    def read_message(self, commit: str, deadline: Deadline) -> str:
        """Read the whole message of a commit."""
        return self._run_git(["show", "--no-patch", "--format=%B", commit], deadline).out.strip()

    def list_changes(self, commit: str, deadline: Deadline) -> tuple[FileChange, ...]:
        """List the files that a commit touches."""
        argv = ["show", "--format=", "--numstat", "-z", "--no-renames", "--first-parent", commit]
        lines = (line.removeprefix("\n") for line in self._run_git(argv, deadline).out.split("\0"))
        rows = [line.split("\t", 2) for line in lines if line.count("\t") > 1]
        return tuple(FileChange(path, _count(added), _count(removed)) for added, removed, path in rows)

    def has_file(self, commit: str, path: str, deadline: Deadline) -> bool:
        """Return whether a commit has a file or directory with this path."""
        return self._run_git(["cat-file", "-e", f"{commit}:{path}"], deadline, expect=None).code == 0

    def read_tree_name(self, commit: str, deadline: Deadline) -> str:
        """Read the name of a commit's tree: the same for all commits with the same files."""
        return self._run_git(["rev-parse", "--verify", f"{commit}^{{tree}}"], deadline).out.strip()

    def check_out(self, commit: str, tree: Path, deadline: Deadline) -> None:
        """Bring a working tree of its own, made where it is not there yet, to a commit; what is untracked in it stays.

        It is a repository that borrows the objects of the mirror, so that the commands of git work in it. Submodules stay
        empty.

        Raises:
            InfrastructureError: The disk is full, or the commit is not in the mirror.
        """
        place = tree / ".git"
        if not place.exists():
            proc.run(["git", "init", "--quiet", "--template=", str(tree)], deadline=deadline,
                     env=make_environment(reach=Reach.MIRROR))  # fmt: skip
            (place / "objects" / "info").mkdir(parents=True, exist_ok=True)
            (place / "objects" / "info" / "alternates").write_text(f"{self.mirror.absolute() / 'objects'}\n")
        (place / "index.lock").unlink(missing_ok=True)  # of a git that was killed; the tree is ours alone
        run_git(place, [f"--work-tree={tree}", "checkout", "--quiet", "--force", "--detach", commit], deadline)

    def revert(self, commit: str, on: str, deadline: Deadline) -> str | None:
        """Make a commit in the mirror that is `on` without what `commit` did (against its first parent).

        Returns:
            Its full name, always the same for the same two commits; or None where it does not come off cleanly, or
            nothing is left of it to take away.
        """
        parent = self._run_git(["rev-parse", "--verify", "--quiet", f"{commit}^1"], deadline, expect=None).out.strip()
        if not parent:
            return None
        # A merge of two made-up commits, whose common parent is the commit itself: `on` and the state before it.
        base = self._make_commit(f"{commit}^{{tree}}", (), "base", deadline)
        ours, theirs = (self._make_commit(f"{name}^{{tree}}", (base,), "side", deadline) for name in (on, parent))
        merged = self._run_git(["merge-tree", "--write-tree", ours, theirs], deadline, expect=(0, 1))
        tree = merged.out.split("\n", 1)[0].strip()
        if merged.code != 0 or tree == self._run_git(["rev-parse", f"{on}^{{tree}}"], deadline).out.strip():
            return None
        return self._make_commit(tree, (on,), f"Revert {commit}", deadline)

    def _make_commit(self, tree: str, parents: tuple[str, ...], message: str, deadline: Deadline) -> str:
        above = [word for parent in parents for word in ("-p", parent)]
        return self._run_git(["commit-tree", "-m", message, *above, tree], deadline, env=AUTHOR).out.strip()

    def _run_git(
        self,
        arguments: list[str],
        deadline: Deadline,
        *,
        env: dict[str, str] | None = None,
        expect: tuple[int, ...] | None = (0,),
    ) -> proc.Done:
        return run_git(self.mirror, arguments, deadline, env=env, expect=expect)


def open_repository(address: str, store: Store, deadline: Deadline) -> Repository:
    """Open the repository at a path (its top, below it, a worktree or bare) or a URL.

    Raises:
        UsageError: The path is no git repository, or it is a shallow clone; or the address begins with a dash.
    """
    if not address or address.startswith("-"):
        raise UsageError(f"The git address `{address}` begins with a dash or is empty.")
    path = Path(os.path.expanduser(address))  # noqa: PTH111 - that of pathlib raises for a user whom nobody knows
    local = os.path.exists(path)  # noqa: PTH110 - and so does that, for a name that is too long
    if not local:
        try:
            address = check_git_address(address)
        except ValueError as error:
            raise UsageError(f"The repository cannot be read: {error}.") from error
    if not local and not re.match(r"[^/]+:", address):
        raise UsageError(
            f"The repository {address} does not exist.",
            hint="Give --repo the path of a clone, or the URL of a repository.",
        )
    name = find_top(path.absolute(), deadline) if local else address
    with open_mirror(name, store, deadline) as mirror:
        return Repository(address=name, mirror=mirror, store=store, local=local)


def reopen(address: str, store: Store, deadline: Deadline) -> Repository:
    """Open the repository of a bisection that goes on: all it needs is in the mirror, even if the original is gone."""
    with open_mirror(address, store, deadline) as mirror:
        return Repository(address=address, mirror=mirror, store=store, local=Path(address).exists())


def _parse_commit(text: str) -> Commit:
    name, parents, author, date, subject, *files = text.split("\0")
    return Commit(
        name=name,
        parents=tuple(parents.split()),
        author=author,
        date=date,
        subject=subject,
        files=tuple(path.removeprefix("\n") for path in files if path.removeprefix("\n")),
    )


def _count(text: str) -> int | None:
    """Parse a number of lines, or None for the dash that stands for a binary file."""
    return int(text) if text.isdigit() else None
