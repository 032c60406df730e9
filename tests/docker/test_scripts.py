"""The script ci/with-docker, with a Docker daemon."""

import signal
import subprocess
from pathlib import Path

from tests import ROOT

CI = ROOT / "ci"


def test_with_docker_passes_on_input_output_and_status(docker: None) -> None:
    """The command's status is the script's, its input and output are the script's."""
    argv: list[str | Path] = [CI / "with-docker", "sh", "-c", "docker info >/dev/null && cat && exit 7"]
    done = subprocess.run(argv, input="text", capture_output=True, text=True, timeout=120, check=False)
    assert (7, "text") == (done.returncode, done.stdout)


def test_with_docker_ends_with_its_command(docker: None) -> None:
    """A termination signal to the script ends the command too, and its status says so."""
    argv: list[str | Path] = [CI / "with-docker", "sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        child = int(script.stdout.readline())
        script.send_signal(signal.SIGTERM)
        assert script.wait(timeout=30) in {-signal.SIGTERM, 128 + signal.SIGTERM}
    assert not Path(f"/proc/{child}").exists()
