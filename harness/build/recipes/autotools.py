"""Recipe `autotools`: autogen, configure with options as data, make; the output is found by patterns.

The tree is configured in place, as rkt's Makefile wants it, and make gets a build directory next to it by its
variable. So the objects of an earlier build stay, whatever kind of source the tree is, and make does what is left
to do. Which options, toolchain and files for configure the tree was set up with is remembered in the build
directory, and autogen and configure run only where that is different.

Each set of options and each toolchain has its own build directory: objects of one Go are no input for another.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.build.spec import BuildCommand, BuildPaths, BuildSpec
from harness.build.systemd_source import PLACE
from harness.build.tree_check import find_declared_options, is_optional

__all__ = [
    "INCREMENTAL", "IN_SOURCE", "REVISION", "choose_source_path", "choose_tree_path", "finish", "list_packages",
    "make_commands", "make_go_environment",
]  # fmt: skip

REVISION = 1
INCREMENTAL = True
IN_SOURCE = True

CONFIGURED = "configured-as"
"""File in a build directory: hash of what the source tree is set up with."""

SETUP = ("configure.ac", "configure.in", "acinclude.m4", "autogen.sh")
"""Files at the top of a tree that decide what autogen and configure make; besides Makefiles' originals."""

REMEMBER = 'mkdir -p "$1" && printf %s "$2" >"$1/$3"'
"""Shell: keep a word in a file of a directory."""

COLLECT = """\
build=$1 place=$2
shift 2
for pattern in "$@"; do
    for file in "$build"/$pattern; do
        if [ -f "$file" ]; then
            mkdir -p "${place%/*}" && cp -p "$file" "$place" && echo "output: $file" && exit
        fi
    done
done
echo "make left no ${place##*/}: none of $* is in $build, which has these programs and images:"
find "$build" -type f \\( -name '*.aci' -o -path '*/bin/*' \\) | sort | head -n 10
exit 1
"""
"""Shell: copy a file that make has left in one of several places to another one, or say what is there instead."""


def list_packages(spec: BuildSpec) -> tuple[str, ...]:
    """Return the flavor's packages."""
    return spec.kind.packages


def choose_source_path(spec: BuildSpec) -> PurePosixPath:  # noqa: ARG001 - as all recipes
    """Return a directory next to those of the builds."""
    return PurePosixPath("source")


def choose_tree_path(spec: BuildSpec) -> PurePosixPath:
    """Return the place below a GOPATH that its own makefiles link to the source."""
    return PurePosixPath("gopath/src", spec.rules.package) if spec.rules.package else choose_source_path(spec)


def make_go_environment(spec: BuildSpec, places: BuildPaths) -> dict[str, str]:  # noqa: ARG001 - as all recipes
    """Return the environment of make, and the GOPATH that the makefiles would make."""
    return _make_environment(places) | {"GOPATH": str(places.work / "gopath")}


def make_commands(spec: BuildSpec, places: BuildPaths) -> tuple[BuildCommand, ...]:
    """Set the tree up unless that was done with the same options, make, and find the output."""
    tree, outside = places.work / choose_source_path(spec), places.outside / choose_source_path(spec)
    options = _make_options(spec, outside, places)
    name = _build_name(spec)
    build = places.work / name
    env = _make_environment(places)
    key = _make_key(spec, outside, options)
    steps: list[tuple[str, ...]] = []
    if not _is_set_up(places.outside / name, outside, key):
        steps += [*_list_autogen(outside), ("./configure", *options)]
        steps += [("sh", "-c", REMEMBER, "remember", str(build), key, CONFIGURED)]
    variables = (f"{name}={value.replace('{build}', str(build))}" for name, value in spec.rules.variables.items())
    steps += [("make", *variables, *spec.rules.targets)]
    declared = find_declared_options(outside)
    for output in (*spec.rules.outputs, *spec.kind.outputs):
        other = output.instead
        place = str(places.output / (output.place if other is None or other.without in declared else other.place))
        steps += [("sh", "-c", COLLECT, "collect", str(build), place, *output.found)]
    return tuple(BuildCommand(argv=argv, cwd=tree, env=env) for argv in steps)


