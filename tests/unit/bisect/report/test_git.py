"""The log of a bisection, as git itself reads it."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bisect.records import Sample
from harness.bisect.report import View, render_git_log
from harness.bisect.terms import AnswerKind, Goal, Noise, SearchSettings
from harness.errors import UsageError
from harness.model import Verdict
from tests.helpers.bisection_views import name_of, says, searched, straight


class Repository:
    """A repository with empty commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ""
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.tree = self.git("mktree").strip()

    def git(self, *words: str, expect: tuple[int, ...] = (0,)) -> str:
        """Run git, and return what it prints, errors too."""
        who = {f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *words], cwd=self.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=60,
            env=who | {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode in expect, done.stdout
        return done.stdout

    def commit(self, message: str, *parents: str) -> str:
        """Make a commit, and return its full name."""
        return self.git("commit-tree", self.tree, "-m", message, *(f"-p{parent}" for parent in parents)).strip()

    def line(self, size: int, name: str, parent: str) -> list[str]:
        """So many commits on top of another."""
        found = [parent]
        for number in range(size):
            found.append(self.commit(f"{name} {number}", found[-1]))
        return found[1:]

    def replay(self, view: View, *, expect: tuple[int, ...] = (0,)) -> str:
        """Replay the log, and return what git says at its end; git's own log of it must be the same commands."""
        self.git("checkout", "--quiet", "--detach", view.begun.new)
        path = self.path / "log"
        path.write_text(render_git_log(view), encoding="utf-8")
        said = self.git("bisect", "replay", str(path), expect=expect)
        assert commands(render_git_log(view)) == commands(self.git("bisect", "log"))
        self.git("bisect", "reset")
        return said


def commands(log: str) -> list[str]:
    """Return the lines that are no comments."""
    return [line for line in log.splitlines() if not line.startswith("#")]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_git_finds_the_same_commit(repository: Repository) -> None:
    """After the replay of a straight history git names the culprit."""
    root = repository.commit("root")
    names = repository.line(20, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, says(set(names[12:])))

    assert f"{names[12]} is the first bad commit" in repository.replay(view)


def test_samples_that_came_late_do_not_lead_git_astray(repository: Repository) -> None:
    """Of samples taken side by side a later commit's may come last; git goes on from the last that is called bad."""
    root = repository.commit("root")
    names = repository.line(20, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, says(set(names[12:])))
    sample = Sample(revision=names[15], verdict=Verdict.BAD)
    late = replace(view.steps[-1], number=len(view.steps) + 1, result=sample)

    assert f"{names[12]} is the first bad commit" in repository.replay(replace(view, steps=(*view.steps, late)))


def merged(repository: Repository) -> tuple[dict[str, tuple[str, ...]], list[str], list[str]]:
    """Return a history with a branch: names to parents, the main line, the branch."""
    root = repository.commit("root")
    base = repository.line(5, "base", root)
    branch = repository.line(6, "branch", base[-1])
    main = repository.line(5, "main", base[-1])
    merge = repository.commit("Merge", main[-1], branch[-1])
    top = repository.line(4, "top", merge)
    graph: dict[str, tuple[str, ...]] = {}
    for line, parent in ((base, root), (branch, base[-1]), (main, base[-1])):
        graph |= dict(zip(line, ((name,) for name in [parent, *line]), strict=False))
    graph[merge] = (main[-1], branch[-1])
    graph |= dict(zip(top, ((name,) for name in [merge, *top]), strict=False))
    return graph, [*base, *main, merge, *top], branch


def test_git_finds_a_commit_in_a_branch(repository: Repository) -> None:
    """A culprit that came in by a merge is found without git asking for a merge base."""
    graph, main, branch = merged(repository)
    view = searched(graph, says({*branch[3:], *main[-5:]}))

    assert f"{branch[3]} is the first bad commit" in repository.replay(view)


def test_git_stays_on_first_parents(repository: Repository) -> None:
    """A search over first parents ends at the merge in git as well."""
    graph, main, branch = merged(repository)
    view = searched(graph, says({*branch[3:], *main[-5:]}), first_parent=True)

    assert "'--first-parent'" in render_git_log(view)
    assert f"{main[-5]} is the first bad commit" in repository.replay(view)


def test_git_knows_what_was_skipped(repository: Repository) -> None:
    """Where commits around the culprit cannot be tested, git names the same suspects."""
    root = repository.commit("root")
    names = repository.line(16, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, says(set(names[9:]), broken=names[8:11]), settings=SearchSettings(least_testable=1e-9))
    assert view.answer is not None
    said = repository.replay(view, expect=(0, 2))

    assert view.answer.kind is AnswerKind.SUSPECTS
    assert {suspect.revision for suspect in view.answer.suspects} == {name for name in names if f"\n{name}\n" in said}
    assert "# possible first bad commit: [" in render_git_log(view)


def test_terms_and_fixes(repository: Repository) -> None:
    """The user's terms are git's, and a commit that fixes the test is on the newer side; terms are quoted as git does."""
    root = repository.commit("root")
    names = repository.line(12, "it's a change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, says({root, *names[:7]}), settings=SearchSettings(goal=Goal.FIX))
    terms = {"term_old": "it's-bro!ken", "term_new": "mended"}
    view = replace(view, begun=view.begun.model_copy(update=terms))

    assert f"{names[7]} is the first mended commit" in repository.replay(view)


def test_a_contradiction_gets_the_likelier_side(repository: Repository) -> None:
    """A commit with samples of both kinds gets one verdict, that of its side, and a comment."""
    root = repository.commit("root")
    names = repository.line(16, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    honest = says(set(names[10:]))

    def once_wrong(revision: str, asked: int) -> Verdict:
        flips = revision == names[9] and asked == 0
        return Verdict.BAD if flips else honest(revision, asked)

    view = searched(graph, once_wrong, settings=SearchSettings(noise=Noise.LEARN))
    log = render_git_log(view)

    assert {Verdict.BAD, Verdict.GOOD} == {step.verdict for step in view.steps if step.revision == names[9]}
    assert f"# {names[9]} gave 1 bad and " in log
    assert f"git bisect good {names[9]}\n" in log
    assert f"{names[10]} is the first bad commit" in repository.replay(view)


@pytest.mark.slow
def test_a_flaky_test_is_no_contradiction_for_git(repository: Repository) -> None:
    """Where there is no culprit, git takes the log all the same, and a comment says what was found."""
    root = repository.commit("root")
    names = repository.line(16, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, lambda revision, asked: Verdict.BAD if (int(revision, 16) + asked) % 2 else Verdict.GOOD)
    repository.replay(view)

    assert view.answer is not None
    assert view.answer.kind is AnswerKind.FLAKY
    assert f"# {view.answer.sentence}\n" in render_git_log(view)


def test_a_search_that_runs_can_be_replayed(repository: Repository) -> None:
    """A log of half a search leaves git where it was: with commits to test."""
    root = repository.commit("root")
    names = repository.line(30, "change", root)
    graph = dict(zip(names, ((parent,) for parent in [root, *names]), strict=False))
    view = searched(graph, says(set(names[12:])))
    said = repository.replay(replace(view, result=None, steps=view.steps[:4]))

    assert "left to test after this" in said


def test_what_is_no_name_does_not_get_to_git() -> None:
    """A revision that git could read as something else is an error, and a subject cannot begin a line."""
    view = searched(straight(3), says({name_of(3)}))
    evil = replace(view.commits[0], subject="x\ngit bisect bad HEAD\r\ngit bisect good HEAD")

    assert commands(render_git_log(view)) == commands(render_git_log(replace(view, commits=(evil, *view.commits[1:]))))
    with pytest.raises(UsageError, match="not the full name"):
        render_git_log(replace(view, begun=view.begun.model_copy(update={"new": "--exec=x"})))
