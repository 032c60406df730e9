"""Builds: the program that comes out runs on every guest, is built once, and a build that ends early leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker as sdk
import pytest

from harness import build
from harness.build import Builder, BuildError, BuildSpec, container
from harness.errors import InfrastructureError
from harness.store import Store
from harness.wait import Deadline, poll
from tests.helpers.builds import runc, small, write_small


def _output(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def client(docker: None) -> Iterator[sdk.DockerClient]:
    client = sdk.from_env()
    yield client
    client.close()


def _containers(client: sdk.DockerClient, pid: int) -> list[str]:
    """Containers of the harness that is process `pid`; other tests may have theirs at the same time."""
    found = client.containers.list(all=True, filters={"label": container.OWNER}, ignore_removed=True)
    return [str(one.name) for one in found if one.labels[container.OWNER].startswith(f"{pid}:")]


def _left(store: Store) -> list[str]:
    """Return what a build that ended early has left in the store, besides empty lock files."""
    return [str(path) for path in store.root.glob("build/*") if path.suffix != ".lock"]


@pytest.mark.parametrize("go", ["1.27", "1.21"])
def test_runc_is_built_by_the_go_that_was_asked_for(
    docker: None, store: Store, deadline: Deadline, tmp_path: Path, go: str
) -> None:
    """Real runc from Debian's source is static, says version, package and Go, and is not built a second time."""
    spec = runc(go, store, deadline)
    artifact = build.build(spec, store, deadline, tmp_path / "log")
    executable = artifact.path / spec.rules.output
    assert spec.toolchain is not None
    said = _output(executable, "--version")
    assert "runc version 1.1.5\n" in said
    assert f"commit: {spec.revision.stamp}\n" in said
    assert f"go: go{spec.toolchain.version}\n" in said
    assert "libseccomp: " in said
    assert "statically linked" in _output("file", executable)
    assert "+ cd " in (artifact.path.parent / build.LOG).read_text()
    again = build.build(spec, store, deadline, tmp_path / "second-log")
    assert (again.path, True) == (artifact.path, again.cached)
    assert not (tmp_path / "second-log").exists()
    found = build.find(spec, store)
    assert found is not None
    assert artifact.path == found.path


