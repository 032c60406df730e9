"""The parts of minirkt, the test double of rkt, that need no guest: how it reads command lines and manifests."""

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.build.tree_check import find_missing_options
from suites.runtimes.rkt.command import PodSpec, Port, RuntimeApp, format_prepare, format_run
from tests.helpers.minirkt import TREE
from tests.helpers.rkt_tree import RKT

LIBRARY = TREE / "usr" / "lib" / "minirkt"

words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1).filter(
    lambda word: word != "---"
)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=3))
def test_words_of_apps_arrive_as_they_are(argvs: list[list[str]]) -> None:
    """Whatever an app's words are, options and separators among them, the double reads them as they were meant."""
    pod = PodSpec(apps=tuple(RuntimeApp(image=f"image{number}", argv=tuple(argv)) for number, argv in enumerate(argvs)))
    found: dict[str, str] = {}
    argv = ["awk", "-f", str(LIBRARY / "cli.awk"), "x", *format_run((1, 30, 0), pod)]
    for line in subprocess.run(argv, check=True, capture_output=True, timeout=20).stdout.decode().split("\n")[:-1]:
        key, _, value = line.partition("\t")
        found[re.sub(r"opt/\d+/", "", key)] = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), value)

    for number, argv in enumerate(argvs):
        assert found.pop(f"app/{number}/image") == f"image{number}"
        assert found.pop(f"app/{number}/exec") == argv[0]
        assert [found.pop(f"app/{number}/arg/{place}") for place in range(len(argv) - 1)] == argv[1:]
    assert found == {}


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(max_codepoint=126)),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"\A[a-zA-Z]{1,5}\Z"), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_the_double_reads_json(value: object) -> None:
    """The double's reader of manifests finds every value of a document, at its path."""

    def flat(value: object, path: str) -> dict[str, str]:
        if isinstance(value, dict):
            items = [(str(key), item) for key, item in value.items()]
        elif isinstance(value, list):
            items = [(str(number), item) for number, item in enumerate(value)]
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            return {path: text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")}
        return {
            key: text for name, item in items for key, text in flat(item, f"{path}/{name}" if path else name).items()
        }

    # The program cannot print a NUL; no manifest has one.
    text = json.dumps(value).replace("\\u0000", "")
    argv = ["awk", "-f", str(LIBRARY / "json.awk")]
    out = subprocess.run(argv, check=True, capture_output=True, input=text.encode(), timeout=20).stdout.decode()

    assert dict(line.split("\t", 1) for line in out.split("\n")[:-1]) == flat(json.loads(text), "")


@pytest.mark.parametrize("text", ['{"a": ', '{"a" "b"}', "[1, 2", '"open', "{} {}"])
def test_the_double_refuses_what_is_no_json(text: str) -> None:
    """A manifest that is cut off or no JSON is an error."""
    done = subprocess.run(["awk", "-f", LIBRARY / "json.awk"], check=False, input=text, text=True, timeout=20)

    assert done.returncode != 0


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the double's `rkt` on this computer, which has no pods of it."""
    env = {"MINIRKT_LIBRARY": str(LIBRARY), "PATH": "/usr/bin:/bin"}
    argv = ["sh", str(TREE / "usr" / "bin" / "rkt"), *words]
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=env, timeout=20)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "1.25.0+minirkt (test double), as found"),
        (("--as=1.30",), "1.30.0+minirkt (test double), as found"),
        (("--as=1.30", "--repaired"), "1.30.0+minirkt (test double), repaired"),
        (("--repaired=payload,dev",), "1.25.0+minirkt (test double), repaired: payload dev"),
        (("--broken=below,hostname",), "1.25.0+minirkt (test double), as found, broken: below hostname"),
    ],
)
def test_every_result_says_which_rkt_the_double_is(words: tuple[str, ...], said: str) -> None:
    """As it was found is the default; what is repaired is in the version, which is a fact of each cell."""
    assert _ask(*words, "version").stdout.splitlines()[0] == f"rkt Version: {said}"


@pytest.mark.parametrize("word", ["--repaired=everything", "--repaired=below", "--broken=payload"])
def test_repair_that_there_is_not_is_refused(word: str) -> None:
    """With those that there are."""
    done = _ask(word, "version")
    assert (done.returncode, "has no repair " in done.stderr, "payload filter dev" in done.stderr) == (254, True, True)


def _read_command_line(command: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = ["awk", "-v", f"command={command}", "-f", str(LIBRARY / "cli.awk"), "x", *words]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    "word",
    [
        "--net=none",
        "--hostname=h",
        "--dns=host",
        "--dns-search=a",
        "--dns-opt=b",
        "--hosts-entry=c=d",
        "--mds-register",
    ],
)
def test_prepare_refuses_what_rkts_prepare_refuses(word: str) -> None:
    """What is said of a pod when it is run is an unknown flag before."""
    assert _read_command_line("run", word, "image").returncode == 0
    done = _read_command_line("prepare", word, "image")
    assert (done.returncode, done.stderr) == (254, f"rkt: unknown flag: {word.partition('=')[0]}\n")


