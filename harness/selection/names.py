"""How distros, runtimes and revisions are written: `debian/bookworm`, `rkt@1.30.0/host`, `v252`.

Each reader raises `TextError`, whose offset says which part of the name is wrong.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.catalog import Catalog
from harness.model import AXES_BY_NAME, BARE_NUMBER, DISTRO_OWN
from harness.yamlerror import check_pattern
from harness.yamlfile import TextError

__all__ = [
    "DistroName", "RuntimeName", "SystemdName", "check_axis_distro", "check_axis_runtime", "check_axis_systemd",
    "check_distro", "check_pattern", "check_runtime", "compile_glob", "describe_unknown",
]  # fmt: skip

DISTRO = AXES_BY_NAME["distro"].compile()
RUNTIME = AXES_BY_NAME["runtime"].compile()
SYSTEMD = AXES_BY_NAME["systemd"].compile()


@dataclass(frozen=True, slots=True, kw_only=True)
class DistroName:
    """A distro as people write it; None is "any" in a selection.

    Attributes:
        release: Exact release in the channel.
    """

    distro: str
    channel: str | None
    release: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeName:
    """A container runtime as people write it; None is "any" in a selection."""

    runtime: str
    version: str | None
    flavor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdName:
    """A value of the systemd axis.

    Attributes:
        revision: `distro`, or a revision to build.
        upgrade: What the running guest is upgraded to: a bare number for the distro's packages, or a revision; or None.
    """

    revision: str
    upgrade: str | None


def check_distro(text: str, catalog: Catalog) -> DistroName:
    """Return a distro whose name, and channel if it is written, the catalog knows; raises TextError if it does not."""
    match = _match(DISTRO, text, "a distro, for instance `debian/bookworm` or `flatcar/edge@2079.99.0`")
    distro, channel = match["distro"], match["channel"]
    if distro not in catalog.distros:
        raise TextError(describe_unknown("distro", distro, catalog.distros))
    channels = catalog.distros[distro].channels
    numbered = catalog.distros[distro].numbered.get(channel or "")
    if numbered is not None and match["release"] is None:
        return DistroName(distro=distro, channel=numbered.channel, release=numbered.version)
    if channel is not None and channel not in channels:
        raise TextError(describe_unknown(f"channel of {distro}", channel, channels), match.start("channel"))
    return DistroName(distro=distro, channel=channel, release=match["release"])


def check_axis_distro(text: str, catalog: Catalog) -> DistroName:
    """Return a distro of a cell: known, and with its channel; raises TextError if it is not."""
    name = check_distro(text, catalog)
    if name.channel is None:
        channels = ", ".join(f"{name.distro}/{channel}" for channel in catalog.distros[name.distro].channels)
        raise TextError(f"a cell needs the channel too; known are {channels}", len(text))
    return name


def check_runtime(text: str, catalog: Catalog) -> RuntimeName:
    """Return a runtime whose name, and flavor if it is written, the catalog knows.

    Raises:
        TextError: It is not written like one, is not known, or has a version that it cannot have.
    """
    match = _match(RUNTIME, text, "a runtime, for instance `nspawn`, `runc@1.1.5` or `rkt@1.30.0/host`")
    name, version, flavor = match["runtime"], match["runtime_version"], match["flavor"]
    if name not in catalog.runtimes:
        raise TextError(describe_unknown("runtime", name, catalog.runtimes))
    runtime = catalog.runtimes[name]
    if version is not None and runtime.build is None:
        origin = "the distro's packages" if runtime.packages else "the image"
        raise TextError(f"{name} comes with {origin} and has no version of its own", match.start("runtime_version"))
    if version == DISTRO_OWN and not runtime.packages:
        raise TextError(f"{name} is in no package of a distro", match.start("runtime_version"))
    if flavor is not None and flavor not in runtime.flavors:
        raise TextError(describe_unknown(f"flavor of {name}", flavor, runtime.flavors), match.start("flavor"))
    return RuntimeName(runtime=name, version=version, flavor=flavor)


def check_axis_runtime(text: str, catalog: Catalog) -> RuntimeName:
    """Return a runtime of a cell: known, with a version if it is built, and with its default flavor if none is written.

    Raises:
        TextError: It is not.
    """
    name = check_runtime(text, catalog)
    runtime = catalog.runtimes[name.runtime]
    if runtime.build is not None and name.version is None:
        raise TextError(f"a cell needs the version too, for instance `{name.runtime}@1.2.3`", len(text))
    flavor = name.flavor or next((each for each in runtime.flavors if not runtime.plain), None)
    return RuntimeName(runtime=name.runtime, version=name.version, flavor=flavor)


def check_axis_systemd(text: str) -> SystemdName:
    """Return a value of the systemd axis: `distro` or a revision to build, and what it is upgraded to: `distro->254`.

    Raises:
        TextError: It is neither. A bare number is not: it would look like the distro's own version.
    """
    match = _match(
        SYSTEMD, text, "`distro`, a revision, for instance `v252`, or an upgrade, for instance `distro->254`"
    )
    revision = match["systemd"]
    if BARE_NUMBER.match(revision):
        raise TextError(
            f"`{revision}` is no revision; write `v{revision}` to build it, or `distro` for what the image carries"
        )
    if match["upgrade"] == DISTRO_OWN:
        raise TextError("an upgrade leads to a version, for instance `distro->254`", match.start("upgrade"))
    return SystemdName(revision=revision, upgrade=match["upgrade"])


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Return a pattern in which `*` is any text and `?` any one character; brackets are what they are in node ids.

    Its time grows with the text and with the pattern, and not with a power of either: what stands between two stars is
    taken where it comes first, as no later place could do better.
    """
    first, *rest = ("".join("." if char == "?" else re.escape(char) for char in part) for part in pattern.split("*"))
    if not rest:
        return re.compile(rf"{first}\Z", re.DOTALL)
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(rf"{first}{middle}.*{rest[-1]}\Z", re.DOTALL)


def describe_unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return a clause that says what there is instead of something that is not there."""
    return f"there is no {what} `{name}`; known: {', '.join(known) or 'none'}"


def _match(pattern: re.Pattern[str], text: str, expected: str) -> re.Match[str]:
    match = pattern.match(text)
    if match is None:
        raise TextError(f"`{text}` is not {expected}")
    return match
