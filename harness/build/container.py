"""Builder `docker`: runs the commands of a build in containers without network, as the calling user.

The image is made from our own environment, never pulled. Every container has the label `OWNER`; it is
removed when its command ends, however that happens, and what a killed harness left is removed by the next.
"""

import json
import logging
import os
import shlex
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount

from harness.build.environment import KIND as ENVIRONMENT
from harness.build.environment import TREE
from harness.build.spec import BuildCommand
from harness.errors import InfrastructureError
from harness.process_identity import read_boot_id, read_start_time
from harness.store import Artifact, Store, hold_lock
from harness.wait import Deadline, poll

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["OWNER", "Bind", "ping", "prune_images", "run", "sweep", "sweep_left"]

logger = logging.getLogger(__name__)

OWNER = "rkt-harness.owner"
"""Label of our containers: process id and start time of the harness that made it, and where that number means something."""

REPOSITORY = "rkt-harness-environment"

STORE = "rkt-harness.store"
"""Label of our images: the directory of the store whose environment it was imported from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A directory of this computer in the container.

    Attributes:
        outside: The directory.
        inside: Where the commands see it.
    """

    outside: Path
    inside: PurePosixPath
    writable: bool = False


def run(
    commands: tuple[BuildCommand, ...], environment: Artifact, binds: tuple[Bind, ...], output: Path, deadline: Deadline
) -> int:
    """Run commands one after another in a fresh container, until one fails, and return the exit status of the last.

    They see `binds` of this computer; `environment` is the tree that they run on, see `harness.build.environment`.

    Raises:
        InfrastructureError: The Docker daemon does not answer or refuses.
        DeadlineError: A command ran too long. Its container is gone.
    """
    with _open_client() as client:
        sweep(client)
        image = _load_image(client, environment, deadline)
        return _run(client, image, commands, binds, output, deadline) if commands else 0


def _make_script(commands: tuple[BuildCommand, ...]) -> str:
    """Return the commands as one script: a container for each would take as long as a build of what hardly changed."""
    lines = ["set -e"]
    for command in commands:
        variables = [f"{name}={value}" for name, value in command.env.items()]
        lines.append(f"cd {shlex.quote(str(command.cwd))}")
        lines.append(shlex.join(["env", "-i", *variables, *command.argv]))
    return "\n".join(lines)


def sweep(client: "DockerClient") -> None:
    """Remove containers whose harness no longer runs; one on another computer or in another container may run."""
    for container in client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
        if not _is_alive(container.labels[OWNER]):
            logger.warning("removing the container %s, left by a harness that was killed", container.name)
            _remove(client, str(container.name))


def sweep_left() -> None:
    """Remove what processes left that were ended; nothing where Docker does not answer."""
    with suppress(InfrastructureError), _open_client() as client:
        sweep(client)


def prune_images(store: Store) -> list[str]:
    """Remove the images of environments that are not in the store any more, and return their names.

    What killed harnesses left running is removed too. Images of other stores stay, and so does everything where Docker does not answer.
    """
    removed = []
    try:
        with _open_client() as client:
            sweep(client)
            for image in client.images.list(name=REPOSITORY, filters={"label": f"{STORE}={store.root.absolute()}"}):
                for name in image.tags:
                    if not list((store.root / ENVIRONMENT).glob(f"{name.rpartition(':')[2]}*/")):
                        # Without force, so that Docker keeps what a container runs on.
                        with suppress(APIError):
                            client.images.remove(name)
                            removed.append(name)
    except InfrastructureError as error:
        logger.info("Docker's images were not looked at: %s", error)
    return removed


def ping() -> None:
    """Ask whether the Docker daemon answers; raises InfrastructureError if it does not."""
    with _open_client():
        pass


@contextmanager
def _open_client() -> Iterator["DockerClient"]:
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise InfrastructureError(
            "The Docker daemon does not answer, and the build wants a container.",
            hint="Run `ci/with-docker harness run ...`, which starts one, or build with `--builder host`.",
        ) from error
    try:
        yield client
    except (DockerException, requests.RequestException) as error:
        raise InfrastructureError(f"Docker did not do what the build needs: {error}.") from error
    finally:
        client.close()


def _load_image(client: "DockerClient", environment: Artifact, deadline: Deadline) -> str:
    """Return the name of the environment's image; it is imported when Docker does not have it."""
    name = f"{REPOSITORY}:{environment.key[:20]}"
    # Two builds at once would import the same tree twice and leave the first one nameless.
    with hold_lock(environment.path.parent.with_suffix(".import.lock"), deadline):
        try:
            client.images.get(name)
        except ImageNotFound:
            logger.info("importing the build environment %s into Docker", environment.key[:12])
            repository, _, tag = name.partition(":")
            label = f"LABEL {json.dumps(STORE)}={json.dumps(str(environment.path.absolute().parents[2]))}"
            client.api.import_image(src=str(environment.path / TREE), repository=repository, tag=tag, changes=[label])
            client.images.get(name)
    return name


def _run(
    client: "DockerClient", image: str, commands: tuple[BuildCommand, ...], binds: tuple[Bind, ...], output: Path,
    deadline: Deadline,
) -> int:  # fmt: skip
    # The name is ours, so that the container can be removed even if Ctrl-C comes while it is being made.
    name = f"rkt-harness-build-{uuid.uuid4().hex[:12]}"
    try:
        container = client.containers.create(
            image,
            ["/bin/sh", "-c", _make_script(commands)],
            name=name,
            labels={OWNER: _identify()},
            mounts=[
                Mount(str(bind.inside), str(bind.outside), type="bind", read_only=not bind.writable) for bind in binds
            ],
            user=f"{os.getuid()}:{os.getgid()}",
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        container.start()
        with _log_output(container, output):
            return poll(lambda: _exit_status(container), deadline, every=0.1)
    finally:
        _remove(client, name)


def _exit_status(container: "Container") -> int | None:
    container.reload()
    state: Mapping[str, object] = container.attrs["State"]
    return int(str(state["ExitCode"])) if state["Status"] in {"exited", "dead"} else None


@contextmanager
def _log_output(container: "Container", output: Path) -> Iterator[None]:
    """Append the container's output to a file while it appears; all of it is there when the context ends."""

    def copy() -> None:
        # The stream breaks off when the container is removed under it.
        with output.open("ab", buffering=0) as file, suppress(DockerException, requests.RequestException):
            for chunk in container.logs(stream=True, follow=True):
                file.write(chunk)

    thread = threading.Thread(target=copy, name=f"log-of-{container.name}", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        with suppress(APIError):
            container.kill()
        raise
    finally:
        thread.join(timeout=5)


def _remove(client: "DockerClient", name: str) -> None:
    with suppress(NotFound):
        client.api.remove_container(name, force=True, v=True)


def _identify() -> str:
    return f"{os.getpid()}:{read_start_time(os.getpid())}:{_name_process_space()}"


def _name_process_space() -> str:
    """Return what tells this computer's boot and this name space of processes (pid_namespaces(7)) from all others."""
    return f"{read_boot_id()}-{Path('/proc/self/ns/pid').stat().st_ino}"


def _is_alive(owner: str) -> bool:
    """Return whether a container's harness runs, or may run where it cannot be seen from here.

    One that was killed does not, even before its parent has noticed.
    """
    pid, started, *space = owner.split(":")
    if space and space != [_name_process_space()]:
        return True
    return pid.isdigit() and str(read_start_time(int(pid))) == started
