"""Recipe `go`: one statically linked executable from a tree of Go code.

Static, because the executable is built once and runs on guests from glibc 2.31 to the newest. Where the
dependencies are not in the tree (`unvendored`), they are Debian's golang-*-dev packages, and Go finds
them and the tree itself by GOPATH; elsewhere they are in the tree's `vendor` directory.
"""

import re
from pathlib import Path, PurePosixPath

from harness.build.spec import BuildCommand, BuildPaths, BuildSpec
from harness.errors import ConfigError
from harness.model import compare_versions

__all__ = [
    "INCREMENTAL", "IN_SOURCE", "REVISION", "choose_source_path", "choose_tree_path", "finish", "list_packages",
    "make_commands", "make_go_environment",
]  # fmt: skip

REVISION = 1
INCREMENTAL = False
IN_SOURCE = False

STATIC_TAGS = ("netgo", "osusergo")
"""Go's own resolver and user database instead of the C library's, which load plugins and cannot be static."""

FLAGS = {"-trimpath": "1.13", "-buildvcs=false": "1.18"}
"""The release of Go that first knew a flag (its release notes); an older one refuses it."""

DEBIAN_GOPATH = PurePosixPath("/usr/share/gocode")
"""Where golang-*-dev packages put their code."""

LIBRARY = re.compile(r"golang-.*-dev\Z")


def list_packages(spec: BuildSpec) -> tuple[str, ...]:
    """Return the Go libraries that Debian's maintainer builds the package with; Debian's own Go is not wanted."""
    if not spec.source.unvendored:
        return ()
    return tuple(name for name in spec.revision.depends if LIBRARY.match(name))


def choose_source_path(spec: BuildSpec) -> PurePosixPath:
    """Return the import path below a GOPATH, or any directory for a module."""
    if spec.source.unvendored:
        return PurePosixPath("gopath/src", spec.rules.package)
    return PurePosixPath("source")


def choose_tree_path(spec: BuildSpec) -> PurePosixPath:
    """Return the place of a build."""
    return choose_source_path(spec)


def make_go_environment(spec: BuildSpec, places: BuildPaths) -> dict[str, str]:
    """Return the environment of a build; Go finds out by itself that there is a directory `vendor`."""
    return _make_environment(spec, places) | {"GOFLAGS": "", "PATH": f"{places.toolchain}/bin:/usr/bin:/bin"}


def make_commands(spec: BuildSpec, places: BuildPaths) -> tuple[BuildCommand, ...]:
    """Return a single `go build`."""
    if places.toolchain is None:
        raise ConfigError(f"The recipe of {spec.name} is `go`, so its cells need a version of Go.")
    root = places.work / choose_source_path(spec)
    go = places.toolchain / "bin" / "go"
    build = (
        str(go), "build", *_list_known_flags(spec),
        "-tags", " ".join((*spec.rules.tags, *STATIC_TAGS)),
        "-ldflags", _make_linker_flags(spec),
        "-o", str(places.output / spec.rules.output), *(spec.rules.targets or (".",)),
    )  # fmt: skip
    return (BuildCommand(argv=build, cwd=root, env=_make_environment(spec, places)),)


def finish(spec: BuildSpec, files: Path) -> dict[str, str]:  # noqa: ARG001 - as all recipes
    """Return nothing: the executable is as it was linked."""
    return {}


def _make_environment(spec: BuildSpec, places: BuildPaths) -> dict[str, str]:
    if spec.source.unvendored:
        mode = {"GO111MODULE": "off", "GOPATH": f"{places.work / 'gopath'}:{DEBIAN_GOPATH}", "GOFLAGS": ""}
    else:
        # Files that are named are in no module; Go 1.19 panics where it looks for their vendor directory.
        flags = "" if spec.rules.targets else "-mod=vendor"
        mode = {"GO111MODULE": "on", "GOPATH": str(places.scratch / "gopath"), "GOFLAGS": flags}
    return mode | {
        "GOROOT": str(places.toolchain),
        "GOCACHE": str(places.cache / "go"),
        "GOENV": "off",
        # No other version of Go, no module and no telemetry from the network.
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOTELEMETRY": "off",
        "CGO_ENABLED": "1",
    }


def _list_known_flags(spec: BuildSpec) -> list[str]:
    """Return the flags that make an executable of equal source equal, of those that the toolchain knows."""
    version = spec.toolchain.version if spec.toolchain else ""
    return [flag for flag, since in FLAGS.items() if compare_versions(version, ">=", since)]


def _make_linker_flags(spec: BuildSpec) -> str:
    # The two variables are those that runc's own Makefile sets; the linker ignores them where a program has none.
    return f"-s -w -extldflags -static -X main.version={_quote(spec.version)} -X main.gitCommit={_quote(spec.revision.stamp)}"


def _quote(text: str) -> str:
    """Replace what could become a second flag."""
    return re.sub(r"[^A-Za-z0-9.+~_:-]", "_", text)
