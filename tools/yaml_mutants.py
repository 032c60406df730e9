"""Mutants of every kind of YAML file that people write: `python -m tools.yaml_mutants [--count N] [--seed N] [--only KIND]`.

Each mutant is read by what reads such a file, and its values are used for the first thing that the harness does with them.
What comes is a value, or a sentence of the harness; another exception, or two seconds of work, is printed with its mutant.
"""

import argparse
import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from itertools import repeat
from pathlib import Path

from pydantic import BaseModel

from harness import catalog, yamlfile
from harness.bisect.priors import Priors
from harness.catalog import Catalog, RuntimeFile, SuiteFile, SystemdFile, ToolchainFile
from harness.ci import rendering
from harness.ci.rendering import Pipeline
from harness.console.line import Message
from harness.console.table import ConsoleFile
from harness.distros.debian.disk import DebianFile
from harness.distros.flatcar.disk import FlatcarFile, make_document
from harness.distros.flatcar.ignition import IgnitionSpec
from harness.distros.flatcar.releases import Snapshot
from harness.distros.flatcar.trust import KeyFile
from harness.errors import HarnessError
from harness.gate import policy
from harness.matrix import load
from harness.matrix.expansion import expand
from harness.matrix.models import Matrix
from harness.model import CgroupMode
from harness.yamlfile import YamlDocument
from tools.campaign import CampaignPlan
from tools.mutants import Mutants
from tools.proof_edits import ProofEdits
from tools.regressions import Regressions
from tools.rkt_breakages import Breakages
from tools.rkt_coverage import Coverage
from tools.rkt_facts import Facts
from tools.tool import run_tool

__all__ = ["KINDS", "PIECES", "Broken", "list_mutants", "main", "read_mutant", "try_mutants"]

ROOT = Path(__file__).resolve().parents[1]
SLOW = 2.0
"""Seconds that no file of people takes."""
WHOLE = 1_500
"""Characters of a file of which every other mutant is of all of it; of larger ones more are of a part, which costs less."""
LINES = 15
"""Lines of a part."""
VALUES = 0.5
"""Share of mutants in which one value is another one, so that what stands around it is read."""
VALUE = re.compile(r"(?<=[:,-] )[^\s\[{#|>&*][^,\n\]}]*")

PIECES = [
    '"\\UFFFFFFFF"', '"\\ud800"', "{<<: {? [1]: 2}}", "%YAML 1." + "9" * 5000, "[" * 50, "{" * 50, "&a [*a]", "*a", "!!python/object:x {}",
    "9" * 4400, "-" * 99, "1e999", ".nan", "\t", "\x00", "\ufeff", "<<: *x", "? ", ": ", "|", ">", "'", '"', "# x", "...", "---", "~", "null",
    "soon_days: 999999999999", "(" * 3000, "a{99999999999}", "0x" + "f" * 5000, "2027-99-99", "!!int x", "!!binary ====", "é" * 300, "\u2028",
    "<< {}(e) >>", "<% macro a() %><< a() >><% endmacro %><< a() >>", "../../x", "-x", "a b", "\\1", "[s]", "*/*", "2027-02-30", "0o777", "1:30",
    "{version", "{}", "{0.__class__}", "%s", ">=1,<1", "!=" * 99, "file://evil#", "ext::sh -c x", "$(x)", "`x`", "a\nb", "@", "\x1b]0;x\x07",
    "(?i)x", "(?P<a>x)", "(?P<a>", "[[a]", "(", "*", "\\9", "\\g<a>", "(?#", "(?x) # x",
]  # fmt: skip
"""What has broken a reader before, and what is like it."""


@cache
def load_catalog() -> Catalog:
    """Return the knowledge of this checkout."""
    return catalog.load(ROOT)


@cache
def load_matrix() -> Matrix:
    """Return the matrix of this checkout."""
    return load(ROOT / "matrix.yaml", load_catalog())


