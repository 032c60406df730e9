"""A git repository with real systemd: Debian's source package, its patches, and small edits on top of them.

The first commit is the upstream tree; each patch of the package is a commit, and then come edits with
a merged side branch, commits that do not build, and one change of behaviour. Authors and dates are fixed, so
that one version of the package makes the same commits everywhere.
"""

import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import IO

from harness import source
from harness.catalog import Source
from harness.store import Store
from harness.wait import Deadline
from tools.history_edits import CULPRITS, EDITS, MISTAKE, MISTAKES, Culprit, Edit
from tools.history_patches import patches, upstream

ORIGIN = Source(debian="systemd", release="bookworm")
VERSION = "252"

FEWEST = 12
"""Edits that a history needs at least: all its parts, and none of the plain edits."""

LONG = 24
"""Edits from which on the parts of a history are bigger."""

WHO = "Fixture <fixture@harness.invalid>"
BEGIN = 1_700_000_000
"""When the first commit was made, in seconds since 1970; each other one is an hour later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A repository in which a change of behaviour is to be found.

    Attributes:
        path: The repository; its work tree is `bad`, and clean.
        good: Commit without the change.
        bad: Commit with it.
        culprit: The commit that made it.
        inside: Whether the culprit is on the merged side branch.
        unbuildable: Commits between good and bad that do not compile.
        merges: Commits between good and bad with two parents.
        kind: The change, with the case or script that shows it.
    """

    path: Path
    good: str
    bad: str
    culprit: str
    inside: bool
    unbuildable: frozenset[str]
    merges: tuple[str, ...]
    kind: Culprit


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit that is planned.

    Attributes:
        message: All of it.
        parents: Numbers of its parents.
        files: New content of the files that differ from the first parent's; None where there is no file any more.
        broken: Whether it does not compile.
    """

    message: str
    parents: tuple[int, ...]
    files: Mapping[str, bytes | None]
    broken: bool = False


@dataclass(slots=True, kw_only=True)
class Branch:
    """A line of commits: the number of its last one, and the files that its edits have changed."""

    tip: int
    files: dict[str, bytes] = field(default_factory=dict)


Block = tuple[Sequence[Edit], Sequence[Edit]]
"""Edits one after the other, and those that are made next to them on a branch which is then merged."""


def make(
    path: Path, store: Store, deadline: Deadline, *,
    culprit: str = "payload", seed: int = 1, commits: int = 60, inside: bool = False,
) -> History:  # fmt: skip
    """Make the repository.

    Args:
        path: Directory to make it in; it must not exist.
        store: Where the source package is kept.
        deadline: For fetching it, half a minute.
        culprit: A name in `CULPRITS`.
        seed: Which edits there are, in which order; and where the culprit is.
        commits: How many there are between good and bad, bad included. Debian's patches are among them if
            that leaves `FEWEST` edits.
        inside: Whether the culprit is on the merged side branch.

    Raises:
        RuntimeError: Debian's systemd is not the one that the edits were written for.
    """
    tree = source.check_out(ORIGIN, source.resolve(ORIGIN, VERSION, store, deadline), store, deadline).path
    kind = CULPRITS[culprit]
    planned = [Commit(message="systemd, as it is released\n", parents=(), files={}), *patched(tree)]
    last = len(planned) - 1
    good = 0 if commits - last >= FEWEST else last
    blocks = arranged(seed, commits - (last - good), kind.edit, inside=inside)
    planned += edited(tree, last, blocks)
    names = written(path, tree, planned)
    (found,) = (number for number, commit in enumerate(planned) if commit.message == f"{kind.edit.subject}\n")
    return History(
        path=path,
        good=names[good],
        bad=names[-1],
        culprit=names[found],
        inside=inside,
        unbuildable=frozenset(names[number] for number, commit in enumerate(planned) if commit.broken),
        merges=tuple(names[number] for number, commit in enumerate(planned) if len(commit.parents) > 1),
        kind=kind,
    )


def question(made: History, directory: Path) -> list[str]:
    """Return the options of `harness bisect-systemd` that ask for the change, and write the script that they name."""
    if made.kind.case is not None:
        return ["--test", made.kind.case]
    script = directory / f"{made.culprit[:12]}.sh"
    script.write_text(
        f'exec ssh -F "$HARNESS_SSH_CONFIG" guest {shlex.quote(made.kind.script or "")}\n', encoding="utf-8"
    )
    return ["--run", f"sh {shlex.quote(str(script))}"]


def patched(tree: Path) -> Iterator[Commit]:
    """Yield the commits of the package's patches, which follow commit 0."""
    for number, (subject, files) in enumerate(patches(tree)):
        yield Commit(message=f"{subject}\n", parents=(number,), files=files)


