"""rkt's adapter in a real guest against minirkt, the test double: pods of the double are real, and so are their cgroups.

What is tested is the adapter, and that the suites can be run on a runtime `rkt`; nothing here says anything of rkt.
"""

import hashlib
import shlex
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import catalog, machine, matrix, pipeline
from harness.accel import Accelerator
from harness.image import Image
from harness.machine import Machine
from harness.model import Cell, CgroupMode, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.store import Store
from harness.wait import Deadline
from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.engine import Container
from suites.lib.guest import CommandFailedError, Guest
from suites.lib.rootfs import Rootfs
from suites.lib.spec import MIB, Spec
from suites.runtimes import rkt
from suites.runtimes.rkt import images
from suites.runtimes.rkt.command import PodSpec, Port, RuntimeApp, Volume, format_units
from suites.runtimes.rkt.engine import LINE, Rkt
from tests import ROOT
from tests.helpers import minirkt

LEFT = r"""
ls -d /var/lib/rkt/pods/*/* /run/netns/* /run/systemd/machines/* /run/*.uuid 2>/dev/null
find /sys/fs/cgroup -name '*rkt*' -o -name 'activated*'
grep /var/lib/rkt/ /proc/self/mountinfo
:
"""
"""What a pod may leave: entries, namespaces, cgroups, mounts."""

PERL = r"""
open G, "/proc/self/cgroup"; @places = <G>;
select undef, undef, undef, 0.1 until -e "/mnt/go";
socket S, 1, 2, 0; send S, "READY=1", 0, pack "S a*", 1, $ENV{NOTIFY_SOCKET};
open L, "+<&=3" or die "no socket: $!"; accept C, L or die "no connection: $!";
print C "of $ENV{AC_APP_NAME}\n", @places;
"""
"""An app that is ready when a file is there, and answers the connection that is passed to it."""


class InGuest:
    """The suites' host: commands in a guest."""

    rc, stdout, stderr = 0, "", ""

    def __init__(self, guest: Machine) -> None:
        self.guest = guest

    def run(self, command: str, *args: str) -> "InGuest":
        """Run a command."""
        text = command % tuple(shlex.quote(word) for word in args)
        done = self.guest.run(text, deadline=Deadline.after(240, "command"), expect=None)
        self.rc, self.stdout, self.stderr = done.code, done.out, done.err
        return self


@dataclass(frozen=True)
class Place:
    """A guest with minirkt, its adapter, and an image with a busybox."""

    machine: Machine
    guest: Guest
    rkt: Rkt
    hierarchies: Hierarchies
    tiny: str
    image: str

    def left(self) -> list[str]:
        """Return what pods have left; the kernel takes some time to take copies of mounts away."""
        self.guest.wait(f'[ -z "$({LEFT})" ]', seconds=5)
        return self.guest.do(LEFT).splitlines()


@pytest.fixture(scope="module", params=["unified", "legacy"])
def place(
    request: pytest.FixtureRequest,
    bookworm: Image,
    accelerator: Accelerator,
    store: Store,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """Bookworm with minirkt, in two cgroup modes."""
    deadline = Deadline.after(300, "guest with minirkt")
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode(request.param))
    spec = machine.specify(bookworm, name="minirkt", arguments=rule.arguments or (), accelerator=accelerator)
    with machine.start(spec, tmp_path_factory.mktemp("minirkt") / "machine", deadline, store=store) as started:
        minirkt.install(started, deadline, minirkt.REPAIRED)
        guest = Guest(InGuest(started))
        engine = rkt.connect(guest)
        rootfs = Rootfs(guest, "/run/tree", "252")
        texts = guest.read("/proc/1/mountinfo", "/sys/fs/cgroup/cgroup.controllers")
        tiny = rootfs.make_tiny()
        images.build(guest, tiny, images.Aci(name="example.com/tiny", argv=("/bin/sh",)), "/root/tiny.aci")
        yield Place(
            machine=started, guest=guest, rkt=engine, hierarchies=Hierarchies.parse(*texts.values()), tiny=tiny,
            image=engine.fetch("/root/tiny.aci"),
        )  # fmt: skip


def sh(place: Place, name: str, script: str, **more: Any) -> RuntimeApp:
    return RuntimeApp(image=place.image, name=name, argv=("/bin/sh", "-c", script), **more)


@pytest.mark.parametrize("place", ["unified"], indirect=True)
def test_the_double_says_what_it_is(place: Place) -> None:
    """Its version is a release of rkt for the adapter, and for people that it is no rkt."""
    said = place.guest.do("rkt version")

    assert place.rkt.version == (1, 30, 0)
    assert f"{minirkt.DOUBLE}, repaired" in said.splitlines()[0]
    assert f"1.25.0+{minirkt.DOUBLE}, as found" in place.guest.do("rkt --as=1.25 --repaired= version")


