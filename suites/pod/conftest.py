"""Fixtures of the suite pod: one confined container that most cases only look at, and what a runtime lacks."""

from collections.abc import Iterator
from typing import Any

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

PROBE = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
write() { echo "$1" >"$2"; }
exec >/tmp/probe
echo "cwd $(pwd)"
echo "greeting $GREETING"
echo "files $(ulimit -Sn) $(ulimit -Hn)"
read -r value </proc/self/oom_score_adj; echo "oom $value"
read -r value </proc/sys/kernel/hostname; echo "hostname $value"
read -r value </etc/hosts; echo "hosts $value"
while read -r key value; do case $key in Cap* | NoNew*) echo "$key $value" ;; esac; done </proc/self/status
: >/tmp/file
try chown chown 1000 /tmp/file
try fowner chmod 0600 /mnt/a/theirs
try mknod mknod /dev/harness c 1 3
try disk head -c 1 $DISK
mkdir /tmp/many && (cd /tmp/many && try few tee $(seq 60) </dev/null && try many tee $(seq 90) </dev/null)
try root write x /srv/new
try path write x /mnt/c/new
try proc_sys write harness /proc/sys/kernel/hostname
try sysrq write h /proc/sysrq-trigger
try sys write change /sys/devices/virtual/mem/null/uevent
value=; read -r value </srv/secret; echo "secret $value"
echo "masked" /srv/masked/*
[ ! -c /proc/kcore ] || echo "kcore null"
mv /tmp/probe /tmp/probed
while :; do sleep 3600 & wait; done
"""
"""What the first process of the shared container finds and tries; then it collects orphans."""

CAPABILITIES = ("CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID")
"""The capabilities of the shared container: no CAP_CHOWN, no CAP_MKNOD."""

HOSTNAME = "other.example"
MACHINE_ID = "0123456789abcdef0123456789abcdef"


FEATURES = {
    "masked": Feature.MASKED_PATHS, "read_only_paths": Feature.READ_ONLY_PATHS, "open_files": Feature.OPEN_FILES,
    "machine_id": Feature.MACHINE_ID,
}  # fmt: skip
"""What a runtime lacks that has no word for an option."""


def choose_offered(runtime: ContainerRuntime, **options: Any) -> Any:
    """Return the options for which the runtime has a word; cases about the others ask for the feature."""
    return {name: value for name, value in options.items() if FEATURES.get(name) not in runtime.engine.lacks}


@pytest.fixture(scope="session")
def confined(runtime: ContainerRuntime, guest: Guest, disk: str) -> Iterator[Container]:
    """A container with few rights, which has tried out what it may do, and sleeps."""
    path = f"/run/{runtime.prefix}-confined"
    script = (
        'mkdir -p "$1/theirs" && echo "192.0.2.1 harness" >"$1/hosts" && : >"$1/theirs/theirs"; chown 1000 "$1"/*/*'
    )
    guest.do(script, path)
    mounts = (
        Mount(source=f"{path}/theirs", target="/mnt/a"),
        Mount(source=f"{path}/hosts", target="/etc/hosts", read_only=True),
    )
    with runtime.start(
        "sh", "-c", PROBE,
        first=True, read_only=False, mounts=mounts, capabilities=CAPABILITIES, devices=(disk,), hostname=HOSTNAME,
        working_directory="/srv", oom_score_adj=321, environment={"GREETING": r"two  words\tand $HOME", "DISK": runtime.get_device_path(disk)},
        **choose_offered(runtime, masked=("/srv/masked", "/srv/secret"), read_only_paths=("/mnt/c",), machine_id=MACHINE_ID, open_files=77),
    ) as container:  # fmt: skip
        probed = f"/proc/{container.pid}/root/tmp/probed"
        assert guest.wait('[ -e "$1" ]', probed), "the container's first process did not work"
        yield container
    guest.do('rm -rf "$1"', path)


@pytest.fixture(scope="session")
def probe(confined: Container, guest: Guest) -> dict[str, str]:
    """What the first process of `confined` found: the words of `PROBE` with their answers."""
    path = f"/proc/{confined.pid}/root/tmp/probed"
    pairs = (line.partition(" ") for line in guest.read(path)[path].splitlines())
    return {key.rstrip(":"): value for key, _, value in pairs}
