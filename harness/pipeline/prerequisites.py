"""What several cells share, and is made once before them: builds and images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import build, image
from harness.model import Event, Phase, State
from harness.pipeline.context import BUDGETS, RunContext
from harness.plan import BuildRequest, Plan
from harness.resolve import resolve_build
from harness.wait import Deadline

__all__ = ["Prerequisite", "list_prerequisites"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """One thing that cells wait for.

    Attributes:
        name: What it is; equal names are one thing: "build runc 1.1.5 with Go 1.27 by docker".
        phase: The phase of a cell that finds it in the store afterwards.
        obtain: Puts it into the store if it is not there; gets the deadline and the file for its log, and
            returns whether it had to be made.
    """

    name: str
    phase: Phase
    obtain: Callable[[RunContext, Deadline, Path], bool]

    def make(self, context: RunContext, log: Path) -> None:
        """Put it into the store, and report it if that takes work; raises as the engines do."""
        deadline = context.deadline.within(BUDGETS[self.phase], self.name)
        context.emit(Event(cell=self.name, phase=self.phase, state=State.RUNNING))
        state = State.FAILED
        try:
            state = State.DONE if self.obtain(context, deadline, log) else State.CACHED
        except BaseException:
            if deadline.cancelled.is_set():  # whatever went wrong then is a consequence
                state = State.INTERRUPTED
            raise
        finally:
            context.emit(Event(cell=self.name, phase=self.phase, state=state))


def list_prerequisites(plan: Plan) -> tuple[Prerequisite, ...]:
    """Return what the plan of a cell needs that other cells may need too."""
    spec = plan.image

    def obtain_image(context: RunContext, deadline: Deadline, log: Path) -> bool:
        exact = image.pin(spec, context.store, deadline)
        if image.find(exact, context.store) is not None:
            return False
        image.make(exact, context.store, deadline, log)
        return True

    prerequisites = [Prerequisite(name=name_image(plan), phase=Phase.IMAGE, obtain=obtain_image)]
    prerequisites += [
        _make_build_prerequisite(request) for request in (plan.systemd, plan.build) if request is not None
    ]
    return tuple(prerequisites)


def _make_build_prerequisite(request: BuildRequest) -> Prerequisite:
    def obtain(context: RunContext, deadline: Deadline, log: Path) -> bool:
        return not build.build(resolve_build(request, context.store, deadline), context.store, deadline, log).cached

    return Prerequisite(name=name_build(request), phase=Phase.BUILD, obtain=obtain)


def name_image(plan: Plan) -> str:
    """Return the name of the prerequisite that is a plan's image."""
    return f"image {plan.image.title}"


def name_build(request: BuildRequest) -> str:
    """Return the name of the prerequisite that is a build."""
    return f"build {request.title} by {request.builder}"
