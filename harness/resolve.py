"""What a plan means today: exact revisions and toolchains, and what the store has of it; asks the network where it must."""

from dataclasses import dataclass

from harness import build, image, source, toolchain
from harness.build import BuildSpec, SystemdSource
from harness.model import Phase, State
from harness.plan import BuildRequest, Plan
from harness.store import Store, make_key
from harness.text import pluralize
from harness.wait import Deadline

__all__ = ["PlannedPhase", "explain_plan", "resolve_build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPhase:
    """One phase of a plan as `harness plan` shows it.

    Attributes:
        state: `cached` where the store has its result, else `waiting`.
        text: What is done, for people.
        key: Hash of its inputs, or None where there is nothing to keep.
    """

    phase: Phase
    state: State
    text: str
    key: str | None = None


def resolve_build(request: BuildRequest, store: Store, deadline: Deadline) -> BuildSpec:
    """Return the build with an exact revision and an exact toolchain.

    Raises:
        UsageError: There is no such version.
        InfrastructureError: The source or the index cannot be reached.
    """
    source.require(request.source, request.name, request.rules.landmarks)
    go, systemd = None, None
    if request.go is not None and request.toolchain is not None:
        go = toolchain.resolve("go", request.toolchain, request.go, store, deadline)
    if request.systemd is not None:
        version, origin = request.systemd
        revision = source.resolve(origin, version, store, deadline)
        systemd = SystemdSource(version=version, source=origin, revision=revision)
    return BuildSpec(
        name=request.name,
        version=request.version,
        rules=request.rules,
        source=request.source,
        revision=source.resolve(request.source, request.version, store, deadline),
        toolchain=go,
        builder=request.builder,
        flavor=request.flavor,
        systemd=systemd,
        settings=build.resolve_settings(request.name, request.rules, request.flavor, request.settings),
    )


def explain_plan(plan: Plan, store: Store, deadline: Deadline) -> tuple[PlannedPhase, ...]:
    """Return the steps of a plan, with what the store has of them."""
    steps: list[PlannedPhase] = []
    for request in filter(None, (plan.systemd, plan.build, *plan.programs)):
        spec = resolve_build(request, store, deadline)
        steps.append(
            PlannedPhase(
                phase=Phase.BUILD,
                state=State.CACHED if build.find(spec, store) else State.WAITING,
                text=f"{spec.title}, builder {spec.builder}; {spec.revision.text}",
                key=make_key(build.KIND, build.collect_inputs(spec)),
            )
        )
    disk = image.pin(plan.image, store, deadline)
    wanted = image.collect_inputs(disk)
    steps += [
        PlannedPhase(
            phase=Phase.IMAGE,
            state=State.CACHED if store.find(image.KIND, wanted) else State.WAITING,
            text=disk.title + (f"; packages: {', '.join(plan.packages)}" if plan.packages else ""),
            key=make_key(image.KIND, wanted),
        ),
        PlannedPhase(
            phase=Phase.BOOT,
            state=State.WAITING,
            text=f"{pluralize(plan.cpus, 'processor')}, {plan.memory} MiB, {' '.join(plan.arguments)}",
        ),
        PlannedPhase(phase=Phase.SUITES, state=State.WAITING, text=", ".join(plan.suites)),
    ]
    return tuple(steps)
