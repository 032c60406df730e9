"""The releases of a toolchain as a git repository, one commit each: so versions are bisected as commits are."""

import re
import uuid
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import proc
from harness.bisect.repository import Repository, open_repository
from harness.errors import UsageError
from harness.source.git_environment import Reach, make_environment
from harness.store import Store, hold_lock
from harness.wait import Deadline

__all__ = ["FILE", "Releases", "make_repository"]

FILE = "version"
"""The one file of each commit; it has the release's version in it."""

WHO = "harness <harness@localhost> 946684800 +0000"
"""Author and time of every commit, so that the same releases have the same names everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases(Repository):
    """The repository of a toolchain's releases.

    Attributes:
        versions: Exact versions, the oldest first.
    """

    name: str
    versions: tuple[str, ...]

    def resolve(self, revision: str, deadline: Deadline) -> str:
        """As that of all repositories; the UsageError speaks of releases."""
        try:
            return Repository.resolve(self, revision, deadline)
        except UsageError as error:
            hint = f"A release is named by its number, such as {self.versions[-1]}."
            if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})*", revision):
                after = bisect(self.versions, _parse_numbers(revision), key=_parse_numbers)
                hint = f"The nearest to it: {', '.join(self.versions[max(0, after - 1) : after + 1])}."
            raise UsageError(
                f"No release `{revision}` of {self.name} is known; there are {len(self.versions)} from "
                f"{self.versions[0]} to {self.versions[-1]}.",
                hint=hint,
            ) from error


def make_repository(name: str, versions: Sequence[str], store: Store, deadline: Deadline) -> Releases:
    """Make the repository of these releases, the oldest first; "1.21.3" and "1.21" are tags, the latter of the newest.

    Raises:
        InfrastructureError: git failed.
    """
    ordered = tuple(sorted(versions, key=_parse_numbers))
    place = store.share("releases", name, deadline) / "releases.git"
    with hold_lock(place.with_suffix(".lock"), deadline):
        if not place.exists():
            unfinished = place.with_name(f"{uuid.uuid4().hex}.part")
            argv = ["git", "init", "--quiet", "--bare", "--template=", str(unfinished)]
            proc.run(argv, deadline=deadline, env=make_environment(reach=Reach.MIRROR))
            unfinished.rename(place)
        stream = "".join(_stream(name, ordered)).encode()
        argv = ["git", f"--git-dir={place}", "fast-import", "--quiet", "--force", "--done"]
        proc.run(argv, deadline=deadline, env=make_environment(reach=Reach.MIRROR), stdin=stream)
    opened = open_repository(str(place), store, deadline)
    return Releases(
        address=opened.address, mirror=opened.mirror, store=store, local=opened.local, name=name, versions=ordered
    )


def _parse_numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _stream(name: str, versions: Sequence[str]) -> Iterator[str]:
    """Yield what git fast-import reads."""
    for number, version in enumerate(versions):
        yield f"commit refs/heads/main\nmark :{number + 1}\ncommitter {WHO}\n"
        yield _quote(f"{name} {version}\n")
        if number:
            yield f"from :{number}\n"
        yield f"M 100644 inline {FILE}\n" + _quote(f"{version}\n") + "\n"
    for number, version in enumerate(versions):
        for tag in _list_prefixes(version):
            # A longer version comes later in the order, so the last that is written is the newest that the tag covers.
            yield f"reset refs/tags/{tag}\nfrom :{number + 1}\n\n"
    yield "done\n"


def _list_prefixes(version: str) -> list[str]:
    """List the tags of "1.21.3": that, and "1.21"; a major version alone names nothing that anybody means."""
    parts = version.split(".")
    return [".".join(parts[:length]) for length in range(min(2, len(parts)), len(parts) + 1)]


def _quote(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"