@pytest.mark.parametrize("place", ["unified"], indirect=True)
def test_pod_of_several_apps(place: Place) -> None:
    """A pod ends with the status of the first app that fails, here for lack of memory; each app's own is kept."""
    apps = (
        sh(place, "quick", "echo quick; pwd; id -G", user=1000, group=1000, groups=(2001,), working_directory="/srv"),
        sh(place, "hog", "sleep 1; exec dd if=/dev/zero of=/dev/null bs=48M count=1", memory=24 * MIB),
        sh(place, "patient", "sleep 600"),
    )
    running = PodSpec(apps=apps, nets=("none",), hostname="pod.example")
    uuid = place.rkt.prepare(PodSpec(apps=apps, environment={"A": 'two  "words"'}))
    manifest = place.rkt.cat_manifest(uuid)
    prepared = place.rkt.status(uuid)
    ran = place.guest.sh('timeout 120 "$@"', *place.rkt.run_prepared_command(uuid, running))
    ended = place.rkt.status(uuid, wait=30)
    listed = place.rkt.list()
    marked = place.rkt.gc(mark_only=True)
    garbage = place.rkt.status(uuid)
    place.rkt.gc()

    assert [app["name"] for app in manifest["apps"]] == ["quick", "hog", "patient"]
    assert {"name": "A", "value": 'two  "words"'} in manifest["apps"][2]["app"]["environment"]
    assert (prepared.state, prepared.apps, dict(prepared.codes)) == ("prepared", ("quick", "hog", "patient"), {})
    assert ran.code == 9, ran
    assert LINE.sub("", ran.out.replace("\r", "")).split() == ["quick", "/srv", "1000", "2001"]
    assert (ended.state, ended.codes["quick"], ended.codes["hog"]) == ("exited", 0, 9)
    assert [(pod.uuid, pod.state) for pod in listed] == [(uuid, "exited")]
    assert uuid in marked
    assert garbage.state == "exited garbage"
    assert place.left() == []


def test_container_that_runs(place: Place) -> None:
    """Its cgroup is where the adapter says, its limit is in force there, it can be entered, machined knows it, it stops."""
    spec = Spec(
        name="harness-t-1", argv=("sh", "-c", "echo $GREETING >/tmp/said; sleep 600 & sleep 601"), rootfs=place.tiny,
        memory=32 * MIB, cpu=0.5, environment={"GREETING": r"two  \n $words"}, hostname="pod.example",
    )  # fmt: skip
    mode, engine = place.hierarchies.mode, place.rkt
    pid = engine.start(spec)
    container = Container(
        spec=spec, pid=pid, scope=engine.get_scope(spec.name), guest=place.guest, engine=engine,
        hierarchies=place.hierarchies, below=engine.get_limits_path(spec.name),
    )  # fmt: skip
    where = engine.read_place(spec.name)
    uuid = engine.uuids[spec.name]
    main = "unified" if mode == "unified" else "name=systemd"
    limit = "memory.max" if mode == "unified" else "memory.limit_in_bytes"

    assert (where.flavor, where.systemd, where.service) == ("host", 252, False)
    assert container.get_cgroup(main) == where.list_app_cgroups(spec.name, mode)[0]
    assert container.get_cgroup("memory") == where.list_app_cgroups(spec.name, mode)[0]
    assert container.below == f"/payload/system.slice/{spec.name}.service"
    assert container.read_knobs(limit) == {limit: str(32 * MIB)}
    status = engine.status(uuid, ready=60)
    assert (status.state, status.apps) == ("running", (spec.name,))
    assert f"PPid:\t{status.pid}\n" in place.guest.do('cat "/proc/$1/status"', str(pid))
    # The pod is running as soon as the app is started, which then has half a processor to say something.
    assert place.guest.wait(f"[ -s /proc/{pid}/root/tmp/said ]", seconds=30)
    assert container.read_output("cat", "/tmp/said", "/proc/sys/kernel/hostname").split("\n")[1] == "pod.example"
    assert place.guest.do("cat /proc/$1/root/tmp/said", str(pid)) == "two \\n $words\n"
    assert f"rkt-{uuid}" in place.guest.do("machinectl list --no-legend")
    assert engine.list_names() == {spec.name}
    assert engine.stop(spec)
    assert (engine.list_names(), place.left()) == (frozenset(), [])


