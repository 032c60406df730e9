"""Stores with small artifacts, in this process and in others.

As a script, `python tests/helpers/stores.py VERB ROOT NAME SECONDS`, it is another process that uses a store.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import proc, store
from harness.proc import Running
from harness.store import Artifact, Pruned, Store, Verified, make_key
from harness.wait import Deadline

KIND = "thing"
MADE = "made"
"""File in a store's root with the names of what its processes began to make."""


def fill(files: Path, name: str, size: int = 0) -> dict[str, str]:
    """Fill an artifact with a file in a directory, an executable one, a link and an empty directory."""
    (files / "sub").mkdir()
    (files / "sub" / "text").write_text(name)
    (files / "tool").write_bytes(bytes(size))
    (files / "tool").chmod(0o755)
    (files / "link").symlink_to("sub/text")
    (files / "empty").mkdir()
    return {"title": f"the thing {name}"}


def put(root: Path, name: str, deadline: Deadline | None = None, *, size: int = 0) -> Artifact:
    """Use an artifact as a process does that ends afterwards."""
    limit = deadline or Deadline.after(30, "build")
    return Store(root).obtain(KIND, {"name": name}, lambda files: fill(files, name, size), limit)


def put_three(root: Path) -> Path:
    """Put artifacts small, middle and large of about 400, 800 and 1200 KiB into a store in this order; return its root."""
    for number, name in enumerate(("small", "middle", "large"), start=1):
        put(root, name, size=number * 400 * 1024)
    return root


def key(name: str) -> str:
    """Return the key of the artifact of a name."""
    return make_key(KIND, {"name": name})


def content(artifact: Artifact) -> str:
    """Return what an artifact of `fill` says, through its link."""
    return (artifact.path / "link").read_text()


def homes(root: Path) -> list[Path]:
    """Directories of artifacts, whole and half made."""
    return sorted(path for path in root.glob("*/*") if path.is_dir())


def names(root: Path) -> set[str]:
    """Names of the artifacts in a store, for those that `fill` made."""
    return {item.title.rpartition(" ")[2] for item in store.list_artifacts(Store(root))}


def prune(root: Path, keep: int = 0) -> Pruned:
    """Prune as another process would."""
    return store.prune(Store(root), keep, Deadline.after(30, "pruning"))


def verify(root: Path) -> Verified:
    """Verify as another process would."""
    return store.verify(Store(root), Deadline.after(30, "verification"))


def made(root: Path) -> list[str]:
    """Names of what processes began to make, in this order."""
    path = root / MADE
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def process(verb: str, root: Path, name: str, seconds: float) -> Iterator[Running]:
    """Another process: `build` takes so long to make the artifact; `use` has it so long; `loop` gets it all the time."""
    argv = [sys.executable, __file__, verb, str(root), name, str(seconds)]
    output = root.with_name(f"{root.name}-output")
    with output.open("ab") as file, proc.start(argv, output=file) as running:
        yield running


def _main(verb: str, place: str, name: str, seconds: str) -> None:
    root, limit = Path(place), Deadline.after(120, "test")

    def make(files: Path) -> dict[str, str]:
        with (root / MADE).open("a") as file:
            file.write(f"{name}\n")
        if verb == "build":
            limit.pause(float(seconds))
        return fill(files, name)

    end = Deadline.after(float(seconds), "loop")
    while True:
        user = Store(root)
        artifact = user.obtain(KIND, {"name": name}, make, limit)
        if verb == "use":
            (root / f"{name}.used").touch()
            limit.pause(float(seconds))
        assert name == content(artifact), "what was got is not there"
        if verb != "loop" or not end.remaining:
            break


if __name__ == "__main__":
    _main(*sys.argv[1:])
