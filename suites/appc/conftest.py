"""Fixtures of the suite appc: images, and one app that says what it was given."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from suites.lib.appc import ImageRunner, Images, make_manifest, plan_execution
from suites.lib.guest import Guest, Result
from suites.lib.rights import LacksError
from suites.lib.runtime import ContainerRuntime

PROBE = r"""
while read -r _ point kind _; do echo "mount $point $kind"; done </proc/self/mounts
for device in null zero full random urandom tty console; do [ ! -c /dev/$device ] || echo "device $device"; done
[ ! -e /dev/ptmx ] || echo "device ptmx"
echo "user $(id -u) $(id -g)"
echo "groups $(id -G)"
echo "cwd $(pwd)"
echo "PATH $PATH"
echo "AC_APP_NAME $AC_APP_NAME"
echo "container $container"
echo "GREETING $GREETING"
while read -r key value; do case $key in Cap* | NoNew*) echo "$key $value" ;; esac; done </proc/self/status
chmod 0600 /tmp 2>/dev/null && echo "chmod yes" || echo "chmod no"
read -r value </proc/self/oom_score_adj; echo "oom $value"
(cat /data/in/file; echo new >/data/in/new; echo new >/data/out/new) 2>/dev/null
cat /left 2>/dev/null
echo left >/left
exit 7
"""
"""What the app of the main image finds, one word and its value in a line."""


@pytest.fixture(scope="session")
def images(guest: Guest, runtime: ContainerRuntime) -> Iterator[Images]:
    """Images in a directory of the guest, which is removed in the end."""
    directory = f"/run/{runtime.prefix}-appc"
    guest.do('mkdir -p "$1"', directory)
    yield Images(guest, directory, runtime.rootfs.make_tiny())
    guest.do('rm -rf "$1"', directory)


class Executor:
    """Runs images with the runtime under test: one that knows them does it itself."""

    def __init__(self, guest: Guest, runtime: ContainerRuntime, images: Images) -> None:
        self.guest = guest
        self.runtime = runtime
        self.images = images

    def run(
        self, name: str, app: Mapping[str, Any], volumes: Mapping[str, str] | None = None, *, registered: bool = False
    ) -> Result:
        """Build an image with an app, and run it as its manifest says; skip where the runtime lacks what it asks for."""
        manifest = make_manifest(f"example.com/{name}", app)
        built = self.images.build(name, manifest, layout="apps")
        assert built.code == 0, built.err
        return self.repeat(name, volumes, registered=registered)

    @contextmanager
    def serve_metadata(self) -> Iterator[None]:
        """Rkt's metadata service runs in the guest; skip where this rkt has none."""
        if self.guest.sh("rkt metadata-service --help").code != 0:
            pytest.skip("needs a metadata service, for which this rkt has no command")
        unit = f"{self.runtime.prefix}-metadata"
        self.guest.do('systemd-run --quiet --collect --unit="$1" -- rkt metadata-service', unit)
        try:
            assert self.guest.wait("[ -S /run/rkt/metadata-svc.sock ]"), "the metadata service did not come up"
            yield
        finally:
            self.guest.sh('systemctl stop "$1"', unit)

    def repeat(self, name: str, volumes: Mapping[str, str] | None = None, *, registered: bool = False) -> Result:
        """Run an image that was built before; `registered` means something to runtimes that run images only."""
        path, engine = self.images.get_path(name), self.runtime.engine
        if isinstance(engine, ImageRunner):
            self.runtime.dirty = True
            return engine.run_image(f"{self.runtime.prefix}-image", path, volumes or {}, registered=registered)
        root = f"{self.images.unpack(path)}/rootfs"
        try:
            argv, options = plan_execution(self.guest, root, self.images.read_manifest(path), volumes or {})
        except LacksError as error:
            pytest.skip(f"needs {error}, which {self.runtime.name} knows nothing of")
        return self.runtime.run(*argv, **options)


@pytest.fixture(scope="session")
def executor(guest: Guest, runtime: ContainerRuntime, images: Images) -> Executor:
    """What runs images."""
    return Executor(guest, runtime, images)


@pytest.fixture(scope="session")
def probed(guest: Guest, executor: Executor) -> Result:
    """The end of the main image's app, with all that it said."""
    volumes = {name: f"{executor.images.directory}/{name}" for name in ("incoming", "outgoing")}
    guest.do('mkdir -p "$1" "$2" && echo "data here" >"$1/file"', *volumes.values())
    return executor.run(
        "main",
        {
            "exec": ["/bin/sh", "-c", PROBE],
            "supplementaryGIDs": [4001, 4002],
            "workingDirectory": "/srv",
            "environment": [{"name": "GREETING", "value": "two  words\\tand $HOME"}],
            "mountPoints": [
                {"name": "incoming", "path": "/data/in", "readOnly": True},
                {"name": "outgoing", "path": "/data/out"},
            ],
            "isolators": [
                {"name": "os/linux/seccomp-remove-set", "value": {"set": ["chmod", "fchmodat"], "errno": "EPERM"}},
                {"name": "os/linux/capabilities-remove-set", "value": {"set": ["CAP_MKNOD", "CAP_SYS_ADMIN"]}},
                {"name": "os/linux/oom-score-adj", "value": 123},
            ],
        },
        volumes,
    )


@pytest.fixture(scope="session")
def said(probed: Result) -> dict[str, list[str]]:
    """What the main image's app said: values by word."""
    words: dict[str, list[str]] = {}
    for line in probed.out.splitlines():
        word, _, value = line.partition(" ")
        words.setdefault(word.rstrip(":"), []).append(value.strip())
    return words
