"""`harness cache` in the real executable: what there is, room on the disk, and damage."""

import json
import re
from pathlib import Path

import pytest

from harness.store import Store
from harness.wait import Deadline
from tests.helpers.command_line import cache
from tests.helpers.stores import names, put, put_three


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three artifacts of about 400, 800 and 1200 KiB, used in this order."""
    return put_three(tmp_path / "store")


@pytest.mark.slow
def test_the_list_is_a_table_for_people(root: Path) -> None:
    """One line for each artifact, the latest use first, and the sum."""
    done = cache(root, "list")
    assert (0, "") == (done.code, done.err)
    heads, *rows, total = done.out.splitlines()
    assert ["kind", "key", "size", "last used", "made in", "what"] == re.split(r"  +", heads)
    assert [f"the thing {name}" for name in ("large", "middle", "small")] == [row.split("  ")[-1] for row in rows]
    assert re.fullmatch(r"3 artifacts with 2\.\dM in store\.", total)


@pytest.mark.slow
def test_the_list_is_json_for_programs(root: Path) -> None:
    """The fields of an artifact have the units that their names say."""
    newest = json.loads(cache(root, "list", "--format", "json").out)[0]
    assert {"kind", "key", "title", "bytes", "used", "seconds"} == newest.keys()
    assert ("thing", "the thing large") == (newest["kind"], newest["title"])
    assert 1200 * 1024 <= newest["bytes"] < 1300 * 1024
    assert newest["used"].endswith("+00:00")


@pytest.mark.slow
def test_names_are_for_shell_loops(root: Path) -> None:
    """`--format ids` prints kind and key, one artifact on a line, and nothing for an empty store."""
    lines = cache(root, "list", "--format", "ids").out.splitlines()
    assert 3 == len(lines)
    assert all((root / line / "manifest.json").exists() for line in lines)
    assert "" == cache(root / "none", "list", "--format", "ids").out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "stay"),
    [
        ("20G", {"small", "middle", "large"}),
        ("1.3M", {"large"}),
        ("2200 KiB", {"middle", "large"}),
        ("0", set()),
    ],
)
def test_pruning_keeps_what_was_used_last(root: Path, keep: str, stay: set[str]) -> None:
    """The size is read as people write it, and the store fits in it afterwards."""
    done = cache(root, "prune", "--keep", keep)
    assert (0, "") == (done.code, done.err)
    assert stay == names(root)
    assert 4 - len(stay) == len(done.out.splitlines())


@pytest.mark.slow
def test_pruning_says_what_it_did_to_programs(root: Path) -> None:
    """The JSON has what went, what was left by the dead, and what remains."""
    (root / "thing" / f"{'a' * 64}.part").mkdir()
    report = json.loads(cache(root, "prune", "--keep", "1.3M", "--format", "json").out)
    assert ["the thing small", "the thing middle"] == [item["title"] for item in report["removed"]]
    assert ([], []) == (report["busy"], report["images"])
    assert 1 == len(report["leftovers"])
    assert 0 < report["bytes"] <= 1.3 * 2**20


@pytest.mark.slow
def test_what_is_in_use_is_kept_and_said(root: Path) -> None:
    """Where more remains than was asked for, the reason is given."""
    user = Store(root)
    assert user.obtain("thing", {"name": "small"}, lambda _: None, Deadline.after(5, "test")).cached
    done = cache(root, "prune", "--keep", "1k")
    assert {"small"} == names(root)
    assert "That is more than 1.0K: 1 artifact" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["", "20X", "-1", "1e9", "1.G", "\uff19"])
def test_a_size_that_is_none_is_said(root: Path, keep: str) -> None:
    """Exit code 2, a sentence with what was written and what to write, and nothing is removed."""
    done = cache(root, "prune", f"--keep={keep}")
    assert 2 == done.code
    assert f"error: `{keep}` is not a size; write a number with K, M, G or T after it" in done.err
    assert 3 == len(names(root))


@pytest.mark.slow
def test_a_sound_store_is_said_to_be_sound(root: Path) -> None:
    """Nothing is wrong: exit code 0, and the count."""
    done = cache(root, "verify")
    assert (0, "3 artifacts are as they were made.\n", "") == (done.code, done.out, done.err)


@pytest.mark.slow
def test_damage_is_named_and_removed(root: Path) -> None:
    """A flipped bit: exit code 3, the artifact, the file and what to do; the second time all is well."""
    path = put(root, "middle").path / "tool"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    done = cache(root, "verify")
    assert 3 == done.code
    assert "(the thing middle): the file tool has other content than when it was made.\n" in done.out
    assert "error: The store store had 1 damaged artifact; the damage is removed.\nhint: " in done.err
    assert {"small", "large"} == names(root)
    assert {"sound": 2, "busy": 0, "damaged": []} == json.loads(cache(root, "verify", "--format", "json").out)
