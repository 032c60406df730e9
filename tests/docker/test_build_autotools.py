"""Recipe autotools, on an rkt-shaped tree (tests/helpers/rkt_tree.py, a double that is no rkt) by the rules shipped for rkt."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import build, toolchain
from harness.build import BuildError, BuildSpec
from harness.catalog import BuildOptions, Output
from harness.errors import InfrastructureError, UsageError
from harness.store import Artifact, Store
from harness.wait import Deadline
from tests.helpers.builds import link_kind
from tests.helpers.rkt_tree import RKT, RktTree, give, handed, lines, plain, run_git, systemd_double

IMAGES = Path("usr/lib/rkt/stage1-images")


@pytest.fixture
def own(own: Store, store: Store) -> Store:
    """The same with the compiler's cache, which is no build."""
    link_kind("build-cache", store, own)
    return own


def _says(artifact: Artifact) -> str:
    argv: list[str | Path] = [artifact.path / "usr/local/bin/rkt", "version"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def _configured(log: Path) -> str:
    """Return the command line of configure in a build's log; nothing if it did not run."""
    found = [line for line in log.read_text().splitlines() if line.startswith("+ ") and " ./configure " in line]
    return found[-1] if found else ""


def _in_stage1(artifact: Artifact, flavor: str, name: str) -> str:
    with tarfile.open(artifact.path / IMAGES / f"stage1-{flavor}.aci") as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read().decode().strip()


@pytest.mark.parametrize(("flavor", "go"), [("host", "1.27"), ("fly", "1.15")])
def test_a_flavor_is_built_by_the_go_that_was_asked_for(
    docker: None, store: Store, own: Store, deadline: Deadline, tmp_path: Path, flavor: str, go: str
) -> None:
    """By the shipped rules: the flavor's options that the tree declares reach it, and its image is next to the program."""
    spec = RktTree(tmp_path / "tree").spec(own, deadline, rules=RKT, flavor=flavor, go=go)
    artifact = build.build(spec, own, deadline, tmp_path / "log")
    said = f"flavors={flavor} tpm=no images=/{IMAGES} location=/{IMAGES}/stage1-{flavor}.aci stage1=1.30.0"
    assert f"rkt-shaped double: {said}" == _says(artifact)
    assert "--prefix=/usr" in _configured(tmp_path / "log")
    assert "insecure-go" not in _configured(tmp_path / "log")
    assert ["usr/local/bin/rkt", f"{IMAGES}/stage1-{flavor}.aci"] == sorted(
        (str(path.relative_to(artifact.path)) for path in artifact.path.rglob("*") if path.is_file()), reverse=True
    )
    assert spec.toolchain is not None
    assert (flavor, f"go {spec.toolchain.version}") == (artifact.said["flavor"], artifact.said["toolchain"])
    tools = toolchain.install(spec.toolchain, own, deadline)
    argv: list[str | Path] = [tools.goroot / "bin" / "go", "version", artifact.path / spec.rules.output]
    env = {"GOTOOLCHAIN": "local", "HOME": str(tmp_path), "GOROOT": str(tools.goroot)}
    version = subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout
    assert version.endswith(f": go{spec.toolchain.version}\n")


def test_next_revision_does_only_what_is_left_to_do(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """By make's own words: what did not change is not made again, nor is the tree set up again where that did not change.

    A directory is set up each time, as what is set up in it is no part of it, and still compiled only where it changed.
    """
    log = tmp_path / "log"
    repository, directory = RktTree(tmp_path / "repository", git=True), RktTree(tmp_path / "directory")
    done = []

    def made(spec: BuildSpec) -> None:
        build.build(spec, own, deadline, log)
        done.append((len(lines(log, "AUTOGEN")), lines(log, "GO"), lines(log, "ACI")))

    image, program = ["stage1-host.aci"], ["rkt"]
    made(repository.spec(own, deadline))
    repository.append("stage1/manifest", "more\n")
    made(repository.spec(own, deadline))
    repository.append("configure.ac", "dnl other\n")
    made(repository.spec(own, deadline))
    assert [(1, program, image), (0, [], image), (1, [], [])] == done
    done.clear()
    # The tree is set up for another flavor in between.
    made(repository.spec(own, deadline, flavor="fly"))
    assert "--with-stage1-flavors=fly" in _configured(log)
    repository.append("stage1/manifest", "and more\n")
    made(repository.spec(own, deadline))
    assert "--with-stage1-flavors=host" in _configured(log)
    assert [(1, program), (1, [])] == [each[:2] for each in done]
    done.clear()
    directory.append("rkt/rkt.go", "// another one\n")
    made(directory.spec(own, deadline))
    directory.append("stage1/manifest", "more\n")
    made(directory.spec(own, deadline))
    assert [(1, program), (1, [])] == [each[:2] for each in done]


def test_the_src_flavor_gets_the_systemd_of_the_cell(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """A clone of our mirror with version and revision; another revision's turn finds nothing of the one before.

    The double does as rkt does: a clone that is there is taken for the right one.
    """
    log, systemd = tmp_path / "log", tmp_path / "systemd"
    commits = systemd_double(systemd)
    tree = RktTree(tmp_path / "tree", git=True)

    def made(version: str) -> Artifact:
        spec = tree.spec(own, deadline, flavor="src", systemd=handed(systemd, version, own, deadline))
        return build.build(spec, own, deadline, log)

    for version in ("v233", "v234", "v233"):
        # A change of rkt, so that the third one is not in the store.
        tree.append("stage1/manifest", f"{version}\n")
        artifact = made(version)
        assert f"the double of systemd {version}" == _in_stage1(artifact, "src", "./NEWS")
        assert version == _in_stage1(artifact, "src", "./systemd-version")
        assert [commits[version]] == lines(log, "CLONE")
        assert f"\n{version}\n" in log.read_text()  # by `git describe` in the clone
        options = (f"--with-stage1-systemd-version={version}", f"--with-stage1-systemd-revision={commits[version]}")
        assert all(option in _configured(log) for option in options)
        assert commits[version][:12] in artifact.said["stage1_systemd"]
    removed = [line for line in log.read_text().splitlines() if line.startswith("# removed ")]
    assert [True, True, True, True] == [
        any(part in line for line in removed) for part in ("/tmp,", "/stamps,", "/aci-for-src-flavor,", " systemd,")
    ]
    # The same systemd again: the clone stays.
    tree.append("stage1/manifest", "once more\n")
    made("v233")
    assert ([], ["stage1-src.aci"], []) == (lines(log, "CLONE"), lines(log, "ACI"), lines(log, "GO"))


def test_a_spoilt_worktree_spoils_no_build(docker: None, own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Where what an earlier build left among the source or in the clone makes this one fail, it is built from nothing."""
    log, systemd = tmp_path / "log", tmp_path / "systemd"
    systemd_double(systemd)
    tree = RktTree(tmp_path / "tree", git=True)
    given = handed(systemd, "v234", own, deadline)
    build.build(tree.spec(own, deadline, flavor="src", systemd=given), own, deadline, log)
    (makefile,) = own.root.glob("worktree/*/source/Makefile")
    makefile.write_text("nonsense\n")
    (clone,) = own.root.glob("worktree/*/systemd")
    run_git(clone, "rm", "--quiet", "NEWS")
    tree.append("stage1/manifest", "more\n")
    # Else the spoilt Makefile, which is newer than what is remembered, would be made again at once.
    (memory,) = own.root.glob("worktree/*/build-*/configured-as")
    memory.touch()
    artifact = build.build(tree.spec(own, deadline, flavor="src", systemd=given), own, deadline, log)
    assert "# once more, without what earlier builds left" in log.read_text()
    assert "the double of systemd v234" == _in_stage1(artifact, "src", "./NEWS")


BROKEN = BuildOptions(set={"enable-broken": "yes"}, reason="The double then refuses to be configured.")
ELSEWHERE = Output(found=("target/bin/rocket", "sbin/r*t"), place="usr/local/bin/rkt")


def test_what_fails_is_told_with_its_log(docker: None, own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """The error names the log and ends with the words of configure, of the compiler, or with what make has left instead."""
    log = tmp_path / "log"
    tree = RktTree(tmp_path / "tree", git=True)
    assert RKT is not None
    old, new = (BROKEN.model_copy(update={"versions": versions}) for versions in ("<1.30", ">=1.30"))
    specs = {
        "the double was asked to be broken": tree.spec(own, deadline, rules=plain(options=(*RKT.options, new))),
        "make left no rkt: none of target/bin/rocket sbin/r": tree.spec(
            own, deadline, rules=plain(options=(*RKT.options, old), outputs=(ELSEWHERE,))
        ),
    }
    tree.append("rkt/rkt.go", "no such statement\n")
    specs["syntax error"] = tree.spec(own, deadline)
    for words, spec in specs.items():
        with pytest.raises(BuildError, match=words) as caught:
            build.build(spec, own, deadline, log)
        assert log == caught.value.log
        assert str(log) in str(caught.value)
        assert words in log.read_text()
        if words.startswith("make left"):
            assert "/target/bin/stage1-host.aci" in str(caught.value)
    assert [] == [path for path in own.root.glob("build/*") if path.suffix != ".lock"]


def test_flavors_and_systemds_are_other_builds(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Each flavor and each systemd that is handed over has its own place in the store, and says what it is."""
    systemd_double(tmp_path / "systemd")
    tree = RktTree(tmp_path / "tree")
    given = [handed(tmp_path / "systemd", version, own, deadline) for version in ("v233", "v234")]
    specs = [tree.spec(own, deadline, flavor=flavor) for flavor in ("host", "fly")]
    specs += [tree.spec(own, deadline, flavor="src", systemd=each) for each in given]
    assert 4 == len({repr(build.collect_inputs(spec)) for spec in specs})
    assert "rkt 1.30.0/fly with go 1.27" in specs[1].title
    assert ["233", "234"] == [each.number for each in given]


def test_a_flavor_that_downloads_is_not_built_without_network(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """It is said before anything is made, with the builder that can do it."""
    spec = RktTree(tmp_path / "tree").spec(own, deadline, rules=RKT, flavor="coreos")
    with pytest.raises(InfrastructureError, match="downloads something") as caught:
        build.build(spec, own, deadline, tmp_path / "log")
    assert "--builder host" in str(caught.value.hint)


def test_a_local_image_takes_the_place_of_a_download(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """The flavor needs no network then; the image is in what was built, and another image is another build."""
    image, tree = tmp_path / "flatcar.cpio.gz", RktTree(tmp_path / "tree")
    for content in ("one\n", "two\n"):
        image.write_text(content)
        spec = give(
            tree.spec(own, deadline, flavor="coreos"),
            coreos_local_pxe_image_path=str(image),
            coreos_local_pxe_image_systemd_version="v252",
        )
        artifact = build.build(spec, own, deadline, tmp_path / "log")
        assert content.strip() == _in_stage1(artifact, "coreos", image.name)
        assert "--with-coreos-local-pxe-image-systemd-version=v252" in _configured(tmp_path / "log")


def test_a_host_that_is_gone_is_explained(docker: None, own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Where a build fails after it has named one, the error says so, and what can be given in its place."""
    rules = plain()
    coreos = rules.flavors["coreos"].model_copy(update={"network": False})
    tree = RktTree(tmp_path / "tree")
    spec = tree.spec(own, deadline, rules=plain(flavors={**rules.flavors, "coreos": coreos}), flavor="coreos")
    with pytest.raises(BuildError, match=r"release\.core-os\.net") as caught:
        build.build(spec, own, deadline, tmp_path / "log")
    assert "a distribution that ended in 2020" in str(caught.value.hint)
    assert "--set runtime.rkt.coreos-local-pxe-image-path=..." in str(caught.value.hint)


def test_systemd_is_handed_over_from_git_only(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Of a directory or a package rkt could check nothing out."""
    systemd = RktTree(tmp_path / "systemd").spec(own, deadline)
    given = build.SystemdSource(version="v234", source=systemd.source, revision=systemd.revision)
    spec = RktTree(tmp_path / "tree").spec(own, deadline, flavor="src", systemd=given)
    with pytest.raises(UsageError, match="no commit of a git repository"):
        build.build(spec, own, deadline, tmp_path / "log")
