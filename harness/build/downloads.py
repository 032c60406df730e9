"""What a component's own build downloads: where there is no network, and where what it wants is gone."""

from pathlib import Path

from harness.build.spec import BuildSpec
from harness.errors import InfrastructureError

__all__ = ["explain_failure", "require_no_network"]


def require_no_network(spec: BuildSpec) -> None:
    """Raise InfrastructureError for a build that downloads something, with what to do instead."""
    if not spec.needs_network:
        return
    gone = [each.gone for each in spec.lost_downloads]
    raise InfrastructureError(
        " ".join((f"The build of {spec.title} downloads something, and containers of builds have no network.", *gone)),
        hint=" ".join(("Build on this computer, with `--builder host`.", *_list_ways(spec))),
    )


def explain_failure(spec: BuildSpec, log: Path) -> str | None:
    """Return what to do about a build that failed after it had named a host that is gone; None where it named none."""
    text = log.read_text(encoding="utf-8", errors="replace")
    met = [each.gone for each in spec.lost_downloads if each.host in text]
    return " ".join((*met, *_list_ways(spec))) if met else None


def _list_ways(spec: BuildSpec) -> list[str]:
    """Return how a user gives to a build what it would download, as a sentence; nothing where there is no way."""
    names = dict.fromkeys(name for each in spec.lost_downloads for name in each.settings)
    given = " ".join(f"--set runtime.{spec.name}.{name}=..." for name in names)
    return [f"Give it what you have, by `{given}`."] if given else []
