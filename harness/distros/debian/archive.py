"""Debian's package archive as this computer already uses it.

The address of the archive is never written down in the project: it is read from the computer's own
apt, so that a company's mirror, a cache or a snapshot is used for guests and builds too.
"""

from harness import proc
from harness.errors import InfrastructureError
from harness.wait import Deadline

__all__ = ["KEYRING", "find_archive", "format_sources_list"]

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Debian's archive keys, of package debian-archive-keyring."""

FORMAT = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"


_known: list[str] = []
"""What `find_archive` has found in this process; each cell wants to know, and asking takes most of a second."""


def find_archive(deadline: Deadline) -> str:
    """Return the URI of the Debian archive that this computer's apt uses, with a trailing slash; it looks once.

    Raises:
        InfrastructureError: apt is not there or knows no Debian archive.
    """
    if _known:
        return _known[0]
    proc.require("apt-get")
    listing = proc.run(["apt-get", "indextargets", "--format", FORMAT, "Identifier: Packages"], deadline=deadline)
    for line in listing.out.splitlines():
        origin, label, component, uri = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            _known.append(uri)
            return uri
    raise InfrastructureError(
        "This computer's apt knows no Debian archive, so there is nowhere to take guest packages from.",
        hint="Run `apt-get update`; on another distribution, add a Debian archive to /etc/apt/sources.list.d.",
    )


def format_sources_list(uri: str, release: str, *, pocket: str | None = None, source_packages: bool = False) -> str:
    """Return lines of a sources.list(5) for a Debian release.

    Args:
        uri: See `find_archive`.
        release: Code name: "bookworm".
        pocket: A further suite of the same archive: "bookworm-backports".
        source_packages: Include source packages.
    """
    # An archive that is a snapshot of the past has indexes that are no longer "valid until" today.
    options = f"[signed-by={KEYRING} check-valid-until=no]"
    kinds = ("deb", "deb-src") if source_packages else ("deb",)
    suites = (release, pocket) if pocket else (release,)
    return "".join(f"{kind} {options} {uri} {suite} main\n" for kind in kinds for suite in suites)
