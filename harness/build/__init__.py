"""Builds components from source: a recipe says which commands, a builder runs them, the store keeps the output.

A recipe is a module in the folder `recipes`. The
output of a build is an artifact of kind "build" whose directory stands for the guest's root.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.build import downloads, environment, systemd_source, tree_check, worktree
from harness.build.build_place import make_environment_key, open_place
from harness.build.container import prune_images
from harness.build.recipes import find_recipe
from harness.build.settings import check_settings, provide_files, resolve_settings
from harness.build.spec import BuildCommand, Builder, BuildError, BuildPaths, BuildSpec, Recipe, SystemdSource
from harness.build.tree import open_tree, run_in_tree
from harness.catalog import BuildOptions, Fixup
from harness.model import VersionRange
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = [
    "KIND", "LOG", "BuildError", "BuildSpec", "Builder", "SystemdSource", "build", "check_settings", "collect_inputs",
    "find", "find_recipe", "open_tree", "prune_images", "resolve_settings", "run_in_tree",
]  # fmt: skip

KIND = "build"

LOG = "build.log"
"""Name of the log next to a stored artifact's manifest."""

TAIL = 15
"""Lines of the log that an error shows."""


def collect_inputs(spec: BuildSpec) -> dict[str, Any]:
    """Return everything that the output of a build depends on, as plain JSON values."""
    how = find_recipe(spec.rules.recipe)
    place = (
        environment.collect_inputs(spec.environment, how.list_packages(spec))
        if spec.builder is Builder.DOCKER
        else None
    )
    return {
        "name": spec.name,
        "version": spec.version,
        "recipe": [spec.rules.recipe, how.REVISION],
        "builder": spec.builder.value,
        "environment": place,
        "source": spec.revision.identity,
        "unvendored": spec.source.unvendored,
        "toolchain": spec.toolchain.identity if spec.toolchain else None,
        # Worktrees have their own places; there it is for questions about the source, which change no output.
        "package": "" if how.INCREMENTAL else spec.rules.package,
        "tags": list(spec.rules.tags),
        "options": _filter_fitting(spec, spec.rules.options),
        "fixups": _filter_fitting(spec, spec.rules.fixups),
        "output": spec.rules.output,
        **_collect_further(spec),
    }


def _collect_further(spec: BuildSpec) -> dict[str, Any]:
    """Return what only some components have; a key that says nothing would change the hashes of all the others."""
    rules, kind = spec.rules, spec.kind
    facts = {
        "flavor": spec.flavor,
        "systemd": [spec.systemd.version, spec.systemd.revision.identity] if spec.systemd else None,
        "flavor options": _filter_fitting(spec, kind.options),
        "targets": list(rules.targets),
        "variables": dict(rules.variables),
        "outputs": [output.model_dump(mode="json", exclude_none=True) for output in (*rules.outputs, *kind.outputs)],
        "settings": [[each.option, each.digest or each.value] for each in spec.settings],
    }
    return {name: value for name, value in facts.items() if value}


def _filter_fitting(spec: BuildSpec, items: tuple[BuildOptions, ...] | tuple[Fixup, ...]) -> list[Any]:
    """Return what of a knowledge file holds for the version that is built; reasons do not change the output."""
    return [
        item.model_dump(mode="json", exclude={"versions", "reason"})
        for item in items
        if VersionRange(item.versions).contains(spec.version)
    ]


def find(spec: BuildSpec, store: Store) -> Artifact | None:
    """Return the output of a build that was done before, or None."""
    return store.find(KIND, collect_inputs(spec))


def build(spec: BuildSpec, store: Store, deadline: Deadline, log: Path, *, scratch: Path | None = None) -> Artifact:
    """Return the output of a build, a tree for the guest's root: from the store, or built now from what is fetched now.

    A recipe that builds in a worktree is tried a second time without what earlier builds left there, as that
    may be what it failed on, and as there are revisions that fail at random.

    `log` gets the commands and their output; it is not touched when nothing is built. `scratch` is a directory for a
    worktree of its own: it is built from nothing then, whatever the store has.

    Raises:
        BuildError: A command failed, or the output is not there; the message ends with the end of the log.
        InfrastructureError: Something that the build needs cannot be had, or Docker does not answer.
    """

    def make(files: Path) -> dict[str, Any]:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"# {spec.title}, from {spec.revision.text}, on {spec.builder.value}\n", encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=files.parent) as temporary:
            job = BuildJob(
                spec=spec, recipe=find_recipe(spec.rules.recipe), files=files, scratch=Path(temporary), log=log
            )
            said = _build_by_recipe(job, store, deadline, scratch)
        shutil.copyfile(log, files.parent / LOG)
        tools = spec.toolchain
        tool = f"{tools.name} {tools.version}" if tools else None
        return {"title": spec.title, "source": spec.revision.text, "toolchain": tool, **said}

    what = collect_inputs(spec)
    return store.obtain(KIND, what if scratch is None else what | {"scratch": str(scratch)}, make, deadline)