def test_what_is_built_is_the_tree(docker: None, own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """A module without dependencies is built; its version is put in; and another text is another artifact."""
    spec = small(write_small(tmp_path / "tree"), own, deadline)
    artifact = build.build(spec, own, deadline, tmp_path / "log")
    done = subprocess.run([artifact.path / "usr/bin/small"], check=True, capture_output=True, text=True)
    assert "1.0 by go\n" == done.stderr
    assert ["usr", "usr/bin", "usr/bin/small"] == sorted(
        str(path.relative_to(artifact.path)) for path in artifact.path.rglob("*")
    )
    (tmp_path / "tree" / "main.go").write_text("package main\n\nfunc main() {}\n")
    assert build.find(small(tmp_path / "tree", own, deadline), own) is None


@pytest.mark.parametrize("builder", list(Builder))
def test_a_program_that_does_not_compile_is_told_with_its_log(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path, builder: Builder
) -> None:
    """The error ends with the compiler's words and names the log; nothing is stored."""
    spec = small(write_small(tmp_path / "tree", "no such statement"), own, deadline, builder)
    with pytest.raises(BuildError, match=r"main\.go:6") as caught:
        build.build(spec, own, deadline, tmp_path / "log")
    assert str(tmp_path / "log") in str(caught.value)
    assert caught.value.log == tmp_path / "log"
    assert "syntax error" in (tmp_path / "log").read_text()
    assert [] == _left(own)


def test_a_build_on_the_host_runs(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """With `--builder host` no Docker is needed, and the artifact is another one than Docker's."""
    spec = small(write_small(tmp_path / "tree"), own, deadline, Builder.HOST)
    artifact = build.build(spec, own, deadline, tmp_path / "log")
    assert "statically linked" in _output("file", artifact.path / "usr/bin/small")
    assert build.find(small(tmp_path / "tree", own, deadline), own) is None


def test_a_go_that_lacks_our_flags_builds(docker: None, own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Go 1.15 is given no -buildvcs, which it would refuse; the executable is as it should be."""
    spec = small(write_small(tmp_path / "tree"), own, deadline, go="1.15")
    log = tmp_path / "log"
    built = build.build(spec, own, deadline, log)
    done = subprocess.run([built.path / spec.rules.output], check=True, capture_output=True, text=True)
    assert done.stderr == "1.0 by go\n"
    assert " -trimpath " in log.read_text()
    assert "-buildvcs" not in log.read_text()


def test_packages_that_the_host_lacks_are_named(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """A sentence names them, and the hint is the command that installs them."""
    spec = small(write_small(tmp_path / "tree"), own, deadline, Builder.HOST)
    place = spec.environment.model_copy(update={"packages": ("gcc", "no-such-package", "nor-this")})
    lacking = BuildSpec(
        name=spec.name, version=spec.version, source=spec.source, revision=spec.revision, toolchain=spec.toolchain,
        rules=spec.rules.model_copy(update={"environments": (place,)}), builder=Builder.HOST,
    )  # fmt: skip
    with pytest.raises(InfrastructureError, match="not installed: no-such-package, nor-this") as caught:
        build.build(lacking, own, deadline, tmp_path / "log")
    assert "apt-get install no-such-package nor-this" in str(caught.value.hint)


def test_a_daemon_that_does_not_answer_is_told_with_the_way_out(
    own: Store, deadline: Deadline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint names ci/with-docker and the other builder."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    spec = small(write_small(tmp_path / "tree"), own, deadline)
    with pytest.raises(InfrastructureError, match="does not answer") as caught:
        build.build(spec, own, deadline, tmp_path / "log")
    assert "ci/with-docker harness run" in str(caught.value.hint)
    assert "--builder host" in str(caught.value.hint)
    assert [] == _left(own)


def test_a_command_that_takes_too_long_is_ended(
    client: sdk.DockerClient, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """At its deadline a build's container is gone."""
    tree = write_small(tmp_path / "tree")
    spec = small(tree, own, deadline)
    with pytest.raises(InfrastructureError, match="did not end within"):
        build.build(spec, own, Deadline.after(2, "build"), tmp_path / "log")
    assert [] == _containers(client, os.getpid())
    assert [] == _left(own)


def _other(own: Store, tree: Path, log: Path) -> "subprocess.Popen[str]":
    argv: list[str | Path] = [sys.executable, "-m", "tests.helpers.builds", own.root, tree, log]
    # What stands in for a terminal's Ctrl-C must not hit the tests themselves.
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_two_processes_build_once(docker: None, own: Store, tmp_path: Path) -> None:
    """Of two processes with one store, one builds and both have the artifact."""
    tree = write_small(tmp_path / "tree")
    others = [_other(own, tree, tmp_path / f"log{number}") for number in (1, 2)]
    said = sorted(other.communicate(timeout=600)[0] for other in others)
    assert ["built\n", "stored\n"] == said
    assert 1 == len(list(tmp_path.glob("log*")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_an_interrupted_build_leaves_nothing(
    client: sdk.DockerClient, own: Store, deadline: Deadline, tmp_path: Path, number: signal.Signals
) -> None:
    """After Ctrl-C no container and nothing half-made is there; after KILL, when the next build has come by."""
    tree = write_small(tmp_path / "tree")
    other = _other(own, tree, tmp_path / "log")
    # A fresh store has no compiler cache, so that the command runs for seconds at least.
    poll(lambda: _containers(client, other.pid) or None, deadline)
    os.kill(other.pid, number)
    other.communicate(timeout=60)
    assert other.returncode != 0
    if number == signal.SIGKILL:
        assert [] != _containers(client, other.pid)
        build.build(small(tree, own, deadline), own, deadline, tmp_path / "log")
        assert [] == [path for path in _left(own) if path.endswith(".part")]
    else:
        assert [] == _left(own)
    assert [] == _containers(client, other.pid)


def _processes_that_name(path: Path) -> list[bytes]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(line.read_bytes())
    return [line for line in found if os.fsencode(path) in line]


def test_an_interrupted_environment_leaves_nothing(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """After Ctrl-C while Debian is unpacked, no tree, mount or process is left."""
    (own.root / "environment").unlink()
    other = _other(own, write_small(tmp_path / "tree"), tmp_path / "log")
    # When dpkg is there, mmdebstrap is in the middle of its work.
    poll(lambda: list(own.root.glob("environment/*.part/*/*/usr/bin/dpkg")) or None, deadline)
    os.kill(other.pid, signal.SIGINT)
    other.communicate(timeout=60)
    assert [] == [path for path in (own.root / "environment").iterdir() if path.suffix != ".lock"]
    assert str(own.root) not in Path("/proc/mounts").read_text()
    assert [] == _processes_that_name(own.root)


def test_every_input_counts(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Version, tags, toolchain, source and builder each change the inputs, and so the key."""
    spec = small(write_small(tmp_path / "tree"), own, deadline)
    (tmp_path / "tree" / "more").write_text("more")
    others = [
        small(tmp_path / "tree", own, deadline),
        small(tmp_path / "tree", own, deadline, Builder.HOST),
        runc("1.27", own, deadline),
        runc("1.21", own, deadline),
    ]
    seen = [build.collect_inputs(one) for one in (spec, *others)]
    assert all(seen.count(one) == 1 for one in seen)
    assert seen[0] == build.collect_inputs(spec)
