"""rkt: pods whose apps are units of a systemd of their own, each an image with a file system of its own.

A container of the suites is a pod of one app. As rkt has no daemon, a pod that is to outlive its command is a
transient service; rkt is no main process there, so that machined gives the pod a scope as it does for a pod from a
terminal. Besides what the protocol asks for, the engine has rkt's commands, each as a function.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.rights import LacksError
from suites.lib.runtime_networks import NetworkStatus
from suites.lib.spec import Spec
from suites.runtimes.rkt import images, nets, specs
from suites.runtimes.rkt.command import (
    PodSpec,
    RuntimeApp,
    Volume,
    format_prepare,
    format_run,
    format_run_prepared,
)
from suites.runtimes.rkt.images import Aci, Isolators
from suites.runtimes.rkt.pods import PodCgroup, Status, parse_list, parse_status, parse_status_text
from suites.runtimes.rkt.scripts import CONFIGURE, DATA, ENDED, FILES, FIRST, INSIDE, NAMES, RUN, START, STOP
from suites.runtimes.rkt.versions import Version, has, parse_version, require, require_oldest, spell

__all__ = ["DATA", "Rkt", "connect"]

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

START_SECONDS = 80
"""How long a pod may take to start; seen were 50 s in an emulated guest of a busy computer. A stage1 whose systemd freezes, as
255 and later do in rkt's, never says anything."""

AGAIN_SECONDS = 30
"""The same after a pod that did not start in time, until one starts: what froze once freezes in each case."""

RUN_SECONDS = 30
"""How much longer a pod may take that is run to its end; those of the cases end by themselves."""

TIMEOUT = "Failed with result 'timeout'"
"""What a service manager says of a start that took too long."""

LATE = "the pod did not end within"
"""What `RUN` says of a pod that was given up."""

NETNS = re.compile(r"cni-" + UUID.pattern)
"""What CNI's library calls a network namespace: by random numbers, and none of them is the pod's."""

LINE = re.compile(r"^\[ *\d+\.\d+\] \S+\[\d+\]: ", re.MULTILINE)
"""What journald puts before each line that it forwards to a pod's console: time, app, process."""


