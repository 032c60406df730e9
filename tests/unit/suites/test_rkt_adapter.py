"""The parts of rkt's adapter that need no guest: its command line, what came with which release, what rkt says."""

import json
import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.lib.guest import CommandFailedError, Guest
from suites.lib.rights import App as SpecApp
from suites.lib.rights import LacksError, Mount
from suites.lib.spec import MIB, Spec
from suites.runtimes.rkt import specs
from suites.runtimes.rkt.command import (
    PodSpec,
    Port,
    RuntimeApp,
    Seccomp,
    Volume,
    format_prepare,
    format_run,
    format_run_prepared,
    format_units,
    quote_unit_word,
)
from suites.runtimes.rkt.engine import AGAIN_SECONDS, LINE, START_SECONDS, Rkt
from suites.runtimes.rkt.images import Aci, Isolators, make_port
from suites.runtimes.rkt.pods import PodCgroup, parse_list, parse_status, parse_status_text
from suites.runtimes.rkt.scripts import RUN, START
from suites.runtimes.rkt.versions import (
    FEATURES,
    OLDEST,
    NotYetError,
    has,
    parse_version,
    require,
    require_oldest,
    spell,
)

NEWEST = (1, 30, 0)

releases = st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 9))
words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1).filter(
    lambda word: word != "---"
)


def test_version_is_the_release() -> None:
    """Whatever follows the three numbers is a build's own; other numbers of `rkt version` are not rkt's."""
    assert parse_version("rkt Version: 1.30.0+minirkt (test double)\nappc Version: 0.8.11\n") == NEWEST
    assert parse_version("rkt Version: 1.25.0+git3ab2b8c\n") == (1, 25, 0)
    with pytest.raises(ValueError, match="names no release"):
        parse_version("appc Version: 0.8.11\n")


def test_oldest_release_has_what_every_case_asks_for() -> None:
    """An older one is refused once, with the release that works, and not by each case in its own words."""
    assert max(FEATURES[name].since for name in ("json", "app name", "stop by file")) == OLDEST
    require_oldest(OLDEST)
    with pytest.raises(NotYetError, match=r"rkt 1\.19\.0 is older .*; 1\.20\.0 is the oldest release that works"):
        require_oldest((1, 19, 0))


@given(releases, st.sampled_from(sorted(FEATURES)))
def test_feature_is_there_from_its_release_on(release: tuple[int, int, int], feature: str) -> None:
    """A feature is there since the release that brought it, and an older one is told which that is, and whence it is known."""
    it = FEATURES[feature]
    if release >= it.since:
        assert has(release, feature)
        assert spell(release, feature) in {word for _, word in it.spellings}
    else:
        assert not has(release, feature)
        with pytest.raises(NotYetError, match=re.escape(".".join(map(str, it.since)))) as caught:
            require(release, feature)
        assert it.source in str(caught.value)


def test_spellings_are_in_order() -> None:
    """A feature's names are listed from the oldest to the newest, and each names its source."""
    for name, feature in FEATURES.items():
        assert list(feature.spellings) == sorted(feature.spellings), name
        assert feature.source, name


def test_option_that_was_renamed() -> None:
    """Capabilities are retained by --cap-retain in 1.9 to 1.11, by --caps-retain from 1.12 on, and not before."""
    pod = PodSpec(apps=(RuntimeApp(image="i", retained=("CAP_CHOWN", "CAP_KILL")),))

    assert format_run((1, 11, 9), pod) == ("i", "--cap-retain=CAP_CHOWN,CAP_KILL")
    assert format_run((1, 12, 0), pod) == ("i", "--caps-retain=CAP_CHOWN,CAP_KILL")
    with pytest.raises(NotYetError, match=r"rkt 1\.8\.1 has no retained capabilities; it came with 1\.9\.0"):
        format_run((1, 8, 1), pod)