@pytest.mark.parametrize(
    "words",
    [("--inherit-env",), ("--no-store",), ("--store-only",), ("--port=foo:80",), ("--set-env=foo=bar",), ("--volume=foo,kind=empty",),
     ("--mount=volume=foo,target=/tmp", "--volume=foo,kind=empty"), ("image", "--exec=/bin/sh"), ("--pull-policy=never",)],
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "prepare"])
def test_what_a_manifest_says_is_not_said_beside_it(command: str, words: tuple[str, ...]) -> None:
    """As rkt's TestRunConflictingFlags and TestPrepareConflictingFlags have it; a manifest alone is enough."""
    assert _read_command_line(command, "--pod-manifest=m").returncode == 0
    done = _read_command_line(command, "--pod-manifest=m", *words)
    assert (done.returncode, done.stderr) == (254, "rkt: conflicting flags set with --pod-manifest (see --help)\n")


def test_manifest_is_a_command_line(tmp_path: Path) -> None:
    """Volumes, ports and apps of a pod's manifest are what the command line would have said; an app's part is an image's manifest."""
    app = {"exec": ["/bin/a", "b\tc"], "user": "1"}
    mounts = [{"volume": "v", "path": "/mnt"}]
    manifest = {
        "apps": [{"name": "one", "image": {"id": "sha512-1"}, "app": app, "readOnlyRootFS": True, "mounts": mounts}],
        "volumes": [{"name": "v", "kind": "host", "source": "/run", "readOnly": True, "recursive": False}],
        "ports": [{"name": "http", "hostPort": 8080}],
    }
    argv = ["awk", "-f", str(LIBRARY / "json.awk")]
    flat = subprocess.run(
        argv, check=True, capture_output=True, input=json.dumps(manifest), text=True, timeout=20
    ).stdout
    argv = ["awk", "-v", f"dir={tmp_path}", "-f", str(LIBRARY / "manifest.awk")]
    said = subprocess.run(argv, check=True, capture_output=True, input=flat, text=True, timeout=20).stdout

    assert {re.sub(r"opt/\d+/", "", line) for line in said.splitlines()} == {
        "app/0/name\tone", "app/0/image\tsha512-1", "app/0/readonly-rootfs\ttrue", "app/0/mount\tvolume=v,target=/mnt",
        "volume\tv,kind=host,source=/run,readOnly=true,recursive=false", "port\thttp:8080",
    }  # fmt: skip
    assert (tmp_path / "0").read_text().splitlines() == [
        "image/app/exec/0\t/bin/a", "image/app/exec/1\tb\\tc", "image/app/user\t1"
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "expected"), [("", "norbind"), ("!below", "rbind")])
def test_broken_double_has_what_is_mounted_below(tmp_path: Path, kind: str, expected: str) -> None:
    """As systemd 241 had it, which did not hear the word (systemd#13170)."""
    (tmp_path / "volume").mkdir()
    words = (f"--volume=v,kind=host,source={tmp_path}/volume,recursive=false", "image", "--mount=volume=v,target=/mnt")
    _compose(tmp_path, kind, *words)
    assert (tmp_path / "binds").read_text().endswith(f":{expected}\n")


def test_what_prepare_takes_is_what_the_adapter_says() -> None:
    """The words of a whole pod are read by both commands, each by its own."""
    app = RuntimeApp(image="i", name="a", argv=("/bin/a", "b"), user=1, memory=1, oom_score_adj=5)
    pod = PodSpec(apps=(app,), environment={"A": "b"}, ports=(Port(name="http", port=80),))
    assert _read_command_line("prepare", *format_prepare((1, 25, 0), pod)).returncode == 0
    assert _read_command_line("run", *format_run((1, 25, 0), pod)).returncode == 0
    assert _read_command_line("run", "--oom-score-adjust=5", "i").returncode == 254


