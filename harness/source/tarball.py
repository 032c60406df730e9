"""Source code from an archive on a web server, trusted by its digest."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from harness import fetch
from harness.catalog import Source
from harness.source.revision import Revision, fill_template
from harness.store import Store
from harness.wait import Deadline

__all__ = ["fill", "resolve"]


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
    """Download and unpack; the one directory that most archives consist of is left out."""
    url = fill_template(source.tarball, source, revision.version)
    with tempfile.TemporaryDirectory(dir=files.parent) as scratch:
        archive = Path(scratch, Path(urlsplit(url).path).name or "archive")
        tree = Path(scratch, "tree")
        tree.mkdir()
        fetch.download(url, archive, sha256=source.sha256, deadline=deadline)
        fetch.unpack(archive, tree, deadline)
        members = list(tree.iterdir())
        top = members[0] if len(members) == 1 and members[0].is_dir() else tree
        files.rmdir()
        top.rename(files)
