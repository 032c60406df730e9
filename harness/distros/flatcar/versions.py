"""Flatcar's version numbers, and the two text files of a release that name versions."""

import re
from enum import StrEnum
from typing import NamedTuple

from harness.errors import InfrastructureError, UsageError

__all__ = ["Channel", "Version", "parse_systemd", "parse_version"]

VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")

PACKAGE = re.compile(r"^sys-apps/systemd-(?P<version>\d+(?:\.\d+)*(?:_rc\d+)?)(?:-r\d+)?(?:::\S*)?\s*$", re.MULTILINE)
"""systemd's line in `…_packages.txt`: `sys-apps/systemd-257.9::portage-stable`, with Gentoo's own revision left out."""

SETTING = re.compile(r"^(FLATCAR_[A-Z_]+)=(\"?)([^\"\n]*)\2\s*$", re.MULTILINE)


class Channel(StrEnum):
    """A stream of releases."""

    STABLE = "stable"
    BETA = "beta"
    ALPHA = "alpha"
    LTS = "lts"
    EDGE = "edge"
    """Experiments of 2019 and 2020; nothing new comes there."""


BRANCHES = {0: Channel.ALPHA, 1: Channel.BETA, 2: Channel.STABLE, 3: Channel.LTS, 99: Channel.EDGE}
"""What the middle number of a version means."""

NUMBERED = 2765
"""First major of a stable release that goes by `BRANCHES`; before it a branch's number only counts, but for Edge."""


class Version(NamedTuple):
    """A version such as 3815.2.5; a later one of the same channel is greater.

    Attributes:
        major: Grows by one a day; releases that came from one branch share it.
        branch: 0 alpha, 1 beta, 2 stable, 3 lts, 99 edge; other numbers are of old.
        patch: Which release of the branch.
    """

    major: int
    branch: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.branch}.{self.patch}"

    @property
    def channel(self) -> Channel | None:
        """The channel that the number gives, or None for numbers of old."""
        found = BRANCHES.get(self.branch)
        return found if self.major >= NUMBERED or found is Channel.EDGE else None

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read a version; raises UsageError if it is none."""
        match = VERSION.fullmatch(text)
        if match is None:
            raise UsageError(f"`{text}` is no version of Flatcar; they look like 3815.2.5.")
        return cls(*map(int, match.groups()))


def parse_version(text: str, *, what: str) -> Version:
    """Return the version that a version.txt gives, in either of its spellings.

    Published ones have FLATCAR_BUILD, _BRANCH and _PATCH besides FLATCAR_VERSION and FLATCAR_VERSION_ID; those in
    Flatcar's git only the latter two. All that are there have to agree.

    Raises:
        InfrastructureError: It gives none, or more than one.
    """
    found = {name: value for name, _, value in SETTING.findall(text)}
    parts = [found.get(f"FLATCAR_{name}") for name in ("BUILD", "BRANCH", "PATCH")]
    told = {found[name].partition("+")[0] for name in ("FLATCAR_VERSION", "FLATCAR_VERSION_ID") if name in found}
    if all(part is not None for part in parts):
        told.add(".".join(map(str, parts)))
    if len(told) != 1 or not VERSION.fullmatch(next(iter(told))):
        versions = " and ".join(sorted(told)) or "no version"
        raise InfrastructureError(
            f"{what} is no version.txt of Flatcar: it names {versions}.",
            hint="A page of a proxy or a portal may have come in its place; look at it with a browser.",
        )
    return Version.parse(told.pop())


def parse_systemd(text: str, *, what: str) -> str:
    """Return the version of systemd in a release's list of packages: "257.9".

    `text` is the file `flatcar_production_image_packages.txt`.

    Raises:
        InfrastructureError: It names none, or several.
    """
    found = sorted({match["version"] for match in PACKAGE.finditer(text)})
    if len(found) != 1:
        names = " and ".join(found) or "none"
        raise InfrastructureError(f"{what} has to name one version of systemd (sys-apps/systemd), but names {names}.")
    return found[0].replace("_rc", "~rc")
