"""Recipe meson: the output says which revision it is, compiles what changed only, and is right whatever was left."""

import subprocess
from pathlib import Path

import pytest

from harness import build
from harness.build import BuildError
from harness.build.recipes import meson
from harness.catalog import Fixup
from harness.source import hash_tree
from harness.store import Artifact, Store
from harness.wait import Deadline
from tests.helpers.builds import Repository

pytestmark = pytest.mark.usefixtures("docker")


def _says(artifact: Artifact) -> str:
    return subprocess.run(
        [artifact.path / "usr/bin/greeter"], check=True, capture_output=True, text=True
    ).stdout.strip()


def _compiled(log: Path) -> list[str]:
    """Names of the files that a build compiled."""
    lines = log.read_text().splitlines()
    return sorted({line.rpartition("/")[2].removesuffix(".o") for line in lines if "Compiling C object" in line})


def test_output_says_its_revision_and_equal_code_is_known(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """The version string has the commit; two commits with the same code differ in nothing else, which the digest shows.

    Options that the code does not declare are left out, and of the installed tree /usr is kept.
    """
    repository = Repository(tmp_path / "repository")
    first = repository.commit()
    repository.write("main.c", (repository.path / "main.c").read_text() + "/* nothing */\n")
    second = repository.commit()
    repository.write("word.c", 'const char *word(void) { return "other " TAG; }\n')
    third = repository.commit()
    made = [
        build.build(repository.spec(commit, own, deadline), own, deadline, tmp_path / "log")
        for commit in (first, second, third)
    ]
    assert [f"hello 252-g{first}", f"hello 252-g{second}", f"other 252-g{third}"] == [_says(each) for each in made]
    assert [first, second, third] == [each.said[meson.STAMP] for each in made]
    contents = [each.said[meson.CONTENT] for each in made]
    assert contents[0] == contents[1] != contents[2]
    assert hash_tree(made[0].path) != hash_tree(made[1].path)
    assert ["usr"] == [path.name for path in made[0].path.iterdir()]
    assert not build.build(repository.spec(first, own, deadline), own, deadline, tmp_path / "log").path.samefile(
        made[1].path
    )


def test_next_revision_compiles_only_what_changed(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """In a worktree a file that is the same is not compiled again, forwards and backwards; from nothing all are."""
    repository = Repository(tmp_path / "repository")
    first = repository.commit()
    repository.write("word.c", 'const char *word(void) { return "other " TAG; }\n')
    second = repository.commit()
    repository.write("main.c", (repository.path / "main.c").read_text().replace("return 0", "return 1 - 1"))
    third = repository.commit()
    compiled = []
    for commit in (first, third, second):
        build.build(repository.spec(commit, own, deadline), own, deadline, tmp_path / "log")
        compiled.append(_compiled(tmp_path / "log"))
    assert [["main.c", "word.c"], ["main.c", "word.c"], ["main.c"]] == compiled
    spec = repository.spec(second, own, deadline)
    (tmp_path / "scratch").mkdir()
    fresh = build.build(spec, own, deadline, tmp_path / "log", scratch=tmp_path / "scratch")
    assert ["main.c", "word.c"] == _compiled(tmp_path / "log")
    assert not fresh.cached
    found = build.find(spec, own)
    assert found is not None
    assert hash_tree(found.path) == hash_tree(fresh.path)


def test_a_spoilt_worktree_spoils_no_build(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """Where what an earlier build left makes this one fail, it is built without that, and the log says so."""
    repository = Repository(tmp_path / "repository")
    build.build(repository.spec(repository.commit(), own, deadline), own, deadline, tmp_path / "log")
    (ninja,) = own.root.glob("worktree/*/build-*/build.ninja")
    ninja.write_text("this is no build file\n")
    repository.write("word.c", 'const char *word(void) { return "other " TAG; }\n')
    commit = repository.commit()
    artifact = build.build(repository.spec(commit, own, deadline), own, deadline, tmp_path / "log")
    assert f"other 252-g{commit}" == _says(artifact)
    assert "# once more, without what earlier builds left" in (tmp_path / "log").read_text()


def test_a_revision_that_does_not_build_leaves_nothing_behind(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """It is a BuildError with the compiler's words; the next revision is built as if nothing had been."""
    repository = Repository(tmp_path / "repository")
    good = repository.commit()
    repository.write("word.c", "no such statement\n")
    bad = repository.commit()
    with pytest.raises(BuildError, match=r"word\.c:1") as caught:
        build.build(repository.spec(bad, own, deadline), own, deadline, tmp_path / "log")
    assert caught.value.log == tmp_path / "log"
    artifact = build.build(repository.spec(good, own, deadline), own, deadline, tmp_path / "log")
    assert f"hello 252-g{good}" == _says(artifact)


def test_fixups_make_old_code_build(own: Store, deadline: Deadline, tmp_path: Path) -> None:
    """A named commit and a substitution are applied where they are needed, by version, and the log says what was done."""
    plain = Repository(tmp_path / "repository")
    plain.write("word.c", "missing\n")
    broken = plain.commit()
    plain.write("word.c", 'const char *word(void) { return WORD " " TAG; }\n')
    repair = plain.commit()
    plain.fixups = (
        Fixup(versions="<253", commits=(repair,), reason="It was broken."),
        Fixup(versions="<253", file="main.c", pattern=r"puts\(", replacement="printf(", reason="A substitution."),
        Fixup(versions=">=253", file="main.c", pattern="int main", replacement="nonsense", reason="Not for this one."),
    )
    spec = plain.spec(broken, own, deadline)
    assert (
        build.collect_inputs(spec)["fixups"]
        != build.collect_inputs(plain.spec(broken, own, deadline, version="253"))["fixups"]
    )
    artifact = build.build(spec, own, deadline, tmp_path / "log")
    assert f"hello 252-g{broken}" == _says(artifact)
    log = (tmp_path / "log").read_text()
    assert f"# fix-up {repair[:12]}: applied. It was broken.\n" in log
    assert "# fix-up of main.c: replaced 1 times. A substitution.\n" in log
    build.build(plain.spec(repair, own, deadline), own, deadline, tmp_path / "log")
    assert f"# fix-up {repair[:12]}: not needed. It was broken.\n" in (tmp_path / "log").read_text()