def arranged(seed: int, count: int, culprit: Edit, *, inside: bool) -> list[Block]:
    """Arrange the blocks of a history with `count` commits.

    Raises:
        ValueError: So few commits do not hold all parts of a history.
    """
    if count < FEWEST:
        raise ValueError(f"A history needs at least {FEWEST} edits, and got {count}.")
    stretch, beside = (1, 3) if count < LONG else (2, 5)
    pool = cycle(sorted(EDITS, key=lambda edit: _chance(seed, edit.path)))
    lone, long = MISTAKES
    window, branch = list(islice(pool, 2)), list(islice(pool, beside))
    if inside:
        branch[beside // 2] = culprit
    blocks: list[Block] = [
        (lone, ()),
        ((long[0], *islice(pool, stretch), long[1]), ()),
        (window, branch),
        ([next(pool) if inside else culprit], ()),
    ]
    missing = count - sum(len(main) + len(side) + bool(side) for main, side in blocks)
    blocks += [([edit], ()) for edit in islice(pool, missing)]
    order = sorted(range(len(blocks)), key=lambda place: _chance(seed, f"block {place}"))
    drawn = [blocks[place] for place in order]
    at = next(place for place, (main, side) in enumerate(drawn) if culprit in (*main, *side))
    # Neither the first nor the last: a change there is found without looking.
    half = len(drawn) // 2 if at in {0, len(drawn) - 1} else 0
    return drawn[half:] + drawn[:half]


def edited(tree: Path, last: int, blocks: Sequence[Block]) -> list[Commit]:
    """Return the commits of edits that follow commit `last`."""
    commits: list[Commit] = []

    def add(branch: Branch, edit: Edit) -> None:
        number = last + 1 + len(commits)
        before = branch.files.get(edit.path) or (tree / edit.path).read_bytes()
        branch.files[edit.path] = edit.applied(before, number)
        changed = {edit.path: branch.files[edit.path]}
        commits.append(
            Commit(message=f"{edit.subject}\n", parents=(branch.tip,), files=changed, broken=_broken(branch))
        )
        branch.tip = number

    main = Branch(tip=last)
    for along, beside in blocks:
        side = Branch(tip=main.tip, files=dict(main.files))
        for edit in along:
            add(main, edit)
        for edit in beside:
            add(side, edit)
        if beside:
            merged = {edit.path: side.files[edit.path] for edit in beside}
            if not merged.keys().isdisjoint(edit.path for edit in along):
                raise RuntimeError("Both sides of a merge change one file; there are too few edits to choose from.")
            main.files |= merged
            parents = (main.tip, side.tip)
            commits.append(Commit(message="Merge branch 'side'\n", parents=parents, files=merged))
            main.tip = last + len(commits)
    return commits


def written(path: Path, tree: Path, commits: Sequence[Commit]) -> list[str]:
    """Make a repository of the commits, the first of which has the unpatched tree; returns their names."""
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main", "--object-format=sha1")
    marks = path / ".git" / "marks"
    argv = ["git", "-C", str(path), "-c", "pack.compression=1", "fast-import", "--quiet", f"--export-marks={marks}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=_environment()) as importer:
        assert importer.stdin is not None
        for number, commit in enumerate(commits):
            _header(importer.stdin, number, commit)
            first = upstream(tree) if number == 0 else ()
            for name, content in (*first, *commit.files.items()):
                _change(importer.stdin, tree, name, content)
            importer.stdin.write(b"\n")
        importer.stdin.write(b"done\n")
    assert importer.returncode == 0, "git fast-import refused the history"
    names = dict(line.split() for line in marks.read_text(encoding="utf-8").splitlines())
    git(path, "reset", "--quiet", "--hard", "main")
    return [names[f":{number + 1}"] for number in range(len(commits))]


def git(path: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Run git in the repository, and return what it prints; the user's configuration does not count."""
    argv = ["git", "-C", str(path), *arguments]
    environment = _environment() | dict(variables or {})
    # Status 1 is an answer: nothing was found, or there are differences.
    done = subprocess.run(argv, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode in {0, 1}, argv
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    return os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def _broken(branch: Branch) -> bool:
    return any(MISTAKE.encode() in content for content in branch.files.values())


def _chance(seed: int, what: str) -> str:
    """Return a number that looks random and is the same in every version of Python."""
    return hashlib.sha256(f"{seed} {what}".encode()).hexdigest()


def _header(stream: IO[bytes], number: int, commit: Commit) -> None:
    when = f"{WHO} {BEGIN + 3600 * number} +0000"
    message = commit.message.encode()
    lines = ["commit refs/heads/main", f"mark :{number + 1}", f"author {when}", f"committer {when}"]
    stream.write("\n".join([*lines, f"data {len(message)}\n"]).encode() + message)
    for what, parent in zip(("from", "merge"), commit.parents, strict=False):
        stream.write(f"{what} :{parent + 1}\n".encode())


def _change(stream: IO[bytes], tree: Path, name: str, content: bytes | None) -> None:
    if content is None:
        stream.write(f"D {name}\n".encode())
        return
    path = tree / name
    mode = "120000" if path.is_symlink() else "100755" if os.access(path, os.X_OK) else "100644"
    stream.write(f"M {mode} inline {name}\ndata {len(content)}\n".encode() + content + b"\n")
