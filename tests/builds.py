"""Builds for tests: a small program in Go, and runc as the project builds it.

As a script, `python -m tests.builds STORE TREE LOG`, it is another process that builds the small program.
"""

import sys
from pathlib import Path

from harness import build, catalog, source, toolchain
from harness.build import Builder, BuildSpec
from harness.catalog import Build, Environment, Source
from harness.store import Store
from harness.wait import Deadline

CATALOG = catalog.load(Path())
RUNC = CATALOG.runtime("runc").build
assert RUNC is not None


def runc(go: str, store: Store, deadline: Deadline) -> BuildSpec:
    """The project's own runc 1.1.5, of Debian's source package."""
    assert RUNC is not None
    origin = source.choose(RUNC.sources, "1.1.5")
    return BuildSpec(
        name="runc",
        version="1.1.5",
        rules=RUNC,
        source=origin,
        revision=source.resolve(origin, "1.1.5", store, deadline),
        toolchain=toolchain.resolve("go", CATALOG.toolchains["go"], go, store, deadline),
    )


def small(tree: Path, store: Store, deadline: Deadline, builder: Builder = Builder.DOCKER) -> BuildSpec:
    """The program in `tree`, in the environment of runc, so that no other one has to be made."""
    big = runc("1.27", store, deadline)
    packages = (*big.rules.environment.packages, *build.recipe("go").packages(big))
    if builder is Builder.HOST:
        packages = ("gcc", "libc6-dev")
    rules = Build(
        recipe="go",
        environment=Environment(release=big.rules.environment.release, packages=packages),
        package="example.org/small",
        output="usr/bin/small",
        sources=(Source(directory=tree),),
    )
    (origin,) = rules.sources
    return BuildSpec(
        name="small",
        version="1.0",
        rules=rules,
        source=origin,
        revision=source.resolve(origin, "1.0", store, deadline),
        toolchain=big.toolchain,
        builder=builder,
    )


def write_small(tree: Path, text: str = 'println(version, "by", "go")') -> Path:
    """A program that says its version."""
    tree.mkdir()
    (tree / "go.mod").write_text("module example.org/small\n\ngo 1.21\n")
    (tree / "main.go").write_text(f'package main\n\nvar version = "none"\n\nfunc main() {{\n\t{text}\n}}\n')
    return tree


if __name__ == "__main__":
    where, program, output = (Path(argument) for argument in sys.argv[1:])
    limit = Deadline.after(600, "build in another process")
    artifact = build.build(small(program, Store(where), limit), Store(where), limit, output)
    sys.stdout.write("stored\n" if artifact.cached else "built\n")
