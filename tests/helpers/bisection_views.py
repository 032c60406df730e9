"""Bisections to render: real searches by the engine over made-up histories, with a test that tells what it is told to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser

from harness.bisect.engine import Answer as Found
from harness.bisect.engine import Goal, History, Observation, Search
from harness.bisect.engine import Settings as SearchSettings
from harness.bisect.engine.terms import RateEstimate
from harness.model import Verdict
from harness.report.bisection import (
    Answer,
    Belief,
    Command,
    Commit,
    Culprit,
    Evidence,
    FileChange,
    Rate,
    Revert,
    Settings,
    Step,
    Suspect,
    View,
)

Says = Callable[[str, int], Verdict]
"""What the test says at a revision, and how often it was asked there before."""

MOST_STEPS = 400


def name_of(number: int) -> str:
    """A full name for a commit that is in no repository."""
    return f"{number:08x}" * 5


def straight(size: int) -> dict[str, tuple[str, ...]]:
    """A linear history above the good end, `name_of(0)`, oldest first."""
    return {name_of(number): (name_of(number - 1),) for number in range(1, size + 1)}


def says(culprit_and_later: Sequence[str] | set[str], *, broken: Sequence[str] = ()) -> Says:
    """A test that never lies, in a history some of which cannot be built."""

    def verdict(revision: str, _: int) -> Verdict:
        if revision in broken:
            return Verdict.SKIP
        return Verdict.BAD if revision in culprit_and_later else Verdict.GOOD

    return verdict


def searched(
    graph: Mapping[str, tuple[str, ...]],
    test: Says,
    *,
    settings: SearchSettings | None = None,
    first_parent: bool = False,
) -> View:
    """A finished bisection of a history given as names to parents, oldest first; its first commit's parent is good."""
    names = list(graph)
    good = graph[names[0]][0]
    history = History.of(dict(graph), good=good, bad=names[-1])
    if first_parent:
        history = history.follow_first_parent()
    search = Search(history, settings)
    steps: list[Step] = []
    asked: dict[str, int] = {}
    while search.answer() is None and len(steps) < MOST_STEPS:
        request = search.choose_next()[0]
        verdict = test(request.revision, asked.get(request.revision, 0))
        asked[request.revision] = asked.get(request.revision, 0) + 1
        search.record(request.revision, Observation(verdict=verdict, fresh=request.fresh))
        steps.append(
            Step(
                number=len(steps) + 1,
                revision=request.revision,
                purpose=request.purpose,
                verdict=verdict,
                reason="build" if verdict is Verdict.SKIP else "",
                seconds={"build": 41.2, "boot": 1.3, "test": 6.5},
                artifact=request.revision[::-1][:16],
                fresh=request.fresh,
                message="assert '/machine.slice/c/payload' == '/machine.slice/c'" if verdict is Verdict.BAD else "",
                evidence=f"runs/bisect-1/steps/{len(steps) + 1}",
                belief=Belief.of(search.belief.weights, search.belief.no_culprit),
            )
        )
    fix = settings is not None and settings.goal is Goal.FIX
    return View(
        subject="systemd",
        repository="../systemd",
        good=good,
        bad=names[-1],
        test="cgroup/test_payload.py::test_processes_live_in_their_scope",
        settings=Settings(confidence=search.settings.confidence, first_parent=first_parent, find_fix=fix),
        commits=tuple(
            Commit(revision=name, subject=f"core: change number {place}", author="A. U. Thor", parents=graph[name])
            for place, name in enumerate(history.commits)
        ),
        steps=tuple(steps),
        answer=answered(search.answer()),
        seconds=49.0 * len(steps),
        started="2026-11-24T08:00:00+00:00",
        facts={"host kernel": "6.1.0-13", "guest kernel": "6.1.0-40-cloud-amd64", "image": "debian/bookworm", "harness": "0.1"},
        method=("systemd is built by meson and laid over an image of Debian 12, which boots under QEMU.",),
    )  # fmt: skip


def answered(found: Found | None) -> Answer | None:
    """The engine's answer as the renderers take it."""
    if found is None:
        return None
    return Answer(
        kind=found.kind,
        sentence=found.sentence,
        confidence=found.confidence,
        suspects=tuple(
            Suspect(revision=one.revision, probability=one.probability, untestable=one.untestable)
            for one in found.suspects
        ),
        fails_before=_rate(found.fails_before),
        fails_after=None if found.fails_after is None else _rate(found.fails_after),
        tests=found.tests,
        skips=found.skips,
    )


def _rate(found: RateEstimate) -> Rate:
    return Rate(failed=found.failed, samples=found.samples, mean=found.mean, low=found.low, high=found.high)


def proven(view: View, text: str = "plain") -> View:
    """The view with its proof, which has `text` wherever somebody else wrote it."""
    assert view.answer is not None
    culprit = view.answer.suspects[0].revision
    parent = next(commit.parents[0] for commit in view.commits if commit.revision == culprit)
    tree = "-.slice\n└─machine.slice\n  └─c.scope\n"
    return replace(
        view,
        culprit=Culprit(
            revision=culprit, message=f"core: change\n\n{text}", files=(FileChange(path=text, added=3, removed=1),)
        ),
        revert=Revert(clean=True, verdict=Verdict.GOOD, message=text),
        before=Evidence(
            revision=parent, verdict=Verdict.GOOD, log=f"1 passed\n{text}", cgroups=tree, directory=text,
            properties={"ControlGroup": "/machine.slice/c.scope", "Delegate": "yes", text: text},
        ),
        after=Evidence(
            revision=culprit, verdict=Verdict.BAD, log=f"1 failed\n{text}", cgroups=f"{tree}    └─payload {text}\n",
            properties={"ControlGroup": "/machine.slice/c.scope/payload", "Delegate": "yes", text: text},
        ),
        commands=(Command(what="the test at the first bad commit", line=f"harness run --cell '{text}'"),),
        untested=(f"Only one image was used: {text}",),
    )  # fmt: skip


class Structure(HTMLParser):
    """Which elements a page has, with the names of their attributes, and the text inside some of them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.links: list[str] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action", "data"}]
        if tag in {"script", "pre", "h1", "style"}:
            self.text.setdefault(tag, []).append("")
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element whose text is kept."""
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if self._open:
            self.text[self._open[-1]][-1] += data
