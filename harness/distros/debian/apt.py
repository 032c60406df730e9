"""Debian's archive as this computer already uses it, and a private apt for any release of it.

The address of the archive is never written down in the project: it is read from the computer's own apt, so that a
company's mirror, a cache or a snapshot is used for guests and builds too. The lists, cache and configuration of the
private apt are in one directory that the caller gives and throws away, so that it leaves the computer's own apt alone
and works for an ordinary user. Proxies and credentials of the computer's own apt stay in force.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import proc
from harness.errors import InfrastructureError, UsageError
from harness.wait import Deadline

__all__ = [
    "KEYRING", "Apt", "AptStep", "find_archive", "format_sources_list", "open_apt", "parse_checksums", "parse_records",
    "unpack_package",
]  # fmt: skip

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Debian's archive keys, of package debian-archive-keyring."""

FORMAT = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"

_known: list[str] = []
"""What `find_archive` has found in this process; each cell wants to know, and asking takes most of a second."""


def find_archive(deadline: Deadline) -> str:
    """Return the URI of this computer's Debian archive, ending in a slash; raises InfrastructureError without one."""
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

    `pocket` is a further suite of the same archive: "bookworm-backports".
    """
    # An archive that is a snapshot of the past has indexes that are no longer "valid until" today.
    options = f"[signed-by={KEYRING} check-valid-until=no]"
    kinds = ("deb", "deb-src") if source_packages else ("deb",)
    suites = (release, pocket) if pocket else (release,)
    return "".join(f"{kind} {options} {uri} {suite} main\n" for kind in kinds for suite in suites)


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

STEP = re.compile(r"^(Inst|Conf|Remv) (\S+)(?: \[(\S+)\])?(?: \((\S+) )?", re.MULTILINE)
"""A line of `apt-get --simulate`: `Inst NAME [VERSION THAT IS THERE] (VERSION ARCHIVE [ARCHITECTURE])`."""


class AptStep(NamedTuple):
    """What apt would do with one package.

    Attributes:
        verb: `Inst` for unpacking, `Conf` for configuring, `Remv` for removing; apt's own words.
        old: The version that is there; empty where none is.
        new: The version that is then there, likewise.
    """

    verb: str
    name: str
    old: str
    new: str


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
        """Return the newest records of packages, in the order of `names`; raises UsageError if one is missing."""
        done = self._run(["apt-cache", "show", "--no-all-versions", *names], deadline)
        found = {record["Package"]: record for record in parse_records(done.out)}
        missing = [name for name in names if name not in found]
        if missing:
            raise UsageError(f"Debian {self.release} has no package {' and no package '.join(missing)}.")
        return tuple(found[name] for name in names)

    def list_missing(self, names: Sequence[str], installed: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
        """Return what a system lacks to have packages: these and what they depend on, each with its version.

        Raises:
            UsageError: The release does not have one of them.
            InfrastructureError: They would replace a package that the system has.
        """
        self.find_packages(names, deadline)
        architecture = proc.run(["dpkg", "--print-architecture"], deadline=deadline).out.strip()
        # What the installed packages depend on is no question here: they are there, and stay.
        self.set_installed(
            {"Package": name, "Architecture": architecture, "Version": version} for name, version in installed.items()
        )
        steps = self.simulate_install(names, deadline, "--no-upgrade")
        found = [step for step in steps if step.verb == "Inst"]
        # A version that is there apt may want again, as its record here is shorter than the archive's.
        replaced = sorted(step.name for step in found if step.old not in {"", step.new})
        if replaced:
            raise InfrastructureError(
                f"To have {', '.join(names)}, a guest of Debian {self.release} would need newer packages than its "
                f"image has: {', '.join(replaced)}.",
                hint="The archive has moved on since the image was made: `harness cache prune` drops it.",
            )
        return {step.name: step.new for step in found if not step.old}

    def find_exact(self, versions: Mapping[str, str], deadline: Deadline) -> tuple[Record, ...]:
        """Return the records of packages in given versions; raises InfrastructureError if the release no longer has one."""
        done = self._run(["apt-cache", "show", *(f"{name}={version}" for name, version in versions.items())], deadline)
        found = {record["Package"]: record for record in parse_records(done.out)}
        gone = sorted(name for name in versions if name not in found)
        if gone:
            raise InfrastructureError(
                f"Debian {self.release} no longer has the image's versions of {', '.join(gone)}.",
                hint="The archive has moved on since the image was made: `harness cache prune` drops it.",
            )
        return tuple(found.values())

    def set_installed(self, records: Iterable[Record]) -> None:
        """Take packages for installed, with all that their records say of what they need and break."""
        paragraphs = (
            "".join(f"{field}: {text.replace(chr(10), chr(10) + ' ')}\n" for field, text in record.items())
            for record in records
        )
        text = "".join(f"{paragraph}Status: install ok installed\n\n" for paragraph in paragraphs)
        (self.home / "status").write_text(text, encoding="utf-8")

    def simulate_install(self, names: Sequence[str], deadline: Deadline, *options: str) -> list[AptStep]:
        """Return the steps that apt would take to install packages, in their order."""
        argv = ["apt-get", "install", "--simulate", "--no-install-recommends", *options, *names]
        return [AptStep(*found) for found in STEP.findall(self._run(argv, deadline, hint=MOVED_ON).out)]

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


MOVED_ON = "If the archive has a newer version by now, ask again: remove the directory `lookup` in the store."


def open_apt(
    release: str, home: Path, deadline: Deadline, *, pocket: str | None = None, source_packages: bool = False
) -> Apt:
    """Return an apt that knows `release`, with fresh lists.

    `home` is an empty directory for it. It knows source packages instead of binary ones where these are wanted, and
    those of a `pocket` of the release too if it is given.

    Raises:
        InfrastructureError: There is no apt, no archive or no network, or the archive has no such release.
    """
    uri = find_archive(deadline)
    lines = format_sources_list(uri, release, pocket=pocket, source_packages=source_packages).splitlines(keepends=True)
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
