"""What recipe `autotools` makes of a tree of rkt's shape, by the rules that are shipped; nothing is built."""

from pathlib import Path, PurePosixPath

import pytest

from harness import build
from harness.build import Builder, BuildError, BuildSpec
from harness.build.spec import BuildPaths
from harness.errors import InfrastructureError, UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.rkt_tree import FILES, RKT, RktTree, give, handed, systemd_double

IMAGE = "coreos-local-pxe-image-path"
VERSION = "coreos-local-pxe-image-systemd-version"
LOCATION = "AC_ARG_WITH([stage1-default-location]"

assert RKT is not None
FLAVORS = sorted(RKT.flavors)


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def _make_commands(spec: BuildSpec, tree: RktTree, tmp_path: Path) -> list[tuple[str, ...]]:
    """Return what would be run, with the tree where the recipe wants it."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    (work / "source").unlink(missing_ok=True)
    (work / "source").symlink_to(tree.path)
    places = {name: PurePosixPath("/", name) for name in ("output", "scratch", "cache")}
    paths = BuildPaths(work=PurePosixPath("/tree"), toolchain=None, outside=work, **places)
    return [command.argv for command in build.find_recipe("autotools").make_commands(spec, paths)]


def _find_configure(commands: list[tuple[str, ...]]) -> tuple[str, ...]:
    return next(argv for argv in commands if argv[0] == "./configure")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_rkt_finds_its_stage1(own: Store, deadline: Deadline, tmp_path: Path, flavor: str) -> None:
    """Its default location is where the image is placed, below the directory that is trusted; no flavor is without one."""
    tree = RktTree(tmp_path / "tree")
    commands = _make_commands(tree.spec(own, deadline, go=None, rules=RKT, flavor=flavor), tree, tmp_path)
    options = dict(word.lstrip("-").split("=", 1) for word in _find_configure(commands)[1:])
    images = options["with-stage1-default-images-directory"]

    assert options["with-stage1-default-location"] == f"{images}/stage1-{flavor}.aci"
    assert options["with-stage1-flavors-version-override"] == "1.30.0"
    assert f"/output{options['with-stage1-default-location']}" == commands[-1][5]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_old_rkt_finds_its_stage1_next_to_itself(own: Store, deadline: Deadline, tmp_path: Path, flavor: str) -> None:
    """A tree that cannot be told a location gets its image where it looks then: in the directory of its own program."""
    tree = RktTree(tmp_path / "tree")
    tree.write("configure.ac", FILES["configure.ac"].replace(LOCATION, "dnl "))
    commands = _make_commands(tree.spec(own, deadline, go=None, rules=RKT, flavor=flavor), tree, tmp_path)

    assert not any("default-location" in word for word in _find_configure(commands))
    program, image = (PurePosixPath(argv[5]) for argv in commands[-2:])
    assert (program.parent, image.name) == (image.parent, f"stage1-{flavor}.aci")


def test_tree_that_is_too_old_is_refused_with_a_sentence(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """It would build another flavor than was asked for; nothing is run, and the oldest release that works is named."""
    tree = RktTree(tmp_path / "tree")
    tree.write("configure.ac", FILES["configure.ac"].replace("[stage1-flavors]", "[stage1]"))
    spec = tree.spec(own, deadline, go=None, rules=RKT, builder=Builder.HOST)
    with pytest.raises(BuildError, match=r"has no --with-stage1-flavors\. .* 1\.0\.0 is the oldest release") as caught:
        build.build(spec, own, deadline, tmp_path / "log")
    assert "+ " not in caught.value.log.read_text()


@pytest.mark.parametrize(("version", "release"), [("v219", "stretch"), ("v234", "stretch"), ("v238", "bullseye")])
def test_src_is_built_where_its_systemd_compiles(
    own: Store, deadline: Deadline, tmp_path: Path, version: str, release: str
) -> None:
    """By the version of the systemd, not of rkt: old ones want a C library from before 2.27."""
    systemd = tmp_path / "systemd"
    systemd_double(systemd)
    given = handed(systemd, "v234", own, deadline)
    spec = RktTree(tmp_path / "tree").spec(own, deadline, go=None, rules=RKT, flavor="src", systemd=given)
    other = build.SystemdSource(version=version, source=given.source, revision=given.revision)

    assert spec.environment.release == "stretch"
    assert spec.rules.choose_environment(spec.version, "src", other.number).release == release
    assert spec.rules.choose_environment(spec.version, "host", None).release == "bullseye"


def test_local_image_is_an_option_of_the_flavors_that_want_one(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """The build sees it in its worktree; other flavors, and what was built before, stay as they were."""
    tree, image = RktTree(tmp_path / "tree"), tmp_path / "image.cpio.gz"
    image.write_text("an image")
    given = {"coreos_local_pxe_image_path": str(image), "coreos_local_pxe_image_systemd_version": "v252"}
    plain, without = (tree.spec(own, deadline, go=None, rules=RKT, flavor=name) for name in ("coreos", "host"))
    coreos, host = give(plain, **given), give(without, **given)
    words = _find_configure(_make_commands(coreos, tree, tmp_path))
    (path,) = (word.partition("=")[2] for word in words if word.startswith(f"--with-{IMAGE}="))

    assert f"--with-{VERSION}=v252" in words
    assert PurePosixPath(path).is_relative_to("/tree/files")
    assert PurePosixPath(path).name == image.name
    assert (coreos.needs_network, coreos.lost_downloads) == (False, ())
    assert build.collect_inputs(host) == build.collect_inputs(without)
    before = build.collect_inputs(coreos)
    image.write_text("another image")
    assert before != build.collect_inputs(give(plain, **given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({IMAGE: "image"}, rf"{IMAGE} means nothing without runtime\.rkt\.{VERSION}"),
        ({VERSION: "v252"}, rf"{VERSION} means nothing without runtime\.rkt\.{IMAGE}"),
        ({IMAGE: "nowhere", VERSION: "v252"}, "The file .*nowhere does not exist"),
        ({IMAGE: "image", VERSION: "252"}, rf"`252` is not a value of runtime\.rkt\.{VERSION}"),
    ],
)
def test_local_image_is_given_with_its_version(tmp_path: Path, given: dict[str, str], message: str) -> None:
    """The tree's configure wants both or neither, and says so after minutes; here it is a sentence before anything begins."""
    assert RKT is not None
    (tmp_path / "image").write_text("an image")
    values = {key: str(tmp_path / value) if key == IMAGE else value for key, value in given.items()}
    with pytest.raises(UsageError, match=message):
        build.check_settings("rkt", RKT, values)


def test_kvm_downloads_whatever_image_it_is_given(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """It also builds a kernel and QEMU; the error names what else is gone, and both ways out."""
    image = tmp_path / "image"
    image.write_text("an image")
    tree = RktTree(tmp_path / "tree")
    without = tree.spec(own, deadline, go=None, rules=RKT, flavor="kvm")
    given = give(without, coreos_local_pxe_image_path=str(image), coreos_local_pxe_image_systemd_version="v252")

    with pytest.raises(InfrastructureError, match="a distribution that ended in 2020") as caught:
        build.build(without, own, deadline, tmp_path / "log")
    assert "--builder host" in str(caught.value.hint)
    assert f"--set runtime.rkt.{IMAGE}=..." in str(caught.value.hint)
    with pytest.raises(InfrastructureError, match="downloads something") as caught:
        build.build(given, own, deadline, tmp_path / "log")
    assert "--set" not in str(caught.value.hint)