def test_service_that_a_socket_starts(place: Place) -> None:
    """The connection that starts the service is the app's; the service is ready when the app is, and has its cgroup."""
    guest = place.guest
    guest.do("mkdir -p /root/perl && cd /root/perl && mkdir usr etc mnt && ln -s usr/lib usr/lib64 . && mkdir /run/go")
    image = images.Aci(
        name="example.com/answer", argv=("/usr/bin/perl", "-e", PERL), notifies=True, mounts={"usr": "/usr"},
        ports=(images.make_port("talk", 80, socket_activated=True),),
    )  # fmt: skip
    images.build(guest, "/root/perl", image, "/root/perl.aci")
    pod = PodSpec(
        apps=(RuntimeApp(image=place.rkt.fetch("/root/perl.aci"), name="answer", mounts=(("go", "/mnt"),)),),
        volumes=(Volume(name="usr", source="/usr", read_only=True), Volume(name="go", source="/run/go")),
        ports=(Port(name="talk", port=8080),), uuid_file="/run/activated.uuid",
    )  # fmt: skip
    for name, text in format_units("activated", place.rkt.run_command(pod), listen="8080").items():
        guest.do('printf %s "$2" >"/run/systemd/system/$1"', name, text.replace('"rkt"', '"/usr/bin/rkt"', 1))
    script = "systemctl daemon-reload && systemctl start activated.socket && { sleep 60 | busybox nc 127.0.0.1 8080 >/run/go/said & }"
    guest.do(f"{script} >/dev/null 2>&1")
    assert guest.wait("[ -s /var/lib/rkt/pods/run/*/ppid ]", seconds=60)
    before = guest.sh("systemctl is-active activated.service").out.strip()
    where = place.rkt.read_place("activated")
    guest.do("touch /run/go/go")
    answered = guest.wait("[ -s /run/go/said ]", seconds=60)
    # Not "activating" either: the pod may have answered before its manager has heard that it is ready.
    ended = guest.wait(
        'case "$(systemctl is-active activated.service)" in inactive | failed) ;; *) false ;; esac', seconds=90
    )
    said = guest.do("cat /run/go/said; journalctl --unit=activated.service --output=cat --no-pager >&2")
    guest.do("systemctl stop activated.socket; rm -r /run/go /run/systemd/system/activated.*; systemctl daemon-reload")
    place.rkt.rm("--uuid-file=/run/activated.uuid")
    guest.do("rm /run/activated.uuid")

    assert before == "activating"
    assert answered
    assert ended
    assert said.splitlines()[0] == "of answer"
    assert where.service
    main = "unified" if place.hierarchies.mode == "unified" else "name=systemd"
    assert parse_places(said.partition("\n")[2])[main] in where.list_app_cgroups("answer", place.hierarchies.mode)
    assert place.left() == []


@pytest.mark.parametrize("place", ["unified"], indirect=True)
def test_names_are_looked_up_as_the_command_line_says(place: Place) -> None:
    """Options of resolv.conf and hosts come before the image's own files; the guest's files are there where that is asked."""
    script = "cat /etc/resolv.conf; echo and; cat /etc/hosts; echo and; ls /sys/class/net"
    pod = PodSpec(
        apps=(sh(place, "names", script),), dns=("192.0.2.1", "192.0.2.2"), dns_search=("a.test", "b.test"),
        dns_options=("debug", "rotate"), hosts=(("192.0.2.9", "one"), ("192.0.2.9", "two")), nets=("host",),
    )  # fmt: skip
    host = PodSpec(apps=(sh(place, "names", script),), dns=("host",), nets=("none",))
    place.guest.do("echo nameserver 192.0.2.53 >/etc/resolv.conf")
    said, of_the_guest = (
        [part.splitlines() for part in LINE.sub("", ran.out.replace("\r", "")).split("and\n")]
        for ran in (place.guest.sh('timeout 120 "$@"', *place.rkt.run_command(it)) for it in (pod, host))
    )
    place.rkt.gc()

    assert [line for line in said[0] if line][1:] == [
        "search a.test b.test", "nameserver 192.0.2.1", "nameserver 192.0.2.2", "options debug rotate"
    ]  # fmt: skip
    assert said[1][-1] == "192.0.2.9 one two"
    assert len(said[2]) > 1
    assert (of_the_guest[0], of_the_guest[2]) == (["nameserver 192.0.2.53"], ["lo"])
    assert place.left() == []


@pytest.mark.parametrize("place", ["unified"], indirect=True)
def test_key_is_trusted_by_its_fingerprint(place: Place) -> None:
    """A key is kept under its fingerprint, for all images or those of a prefix; an image without signature is refused."""
    # A public key packet of version 4 (RFC 4880, 5.5.2), RSA, of which only the form matters here.
    body = struct.pack(">BIB", 4, 1_500_000_000, 1) + b"\x00\x09\x01\x23" + b"\x00\x11\x01\x00\x01"
    key = b"\x99" + struct.pack(">H", len(body)) + body
    print_ = hashlib.sha1(key).hexdigest()
    escaped = "".join(f"\\{byte:03o}" for byte in key)
    place.guest.do('printf "$1" >/root/key', escaped)

    assert f"/etc/rkt/trustedkeys/root.d/{print_}" in place.rkt.trust("/root/key")
    assert f"prefix.d/example.com/{print_}" in place.rkt.trust("/root/key", "example.com")
    with pytest.raises(CommandFailedError, match="no signature") as caught:
        place.rkt.fetch("/root/tiny.aci", signed=True)
    assert caught.value.result.code == 254


