"""Put reported bugs back into Debian's source, and see our cases fail: `python -m tools.proofs [--only NAME]`.

tools/proofs.yaml has small edits of systemd and runc. For each, `harness bisect-systemd` or `bisect-runtime` asks a case
about the untouched source, which must be good, and about the edited one, which must be bad. What was seen goes to
suites/proofs.json, where tools/regressions.py reads it. An edit that was seen is not tried again until it changes.
"""

import argparse
import datetime as dt
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import platformdirs

from harness import proc, source
from harness.catalog import Source
from harness.errors import UsageError
from harness.results import CellResult
from harness.rundir import RESULT
from harness.store import Store
from harness.suite import is_named
from harness.wait import Deadline
from tools import history, history_runc
from tools.history import BEGIN, WHO, Commit, git
from tools.proof_edits import EDITS, ROOT, SEEN, ProofEdit, SeenProof, SeenProofs, read_edits, read_seen
from tools.tool import run_tool

__all__ = ["Answer", "Base", "commit_edit", "main", "prove"]

HOURS = 1.0
"""When a question is ended at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Whose source is edited: where it is from, and the verb that asks about its commits."""

    origin: Source
    version: str
    verb: str
    make: Callable[[Path, Store, Deadline], object]


def _make_systemd(path: Path, store: Store, deadline: Deadline) -> None:
    revision = source.resolve(history.ORIGIN, history.VERSION, store, deadline)
    tree = source.check_out(history.ORIGIN, revision, store, deadline).path
    history.written(path, tree, [Commit(message="released\n", parents=(), files={}), *history.patched(tree)])