def finish(spec: BuildSpec, files: Path) -> dict[str, str]:
    """Report in which flavor it is, what of systemd is in it, and what it consists of."""
    said = {"outputs": " ".join(sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()))}
    if spec.flavor:
        said["flavor"] = spec.flavor
    if spec.systemd:
        said["stage1_systemd"] = spec.systemd.revision.text
    return said


def _build_name(spec: BuildSpec) -> str:
    """Return the build directory of a component, flavor, options and toolchain, for all systemds and revisions."""
    facts = repr((sorted(spec.options.items()), spec.toolchain.identity if spec.toolchain else None))
    parts = ("build", spec.name, spec.flavor, hashlib.sha256(facts.encode()).hexdigest()[:12])
    return "-".join(part for part in parts if part)


def _make_options(spec: BuildSpec, tree: Path, places: BuildPaths) -> tuple[str, ...]:
    """Return arguments of configure: the options of the knowledge file that this tree declares, with fields filled in."""
    declared = find_declared_options(tree)
    filled = {"{systemd}": str(places.work / PLACE), "{version}": spec.version}
    files = {each.option: str(places.work / each.place) for each in spec.settings if each.digest is not None}
    if spec.systemd:
        filled |= {"{systemd_version}": f"v{spec.systemd.number}", "{systemd_revision}": spec.systemd.revision.stamp}
    return tuple(
        f"--{name}={files.get(name) or _fill(value, filled)}"
        for name, value in spec.options.items()
        if name in declared or not is_optional(name)
    )


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _list_autogen(tree: Path) -> list[tuple[str, ...]]:
    if (tree / "autogen.sh").exists():
        return [("sh", "-c", "if [ -x ./autogen.sh ]; then ./autogen.sh; else sh ./autogen.sh; fi")]
    return [] if (tree / "configure").exists() else [("autoreconf", "--install", "--force")]


def _is_set_up(build: Path, tree: Path, key: str) -> bool:
    # The tree is one for all build directories, and a user's directory may be set up itself: the newest file counts.
    own, made = build / CONFIGURED, [tree / "Makefile", tree / "config.status"]
    if _read_text(own) != key or not all(path.exists() for path in made):
        return False
    others = (*made, *build.parent.glob(f"*/{CONFIGURED}"))
    return all(own.stat().st_mtime_ns >= other.stat().st_mtime_ns for other in others)


def _make_key(spec: BuildSpec, tree: Path, options: tuple[str, ...]) -> str:
    """Hash of all that decides what autogen and configure make."""
    total = hashlib.sha256(repr((options, spec.toolchain.identity if spec.toolchain else None)).encode())
    for path in _find_setup_files(tree):
        total.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _find_setup_files(tree: Path) -> Iterator[Path]:
    yield from (tree / name for name in SETUP if (tree / name).is_file())
    for path in sorted((*tree.rglob("*.am"), *tree.rglob("*.in"))):
        # Where there is an original for automake, the other one is made from it; autoheader makes config.h.in.
        made = path.name.endswith(".in") and (path.with_suffix(".am").exists() or path.name.endswith(".h.in"))
        if path.is_file() and not made and path.name not in SETUP:
            yield path


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _make_environment(places: BuildPaths) -> dict[str, str]:
    """Return the environment: the toolchain first on PATH, Go as it was before modules, and nothing from outside."""
    env = {
        # A configure that asks git what it is built from must not find a repository around the worktree.
        "GIT_CEILING_DIRECTORIES": str(places.work),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    if places.toolchain is None:
        return env
    return env | {
        "PATH": f"{places.toolchain / 'bin'}:{env['PATH']}",
        "GOROOT": str(places.toolchain),
        "GOCACHE": str(places.cache / "go"),
        "GO111MODULE": "off",
        "GOENV": "off",
        "GOFLAGS": "",
        "GOPROXY": "off",
        "GOTELEMETRY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "1",
    }
