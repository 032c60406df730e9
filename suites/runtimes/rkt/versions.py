"""Which rkt has which option: data, from rkt's changelog and documentation.

Releases are three numbers. What has been there since before 1.0 is not listed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "FEATURES", "OLDEST", "NotYetError", "RktFeature", "Version", "has", "parse_version", "require", "require_oldest", "spell",
]  # fmt: skip

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RktFeature:
    """Something that not every rkt has.

    Attributes:
        spellings: What it is called, by the release since which it is called so, the oldest first.
        source: Where that is from.
    """

    spellings: tuple[tuple[Version, str], ...]
    source: str

    @property
    def since(self) -> Version:
        """The first release that has it."""
        return self.spellings[0][0]


def _find_since(release: Version, word: str, source: str) -> RktFeature:
    return RktFeature(spellings=((release, word),), source=source)


OLDEST: Version = (1, 20, 0)
"""The oldest release that the suites drive: each case asks for the list of pods as JSON (`json`), names apps (`app name`, of
1.19) and stops pods by their file (`stop by file`, of 1.11)."""

APP_LEVEL = "CHANGELOG 1.19.0: many additional app-level options (rkt#3318); which ones it does not say, so inferred"

FEATURES: Mapping[str, RktFeature] = {
    "hostname": _find_since((1, 2, 0), "--hostname", "CHANGELOG 1.2.0, rkt#2251"),
    "exit status of apps": _find_since((1, 3, 0), "", "CHANGELOG 1.3.0, rkt#2308"),
    "user": _find_since((1, 4, 0), "--user", "CHANGELOG 1.4.0, rkt#2419"),
    "group": _find_since((1, 4, 0), "--group", "CHANGELOG 1.4.0, rkt#2419"),
    "mark only": _find_since((1, 4, 0), "--mark-only", "CHANGELOG 1.4.0, rkt#2400"),
    "no new privileges": _find_since((1, 7, 0), "os/linux/no-new-privileges", "CHANGELOG 1.7.0, rkt#2677"),
    "environment file": _find_since((1, 9, 0), "--set-env-file", "CHANGELOG 1.9.0, rkt#2816"),
    "retained capabilities": RktFeature(
        spellings=(((1, 9, 0), "--cap-retain"), ((1, 12, 0), "--caps-retain")),
        source="CHANGELOG 1.9.0, rkt#2771; renamed in 1.12.0, rkt#2994",
    ),
    "removed capabilities": RktFeature(
        spellings=(((1, 9, 0), "--cap-remove"), ((1, 12, 0), "--caps-remove")),
        source="CHANGELOG 1.9.0, rkt#2771; renamed in 1.12.0, rkt#2994",
    ),
    "stop": _find_since((1, 10, 0), "stop", "CHANGELOG 1.10.0, rkt#2438"),
    "stop by file": _find_since((1, 11, 0), "--uuid-file", "CHANGELOG 1.11.0, rkt#2902"),
    "export": _find_since((1, 11, 0), "export", "CHANGELOG 1.11.0, rkt#2889"),
    "seccomp in images": _find_since((1, 12, 0), "os/linux/seccomp-retain-set", "CHANGELOG 1.12.0, rkt#2753"),
    "subcgroup file": _find_since((1, 14, 0), "subcgroup", "CHANGELOG 1.14.0, rkt#3072; it may be older"),
    "dns of the host": _find_since((1, 15, 0), "--dns=host", "CHANGELOG 1.15.0, rkt#3161"),
    "hosts": _find_since((1, 15, 0), "--hosts-entry", "CHANGELOG 1.15.0, rkt#3161"),
    "recursive volumes": _find_since((1, 15, 0), "recursive", "CHANGELOG 1.15.0, rkt#2880"),
    "readiness of apps": _find_since(
        (1, 15, 0), "appc.io/executor/supports-systemd-notify", "CHANGELOG 1.15.0, rkt#2826"
    ),
    "own failures end with 254": _find_since((1, 18, 0), "254", "CHANGELOG 1.18.0, rkt#3261"),
    "app environment": _find_since((1, 19, 0), "--environment", APP_LEVEL),
    "app name": _find_since((1, 19, 0), "--name", APP_LEVEL),
    "cpu shares": _find_since((1, 19, 0), "--cpu-shares", APP_LEVEL),
    "oom score": _find_since((1, 19, 0), "--oom-score-adj", f"rkt/run.go of 1.25; {APP_LEVEL}"),
    "read-only root": _find_since((1, 19, 0), "--readonly-rootfs", APP_LEVEL),
    "seccomp": _find_since((1, 19, 0), "--seccomp", APP_LEVEL),
    "supplementary groups": _find_since((1, 19, 0), "--supplementary-gids", APP_LEVEL),
    "working directory": _find_since((1, 19, 0), "--working-dir", APP_LEVEL),
    "json": _find_since((1, 20, 0), "--format=json", "CHANGELOG 1.20.0, rkt#3403, improves it; it may be older"),
    "manifest by file": _find_since((1, 22, 0), "--uuid-file", "CHANGELOG 1.22.0, rkt#3498"),
    "wait until ready": _find_since((1, 22, 0), "--wait-ready", "CHANGELOG 1.22.0, rkt#3462"),
    "pull policy": _find_since((1, 24, 0), "--pull-policy", "CHANGELOG 1.24.0, rkt#3554"),
    "status by file": _find_since(
        (1, 26, 0),
        "--uuid-file",
        "tests/rkt_status_test.go, which 1.25 does not have; which release brought it is inferred",
    ),
    "privileged event handlers": _find_since((1, 30, 0), "", "rkt#3844"),
}


class NotYetError(LookupError):
    """This rkt is older than what is asked of it."""


def parse_version(said: str) -> Version:
    """Return the release in the output of `rkt version`: "rkt Version: 1.30.0+git".

    Raises:
        ValueError: It names none.
    """
    found = re.search(r"^rkt Version: v?(\d+)\.(\d+)\.(\d+)", said, re.MULTILINE)
    if found is None:
        raise ValueError(f"`rkt version` names no release: {said.strip()!r}")
    major, minor, patch = found.groups()
    return int(major), int(minor), int(patch)


def require_oldest(version: Version) -> None:
    """Raise NotYetError for a release that is older than `OLDEST`."""
    if version < OLDEST:
        now, oldest = (".".join(map(str, each)) for each in (version, OLDEST))
        raise NotYetError(
            f"rkt {now} is older than what the suites can drive; {oldest} is the oldest release that works."
        )


def has(version: Version, feature: str) -> bool:
    """Return whether a release has a feature of `FEATURES`."""
    return version >= FEATURES[feature].since


def require(version: Version, feature: str) -> None:
    """Raise NotYetError, with the release that brought it, where a release does not have a feature."""
    if not has(version, feature):
        it, now = FEATURES[feature], ".".join(map(str, version))
        raise NotYetError(f"rkt {now} has no {feature}; it came with {'.'.join(map(str, it.since))} ({it.source}).")


def spell(version: Version, feature: str) -> str:
    """Return what a release calls a feature; raises NotYetError where it has none."""
    require(version, feature)
    return [word for since, word in FEATURES[feature].spellings if version >= since][-1]
