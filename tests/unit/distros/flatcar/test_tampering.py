"""Whatever is wrong with a release or its key, it is refused with the reason, and the store has nothing of it."""

import bz2
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.distros import flatcar
from harness.distros.flatcar import Channel, Fetched, Release, TrustError
from harness.errors import HarnessError, UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.flatcar_host import SigningKey, sign_release, signing_key, write_release

# Each makes keys with gpg.
pytestmark = pytest.mark.slow

VERSION = "3815.2.5"
DISK = os.urandom(400_000) + bytes(1_500_000) + os.urandom(70_001) + bytes(300_000)
IMAGE = "flatcar_production_image.bin.bz2"
KERNEL = "flatcar_production_image.vmlinuz"
PACKAGES = "flatcar_production_image_packages.txt"
DIGESTS = f"{IMAGE}.DIGESTS.asc"


@dataclass
class Site:
    """A mirror in a directory, its key, and what somebody does to both.

    Attributes:
        root: The mirror.
        key: What signs the release.
        other: A key that nobody trusts.
        key_file: What the user names as the key.
        files: The project's files, if the project's own key is to count.
    """

    root: Path
    key: SigningKey
    other: SigningKey
    key_file: Path | None
    files: Path = flatcar.FILES

    @property
    def release(self) -> Path:
        """Where the release's files are."""
        return self.root / "amd64-usr" / VERSION

    def obtain(self, store: Store, deadline: Deadline) -> Fetched:
        """Obtain what a user gets."""
        release = Release(channel=Channel.STABLE, version=VERSION)
        log = self.root.parent / "log"
        return flatcar.obtain(release, store, deadline, log, mirror=str(self.root), key=self.key_file, files=self.files)

    def pin(self, fingerprint: str) -> None:
        """Pin a key in a project of its own, whose key file is `key_file`, and let the user name none."""
        assert self.key_file is not None
        self.files = self.root.parent / "project"
        self.files.mkdir()
        (self.files / "key.yaml").write_text(
            f"owner: Test\nfingerprint: {fingerprint}\nsource: here\ndate: '2026-01-01'\nurl: file://{self.key_file}\n"
        )
        self.key_file = None


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[SigningKey, SigningKey]]:
    """One that signs, and another."""
    with signing_key() as key, signing_key("Mallory") as other:
        yield key, other


