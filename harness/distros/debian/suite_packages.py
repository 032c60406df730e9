"""Packages that suites and runtimes want in a guest besides those of its image: files that are copied into it once it runs.

So the image and the memories that were saved of its guests stay the same for all suites.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness import lookup, proc
from harness.distros.debian import apt
from harness.distros.debian.apt import find_archive
from harness.distros.protocol import VERSIONS, Image
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["KIND", "make_packages"]

KIND = "packages"

RECIPE = 1
"""Raised when the tree is made differently."""

AT = "@"
"""Between the name of a package and the release that it is taken from, where that is not the guest's."""

MERGED = ("bin", "lib", "lib64", "sbin")
"""Directories that are links into /usr (file-hierarchy(7)): unpacked as directories they would replace the links."""


def make_packages(
    release: str, disk: Image, names: tuple[str, ...], without: tuple[str, ...], store: Store, deadline: Deadline
) -> Artifact | None:
    """Return the files of packages and of what they depend on as a tree; see `Distro.make_packages`."""
    if not names:
        return None
    installed = dict(line.split(" ", 1) for line in disk.packages.read_text("utf-8").splitlines())
    question = {"archive": find_archive(deadline), "release": release, "image": disk.key, "packages": sorted(names)}
    own = tuple(name for name in names if AT not in name)

    def ask() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
            private = apt.open_apt(release, Path(scratch), deadline)
            return private.list_missing(own, installed, deadline) | _find_versions(set(names) - set(own), deadline)

    wanted: Mapping[str, str] = lookup.ask_remembered(store, "debian-packages", question, ask)

    def fill(files: Path) -> dict[str, Any]:
        _fill(files, release, wanted, without, deadline)
        return {"title": f"{' '.join(sorted(names))} of Debian {release}", VERSIONS: wanted}

    inputs = {"recipe": RECIPE, "release": release, "packages": wanted, "without": sorted(without)}
    return store.obtain(KIND, inputs, fill, deadline)


def _find_versions(names: Iterable[str], deadline: Deadline) -> dict[str, str]:
    """Return the versions of packages of other releases."""
    found = {}
    for spelled in names:
        name, _, release = spelled.partition(AT)
        with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
            found[spelled] = apt.open_apt(release, Path(scratch), deadline).find_packages([name], deadline)[0][
                "Version"
            ]
    return found


def _fill(files: Path, release: str, wanted: Mapping[str, str], without: tuple[str, ...], deadline: Deadline) -> None:
    with tempfile.TemporaryDirectory(dir=files.parent) as name:
        home, folder, tree = Path(name, "apt"), Path(name, "packages"), Path(name, "tree")
        for directory in (home, folder, tree):
            directory.mkdir()
        for source in sorted({name.partition(AT)[2] or release for name in wanted}):
            of_it = {
                name.partition(AT)[0]: version
                for name, version in wanted.items()
                if (name.partition(AT)[2] or release) == source
            }
            (home / source).mkdir()
            for package in apt.open_apt(source, home / source, deadline).download(of_it, folder, deadline):
                apt.unpack_package(package, tree, deadline)
        for merged in filter(Path.is_dir, [tree / name for name in MERGED]):
            (tree / "usr" / merged.name).mkdir(parents=True, exist_ok=True)
            proc.run(["cp", "-a", "--link", f"{merged}/.", str(tree / "usr" / merged.name)], deadline=deadline)
            shutil.rmtree(merged)
        for path in [path for path in tree.rglob("*") if not path.is_dir() or path.is_symlink()]:
            if any(fnmatchcase(f"/{path.relative_to(tree)}", pattern) for pattern in without):
                path.unlink()
        # Empty directories mean nothing here, and the one that is kept has the modes that the guest's have.
        for path in sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True):
            if not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
        files.rmdir()
        tree.rename(files)
