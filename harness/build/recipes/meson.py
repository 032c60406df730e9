"""Recipe `meson`: a whole systemd, as an installed tree of which everything below /usr is kept.

Every build says which one it is: the option `version-tag` (since systemd 242) makes the version string, which
`systemctl --version` prints and PID 1 reports on D-Bus. While it builds, the place of the revision in it is
filled with zeros, so that ccache sees the same header for all revisions and two revisions with the same code
have the same files; `finish` takes the digest of those and then puts the revision in, which has the same length.
"""

import hashlib
import re
import shutil
from pathlib import Path, PurePosixPath

from harness.build.spec import BuildCommand, BuildPaths, BuildSpec
from harness.model import VersionRange
from harness.source import hash_tree

__all__ = [
    "CONTENT", "INCREMENTAL", "IN_SOURCE", "REVISION", "STAMP", "choose_source_path", "finish", "list_packages",
    "make_commands", "make_stamp",
]  # fmt: skip

REVISION = 2
INCREMENTAL = True
IN_SOURCE = False

CONTENT = "content"
"""Key of a manifest: digest of the output with the revision blanked out; equal for equal code."""

STAMP = "stamp"
"""Key of a manifest: the revision, as the version string has it."""

BLANK = "0" * 40

OPTION = re.compile(r"^option\(\s*'([^']+)'", re.MULTILINE)
"""How meson_options.txt declares an option."""

BUILTIN = ("optimization",)
"""Options that meson has itself, whatever a revision declares (meson, "Built-in options")."""

KEPT = "usr"
"""The part of the installed tree that is kept: how the guest is configured (/etc) is its image's."""


def list_packages(spec: BuildSpec) -> tuple[str, ...]:  # noqa: ARG001 - as all recipes
    """Return none but those of the knowledge file: what a maintainer builds needs far more than what is built here."""
    return ()


def choose_source_path(spec: BuildSpec) -> PurePosixPath:  # noqa: ARG001 - as all recipes
    """Return a directory next to those of the builds."""
    return PurePosixPath("source")


def make_commands(spec: BuildSpec, places: BuildPaths) -> tuple[BuildCommand, ...]:
    """Configure unless that was done with the same options, compile, install."""
    options = _make_options(spec, places.outside / choose_source_path(spec))
    name = f"build-{hashlib.sha256(repr(options).encode()).hexdigest()[:12]}"
    tree = places.work / choose_source_path(spec)
    # build.ninja is written last; ninja itself configures again when a meson.build has changed.
    configured = (places.outside / name / "build.ninja").exists()
    env = {
        "CC": "ccache cc",
        # Binutils' other linker, which systemd's sources take as well, is done in half of the time.
        "CC_LD": "gold",
        "CCACHE_DIR": str(places.cache / "ccache"),
        "CCACHE_BASEDIR": str(places.work),
        "CCACHE_MAXSIZE": "5G",
        # Without running the preprocessor first, which costs a seventh of a cold build (ccache(1), "The depend mode").
        "CCACHE_DEPEND": "1",
        # A file that git has just written is newer than the compiler's start.
        "CCACHE_SLOPPINESS": "include_file_mtime,include_file_ctime",
        "DESTDIR": str(places.output),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    steps = (
        ("meson", "setup", *options, str(places.work / name), str(tree)),
        ("ninja", "-C", str(places.work / name)),
        ("meson", "install", "--no-rebuild", "-C", str(places.work / name)),
    )
    return tuple(BuildCommand(argv=argv, cwd=tree, env=env) for argv in steps[1 if configured else 0 :])


def finish(spec: BuildSpec, files: Path) -> dict[str, str]:
    """Keep what is below /usr, and put the revision into the version string."""
    for path in files.iterdir():
        if path.name != KEPT:
            shutil.rmtree(path)
    content = hash_tree(files)
    old, new = f"-g{BLANK}".encode(), f"-g{make_stamp(spec)}".encode()
    for path in files.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if old in data:
                path.write_bytes(data.replace(old, new))
    return {CONTENT: content, STAMP: make_stamp(spec)}


def make_stamp(spec: BuildSpec) -> str:
    """Return the 40 hexadecimal digits after `-g` in the version string: the commit, or a hash of what else it is."""
    commit = spec.revision.stamp
    return commit if re.fullmatch("[0-9a-f]{40}", commit) else hashlib.sha256(commit.encode()).hexdigest()[:40]


def _make_options(spec: BuildSpec, tree: Path) -> list[str]:
    """Return arguments of `meson setup`: the options of the knowledge file that this revision knows."""
    declared = next((tree / name for name in ("meson_options.txt", "meson.options") if (tree / name).exists()), None)
    known = {*BUILTIN, *(OPTION.findall(declared.read_text(encoding="utf-8")) if declared else ())}
    wanted: dict[str, str] = {}
    for options in spec.rules.options:
        if VersionRange(options.versions).contains(spec.version):
            wanted |= options.set
    version = spec.version.removeprefix("v")
    wanted["version-tag"] = f"{version}-g{BLANK}"
    return [
        "--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--buildtype=plain", "--strip",
        "--libdir=lib/x86_64-linux-gnu",
        *(f"-D{name}={value}" for name, value in sorted(wanted.items()) if name in known),
    ]  # fmt: skip