def test_command_line_of_a_pod() -> None:
    """What holds for the pod stands before the first image; what is an app's own, after its image."""
    pod = PodSpec(
        apps=(
            RuntimeApp(
                image="sha512-1", name="web", argv=("/bin/web", "-v"), user=1000, group="www", groups=(7, 8),
                environment={"A": "b c"}, memory=64 * MIB, cpu=0.5, cpu_shares=512, removed=("CAP_MKNOD",),
                seccomp=Seccomp(mode="remove", errno="EPERM", calls=("chmod", "chown")), mounts=(("data", "/srv"),),
                read_only=True, working_directory="/srv", oom_score_adj=0,
            ),
            RuntimeApp(image="sha512-2"),
        ),
        volumes=(Volume(name="data", source="/data", read_only=True, recursive=False), Volume(name="tmp", mode="1777")),
        ports=(Port(name="http", port=8080), Port(name="admin", port=81, address="127.0.0.1")),
        nets=("default", "ptp:IP=172.16.28.9"), hostname="h", dns=("host",), dns_search=("a.example",),
        hosts=(("192.0.2.1", "db"),), environment={"ALL": "x"}, private_users=True, uuid_file="/run/u",
    )  # fmt: skip

    assert format_run(NEWEST, pod) == (
        "--volume=data,kind=host,source=/data,readOnly=true,recursive=false", "--volume=tmp,kind=empty,mode=1777",
        "--port=http:8080", "--port=admin:127.0.0.1:81", "--set-env=ALL=x", "--private-users",
        "--net=default,ptp:IP=172.16.28.9", "--hostname=h", "--dns=host", "--dns-search=a.example",
        "--hosts-entry=192.0.2.1=db", "--uuid-file-save=/run/u",
        "sha512-1", "--name=web", "--exec=/bin/web", "--user=1000", "--group=www", "--supplementary-gids=7,8",
        "--environment=A=b c", "--memory=67108864", "--cpu=500m", "--cpu-shares=512", "--caps-remove=CAP_MKNOD",
        "--seccomp=mode=remove,errno=EPERM,chmod,chown", "--mount=volume=data,target=/srv", "--readonly-rootfs=true",
        "--working-dir=/srv", "--oom-score-adj=0", "--", "-v", "---", "sha512-2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (PodSpec(apps=()), "at least one app"),
        (PodSpec(apps=(RuntimeApp(image="i", argv=("sh", "---")),)), "`---` ends the words"),
        (PodSpec(apps=(RuntimeApp(image="i"),), volumes=(Volume(name="v", source="/a,b"),)), "by commas: /a,b"),
    ],
)
def test_what_a_command_line_cannot_say(pod: PodSpec, message: str) -> None:
    """What rkt would take for something else is refused, and not asked for."""
    with pytest.raises(ValueError, match=message):
        format_run(NEWEST, pod)


WHOLE = PodSpec(
    apps=(RuntimeApp(image="i", argv=("/bin/a", "b")),), volumes=(Volume(name="v", source="/v"),),
    ports=(Port(name="http", port=80),), environment={"A": "b"}, private_users=True, nets=("none",), hostname="h",
    dns=("192.0.2.1",), dns_search=("a.test",), dns_options=("debug",), hosts=(("192.0.2.9", "one"),), registered=True,
    uuid_file="/run/u",
)  # fmt: skip
"""A pod of which everything is asked for."""


@pytest.mark.parametrize(
    "name", ["nets", "hostname", "dns", "dns_search", "dns_options", "hosts", "registered", "uuid_file"]
)
def test_prepare_takes_only_what_becomes_the_pods_manifest(name: str) -> None:
    """What is said of a pod when it is run is refused by its name, and is not an option that rkt does not know."""
    with pytest.raises(LacksError, match=rf"`rkt prepare` has no option for {name};"):
        format_prepare(NEWEST, PodSpec(apps=WHOLE.apps, **{name: getattr(WHOLE, name)}))


