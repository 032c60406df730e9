"""Builds for tests: a small program in Go, and runc as the project builds it.

As a script, `python -m tests.helpers.builds STORE TREE LOG`, it is another process that builds the small program.
"""

import subprocess
import sys
from pathlib import Path

from harness import build, catalog, source, toolchain
from harness.build import Builder, BuildSpec
from harness.catalog import Build, BuildOptions, Environment, Fixup, Source
from harness.store import Store
from harness.toolchain import InstalledToolchain
from harness.wait import Deadline

CATALOG = catalog.load(Path())
RUNC = CATALOG.get_runtime("runc").build
assert RUNC is not None
SHARED = ("environment", "lookup", "source", "toolchain")
"""Kinds of artifacts that a test's own store takes from the user's."""


def link_kind(kind: str, store: Store, own: Store) -> None:
    """Let a test's own store have a kind of artifacts from another one."""
    (store.root / kind).mkdir(parents=True, exist_ok=True)
    (own.root / kind).symlink_to(store.root / kind)


def ask_go_version(tools: InstalledToolchain) -> str:
    """Return what the `go` of a toolchain says of itself, without the user's settings."""
    argv: list[str | Path] = [tools.goroot / "bin" / "go", "version"]
    env = {"GOROOT": str(tools.goroot), "HOME": "/nonexistent", "GOTOOLCHAIN": "local"}
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout


def runc(go: str, store: Store, deadline: Deadline) -> BuildSpec:
    """Return the project's own runc 1.1.5, of Debian's source package."""
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


def small(
    tree: Path, store: Store, deadline: Deadline, builder: Builder = Builder.DOCKER, *, go: str = "1.27"
) -> BuildSpec:
    """Return the program in `tree`, in the environment of runc, so that no other one has to be made."""
    big = runc(go, store, deadline)
    packages = (*big.environment.packages, *build.find_recipe("go").list_packages(big))
    if builder is Builder.HOST:
        packages = ("gcc", "libc6-dev")
    rules = Build(
        recipe="go",
        environments=(Environment(release=big.environment.release, packages=packages),),
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
    """Write a program that prints its version."""
    tree.mkdir()
    (tree / "go.mod").write_text("module example.org/small\n\ngo 1.21\n")
    (tree / "main.go").write_text(f'package main\n\nvar version = "none"\n\nfunc main() {{\n\t{text}\n}}\n')
    return tree


SYSTEMD = CATALOG.systemd.build


class Repository:
    """A git repository with a program that meson builds, named greeter, and the fix-ups of its knowledge file."""

    def __init__(self, path: Path, fixups: tuple[Fixup, ...] = ()) -> None:
        self.path = path
        self.fixups = fixups
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("meson.build", MESON)
        self.write("meson_options.txt", "option('version-tag', type : 'string')\noption('word', type : 'string')\n")
        self.write("word.c", 'const char *word(void) { return WORD " " TAG; }\n')
        self.write("main.c", GREETER)

    def git(self, *argv: str) -> str:
        """Run git, and return what it says."""
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", self.path, *who, *argv], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        """Write a file of the working tree."""
        (self.path / name).write_text(text, encoding="utf-8")

    def commit(self) -> str:
        """Commit the working tree, and return the commit's name."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=change")
        return self.git("rev-parse", "HEAD")

    def spec(self, commit: str, store: Store, deadline: Deadline, *, version: str = "252") -> BuildSpec:
        """Return the build of a commit, in the environment of systemd, so that no other one has to be made."""
        rules = Build(
            recipe="meson",
            environments=SYSTEMD.environments,
            output="usr/bin/greeter",
            options=(BuildOptions(set={"word": "hello", "no-such-option": "1"}, reason="For the test."),),
            fixups=self.fixups,
            sources=(Source(git=str(self.path), ref=commit),),
        )
        (origin,) = rules.sources
        return BuildSpec(
            name="greeter",
            version=version,
            rules=rules,
            source=origin,
            revision=source.resolve(origin, version, store, deadline),
            toolchain=None,
        )


MESON = """\
project('greeter', 'c')
add_project_arguments('-DWORD="' + get_option('word') + '"', '-DTAG="' + get_option('version-tag') + '"',
                      language : 'c')
executable('greeter', 'main.c', 'word.c', install : true)
install_data('main.c', install_dir : '/etc')
"""

GREETER = """\
#include <stdio.h>
const char *word(void);
int main(void) { puts(word()); return 0; }
"""


if __name__ == "__main__":
    where, program, output = (Path(argument) for argument in sys.argv[1:])
    limit = Deadline.after(600, "build in another process")
    artifact = build.build(small(program, Store(where), limit), Store(where), limit, output)
    sys.stdout.write("stored\n" if artifact.cached else "built\n")
