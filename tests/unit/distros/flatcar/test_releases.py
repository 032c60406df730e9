"""Which release a user's words mean: from the snapshot, from the published index, and from what `current` is."""

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as PackagingVersion

from harness import proc, yamlfile
from harness.distros import flatcar
from harness.distros.flatcar import Channel, Release, Version
from harness.distros.flatcar.trust import KeyFile
from harness.distros.flatcar.versions import parse_systemd, parse_version
from harness.errors import ConfigError, InfrastructureError, UsageError
from harness.model import VersionRange
from harness.proc import Done
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers.flatcar_host import Fault, Host, serve, sign_release, signing_key, write_release

HARNESS = Path(sys.executable).with_name("harness")


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def entry(channel: str, systemd: str, kernel: str, date: str, **more: Any) -> dict[str, Any]:
    """Return a release as the published index has it."""
    software = {"containerd": ["1.7.21"], "docker": ["26.1.0"], "kernel": [kernel], "systemd": [systemd]}
    common = {"architectures": ["amd64", "arm64"], "release_date": f"{date} 18:31:43 +0000", "release_notes": "Notes"}
    return {"channel": channel, "major_software": software, **common, **more}


PUBLISHED = {
    "current": entry("stable", "259", "6.18.1", "2026-11-03"),
    "4999.2.0": entry("stable", "259", "6.18.1", "2026-11-03"),
    "3815.2.5": entry("stable", "252", "6.1.96", "2024-07-02"),
    "3815.2.10": entry("stable", "252", "6.1.99", "2026-11-01"),
    "2605.12.0": entry("stable", "246", "5.4.92", "2021-01-28", architectures=["amd64"]),
    "1.2.3": {"channel": "stable"},
    "none": entry("stable", "252", "6.1", "2024-01-01"),
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A server with an index, and with what is current in two channels."""
    root = tmp_path / "mirror"
    (root / "amd64-usr" / "current").mkdir(parents=True)
    write_release(root / "amd64-usr" / "3815.2.5")
    write_release(root / "amd64-usr" / "current", version="4999.2.0")
    write_release(root / "amd64-usr" / "current-2024", version="4081.3.10")
    (root / "releases.json").write_text(json.dumps(PUBLISHED))
    with serve(root) as host:
        yield host


def test_the_snapshot_finds_a_release_by_its_systemd(own: Store) -> None:
    """Without any network the newest stable with systemd 252 is known, and which systemd was never stable."""
    index = flatcar.load_index(own)
    assert "3815.2.5" == index.find_newest(Channel.STABLE, "amd64", systemd=VersionRange("==252")).version
    assert "3033.2.4" == index.find_newest(Channel.STABLE, "amd64", systemd=VersionRange(">=249.1,<249.11")).version
    assert "2466.99.0" == index.find_newest(Channel.EDGE, "amd64").version
    assert "4593.2.5" == index.find_newest(Channel.STABLE, "amd64", systemd=VersionRange(">=255")).version
    for systemd in ("==242", "==244", "==248", "==251", "==253", "==254"):
        with pytest.raises(UsageError, match=f"no release with systemd {systemd} for amd64 is known"):
            index.find_newest(Channel.STABLE, "amd64", systemd=VersionRange(systemd))


def test_the_snapshot_is_in_itself_right(own: Store) -> None:
    """Each version fits its channel, and each exact systemd its major; source and date are there."""
    index = flatcar.load_index(own)
    assert 50 < len(index.releases)
    assert index.source
    for release in index.releases.values():
        assert release.number.channel in {None, release.channel}
        assert release.systemd_exact is None or release.systemd_exact.startswith(f"{release.systemd}.")
        assert release.date is None or dt.date(2018, 4, 1) < release.date <= index.date


def test_the_published_index_takes_the_place_of_the_snapshot(own: Store, host: Host, deadline: Deadline) -> None:
    """It is downloaded once and remembered; what it does not have stays, exact versions too; what is no release goes."""
    index = flatcar.refresh(own, deadline, url=f"{host.url}/releases.json")
    assert index == flatcar.load_index(own)
    assert "3815.2.10" == index.find_newest(Channel.STABLE, "arm64", systemd=VersionRange("==252")).version
    assert ("252.11", "6.1.96") == (index.releases["3815.2.5"].systemd_exact, index.releases["3815.2.5"].kernel)
    assert dt.date(2024, 7, 2) == index.releases["3815.2.5"].date
    assert ("amd64",) == index.releases["2605.12.0"].architectures
    assert "4593.2.5" in index.releases
    assert not {"current", "none", "1.2.3"} & set(index.releases)
    assert 1 == len(host.asked("releases.json"))


def test_an_old_index_is_better_than_none(own: Store, host: Host, deadline: Deadline) -> None:
    """If the index cannot be had again, the one that was remembered counts."""
    index = flatcar.refresh(own, deadline, url=f"{host.url}/releases.json")
    host.always["releases.json"] = Fault(status=403)
    assert index == flatcar.refresh(own, deadline, url=f"{host.url}/releases.json")


@pytest.mark.parametrize("content", ["<html>", "[]", "3", "{}", '{"1.2.3": {}}'])
def test_what_is_no_index_is_refused(own: Store, host: Host, deadline: Deadline, content: str) -> None:
    """A page in place of the index is reported, and nothing is remembered."""
    (host.directory / "releases.json").write_text(content)
    with pytest.raises(InfrastructureError, match=r"is no index of releases|has no release that can be read"):
        flatcar.refresh(own, deadline, url=f"{host.url}/releases.json")
    assert "3815.2.10" not in flatcar.load_index(own).releases


def test_a_wrong_snapshot_is_told_with_its_place(own: Store, tmp_path: Path) -> None:
    """The snapshot is a file that people edit."""
    (tmp_path / "releases.yaml").write_text(
        "date: 2026-01-01\nsource: here\nreleases:\n  - {channel: stable, version: 3815.2}\n"
    )
    with pytest.raises(ConfigError, match=r"releases.yaml:4:\d+: .*`3815.2` is no version of Flatcar"):
        flatcar.load_index(own, tmp_path)


def test_current_is_pinned_to_a_version(own: Store, host: Host, deadline: Deadline) -> None:
    """A channel and an LTS stream mean a version, which is asked for once and stays for some hours."""
    assert "4999.2.0" == flatcar.resolve("stable", "amd64", own, deadline, mirror=host.url).version
    lts = flatcar.resolve("lts-2024", "amd64", own, deadline, mirror=host.url)
    assert ("4081.3.10", Channel.LTS, "255.8") == (lts.version, lts.channel, lts.systemd_exact)
    write_release(host.directory / "amd64-usr" / "current", version="5000.2.0")
    assert "4999.2.0" == flatcar.resolve("stable", "amd64", own, deadline, mirror=host.url).version


@pytest.mark.parametrize(
    ("wanted", "channel", "systemd"),
    [
        ("3815.2.5", Channel.STABLE, "252.11"),
        ("stable@3815.2.5", Channel.STABLE, "252.11"),
        ("edge@2079.99.0", Channel.EDGE, None),
        ("edge", Channel.EDGE, None),
        ("2605.10.1", Channel.LTS, None),
        ("9999.1.0", Channel.BETA, None),
        ("stable@2345.6.7", Channel.STABLE, None),
    ],
)
def test_a_version_needs_no_network(
    own: Store, deadline: Deadline, wanted: str, channel: Channel, systemd: str | None
) -> None:
    """A version gives its channel by the index, or by its number; nobody is asked."""
    release = flatcar.resolve(wanted, "amd64", own, deadline, mirror="http://127.0.0.1:1")
    assert (channel, systemd) == (release.channel, release.systemd_exact)
    assert ("amd64",) == release.architectures


@pytest.mark.parametrize(
    ("wanted", "architecture", "sentence"),
    [
        ("nightly", "amd64", "no channel `nightly`; it has stable, beta"),
        ("stable-2024", "amd64", "no channel `stable-2024`"),
        ("lts-new", "amd64", "no channel `lts-new`"),
        ("3815.2", "amd64", "`3815.2` is no version of Flatcar"),
        ("beta@3815.2.5", "amd64", "3815.2.5 is a release of the channel stable, not of beta"),
        ("beta@9999.2.0", "amd64", "9999.2.0 is a release of the channel stable, not of beta"),
        ("2345.6.7", "amd64", "To which channel Flatcar 2345.6.7 belongs is not known"),
        ("3815.2.5", "riscv64", "3815.2.5 is known for amd64 only, not for riscv64"),
        ("lts", "amd64", "4999.2.0 is a release of the channel stable, not of lts"),
    ],
)
def test_words_that_mean_no_release_are_refused(
    own: Store, host: Host, deadline: Deadline, wanted: str, architecture: str, sentence: str
) -> None:
    """Each wrong word is reported as what it is; so is a mirror whose `current` is of another channel."""
    with pytest.raises(UsageError, match=sentence):
        flatcar.resolve(wanted, architecture, own, deadline, mirror=host.url)


def test_the_list_of_packages_tells_the_exact_systemd(own: Store, host: Host, deadline: Deadline) -> None:
    """It is looked up once for a release of which nobody knew it."""
    release = Release(channel=Channel.STABLE, version="4999.2.0")
    write_release(host.directory / "amd64-usr" / "4999.2.0", version="4999.2.0", systemd="259.1")
    for _ in range(2):
        exact = flatcar.complete(release, own, deadline, mirror=host.url)
        assert ("259", "259.1") == (exact.systemd, exact.systemd_exact)
    assert 1 == len(host.asked("flatcar_production_image_packages.txt"))


PUBLISHED_TEXT = """\
FLATCAR_BUILD=3510
FLATCAR_BRANCH=2
FLATCAR_PATCH=6
FLATCAR_VERSION=3510.2.6
FLATCAR_VERSION_ID=3510.2.6
FLATCAR_BUILD_ID=""
FLATCAR_SDK_VERSION=3510.0.0
"""


def test_both_spellings_of_version_txt_are_read() -> None:
    """Seven lines as published, or four as in Flatcar's git; a build of a day has its version before the plus."""
    short = "".join(PUBLISHED_TEXT.splitlines(keepends=True)[3:])
    nightly = short.replace("VERSION=3510.2.6", "VERSION=3510.2.6+nightly-20230801-2100")
    for text in (PUBLISHED_TEXT, short, nightly, short.replace("=3510.2.6", '="3510.2.6"')):
        assert Version(3510, 2, 6) == parse_version(text, what="version.txt")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "FLATCAR_SDK_VERSION=3510.0.0\n",
        "FLATCAR_VERSION=main\n",
        PUBLISHED_TEXT.replace("PATCH=6", "PATCH=7"),
    ],
)
def test_a_version_txt_that_tells_no_version_is_refused(text: str) -> None:
    """None, or two that differ, is refused."""
    with pytest.raises(InfrastructureError, match=r"http://x/version.txt is no version.txt of Flatcar: it names"):
        parse_version(text, what="http://x/version.txt")


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("sys-apps/systemd-257.9::portage-stable", "257.9"),
        ("sys-apps/systemd-241-r103::coreos", "241"),
        ("sys-apps/systemd-255.4-r2::portage-stable", "255.4"),
        ("sys-apps/systemd-258_rc1::portage-stable", "258~rc1"),
        ("sys-apps/systemd-252.11", "252.11"),
    ],
)
def test_systemd_is_read_from_the_list_of_packages(line: str, version: str) -> None:
    """Gentoo's revision is left out; other packages with systemd in their name do not count."""
    text = (
        f"sys-apps/systemd-utils-250.4::x\nsys-apps/gentoo-systemd-integration-9::x\n{line}\nsys-apps/which-2.21::x\n"
    )
    assert version == parse_systemd(text, what="packages")


