"""Files that people write, mutated: each is read or refused with its place, and none ends with a traceback."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from harness import yamlfile
from harness.catalog import Catalog
from harness.ci.rendering import Pipeline, System, render
from harness.errors import HarnessError
from harness.matrix import load
from tools import yaml_mutants
from tools.yaml_mutants import KINDS, PIECES, read_mutant, try_mutants

ROOT = Path(__file__).parents[3]
SEED = 15


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_read_or_refused(kind: str) -> None:
    """No traceback in some mutants of each kind of file; `python -m tools.yaml_mutants` tries 200,000."""
    broken, counts = try_mutants(kind, 25, SEED)
    assert broken == []
    assert counts.total() == 25


def test_what_breaks_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader that raises anything else, gives no place, or takes its time is shown with the mutant, and is no success."""

    def use(place: Path) -> None:
        kind = len(place.read_text(encoding="utf-8", errors="replace")) % 3
        if kind == 0:
            raise KeyError("x")
        if kind == 1:
            begin = time.process_time()
            while time.process_time() < begin + 0.02:
                pass

    monkeypatch.setattr(yaml_mutants, "SLOW", 0.01)
    monkeypatch.setitem(KINDS, "key", (KINDS["key"][0], use))
    broken, counts = try_mutants("key", 12, SEED)
    assert {one.why.split()[0].rstrip(":")[:3] for one in broken} == {"Key", "0.0"}
    assert len(broken) == counts["broken"]
    assert yaml_mutants.main(["--count", "12", "--only", "key", "--jobs", "1"]) == 1
    assert "KeyError: 'x'" in capsys.readouterr().out


def test_each_file_is_read_without_a_mutation(tmp_path: Path) -> None:
    """The real files themselves are read, so that what is refused is the mutation."""
    for kind, (path, _) in KINDS.items():
        assert read_mutant(kind, path.read_text(encoding="utf-8"), tmp_path) == "read", kind


def test_each_kind_of_file_of_the_project_has_mutants() -> None:
    """A file that people write is of a kind that is mutated."""
    listed = subprocess.run(["git", "ls-files", "*.yaml"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    here = {path.relative_to(ROOT) for path, _ in KINDS.values()}
    kinds = {
        (path.parent.parent if path.parts[0] == "suites" and len(path.parts) == 3 else path.parent, path.name)
        for path in here
    }
    kinds |= {(path.parent, "*") for path in here if path.parent.name in {"runtimes", "toolchains", "systems", "ci"}}
    for name in (Path(line) for line in listed.split() if not line.startswith(("tests/", "."))):
        place = name.parent.parent if name.parts[0] == "suites" and len(name.parts) == 3 else name.parent
        assert (place, name.name) in kinds or (place, "*") in kinds, name


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_alone_is_read_or_refused(piece: str, tmp_path: Path) -> None:
    """As a whole file, as a value and as a key, in a matrix and a policy."""
    known = Catalog(root=ROOT)
    for text in (
        piece,
        f"version: {piece}",
        f"{piece}: 1",
        f"version: 1\naxes: {piece}\nexpectations: [{{matching: '{piece}'}}]",
    ):
        for kind in ("matrix", "policy"):
            assert read_mutant(kind, text, tmp_path) == "refused"
    place = tmp_path / "matrix.yaml"
    place.write_text(piece, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(HarnessError):
        load(place, known)


@pytest.mark.parametrize("kind", ["zero", "fifo", "large", "directory"])
def test_a_file_without_end_is_refused(tmp_path: Path, kind: str) -> None:
    """Neither a device, a pipe without a writer, nor a file of any size is read to its end."""
    place = tmp_path / "x.yaml"
    if kind == "zero":
        place = Path("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(place)
        assert yamlfile.read(place).value is None
        return
    elif kind == "directory":
        place.mkdir()
    else:
        place.write_text("a: b\n" * (1 << 20))
    with pytest.raises(HarnessError):
        yamlfile.read(place)


@pytest.mark.parametrize(
    "template",
    [
        "<< {}(e) >>",
        "<% macro a() %><< a() >><% endmacro %><< a() >>",
        "<< 10 ** 5000 >>",
        "<< 1 / 0 >>",
        "<< [][1].x >>",
    ],
)
def test_a_template_that_breaks_is_a_mistake_of_its_file(template: str) -> None:
    """Whatever its text does while it is filled in, the sentence names the file."""
    system = System(name="x", description="X.", sources=("here",), shards=3, cache=1, files={"a": template})
    with pytest.raises(HarnessError, match=r"systems/x\.yaml: the template of a is wrong"):
        render((system,), Pipeline(profile="a", shards=1, cells=1), None)
