"""What several cells share, and is made once before them: builds and images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import build, image
from harness.model import Event, Phase, State
from harness.pipeline.workplace import BUDGETS, Workplace
from harness.plan import BuildRequest, Plan
from harness.wait import Deadline

__all__ = ["Need", "needs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that cells wait for.

    Attributes:
        name: What it is; equal names are one thing: "build runc 1.1.5 with Go 1.27 by docker".
        phase: The phase of a cell that finds it in the store afterwards.
        obtain: Puts it into the store if it is not there; gets the deadline and the file for its log, and
            returns whether it had to be made.
    """

    name: str
    phase: Phase
    obtain: Callable[[Workplace, Deadline, Path], bool]

    def make(self, work: Workplace, log: Path) -> None:
        """Put it into the store, and tell the user if that takes work; raises as the engines do."""
        deadline = work.deadline.within(BUDGETS[self.phase], self.name)
        work.emit(Event(cell=self.name, phase=self.phase, state=State.RUNNING))
        state = State.FAILED
        try:
            state = State.DONE if self.obtain(work, deadline, log) else State.CACHED
        except BaseException:
            if deadline.cancelled.is_set():  # whatever went wrong then is a consequence
                state = State.INTERRUPTED
            raise
        finally:
            work.emit(Event(cell=self.name, phase=self.phase, state=state))


def needs(plan: Plan) -> tuple[Need, ...]:
    """What the plan of a cell needs from others."""
    spec = plan.image

    def obtain_image(work: Workplace, deadline: Deadline, log: Path) -> bool:
        exact = image.pin(spec, work.store, deadline)
        if image.find(exact, work.store) is not None:
            return False
        image.make(exact, work.store, deadline, log)
        return True

    found = [Need(name=image_name(plan), phase=Phase.IMAGE, obtain=obtain_image)]
    found += [_build_need(request) for request in (plan.systemd, plan.build) if request is not None]
    return tuple(found)


def _build_need(request: BuildRequest) -> Need:
    def obtain(work: Workplace, deadline: Deadline, log: Path) -> bool:
        return not build.build(request.resolve(work.store, deadline), work.store, deadline, log).cached

    return Need(name=build_name(request), phase=Phase.BUILD, obtain=obtain)


def image_name(plan: Plan) -> str:
    """Name of the need for a plan's image."""
    return f"image {plan.image.title}"


def build_name(request: BuildRequest) -> str:
    """Name of the need for a build."""
    return f"build {request.title} by {request.builder}"
