"""Where the commands of a build run, and where they find what they need: in containers, or on this computer."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness import source, toolchain
from harness.build import container, downloads, environment, host
from harness.build.container import Bind
from harness.build.spec import BuildCommand, Builder, BuildPaths, BuildSpec, Recipe
from harness.store import Artifact, Store
from harness.toolchain import InstalledToolchain
from harness.wait import Deadline

__all__ = ["BuildPlace", "copy_source", "make_environment_key", "open_place"]

INSIDE = PurePosixPath("/harness")
"""Where the directories of a build are in a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlace:
    """Where the commands of one build run.

    Attributes:
        paths: Directories as the commands see them.
        scratch: Their HOME and TMPDIR, as the harness sees it.
        base: The tree that a container runs on; None on this computer.
        binds: What of this computer a container sees.
    """

    paths: BuildPaths
    scratch: Path
    base: Artifact | None = None
    binds: tuple[Bind, ...] = ()

    def run(self, commands: tuple[BuildCommand, ...], output: Path, deadline: Deadline) -> int:
        """Run commands until one fails, append what they say to a file, and return the exit status of the last.

        Raises:
            InfrastructureError: The Docker daemon does not answer or refuses.
            DeadlineError: They ran too long, and were ended.
        """
        if self.base is None:
            return host.run(commands, self.scratch, output, deadline)
        scratch = str(self.paths.scratch)
        home = {"HOME": scratch, "TMPDIR": scratch, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        full = tuple(replace(command, env={**home, **command.env}) for command in commands)
        return container.run(full, self.base, self.binds, output, deadline)


def make_environment_key(spec: BuildSpec, recipe: Recipe) -> str:
    """Return what names the environment of a build: one that is equal compiles to the same."""
    if spec.builder is Builder.HOST:
        return "host"
    return environment.make_environment_key(spec.environment, recipe.list_packages(spec))


def open_place(
    spec: BuildSpec, recipe: Recipe, store: Store, deadline: Deadline, *, work: Path | None, files: Path, scratch: Path
) -> BuildPlace:
    """Return where a build runs, with its environment, toolchain and source at hand.

    `work` is a directory with the source that the commands may change; without it they see the store's. `files` gets
    the output.

    Raises:
        InfrastructureError: Something of it cannot be had.
    """
    opened = _open_container if spec.builder is Builder.DOCKER else _open_host
    return opened(spec, recipe, store, deadline, work, files, scratch)


def _open_container(
    spec: BuildSpec, recipe: Recipe, store: Store, deadline: Deadline, work: Path | None, files: Path, scratch: Path
) -> BuildPlace:
    downloads.require_no_network(spec)
    if work is None:
        outside = source.check_out(spec.source, spec.revision, store, deadline).path
        code = Bind(outside=outside, inside=INSIDE / "work" / recipe.choose_source_path(spec))
    else:
        outside = work
        code = Bind(outside=work, inside=INSIDE / "work", writable=True)
    tools = _install_toolchain(spec, store, deadline)
    paths = BuildPaths(
        work=INSIDE / "work",
        toolchain=INSIDE / "toolchain" / tools.goroot.relative_to(tools.artifact.path) if tools else None,
        output=INSIDE / "output",
        scratch=INSIDE / "scratch",
        cache=INSIDE / "cache",
        outside=outside,
    )
    cache = _share_cache(spec, recipe, store, deadline)
    binds = [
        code,
        Bind(outside=files, inside=paths.output, writable=True),
        Bind(outside=scratch, inside=paths.scratch, writable=True),
        Bind(outside=cache, inside=paths.cache, writable=True),
    ]
    if tools:
        binds.append(Bind(outside=tools.artifact.path, inside=INSIDE / "toolchain"))
    base = environment.obtain(spec.environment, recipe.list_packages(spec), store, deadline)
    return BuildPlace(paths=paths, scratch=scratch, base=base, binds=tuple(binds))


def _open_host(
    spec: BuildSpec, recipe: Recipe, store: Store, deadline: Deadline, work: Path | None, files: Path, scratch: Path
) -> BuildPlace:
    host.require_packages((*spec.environment.packages, *recipe.list_packages(spec)), deadline)
    if work is None:
        work = scratch / "work"
        copy_source(spec, work / recipe.choose_source_path(spec), store, deadline)
    tools = _install_toolchain(spec, store, deadline)
    paths = BuildPaths(
        work=PurePosixPath(work),
        toolchain=PurePosixPath(tools.goroot) if tools else None,
        output=PurePosixPath(files),
        scratch=PurePosixPath(scratch),
        cache=PurePosixPath(_share_cache(spec, recipe, store, deadline)),
        outside=work,
    )
    return BuildPlace(paths=paths, scratch=scratch)


def copy_source(spec: BuildSpec, place: Path, store: Store, deadline: Deadline) -> None:
    """Copy the source of a build, because nothing else keeps commands from writing to the store."""
    tree = source.check_out(spec.source, spec.revision, store, deadline).path
    shutil.copytree(tree, place, symlinks=True)


def _install_toolchain(spec: BuildSpec, store: Store, deadline: Deadline) -> InstalledToolchain | None:
    return toolchain.install(spec.toolchain, store, deadline) if spec.toolchain else None


def _share_cache(spec: BuildSpec, recipe: Recipe, store: Store, deadline: Deadline) -> Path:
    """Return the directory of compiler output that builds in one environment share; another environment's C headers would be another truth."""
    return store.share("build-cache", make_environment_key(spec, recipe)[:20], deadline)
