"""Which releases Flatcar has: a snapshot that comes with the project, and the published index that takes its place.

The published index (`releases-json/releases.json` of flatcar.org) maps versions to a channel, architectures, a date and
`major_software`, where systemd has its major number only. It is not signed: it says what there is, and what is
trusted is decided where an image is taken.
"""

import datetime as dt
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from harness import fetch, lookup, yamlfile
from harness.distros.flatcar.versions import Channel, Version
from harness.errors import InfrastructureError, UsageError
from harness.model import VersionRange
from harness.store import Store
from harness.wait import Deadline
from harness.yamlfile import FileModel

__all__ = ["FILES", "INDEX", "Index", "Release", "load_index", "refresh"]

logger = logging.getLogger(__name__)

FILES = Path(__file__).parents[3] / "images" / "flatcar"
"""Directory with the snapshot and the key, in the project that this package belongs to."""

INDEX = "https://www.flatcar.org/releases-json/releases.json"
"""Where the index is published (flatcar-website, static/releases-json)."""

KIND = "flatcar-index"
AGES = 24.0 * 366 * 100
"""Hours that a downloaded index counts: until it is asked for again."""

LARGEST = 64 << 20
"""Most bytes of an index; the real one has some megabytes of release notes."""


def _check_version(text: str) -> str:
    try:
        return str(Version.parse(text))
    except UsageError as error:
        raise ValueError(str(error)) from error


class Release(FileModel):
    """One release of Flatcar.

    Attributes:
        channel: Its stream.
        version: Its number: "3815.2.5".
        architectures: Processors that it is published for, by Flatcar's names: amd64, arm64.
        date: Its day; None if only its files are known.
        systemd: Major version of its systemd: "252"; None if only its number is known.
        systemd_exact: Version of its systemd: "252.11"; None where nobody has looked into its list of packages.
        kernel: Version of its kernel, or only the series: "6.1"; None if not known.
    """

    channel: Channel
    version: Annotated[str, AfterValidator(_check_version)]
    architectures: tuple[str, ...] = Field(default=("amd64",), min_length=1)
    date: dt.date | None = None
    systemd: str | None = Field(default=None, pattern=r"^[0-9]+$")
    systemd_exact: str | None = None
    kernel: str | None = None

    @property
    def number(self) -> Version:
        """The version as numbers."""
        return Version.parse(self.version)

    @property
    def best_systemd(self) -> str | None:
        """What is known about its systemd's version, as exactly as it is known."""
        return self.systemd_exact or self.systemd


class Snapshot(FileModel):
    """The file `releases.yaml`.

    Attributes:
        date: The day on which it was true.
        source: Where its facts are from.
    """

    date: dt.date
    source: str
    releases: tuple[Release, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What is known about releases."""

    releases: Mapping[str, Release]
    date: dt.date
    source: str

    def choose(self, *, channel: Channel | None = None, systemd: VersionRange | None = None) -> list[Release]:
        """Return the releases of a channel, or of all, whose systemd is one of these; the newest last in each channel."""
        fit = (
            release
            for release in self.releases.values()
            if channel in {None, release.channel}
            and (systemd is None or (release.best_systemd is not None and systemd.contains(release.best_systemd)))
        )
        return sorted(fit, key=lambda release: (release.channel, release.number))

    def find_newest(
        self, channel: Channel, architecture: str, *, systemd: VersionRange | None = None, major: int | None = None
    ) -> Release:
        """Return the newest release of a channel.

        It must be published for the architecture; its systemd must be one of these, and `major` the first number of its
        version.

        Raises:
            UsageError: There is none.
        """
        fit = [
            release
            for release in self.choose(channel=channel, systemd=systemd)
            if architecture in release.architectures and (major is None or release.number.major == major)
        ]
        if not fit:
            which = f" with systemd {systemd}" if systemd is not None else ""
            raise UsageError(
                f"Of Flatcar's channel {channel} no release{which} for {architecture} is known (as of {self.date}).",
                hint="`harness image list` prints what is known; with `--refresh` it downloads the published index.",
            )
        return fit[-1]


def load_index(store: Store, files: Path = FILES) -> Index:
    """Return the index: the snapshot in the project, and over it the published one if it was ever downloaded.

    Raises:
        ConfigError: The snapshot is not right.
    """
    snapshot = yamlfile.load(files / "releases.yaml", Snapshot)
    base = {release.version: release for release in snapshot.releases}
    try:
        answer = lookup.ask_remembered(store, KIND, {}, _refuse, hours=AGES)
    except InfrastructureError:
        return Index(releases=base, date=snapshot.date, source=snapshot.source)
    return _lay_over(base, answer)


def refresh(store: Store, deadline: Deadline, files: Path = FILES, *, url: str = INDEX) -> Index:
    """Download the published index, remember it and return it.

    Raises:
        UsageError: There is none at this address.
        InfrastructureError: It cannot be had, or is none, and none was ever downloaded.
    """
    answer = lookup.ask_remembered(store, KIND, {}, lambda: _download(url, deadline), hours=0)
    snapshot = yamlfile.load(files / "releases.yaml", Snapshot)
    return _lay_over({release.version: release for release in snapshot.releases}, answer)


def _refuse() -> dict[str, Any]:
    raise InfrastructureError("No index was downloaded yet.")


def _lay_over(base: Mapping[str, Release], answer: Mapping[str, Any]) -> Index:
    """Return the snapshot with what was downloaded over it; exact versions of systemd are only in the snapshot."""
    releases = dict(base)
    for entry in answer["releases"]:
        release = Release.model_validate(entry)
        old = base.get(release.version)
        same = old is not None and old.systemd == release.systemd
        exact = old.systemd_exact if old is not None and same else None
        releases[release.version] = release.model_copy(update={"systemd_exact": exact})
    return Index(releases=releases, date=dt.date.fromisoformat(answer["date"]), source=answer["source"])


def _download(url: str, deadline: Deadline) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="harness-index-") as folder:
        path = Path(folder, "releases.json")
        fetch.download(url, path, sha256=None, deadline=deadline, most=LARGEST)
        releases = list(_parse_published(path.read_bytes(), url))
    if not releases:
        raise InfrastructureError(f"The index {url} has no release that can be read.")
    entries = [release.model_dump(mode="json") for release in releases]
    return {"date": dt.date.today().isoformat(), "source": url, "releases": entries}  # noqa: DTZ011 - the user's day


def _parse_published(content: bytes, url: str) -> Iterator[Release]:
    """Yield the releases of the published index; what does not fit is left out and reported, since much there is old."""
    try:
        entries = json.loads(content)
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise InfrastructureError(
            f"What {url} sent is no index of releases.",
            hint="A page of a proxy or a portal may have come in its place; look at it with a browser.",
        )
    for version, entry in entries.items():
        if version == "current":  # a copy of the newest, without its number
            continue
        try:
            software = entry["major_software"]
            yield Release(
                channel=entry["channel"],
                version=version,
                architectures=tuple(entry["architectures"]),
                date=dt.date.fromisoformat(entry["release_date"][:10]),
                systemd=_find_first(software.get("systemd")),
                kernel=_find_first(software.get("kernel")),
            )
        except (KeyError, TypeError, AttributeError, ValueError, ValidationError) as error:
            logger.info("index of Flatcar: %s is left out: %s", version, error)


def _find_first(values: Any) -> str | None:
    return str(values[0]) if isinstance(values, list) and values and values[0] else None