def _build_by_recipe(job: "BuildJob", store: Store, deadline: Deadline, scratch: Path | None) -> Mapping[str, Any]:
    """Run the recipe, and return what it says about its output."""
    if not job.recipe.INCREMENTAL:
        _run(job, None, store, deadline)
        return job.recipe.finish(job.spec, job.files)
    with ExitStack() as stack:
        name = f"{job.spec.name}-{make_environment_key(job.spec, job.recipe)[:12]}"
        work = scratch or stack.enter_context(worktree.borrow_worktree(name, store, deadline))
        tree = work / job.recipe.choose_source_path(job.spec)
        _prepare(job, work, tree, store, deadline)
        try:
            _run(job, work, store, deadline)
        except BuildError as error:
            with job.log.open("a", encoding="utf-8") as file:
                file.write(f"# once more, without what earlier builds left: {str(error).splitlines()[0]}\n")
            worktree.clean_worktree(work, tree, whole=job.recipe.IN_SOURCE)
            if job.recipe.IN_SOURCE:
                _prepare(job, work, tree, store, deadline)
            shutil.rmtree(job.files)
            job.files.mkdir()
            _run(job, work, store, deadline)
    return job.recipe.finish(job.spec, job.files)


def _prepare(job: "BuildJob", work: Path, tree: Path, store: Store, deadline: Deadline) -> None:
    """Bring a worktree's source to the revision, and put next to it what the build is given."""
    worktree.fill_worktree(work, tree, job.spec, store, job.log, deadline)
    _require_options(job, tree)
    systemd_source.provide_systemd(work, job.spec, store, job.log, deadline)
    provide_files(work, job.spec.settings, job.log)


def _require_options(job: "BuildJob", tree: Path) -> None:
    """Raise BuildError for a tree that is older than what the rules build: it would become something else."""
    missing = tree_check.find_missing_options(job.spec.rules, tree)
    if missing:
        what = ", ".join(f"--{each.option}" for each in missing)
        raise BuildError(
            f"{job.spec.title} is not built: the configure.ac of {job.spec.revision.text} has no {what}."
            f" {missing[0].reason}",
            log=job.log,
        )


def _run(job: "BuildJob", work: Path | None, store: Store, deadline: Deadline) -> None:
    (job.files / job.spec.rules.output).parent.mkdir(parents=True)
    place = open_place(job.spec, job.recipe, store, deadline, work=work, files=job.files, scratch=job.scratch)
    code = place.run(job.log_commands(place.paths), job.log, deadline)
    title, log = job.spec.title, job.log
    if code != 0:
        said = f"The build of {title} ended with status {code}{_format_end(log)}"
        raise BuildError(said, log=log, hint=downloads.explain_failure(job.spec, log))
    if not os.access(job.files / job.spec.rules.output, os.X_OK):
        raise BuildError(f"The build of {title} made no executable {job.spec.rules.output}{_format_end(log)}", log=log)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """A build that is being done.

    Attributes:
        files: Directory for the output.
        scratch: Directory that is removed afterwards.
    """

    spec: BuildSpec
    recipe: Recipe
    files: Path
    scratch: Path
    log: Path

    def log_commands(self, places: BuildPaths) -> tuple[BuildCommand, ...]:
        """Return the recipe's commands, which are written to the log as a person would type them."""
        commands = self.recipe.make_commands(self.spec, places)
        with self.log.open("a", encoding="utf-8") as file:
            for command in commands:
                variables = shlex.join(f"{name}={value}" for name, value in command.env.items())
                file.write(f"+ cd {shlex.quote(str(command.cwd))} && env {variables} {shlex.join(command.argv)}\n")
        return commands


def _format_end(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return f"; its log is {log}, which ends with\n" + "\n".join(f"  | {line}" for line in lines)
