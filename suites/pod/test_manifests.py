"""Pods as appc's pod manifests say, and what is not said next to a manifest (rkt's TestPodManifest and TestRunConflictingFlags)."""

from collections.abc import Iterator
from typing import Any

import pytest

from suites.lib.engine import PodManifests
from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.runtime import ContainerRuntime
from suites.pod.test_volumes import MAKE, REMOVE

pytestmark = [pytest.mark.independent("manifests"), pytest.mark.needs(feature=Feature.POD_MANIFEST)]

EAT = "echo begun; dd if=/dev/zero of=/dev/null bs=48M count=1 2>/dev/null; echo status=$?"
"""It ends by itself where nothing limits it."""

CONTRADICTIONS = {
    "an image": ("{image}",),
    "a volume": ("--volume=other,kind=empty",),
    "a mount": ("--mount=volume=other,target=/mnt/a",),
    "a port": ("--port=http:8080",),
    "a variable": ("--set-env=A=b",),
    "all variables": ("--inherit-env",),
}


@pytest.fixture(scope="module")
def source(runtime: ContainerRuntime, guest: Guest) -> Iterator[str]:
    """A directory with another file system below it."""
    runtime.require(Feature.POD_MANIFEST)
    path = f"/run/{runtime.prefix}-manifest-volume"
    guest.do(MAKE, path)
    yield path
    guest.do(REMOVE, path)


def _run(runtime: ContainerRuntime, app: dict[str, Any], words: tuple[str, ...] = (), **pod: Any) -> Result:
    """Run a pod of one app, whose part `app` is complete but for the user; `mounts` are the app's, all else is the pod's."""
    engine, name = runtime.engine, f"{runtime.prefix}-manifest"
    assert isinstance(engine, PodManifests)
    image = engine.make_image(name, runtime.rootfs.make_tiny())
    one = {
        "name": "one", "image": {"id": image}, "app": {"user": "0", "group": "0", **app}, "mounts": pod.pop("mounts", []),
        "readOnlyRootFS": pod.pop("read_only", False),
    }  # fmt: skip
    manifest = {
        "acVersion": "0.8.11",
        "acKind": "PodManifest",
        "apps": [one],
        "volumes": [],
        "isolators": [],
        "annotations": [],
        **pod,
    }
    runtime.dirty = True
    return engine.run_manifest(name, manifest, tuple(word.replace("{image}", image) for word in words))


def test_app_of_a_manifest_is_what_it_says(runtime: ContainerRuntime) -> None:
    """Process, user, variables and place are the manifest's, and none of the image's; the status is the app's."""
    app = {
        "exec": ["/bin/sh", "-c", "id -u; id -g; pwd; echo $GREETING; exit 5"], "user": "1000", "group": "2001", "workingDirectory": "/srv",
        "environment": [{"name": "GREETING", "value": "hello there"}],
    }  # fmt: skip
    ended = _run(runtime, app)

    assert (ended.code, ended.out.splitlines()) == (5, ["1000", "2001", "/srv", "hello there"])


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("limit", "end"), [("128Mi", "alive"), ("24Mi", "killed")])
def test_isolator_of_a_manifest_is_in_force(runtime: ContainerRuntime, limit: str, end: str) -> None:
    """An app that wants 48 MiB lives below the manifest's limit of 128 Mi, and is killed at one of 24."""
    isolators = [{"name": "resource/memory", "value": {"limit": limit}}]
    ended = _run(runtime, {"exec": ["/bin/sh", "-c", EAT], "isolators": isolators})

    assert ("begun" in ended.out, "status=0" in ended.out) == (True, end == "alive")


def test_volumes_of_a_manifest(runtime: ContainerRuntime, guest: Guest, source: str) -> None:
    """In a root that is read-only one volume takes writes, and one takes none, nor does what is below (rkt's TestVolumeMount)."""
    script = (
        "echo written >/mnt/a/by-manifest; cat /mnt/b/sub/inner /mnt/a/old; ls /mnt/a/sub; "
        "for path in /srv /mnt/b /mnt/b/sub; do echo x >$path/refused; done"
    )
    ended = _run(
        runtime, {"exec": ["/bin/sh", "-c", script]}, read_only=True,
        mounts=[{"volume": "one", "path": "/mnt/a"}, {"volume": "all", "path": "/mnt/b"}],
        volumes=[
            {"name": "one", "kind": "host", "source": source, "recursive": False},
            {"name": "all", "kind": "host", "source": source, "readOnly": True, "recursive": True},
        ],
    )  # fmt: skip

    assert ended.out.splitlines()[:2] == ["inner", "old"]
    assert ended.out.count("Read-only file system") == 3
    assert guest.read(f"{source}/by-manifest")[f"{source}/by-manifest"] == "written\n"
    assert guest.sh('[ -e "$1/sub/refused" ] || [ -e "$1/refused" ]', source).code != 0


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_what_contradicts_a_manifest_is_refused(runtime: ContainerRuntime, what: str) -> None:
    """A pod that is both by a manifest and by the command line does not start, and is not left."""
    ended = _run(runtime, {"exec": ["/bin/echo", "started"]}, CONTRADICTIONS[what])

    assert (ended.code, ended.out) == (254, "")
    assert "conflicting flags set with --pod-manifest" in ended.err
