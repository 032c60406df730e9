"""Versions as people mean them: their order, ranges of them, and the major version of systemd."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "RELEASE", "VersionRange", "compare_versions", "find_systemd_version", "make_version_key", "parse_major_version",
]  # fmt: skip

RELEASE = re.compile(r"v?([0-9]{1,4}(?:\.[0-9]+)*)(?:[~-].*)?\Z")
"""A version, a tag or what `git describe` says; the number is at most 9999, so that no commit id is one."""


def make_version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Make a key that orders versions as people mean them: 1.9 < 1.10, v241-rc1 < v241 < v241.1, 1.0.0~rc93 < 1.0.0.

    A leading `v` does not count. Numbers compare as numbers; a part that begins with `~` or is a
    pre-release word (alpha, beta, rc, pre) sorts before the end of the version, as in Debian policy 5.6.12;
    other words sort after it.
    """
    key: list[tuple[int, int, str]] = []
    for number, word in re.findall(r"([0-9]+)|([A-Za-z]+)", text.removeprefix("v").replace("~", "-")):
        if number:
            # Numbers in order without being made integers, which Python does with 4300 digits at most.
            digits = number.lstrip("0")
            key.append((1, len(digits), digits))
        elif word.lower() in {"alpha", "beta", "rc", "pre", "dev"}:
            key.append((-1, 0, word.lower()))
        else:
            key.append((2, 0, word))
    # The end sorts before any number or word, and after any pre-release word. Trailing zeros are kept:
    # 1.27 and 1.27.0 are different selections for the user, who compares with >= and < anyway.
    return (*key, (0, 0, ""))


def parse_major_version(version: str) -> str:
    """Return the first number of a version, "252" of "v252.39-1", or all of a text without one."""
    found = re.search(r"[0-9]+", version)
    return found[0] if found else version


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
        return tuple(_parse_comparison(part.strip()) for part in self.text.split(","))

    def contains(self, version: str) -> bool:
        """Say whether a version is in the range."""
        return all(compare_versions(version, sign, bound) for sign, bound in self.parts)

    def __str__(self) -> str:
        return self.text or "*"


def compare_versions(version: str, sign: str, bound: str) -> bool:
    """Say whether `version sign bound` holds, versions compared as versions; see `VersionRange` for `==`."""
    if sign in {"==", "!="}:
        same = make_version_key(version)[:-1][: len(make_version_key(bound)) - 1] == make_version_key(bound)[:-1]
        return same == (sign == "==")
    return OPERATORS[sign](make_version_key(version), make_version_key(bound))


def _parse_comparison(text: str) -> tuple[str, str]:
    for sign in OPERATORS:
        if text.startswith(sign) and text[len(sign) :].strip():
            return sign, text[len(sign) :].strip()
    raise ValueError(f"`{text}` is no version comparison; write for instance `>=1.1.5,<1.2`")


def find_systemd_version(revision: str) -> str | None:
    """Return the version whose rules hold for a revision of systemd, or None where only its repository could tell.

    "252", "v252", "v252.3" and "v241-12-g1a2b3c4" (12 commits after v241) are known. A release candidate has
    what its release has: "v258-rc1" is "258". A commit id or a branch is not known.
    """
    match = RELEASE.match(revision)
    return match[1] if match else None