def use_matrix(place: Path) -> None:
    """Expand it to cells."""
    expand(load(place, load_catalog(), name=place.name), load_catalog())


def use_policy(place: Path) -> None:
    """List what it requires, and count its days."""
    rules, matrix = policy.load(place, load_matrix(), load_catalog(), name=place.name), load_matrix()
    policy.list_requirements(rules, matrix, expand(matrix, load_catalog()), load_catalog())
    _ = date.today() + timedelta(days=rules.expectations.soon_days)  # noqa: DTZ011 - any day


def use_flatcar(place: Path) -> None:
    """Make what a guest becomes at its first boot."""
    file = yamlfile.load(place, FlatcarFile)
    for spec in IgnitionSpec:
        make_document(ROOT / "images/flatcar", file).render(spec)


def use_systemd(place: Path) -> None:
    """Look for the rule of each cgroup mode."""
    rules = yamlfile.read(place, name=place.name).validate_as(SystemdFile, context=load_catalog())
    for mode in CgroupMode:
        with suppress(HarnessError):
            rules.find_cgroup_rule("252", mode)


def use_console(place: Path) -> None:
    """Look for a rule that fits a line."""
    yamlfile.load(place, ConsoleFile).find_rule(Message(text="Kernel panic - not syncing: x", stamped=True))


def use_ci(place: Path) -> None:
    """Make its files."""
    system = yamlfile.read(place, name=place.name).validate_as(rendering.System)
    rendering.render((system,), Pipeline(profile="a", shards=2, cells=2), Pipeline(profile="b", shards=1, cells=1))


def use_model(model: type[BaseModel], place: Path) -> None:
    """Read it, and no more."""
    document: YamlDocument = yamlfile.read(place, name=place.name)
    document.validate_as(model, context=load_catalog())


HARNESS = catalog.PACKAGE

KINDS: dict[str, tuple[Path, Callable[[Path], None]]] = {
    "matrix": (ROOT / "matrix.yaml", use_matrix),
    "matrix-rkt": (ROOT / "matrix-rkt.yaml", use_matrix),
    "policy": (ROOT / "ci/release-policy.yaml", use_policy),
    "suite": (ROOT / "suites/networking/suite.yaml", partial(use_model, SuiteFile)),
    "runtime": (HARNESS / "runtimes/rkt.yaml", partial(use_model, RuntimeFile)),
    "toolchain": (HARNESS / "toolchains/go.yaml", partial(use_model, ToolchainFile)),
    "systemd": (HARNESS / "systemd.yaml", use_systemd),
    "console": (HARNESS / "console.yaml", use_console),
    "priors": (HARNESS / "bisect/priors.yaml", partial(use_model, Priors)),
    "ci": (HARNESS / "ci/systems/gitlab.yaml", use_ci),
    "debian": (ROOT / "images/debian/image.yaml", partial(use_model, DebianFile)),
    "flatcar": (ROOT / "images/flatcar/image.yaml", use_flatcar),
    "key": (ROOT / "images/flatcar/key.yaml", partial(use_model, KeyFile)),
    "releases": (ROOT / "images/flatcar/releases.yaml", partial(use_model, Snapshot)),
    "mutants": (ROOT / "suites/networking/mutants.yaml", partial(use_model, Mutants)),
    "proofs": (ROOT / "tools/proofs.yaml", partial(use_model, ProofEdits)),
    "regressions": (ROOT / "suites/regressions.yaml", partial(use_model, Regressions)),
    "coverage": (ROOT / "suites/coverage.yaml", partial(use_model, Coverage)),
    "facts": (ROOT / "suites/runtimes/rkt/facts.yaml", partial(use_model, Facts)),
    "breakages": (ROOT / "suites/runtimes/rkt/breakages.yaml", partial(use_model, Breakages)),
    "campaign": (ROOT / "tools/campaign.yaml", partial(use_model, CampaignPlan)),
}
"""By name a real file, and what reads and uses such a one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A mutant that ended with something else than a value or a sentence of the harness."""

    kind: str
    mutant: str
    why: str


