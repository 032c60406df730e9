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

ASK = "crun --version; stat -f -c %T /sys/fs/cgroup"


def connect(guest: Guest) -> oci.OciEngine:
    """Return the engine, in this guest."""
    return oci.OciEngine(guest, "crun", LACKS, below=find_below(guest.do(ASK)))


def find_below(text: str) -> str:
    """Return the cgroup below the scope: on v2, and since crun 1.7 on v1 (crun#1012), where no annotation says otherwise."""
    version = re.search(r"crun version ([0-9]+)\.([0-9]+)", text)
    since = version is not None and (int(version[1]), int(version[2])) >= (1, 7)
    return "/container" if since or text.rsplit(maxsplit=1)[-1] == "cgroup2fs" else ""