@pytest.mark.parametrize(
    ("suite", "mode", "cases", "passed"),
    [
        ("cgroup", CgroupMode.LEGACY, ("cgroup/test_places.py", "cgroup/test_limits.py"), 8),
        # Ten pods, each of some seconds.
        pytest.param(
            "networking",
            CgroupMode.UNIFIED,
            ("networking/test_bridge.py", "networking/test_cleanup.py"),
            8,
            marks=pytest.mark.longer,
        ),
        pytest.param("cgroup", CgroupMode.LEGACY, (), 25, marks=pytest.mark.longer),
        pytest.param("cgroup", CgroupMode.UNIFIED, (), 25, marks=pytest.mark.longer),
        pytest.param("networking", CgroupMode.LEGACY, (), 36, marks=pytest.mark.longer),
        pytest.param("networking", CgroupMode.UNIFIED, (), 36, marks=pytest.mark.longer),
        pytest.param("pod", CgroupMode.UNIFIED, (), 63, marks=pytest.mark.longer),
        pytest.param("appc", CgroupMode.UNIFIED, (), 60, marks=pytest.mark.longer),
    ],
)
def test_suite_runs_on_it(
    suite: str, mode: CgroupMode, cases: tuple[str, ...], passed: int, store: Store, bookworm: Image, tmp_path: Path
) -> None:
    """A cell of a catalog that calls the double `rkt` passes a suite, where no case needs another runtime."""
    known = minirkt.catalog_with_it(ROOT, tmp_path / "knowledge", minirkt.REPAIRED)
    cell = Cell(
        distro="debian", channel="bookworm", systemd="252", cgroup=mode, go="1.27",
        runtime="rkt", runtime_version="1.30.0", flavor="host",
    )  # fmt: skip
    project = matrix.load(ROOT / "matrix.yaml", known)
    defaults = project.defaults.model_copy(update={"builder": "host"})
    work = RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(880, "cell"))
    planned = make_plan(cell, project.model_copy(update={"defaults": defaults}), known, (suite,))
    result = pipeline.evaluate(CellTask(plan=planned, cases=cases), work, tmp_path / "cell")
    outcomes = {case.nodeid: (case.outcome, case.message) for case in result.cases}

    assert result.error is None
    assert minirkt.DOUBLE in result.facts["runtime"]
    assert {key: it for key, it in outcomes.items() if it[0] not in {Outcome.PASSED, Outcome.SKIPPED}} == {}
    assert sum(outcome is Outcome.PASSED for outcome, _ in outcomes.values()) >= passed
    assert all(message.startswith("needs ") for outcome, message in outcomes.values() if outcome is Outcome.SKIPPED)


@pytest.mark.longer
@pytest.mark.parametrize("kind", ["1.30.0", "1.30.0 payload"])
def test_rkt_as_found_is_as_it_was_predicted(kind: str, store: Store, bookworm: Image, tmp_path: Path) -> None:
    """What matrix-rkt.yaml expects to fail with cgroup v1 fails on the double as found, and passes with that one repair."""
    known = minirkt.catalog_with_it(ROOT, tmp_path / "knowledge", kind)
    cell = Cell(
        distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, go="1.27",
        runtime="rkt", runtime_version="1.30.0", flavor="host",
    )  # fmt: skip
    project = matrix.load(ROOT / "matrix-rkt.yaml", known)
    defaults = project.defaults.model_copy(update={"builder": "host"})
    work = RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(880, "cell"))
    planned = make_plan(cell, project.model_copy(update={"defaults": defaults}), known, ("cgroup",))
    expected = project.find_expectations(cell)
    cases = ("cgroup/test_places.py", "cgroup/test_limits.py")
    result = pipeline.evaluate(CellTask(plan=planned, cases=cases, expectations=expected), work, tmp_path / "cell")
    outcomes = {case.nodeid: (case.outcome, case.message) for case in result.cases}
    named = {item.cases for item in expected if item.cases.startswith(cases)}
    end, words = (Outcome.XPASSED, "repaired: payload") if "payload" in kind else (Outcome.XFAILED, "as found")

    assert f"{minirkt.DOUBLE}, {words}" in result.facts["runtime"]
    assert {key: it for key, it in outcomes.items() if it[0] not in {Outcome.PASSED, Outcome.SKIPPED, end}} == {}
    assert {key for key, (outcome, _) in outcomes.items() if outcome is end} == named