def mutate(text: str, random_: random.Random) -> str:
    """Return a text with some pieces put in, left out, doubled or exchanged, or with other values."""
    values = list(VALUE.finditer(text))
    if values and random_.random() < VALUES:
        match = random_.choice(values)
        other = random_.choice([random_.choice(PIECES), random_.choice(values)[0], f'"{random_.choice(PIECES)}"'])
        return f"{text[: match.start()]}{other}{text[match.end() :]}"
    for _ in range(random_.randint(1, 4)):
        begin = random_.randrange(len(text) + 1)
        end = min(len(text), begin + random_.choice([0, 0, 1, 3, 20, 200]))
        piece = random_.choice([random_.choice(PIECES), text[begin:end] * 2, chr(random_.randrange(1, 0x11000)), ""])
        text = text[:begin] + piece + text[end:]
    return text


def list_mutants(kind: str, count: int, seed: int) -> Iterator[str]:
    """Yield mutants of a real file, the same for a seed."""
    text = KINDS[kind][0].read_text(encoding="utf-8")
    random_ = random.Random(f"{seed} {kind}")
    lines = text.split("\n")
    for _ in range(count):
        begin = random_.randrange(max(1, len(lines) - LINES))
        part = "\n".join(lines[begin : begin + LINES]) if random_.random() > 0.5 * min(1.0, WHOLE / len(text)) else text
        yield mutate(part, random_)


def read_mutant(kind: str, text: str, directory: Path) -> str:
    """Read a text as such a file, and return "read" or "refused"; what else is raised is passed on."""
    place = directory / f"{kind}.yaml"
    place.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        KINDS[kind][1](place)
    except HarnessError as error:
        if kind not in str(error) and not _is_of_use(kind):
            raise AssertionError(f"no place: {error}") from error
        return "refused"
    return "read"


def _is_of_use(kind: str) -> bool:
    """Return whether a sentence may be about what the values mean together, which has no place in the file."""
    return not isinstance(KINDS[kind][1], partial)


def try_mutants(kind: str, count: int, seed: int) -> tuple[list[Broken], Counter[str]]:
    """Return the mutants that broke something, and how many were read, refused and broken."""
    broken: list[Broken] = []
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="harness-mutants-") as directory:
        for mutant in list_mutants(kind, count, seed):
            begin = time.process_time()
            why = ""
            try:
                counts[read_mutant(kind, mutant, Path(directory))] += 1
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                why = f"{type(error).__name__}: {error}"
            seconds = time.process_time() - begin
            why = why or (f"{seconds:.1f} s of work" if seconds > SLOW else "")
            if why:
                counts["broken"] += 1
                broken.append(Broken(kind=kind, mutant=mutant, why=why))
    return broken, counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Try mutants of all kinds in turn; return 1 if one broke something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes next to each other")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind only; may be repeated")
    options = parser.parse_args(arguments)
    kinds = options.only or list(KINDS)
    shares = [options.count // len(kinds) + (number < options.count % len(kinds)) for number in range(len(kinds))]
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(max_workers=options.jobs) as pool:
        for kind, (found, now) in zip(kinds, pool.map(try_mutants, kinds, shares, repeat(options.seed)), strict=True):
            for cause, mutant in {broken.why.splitlines()[0][:120]: broken.mutant for broken in found}.items():
                print(f"{kind}: {cause}\n{mutant!r}")
            print(f"{kind}: {now['read']} read, {now['refused']} refused, {now['broken']} broken", flush=True)
            counts += now
    print(
        f"{counts.total()} mutants: {counts['read']} read, {counts['refused']} refused; tracebacks: {counts['broken']}"
    )
    return int(counts["broken"] > 0)


if __name__ == "__main__":
    run_tool(main)
