"""Where a release's files are, at the real hosts or at a mirror, and which release a user's words mean."""

import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness import fetch, lookup
from harness.distros.flatcar import releases
from harness.distros.flatcar.releases import FILES, Index, Release
from harness.distros.flatcar.versions import Channel, Version, parse_systemd, parse_version
from harness.errors import InfrastructureError, UsageError
from harness.model import VersionRange
from harness.store import Store
from harness.wait import Deadline

__all__ = ["IMAGE", "KERNEL", "PACKAGES", "VERSION", "complete", "make_address", "resolve"]

HOST = "https://{channel}.release.flatcar-linux.net"
"""Flatcar's own hosts, one for each channel."""

IMAGE = "flatcar_production_image.bin.bz2"
KERNEL = "flatcar_production_image.vmlinuz"
PACKAGES = "flatcar_production_image_packages.txt"
VERSION = "version.txt"
CONFIG = "flatcar_production_image_kernel_config.txt"

SECONDS = 120.0
"""Seconds for one of the small files."""

FOREVER = 24.0 * 366 * 100
"""Hours that an answer about a release counts: what is published does not change."""


def make_address(channel: Channel, architecture: str, version: str, name: str, *, mirror: str | None = None) -> str:
    """Return the address of a file of a release.

    The architecture is Flatcar's name of the processor: amd64. The version may be `current` or `current-2024`. The
    mirror is an http, https or file address, or a directory; a `{channel}` in it is the channel, and without one it has
    the releases of all channels side by side.

    Raises:
        UsageError: The mirror is neither an address nor a directory.
    """
    base = (mirror or HOST).replace("{channel}", channel).rstrip("/")
    scheme = urlsplit(base).scheme
    if scheme not in {"http", "https", "file"}:
        folder = Path(base).expanduser()
        if scheme and not folder.exists():
            raise UsageError(f"The mirror `{mirror}` is neither an http, https or file address nor a directory.")
        if not folder.is_dir():
            raise UsageError(f"The mirror {folder} is no directory.")
        base = f"file://{quote(str(folder.absolute()))}"
    return f"{base}/{architecture}-usr/{version}/{name}"


def resolve(
    wanted: str, architecture: str, store: Store, deadline: Deadline, *, mirror: str | None = None, files: Path = FILES,
    systemd: VersionRange | None = None,
) -> Release:  # fmt: skip
    """Return the release that a user means; what `current` is now is asked for once in some hours.

    Args:
        wanted: A channel (`stable`), an LTS stream (`lts-2024`), a version (`3815.2.5`) or both (`edge@2079.99.0`).
        architecture: The processor by Flatcar's name: amd64.
        store: Where the downloaded index and earlier answers are.
        deadline: When to give up.
        mirror: What stands in place of the release host, see `make_address`.
        files: Directory with the snapshot of the index.
        systemd: Its systemd must be one of these; only with a channel, of which the index is asked then.

    Raises:
        UsageError: There is no such channel or version, or not for this processor or with such a systemd.
        InfrastructureError: What `current` is could not be asked, nothing is remembered and the index has none.
    """
    index = releases.load_index(store, files)
    if systemd is not None:
        if wanted not in set(Channel):
            raise UsageError("--systemd chooses among the releases of a channel, and not with a version.")
        newest = index.find_newest(Channel(wanted), architecture, systemd=systemd)
        return newest.model_copy(update={"architectures": (architecture,)})
    stream, _, number = wanted.rpartition("@") if "@" in wanted or wanted[:1].isdigit() else (wanted, "", "")
    name, _, year = stream.partition("-")
    if name and (name not in set(Channel) or (year and (name != Channel.LTS or not year.isdigit()))):
        raise UsageError(
            f"Flatcar has no channel `{stream}`; it has {', '.join(Channel)}, and streams such as lts-2024.",
            hint="A release is written as a channel, a version, or both: stable, 3815.2.5, edge@2079.99.0.",
        )
    channel = Channel(name) if name else None
    if number:
        return _find_numbered(Version.parse(number), channel, architecture, index)
    assert channel is not None
    if channel is Channel.EDGE:  # over since 2020, and its host with it
        return index.find_newest(channel, architecture)
    current = f"current-{year}" if year else "current"
    try:
        version = _find_current(channel, architecture, current, store, deadline, mirror)
    except InfrastructureError:
        if year or mirror is not None:
            raise
        return index.find_newest(channel, architecture)
    return _find_numbered(version, channel, architecture, index)


def complete(release: Release, store: Store, deadline: Deadline, *, mirror: str | None = None) -> Release:
    """Return the release with the exact version of its systemd, from its list of packages where nobody knows it yet.

    The list is not verified here, `obtain` does that: this is for choosing, not for trusting.
    """
    if release.systemd_exact is not None:
        return release
    architecture = release.architectures[0]
    url = make_address(release.channel, architecture, release.version, PACKAGES, mirror=mirror)

    def ask() -> dict[str, str]:
        return {"systemd": parse_systemd(_fetch_text(url, deadline), what=url)}

    question = {"version": release.version, "architecture": architecture, "mirror": mirror}
    exact = str(lookup.ask_remembered(store, "flatcar-packages", question, ask, hours=FOREVER)["systemd"])
    return release.model_copy(update={"systemd": exact.partition(".")[0].partition("~")[0], "systemd_exact": exact})


def _find_numbered(number: Version, channel: Channel | None, architecture: str, index: Index) -> Release:
    found = index.releases.get(str(number))
    own = found.channel if found is not None else number.channel or channel
    if own is None:
        raise UsageError(
            f"To which channel Flatcar {number} belongs is not known, and its number does not say it.",
            hint=f"Write for instance stable@{number}, or download the published index: `harness image list --refresh`.",
        )
    if channel not in {None, own}:
        raise UsageError(f"Flatcar {number} is a release of the channel {own}, not of {channel}.")
    if found is None:
        return Release(channel=own, version=str(number), architectures=(architecture,))
    if architecture not in found.architectures:
        where = ", ".join(found.architectures)
        raise UsageError(f"Flatcar {number} is known for {where} only, not for {architecture}.")
    return found.model_copy(update={"architectures": (architecture,)})


def _find_current(
    channel: Channel, architecture: str, current: str, store: Store, deadline: Deadline, mirror: str | None
) -> Version:
    url = make_address(channel, architecture, current, VERSION, mirror=mirror)

    def ask() -> dict[str, str]:
        return {"version": str(parse_version(_fetch_text(url, deadline), what=url))}

    answer = lookup.ask_remembered(store, "flatcar-current", {"url": url}, ask)
    return Version.parse(str(answer["version"]))


def _fetch_text(url: str, deadline: Deadline) -> str:
    with tempfile.TemporaryDirectory(prefix="harness-flatcar-") as folder:
        path = Path(folder, "file")
        within = deadline.within(SECONDS, f"download of {url}")
        fetch.download(url, path, sha256=None, deadline=within, most=fetch.TEXT)
        return path.read_text(encoding="utf-8", errors="replace")
