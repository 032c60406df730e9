"""Deliberately broken guests: does each case of the suites fail when what it asserts is not so?

    python -m tools.mutants [--suites cgroup,pod] [--mutant NAME] [--cell ID] [--most 95] [--jobs 2]

A suite's mutants.yaml says what is broken: a shell script that runs in the guest before the suite does, and the
cases that must fail then. Each suite runs once unbroken in each cell (of `--mutant` its cases only), and a mutant in
the first cell in which its cases pass. A case that no mutant makes fail is not proven; the exit status is 1 if fewer than `--most` per cent are.
"""

import argparse
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, RootModel

from harness import catalog, matrix, pipeline, yamlfile
from harness.catalog import Catalog
from harness.errors import UsageError
from harness.matrix import Matrix
from harness.model import Cell, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.results import CellResult
from harness.store import Store
from harness.wait import Deadline
from tools.rkt_coverage import list_cases
from tools.tool import run_tool

ROOT = Path(__file__).parent.parent
FILE = "mutants.yaml"
COMMANDS = "mutants.sh"
CELLS = (
    "debian-bookworm+systemd-252+unified+nspawn",
    "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5",
    "debian-bookworm+systemd-252+legacy+nspawn",
    "debian-bookworm+systemd-252+go-1.27+unified+runc-1.1.5",
    "debian-bookworm+systemd-252+hybrid+nspawn",
)
"""Each mode and each runtime once."""

OWN_CELLS: Mapping[str, tuple[str, ...]] = {"upgrade": ("debian-bookworm+systemd-252-to-254+unified+nspawn",)}
"""The cells of suites that those say nothing to."""


class Mutant(BaseModel):
    """One thing that is broken.

    Attributes:
        name: What it is, unique in its suite.
        case: Pattern (fnmatch) of the node ids, within the suite, of the cases that must fail.
        runtimes: The runtimes with which it is tried, where the script breaks something of theirs or one is enough;
            all of them if empty.
        script: Shell script that root runs in the guest before the suite starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    case: str
    runtimes: tuple[str, ...] = ()
    script: str


class Mutants(RootModel[tuple[Mutant, ...]]):
    """A suite's mutants.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """Where mutants are tried: what all evaluations share."""

    known: Catalog
    project: Matrix
    store: Store
    scratch: Path

    def run(self, cell: Cell, suite: str, cases: Sequence[str] = (), script: str | None = None) -> CellResult:
        """Run a suite, or some of its cases, in a guest that the script broke before."""
        directory = Path(tempfile.mkdtemp(prefix=f"{suite}-", dir=self.scratch))
        arguments: tuple[str, ...] = ()
        if script is not None:
            broken = directory / "break.sh"
            broken.write_text((ROOT / "suites" / COMMANDS).read_text("utf-8") + script, encoding="utf-8")
            arguments = ("--break", str(broken))
        work = RunContext(
            store=self.store, emit=lambda _: None, deadline=Deadline.after(1800, "mutant"),
            arguments=arguments,
        )  # fmt: skip
        task = CellTask(
            plan=make_plan(cell, self.project, self.known, (suite,)),
            cases=tuple(cases),
            expectations=self.project.find_expectations(cell),
        )
        return pipeline.evaluate(task, work, directory)


def passed(result: CellResult) -> list[str]:
    """Return the cases that passed, by node id; a known failure is none of them, and no reason to stop."""
    if result.error is not None:
        raise UsageError(f"The unbroken suite did not run in {result.id}: {result.error}")
    good = {Outcome.PASSED, Outcome.SKIPPED, Outcome.XFAILED}
    bad = [case.nodeid for case in result.cases if case.outcome not in good]
    if bad:
        raise UsageError(f"The unbroken suite has cases in {result.id} that do not pass: {', '.join(bad)}.")
    return [case.nodeid for case in result.cases if case.outcome is Outcome.PASSED]


def within(nodeid: str) -> str:
    """Return a node id without its suite: "test_limits.py::test_x"."""
    return nodeid.partition("/")[2]


