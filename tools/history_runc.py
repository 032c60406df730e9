"""A git repository with real runc: Debian's source package with its patches, and the libraries that they are built with.

The first commit is the upstream tree of 1.1.5; each patch of the package is a commit, and eight of them are the
mending of CVE-2024-21626. As in upstream's own repository the libraries are in `vendor`; here they are Debian's.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import source, toolchain
from harness.catalog import Source
from harness.distros.debian.apt import open_apt, unpack_package
from harness.store import Store
from harness.wait import Deadline
from tests.helpers import builds
from tools import history
from tools.history import Commit

ORIGIN = Source(debian="runc", release="bookworm", unvendored=True)
VERSION = "1.1.5"
PACKAGE = "github.com/opencontainers/runc"
TAGS = "seccomp urfave_cli_no_docs netgo osusergo"

MENDED = "init: verify after chdir that cwd is inside the container"
"""Subject of the first patch since which nobody gets out by a working directory (CVE-2024-21626)."""

REQUIRED = re.compile(r"^\t([^/\s]\S*) (v\S+)", re.MULTILINE)
"""A module in go.mod."""

ESCAPE = """\
set -e
cd "$(mktemp -d)"
mkdir -p rootfs/bin
cp "$(command -v busybox)" rootfs/bin/busybox
echo this-is-the-host >/run/marker
runc spec
mv config.json first.json
for descriptor in 5 6 7 8 9; do
    sed -e 's,"terminal": true,"terminal": false,' -e "s,\\"cwd\\": \\"/\\",\\"cwd\\": \\"/proc/self/fd/$descriptor\\"," \\
        -e 's,"sh"$,"/bin/busybox"\\, "cat"\\, "../../../run/marker",' first.json >config.json
    if runc --log log run "escape-$descriptor" </dev/null 2>&1 | grep this-is-the-host; then
        exit 1
    fi
done
"""
"""Shell for the guest: a container reads a file of the host, as its working directory is one that runc forgot to close.

With a log, as container managers have it: the descriptor is overwritten otherwise before the container begins.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuncHistory:
    """A repository in which a mending is to be found.

    Attributes:
        path: The repository.
        before: Its first commit, which lets containers out.
        after: Its last one, which does not.
        fixed: The commit since which that is so.
    """

    path: Path
    before: str
    after: str
    fixed: str


def make(path: Path, store: Store, deadline: Deadline) -> RuncHistory:
    """Make the repository.

    Args:
        path: Directory to make it in; it must not exist.
        store: Where the source package and Go are kept.
        deadline: For fetching all that, a minute.
    """
    revision = source.resolve(ORIGIN, VERSION, store, deadline)
    tree = source.check_out(ORIGIN, revision, store, deadline).path
    wanted = tuple(name for name in revision.depends if re.fullmatch(r"golang-.*-dev", name))
    with tempfile.TemporaryDirectory() as scratch:
        vendored = dict(_vendored(tree, _libraries(wanted, Path(scratch), deadline), store, deadline))
    planned = [Commit(message="runc, as it is released\n", parents=(), files=vendored), *history.patched(tree)]
    names = history.written(path, tree, planned)
    (found,) = (number for number, commit in enumerate(planned) if commit.message == f"{MENDED}\n")
    return RuncHistory(path=path, before=names[0], after=names[-1], fixed=names[found])


def _libraries(names: tuple[str, ...], scratch: Path, deadline: Deadline) -> Path:
    """Debian's Go code: the packages with these names and the libraries that they need, in a GOPATH."""
    home, files, tree = (scratch / name for name in ("apt", "packages", "tree"))
    for place in (home, files, tree):
        place.mkdir()
    private = open_apt(ORIGIN.release or "", home, deadline)
    needed = private.list_missing(names, {}, deadline)
    libraries = {name: version for name, version in needed.items() if name.startswith("golang-")}
    for package in private.download(libraries, files, deadline):
        unpack_package(package, tree, deadline)
    return tree / "usr/share/gocode"


def _vendored(tree: Path, libraries: Path, store: Store, deadline: Deadline) -> Iterator[tuple[str, bytes]]:
    """Yield the directory `vendor`: of the libraries what runc imports, and the list of modules that Go wants there."""
    place = libraries / "src" / PACKAGE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tree)
    required = dict(REQUIRED.findall((tree / "go.mod").read_text(encoding="utf-8")))
    go = toolchain.obtain("go", builds.CATALOG.toolchains["go"], "1.27", store, deadline)
    env = {"GO111MODULE": "off", "GOPATH": str(libraries), "GOFLAGS": "", "CGO_ENABLED": "1", "GOTOOLCHAIN": "local"}
    listed = "{{if not .Standard}}{{.ImportPath}}{{end}}"
    argv = [str(go.goroot / "bin/go"), "list", "-deps", "-tags", TAGS, "-f", listed, PACKAGE]
    done = subprocess.run(argv, env=os.environ | env, check=True, stdout=subprocess.PIPE, text=True)
    imported = []
    for name in done.stdout.split():
        if f"{name}/".startswith(f"{PACKAGE}/"):
            continue
        imported.append(_with_major(name, required))
        for file in sorted((libraries / "src" / name).iterdir()):
            if file.is_file() and not file.name.endswith("_test.go"):
                yield f"vendor/{imported[-1]}/{file.name}", file.read_bytes()
    yield "vendor/modules.txt", _modules(required, imported).encode()


def _with_major(name: str, required: Mapping[str, str]) -> str:
    """Return an import path with the major version that go.mod has in it, and Debian's directories do not (`/v5`)."""
    for module in required:
        base, _, major = module.rpartition("/")
        if (
            re.fullmatch(r"v\d+", major)
            and f"{name}/".startswith(f"{base}/")
            and not f"{name}/".startswith(f"{module}/")
        ):
            return module + name.removeprefix(base)
    return name


def _modules(required: Mapping[str, str], imported: Iterable[str]) -> str:
    """Return the list of modules: those of go.mod with its versions, and others that the libraries import."""
    packages: dict[str, list[str]] = {name: [] for name in required}
    for name in imported:
        module = max((one for one in required if f"{name}/".startswith(f"{one}/")), key=len, default=None)
        packages.setdefault(module or "/".join(name.split("/")[:3]), []).append(name)
    lines = []
    for module, names in packages.items():
        lines += [f"# {module} {required.get(module, 'v0.0.0')}"]
        lines += ["## explicit; go 1.21"] if module in required else []
        lines += sorted(names)
    return "\n".join(lines) + "\n"
