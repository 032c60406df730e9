"""The private apt, on an archive in a directory of this computer."""

import subprocess
from pathlib import Path

import pytest

from harness import proc
from harness.distros.debian import apt
from harness.distros.debian.apt import Apt, AptStep
from harness.distros.debian.upgrade import format_steps
from harness.errors import InfrastructureError, UsageError
from harness.wait import Deadline

ARCHIVE = (("app", "1.0", "lib (>= 2.0)"), ("app", "0.9", "lib"), ("lib", "2.1", "base"), ("base", "5-1", ""))
"""Packages with versions and what they depend on."""


@pytest.fixture
def private(tmp_path: Path, deadline: Deadline) -> Apt:
    """An apt that knows that archive and nothing else."""
    archive, home = tmp_path / "archive", tmp_path / "home"
    records = []
    for name, version, depends in ARCHIVE:
        tree = tmp_path / "trees" / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / name).write_text(version)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@localhost>\n"
        control += (f"Depends: {depends}\n" if depends else "") + "Description: It is one.\n And has a second line.\n"
        (tree / "DEBIAN" / "control").write_text(control)
        archive.mkdir(exist_ok=True)
        package = archive / f"{tree.name}.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, capture_output=True)
        digest = subprocess.run(["sha256sum", package], check=True, capture_output=True, text=True).stdout.split()[0]
        records.append(f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n")
    (archive / "Packages").write_text("\n".join(records))
    for folder in ("state/lists/partial", "cache/archives/partial", "log"):
        (home / folder).mkdir(parents=True)
    (home / "status").touch()
    (home / "apt.conf").write_text(apt.CONFIGURATION.format(home=home))
    (home / "sources.list").write_text(f"deb [trusted=yes] file:{archive} ./\n")
    proc.run(["apt-get", "--config-file", str(home / "apt.conf"), "update", "--error-on=any"], deadline=deadline)
    return Apt(home=home, release="bookworm")


def test_packages_are_found_in_the_order_that_was_asked_for(private: Apt, deadline: Deadline) -> None:
    """The newest version counts; what the release does not have is named, all of it."""
    found = private.find_packages(["lib", "app"], deadline)
    assert [("lib", "2.1"), ("app", "1.0")] == [(record["Package"], record["Version"]) for record in found]
    with pytest.raises(UsageError, match=r"^Debian bookworm has no package none and no package nothing\.$"):
        private.find_packages(["none", "app", "nothing"], deadline)
    assert () == private.find_sources("app", deadline)


def test_a_system_lacks_what_it_does_not_have(private: Apt, deadline: Deadline) -> None:
    """What is there stays, though its own dependencies are not; it is never replaced by a newer one."""
    assert {"app": "1.0", "lib": "2.1", "base": "5-1"} == private.list_missing(["app"], {}, deadline)
    assert {"app": "1.0"} == private.list_missing(["app"], {"lib": "2.0"}, deadline)
    assert {} == private.list_missing(["app"], {"app": "1.0", "lib": "2.1"}, deadline)
    with pytest.raises(InfrastructureError, match="would need newer packages than its image has: lib") as caught:
        private.list_missing(["app"], {"lib": "1.9"}, deadline)
    assert "harness cache prune" in str(caught.value.hint)


def test_an_upgrade_is_what_apt_would_do(private: Apt, deadline: Deadline) -> None:
    """It knows what the installed packages need, brings what the new ones need, and leaves the others alone."""
    installed = private.find_exact({"app": "0.9", "lib": "2.1", "base": "5-1"}, deadline)
    assert {"0.9", "2.1", "5-1"} == {record["Version"] for record in installed}
    private.set_installed(installed)
    expected = [AptStep("Inst", "app", "0.9", "1.0"), AptStep("Conf", "app", "", "1.0")]
    assert expected == private.simulate_install(["app"], deadline)

    private.set_installed(record for record in installed if record["Package"] == "base")
    steps = private.simulate_install(["app"], deadline)
    assert [("lib", "2.1"), ("app", "1.0")] == [(step.name, step.new) for step in steps if step.verb == "Inst"]
    with pytest.raises(InfrastructureError, match=r"no longer has the image's versions of app, lib\.$"):
        private.find_exact({"app": "0.8", "lib": "1.0", "base": "5-1"}, deadline)


def test_steps_that_are_alike_are_one_for_dpkg() -> None:
    """In their order, packages to unpack by their files, and triggers at the end."""
    words = (("Inst", "a"), ("Inst", "b"), ("Conf", "a"), ("Remv", "c"), ("Inst", "d"))
    steps = [AptStep(verb, name, "", "") for verb, name in words]
    assert [
        "dpkg --auto-deconfigure --unpack ./a.deb ./b.deb\n",
        "dpkg --configure a\n",
        "dpkg --force-remove-essential --remove c\n",
        "dpkg --auto-deconfigure --unpack ./d.deb\n",
        "dpkg --configure --pending\n",
    ] == list(format_steps(steps, {"a": "a.deb", "b": "b.deb", "d": "d.deb"}))


def test_packages_are_downloaded_and_unpacked(private: Apt, tmp_path: Path, deadline: Deadline) -> None:
    """The very version that was asked for; one that is gone from the archive, or was tampered with, ends with a hint."""
    (tmp_path / "in").mkdir()
    found = private.download({"app": "0.9", "base": "5-1"}, tmp_path / "in", deadline)
    assert ["app_0.9_all.deb", "base_5-1_all.deb"] == [path.name for path in found]
    apt.unpack_package(found[0], tmp_path / "out", deadline)
    assert {"app": "0.9"} == {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}

    with (tmp_path / "archive" / "lib_2.1.deb").open("r+b") as package:
        package.write(b"!<axch>")
    for name, version in (("app", "0.8"), ("lib", "2.1")):
        with pytest.raises(InfrastructureError) as caught:
            private.download({name: version}, tmp_path / "in", deadline)
        assert apt.MOVED_ON == caught.value.hint


def test_sources_are_listed_for_a_release_and_its_pocket() -> None:
    """Signed by Debian's keys, and of any age, as an archive may be a snapshot of the past."""
    options = f"[signed-by={apt.KEYRING} check-valid-until=no]"
    assert apt.format_sources_list("http://a/", "bookworm") == f"deb {options} http://a/ bookworm main\n"
    assert apt.format_sources_list("http://a/", "b", pocket="b-backports", source_packages=True).splitlines() == [
        f"{kind} {options} http://a/ {suite} main" for kind in ("deb", "deb-src") for suite in ("b", "b-backports")
    ]


def test_records_are_read_with_their_continuation_lines() -> None:
    """Paragraphs end with empty lines, of which there may be many; a list of checksums is one field."""
    text = "\nPackage: a\nChecksums-Sha256:\n 0a1b 12 a_1.dsc\n 2c3d 34 a_1.tar.xz\nUrl: x:y\n\n \nPackage: b\n"
    first, second = apt.parse_records(text)
    assert ("a", "x:y", {"Package": "b"}) == (first["Package"], first["Url"], second)
    assert {"a_1.dsc": "0a1b", "a_1.tar.xz": "2c3d"} == apt.parse_checksums(first)
    assert [] == list(apt.parse_records("\n\n"))
