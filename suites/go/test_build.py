"""Does it build as anyone types it, without the flags that the harness gives?"""

from suites.go.toolchain import Go

REFUSED = r"""
mkdir -p "$1/bin" "$1/refused/.git" && cd "$1/refused"
printf 'module example.org/small\n\ngo 1.15\n' >go.mod
printf 'package main\n\nfunc main() {}\n' >main.go
printf '#!/bin/sh\necho "fatal: detected dubious ownership in repository" >&2\nexit 128\n' >"$1/bin/git"
chmod +x "$1/bin/git"
"""
"""Shell: a module in a repository about which git says nothing, as it is another user's (git-config, safe.directory)."""


def test_runtime_builds_without_flags(go: Go) -> None:
    """`go build`, with no more than the runtime's own tags: dynamic, with paths, module mode and revision as Go wants."""
    done = go.run("build", *go.tags, "-o", f"{go.tree.scratch}/built", ".")
    assert done.code == 0, f"go build:\n{done.out}"


def test_built_runtime_runs(go: Go) -> None:
    """The executable that came out says what it is."""
    program = f"{go.tree.scratch}/runs"
    done = go.run("build", *go.tags, "-o", program, ".")
    assert done.code == 0, f"go build:\n{done.out}"
    said = go.tree.run(program, "--version")
    assert said.code == 0, said.out
    assert f"go{go.tree.go_version}" in said.out.split()


def test_all_packages_build(go: Go) -> None:
    """`go build ./...`: also what is in no executable."""
    done = go.run("build", *go.tags, "./...")
    assert done.code == 0, f"go build ./...:\n{done.out}"


def test_module_builds_where_git_refuses(go: Go) -> None:
    """`go build` of a module in a container that has the repository of somebody else."""
    scratch = go.tree.scratch
    made = go.tree.run("sh", "-ec", REFUSED, "refused", scratch)
    assert made.code == 0, made.out
    env = {"GO111MODULE": "on", "PATH": f"{scratch}/bin:/usr/bin:/bin"}
    done = go.run("build", "-o", f"{scratch}/small", ".", cwd=f"{scratch}/refused", env=env)
    assert done.code == 0, f"go build:\n{done.out}"
