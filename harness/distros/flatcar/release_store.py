"""A release in the store: downloaded, verified against the pinned key and decompressed, or found there."""

import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import fetch, lookup, yamlfile
from harness import log as logs
from harness.distros.flatcar import trust
from harness.distros.flatcar.download import fetch_disk, fetch_file
from harness.distros.flatcar.hosts import CONFIG, FOREVER, IMAGE, KERNEL, PACKAGES, VERSION, make_address
from harness.distros.flatcar.releases import FILES, Release
from harness.distros.flatcar.trust import KeyFile, Ring, TrustError
from harness.distros.flatcar.versions import parse_systemd, parse_version
from harness.errors import UsageError
from harness.fetch import DownloadProgress
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["KIND", "Fetched", "obtain"]

logger = logging.getLogger(__name__)

KIND = "flatcar"
"""What the store calls a release."""

DISK = "disk.raw"
SIGNED = (KERNEL, PACKAGES, VERSION)
"""Files of a release with a detached signature of their own; the disk's digest is signed instead."""

LARGEST = 256 << 20
"""Bytes of the largest of these; a kernel with its initrd has 60 MB."""

OPTIONAL = (CONFIG,)
"""Such files that old releases do not have."""

KEY_HOURS = 24.0
"""Hours after which the key is asked for again: it may have a new sub-key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A release that is on this computer, verified.

    Attributes:
        release: What it is, with the exact version of its systemd.
        disk: The raw disk image, with holes.
        kernel: The kernel, with the initramfs in it.
        config: How its kernel was configured; None where the release does not say it.
        version: Its exact version: "3815.2.5".
        systemd: The exact version of its systemd: "252.11".
        sha512: Digest of the compressed disk image, which was signed.
        fingerprint: The primary key that vouches for all of it.
        key: Its key in the store.
        cached: Whether it was on this computer before.
        seconds: How long its download took, when that was.
    """

    release: Release
    disk: Path
    kernel: Path
    packages: Path
    version_file: Path
    config: Path | None
    version: str
    systemd: str
    sha512: str
    fingerprint: str
    key: str
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is to be fetched, from where, and by whose word."""

    release: Release
    mirror: str | None
    store: Store
    deadline: Deadline
    tell: Callable[[DownloadProgress], None] | None
    key: Callable[[], tuple[bytes, str | None, str]]

    def get_url(self, name: str) -> str:
        release = self.release
        return make_address(release.channel, release.architectures[0], release.version, name, mirror=self.mirror)

    @contextmanager
    def open_ring(self) -> Iterator[Ring]:
        content, pinned, what = self.key()
        with trust.open_ring(content, self.deadline, pinned=pinned, what=what) as ring:
            yield ring


def obtain(  # noqa: PLR0913 - each is one fact, and the last ones have defaults
    release: Release,
    store: Store,
    deadline: Deadline,
    log: Path,
    *,
    mirror: str | None = None,
    key: Path | None = None,
    files: Path = FILES,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Fetched:
    """Return a release from the store; if it is not there it is downloaded, verified and decompressed in one pass.

    What is there is used without a network and without GnuPG: it was verified when it came, and the store knows what
    its files have to be. Nothing of a release is in the store before all of it was verified.

    The version is in what is signed (version.txt), but not in the disk's digest: whoever has the host could give an
    older disk that was signed as well. The guest's os-release, which is compared at boot, shows it.

    `mirror` stands in place of the release host, see `hosts.make_address`. `key` is a key file of the user's own, whose
    only key is pinned then; None for the project's `key.yaml`. `progress` is called while the disk comes; None for
    lines in the log.

    Raises:
        TrustError: It is not signed by the pinned key, or not what was signed.
        UsageError: There is no such release, key file or mirror.
        InfrastructureError: It could not be downloaded or stored.
    """
    name, source = _choose_key_source(key, files, store, deadline)
    order = _Order(release=release, mirror=mirror, store=store, deadline=deadline, tell=progress, key=source)
    question = {"version": release.version, "architecture": release.architectures[0], "key": name}
    handler = logs.add_file(log)
    own = threading.get_ident()
    handler.addFilter(lambda record: record.thread == own)  # others work at the same time
    try:
        taken: list[Artifact] = []
        answer = lookup.ask_remembered(store, KIND, question, lambda: _ask(order, taken), hours=FOREVER)
        artifact = taken[0] if taken else _find_stored(order, str(answer["sha512"]), str(answer["fingerprint"]))
    finally:
        logging.getLogger("harness").removeHandler(handler)
        handler.close()
    systemd = str(artifact.said["systemd"])
    exact = {"systemd": systemd.partition(".")[0].partition("~")[0], "systemd_exact": systemd}
    return Fetched(
        release=release.model_copy(update=exact),
        disk=artifact.path / DISK,
        kernel=artifact.path / KERNEL,
        packages=artifact.path / PACKAGES,
        version_file=artifact.path / VERSION,
        config=artifact.path / CONFIG if (artifact.path / CONFIG).exists() else None,
        version=str(artifact.said["version"]),
        systemd=systemd,
        sha512=str(answer["sha512"]),
        fingerprint=str(answer["fingerprint"]),
        key=artifact.key,
        cached=artifact.cached,
        seconds=artifact.seconds,
    )


def _choose_key_source(
    key: Path | None, files: Path, store: Store, deadline: Deadline
) -> tuple[str, Callable[[], tuple[bytes, str | None, str]]]:
    """Return what identifies the key of a release, and how to get it: content, fingerprint, words for it."""
    if key is not None:
        try:
            content = key.read_bytes()
        except OSError as error:
            raise UsageError(f"The key file {key} cannot be read: {error.strerror}.") from error
        return hashlib.sha256(content).hexdigest(), lambda: (content, None, f"key file {key}")
    known = yamlfile.load(files / "key.yaml", KeyFile)

    def ask() -> dict[str, str]:
        with tempfile.TemporaryDirectory(prefix="harness-key-") as folder:
            path = Path(folder, "key")
            fetch.download(known.url, path, sha256=None, deadline=deadline, most=fetch.TEXT)
            with trust.open_ring(path.read_bytes(), deadline, pinned=known.fingerprint, what=f"key file {known.url}"):
                return {"key": path.read_bytes().hex()}

    def get() -> tuple[bytes, str | None, str]:
        question = {"url": known.url, "fingerprint": known.fingerprint}
        answer = lookup.ask_remembered(store, "flatcar-key", question, ask, hours=KEY_HOURS)
        return bytes.fromhex(str(answer["key"])), known.fingerprint, f"key file {known.url}"

    return known.fingerprint, get


def _ask(order: _Order, taken: list[Artifact]) -> dict[str, str]:
    """Take the release: its signed digest first, which then is remembered only if all the rest was right too."""
    with order.open_ring() as ring:
        sha512 = _read_signed_digest(order, ring)
        taken.append(_find_stored(order, sha512, ring.fingerprint, ring))
    return {"sha512": sha512, "fingerprint": ring.fingerprint}


def _read_signed_digest(order: _Order, ring: Ring) -> str:
    url = order.get_url(f"{IMAGE}.DIGESTS.asc")
    path = ring.home / "digests.asc"
    fetch_file(url, path, order.deadline, most=fetch.TEXT)
    return trust.parse_sha512(IMAGE, ring.clear_text(path, what=url), what=url)


def _find_stored(order: _Order, sha512: str, fingerprint: str, ring: Ring | None = None) -> Artifact:
    release = order.release
    inputs = {
        "version": release.version,
        "architecture": release.architectures[0],
        "sha512": sha512,
        "fingerprint": fingerprint,
    }

    def make(into: Path) -> Mapping[str, Any]:
        if ring is not None:
            return _make(order, ring, sha512, into)
        with order.open_ring() as own:  # it was here before, and was pruned
            return _make(order, own, sha512, into)

    return order.store.obtain(KIND, inputs, make, order.deadline)


def _make(order: _Order, ring: Ring, sha512: str, into: Path) -> Mapping[str, Any]:
    """Fill a directory of the store, which nobody sees before this returns."""
    release = order.release
    for name in (*SIGNED, *OPTIONAL):
        url = order.get_url(name)
        signature = ring.home / f"{name}.sig"
        try:
            fetch_file(f"{url}.sig", signature, order.deadline, most=fetch.TEXT)
        except UsageError:
            if name in OPTIONAL:
                continue
            raise
        fetch_file(url, into / name, order.deadline, most=LARGEST)
        ring.check_detached(into / name, signature, what=url)
        logger.info("verified by %s: %s", ring.fingerprint, url)
    told = parse_version(_read(into / VERSION), what=order.get_url(VERSION))
    if str(told) != release.version:
        raise TrustError(
            f"{order.get_url(VERSION)} is signed, but for Flatcar {told} and not for {release.version}.",
            hint="The mirror has an older release at the place of this one; another mirror may be right.",
        )
    systemd = parse_systemd(_read(into / PACKAGES), what=order.get_url(PACKAGES))
    if release.systemd is not None and systemd.partition(".")[0].partition("~")[0] != release.systemd:
        logger.warning("the index says systemd %s for Flatcar %s; it has %s", release.systemd, told, systemd)
    fetch_disk(order.get_url(IMAGE), into / DISK, sha512, order.deadline, progress=order.tell)
    logger.info("verified by %s: %s", ring.fingerprint, order.get_url(IMAGE))
    facts = {"version": str(told), "systemd": systemd, "architecture": release.architectures[0]}
    title = f"Flatcar {release.channel} {told} {facts['architecture']} with systemd {systemd}"
    return {"title": title, **facts, "channel": str(release.channel)}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
