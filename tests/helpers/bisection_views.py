"""Bisections to render: real searches by the engine over made-up histories, with a test that tells what it is told to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from harness.bisect.engine import History, Search
from harness.bisect.outcome import Bisection, Culprit, Repeat
from harness.bisect.proof import Evidence
from harness.bisect.records import Begun, Reverted, Sample
from harness.bisect.report import PackedBelief, Step, View
from harness.bisect.repository import Commit, FileChange
from harness.bisect.terms import Answer, SearchSettings
from harness.model import Verdict

Says = Callable[[str, int], Verdict]
"""What the test says at a revision, and how often it was asked there before."""

MOST_STEPS = 400


def name_of(number: int) -> str:
    """Return a full name for a commit that is in no repository."""
    return f"{number:08x}" * 5


def straight(size: int) -> dict[str, tuple[str, ...]]:
    """Return a linear history above the good end, `name_of(0)`, oldest first."""
    return {name_of(number): (name_of(number - 1),) for number in range(1, size + 1)}


def says(culprit_and_later: Sequence[str] | set[str], *, broken: Sequence[str] = ()) -> Says:
    """Return a test that never lies, in a history some of which cannot be built."""

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
    """Finish a bisection of a history given as names to parents, oldest first; its first commit's parent is good."""
    names = list(graph)
    good = graph[names[0]][0]
    history = History.make(dict(graph), good=good, bad=names[-1])
    if first_parent:
        history = history.follow_first_parent()
    search = Search(history, settings)
    steps: list[Step] = []
    asked: dict[str, int] = {}
    while search.answer() is None and len(steps) < MOST_STEPS:
        probe = search.choose_next()[0]
        verdict = test(probe.revision, asked.get(probe.revision, 0))
        asked[probe.revision] = asked.get(probe.revision, 0) + 1
        sample = Sample(
            number=len(steps) + 1,
            revision=probe.revision,
            purpose=probe.purpose,
            verdict=verdict,
            reason="build" if verdict is Verdict.SKIP else "",
            seconds={"build": 41.2, "boot": 1.3, "test": 6.5},
            artifact=probe.revision[::-1][:16],
            fresh=probe.fresh,
            message="assert '/machine.slice/c/payload' == '/machine.slice/c'" if verdict is Verdict.BAD else "",
            evidence=f"samples/{len(steps) + 1:03d}",
        )
        search.record(sample)
        belief = PackedBelief.pack(search.belief.weights, search.belief.no_culprit)
        steps.append(Step(number=len(steps) + 1, result=sample, belief=belief))
    begun = Begun(
        started="2026-11-24T08:00:00+00:00", harness="0.1", subject="systemd", repository="../systemd",
        old=good, new=names[-1], old_name="v1", new_name="main", cell="debian-bookworm+systemd-252+unified+nspawn",
        builder="docker", tests=("cgroup/test_payload.py::test_processes_live_in_their_scope",),
        first_parent=first_parent, goal=search.settings.goal, confidence=search.settings.confidence,
        facts={"host kernel": "6.1.0-13", "guest kernel": "6.1.0-40-cloud-amd64", "image": "debian/bookworm"},
    )  # fmt: skip
    answer, seconds = search.answer(), 49.0 * len(steps)
    return View(
        begun=begun,
        commits=tuple(
            Commit(
                name=name, subject=f"core: change number {place}", author="A. U. Thor", date="",
                parents=graph[name], files=(),
            )
            for place, name in enumerate(history.commits)
        ),
        steps=tuple(steps),
        result=Bisection(id="bisect-1", begun=begun, answer=answer, seconds=seconds) if answer else None,
        seconds=seconds,
    )  # fmt: skip


def answer_of(view: View) -> Answer:
    """Return the answer of a finished bisection."""
    assert view.answer is not None
    return view.answer


def with_answer(view: View, **changes: Any) -> View:
    """Return the view with other fields in its answer."""
    assert view.result is not None
    return replace(view, result=view.result.model_copy(update={"answer": replace(answer_of(view), **changes)}))


def proven(view: View, text: str = "plain") -> View:
    """Return the view with its proof, which has `text` wherever somebody else wrote it."""
    assert view.result is not None
    culprit = answer_of(view).suspects[0].revision
    parents = next(commit.parents for commit in view.commits if commit.name == culprit)
    tree = "-.slice\n└─machine.slice\n  └─c.scope\n"
    # Not validated: no guest's output may be trusted to be what a model takes.
    result = view.result.model_copy(
        update={
            "culprit": Culprit.model_construct(
                revision=culprit, parents=parents, author=text, date=text, message=f"core: change\n\n{text}",
                files=(text,),
            ),
            "revert": Reverted.model_construct(culprit=culprit, commit="f" * 40, verdict=Verdict.GOOD, message=text),
            "before": Evidence.model_construct(
                revision=parents[0], verdict=Verdict.GOOD, log=f"1 passed\n{text}", cgroups=tree, directory=text,
                properties={"ControlGroup": "/machine.slice/c.scope", "Delegate": "yes", text: text},
            ),
            "after": Evidence.model_construct(
                revision=culprit, verdict=Verdict.BAD, log=f"1 failed\n{text}", directory=text,
                cgroups=f"{tree}    └─payload {text}\n",
                properties={"ControlGroup": "/machine.slice/c.scope/payload", "Delegate": "yes", text: text},
            ),
            "commands": (
                Repeat.model_construct(what="the test at the first bad commit", line=f"harness run --cell '{text}'"),
            ),
        }
    )  # fmt: skip
    begun = view.begun.model_copy(update={"notes": (f"Only one image was used: {text}",)})
    return replace(view, begun=begun, result=result, files=(FileChange(text, 3, 1),))


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
