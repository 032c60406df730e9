"""The oracle that matters: build a revision, boot it, ask; what breaks on the way is a skip and never bad."""

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import build, image, source
from harness.bisect.oracle import FindKnown, get_sample_path
from harness.bisect.question import AbortError, Question
from harness.bisect.records import Asked, Same, Sample
from harness.bisect.subject import Subject
from harness.build import BuildError
from harness.build.recipes import meson
from harness.errors import CancelledError, DeadlineError, HarnessError, InfrastructureError, UsageError
from harness.machine import Pid1CrashError
from harness.model import Event, Phase, State, Verdict
from harness.pipeline import BUDGETS, RunContext
from harness.plan import BuildRequest
from harness.proc import CommandError
from harness.resolve import resolve_build
from harness.store import Artifact, make_key, manifest

__all__ = ["CellOracle", "find_first_error"]

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""A sample that broke is taken once more: boots, downloads and Docker also fail at random."""

ERROR_LINES = (re.compile(r"undefined reference to|\berror:|\bERROR:|^\S+\.go:\d+:\d+: "), re.compile(r"^FAILED:"))
"""What reports an error in a build's log; ninja names the file that failed before its compiler's words."""

SYMBOL = re.compile("[`'\"\u2018]([A-Za-z_]\\w+)['\"\u2019]")
"""What an error line of a compiler or linker is about."""


class Phases:
    """Times the phases of one attempt by the events that it emits, and passes them on."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: Phase | None = None
        self._emit = emit
        self._begin: dict[Phase, float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        with self._lock:
            if event.state is State.RUNNING:
                self._begin[event.phase] = time.monotonic()
            elif event.phase in self._begin:
                spent = time.monotonic() - self._begin.pop(event.phase)
                self.seconds[event.phase] = round(self.seconds.get(event.phase, 0.0) + spent, 3)
                self.failed = event.phase if event.state is State.FAILED else None
        self._emit(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOracle:
    """Asks in the guest of a cell in which one thing is replaced by the revision.

    Attributes:
        boot_failure: What a guest is that does not boot twice.
        pid1_crash: What a revision is whose PID 1 crashed in each attempt.
        builds: Entered for the time of a build, but not of one from nothing, which is there to confirm: most of that was
            compiled before, and what is left uses one processor for half of its time.
    """

    subject: Subject
    question: Question
    work: RunContext
    boot_failure: Verdict = Verdict.SKIP
    pid1_crash: Verdict = Verdict.BAD
    builds: AbstractContextManager[object] = field(default_factory=nullcontext)

    def take(self, asked: Asked, directory: Path, find_known: FindKnown) -> Sample | Same:
        """As `Oracle` says."""
        first = get_sample_path(directory, asked.number)
        crashes = 0
        for attempt in range(1, ATTEMPTS + 1):
            place = first if attempt == 1 else first.with_name(f"{first.name}-again")
            phases = Phases(self.work.emit)
            work = replace(self.work, emit=phases, scratch_builds=asked.fresh, fresh=True)
            try:
                result = self._attempt(asked, find_known, work, place)
                break
            except (AbortError, CancelledError):
                raise
            except HarnessError as error:
                self.work.deadline.check()
                crashes += isinstance(error, Pid1CrashError)
                logger.info("%s, attempt %d: %s", asked.revision, attempt, error)
                refused = phases.failed is Phase.BUILD and find_first_error(self._log(place))
                if attempt == ATTEMPTS and not refused and self._is_ours(error, phases):
                    raise
                result = self._make_broken(asked, error, phases, place, crashed=crashes == ATTEMPTS)
                if refused:
                    break  # by a compiler: the recipe has already tried it from nothing
        if isinstance(result, Sample):
            result = result.model_copy(update={"evidence": str(place.relative_to(directory))})
        return result.model_copy(update={"seconds": dict(phases.seconds)})

    def _attempt(self, asked: Asked, find_known: FindKnown, work: RunContext, directory: Path) -> Sample | Same:
        directory.mkdir(parents=True, exist_ok=True)
        plan = self.subject.plan(asked.revision, work.deadline)
        artifact = None
        request = None if asked.fresh else self.subject.request(plan)
        # A case that asks the build tree shows a build that fails as its own failure, and not as a skip.
        if request is not None and self.question.needs(request, plan):
            with self.builds:
                artifact = self._build(request, plan.cell.id, work, directory)
            result = find_known(artifact)
            if result is not None:
                return result
        sample = self.question.ask(asked, plan, work, directory)
        return sample.model_copy(update={"artifact": sample.artifact or artifact})

    def _build(self, request: BuildRequest, cell: str, work: RunContext, directory: Path) -> str:
        """Build what the revision is of, ahead of all else, and return the digest of the built files."""
        state = State.FAILED
        text = f"{request.name} {request.version}"
        work.emit(Event(cell=cell, phase=Phase.BUILD, state=State.RUNNING, text=text))
        try:
            deadline = work.deadline.within(BUDGETS[Phase.BUILD], f"build of {text}")
            made = build.build(
                resolve_build(request, work.store, deadline),
                work.store,
                deadline,
                directory / f"build-{request.name}.log",
            )
            state = State.CACHED if made.cached else State.DONE
        finally:
            work.emit(Event(cell=cell, phase=Phase.BUILD, state=state, text=text))
        return hash_content(made)

    def _make_broken(
        self, asked: Asked, error: HarnessError, phases: Phases, directory: Path, *, crashed: bool
    ) -> Sample:
        phase = phases.failed
        message = str(error).strip().splitlines()[0]
        verdict, reason = Verdict.SKIP, str(phase or ("plan" if isinstance(error, UsageError) else "harness"))
        if crashed:
            verdict, reason = self.pid1_crash, "" if self.pid1_crash is Verdict.BAD else "PID 1"
        elif phase is Phase.BOOT and self.boot_failure is Verdict.BAD:
            verdict, reason = Verdict.BAD, ""
        elif phase is Phase.BUILD:
            line = find_first_error(self._log(directory))
            message = line or message
            symbol = SYMBOL.search(line)
            reason = f"build:{symbol[1]}" if symbol else reason
        return asked.conclude(verdict, reason=reason, message=message)

    def _is_ours(self, error: HarnessError, phases: Phases) -> bool:
        """Return whether an error says nothing about the revision, and would come at each: no Docker, a full disk, no image."""
        ours = isinstance(error, InfrastructureError) and not isinstance(
            error, (BuildError, CommandError, DeadlineError)
        )
        no_image = phases.failed is Phase.IMAGE and self.subject.shares_image
        return no_image or (phases.failed is Phase.BUILD and ours)

    def _log(self, directory: Path) -> Path:
        return directory / f"build-{self.subject.name}.log"

    def make_key(self, artifact: str) -> str:
        """As `Oracle` says."""
        base, other = self.subject.base, self.subject.fixed
        fixed = build.collect_inputs(resolve_build(other, self.work.store, self.work.deadline)) if other else None
        inputs: dict[str, Any] = {
            "artifact": artifact,
            "subject": self.subject.name,
            "fixed": fixed,
            "image": make_key(image.KIND, image.collect_inputs(base.image)),
            "cgroup": base.cell.cgroup.value,
            "guest": [base.memory, base.cpus],
            "boot failure": self.boot_failure.value,
            "question": self.question.collect_inputs(base),
            # Verdicts of before there was a choice are those of the default.
            **({"PID 1 crash": self.pid1_crash.value} if self.pid1_crash is not Verdict.BAD else {}),
        }
        return make_key("verdict", inputs)

    def list_stored(self) -> frozenset[str]:
        """As `Oracle` says."""
        manifests = map(
            manifest.read, (path.parent for path in (self.work.store.root / build.KIND).glob("*/manifest.json"))
        )
        sources = [
            str(made.inputs.get("source", ""))
            for made in manifests
            if made and made.inputs.get("name") == self.subject.name and "scratch" not in made.inputs
        ]
        return frozenset(text.removeprefix("git:") for text in sources if text.startswith("git:"))


def hash_content(made: Artifact) -> str:
    """Return the digest of built files, with what names the revision in them left out where the recipe can do that."""
    return str(made.said.get(meson.CONTENT) or source.hash_tree(made.path))


def find_first_error(path: Path) -> str:
    """Return the first line of a build's log that reports an error, or nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for pattern in ERROR_LINES for line in lines if pattern.search(line)), "")
