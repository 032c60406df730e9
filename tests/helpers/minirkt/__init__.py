"""minirkt, the test double of rkt: a small runtime that is copied into a guest in rkt's place.

It is for tests of what drives rkt: the adapter and the suites. No result of it is one of rkt's; its version, which
every result has among the facts of its cell, says so. It is rkt as it was found, of which the facts are, unless it is
repaired: all of it, or by words of `REPAIRS` in `common.sh`.
"""

from pathlib import Path

from harness.catalog import Catalog
from harness.machine import Machine
from harness.wait import Deadline

__all__ = ["DOUBLE", "FOUND", "REPAIRED", "TREE", "catalog_with_it", "install"]

TREE = Path(__file__).parent / "tree"
"""What is copied to the guest's root."""

DOUBLE = "minirkt (test double)"
"""What its version says."""


FOUND = "1.25.0"
"""rkt as it was found, in the release that was read."""

REPAIRED = "1.30.0 all"
"""The last release, with all that newer systemds broke repaired."""


def install(guest: Machine, deadline: Deadline, kind: str = FOUND) -> None:
    """Put it into a guest, which then has a command `rkt`; `kind` is a release and what of it is repaired."""
    guest.copy_in(TREE, "/", deadline=deadline)
    guest.run(f"echo {kind} >/usr/lib/minirkt/kind", deadline=deadline)


def catalog_with_it(root: Path, knowledge: Path, kind: str = FOUND) -> Catalog:
    """Return the project's catalog, but `rkt` is the double.

    Args:
        root: The project.
        knowledge: Directory that is made for it.
        kind: A release and what of it is repaired.
    """
    here = Path(__file__).parent
    (knowledge / "runtimes").mkdir(parents=True)
    for name in ("toolchains", "systemd.yaml"):
        (knowledge / name).symlink_to(root / "harness" / name)
    for path in (root / "harness" / "runtimes").glob("*.yaml"):
        (knowledge / "runtimes" / path.name).symlink_to(path)
    (knowledge / "runtimes" / "rkt.yaml").unlink(missing_ok=True)
    text = (here / "rkt.yaml").read_text(encoding="utf-8")
    text = text.replace(f'KIND: "{FOUND}"', f'KIND: "{kind}"')
    source = f"  sources: [{{directory: {str(here)!r}}}]\n"
    (knowledge / "runtimes" / "rkt.yaml").write_text(text + source, encoding="utf-8")
    return Catalog(root=root, knowledge=knowledge)
