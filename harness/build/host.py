"""Builder `host`: runs the commands of a build on this computer, with what is installed there."""

from pathlib import Path

from harness import proc
from harness.build.spec import BuildCommand
from harness.errors import InfrastructureError
from harness.wait import Deadline

__all__ = ["require_packages", "run"]

INSTALLED = "install ok installed"


def require_packages(packages: tuple[str, ...], deadline: Deadline) -> None:
    """Raise InfrastructureError for packages of a build that are not installed, with what installs them."""
    proc.require("dpkg-query")
    argv = ["dpkg-query", "--show", "--showformat=${Package} ${Status}\\n", *packages]
    # Unknown packages make it fail, and are what we look for.
    done = proc.run(argv, deadline=deadline, apart=True, expect=(0, 1))
    installed = {
        name for name, _, status in (line.partition(" ") for line in done.out.splitlines()) if status == INSTALLED
    }
    missing = [name for name in packages if name not in installed]
    if missing:
        raise InfrastructureError(
            f"The build on this computer needs packages that are not installed: {', '.join(missing)}.",
            hint=f"Run `apt-get install {' '.join(missing)}`, or build with `--builder docker`.",
        )


def run(commands: tuple[BuildCommand, ...], scratch: Path, output: Path, deadline: Deadline) -> int:
    """Run commands one after another until one fails, and return the exit status of the last.

    `scratch` is their HOME and TMPDIR.

    Raises:
        DeadlineError: A command ran too long, and was ended with all its children.
    """
    for command in commands:
        env = proc.make_environment({"HOME": str(scratch), "TMPDIR": str(scratch), **command.env})
        done = proc.run(command.argv, deadline=deadline, env=env, cwd=Path(command.cwd), output=output, expect=None)
        if done.code != 0:
            return done.code
    return 0
