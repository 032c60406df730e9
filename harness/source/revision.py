"""What a version of a component's source code is, exactly."""

from dataclasses import dataclass

from harness.catalog import Source

__all__ = ["Revision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One state of a component's source code.

    Attributes:
        kind: Where it comes from: "git", "directory", "debian" or "tarball".
        version: The version that was asked for.
        identity: Names the content exactly; two revisions with one identity are the same code. Goes in hashes.
        stamp: Short exact name that a program reports as what it was built from: a commit, a package version.
        text: What people read: "runc 1.1.5+ds1-1+deb12u1 (Debian bookworm)".
        depends: Debian packages that the source package's maintainer builds it with; empty for other kinds.
    """

    kind: str
    version: str
    identity: str
    stamp: str
    text: str
    depends: tuple[str, ...] = ()


def fill_template(text: str | None, source: Source, version: str) -> str:
    """Return a field of `source` with the version put in; `source` is of the kind that has the field."""
    assert text is not None, f"{source} does not have what its kind needs"
    return text.replace("{version}", version)
