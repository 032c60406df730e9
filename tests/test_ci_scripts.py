"""The scripts in ci/: they pass on what the command says, leave nothing running, and do nothing twice."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / "ci"


def _run(*argv: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, **options)


def test_with_docker_passes_on_input_output_and_status(docker: None) -> None:
    """The command's status is the script's, its input and output are the script's."""
    done = _run(CI / "with-docker", "sh", "-c", "docker info >/dev/null && cat && exit 7", input="text")
    assert (7, "text") == (done.returncode, done.stdout)


def test_with_docker_says_what_it_wants() -> None:
    """Without a command it explains itself and is no success."""
    done = _run(CI / "with-docker")
    assert 3 == done.returncode
    assert "usage: ci/with-docker COMMAND" in done.stderr


def test_with_docker_ends_with_its_command(docker: None) -> None:
    """A termination signal to the script ends the command too, and its status says so."""
    argv = [CI / "with-docker", "sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        child = int(script.stdout.readline())
        script.send_signal(signal.SIGTERM)
        assert script.wait(timeout=30) in {-signal.SIGTERM, 128 + signal.SIGTERM}
    assert not Path(f"/proc/{child}").exists()


def test_install_deps_does_nothing_when_all_is_there() -> None:
    """On a computer that has everything it says nothing and installs nothing."""
    first = _run(CI / "install-deps")
    assert first.returncode == 0, first.stderr
    done = _run(CI / "install-deps")
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("tool", "name"), [("dnf", "qemu-img"), ("zypper", "qemu-tools")])
def test_install_deps_names_the_packages_elsewhere(tmp_path: Path, tool: str, name: str) -> None:
    """On a system with dnf or zypper it prints their names for the packages, and changes nothing."""
    for needed in ("bash", "awk"):
        (tmp_path / needed).symlink_to(os.path.realpath(str(shutil.which(needed))))
    (tmp_path / tool).write_text("#!/bin/sh\nexit 99\n")
    (tmp_path / tool).chmod(0o755)
    done = _run(tmp_path / "bash", CI / "install-deps", env={"PATH": str(tmp_path)})
    assert 0 == done.returncode
    assert f"{tool} install " in done.stderr
    assert f" {name} " in done.stderr
    assert "qemu-utils" not in done.stderr
