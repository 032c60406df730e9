"""The build tree: Go is asked about a source where it is built, and nothing of that is left."""

from dataclasses import replace
from pathlib import Path

import docker as sdk
import pytest

from harness import build
from harness.build import Builder, BuildSpec, container
from harness.errors import ConfigError
from harness.plugin.build_tree import Tree
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.builds import Repository, small, write_small


@pytest.mark.parametrize("builder", list(Builder))
def test_go_is_asked_where_it_builds(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path, builder: Builder
) -> None:
    """Commands find the cell's Go and the source, may change it for those that follow, and leave the original alone."""
    original = write_small(tmp_path / "tree")
    spec = small(original, own, deadline, builder)
    assert spec.toolchain is not None
    with build.open_tree(spec, tmp_path, own, deadline) as described:
        tree = Tree(described)
        assert tree.go_version == spec.toolchain.version
        assert tree.run("go", "version").out.startswith(f"go version go{spec.toolchain.version} ")
        assert tree.run(f"{tree.goroot}/bin/gofmt", "-l", ".").out == ""
        assert tree.run("go", "env", "GOFLAGS", "GOPROXY").out == "\noff\n"
        assert tree.run("sh", "-c", "echo 'package   main' >planted.go").code == 0
        assert tree.run(f"{tree.goroot}/bin/gofmt", "-l", ".").out == "planted.go\n"
        assert tree.run("sh", "-c", 'file=$(mktemp) && rm "$file"').code == 0
        refused = tree.run("go", "build", "-o", f"{tree.scratch}/built", "-nosuchflag")
        assert refused.code == 2
        assert "nosuchflag" in refused.out
        left = list(tmp_path.glob("tree-*"))
        assert len(left) == 1
    assert not left[0].exists()
    assert not (original / "planted.go").exists()
    client = sdk.from_env()
    assert not [one for one in client.containers.list(all=True, filters={"label": container.OWNER}, ignore_removed=True)
                if str(tmp_path) in str(one.attrs["Mounts"])]  # fmt: skip
    client.close()


def test_a_source_without_modules_lies_in_its_gopath(
    docker: None, own: Store, deadline: Deadline, tmp_path: Path
) -> None:
    """As the makefiles of such a program would link it: its packages import each other by their whole paths."""
    original = write_small(tmp_path / "tree", "parts.Say()")
    (original / "go.mod").unlink()
    (original / "main.go").write_text(
        'package main\n\nimport "example.org/small/parts"\n\nfunc main() { parts.Say() }\n'
    )
    (original / "parts").mkdir()
    (original / "parts" / "parts.go").write_text('package parts\n\nfunc Say() { println("parts") }\n')
    spec = small(original, own, deadline)
    spec = replace(spec, rules=spec.rules.model_copy(update={"recipe": "autotools"}))
    with build.open_tree(spec, tmp_path, own, deadline) as described:
        tree = Tree(described)
        assert tree.run("go", "list", "./...").out == "example.org/small\nexample.org/small/parts\n"
        assert tree.run("go", "run", ".").out == "parts\n"


def test_what_no_go_builds_has_no_tree(tmp_path: Path, store: Store, deadline: Deadline) -> None:
    """The recipe of systemd knows no Go that could be asked."""
    repository = Repository(tmp_path / "repository")
    spec: BuildSpec = repository.spec(repository.commit(), store, deadline)
    with pytest.raises(ConfigError, match="no Go builds it"), build.open_tree(spec, tmp_path, store, deadline):
        raise AssertionError