def test_run_is_prepare_and_run_prepared() -> None:
    """The words of `run` are those of the two others; only the file for the UUID is none of theirs."""
    later = {"nets", "hostname", "dns", "dns_search", "dns_options", "hosts", "registered", "uuid_file"}
    before = PodSpec(**{field.name: getattr(WHOLE, field.name) for field in fields(PodSpec) if field.name not in later})
    found = [*format_prepare(NEWEST, before), *format_run_prepared(NEWEST, WHOLE), "--uuid-file-save=/run/u"]

    assert sorted(found) == sorted(format_run(NEWEST, WHOLE))
    assert {"--net=none", "--hostname=h", "--mds-register"} <= set(format_run_prepared(NEWEST, WHOLE))


def test_volume_says_of_writing_only_what_was_asked_for() -> None:
    """Else it would make a read-only mount point of an image writable."""
    for read_only, said in (
        (False, "--volume=v,kind=host,source=/v"),
        (True, "--volume=v,kind=host,source=/v,readOnly=true"),
    ):
        pod = PodSpec(apps=WHOLE.apps, volumes=(Volume(name="v", source="/v", read_only=read_only),))
        assert format_run(NEWEST, pod)[0] == said


class Telling:
    """A host whose rkt says something on each stream, and keeps the command line that it was given."""

    rc, stderr = 0, ""
    stdout = ""

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()

    def run(self, *words: str) -> "Telling":
        """Run it with a shell whose `rkt` is a function."""
        _, script, *arguments = words
        fake = 'rkt() { echo "moving pod" >&2; echo "collecting pod"; }\n'
        argv = ["sh", "-c", fake + script, "sh", *arguments]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20)
        self.words, self.stdout, self.stderr = tuple(arguments), done.stdout, done.stderr
        return self


def test_what_gc_says_is_read_on_both_streams() -> None:
    """Which pod it marks rkt says on standard error, and which it removes on standard output."""
    host = Telling()

    assert Rkt(Guest(host), NEWEST).gc(mark_only=True).splitlines() == ["moving pod", "collecting pod"]
    assert host.words == ("gc", "--grace-period=0s", "--mark-only")


