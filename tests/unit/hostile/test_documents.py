"""Files that people write, mutated: each is read or refused with its place, and none ends with a traceback."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness import catalog, yamlfile
from harness.catalog import Catalog, RuntimeFile, SuiteFile, ToolchainFile
from harness.catalog import SystemdFile as SystemdRules
from harness.distros.debian.disk import DebianFile
from harness.distros.flatcar.disk import FlatcarFile
from harness.errors import HarnessError
from harness.gate import policy
from harness.matrix import load
from harness.matrix.models import Matrix

ROOT = Path(__file__).parents[3]
SEED = 15

FILES: dict[str, tuple[Path, type[Any] | None]] = {
    "matrix": (ROOT / "matrix.yaml", Matrix),
    "suite": (ROOT / "suites/networking/suite.yaml", SuiteFile),
    "runtime": (catalog.PACKAGE / "runtimes/rkt.yaml", RuntimeFile),
    "toolchain": (catalog.PACKAGE / "toolchains/go.yaml", ToolchainFile),
    "debian": (ROOT / "images/debian/image.yaml", DebianFile),
    "flatcar": (ROOT / "images/flatcar/image.yaml", FlatcarFile),
    "systemd": (catalog.PACKAGE / "systemd.yaml", SystemdRules),
    "policy": (ROOT / "ci/release-policy.yaml", policy.Policy),
}

PIECES = [
    '"\\UFFFFFFFF"', '"\\ud800"', "{<<: {? [1]: 2}}", "%YAML 1." + "9" * 5000, "[" * 50, "{" * 50, "&a [*a]", "*a", "!!python/object:x {}",
    "9" * 4400, "-" * 99, "1e999", ".nan", "\t", "\x00", "\ufeff", "<<: *x", "? ", ": ", "|", ">", "'", '"', "# x", "...", "---", "~", "null",
    "soon_days: 999999999999", "(" * 3000, "a{99999999999}", "0x" + "f" * 5000, "2027-99-99", "!!int x", "!!binary ====", "é" * 300, "\u2028",
]  # fmt: skip
"""What has broken a reader before, and what is like it."""


def mutate(text: str, random_: random.Random) -> str:
    """Return a text with some pieces put in, left out, doubled or exchanged."""
    for _ in range(random_.randint(1, 4)):
        begin = random_.randrange(len(text) + 1)
        end = min(len(text), begin + random_.choice([0, 0, 1, 3, 20, 200]))
        piece = random_.choice([random_.choice(PIECES), text[begin:end] * 2, chr(random_.randrange(1, 0x11000)), ""])
        text = text[:begin] + piece + text[end:]
    return text


def list_mutants(name: str, count: int, seed: int) -> Iterator[str]:
    """Yield mutants of a real file, the same for a seed."""
    text = FILES[name][0].read_text(encoding="utf-8")
    random_ = random.Random(f"{seed} {name}")
    lines = text.split("\n")
    for _ in range(count):
        # A part of the file, so that a mutant costs little and most of it is read.
        begin = random_.randrange(max(1, len(lines) - 20))
        yield mutate("\n".join(lines[begin : begin + 20]) if random_.random() < 0.8 else text, random_)


def read(name: str, text: str) -> Callable[[], object]:
    """Return what reads a text as such a file, up to its first use."""
    model = FILES[name][1]

    def attempt() -> object:
        document = yamlfile.parse(text, name=name)
        return document.validate_as(model, context=catalog.load(ROOT)) if model is not None else document

    return attempt


def try_mutants(name: str, count: int, seed: int) -> list[tuple[str, str]]:
    """Return the mutants that ended with something else than a value or a sentence of ours."""
    broken = []
    for mutant in list_mutants(name, count, seed):
        try:
            read(name, mutant)()
        except HarnessError as error:
            if not str(error).startswith(name):
                broken.append((mutant, f"no place: {error}"))
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            broken.append((mutant, f"{type(error).__name__}: {error}"))
    return broken


@pytest.mark.parametrize("name", FILES)
def test_a_mutated_file_is_read_or_refused(name: str) -> None:
    """No traceback in some mutants of each real file; the campaign tries 200,000."""
    assert try_mutants(name, 60, SEED) == []


@pytest.mark.longer
@pytest.mark.parametrize("name", FILES)
def test_very_many_mutated_files_are_read_or_refused(name: str) -> None:
    """None in 25,000 of each."""
    assert try_mutants(name, 25_000, SEED + 1) == []


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
        for name in ("matrix", "policy"):
            with suppress(HarnessError):
                read(name, text)()
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
