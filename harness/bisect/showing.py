"""A bisection as the view that reports for people are rendered from."""

from collections.abc import Iterator

from harness.bisect.engine import Answer, Goal, Search
from harness.bisect.engine.terms import RateEstimate
from harness.bisect.journal import State
from harness.bisect.known import Known
from harness.bisect.outcome import Bisection, Change, Side
from harness.bisect.records import Begun, Observed
from harness.report import bisection
from harness.report.bisection import View
from harness.wait import Deadline

__all__ = ["make_view"]

SHARED = ("kernel", "cgroup", "accelerator")
"""Facts of a guest that do not depend on the revision."""

METHOD = (
    "Each revision was built and laid over the same image, and a guest was booted for each sample.",
    "No verdict counts before the guest has proved that it runs that very build.",
    "The first {new} commit and its parents were built from nothing.",
)


def make_view(state: State, known: Known, found: Bisection | None, seconds: float, deadline: Deadline) -> View:
    """What reports are rendered from; of a bisection that still runs where `found` is None."""
    begun = state.begun
    culprit = found.culprit if found else None
    revert = found.revert if found else None
    return View(
        subject=begun.subject,
        repository=begun.repository,
        good=begun.old,
        bad=begun.new,
        test=begun.test,
        is_command=bool(begun.run),
        settings=_show_settings(begun),
        commits=tuple(_show_commits(known)),
        steps=tuple(_show_steps(state, known.search(begun))),
        answer=_answer(found.answer) if found else None,
        culprit=_show_culprit(known, culprit, deadline) if culprit else None,
        revert=bisection.Revert(clean=revert.commit is not None, verdict=revert.verdict, message=revert.message)
        if revert
        else None,
        before=_show_evidence(found.before) if found and found.before else None,
        after=_show_evidence(found.after) if found and found.after else None,
        commands=tuple(bisection.Command(what=item.what, line=item.line) for item in found.commands) if found else (),
        method=tuple(sentence.format(new=begun.term_new) for sentence in METHOD),
        untested=begun.notes,
        facts={"cell": begun.cell, "harness": begun.harness, **begun.facts, **_describe_guest(found)},
        seconds=seconds,
        started=begun.started,
    )


def _describe_guest(found: Bisection | None) -> dict[str, str]:
    """What holds for the guests of all revisions."""
    side = found and (found.after or found.before)
    return {f"guest {name}": side.facts[name] for name in SHARED if name in side.facts} if side else {}


def _show_settings(begun: Begun) -> bisection.Settings:
    others = {"noise": begun.noise.value}
    if begun.paths:
        others["paths"] = " ".join(begun.paths)
    if begun.canary:
        others["canary"] = begun.canary
    return bisection.Settings(
        confidence=begun.confidence,
        find_fix=begun.goal is Goal.FIX,
        first_parent=begun.first_parent,
        term_old=begun.term_old,
        term_new=begun.term_new,
        others=others,
    )


def _show_commits(known: Known) -> Iterator[bisection.Commit]:
    for name in known.searched.commits:
        commit = known.all.commits[name]
        yield bisection.Commit(
            revision=name,
            subject=commit.subject,
            author=commit.author,
            date=commit.date,
            parents=commit.parents if known.searched is known.all.history else commit.parents[:1],
            weight=known.prior.get(name, 1.0),
        )


def _show_steps(state: State, search: Search) -> Iterator[bisection.Step]:
    for number, record in enumerate(state.told, 1):
        if isinstance(record, Observed):
            search.record(record.revision, record.observation)
            step = bisection.Step(
                number=number,
                revision=record.revision,
                purpose=record.purpose.value,
                verdict=record.verdict,
                reason=record.reason,
                seconds=record.seconds,
                artifact=record.artifact or "",
                cached=record.cached,
                fresh=record.fresh,
                message=record.message,
                evidence=record.evidence,
                belief=bisection.Belief.of(search.belief.weights, search.belief.no_culprit),
            )
        else:
            search.join_same(record.first, record.second)
            step = bisection.Step(
                number=number,
                revision=record.second,
                purpose="same",
                verdict=None,
                seconds=record.seconds,
                message=f"its built files are those of {record.first}",
                belief=bisection.Belief.of(search.belief.weights, search.belief.no_culprit),
            )
        yield step


def _answer(answer: Answer) -> bisection.Answer:
    return bisection.Answer(
        kind=answer.kind.value,
        sentence=answer.sentence,
        confidence=answer.confidence,
        suspects=tuple(
            bisection.Suspect(revision=item.revision, probability=item.probability, untestable=item.untestable)
            for item in answer.suspects
        ),
        fails_before=_show_rate(answer.fails_before),
        fails_after=_show_rate(answer.fails_after) if answer.fails_after else None,
        tests=answer.tests,
        skips=answer.skips,
    )


def _show_rate(rate: RateEstimate) -> bisection.Rate:
    return bisection.Rate(failed=rate.failed, samples=rate.samples, mean=rate.mean, low=rate.low, high=rate.high)


def _show_culprit(known: Known, change: Change, deadline: Deadline) -> bisection.Culprit:
    changes = known.repository.list_changes(change.revision, deadline)
    return bisection.Culprit(
        revision=change.revision,
        message=change.message,
        files=tuple(bisection.FileChange(path=path, added=added, removed=removed) for path, added, removed in changes),
    )


def _show_evidence(side: Side) -> bisection.Evidence:
    return bisection.Evidence(
        revision=side.revision,
        verdict=side.verdict,
        log=side.log,
        properties=side.properties,
        cgroups=side.cgroups,
        directory=side.directory,
    )
