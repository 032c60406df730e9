"""A private apt: packages and source packages of any Debian release, without touching the computer's own apt.

Its lists, cache and configuration are in one directory that the caller gives and throws away, so it also
works for an ordinary user. Proxies and credentials of the computer's own apt stay in force.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.distros.debian.archive import find_archive, format_sources_list
from harness.errors import InfrastructureError, UsageError
from harness.wait import Deadline

__all__ = ["Apt", "open_apt", "parse_checksums", "parse_records", "unpack_package"]

CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{home}/state";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Log "{home}/log";
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
"""Read after the computer's own files: its hooks, pins and sources must not count here, its proxies must."""

Record = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """An apt that knows one Debian release; see `open_apt`.

    Attributes:
        home: Directory with everything that is its own.
        release: Code name of the release.
    """

    home: Path
    release: str

    def find_sources(self, name: str, deadline: Deadline) -> tuple[Record, ...]:
        """Return the records of a source package, one for each version that the release has; none if it has none."""
        done = self._run(["apt-cache", "showsrc", "--only-source", name], deadline)
        return tuple(parse_records(done.out))

    def find_packages(self, names: Sequence[str], deadline: Deadline) -> tuple[Record, ...]:
        """Return the records of the newest versions of binary packages, in the order of `names`.

        Raises:
            UsageError: The release does not have one of them.
        """
        done = self._run(["apt-cache", "show", "--no-all-versions", *names], deadline)
        found = {record["Package"]: record for record in parse_records(done.out)}
        missing = [name for name in names if name not in found]
        if missing:
            raise UsageError(f"Debian {self.release} has no package {' and no package '.join(missing)}.")
        return tuple(found[name] for name in names)

    def list_missing(self, names: Sequence[str], installed: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
        """Return what a system lacks to have packages: these and what they depend on, each with its version.

        Args:
            names: The packages.
            installed: The system's packages with their versions.
            deadline: For apt, a second.

        Raises:
            UsageError: The release does not have one of them.
            InfrastructureError: They would replace a package that the system has.
        """
        self.find_packages(names, deadline)
        architecture = proc.run(["dpkg", "--print-architecture"], deadline=deadline).out.strip()
        # What the installed packages depend on is no question here: they are there, and stay.
        status = "".join(
            f"Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\nVersion: {version}\n\n"
            for name, version in installed.items()
        )
        (self.home / "status").write_text(status, encoding="utf-8")
        argv = ["apt-get", "install", "--simulate", "--no-upgrade", "--no-install-recommends", *names]
        found = INSTALL.findall(self._run(argv, deadline, hint=MOVED_ON).out)
        # A version that is there apt may want again, as its record here is shorter than the archive's.
        replaced = sorted(name for name, old, new in found if old not in {"", new})
        if replaced:
            raise InfrastructureError(
                f"To have {', '.join(names)}, a guest of Debian {self.release} would need newer packages than its "
                f"image has: {', '.join(replaced)}.",
                hint="The archive has moved on since the image was made: `harness cache prune` drops it.",
            )
        return {name: new for name, old, new in found if not old}

    def download_source(self, name: str, version: str, into: Path, deadline: Deadline) -> None:
        """Download the files of a source package; apt checks them against the signed index."""
        proc.require("dpkg-source")
        argv = ["apt-get", "source", "--quiet", "--download-only", "--only-source", f"{name}={version}"]
        self._run(argv, deadline, cwd=into, hint=MOVED_ON)

    def download(self, packages: Mapping[str, str], into: Path, deadline: Deadline) -> tuple[Path, ...]:
        """Download binary packages, given as name and version; apt checks them against the signed index."""
        wanted = [f"{name}={version}" for name, version in packages.items()]
        self._run(["apt-get", "download", "--quiet", *wanted], deadline, cwd=into, hint=MOVED_ON)
        return tuple(sorted(into.glob("*.deb")))

    def _run(
        self, argv: list[str], deadline: Deadline, *, cwd: Path | None = None, hint: str | None = None
    ) -> proc.Done:
        tool, *rest = argv
        configured = [tool, "--config-file", str(self.home / "apt.conf"), *rest]
        # Warnings, such as "no packages found", come on standard error and are judged by what is missing.
        expect = (0, 100) if tool == "apt-cache" else (0,)
        return proc.run(configured, deadline=deadline, cwd=cwd, apart=True, expect=expect, hint=hint)


INSTALL = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+) ", re.MULTILINE)
"""A line of `apt-get --simulate`: `Inst NAME [VERSION THAT IS THERE] (VERSION ARCHIVE [ARCHITECTURE])`."""

MOVED_ON = "If the archive has a newer version by now, ask again: remove the directory `lookup` in the store."


def open_apt(release: str, home: Path, deadline: Deadline, *, source_packages: bool = False) -> Apt:
    """Return an apt that knows `release`, with fresh lists.

    Args:
        release: Code name: "bookworm".
        home: An empty directory for it.
        deadline: For the download of the lists, some seconds.
        source_packages: Know source packages instead of binary ones.

    Raises:
        InfrastructureError: There is no apt, no archive or no network, or the archive has no such release.
    """
    uri = find_archive(deadline)
    lines = format_sources_list(uri, release, source_packages=source_packages).splitlines(keepends=True)
    kind = "deb-src " if source_packages else "deb "
    (home / "sources.list").write_text("".join(line for line in lines if line.startswith(kind)), encoding="utf-8")
    (home / "apt.conf").write_text(CONFIGURATION.format(home=home), encoding="utf-8")
    (home / "status").touch()
    for folder in ("state/lists/partial", "cache/archives/partial", "log"):
        (home / folder).mkdir(parents=True)
    argv = ["apt-get", "--config-file", str(home / "apt.conf"), "update", "--quiet", "--error-on=any"]
    hint = f"Is there a network, and does the archive that this computer's apt uses have {release}?"
    proc.run(argv, deadline=deadline, hint=hint)
    return Apt(home=home, release=release)


def unpack_package(package: Path, into: Path, deadline: Deadline) -> None:
    """Unpack the files of a binary package; its scripts are not run."""
    proc.run(["dpkg-deb", "--extract", str(package), str(into)], deadline=deadline)


def parse_checksums(record: Record) -> dict[str, str]:
    """Return the SHA-256 of each file of a source package, by file name."""
    lines = record["Checksums-Sha256"].split("\n")
    return {name: digest for digest, _, name in (line.split() for line in lines if line.strip())}


def parse_records(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of deb-control(5) text; continuation lines keep their line breaks."""
    record: dict[str, str] = {}
    field = ""
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if record:
                yield record
            record = {}
        elif line[0].isspace():
            record[field] += f"\n{line.strip()}"
        else:
            field, _, value = line.partition(":")
            record[field] = value.strip()