def _compose(tmp_path: Path, repaired: str, *words: str, mounts: tuple[dict[str, object], ...] = ()) -> str:
    """Return the unit of an app as the double writes it for systemd 252."""
    for name in ("units", "env"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "volume").mkdir(exist_ok=True)
    manifest = json.dumps({"name": "example.com/a", "app": {"exec": ["/bin/a"], "mountPoints": mounts}})
    argv = ["awk", "-v", "prefix=image/", "-f", str(LIBRARY / "json.awk")]
    flat = subprocess.run(argv, check=True, capture_output=True, input=manifest, text=True, timeout=20).stdout
    (tmp_path / "flat").write_text(flat)
    (tmp_path / "cli").write_text(_read_command_line("run", *words).stdout)
    given = {
        "app": "0", "name": "a", "id": "sha512-1", "rootfs": str(tmp_path), "dir": str(tmp_path), "systemd": "252",
        "volumes": str(tmp_path), "insecure": "image", "parent": "/dev/null", "repaired": f" {repaired} ", "handlers": "",
        "calls_file": str(LIBRARY / "calls"),
    }  # fmt: skip
    variables = [word for pair in given.items() for word in ("-v", "=".join(pair))]
    scripts = ["-f", str(LIBRARY / "compose.awk"), "-f", str(LIBRARY / "compose2.awk")]
    argv = ["awk", *variables, *scripts, str(tmp_path / "cli"), str(tmp_path / "flat")]
    subprocess.run(argv, check=True, timeout=20)
    return (tmp_path / "units" / "a.service").read_text()


def test_default_filter_is_a_list_of_2017(tmp_path: Path) -> None:
    """As found younger calls are none of it, and a user's app gets no new privileges; repaired it is what is refused."""
    (line,) = re.findall(r"SystemCallFilter=(.*)", _compose(tmp_path, "", "image", "--user=1000"))
    allowed = set(line.split())
    assert {"read", "execve", "clone", "openat", "faccessat"} <= allowed
    assert allowed.isdisjoint({"statx", "clone3", "faccessat2", "close_range", "rseq", "mount", "ptrace"})
    assert "NoNewPrivileges=true" in _compose(tmp_path, "", "image", "--user=1000")
    assert "NoNewPrivileges=false" in _compose(tmp_path, "", "image")
    repaired = _compose(tmp_path, "filter", "image", "--user=1000")
    assert "SystemCallFilter=~@clock" in repaired
    assert "NoNewPrivileges=false" in repaired


def test_device_is_allowed_by_rkts_own_link(tmp_path: Path) -> None:
    """As found it is a link in /dev/.rkt, which prepare-app makes, and nothing of mknod."""
    words = ("--volume=disk,kind=host,source=/dev/null", "image", "--mount=volume=disk,target=/tmp/disk")
    assert "\nDeviceAllow=/dev/.rkt/disk rw\n" in _compose(tmp_path, "", *words)
    assert (tmp_path / "devices").read_text() == "disk /opt/stage2/a/rootfs/tmp/disk\n"
    assert "\nDeviceAllow=/dev/.rkt/disk rw\n" in _compose(tmp_path, "dev", *words)


def test_hidden_paths_are_rkts(tmp_path: Path) -> None:
    """All that rkt hides is there as found."""
    unit = _compose(tmp_path, "", "image")
    for path in ("/proc/kcore", "/proc/kallsyms", "/proc/sched_debug", "/sys/firmware", "/sys/module", "/sys/power"):
        assert f"\nInaccessiblePaths=-/opt/stage2/a/rootfs{path}\n" in unit


@pytest.mark.parametrize(("said", "expected"), [("", "ro"), (",readOnly=false", "rw"), (",readOnly=true", "ro")])
def test_what_a_volume_says_replaces_what_the_mount_point_says(tmp_path: Path, said: str, expected: str) -> None:
    """Whether it makes it more or less; nothing leaves it to the image."""
    (tmp_path / "volume").mkdir(exist_ok=True)
    words = (f"--volume=v,kind=host,source={tmp_path}/volume{said}", "image")
    _compose(tmp_path, "", *words, mounts=({"name": "v", "path": "/mnt", "readOnly": True},))
    assert (tmp_path / "binds").read_text().startswith("--bind-ro=" if expected == "ro" else "--bind=")


def test_the_double_is_built_by_the_rules_of_rkt(tmp_path: Path) -> None:
    """Its tree has what each of rkt's has, and its program finds its library in the stage1 image that it is built with."""
    assert RKT is not None
    assert [] == [path for path in RKT.landmarks if not (TREE.parent / path).exists()]
    assert () == find_missing_options(RKT, TREE.parent)
    shutil.copytree(TREE.parent, tmp_path / "tree")
    words = ["./configure", "--with-stage1-flavors=host", "--with-stage1-flavors-version-override=1.30.0"]
    for argv in (["./autogen.sh"], words, ["make", f"BUILDDIR={tmp_path}/build"]):
        subprocess.run(argv, check=True, cwd=tmp_path / "tree", capture_output=True, timeout=60)
    for output in (*RKT.outputs, *RKT.flavors["host"].outputs):
        assert any((tmp_path / "build" / path).is_file() for path in output.found)
    with tarfile.open(tmp_path / "build" / "target" / "bin" / "stage1-host.aci") as image:
        kind = image.extractfile("minirkt/kind")
        assert kind is not None
        assert kind.read().decode().split() == ["1.30.0"]
