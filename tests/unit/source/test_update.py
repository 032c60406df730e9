"""A tree that builds use is brought to another revision, and what is the same in it keeps its times."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import source
from harness.catalog import Source
from harness.source import hash_tree
from harness.source.directory import mirror
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.builds import Repository

OLD = 1_000_000_000

NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "c/f/g"])
CONTENTS = st.one_of(
    st.tuples(st.just("file"), st.sampled_from(["", "x", "y"]), st.sampled_from([0o644, 0o755])),
    st.tuples(st.just("link"), st.sampled_from(["a", "nowhere"]), st.just(0)),
)
TREES = st.dictionaries(NAMES, CONTENTS, max_size=4)


def _write(root: Path, tree: dict[str, tuple[str, str, int]]) -> None:
    root.mkdir(parents=True)
    for name, (kind, text, mode) in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            path.symlink_to(text)
        else:
            path.write_text(text)
            path.chmod(mode)
            os.utime(path, (OLD, OLD))


@pytest.mark.slow
@given(before=TREES, after=TREES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mirrored_tree_is_the_other_one(
    before: dict[str, tuple[str, str, int]],
    after: dict[str, tuple[str, str, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any tree becomes any other; a file keeps its time if and only if its content is the same."""
    root = tmp_path_factory.mktemp("trees")
    _write(root / "origin", after)
    _write(root / "tree", before)
    mirror(root / "origin", root / "tree")
    assert hash_tree(root / "origin") == hash_tree(root / "tree")
    for name, (kind, text, _) in after.items():
        if kind == "file":
            same = before.get(name, ("", "", 0))[:2] == ("file", text)
            assert same == ((root / "tree" / name).stat().st_mtime == OLD)


def test_git_brings_a_tree_to_a_revision(tmp_path: Path, deadline: Deadline) -> None:
    """Forwards and backwards; what a build changed is undone, what it made stays, what is the same keeps its time."""
    repository = Repository(tmp_path / "repository")
    first = repository.commit()
    repository.write("word.c", "other\n")
    repository.write("more.c", "more\n")
    (repository.path / "meson_options.txt").unlink()
    second = repository.commit()
    store, tree, index = Store(tmp_path / "store"), tmp_path / "tree", tmp_path / "index"
    tree.mkdir()

    def update(commit: str) -> None:
        origin = Source(git=str(repository.path), ref=commit)
        source.update(origin, source.resolve(origin, "1", store, deadline), tree, index, store, deadline)

    update(first)
    born = (tree / "main.c").stat().st_mtime_ns
    before = (tree / "word.c").read_text()
    (tree / "meson.build").write_text("changed by a fix-up\n")
    (tree / "product.o").write_text("made by a build\n")
    update(second)
    assert ["main.c", "meson.build", "more.c", "product.o", "word.c"] == sorted(path.name for path in tree.iterdir())
    assert "greeter" in (tree / "meson.build").read_text()
    assert "other\n" == (tree / "word.c").read_text()
    update(first)
    assert before == (tree / "word.c").read_text()
    assert not (tree / "more.c").exists()
    assert (tree / "meson_options.txt").exists()
    assert born == (tree / "main.c").stat().st_mtime_ns


def test_other_kinds_of_sources_update_a_tree_too(tmp_path: Path, deadline: Deadline) -> None:
    """A directory's next state is mirrored; it has no commits whose changes could be had."""
    origin, store, tree = tmp_path / "origin", Store(tmp_path / "store"), tmp_path / "tree"
    tree.mkdir()
    _write(origin, {"a": ("file", "one", 0o644), "b": ("file", "two", 0o644)})
    place = Source(directory=origin)
    source.update(place, source.resolve(place, "1", store, deadline), tree, tmp_path / "index", store, deadline)
    (origin / "b").unlink()
    source.update(place, source.resolve(place, "1", store, deadline), tree, tmp_path / "index", store, deadline)
    assert ["a"] == [path.name for path in tree.iterdir()]
    assert source.read_patch(place, "0" * 40, store, deadline) is None
