"""Put reported bugs back into Debian's source, and see our cases fail: `python -m tools.proofs [--only NAME[,NAME]]`.

tools/proofs.yaml has small edits of systemd and runc. For each, `harness bisect-systemd` or `bisect-runtime` asks a case
about the untouched source, which must be good, and about the edited one, which must be bad. What was seen goes to
suites/proofs.json, where tools/regressions.py reads it. An edit that was seen is not tried again until it changes.
"""

import argparse
import datetime as dt
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import platformdirs

from harness import proc, source
from harness.catalog import Source
from harness.errors import UsageError
from harness.model import Outcome
from harness.results import CellResult
from harness.rundir import RESULT
from harness.store import Store
from harness.suite import is_named
from harness.wait import Deadline
from tools import history, history_runc
from tools.history import BEGIN, WHO, Commit, git
from tools.proof_edits import EDITS, ROOT, SEEN, ProofEdit, SeenProof, SeenProofs, read_edits, read_seen
from tools.tool import run_tool

__all__ = ["Answer", "Base", "commit_edits", "main", "prove"]

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


def commit_edits(path: Path, edits: Sequence[ProofEdit]) -> str:
    """Commit edits on top of the repository's branch `main`, and return the commit, which has a branch of its own.

    Raises:
        UsageError: The source has no such place.
    """
    git(path, "checkout", "--quiet", "--force", "--detach", "main")
    for edit in edits:
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
    message = ", ".join(edit.name for edit in edits)
    git(path, "commit", "--quiet", "--all", "--no-verify", "--message", message, variables=who)
    git(path, "branch", "--quiet", "--force", edits[0].name if len(edits) == 1 else "together")
    return git(path, "rev-parse", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a guest said of a revision.

    Attributes:
        verdict: "good", "bad" or "skip".
        why: The reason for it.
        passed: Which of the cases passed.
        failed: What those that failed said.
    """

    verdict: str
    why: str
    passed: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)


Question = Callable[[str, str, Sequence[str]], Answer]
"""Asks about a revision, in a cell, by cases; those of a module follow one another and share what is set up for it."""


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
    outcomes = {case: [one for one in ran if is_named(one.nodeid, case)] for case in cases}
    failed = {
        case: next((f"{one.nodeid}: {one.message}" for one in results if one.outcome is Outcome.FAILED), "")
        for case, results in outcomes.items()
    }
    return Answer(
        verdict=said["verdict"], why=": ".join(filter(None, (said["reason"], said["message"]))),
        passed=frozenset(case for case, results in outcomes.items() if results and all(one.outcome.passes for one in results)),
        failed={case: text for case, text in failed.items() if text},
    )  # fmt: skip


def prove(
    edits: Sequence[ProofEdit], base: Base, question: Question, others: Iterable[ProofEdit] = ()
) -> Iterator[tuple[ProofEdit, SeenProof | None, str]]:
    """Ask about a source with these edits and about the untouched one, in each of their cells.

    Yield for each edit what was seen, or None with what was seen instead. What `others` want to know of the untouched
    source in the same guest is asked along.
    """
    try:
        edited = commit_edits(base.path, edits)
    except UsageError as error:
        yield from ((edit, None, str(error)) for edit in edits)
        return
    wanted = [*edits, *(other for other in others if other.project == edits[0].project)]
    for cell in dict.fromkeys(edit.cell for edit in edits):
        here = [edit for edit in edits if edit.cell == cell]
        begin = time.monotonic()
        answer = question(edited, cell, sorted({edit.case for edit in here}))
        seconds = round(time.monotonic() - begin, 1)
        bad = [edit for edit in here if edit.case in answer.failed and re.search(edit.says, answer.failed[edit.case])]
        yield from (
            (edit, None, f"the edited source is {answer.verdict}: {answer.failed.get(edit.case, answer.why)}")
            for edit in here
            if edit not in bad
        )
        why = _ask_untouched(base, question, bad, [other.case for other in wanted if other.cell == cell])
        for edit in bad:
            if (cell, edit.case) not in base.good:
                yield edit, None, f"the untouched source is {why}"
                continue
            message = answer.failed[edit.case][:300]
            seen = SeenProof(
                digest=edit.digest, date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", source=base.text, message=message,
                seconds=seconds, along=tuple(other.name for other in edits if other is not edit),
            )  # fmt: skip
            yield edit, seen, message


def _ask_untouched(base: Base, question: Question, edits: Sequence[ProofEdit], along: Sequence[str]) -> str:
    """Note which cases of the edits, and of `along`, are good about the untouched source; return what it said last."""
    why = ""
    for extra in (along, ()):
        left = [edit for edit in edits if (edit.cell, edit.case) not in base.good]
        if not left:
            break
        answer = question("main", left[0].cell, sorted({*(edit.case for edit in left), *extra}))
        base.good.update((left[0].cell, case) for case in answer.passed)
        why = f"{answer.verdict}: {answer.why}"
    return why


def write_seen(name: str, seen: SeenProof, path: Path) -> None:
    """Add to the file what was seen of an edit; another process may have written it meanwhile."""
    known = dict(sorted((read_seen(path) | {name: seen}).items()))
    part = path.with_suffix(".part")
    part.write_text(SeenProofs(known).model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def choose(edits: Sequence[ProofEdit], only: Sequence[str], known: Mapping[str, SeenProof]) -> list[list[ProofEdit]]:
    """Return the edits that are left to try, each of a build of its own; those that are named in any case, and as named."""
    by_name = {edit.name: edit for edit in edits}
    groups = [group.split(",") for group in only]
    if unknown := sorted({name for group in groups for name in group} - by_name.keys()):
        raise UsageError(f"There is no edit `{unknown[0]}`; they are in {EDITS.relative_to(ROOT)}.")
    if mixed := [group for group in groups if len({by_name[name].project for name in group}) > 1]:
        raise UsageError(f"The edits {', '.join(mixed[0])} are of more than one source, and cannot be in one build.")
    if groups:
        return [[by_name[name] for name in group] for group in groups]
    return [[edit] for edit in edits if edit.name not in known or known[edit.name].digest != edit.digest]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the edits that are left, or those that are named; return 1 if one of them was not seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME[,NAME]",
        help="this edit in any case, or these in one build, which is quicker; may be repeated",
    )  # fmt: skip
    parser.add_argument("--directory", type=Path, default=ROOT / "runs" / "proofs", help="of sources and evidence")
    options = parser.parse_args(arguments)
    edits, directory = read_edits(), options.directory.absolute()
    bases: dict[str, Base] = {}
    failed = False
    left = choose(edits, options.only, read_seen())
    for number, group in enumerate(left):
        project = group[0].project
        if project not in bases:
            bases[project] = open_base(project, directory)
        question = partial(ask, bases[project], directory / "runs")
        for edit, seen, why in prove(group, bases[project], question, chain(*left[number:])):
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
