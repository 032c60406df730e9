"""`--set`: every kind of source, and what a build is given besides."""

from pathlib import Path

import pytest

from harness import catalog, matrix, source
from harness.app.sources import parse_source, set_sources
from harness.catalog import Source
from harness.errors import ConfigError, InfrastructureError, UsageError
from harness.matrix import Matrix
from harness.model import Cell, CgroupMode
from harness.plan import make_plans
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers.rkt_tree import FILES, RktTree, commit, run_git

KNOWN = catalog.load(ROOT)
FILE = "matrix-rkt.yaml"
CELL = Cell(
    distro="debian", channel="bullseye", systemd="247", go="1.12", cgroup=CgroupMode.LEGACY, runtime="rkt",
    runtime_version="1.30.0", flavor="coreos",
)  # fmt: skip


@pytest.fixture(scope="module")
def wanted() -> Matrix:
    """The matrix of rkt, as it is shipped."""
    return matrix.load(ROOT / FILE, KNOWN, name=FILE)


def test_every_kind_of_source_is_taken_for_what_it_is(tmp_path: Path) -> None:
    """A directory, an archive, a bundle of git and a ref of a repository of this computer; another file is refused."""
    tree = RktTree(tmp_path / "tree", git=True)
    commit(tree.path)
    run_git(tree.path, "bundle", "create", "--quiet", str(tmp_path / "rkt.bundle"), "main")
    run_git(tree.path, "archive", "--prefix=rkt-1.30.0/", f"--output={tmp_path / 'rkt.tar.gz'}", "main")
    (tmp_path / "text").write_text("no source")

    assert parse_source(str(tree.path)) == Source(directory=tree.path)
    assert parse_source(f"{tree.path}#main") == Source(git=str(tree.path), ref="main")
    assert parse_source(f"{tmp_path}/rkt.bundle#main") == Source(git=f"{tmp_path}/rkt.bundle", ref="main")
    assert parse_source("git@example.org:rkt/rkt") == Source(git="git@example.org:rkt/rkt")
    archive = parse_source(f"{tmp_path}/rkt.tar.gz")
    assert (archive.kind, archive.tarball) == ("tarball", (tmp_path / "rkt.tar.gz").as_uri())
    with pytest.raises(UsageError, match="text is neither a tar archive nor a git bundle"):
        parse_source(str(tmp_path / "text"))


@pytest.mark.slow
def test_every_kind_of_source_has_the_same_tree(tmp_path: Path, deadline: Deadline) -> None:
    """What is checked out of an archive and of a bundle is what is in the directory."""
    store, tree = Store(tmp_path / "store"), RktTree(tmp_path / "tree", git=True)
    commit(tree.path)
    run_git(tree.path, "bundle", "create", "--quiet", str(tmp_path / "rkt.bundle"), "main")
    run_git(
        tree.path,
        "-c",
        "tar.umask=0022",
        "archive",
        "--prefix=rkt-1.30.0/",
        f"--output={tmp_path / 'rkt.tar.gz'}",
        "main",
    )
    origins = [parse_source(str(tmp_path / name)) for name in ("tree#main", "rkt.bundle#main", "rkt.tar.gz", "tree")]
    for origin in origins:
        source.require(origin, "rkt", FILES)
    found = {
        source.hash_tree(source.check_out(each, source.resolve(each, "1.30.0", store, deadline), store, deadline).path)
        for each in origins
    }
    assert found == {source.hash_tree(tree.path)}


def test_archive_that_is_no_rkt_is_refused(tmp_path: Path, wanted: Matrix) -> None:
    """Before anything begins, with what it lacks; one that changed since is not taken for what it was."""
    tree = RktTree(tmp_path / "tree", git=True)
    (tree.path / "rkt" / "rkt.mk").unlink()
    commit(tree.path)
    run_git(tree.path, "archive", f"--output={tmp_path / 'rkt.tar'}", "main")
    with pytest.raises(UsageError, match=r"The archive .*rkt\.tar is not a tree of rkt: it has no rkt/rkt\.mk\."):
        set_sources(wanted, [f"runtime.rkt.source={tmp_path}/rkt.tar"], KNOWN)


@pytest.mark.slow
def test_archive_that_changed_is_refused(tmp_path: Path, deadline: Deadline) -> None:
    """Its digest is that of the time when it was named."""
    store, tree = Store(tmp_path / "store"), RktTree(tmp_path / "tree", git=True)
    commit(tree.path)
    run_git(tree.path, "archive", f"--output={tmp_path / 'rkt.tar'}", "main")
    origin = parse_source(str(tmp_path / "rkt.tar"))
    with (tmp_path / "rkt.tar").open("ab") as file:
        file.write(bytes(1024))
    with pytest.raises(InfrastructureError, match=r"has the SHA-256 .* instead of"):
        source.check_out(origin, source.resolve(origin, "1.30.0", store, deadline), store, deadline)


def test_settings_are_set_and_checked(tmp_path: Path, wanted: Matrix) -> None:
    """Both options of the local image reach the plan of each of rkt's cells; one of them alone is refused."""
    image = tmp_path / "image.cpio.gz"
    image.write_text("an image")
    words = [
        f"runtime.rkt.coreos-local-pxe-image-path={image}",
        "runtime.rkt.coreos-local-pxe-image-systemd-version=v241",
    ]
    (plan,) = make_plans((CELL,), set_sources(wanted, words, KNOWN), KNOWN, ("cgroup",))
    assert plan.build is not None
    assert plan.build.settings == {
        "coreos-local-pxe-image-path": str(image), "coreos-local-pxe-image-systemd-version": "v241"
    }  # fmt: skip
    with pytest.raises(UsageError, match="means nothing without"):
        set_sources(wanted, words[:1], KNOWN)


def test_settings_of_a_matrix_are_those_that_the_build_has(tmp_path: Path) -> None:
    """A file is named relative to the matrix; a key that the build does not have is an error with its place."""
    text = (ROOT / FILE).read_text()
    path = tmp_path / FILE
    path.write_text(text + "\nsettings:\n  rkt: {coreos-local-pxe-image-path: image.gz}\n")
    assert matrix.load(path, KNOWN, name=FILE).settings == {
        "rkt": {"coreos-local-pxe-image-path": str(tmp_path / "image.gz")}
    }
    path.write_text(text + "\nsettings:\n  rkt: {pxe: image.gz}\n")
    with pytest.raises(
        ConfigError, match=r"matrix-rkt\.yaml:\d+:\d+: the build of rkt has no setting `pxe`; it has coreos"
    ):
        matrix.load(path, KNOWN, name=FILE)
