"""Source code from a Debian source package: the upstream code with Debian's patches applied."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import lookup, proc
from harness.catalog import Source
from harness.distros.debian.apt import Apt, find_archive, open_apt, parse_checksums
from harness.errors import InfrastructureError, UsageError
from harness.model import compare_versions, make_version_key
from harness.source.revision import Revision, fill_template
from harness.store import Store, hash_file
from harness.wait import Deadline

__all__ = ["fill", "resolve"]

BUILD_FIELDS = ("Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep")

Answer = dict[str, dict[str, str]]


def resolve(source: Source, version: str, store: Store, deadline: Deadline) -> Revision:
    """Return the newest package version in the release that belongs to the upstream version.

    Raises:
        UsageError: The release does not have the package in this version.
        InfrastructureError: The archive cannot be reached.
    """
    name, release = fill_template(source.debian, source, version), str(source.release)
    question = {"archive": find_archive(deadline), "release": release, "package": name}
    found: Answer = lookup.ask_remembered(store, "debian-source", question, lambda: _ask(name, release, deadline))
    fitting = [full for full in found if full == version or compare_versions(_strip_epoch(full), "==", version)]
    if not fitting:
        known = ", ".join(sorted(found, key=make_version_key)) or "no version of it"
        raise UsageError(f"Debian {release} has no source package {name} {version}; it has {known}.")
    full = max(fitting, key=make_version_key)
    return Revision(
        kind="debian",
        version=version,
        identity=f"debian:{name}={full}:sha256:{found[full]['dsc']}",
        stamp=full,
        text=f"{name} {full} (Debian {release})",
        depends=tuple(found[full]["depends"].split()),
    )


def fill(source: Source, revision: Revision, files: Path, store: Store, deadline: Deadline) -> None:  # noqa: ARG001
    """Unpack the source package, with its patches; raises InfrastructureError if the archive lacks it."""
    name = fill_template(source.debian, source, revision.version)
    with tempfile.TemporaryDirectory(dir=files.parent) as scratch:
        private = _open(str(source.release), Path(scratch), deadline)
        private.download_source(name, revision.stamp, Path(scratch), deadline)
        (description,) = Path(scratch).glob("*.dsc")
        if not revision.identity.endswith(f":sha256:{hash_file(description)}"):
            raise InfrastructureError(f"The file {description.name} is not the one that the archive promised before.")
        tree = Path(scratch, "tree")
        # apt has verified the files against the archive's signed index; the maintainer's own key is not at hand.
        argv = ["dpkg-source", "--no-check", "--no-copy", "--extract", str(description), str(tree)]
        proc.run(argv, deadline=deadline)
        files.rmdir()
        tree.rename(files)


def _ask(name: str, release: str, deadline: Deadline) -> Answer:
    """Return what the archive says about every version of the package that the release has."""
    with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
        records = _open(release, Path(scratch), deadline).find_sources(name, deadline)
    return {
        record["Version"]: {
            "dsc": next(digest for file, digest in parse_checksums(record).items() if file.endswith(".dsc")),
            "depends": " ".join(_parse_names(",".join(record.get(field, "") for field in BUILD_FIELDS))),
        }
        for record in records
    }


def _open(release: str, scratch: Path, deadline: Deadline) -> Apt:
    home = scratch / "apt"
    home.mkdir()
    return open_apt(release, home, deadline, source_packages=True)


def _parse_names(relations: str) -> Iterator[str]:
    """Yield the package names in deb-control(5) relations: the first of alternatives, without versions and conditions."""
    for relation in relations.split(","):
        first = re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", relation)
        # A condition in angle brackets is a build profile: `<!nocheck>` is wanted for tests only.
        if first and "<" not in relation:
            yield first[1]


def _strip_epoch(full: str) -> str:
    """Return a package version without its epoch."""
    return full.partition(":")[2] or full