PROJECTS = {
    "systemd": Project(origin=history.ORIGIN, version=history.VERSION, verb="bisect-systemd", make=_make_systemd),
    "runc": Project(
        origin=history_runc.ORIGIN, version=history_runc.VERSION, verb="bisect-runtime", make=history_runc.make
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The untouched source as a git repository.

    Attributes:
        path: The repository; its branch `main` is the untouched source, with Debian's patches.
        text: What it is: "systemd 252.39-1~deb12u2 (Debian bookworm)".
        good: Cells and cases that were good about it.
    """

    project: Project
    path: Path
    text: str
    good: set[tuple[str, str]] = field(default_factory=set)


def open_base(name: str, directory: Path) -> Base:
    """Return the source of a project, and make its repository if it is not there for this version."""
    project = PROJECTS[name]
    store = Store(Path(os.environ.get("HARNESS_STORE") or platformdirs.user_cache_path("rkt-harness")))
    deadline = Deadline.after(900, f"source of {name}")
    revision = source.resolve(project.origin, project.version, store, deadline)
    path = directory / "sources" / f"{name}-{revision.stamp}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part{os.getpid()}")
        project.make(part, store, deadline)
        part.rename(path)
    return Base(project=project, path=path, text=revision.text)


def commit_edit(path: Path, edit: ProofEdit) -> str:
    """Commit an edit on top of the repository's branch `main`, and return the commit, which has a branch of its own.

    Raises:
        UsageError: The source has no such place.
    """
    git(path, "checkout", "--quiet", "--force", "--detach", "main")
    for change in edit.changes:
        file = path / change.file
        try:
            file.write_text(change.apply(file.read_text(encoding="utf-8")), encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"The edit {edit.name} cannot be made: {error}") from error
    name, address = WHO.rstrip(">").split(" <")
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in (
        ("NAME", name), ("EMAIL", address), ("DATE", f"{BEGIN} +0000"),
    )}  # fmt: skip
    git(path, "commit", "--quiet", "--all", "--no-verify", "--message", edit.name, variables=who)
    git(path, "branch", "--quiet", "--force", edit.name)
    return git(path, "rev-parse", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a guest said: the verdict ("good", "bad" or "skip"), why, and which of the cases passed."""

    verdict: str
    why: str
    passed: frozenset[str] = frozenset()


Question = Callable[[str, str, Sequence[str]], Answer]
"""Asks about a revision, in a cell, by cases."""


def ask(base: Base, runs: Path, revision: str, cell: str, cases: Sequence[str]) -> Answer:
    """Ask about a revision of the source in a guest of the cell."""
    argv = [
        sys.executable, "-m", "harness", "--runs", str(runs), base.project.verb, "--repo", str(base.path), "--at", revision,
        "--cell", cell, *(word for case in cases for word in ("--test", case)), "--format", "json",
    ]  # fmt: skip
    deadline = Deadline.after(3600 * HOURS, f"question about {revision}")
    done = proc.run(argv, cwd=ROOT, deadline=deadline, env=os.environ, apart=True, expect=None)
    try:
        said = json.loads(done.out)
    except ValueError:
        return Answer(verdict="skip", why=f"status {done.code}: {done.err.strip()[-400:]}")
    result = ROOT / said["directory"] / RESULT
    ran = CellResult.model_validate_json(result.read_bytes()).cases if result.exists() else ()
    outcomes = {case: [one.outcome.passes for one in ran if is_named(one.nodeid, case)] for case in cases}
    return Answer(
        verdict=said["verdict"], why=": ".join(filter(None, (said["reason"], said["message"]))),
        passed=frozenset(case for case, passes in outcomes.items() if passes and all(passes)),
    )  # fmt: skip


def prove(
    edit: ProofEdit, base: Base, question: Question, others: Iterable[ProofEdit] = ()
) -> tuple[SeenProof | None, str]:
    """Ask about the edited source and the untouched one; return what was seen, or None with what was seen instead.

    What `others` want to know of the untouched source in the same guest is asked along.
    """
    try:
        edited = commit_edit(base.path, edit)
    except UsageError as error:
        return None, str(error)
    begin = time.monotonic()
    answer = question(edited, edit.cell, [edit.case])
    seconds = round(time.monotonic() - begin, 1)
    if answer.verdict != "bad":
        return None, f"the edited source is {answer.verdict}: {answer.why}"
    along = [other.case for other in others if (other.project, other.cell) == (edit.project, edit.cell)]
    for cases in (dict.fromkeys([edit.case, *along]), [edit.case]):
        if (edit.cell, edit.case) not in base.good:
            untouched = question("main", edit.cell, [*cases])
            base.good.update((edit.cell, case) for case in untouched.passed)
    if (edit.cell, edit.case) not in base.good:
        return None, f"the untouched source is {untouched.verdict}: {untouched.why}"
    seen = SeenProof(
        digest=edit.digest, date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", source=base.text,
        message=answer.why[:300], seconds=seconds,
    )  # fmt: skip
    return seen, answer.why


def write_seen(name: str, seen: SeenProof, path: Path) -> None:
    """Add to the file what was seen of an edit; another process may have written it meanwhile."""
    known = dict(sorted((read_seen(path) | {name: seen}).items()))
    part = path.with_suffix(".part")
    part.write_text(SeenProofs(known).model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def choose(edits: Sequence[ProofEdit], only: Sequence[str], known: dict[str, SeenProof]) -> list[ProofEdit]:
    """Return the edits that are left to try; those that are named in any case."""
    if unknown := sorted({*only} - {edit.name for edit in edits}):
        raise UsageError(f"There is no edit `{unknown[0]}`; they are in {EDITS.relative_to(ROOT)}.")
    return [
        edit for edit in edits
        if edit.name in only or (not only and (edit.name not in known or known[edit.name].digest != edit.digest))
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the edits that are left, or those that are named; return 1 if one of them was not seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this edit in any case; may be repeated"
    )
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "proofs", help="of sources and evidence")
    options = parser.parse_args(arguments)
    edits, directory = read_edits(), options.directory.absolute()
    bases: dict[str, Base] = {}
    failed = False
    left = choose(edits, options.only, read_seen())
    for number, edit in enumerate(left):
        if edit.project not in bases:
            bases[edit.project] = open_base(edit.project, directory)
        base = bases[edit.project]
        seen, why = prove(edit, base, partial(ask, base, directory / "runs"), left[number:])
        print(f"{'seen' if seen else 'NOT SEEN':8} {edit.name} in {edit.cell}: {why}", flush=True)
        failed |= seen is None
        if seen:
            write_seen(edit.name, seen, SEEN)
    known = read_seen()
    proven = sum(edit.name in known and known[edit.name].digest == edit.digest for edit in edits)
    print(f"{proven} of {len(edits)} edits make their case fail")
    return int(failed)


if __name__ == "__main__":
    run_tool(main)
