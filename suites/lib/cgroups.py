"""What the guest's cgroup tree looks like: which hierarchy is mounted where, and where processes are in it.

A hierarchy is named as in /proc/PID/cgroup: by each of its controllers ("memory", "cpu"), by its name
("name=systemd"), and the v2 tree by the word "unified".
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["UNIFIED", "Hierarchies", "parse_places"]

ROOT = "/sys/fs/cgroup"
UNIFIED = "unified"
NOT_CONTROLLERS = frozenset({"rw", "ro", "xattr", "clone_children", "noprefix", "nsdelegate", "memory_recursiveprot"})
"""Super options of a cgroup mount that are no controllers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchies:
    """The hierarchies that are mounted in the guest.

    Attributes:
        points: Mount point by hierarchy: "memory", "name=systemd", "unified".
        controllers: Controllers of the v2 tree, as its root lists them.
        root: Type of the file system at /sys/fs/cgroup.
    """

    points: Mapping[str, str]
    controllers: frozenset[str]
    root: str

    @classmethod
    def parse(cls, mountinfo: str, controllers: str) -> "Hierarchies":
        """Read /proc/PID/mountinfo (proc_pid_mountinfo(5)) and a cgroup.controllers."""
        points: dict[str, str] = {}
        root = ""
        for line in mountinfo.splitlines():
            before, _, after = line.partition(" - ")
            point = before.split()[4]
            kind, _, options = after.split()[:3]
            if point == ROOT:
                root = kind
            if kind == "cgroup2":
                points.setdefault(UNIFIED, point)
            elif kind == "cgroup":
                for word in options.split(","):
                    if word not in NOT_CONTROLLERS and not word.startswith("release_agent="):
                        points.setdefault(word, point)
        return cls(points=points, controllers=frozenset(controllers.split()), root=root)

    @property
    def mode(self) -> str:
        """The mode that these mounts are: systemd's word legacy, hybrid or unified; "mixed" for none of them."""
        v1 = "name=systemd" in self.points
        match self.root, v1, self.points.get(UNIFIED):
            case "cgroup2", False, point if point == ROOT:
                return "unified"
            case "tmpfs", True, None:
                return "legacy"
            case "tmpfs", True, point if point == f"{ROOT}/unified":
                return "hybrid"
        return "mixed"

    @property
    def main(self) -> str:
        """The hierarchy in which systemd keeps its units: name=systemd on v1, else the v2 tree."""
        return "name=systemd" if "name=systemd" in self.points else UNIFIED

    def find_hierarchy(self, controller: str) -> str:
        """Return the hierarchy that governs a controller: itself on v1, "unified" where the v2 tree has it.

        Raises:
            LookupError: There is none in this mode.
        """
        if controller in self.points:
            return controller
        if self.mode == "unified" and not controller.startswith("name="):
            return UNIFIED
        raise LookupError(f"No hierarchy `{controller}` is mounted; there are {', '.join(sorted(self.points))}.")

    def get_directory(self, controller: str, path: str) -> str:
        """Return the directory of a cgroup in the hierarchy that governs a controller."""
        return self.points[self.find_hierarchy(controller)] + path.rstrip("/")


def parse_places(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup (cgroups(7)): path by hierarchy, the v2 tree as "unified"."""
    places: dict[str, str] = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(",") if names else [UNIFIED]:
            places[name] = path
    return places