def _run_script(script: str, path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script of the adapter where `rkt` and `systemd-run` are programs that write their words to files."""
    for name in ("rkt", "systemd-run"):
        (path / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{path}/said-{name}"\n')
        (path / name).chmod(0o755)
    env = {"PATH": f"{path}:/usr/bin:/bin"}
    return subprocess.run(
        ["sh", "-c", script, "sh", *arguments], check=False, env=env, capture_output=True, text=True, timeout=20
    )


def test_start_of_a_pod_has_a_time_limit(tmp_path: Path) -> None:
    """A stage1 whose systemd freezes is given up after the adapter's time, and not after the manager's 90 seconds."""
    assert START_SECONDS < 90
    done = _run_script(START, tmp_path, "unit", str(START_SECONDS), "7", "rkt", "run", "image")

    assert done.returncode == 0
    words = (tmp_path / "said-systemd-run").read_text().splitlines()
    assert f"--property=TimeoutStartSec={START_SECONDS}" in words
    assert "--property=TimeoutStopSec=7" in words
    assert words[-3:] == ["rkt", "run", "image"]


class Freezing:
    """A host on which no pod starts in time, and that keeps the limits that it was given."""

    rc, stdout = 1, ""
    stderr = "x.service: Failed with result 'timeout'.\n"

    def __init__(self) -> None:
        self.limits: list[int] = []

    def run(self, *words: str) -> "Freezing":
        """Answer."""
        if words[1] == START:
            self.limits.append(int(words[3]))
        return self


def test_what_froze_once_is_given_up_sooner() -> None:
    """The first start may be slow; after it has taken too long each next one has less, and all of it when one starts."""
    host = Freezing()
    engine = Rkt(Guest(host), NEWEST)
    engine.images = {("/r", Isolators(), "()"): "sha512-1"}
    for _ in range(3):
        with pytest.raises(CommandFailedError, match="Failed with result 'timeout'"):
            engine.start(spec(read_only=True))
    assert host.limits == [START_SECONDS, AGAIN_SECONDS, AGAIN_SECONDS]
    assert AGAIN_SECONDS < START_SECONDS < 90
    host.stderr = "rkt: no such image"
    for _ in range(2):
        with pytest.raises(CommandFailedError, match="no such image"):
            engine.start(spec(read_only=True))
    assert host.limits[3:] == [AGAIN_SECONDS, START_SECONDS]


@pytest.mark.slow
def test_pod_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    """With a sentence, and with the garbage removed; a pod that ends in time keeps its status."""
    late = _run_script(RUN, tmp_path, "no-such-unit", "1", "sleep", "30")
    removed = (tmp_path / "said-rkt").read_text().splitlines()
    early = _run_script(RUN, tmp_path, "no-such-unit", "20", "sh", "-c", "exit 23")

    assert (late.returncode, late.stderr) == (124, "the pod did not end within 1 seconds\n")
    assert removed == ["gc", "--grace-period=0s"]
    assert (early.returncode, early.stderr) == (23, "")


def test_status_as_json() -> None:
    """What is not among a release's members is absent, and not wrong."""
    whole = {
        "name": "u", "state": "exited", "app_names": ["a", "b"], "started_at": 1_488_326_400, "pid": 12,
        "apps": [{"name": "a", "state": "exited", "exit_code": 3}, {"name": "b", "state": "running"}],
        "networks": [{"netName": "default", "netConf": "", "ifName": "eth0", "ip": "172.16.28.2", "args": "", "mask": ""}],
    }  # fmt: skip
    status = parse_status(json.dumps(whole))
    assert status.started == 1_488_326_400

    assert (status.state, status.apps, status.codes, status.pid) == ("exited", ("a", "b"), {"a": 3}, 12)
    assert [(net.network, net.interface, net.address) for net in status.networks] == [
        ("default", "eth0", "172.16.28.2")
    ]
    assert parse_status('{"name": "u", "state": "prepared"}').codes == {}
    assert parse_list("null") == ()
    assert [pod.uuid for pod in parse_list(json.dumps([whole]))] == ["u"]


def test_status_as_text() -> None:
    """The form that every release has; a pod without a process had the id -1 once."""
    status = parse_status_text("u", "state=exited\npid=-1\nexited=true\napp-etcd=0\napp-redis=137\n")

    assert (status.state, status.codes, status.pid) == ("exited", {"etcd": 0, "redis": 137}, None)
    assert parse_status_text("u", "state=running\npid=42\n").pid == 42


SCOPE = r"/machine.slice/machine-rkt\x2d1.scope"
SERVICE = "/machine.slice/etcd.service"


@pytest.mark.parametrize(
    ("subcgroup", "systemd", "mode", "roots"),
    [
        (SCOPE, "v238", "legacy", [SCOPE]),
        (SCOPE, "v238", "unified", [SCOPE]),
        (SCOPE, "v239", "legacy", [f"{SCOPE}/payload"]),
        (SCOPE, "v252", "unified", [f"{SCOPE}/payload"]),
        (SERVICE, "v238", "legacy", [SERVICE]),
        (SERVICE, "v238", "unified", [f"{SERVICE}/payload"]),
        (SERVICE, "v252", "hybrid", [f"{SERVICE}/payload"]),
        (f"{SERVICE}/payload", "v238", "unified", [f"{SERVICE}/payload"]),
        (f"{SERVICE}/payload", "v252", "unified", [f"{SERVICE}/payload"]),
        (f"{SERVICE}/payload", "", "unified", [f"{SERVICE}/payload", SERVICE]),
        (SCOPE, "vmaster", "legacy", [f"{SCOPE}/payload", SCOPE]),
    ],
)
def test_where_a_pod_is(subcgroup: str, systemd: str, mode: str, roots: list[str]) -> None:
    """One level down since systemd 239, and before that in a service on v2; the version is the stage1's."""
    place = PodCgroup.parse(subcgroup + "\n", "host\n", systemd + "\n")

    assert list(place.list_roots(mode)) == roots
    assert list(place.list_app_cgroups("etcd", mode)) == [f"{root}/system.slice/etcd.service" for root in roots]
    unit = subcgroup.removesuffix("/payload")
    assert place.service == unit.endswith(".service")
    assert place.scope == unit.rpartition("/")[2]


def test_what_an_app_says_is_told_from_what_journald_adds() -> None:
    """Lines of a pod's console lose their time, app and process; what an app wrote itself stays as it is."""
    text = "[  747.926371] web[10]: hello\n[1747.926371] web[11]: [  1.2] x[3]: own\nother\n"

    assert LINE.sub("", text) == "hello\n[  1.2] x[3]: own\nother\n"


@pytest.mark.slow
@given(words)
def test_words_of_a_unit_mean_themselves(word: str) -> None:
    """Neither variables nor specifiers nor quotes of a word are taken for such by a service manager."""
    quoted = quote_unit_word(word)
    inside = quoted[1:-1]

    assert quoted[0] == quoted[-1] == '"'
    assert "\n" not in quoted
    assert not re.sub(r'\\.|%%|\$\$|[^"%$\\]', "", inside)


def test_units_of_a_pod_that_is_a_service() -> None:
    """The main process is rkt, the pod may manage its cgroups, only its first process is asked to end; a socket starts it."""
    units = format_units("web", ("rkt", "run", "--port=http:8080", "a$b"), listen="8080")

    assert set(units) == {"web.service", "web.socket"}
    assert units["web.socket"] == "[Socket]\nListenStream=8080\n"
    lines = units["web.service"].splitlines()
    assert {"Type=notify", "Delegate=yes", "KillMode=mixed", "Slice=machine.slice"} <= set(lines)
    assert lines[-1] == 'ExecStart="rkt" "run" "--port=http:8080" "a$$b"'
    assert "Type=simple" in format_units("web", ("rkt",), ready=False)["web.service"]


def test_manifest_of_an_image() -> None:
    """Isolators and ports are in the form of appc's specification; what was not asked for is not there."""
    found = Aci(
        name="example.com/a", argv=("/bin/a",), user=5, notifies=True, mounts={"data": "/srv"},
        ports=(make_port("http", 80, socket_activated=True),),
        isolators=Isolators(memory="42Mi", no_new_privileges=False, seccomp=Seccomp(mode="retain", calls=("read",))),
    ).make_manifest()  # fmt: skip

    assert (found["acKind"], found["app"]["exec"], found["app"]["user"]) == ("ImageManifest", ["/bin/a"], "5")
    assert found["app"]["isolators"] == [
        {"name": "resource/memory", "value": {"limit": "42Mi"}},
        {"name": "os/linux/no-new-privileges", "value": False},
        {"name": "os/linux/seccomp-retain-set", "value": {"set": ["read"]}},
    ]
    assert found["annotations"] == [{"name": "appc.io/executor/supports-systemd-notify", "value": "true"}]
    assert found["app"]["ports"][0]["socketActivated"] is True
    assert Aci(name="example.com/a", argv=("/bin/a",)).make_manifest()["annotations"] == []


def spec(**changes: Any) -> Spec:
    return Spec(name="c-0001", argv=("sh", "-c", "true"), rootfs="/r", **changes)


def words_of(it: Spec) -> list[str]:
    return list(
        format_run(
            NEWEST, specs.make_pod(it, NEWEST, lambda tree, isolators: f"{tree}:{json.dumps(isolators.format_json())}")
        )
    )


def test_container_of_the_suites_is_a_pod_of_one_app() -> None:
    """Everything that the protocol's words can say of a container is on rkt's command line."""
    mounts = (Mount(source="/a", target="/b", read_only=True, recursive=False),)
    found = words_of(
        spec(
            memory=MIB, cpu=0.25, user=1000, environment={"A": "b c"}, mounts=mounts, hostname="h", network="none",
            devices=("/dev/vda",), groups=(2001,), no_new_privileges=True, oom_score_adj=5,
            syscalls_refused=("mkdir",), capabilities=("CAP_KILL",), working_directory="/srv",
        )
    )  # fmt: skip

    assert found == [
        "--volume=v0,kind=host,source=/a,readOnly=true,recursive=false",
        "--volume=v1,kind=host,source=/dev/vda", "--volume=tmp,kind=empty,mode=1777",
        "--set-env=A=b c", "--net=none", "--hostname=h", "--uuid-file-save=/run/c-0001.uuid",
        '/r:[{"name": "os/linux/no-new-privileges", "value": true}]', "--name=c-0001", "--exec=sh", "--user=1000",
        "--group=1000", "--supplementary-gids=2001", "--memory=1048576", "--cpu=250m", "--caps-retain=CAP_KILL",
        "--seccomp=mode=remove,errno=EPERM,mkdir", "--mount=volume=v0,target=/b",
        "--mount=volume=v1,target=/tmp/vda", "--mount=volume=tmp,target=/tmp", "--readonly-rootfs=true",
        "--working-dir=/srv", "--oom-score-adj=5", "--", "-c", "true",
    ]  # fmt: skip


def test_apps_of_the_suites_are_apps_of_a_pod() -> None:
    """Each app has its own image and rights, and the volumes of all are told apart."""
    apps = tuple(
        SpecApp(name=name, argv=("/bin/a",), rootfs=f"/{name}", mounts=(Mount(source=f"/of/{name}", target="/m"),))
        for name in ("one", "two")
    )
    found = shlex.join(words_of(spec(apps=apps, boots=True)))

    assert "--volume=v0,kind=host,source=/of/one" in found
    assert "--net=none --hostname=c-0001 " in found
    assert "--name=one" in found.partition("'/two:[]'")[0]
    assert "--mount=volume=v1,target=/m" in found.partition("'/two:[]'")[2]


@pytest.mark.parametrize("changes", [{"pids": 9}, {"masked": ("/x",)}, {"boots": True}, {"private_users": 65536}])
def test_what_rkt_has_no_word_for_is_refused(changes: dict[str, object]) -> None:
    """A limit that cannot be asked for is not left out in silence."""
    with pytest.raises(LacksError, match=next(iter(changes))):
        words_of(spec(**changes))


def uuid(number: int) -> str:
    return f"6f1e0d3c-0000-4000-8000-00000000000{number}"


class Uuids:
    """A host whose UUID files are of two containers, the second of which has a network namespace."""

    rc, stderr = 0, ""
    stdout = (
        f"/run/harness-gw0-0001.uuid:{uuid(1)}\n/run/harness-gw1-0007.uuid:{uuid(2)}\n"
        f"/var/lib/rkt/pods/run/{uuid(2)}/netns:/var/run/netns/cni-{uuid(8)}\n"
    )

    def run(self, *_: str) -> "Uuids":
        """Answer."""
        return self


def test_pods_are_called_by_their_containers_names() -> None:
    """So that what a pod leaves is found, and is not held against another worker's case; what is nobody's keeps its UUID."""
    text = f"path /run/{uuid(1)}\npath /run/netns/cni-{uuid(8)}\npath /run/{uuid(2)}\npath /run/netns/cni-{uuid(3)}"

    assert Rkt(Guest(Uuids()), NEWEST).replace_names(text).splitlines() == [
        "path /run/harness-gw0-0001",
        "path /run/netns/harness-gw1-0007",
        "path /run/harness-gw1-0007",
        f"path /run/netns/cni-{uuid(3)}",
    ]