@pytest.mark.parametrize(
    "text", ["", "sys-apps/systemd-1::x\nsys-apps/systemd-2::x\n", "sys-apps/systemd-utils-250::x\n"]
)
def test_a_list_without_one_systemd_is_refused(text: str) -> None:
    """None or two."""
    with pytest.raises(InfrastructureError, match="has to name one version of systemd"):
        parse_systemd(text, what="packages")


numbers = st.tuples(st.integers(0, 9999), st.sampled_from([0, 1, 2, 3, 5, 12, 99]), st.integers(0, 40))


@given(one=numbers, other=numbers)
def test_versions_are_ordered_as_versions(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    """Reading what was written gives the same, and the order is that of Python's package versions."""
    first, second = Version(*one), Version(*other)
    assert first == Version.parse(str(first))
    assert (first < second) == (PackagingVersion(str(first)) < PackagingVersion(str(second)))


@given(text=st.text(alphabet="0123456789.+-v \n", max_size=12))
def test_what_is_read_as_a_version_is_written_the_same(text: str) -> None:
    """No text is read as a version that has another spelling."""
    try:
        version = Version.parse(text)
    except UsageError:
        return
    assert text == str(version)


def run(home: Path, *words: str, store: str = "store") -> Done:
    """`harness image` in the real executable, with a home of its own."""
    argv = [str(HARNESS), "--matrix", str(ROOT / "matrix.yaml"), "--store", str(home / store), "image", *words]
    limit = Deadline.after(60, "harness in a test")
    done = proc.run(argv, deadline=limit, env=proc.make_environment({"HOME": str(home)}), apart=True, expect=None)
    assert "Traceback" not in done.err
    return done


@pytest.mark.slow
def test_the_command_line_lists_and_refreshes(host: Host, tmp_path: Path) -> None:
    """The list is of the snapshot first and of the published index then; it can be narrowed."""
    done = run(tmp_path, "list", "--channel", "stable", "--systemd", "==252", "--format", "ids")
    assert (0, ["3510.2.0", "3815.2.5"]) == (done.code, done.out.split())
    done = run(tmp_path, "list", "--refresh", "--index", f"{host.url}/releases.json")
    assert 0 == done.code
    assert "stable   3815.2.10  2026-11-01  252      6.1.99   amd64 arm64  -" in done.out
    items = json.loads(run(tmp_path, "list", "--systemd", "==259", "--format", "json").out)
    assert [("4999.2.0", False)] == [(item["version"], item["stored"]) for item in items]
    done = run(tmp_path, "list", "--systemd", "252")
    assert 2 == done.code
    assert "is no version comparison" in done.err


@pytest.mark.slow
def test_the_command_line_fetches(host: Host, tmp_path: Path) -> None:
    """A release comes by its channel, its version or its systemd; it is said what it is and who signed it."""
    release = host.directory / "amd64-usr" / "3815.2.5"
    with signing_key() as key:
        write_release(release, disk=bytes(100_000))
        sign_release(release, key)
        trusted = ("--mirror", host.url, "--key", str(key.public))
        done = run(tmp_path, "fetch", "3815.2.5", *trusted)
        assert (0, "") == (done.code, done.err)
        assert "Flatcar stable 3815.2.5 (amd64) with systemd 252.11: downloaded in" in done.out
        assert f"Signed by {key.fingerprint}." in done.out
        assert 0 == run(tmp_path, "fetch", "flatcar/stable", "--systemd", "==252", *trusted).code
        told = json.loads(run(tmp_path, "fetch", "3815.2.5", *trusted, "--format", "json").out)
        assert told["cached"]
        assert bytes(100_000) == Path(told["disk"]).read_bytes()
        items = json.loads(run(tmp_path, "list", "--systemd", "==252.11", "--format", "json").out)
        assert [True] == [item["stored"] for item in items]
        done = run(tmp_path, "fetch", "beta", *trusted)
        assert 2 == done.code
        assert "4999.2.0 is a release of the channel stable, not of beta" in done.err
        (release / "version.txt").write_text("evil")
        done = run(tmp_path, "fetch", "3815.2.5", *trusted, store="other")
    assert 3 == done.code
    assert "version.txt is not what was signed" in done.err
    assert "hint: Do not use it." in done.err


def test_the_projects_key_is_the_documented_one() -> None:
    """What is pinned is a whole fingerprint, whose end is the long id of Flatcar's documentation."""
    known = yamlfile.load(flatcar.FILES / "key.yaml", KeyFile)
    assert 40 == len(known.fingerprint)
    assert known.fingerprint.endswith("E25D9AED0593B34A")
    assert known.source


def test_a_part_of_a_fingerprint_is_not_enough(tmp_path: Path) -> None:
    """A long id can be forged: a key file that pins only that is refused with its place."""
    text = (flatcar.FILES / "key.yaml").read_text().replace("F88CFEDEFF29A5B4D9523864E25D", "E25D")
    (tmp_path / "key.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"key.yaml:\d+:\d+: "):
        yamlfile.load(tmp_path / "key.yaml", KeyFile)