class Rkt:
    """rkt's command line."""

    name = "rkt"
    parent = "/machine.slice"
    service = "rkt"
    devices = specs.DEVICES
    traces = (
        *(f"{DATA}/pods/{place}" for place in ("embryo", "prepare", "prepared", "run", "exited-garbage", "garbage")),
        "/run/netns", "/run/systemd/machines", "/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export",
    )  # fmt: skip

    def __init__(self, guest: Guest, version: Version) -> None:
        self.guest = guest
        self.version = version
        self.images: dict[tuple[str, Isolators, str], str] = {}
        """Ids of the images that were made of trees, by what they were made of."""
        self.uuids: dict[str, str] = {}
        """UUIDs of the pods that were started, by the container's name."""
        self.namespaces: dict[str, str] = {}
        """UUIDs of pods by the names of their network namespaces."""
        self.pods: dict[str, tuple[PodCgroup, str]] = {}
        """Where pods are, and their apps below their scopes, by the container's name."""
        self.seconds = START_SECONDS
        """How long the next pod may take to start."""

    # What rkt's commands are, as functions.

    def rkt(self, *words: str) -> str:
        """Run a command of rkt, and return its standard output."""
        return self.guest.do('rkt "$@" </dev/null', *words)

    def trust(self, key: str, prefix: str = "") -> str:
        """Trust a public key for images whose names begin so, or for all; what rkt says of it."""
        which = f"--prefix={prefix}" if prefix else "--root"
        return self.rkt("trust", which, "--skip-fingerprint-review", key)

    def fetch(self, path: str, *, signed: bool = False) -> str:
        """Put an image file into rkt's store; its id."""
        return self.rkt(*_allow_insecure(signed=signed), "fetch", path).split()[-1]

    def prepare(self, pod: PodSpec) -> str:
        """Prepare a pod, and return its UUID; raises LacksError for what is said when it is run."""
        return self.rkt(*_allow_insecure(), "prepare", "--quiet", *format_prepare(self.version, pod)).split()[-1]

    def run_command(self, pod: PodSpec, *, config: str = "") -> tuple[str, ...]:
        """Return the command line that prepares and runs a pod in the foreground; `config` stands for /etc/rkt."""
        local = (f"--local-config={config}",) if config else ()
        return ("rkt", *local, *_allow_insecure(), "run", *format_run(self.version, pod))

    def run_prepared_command(self, uuid: str, pod: PodSpec) -> tuple[str, ...]:
        """Return the command line that runs a prepared pod in the foreground, with what of it is said only then."""
        return ("rkt", "run-prepared", *format_run_prepared(self.version, pod), uuid)

    def enter(self, uuid: str, *argv: str, app: str = "") -> Result:
        """Run a command in an app's file system and the pod's namespaces."""
        words = (*((f"--app={app}",) if app else ()), uuid, *argv)
        return self.guest.sh('rkt enter "$@" </dev/null', *words)

    def status(self, uuid: str, *, wait: float | None = None, ready: float | None = None) -> Status:
        """Return a pod's status; wait so many seconds until it has ended, or until it is ready."""
        words = [] if wait is None else [f"--wait={wait:g}s"]
        words += [] if ready is None else [f"{spell(self.version, 'wait until ready')}={ready:g}s"]
        text = self.rkt("status", *words, uuid)
        if not has(self.version, "json"):
            return parse_status_text(uuid, text)
        told = parse_status(self.rkt("status", "--format=json", uuid))
        # Not every release has the apps' exit statuses and the process in the JSON form; the text has them.
        old = parse_status_text(uuid, text)
        return Status(
            uuid=told.uuid, state=told.state, apps=told.apps, networks=told.networks, started=told.started,
            codes={**old.codes, **told.codes}, pid=told.pid if told.pid is not None else old.pid,
        )  # fmt: skip

    def list(self) -> tuple[Status, ...]:
        """Return all pods that rkt knows."""
        return parse_list(self.rkt("list", spell(self.version, "json")))

    def rm(self, *uuids: str) -> str:
        """Remove pods that have ended; what rkt says."""
        return self.rkt("rm", *uuids)

    def gc(self, *, grace: str = "0s", mark_only: bool = False) -> str:
        """Collect the garbage that is older than `grace`, or only mark what has ended; what rkt says on both streams.

        Which pod it moves it says on standard error, which it collects on standard output (rkt/gc.go).
        """
        mark = (spell(self.version, "mark only"),) if mark_only else ()
        return self.guest.do('rkt "$@" </dev/null 2>&1', "gc", f"--grace-period={grace}", *mark)

    def status_by_file(self, path: str) -> Status:
        """Return the status of the pod whose UUID is in a file of the guest, which not every release reads itself."""
        uuid = self.guest.do('cat "$1"', path).strip()
        if has(self.version, "status by file"):
            said = self.rkt("status", f"{spell(self.version, 'status by file')}={path}")
            return parse_status_text(uuid, said)
        return self.status(uuid)

    def cat_manifest(self, uuid: str) -> dict[str, Any]:
        """Return a pod's manifest."""
        content: dict[str, Any] = json.loads(self.rkt("cat-manifest", uuid))
        return content

    def read_place(self, name: str) -> PodCgroup:
        """Return where the pod is that wrote its UUID to /run/NAME.uuid; it is read while the pod runs."""
        self.uuids[name], *texts = self.guest.do(FILES, name, DATA).splitlines()
        return PodCgroup.parse(*texts)

    def find_app_cgroup(self, name: str, mode: str) -> str:
        """Return the path of the first process of a pod's app in the hierarchy of systemd."""
        return self.read_place(name).list_app_cgroups(name, mode)[0]

    # What the protocol asks for.

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """What rkt has no option for."""
        return specs.LACKS

    def get_scope(self, name: str) -> str:
        """Return the scope unit of a pod that was started; rkt itself has noted it."""
        return self.pods[name][0].scope

    def get_limits_path(self, name: str) -> str:
        """Return where below the scope an app is, which has the limits."""
        return self.pods[name][1]

    def prepare_command(self, spec: Spec) -> tuple[str, ...]:
        """Return the command line of a pod; in a service of its own it is in the service, and not in a scope."""
        if spec.networks is None:
            return self.run_command(self._make_pod(spec))
        config, files = f"/run/{spec.name}.rkt", nets.make_files(spec.networks)
        self.guest.do(CONFIGURE, config, *(word for file in files.items() for word in file))
        return self.run_command(self._make_pod(spec), config=config)

    def start(self, spec: Spec) -> int:
        """Start a pod, and return the first process of its first app that runs."""
        argv = [word.replace("$", "$$") for word in self.prepare_command(spec)]
        started = self.guest.sh(START, spec.name, str(self.seconds), str(spec.stop_seconds), *argv)
        if started.code != 0:
            self.seconds = AGAIN_SECONDS if TIMEOUT in started.err else START_SECONDS
            raise CommandFailedError("start a pod", started)
        self.seconds = START_SECONDS
        place = self.read_place(spec.name)
        mode, root = self._tree
        # An app of several may have ended by now.
        apps = [app.name for app in spec.apps] or [spec.name]
        paths = [f"{root}{path}" for app in apps for path in place.list_app_cgroups(app, mode)]
        found = self.guest.sh(FIRST, *paths)
        if found.code != 0:
            raise CommandFailedError(f"look for the processes of {', '.join(apps)} in {place}", found)
        seen, _, pid = found.out.strip().rpartition(" ")
        self.pods[spec.name] = (place, seen.removeprefix(f"{root}{place.subcgroup}"))
        return int(pid)

    def run(self, spec: Spec) -> Result:
        """Run a pod to its end; standard error has what rkt itself says, standard output what the app does."""
        return self._run(spec.name, self.prepare_command(spec))

    def run_image(self, name: str, path: str, volumes: Mapping[str, str], *, registered: bool = False) -> Result:
        """Run an image to its end as its manifest says."""
        pod = PodSpec(
            apps=(RuntimeApp(image=path),), nets=("default-restricted" if registered else "none",), uuid_file=f"/run/{name}.uuid",
            registered=registered,
            volumes=tuple(Volume(name=volume, source=source) for volume, source in volumes.items()),
        )  # fmt: skip
        return self._run(name, self.run_command(pod))

    def make_image(self, name: str, tree: str) -> str:
        """Make an image of a tree that does not change; the container's name is the file's while it is made."""
        key = tree, Isolators(), "()"
        if key not in self.images:
            path = f"/run/{name}.aci"
            images.build(self.guest, tree, Aci(name="harness.example/image", argv=("/bin/sh",)), path)
            self.images[key] = self.fetch(path)
            self.guest.do('rm "$1"', path)
        return self.images[key]

    def run_manifest(self, name: str, manifest: Mapping[str, Any], words: Sequence[str] = ()) -> Result:
        """Run a pod as its manifest says, without a network."""
        path = f"/run/{name}.manifest"
        self.guest.do('printf %s "$2" >"$1"', path, json.dumps(manifest))
        more = (f"--pod-manifest={path}", "--net=none", f"--uuid-file-save=/run/{name}.uuid", *words)
        try:
            return self._run(name, ("rkt", *_allow_insecure(), "run", *more))
        finally:
            self.guest.do('rm "$1"', path)

    def _run(self, name: str, command: Sequence[str]) -> Result:
        result = self.guest.sh(RUN, name, str(self.seconds + RUN_SECONDS), *command)
        self.seconds = AGAIN_SECONDS if LATE in result.err else START_SECONDS
        return Result(code=result.code, out=LINE.sub("", result.out.replace("\r\n", "\n")), err=result.err)

    def execute(self, container: Container, argv: Sequence[str], user: int) -> Result:
        """Run a command with `rkt enter`, which knows no users; in a pod of several apps, where its systemd is."""
        if user:
            raise LacksError("`rkt enter` runs commands as root only")
        if container.spec.apps:
            return self.guest.sh(INSIDE, str(self.status(self.uuids[container.name]).pid), *argv)
        return self.enter(self.uuids[container.name], *argv, app=container.name)

    def stop(self, spec: Spec) -> bool:
        """Ask the pod to end, kill it if it does not, and remove it."""
        require(self.version, "stop by file")
        result = self.guest.sh(STOP, spec.name, str(spec.stop_seconds))
        if result.code != 0:
            raise CommandFailedError("rkt stop and rm", result)
        return result.out.split()[:2] in (["yes"], ["yes", "success"])

    def list_names(self) -> frozenset[str]:
        """Return the pods that rkt knows: the container's name where it is one of ours, or else the UUID."""
        ours = {uuid: name for name, uuid in self.uuids.items()}
        return frozenset(ours.get(pod.uuid, pod.uuid) for pod in self.list())

    def wait_end(self, container: Container) -> int:
        """Return what the service's manager saw."""
        return int(self.guest.do(ENDED, container.name))

    def read_statuses(self, container: Container) -> Mapping[str, int]:
        """Return what `rkt status` says."""
        return self.status(self.uuids[container.name]).codes

    def read_network_status(self, name: str) -> NetworkStatus:
        """Return what `rkt status` reports of a pod's networks; its id for plugins is its UUID."""
        uuid = self.uuids[name]
        # rkt's own chains, for ports, have this much of it in their names.
        return NetworkStatus(id=uuid, mark=uuid[:8], networks=self.status(uuid).networks)

    def replace_names(self, text: str) -> str:
        """Return text of the guest with the container's name in the place of each UUID and network namespace."""
        known = {*self.uuids.values(), *(UUID.findall(" ".join(self.namespaces)))}
        if set(UUID.findall(text)) - known:
            # Of other workers, who keep theirs in files as well, and of pods that were run to their end.
            for line in self.guest.sh(NAMES).out.splitlines():
                path, _, said = line.partition(":")
                if path.endswith(".uuid"):
                    self.uuids[path.rpartition("/")[2].removesuffix(".uuid")] = said
                else:
                    self.namespaces[said.rpartition("/")[2]] = path.split("/")[-2]
        ours = {uuid: name for name, uuid in self.uuids.items()}
        text = NETNS.sub(lambda found: self.namespaces.get(found[0], found[0]), text)
        return UUID.sub(lambda found: ours.get(found[0], found[0]), text)

    def _make_pod(self, spec: Spec) -> PodSpec:
        def image(tree: str, isolators: Isolators) -> str:
            # A tree that is one container's own is taken as it is now; what containers share is fetched once.
            ports = nets.list_image_ports(spec.networks) if spec.networks else ()
            key = tree, isolators, str(ports)
            if key not in self.images or not spec.read_only:
                path = f"/run/{spec.name}.aci"
                made = Aci(name="harness.example/image", argv=("/bin/sh",), isolators=isolators, ports=ports)
                images.build(self.guest, tree, made, path)
                self.images[key] = self.fetch(path)
                self.guest.do('rm "$1"', path)
            return self.images[key]

        return specs.make_pod(spec, self.version, image)

    @cached_property
    def _tree(self) -> tuple[str, str]:
        """The guest's cgroup mode, and where its systemd's hierarchy is mounted."""
        script = "cd /sys/fs/cgroup && for name in cgroup.controllers unified; do [ ! -e $name ] || echo $name; done"
        found = self.guest.do(script).split()
        if "cgroup.controllers" in found:
            return "unified", "/sys/fs/cgroup"
        return "hybrid" if found else "legacy", "/sys/fs/cgroup/systemd"


def _allow_insecure(*, signed: bool = False) -> tuple[str, ...]:
    """Let rkt take images without a signature, as those of the suites are."""
    return () if signed else ("--insecure-options=image",)


def connect(guest: Guest, _flavor: str | None = None, /) -> Rkt:
    """Return the engine, in this guest; raises NotYetError for a release that the suites cannot drive."""
    version = parse_version(guest.do("rkt version"))
    require_oldest(version)
    return Rkt(guest, version)
