"""The build tree: a runtime's source where it is built, kept so that its Go can be asked about it, command by command.

Each command runs in a container of its own, as a build does, on a copy of the source that commands may change.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness.build import container, environment
from harness.build.build_place import BuildPlace, copy_source, open_place
from harness.build.container import Bind
from harness.build.recipes import find_recipe
from harness.build.spec import BuildCommand, Builder, BuildPaths, BuildSpec, GoRecipe
from harness.cell_file import BuildTree, TreeBind
from harness.errors import ConfigError
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["open_tree", "run_in_tree"]


PARTS = ("work", "output", "scratch", "tmp")
"""Directories of a tree."""


@contextmanager
def open_tree(spec: BuildSpec, directory: Path, store: Store, deadline: Deadline) -> Iterator[BuildTree]:
    """Yield the build tree of what a recipe builds with Go; it is in `directory`, and gone when the context ends.

    Raises:
        ConfigError: No Go builds it.
        InfrastructureError: Something of it cannot be had.
    """
    recipe = find_recipe(spec.rules.recipe)
    go = spec.toolchain
    if go is None or not isinstance(recipe, GoRecipe):
        raise ConfigError(f"{spec.title} has no build tree, as no Go builds it.")
    if spec.kind.network:  # what the build downloads is no source
        spec = replace(spec, flavor=None)
    with tempfile.TemporaryDirectory(dir=directory, prefix="tree-", ignore_cleanup_errors=True) as name:
        work, files, scratch, temporary = (Path(name).absolute() / part for part in PARTS)
        for part in (files, scratch, temporary):
            part.mkdir()
        path = recipe.choose_tree_path(spec)
        copy_source(spec, work / path, store, deadline)
        place = open_place(spec, recipe, store, deadline, work=work, files=files, scratch=scratch)
        try:
            yield BuildTree(
                environment=place.base.path if place.base else None,
                binds=(
                    *(
                        TreeBind(outside=bind.outside.absolute(), inside=str(bind.inside), writable=bind.writable)
                        for bind in place.binds
                    ),
                    # Tests of programs write there, whatever TMPDIR says.
                    TreeBind(outside=temporary, inside="/tmp", writable=True),  # noqa: S108 - in the container
                ),
                source=str(place.paths.work / path),
                goroot=str(place.paths.toolchain),
                scratch=str(place.paths.scratch),
                outside=scratch,
                env=dict(recipe.make_go_environment(spec, place.paths)),
                go=go.version,
                tags=spec.rules.tags,
            )
        finally:
            if spec.builder is Builder.DOCKER:
                container.sweep_left()


def run_in_tree(
    tree: BuildTree, argv: tuple[str, ...], output: Path, deadline: Deadline, *, cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Run a command in the tree's source, or in another directory, and return its exit status; raises as `BuildPlace.run`.

    What it says is added to the file `output`; `env` is added to the tree's environment.
    """
    here = PurePosixPath(tree.source)
    nowhere = BuildPaths(
        work=here, toolchain=None, output=here, scratch=PurePosixPath(tree.scratch), cache=here, outside=tree.outside
    )
    base = tree.environment
    place = BuildPlace(
        paths=nowhere,
        scratch=tree.outside,
        base=Artifact(
            kind=environment.KIND, key=base.parent.name, path=base, seconds=0.0, cached=True, said={}
        ) if base else None,
        binds=tuple(
            Bind(outside=bind.outside, inside=PurePosixPath(bind.inside), writable=bind.writable)
            for bind in tree.binds
        ),
    )  # fmt: skip
    command = BuildCommand(argv=argv, cwd=PurePosixPath(cwd or tree.source), env={**tree.env, **(env or {})})
    return place.run((command,), output, deadline)
