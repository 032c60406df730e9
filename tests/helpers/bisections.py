"""Small git repositories, and a bisection over them whose oracle is a double: a real command instead of a guest.

`python -m tests.helpers.bisections DIRECTORY STORE` goes on with the bisection in DIRECTORY, for tests that kill it.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import proc
from harness.bisect import journal
from harness.bisect.candidates import read_candidates
from harness.bisect.drive import Driver
from harness.bisect.journal import Journal, JournalState
from harness.bisect.oracle import FindKnown, get_sample_path
from harness.bisect.outcome import Bisection
from harness.bisect.question import Command
from harness.bisect.records import Asked, Begun, Same, Sample
from harness.bisect.repository import open_repository, reopen
from harness.bisect.session import SearchProgress
from harness.bisect.terms import Goal, Noise
from harness.bisect.verdicts import Verdicts
from harness.pipeline import RunContext
from harness.store import Store
from harness.wait import Deadline

ENVIRONMENT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann Author"), ("EMAIL", "ann@harness.invalid"), ("DATE", "2020-01-02T03:04:05Z"))
}


def git(path: Path, *words: str) -> str:
    """Run git in a directory and return what it prints."""
    env = {**os.environ, **ENVIRONMENT, "GIT_CONFIG_GLOBAL": os.devnull}
    argv = ["git", "-C", str(path), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A repository that a test fills.

    Attributes:
        path: Where it is.
        names: Commits in the order in which they were made.
    """

    path: Path
    names: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, path: Path) -> "Repo":
        """Make a repository without commits."""
        path.mkdir(parents=True)
        git(path, "init", "--quiet", "--initial-branch=main")
        return cls(path=path)

    def commit(self, subject: str, **files: str) -> str:
        """Write files (`__` in a name is a slash, and the name ends in `.txt`), commit them, return the commit."""
        for name, content in files.items():
            file = self.path / f"{name.replace('__', '/')}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", "--message", subject)
        self.names.append(git(self.path, "rev-parse", "HEAD"))
        return self.names[-1]

    def line(self, states: str) -> "Repo":
        """Make a commit for each letter, whose file `state.txt` has that letter: what `CommandOracle`'s command looks at."""
        for number, letter in enumerate(states):
            self.commit(f"commit {number}", state=letter, **{f"src__part{number}": str(number)})
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOracle:
    """A DOUBLE of the oracle: it runs a command where the real one builds, boots and asks a guest.

    Attributes:
        command: Words of the command; it finds the revision in HARNESS_REVISION and runs in the repository.
        path: The repository.
        store: For the workplace.
        deadline: For everything.
        artifact: Gives the digest of what a revision would be built to, or None for none.
    """

    command: tuple[str, ...]
    path: Path
    store: Store
    deadline: Deadline
    artifact: Callable[[str], str] | None = None

    def take(self, asked: Asked, directory: Path, find_known: FindKnown) -> Sample | Same:
        """As `Oracle` says."""
        evidence = get_sample_path(directory, asked.number)
        evidence.mkdir(parents=True, exist_ok=True)
        built = self.artifact(asked.revision) if self.artifact else None
        found = find_known(built) if built and not asked.fresh else None
        if found is not None:
            return found
        work = RunContext(store=self.store, emit=lambda _: None, deadline=self.deadline)
        command = Command(argv=self.command, environment=dict(os.environ), cwd=self.path)
        sample = command.run(asked, {"HARNESS_REVISION": asked.revision}, work, evidence)
        where = str(evidence.relative_to(directory))
        return sample.model_copy(
            update={"artifact": built, "seconds": {"build": 0.1, "suites": 0.1}, "evidence": where}
        )

    def make_key(self, artifact: str) -> str:
        """As `Oracle` says."""
        return f"double-{artifact}"

    def list_stored(self) -> frozenset[str]:
        """As `Oracle` says."""
        return frozenset()