@pytest.fixture(scope="module")
def right(keys: tuple[SigningKey, SigningKey], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a release that is all right."""
    root = tmp_path_factory.mktemp("right")
    write_release(root / "amd64-usr" / VERSION, disk=DISK)
    sign_release(root / "amd64-usr" / VERSION, keys[0])
    return root


@pytest.fixture
def site(right: Path, keys: tuple[SigningKey, SigningKey], tmp_path: Path) -> Site:
    """A copy of that mirror, and its key in a file."""
    key, other = keys
    shutil.copytree(right, tmp_path / "mirror")
    shutil.copy(key.public, tmp_path / "key.asc")
    return Site(root=tmp_path / "mirror", key=key, other=other, key_file=tmp_path / "key.asc")


@pytest.fixture
def own_key(site: Site) -> Iterator[SigningKey]:
    """A key of the test's own, which signed the release in the place of the common one, born in 2020."""
    with signing_key("Own", when="20200101T000000") as key:
        site.key, site.key_file = key, key.public
        sign_release_anew(site)
        yield key


def sign_release_anew(
    site: Site, *, key: SigningKey | None = None, subkey: str | None = None, when: str | None = None
) -> None:
    for path in site.release.iterdir():
        if path.name.endswith((".sig", ".asc", ".DIGESTS")):
            path.unlink()
    sign_release(site.release, key or site.key, subkey=subkey, when=when)


def left(root: Path) -> list[str]:
    """Return what a store has but for locks, which are empty files."""
    return [str(path) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def refused(site: Site, tmp_path: Path, deadline: Deadline, kind: type[HarnessError], sentence: str) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(kind, match=sentence) as caught:
        site.obtain(store, deadline)
    assert type(caught.value) is kind
    assert str(caught.value).endswith(".")
    assert [] == left(store.root)
    assert [] == list(store.root.glob("*/*.part"))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x20
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.slow
def test_a_release_that_is_right_is_taken(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """The disk is what it was before it was compressed, and what is said about it is true."""
    done = site.obtain(Store(tmp_path / "store"), deadline)
    assert DISK == done.disk.read_bytes()
    assert (site.release / KERNEL).read_bytes() == done.kernel.read_bytes()
    assert ("3815.2.5", "252.11", site.key.fingerprint) == (done.version, done.systemd, done.fingerprint)
    assert ("252", "252.11") == (done.release.systemd, done.release.systemd_exact)
    assert not done.cached


IN_THE_IMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (lambda path: cut(path, 300_000), "was cut off: its compressed data has no end"),
    "cut by one byte": (lambda path: cut(path, -1), "was cut off"),
    "empty": (lambda path: cut(path, 0), "was cut off"),
    "altered in the middle": (lambda path: flip(path, 200_000), "it is damaged or altered"),
    "altered at the end": (lambda path: flip(path, -3), "it is damaged or altered"),
    "altered at the beginning": (lambda path: flip(path, 0), "it is damaged or altered"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"more"), "it is damaged or altered"),
    "a second stream": (
        lambda path: path.write_bytes(path.read_bytes() + bz2.compress(b"more")), "its SHA-512 is [0-9a-f]{128} instead"
    ),
    "another disk": (lambda path: path.write_bytes(bz2.compress(DISK[::-1])), "its SHA-512 is [0-9a-f]{128} instead"),
    "compressed again": (lambda path: path.write_bytes(bz2.compress(DISK, 1)), "its SHA-512 is [0-9a-f]{128} instead"),
    "a page": (lambda path: path.write_text("<html>Please log in.</html>"), "it is damaged or altered"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", IN_THE_IMAGE)
def test_a_wrong_disk_is_refused(site: Site, tmp_path: Path, deadline: Deadline, case: str) -> None:
    """A disk that is not byte for byte what was signed is refused, with the way in which it is wrong."""
    spoil, sentence = IN_THE_IMAGE[case]
    spoil(site.release / IMAGE)
    refused(site, tmp_path, deadline, TrustError, f"{IMAGE} sent {'.*'}{sentence}")


ALTERED = "is not what was signed: it was cut off or altered, or the signature is that of another file"
NOTHING = "has no signature: what is there as one is empty, cut off, or something else"


def swap_signatures(site: Site) -> None:
    shutil.copy(site.release / f"{PACKAGES}.sig", site.release / f"{KERNEL}.sig")


def unsigned_digests(site: Site) -> None:
    shutil.copy(site.release / f"{IMAGE}.DIGESTS", site.release / DIGESTS)


def other_digests(site: Site) -> None:
    shutil.copy(site.release / f"{KERNEL}.DIGESTS.asc", site.release / DIGESTS)


def altered_digests(site: Site) -> None:
    path = site.release / DIGESTS
    head, middle, tail = path.read_text().partition("# SHA512 HASH\n")
    path.write_text(f"{head}{middle}{'0' * 128}{tail[128:]}")


def weak_digests(site: Site) -> None:
    path = site.release / f"{IMAGE}.DIGESTS"
    path.write_text(path.read_text().partition("# SHA512")[0])
    site.key.sign(path, clear=True)


def two_signatures(site: Site) -> None:
    path = site.release / f"{KERNEL}.sig"
    path.write_bytes(path.read_bytes() * 2)


IN_WHAT_IS_SIGNED: dict[str, tuple[Callable[[Site], object], str, str]] = {
    "kernel altered": (lambda site: flip(site.release / KERNEL, 5), KERNEL, ALTERED),
    "kernel cut off": (lambda site: cut(site.release / KERNEL, 500), KERNEL, ALTERED),
    "packages altered": (lambda site: flip(site.release / PACKAGES, 50), PACKAGES, ALTERED),
    "version altered": (lambda site: flip(site.release / "version.txt", 14), "version.txt", ALTERED),
    "signature of another file": (swap_signatures, KERNEL, ALTERED),
    "signature empty": (lambda site: cut(site.release / f"{KERNEL}.sig", 0), KERNEL, NOTHING),
    "signature cut off": (lambda site: cut(site.release / f"{KERNEL}.sig", 40), KERNEL, NOTHING),
    "signature is a page": (lambda site: (site.release / f"{KERNEL}.sig").write_text("<html>"), KERNEL, NOTHING),
    "signature twice": (two_signatures, KERNEL, "has to have one signature, but has 2"),
    "signature by an unknown key": (
        lambda site: site.other.sign(site.release / KERNEL), KERNEL, "is signed with an unknown key: [0-9A-F]{16} is not"
    ),
    "digests unsigned": (unsigned_digests, DIGESTS, NOTHING),
    "digests altered": (altered_digests, DIGESTS, ALTERED),
    "digests of another file": (other_digests, DIGESTS, f"does not have the one SHA-512.*speaks of {KERNEL}"),
    "digests without SHA-512": (weak_digests, DIGESTS, "does not have the one SHA-512.*speaks of no file"),
    "digests by an unknown key": (
        lambda site: site.other.sign(site.release / f"{IMAGE}.DIGESTS", clear=True), DIGESTS, "with an unknown key"
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", IN_WHAT_IS_SIGNED)
def test_what_is_not_signed_as_it_is_is_refused(site: Site, tmp_path: Path, deadline: Deadline, case: str) -> None:
    """Files, signatures and digests that do not belong together are refused; the sentence names the file and why."""
    spoil, name, sentence = IN_WHAT_IS_SIGNED[case]
    spoil(site)
    refused(site, tmp_path, deadline, TrustError, f"/{name} .*{sentence}")


@pytest.mark.slow
def test_text_around_signed_digests_does_not_count(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """A digest that stands outside of what is signed, before and after it, is not believed."""
    (site.release / IMAGE).write_bytes(bz2.compress(b"evil"))
    digests = site.release / DIGESTS
    signed = digests.read_text()
    sign_release(site.release, site.other, only=IMAGE)
    lie = (site.release / f"{IMAGE}.DIGESTS").read_text()
    digests.write_text(f"{lie}\n{signed}\n{lie}")
    refused(site, tmp_path, deadline, TrustError, "its SHA-512 is [0-9a-f]{128} instead of [0-9a-f]{128}")


@pytest.mark.slow
def test_an_older_release_in_its_place_is_refused(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """Signed files of another version at the place of this one are found by the signed version.txt."""
    write_release(site.release, version="3510.2.0", disk=DISK)
    sign_release_anew(site)
    refused(site, tmp_path, deadline, TrustError, "is signed, but for Flatcar 3510.2.0 and not for 3815.2.5")


def test_a_signature_that_has_expired_is_refused(
    site: Site, own_key: SigningKey, tmp_path: Path, deadline: Deadline
) -> None:
    """A signature may have an end of its own."""
    own_key.sign(site.release / KERNEL, "--default-sig-expire", "1d", when="20210101T000000")
    refused(site, tmp_path, deadline, TrustError, f"{KERNEL} has a signature that has expired")


@pytest.mark.slow
def test_a_revoked_subkey_is_refused(site: Site, own_key: SigningKey, tmp_path: Path, deadline: Deadline) -> None:
    """What a sub-key signed does not count once it is revoked."""
    own_key.revoke(own_key.subkeys()[0])
    refused(site, tmp_path, deadline, TrustError, "is signed with a revoked key: [0-9A-F]{16}")


@pytest.mark.slow
def test_a_revoked_key_is_refused(site: Site, own_key: SigningKey, tmp_path: Path, deadline: Deadline) -> None:
    """Nothing counts once the pinned key is revoked."""
    own_key.revoke()
    refused(site, tmp_path, deadline, TrustError, f"The pinned key {own_key.fingerprint} is revoked")


def test_an_expired_key_is_refused(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """Nothing counts once the pinned key has expired, also not what it signed before."""
    with signing_key("Old", expires="20210101T000000", when="20200101T000000") as key:
        sign_release_anew(site, key=key, when="20200201T000000")
        site.key_file = key.public
        sentence = f"The pinned key {key.fingerprint} in the key file .* has expired on 2021-01-01"
        refused(site, tmp_path, deadline, TrustError, sentence)


@pytest.mark.slow
def test_a_subkey_that_had_expired_is_refused(
    site: Site, own_key: SigningKey, tmp_path: Path, deadline: Deadline
) -> None:
    """A signature that is younger than the end of its sub-key does not count."""
    subkey = own_key.add_subkey(expires="20300101T000000", when="20200102T000000")
    sign_release_anew(site, subkey=subkey, when="20200201T000000")
    own_key.gpg("--quick-set-expire", own_key.fingerprint, "20200115T000000", subkey, when="20200103T000000")
    own_key.export()
    sentence = f"was signed on 2020-02-01 with the sub-key {subkey}, which had expired on 2020-01-15"
    refused(site, tmp_path, deadline, TrustError, sentence)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["rotated", "expired since", "another revoked"])
def test_subkeys_come_and_go(site: Site, own_key: SigningKey, tmp_path: Path, deadline: Deadline, case: str) -> None:
    """A release is right if a sub-key signed it in its time: a new one, or one that has expired since."""
    if case == "expired since":
        subkey = own_key.add_subkey(expires="20210101T000000", when="20200102T000000")
        sign_release_anew(site, subkey=subkey, when="20200201T000000")
        own_key.add_subkey()
    else:
        first = own_key.subkeys()[0]
        second = own_key.add_subkey()
        if case == "another revoked":
            own_key.revoke(first)
        sign_release_anew(site, subkey=second)
    assert own_key.fingerprint == site.obtain(Store(tmp_path / "store"), deadline).fingerprint


@pytest.mark.parametrize(
    ("content", "names"), [(b"", "none"), (b"no key\n", "none"), (None, "[0-9A-F]{40} and [0-9A-F]{40}")]
)
def test_a_key_file_has_to_have_one_key(
    site: Site, tmp_path: Path, deadline: Deadline, content: bytes | None, names: str
) -> None:
    """A file without a key, or with two, does not say whom the user trusts."""
    assert site.key_file is not None
    both = site.key.public.read_bytes() + site.other.public.read_bytes()
    site.key_file.write_bytes(both if content is None else content)
    refused(site, tmp_path, deadline, UsageError, f"has to have one public key, .*; it has {names}")


@pytest.mark.slow
def test_the_pinned_key_counts_among_several(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """Another key in the project's key file does not sign releases."""
    assert site.key_file is not None
    site.key_file.write_bytes(site.key.public.read_bytes() + site.other.public.read_bytes())
    site.pin(site.key.fingerprint)
    sign_release_anew(site, key=site.other)
    store = Store(tmp_path / "store")
    wrong = f"is signed by the wrong key: {site.other.fingerprint} instead of {site.key.fingerprint}"
    with pytest.raises(TrustError, match=wrong):
        site.obtain(store, deadline)
    assert [] == list(store.root.glob("flatcar/*/"))
    sign_release_anew(site)
    assert site.key.fingerprint == site.obtain(store, deadline).fingerprint


def test_a_key_file_without_the_pinned_key_is_refused(site: Site, tmp_path: Path, deadline: Deadline) -> None:
    """Whoever changes the key file at its place cannot change whom the project trusts."""
    site.pin(site.other.fingerprint)
    refused(site, tmp_path, deadline, TrustError, f"does not have the pinned key {site.other.fingerprint}; it has")


@pytest.mark.parametrize(
    "name", [IMAGE, DIGESTS, KERNEL, f"{KERNEL}.sig", PACKAGES, f"{PACKAGES}.sig", "version.txt", "version.txt.sig"]
)
def test_no_file_of_a_mirror_fills_the_disk(site: Site, empty: Store, deadline: Deadline, name: str) -> None:
    """Each file has a size that it may have, and a larger one is refused by its length: nothing of it is written."""
    os.truncate(site.release / name, 5 << 30)
    with pytest.raises(HarnessError, match=f"{name} sends is not what was asked for: it has more than"):
        site.obtain(empty, deadline)
    assert left(empty.root) == []
