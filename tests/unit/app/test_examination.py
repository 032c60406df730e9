"""`harness doctor --runtime rkt --source`: what a tree will and will not build, by what is in it."""

import json
from pathlib import Path

import pytest

from harness import catalog
from harness.app.examination import examine_source
from harness.doctor import Diagnosis, Health
from harness.errors import UsageError
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers.command_line import harness
from tests.helpers.rkt_tree import FILES, RktTree, commit

KNOWN = catalog.load(ROOT)


def examine(tree: RktTree, deadline: Deadline, word: str | None = None) -> dict[str, Diagnosis]:
    store = Store(tree.path.parent / "store")
    found = examine_source(KNOWN, "rkt", word or str(tree.path), store, deadline)
    return {each.what: each for each in found}


def test_tree_that_can_be_built(tmp_path: Path, deadline: Deadline) -> None:
    """Its version, and of each flavor where it is built; an option that it lacks is named."""
    found = examine(RktTree(tmp_path / "tree"), deadline)

    assert found["tree"] == Diagnosis(
        what="tree", state=Health.OK, says="It is rkt 1.30.0+double, according to its configure.ac."
    )
    assert {"rkt/host", "rkt/coreos", "rkt/src", "rkt/kvm", "rkt/fly"} < set(found)
    assert "stretch (systemd <238) or bullseye (systemd >=238)" in found["rkt/src"].says
    assert "--enable-insecure-go" in found["rkt/host"].says
    assert "--with-stage1-default-location" not in found["rkt/host"].says
    assert Health.MISSING not in {each.state for each in found.values()}


NOTES = [
    ("stage1/init/init.go", "systemd-nspawn", "systemd-executor", "rkt/host", "freezes since 255"),
    ("common/cgroup/v1/cgroup.go", "system.slice", "payload", "rkt/coreos", "limits of apps are not applied"),
    ("common/cgroup/v1/cgroup.go", "system.slice", "unified", "rkt/src", "no hybrid layout"),
    ("stage1/usr_from_src/usr_from_src.mk", "autogen.sh", "meson", "rkt/src", "builds systemd by autotools"),
]


@pytest.mark.parametrize(("file", "without", "repaired", "flavor", "says"), NOTES)
def test_what_a_file_of_the_tree_shows(
    tmp_path: Path, deadline: Deadline, file: str, without: str, repaired: str, flavor: str, says: str
) -> None:
    """It is said where the file is as in 1.25, and neither where it was repaired nor where there is none."""
    tree = RktTree(tmp_path / "tree")
    assert says not in examine(tree, deadline)[flavor].says
    tree.write(file, without)
    assert says in examine(tree, deadline)[flavor].says
    tree.append(file, repaired)
    assert says not in examine(tree, deadline)[flavor].says


def test_download_that_is_gone_is_named_with_its_file(tmp_path: Path, deadline: Deadline) -> None:
    """And with what can be given in its place; only for the flavors that download it."""
    tree = RktTree(tmp_path / "tree")
    tree.write("stage1/usr_from_coreos/coreos-common.mk", "CCN_IMG_URL := https://alpha.release.core-os.net/image\n")
    found = examine(tree, deadline)

    for flavor in ("rkt/coreos", "rkt/kvm"):
        assert "stage1/usr_from_coreos/coreos-common.mk names release.core-os.net" in found[flavor].says
        assert "--set runtime.rkt.coreos-local-pxe-image-path=..." in found[flavor].mend
    assert "core-os.net" not in found["rkt/host"].says


def test_what_stops_a_build_is_missing(tmp_path: Path, deadline: Deadline) -> None:
    """A tree of nothing, one that is too old, one without what it is compiled with; what was built in it is named."""
    tree = RktTree(tmp_path / "tree")
    (tree.path / "vendor" / "README").unlink()
    (tree.path / "vendor").rmdir()
    tree.write("build-rkt-1.30.0/stamp", "")
    tree.write("configure.ac", FILES["configure.ac"].replace("[stage1-flavors]", "[stage1]"))
    found = examine(tree, deadline)

    assert {name for name, each in found.items() if each.state is Health.MISSING} == {"options", "dependencies"}
    assert "1.0.0 is the oldest release" in found["options"].says
    assert "build-rkt-1.30.0" in found["files"].says
    (tree.path / "rkt" / "rkt.mk").unlink()
    assert "It is not a tree of rkt: it has no rkt/rkt.mk." == examine(tree, deadline)["tree"].says


def test_source_that_has_to_be_checked_out(tmp_path: Path, deadline: Deadline) -> None:
    """A repository is looked at in the ref that is named, and has to name one; a runtime that is not built has none."""
    tree = RktTree(tmp_path / "tree", git=True)
    commit(tree.path)
    assert "1.30.0+double" in examine(tree, deadline, f"{tree.path}#main")["tree"].says
    with pytest.raises(UsageError, match="name the tag, branch or commit"):
        examine(tree, deadline, "https://example.org/rkt")
    with pytest.raises(UsageError, match="nspawn is never built"):
        examine_source(KNOWN, "nspawn", str(tree.path), Store(tmp_path / "store"), deadline)


@pytest.mark.slow
def test_exit_code_is_3_where_nothing_can_be_built(tmp_path: Path) -> None:
    """And 0 where something can; both options are wanted."""
    tree = RktTree(tmp_path / "tree")
    words = (
        "--matrix",
        str(ROOT / "matrix-rkt.yaml"),
        "--store",
        str(tmp_path / "store"),
        "doctor",
        "--runtime",
        "rkt",
    )
    done = harness(*words, "--source", str(tree.path), "--format", "json", cwd=tmp_path)
    assert (0, "") == (done.code, done.err)
    assert {"tree", "rkt/host"} <= {each["what"] for each in json.loads(done.out)}
    (tree.path / "configure.ac").unlink()
    done = harness(*words, "--source", str(tree.path), cwd=tmp_path)
    assert (3, True) == (done.code, "it has no configure.ac" in done.out)
    assert 2 == harness(*words, cwd=tmp_path).code