SCRIPT = """#!/bin/sh
# The test of the double: `b` is bad, `s` cannot be tested, `f` fails by chance, `c` fails once, `a` ends the bisection.
echo "$HARNESS_REVISION" >> "$(dirname "$0")/asked"
state=$(git show "$HARNESS_REVISION:state.txt")
echo "the state is $state"
case $state in
    g) exit 0 ;;
    b) exit 1 ;;
    s) exit 125 ;;
    a) exit 130 ;;
    f) # The n-th time at a revision is the same in every run, however samples that run side by side get in each other's way.
        times=$(flock "$0" sh -c 'echo >> "$1"; wc -l < "$1"' sh "$(dirname "$0")/times-$HARNESS_REVISION")
        test $(($(echo "$HARNESS_REVISION $times" | cksum | cut -d" " -f1) / 7 % 2)) = 0 ;;
    c) test "$(grep -c "$HARNESS_REVISION" "$(dirname "$0")/asked")" -gt 1 ;;
esac
"""


def script(place: Path, text: str = SCRIPT) -> Path:
    """Write the double's command into a directory."""
    path = place / "test-of-the-double"
    path.write_text(text)
    path.chmod(0o755)
    return path


def asked(place: Path) -> list[str]:
    """Return the revisions that the double's command was asked about, in order."""
    return (place / "asked").read_text().split() if (place / "asked").exists() else []


def begun(  # noqa: PLR0913 - each is one thing that a test changes
    repo: Repo, command: Path, *, old: str, new: str, goal: Goal = Goal.BREAK, noise: Noise = Noise.LOW,
          first_parent: bool = False, paths: tuple[str, ...] = (), most_tests: int | None = None) -> Begun:  # fmt: skip
    """Return the first record of a bisection by the double."""
    return Begun(
        started="2026-01-02T03:04:05+00:00", harness="0", subject="systemd", repository=str(repo.path), old=old, new=new,
        old_name=old, new_name=new, cell="cell", builder="host", run=(str(command),), goal=goal, noise=noise,
        first_parent=first_parent, paths=paths, most_tests=most_tests,
    )  # fmt: skip


def driver(
    written: Journal[Begun],
    store: Store,
    deadline: Deadline,
    *,
    jobs: int = 1,
    artifact: Callable[[str], str] | None = None,
    verdicts: bool = False,
    watch: Callable[[SearchProgress], None] = lambda _: None,
) -> Driver:
    """Return what goes on with a bisection by the double."""
    record = written.state.begun
    path = Path(record.repository)
    opened = (open_repository if path.exists() else reopen)(record.repository, store, deadline)
    oracle = CommandOracle(command=record.run, path=path, store=store, deadline=deadline, artifact=artifact)
    return Driver(
        journal=written, candidates=read_candidates(record, opened, deadline), oracle=oracle,
        verdicts=Verdicts(store) if verdicts else None, jobs=jobs, watch=watch, deadline=deadline,
    )  # fmt: skip


def run(
    place: Path, record: Begun, store: Store, deadline: Deadline, *, jobs: int = 1
) -> tuple[Bisection, JournalState[Begun]]:
    """Run a bisection from its beginning to its end."""
    with journal.begin(place / "run", record) as written:
        found, _ = driver(written, store, deadline, jobs=jobs).run()
    return found, journal.read(place / "run", Begun)


def bisected(  # noqa: PLR0913 - each is one thing that a test changes
    place: Path, states: str, store: Store, deadline: Deadline, *,
    jobs: int = 1, noise: Noise = Noise.LOW, goal: Goal = Goal.BREAK, most_tests: int | None = None,
) -> tuple[Repo, Bisection, JournalState[Begun]]:  # fmt: skip
    """Run the bisection of a line of commits with these states."""
    repo = Repo.empty(place / "repo").line(states)
    record = begun(
        repo, script(place), old=repo.names[0], new=repo.names[-1], noise=noise, goal=goal, most_tests=most_tests
    )
    return repo, *run(place, record, store, deadline, jobs=jobs)


def main(directory: Path, store: Path) -> int:
    """Go on with a bisection, in a process that may be killed."""
    deadline = Deadline.after(120, "bisection by the double")
    with journal.resume(directory, Begun) as written:
        driver(written, Store(store), deadline).run()
    return 0


if __name__ == "__main__":
    proc.require("git")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
