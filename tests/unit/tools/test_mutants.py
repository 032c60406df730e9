"""That the mutants of each suite are well written; `make mutants` says whether they are noticed."""

import ast
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness import yamlfile
from suites.lib.features import Feature
from suites.runtimes import find_adapter
from tools.mutants import COMMANDS, FILE, ROOT, Mutant, Mutants, find_places
from tools.rkt_coverage import find_functions

LACKED = [
    f"Feature.{feature.name}"
    for feature in Feature
    if all(feature in find_adapter(runtime).LACKS for runtime in ("nspawn", "runc"))
]
"""Features that only a runtime has which mutants are not tried with."""

SUITES = sorted(path.parent for path in ROOT.glob(f"suites/*/{FILE}"))


def cases_of(suite: Path) -> set[str]:
    """Node ids of a suite's cases, without parameters and without those that no runtime can run that mutants have."""
    return {
        case.partition("/")[2]
        for case, function in find_functions(suite.parent, suite.name)
        if not any(feature in ast.unparse(decorator) for decorator in function.decorator_list for feature in LACKED)
    }


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_mutants_are_for_cases_that_exist(suite: Path) -> None:
    """Names are unique, each pattern is that of a case, and each case has a mutant."""
    mutants = yamlfile.load(suite / FILE, Mutants).root
    cases = cases_of(suite)
    names = [mutant.name for mutant in mutants]

    assert sorted(set(names)) == sorted(names)
    patterns = {mutant.name: mutant.case.partition("[")[0] for mutant in mutants}
    assert [name for name, pattern in patterns.items() if not any(fnmatchcase(case, pattern) for case in cases)] == []
    lacking = {case for case in cases if not any(fnmatchcase(case, pattern) for pattern in patterns.values())}
    assert len(lacking) <= len(cases) // 20, lacking


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_scripts_are_shell(suite: Path) -> None:
    """A POSIX shell takes each script as it is put together for the guest."""
    commands = (ROOT / "suites" / COMMANDS).read_text("utf-8")
    for mutant in yamlfile.load(suite / FILE, Mutants).root:
        checked = subprocess.run(
            ["sh", "-n"], input=commands + mutant.script, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert (mutant.name, checked.stderr) == (mutant.name, "")


def test_named_mutants_need_their_cases_only() -> None:
    """A function with or without parameters is itself, and a pattern of more than one is the whole file, once."""
    patterns = (
        "test_statistics.py::test_memory_is_counted", "test_defaults.py::test_cpu_is_not_limited*",
        "test_memory.py::test_others_survive", "test_memory.py::test_*",
    )  # fmt: skip
    mutants = [Mutant(name=pattern, case=pattern, script="") for pattern in patterns]
    assert find_places("lifecycle", mutants) == (
        "lifecycle/test_statistics.py::test_memory_is_counted", "lifecycle/test_defaults.py::test_cpu_is_not_limited",
        "lifecycle/test_memory.py",
    )  # fmt: skip