def attempt(bed: Bed, suite: str, mutant: Mutant, clean: Mapping[Cell, Sequence[str]]) -> set[str]:
    """Return the cases that a mutant makes fail, in the first cell of each runtime that has them, and print the rest."""
    caught: set[str] = set()
    tried: set[str] = set()
    lines: list[str] = []
    for cell, nodeids in clean.items():
        cases = [nodeid for nodeid in nodeids if fnmatchcase(within(nodeid), mutant.case)]
        if cell.runtime in tried or not cases or (mutant.runtimes and cell.runtime not in mutant.runtimes):
            continue
        tried.add(cell.runtime)
        result = bed.run(cell, suite, cases, mutant.script)
        fell = {case.nodeid: case.message for case in result.cases if case.outcome is Outcome.FAILED}
        caught |= fell.keys()
        word = "caught" if fell.keys() >= set(cases) else "partly" if fell else "SURVIVED"
        lines.append(f"{word:9} {suite}/{mutant.name} in {cell.id}" + (f": {result.error}" if result.error else ""))
        lines += (f"          {nodeid}: {fell.get(nodeid, 'PASSED')[:160]}" for nodeid in cases)
    if not tried:
        lines.append(f"UNTRIED   {suite}/{mutant.name}: no cell passes a case that is called {mutant.case}.")
    print("\n".join(lines), flush=True)
    return caught


def find_places(suite: str, mutants: Sequence[Mutant]) -> tuple[str, ...]:
    """Return what has the cases of some mutants, for pytest: the functions that they name, or the files of patterns."""
    existing = list_cases()
    places: dict[str, None] = {}
    for mutant in mutants:
        function = re.split(r"[*?\[]", f"{suite}/{mutant.case}")[0]
        places[function if function in existing else f"{suite}/{mutant.case.partition('::')[0]}"] = None
    return tuple(
        place for place in places if place.partition("::")[0] == place or place.partition("::")[0] not in places
    )


def examine(bed: Bed, suite: str, cells: Sequence[Cell], only: Sequence[str], jobs: int) -> tuple[set[str], set[str]]:
    """All cases of a suite that pass somewhere, and those of them that some mutant makes fail; with so many guests at a time."""
    mutants = yamlfile.load(ROOT / "suites" / suite / FILE, Mutants).root
    wanted = [mutant for mutant in mutants if not only or any(fnmatchcase(mutant.name, name) for name in only)]
    if not wanted:
        return set(), set()
    places = find_places(suite, wanted) if only else ()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        clean = dict(zip(cells, pool.map(lambda cell: passed(bed.run(cell, suite, places)), cells), strict=True))
        caught = set[str]().union(*pool.map(lambda mutant: attempt(bed, suite, mutant, clean), wanted))
    return {nodeid for nodeids in clean.values() for nodeid in nodeids}, caught


def main() -> int:
    """Try the mutants, and say which cases caught theirs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", help="names, with commas between them; all that have mutants without it")
    parser.add_argument(
        "--mutant", action="append", default=[], help="only those whose name matches the pattern; may be repeated"
    )
    parser.add_argument("--cell", action="append", help="cells to try them in, instead of the usual ones")
    parser.add_argument("--most", type=float, default=95.0, help="per cent of the cases that have to be proven")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="guests at a time")
    options = parser.parse_args()
    known = catalog.load(ROOT)
    project = matrix.load(ROOT / "matrix.yaml", known)
    by_id = matrix.expand(project, known).by_id
    suites = (
        options.suites.split(",") if options.suites else sorted(p.parent.name for p in ROOT.glob(f"suites/*/{FILE}"))
    )
    store = Store(Path(os.environ.get("HARNESS_STORE") or platformdirs.user_cache_path("rkt-harness")))
    every: set[str] = set()
    proven: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        bed = Bed(known=known, project=project, store=store, scratch=Path(name))
        for suite in suites:
            cells = [by_id[name] for name in options.cell or OWN_CELLS.get(suite, CELLS)]
            cases, caught = examine(bed, suite, cells, options.mutant, options.jobs)
            every |= cases
            proven |= caught & cases
    for nodeid in sorted(every - proven):
        print(f"not proven: {nodeid}")
    share = 100 * len(proven) / max(1, len(every))
    print(f"{len(proven)} of {len(every)} cases fail when they should: {share:.1f} % (wanted {options.most:g} %)")
    return 0 if share >= options.most else 1


if __name__ == "__main__":
    run_tool(main)
