"""crun, which takes runc's command line."""

import re

from suites.lib import oci
from suites.lib.features import Feature
from suites.lib.guest import Guest

__all__ = ["LACKS", "connect"]

LACKS = {
    **oci.LACKS,
    Feature.PAYLOAD: "crun's cgroup below the scope is called `container`",
    Feature.SOCKET_VARIABLES: "crun passes sockets and LISTEN_PID, and leaves LISTEN_FDS to the bundle (crun#721)",
}

RDMA = {Feature.RDMA_REMOVED: "crun 0.17 joins this controller without knowing it, and leaves its directory there"}

ASK = "crun --version; stat -f -c %T /sys/fs/cgroup"


def connect(guest: Guest, _flavor: str | None = None, /) -> oci.OciEngine:
    """Return the engine, in this guest."""
    said = guest.do(ASK)
    version, tree = parse_version(said), said.rsplit(maxsplit=1)[-1]
    # Since crun#1012 the cgroup below the scope is there on v1, too, where no annotation says otherwise.
    below = "/container" if version >= (1, 7) or tree == "cgroup2fs" else ""
    return oci.OciEngine(guest, "crun", LACKS | (RDMA if version < (1,) else {}), below=below)


def parse_version(text: str) -> tuple[int, ...]:
    """Return the version in what `crun --version` says; raises ValueError where there is none."""
    found = re.search(r"crun version ([0-9]+)\.([0-9]+)", text)
    if found is None:
        raise ValueError(f"crun does not say its version: {text!r}")
    return tuple(map(int, found.groups()))
