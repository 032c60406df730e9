"""The words of the harness as types: cells, modes, outcomes, verdicts, versions."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "Cell",
    "CgroupMode",
    "Event",
    "Outcome",
    "Phase",
    "State",
    "Verdict",
    "VersionRange",
    "compare",
    "version_key",
]


class CgroupMode(StrEnum):
    """How systemd lays out the cgroup tree; systemd's own three words."""

    LEGACY = "legacy"
    """cgroup v1 controllers, and `name=systemd` as a v1 hierarchy."""
    HYBRID = "hybrid"
    """cgroup v1 controllers, with a v2 hierarchy for systemd at /sys/fs/cgroup/unified."""
    UNIFIED = "unified"
    """One cgroup v2 hierarchy."""


class Outcome(StrEnum):
    """What became of one case."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """The harness or the guest broke: no statement about the runtime."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    """Failed as an expectation says."""
    XPASSED = "xpassed"
    """Passed although an expectation says that it fails."""
    FLAKY = "flaky"
    """Failed first and passed in a rerun."""

    @property
    def badness(self) -> int:
        """Place in the order from harmless to worst, for "worst of"."""
        return (
            Outcome.SKIPPED, Outcome.XFAILED, Outcome.PASSED, Outcome.FLAKY, Outcome.XPASSED, Outcome.FAILED,
            Outcome.ERROR,
        ).index(self)  # fmt: skip


class Verdict(StrEnum):
    """What a bisection learns at one revision."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    """Could not be tested: no build, no boot, or broken infrastructure."""


class Phase(StrEnum):
    """A part of the work for one cell, in the order in which a plan has them."""

    BUILD = "build"
    IMAGE = "image"
    BOOT = "boot"
    SUITES = "suites"
    COLLECT = "collect"


class State(StrEnum):
    """Where a phase stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Ended by the user, which says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened that a user who watches wants to see.

    Attributes:
        cell: Identifier of the cell.
        phase: Which part of its plan.
        state: Where that part stands now.
        text: One short line, or empty.
    """

    cell: str
    phase: Phase
    state: State
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the matrix.

    Attributes:
        distro: Guest operating system: "debian", "flatcar".
        channel: Its release stream: "bookworm", "stable".
        release: Exact release in the channel, where one was asked for: "2079.99.0".
        systemd: Version or revision of systemd: "252" as the image carries it, "v252" built from that revision.
        systemd_built: Whether systemd is built from a revision and laid over the image.
        go: Go version that builds the runtime, or None where the runtime is no Go program.
        cgroup: cgroup mode that the guest boots in.
        runtime: The container runtime under test: "runc".
        runtime_version: Its version, or None where it comes with the image (nspawn).
        flavor: rkt's stage1 flavor, or None.
    """

    distro: str
    channel: str
    release: str | None = None
    systemd: str
    systemd_built: bool = False
    go: str | None = None
    cgroup: CgroupMode
    runtime: str
    runtime_version: str | None = None
    flavor: str | None = None

    @property
    def id(self) -> str:
        """Stable, readable name, safe as a file name: `debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5`."""
        parts = [
            "-".join(filter(None, (self.distro, self.channel, self.release))),
            f"systemd-{self.systemd}",
            f"go-{self.go}" if self.go else None,
            self.cgroup.value,
            "-".join(filter(None, (self.runtime, self.runtime_version, self.flavor))),
        ]
        return "+".join(re.sub(r"[^A-Za-z0-9._~-]", "_", part) for part in parts if part)


def version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that orders versions as people mean them: 1.9 < 1.10, v241-rc1 < v241 < v241.1, 1.0.0~rc93 < 1.0.0.

    A leading `v` does not count. Numbers compare as numbers; a part that begins with `~` or is a
    pre-release word (alpha, beta, rc, pre) sorts before the end of the version, as in Debian policy 5.6.12;
    other words sort after it.
    """
    key: list[tuple[int, int, str]] = []
    for number, word in re.findall(r"(\d+)|([A-Za-z]+)", text.removeprefix("v").replace("~", "-")):
        if number:
            key.append((1, int(number), ""))
        elif word.lower() in {"alpha", "beta", "rc", "pre", "dev"}:
            key.append((-1, 0, word.lower()))
        else:
            key.append((2, 0, word))
    # The end sorts before any number or word, and after any pre-release word. Trailing zeros are kept:
    # 1.27 and 1.27.0 are different selections for the user, who compares with >= and < anyway.
    return (*key, (0, 0, ""))


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
"""Comparisons that version ranges and selections know, longest spelling first."""


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A set of versions, written `>=1.1.5,<1.2`; every part must hold. `*` or nothing holds them all.

    `==1.21` also holds 1.21.13: a version belongs to the release that is its beginning.

    Raises:
        ValueError: The text is no range.
    """

    text: str

    def __post_init__(self) -> None:
        self.parts  # noqa: B018 - raises on bad text

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """The comparisons, each as operator and version."""
        if self.text.strip() in {"", "*"}:
            return ()
        return tuple(_comparison(part.strip()) for part in self.text.split(","))

    def holds(self, version: str) -> bool:
        """Whether a version is in the range."""
        return all(compare(version, sign, bound) for sign, bound in self.parts)

    def __str__(self) -> str:
        return self.text or "*"


def compare(version: str, sign: str, bound: str) -> bool:
    """Whether `version sign bound` holds, versions compared as versions; see `VersionRange` for `==`."""
    if sign in {"==", "!="}:
        same = version_key(version)[:-1][: len(version_key(bound)) - 1] == version_key(bound)[:-1]
        return same == (sign == "==")
    return OPERATORS[sign](version_key(version), version_key(bound))


def _comparison(text: str) -> tuple[str, str]:
    for sign in OPERATORS:
        if text.startswith(sign) and text[len(sign) :].strip():
            return sign, text[len(sign) :].strip()
    raise ValueError(f"`{text}` is no version comparison; write for instance `>=1.1.5,<1.2`")
