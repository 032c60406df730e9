"""The scripts in ci/: they pass on what the command says, leave nothing running, and do nothing twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.helpers import stores

CI = ROOT / "ci"


def _run(
    *argv: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=cwd, env=env)


def test_with_docker_says_what_it_wants() -> None:
    """Without a command it explains itself and is no success."""
    done = _run(CI / "with-docker")
    assert 3 == done.returncode
    assert "usage: ci/with-docker COMMAND" in done.stderr


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


@pytest.mark.slow
def test_in_debian_just_runs_the_command_on_debian() -> None:
    """On a Debian computer there is no container: the command runs here, its status is the script's."""
    if "\nID=debian\n" not in Path("/etc/os-release").read_text(encoding="utf-8"):
        pytest.skip("This computer is not Debian.")
    done = _run(CI / "in-debian", "sh", "-c", "git config safe.directory; exit 7", cwd=CI.parent)
    assert (7, "*\n") == (done.returncode, done.stdout)


DOCKER = """\
#!/bin/bash
# Double of docker: writes down its words, and runs the command in the working directory in place of a container.
printf '%s\\n' "$@" >words
while [[ $1 != sh ]]; do shift; done
exec "$@"
"""


@pytest.mark.slow
def test_in_debian_uses_a_container_elsewhere(tmp_path: Path) -> None:
    """On Ubuntu the command runs in a privileged Debian, sees CI and HARNESS_*, and leaves nothing that is root's."""
    tmp_path.chmod(0o755)
    shutil.copytree(CI, tmp_path / "ci")
    (tmp_path / "os-release").write_text("ID=ubuntu\nID_LIKE=debian\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER)
    (tmp_path / "bin" / "docker").chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    # In a mount namespace of its own this computer's name is another.
    script = 'mount --bind os-release /etc/os-release && exec ci/in-debian sh -c "touch made; exit 7"'
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CI": "true", "HARNESS_STORE": "runs/store", "HARNESS_X": "a b", "OTHER": "no"}
    done = _run("unshare", "--mount", "sh", "-c", script, cwd=tmp_path, env=env)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("Only root may have a mount namespace here.")
    assert done.returncode == 7, done.stderr
    words = (tmp_path / "words").read_text().splitlines()
    start = words[: words.index("debian:bookworm")]
    named = [words[index + 1] for index, word in enumerate(start) if word == "--env"]
    assert {"CI", "HARNESS_STORE", "HARNESS_X"} <= set(named)
    assert "OTHER" not in named
    assert {"--privileged", "--rm", f"{tmp_path}:/harness"} <= set(start)
    assert (tmp_path / "made").stat().st_uid == 65534


@pytest.mark.parametrize("name", ["run-shard", "release-gate", "with-make", "in-debian"])
def test_scripts_say_what_they_want(name: str) -> None:
    """Without arguments a script prints how it is called, does nothing, and is a usage error."""
    done = _run(CI / name)
    assert 2 == done.returncode
    assert f"usage: ci/{name} " in done.stderr


@pytest.mark.slow
def test_scripts_are_clean() -> None:
    """Shellcheck finds nothing in any script of ci/, also not in those that `make check` does not know yet."""
    scripts = [path for path in CI.iterdir() if path.is_file() and path.read_bytes().startswith(b"#!")]
    done = _run("shellcheck", *scripts, *(CI.parent / "tests" / "guest" / "ci_doubles").iterdir())
    assert (0, "") == (done.returncode, done.stdout)


HARNESS = """\
#!/bin/bash
# Double of the harness: verbs of the store are the real one's, and a run notes what it would use.
case " $* " in
    *" cache "*) exec {harness} "$@" ;;
    *" run "*) find "$HARNESS_STORE" -name tool >{used} ;;
esac
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "sound"])
def test_a_cache_is_verified_before_it_is_used(tmp_path: Path, *, damaged: bool) -> None:
    """A file that was changed in a CI system's cache, its size as before, is gone before `harness run` begins."""
    stores.put(tmp_path / "store", "a", size=100)
    (tool,) = (tmp_path / "store").glob("*/*/files/tool")
    if damaged:
        tool.write_bytes(b"\1" + bytes(99))
    doubles = {
        "ci/with-docker": '#!/bin/sh\nexec "$@"\n',
        ".venv/bin/harness": HARNESS.format(harness=Path(sys.executable).with_name("harness"), used=tmp_path / "used"),
        "bin/make": "#!/bin/sh\n",
    }
    for name, text in doubles.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    shutil.copy(CI / "run-shard", tmp_path / "ci")
    programs = f"{tmp_path}/bin:{os.environ['PATH']}"
    done = _run(
        tmp_path / "ci" / "run-shard",
        "1",
        "2",
        "change",
        env={"PATH": programs, "HARNESS_STORE": str(tmp_path / "store")},
    )
    assert "left no result" in done.stderr
    assert (tmp_path / "used").read_text() == ("" if damaged else f"{tool}\n")
    assert ("other content than" in done.stderr) == damaged
