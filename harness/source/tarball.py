"""Source code from an archive on a web server or of this computer, trusted by its digest."""

import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness import fetch
from harness.catalog import Source
from harness.errors import InfrastructureError
from harness.source.revision import Revision, fill_template
from harness.store import Store, hash_file
from harness.wait import Deadline

__all__ = ["fill", "find_missing", "resolve"]


def resolve(source: Source, version: str, store: Store, deadline: Deadline) -> Revision:  # noqa: ARG001 - as all kinds
    """Return what the digest in the knowledge file says; nothing is asked."""
    name = Path(urlsplit(fill_template(source.tarball, source, version)).path).name
    return Revision(
        kind="tarball",
        version=version,
        identity=f"tarball:sha256:{source.sha256}",
        stamp=version,
        text=f"{name} (sha256 {str(source.sha256)[:12]})",
    )


def fill(source: Source, revision: Revision, files: Path, store: Store, deadline: Deadline) -> None:  # noqa: ARG001
    """Download and unpack; the one directory that most archives consist of is left out.

    Raises:
        InfrastructureError: It cannot be had, or is not what it was.
    """
    url = fill_template(source.tarball, source, revision.version)
    with tempfile.TemporaryDirectory(dir=files.parent) as scratch:
        archive = _find_local(url)
        tree = Path(scratch, "tree")
        tree.mkdir()
        if archive is None:
            archive = Path(scratch, Path(urlsplit(url).path).name or "archive")
            fetch.download(url, archive, sha256=source.sha256, deadline=deadline)
        else:
            _require_digest(archive, str(source.sha256))
        fetch.unpack(archive, tree, deadline)
        members = list(tree.iterdir())
        top = members[0] if len(members) == 1 and members[0].is_dir() else tree
        files.rmdir()
        top.rename(files)


def find_missing(source: Source, landmarks: Iterable[str]) -> tuple[Path, list[str]] | None:
    """Return an archive of this computer with the paths that its tree lacks; None for one that has to be downloaded."""
    archive = _find_local(str(source.tarball))
    if archive is None:
        return None
    with tarfile.open(archive) as file:
        names = {name.removeprefix("./").rstrip("/") for name in file.getnames()} - {"", "."}
    tops = {name.partition("/")[0] for name in names}
    if len(tops) == 1:
        names = {name.partition("/")[2] for name in names}
    return archive, [each for each in landmarks if not any(f"{name}/".startswith(f"{each}/") for name in names)]


def _find_local(url: str) -> Path | None:
    address = urlsplit(url)
    return Path(url2pathname(address.path)) if address.scheme == "file" else None


def _require_digest(archive: Path, sha256: str) -> None:
    try:
        digest = hash_file(archive)
    except OSError as error:
        raise InfrastructureError(f"The archive {archive} cannot be read: {error.strerror}.") from error
    if digest != sha256:
        raise InfrastructureError(
            f"The archive {archive} has the SHA-256 {digest} instead of {sha256}.",
            hint="It has changed since the run began, or the digest is mistyped.",
        )
