"""The policy file, and what it requires of a matrix."""

from pathlib import Path

import pytest

from harness import catalog, gate, matrix
from harness.catalog import Catalog
from harness.errors import ConfigError
from harness.matrix import expand
from tests import ROOT
from tests.helpers import trees

POLICY = """\
version: 1
description: A test.
required:
  - {profile: quick}
  - {cells: cgroup==legacy and go==1.21, suites: all}
minimum_ran: 10
allowed: {regressions: 1, flaky: any}
baseline: {name: release, max_age_days: 30}
"""
MATRIX = trees.AXES + "profiles:\n  quick: {select: cgroup==unified and runtime==nspawn, suites: [cgroup]}\n"


@pytest.fixture
def known(tmp_path: Path) -> Catalog:
    """What the project knows."""
    return trees.project(tmp_path)


def load(known: Catalog, text: str) -> gate.Policy:
    """Load the policy that a text is."""
    path = known.root / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return gate.load(path, trees.load(known, MATRIX), known, name="policy.yaml")


def test_requirements_are_cells_and_suites_by_name(known: Catalog) -> None:
    """A profile and an expression are the cells that the matrix has for them now."""
    wanted = trees.load(known, MATRIX)
    quick, legacy = gate.list_requirements(load(known, POLICY), wanted, expand(wanted, known), known)

    assert quick.cells == ("debian-bookworm+systemd-252+unified+nspawn", "debian-sid+systemd-262+unified+nspawn")
    assert quick.suites == ("cgroup",)
    assert legacy.cells == ("debian-bookworm+systemd-252+go-1.21+legacy+runc-1.1.5",)
    assert legacy.suites == ("cgroup", "pod")
    assert legacy.text == "cgroup==legacy and go==1.21"


def test_profile_that_was_run_is_required_once(known: Catalog) -> None:
    """What `--profile` names is required besides the policy's own, unless the policy has it already."""
    wanted = trees.load(known, MATRIX + "  all: {}\n")
    cells = expand(wanted, known)

    def texts(profile: str | None) -> list[str]:
        found = gate.list_requirements(load(known, POLICY), wanted, cells, known, profile=profile)
        return [item.text for item in found]

    assert texts("quick") == texts(None)
    assert texts("all") == [*texts(None), "profile all"]


def test_unknown_profile_is_refused(known: Catalog) -> None:
    """A requirement of a profile that there is not has its place, and names those that there are."""
    with pytest.raises(ConfigError, match=r"^policy\.yaml:4:6: there is no profile `slow`; known: quick\.$") as caught:
        load(known, POLICY.replace("profile: quick", "profile: slow"))
    assert "--policy" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minimum_ran: 10", "minimum_ran: 0", "policy.yaml:6:1: `minimum_ran` must be greater than or equal to 1"),
        ("minimum_ran: 10\n", "", "policy.yaml:1:1: the key `minimum_ran` is missing"),
        ("regressions: 1", "regressions: few", "policy.yaml:7:11: `allowed.regressions` must be"),
        ("regressions: 1", "regressions: -1", "policy.yaml:7:11: `allowed.regressions` must be"),
        (
            "cgroup==legacy and",
            "cgroop==legacy and",
            "policy.yaml:5:13: `required.1.cells`: there is no field `cgroop`",
        ),
        ("go==1.21", "go=1.21", "policy.yaml:5:34: `required.1.cells`: "),
        (
            "flaky: any",
            "flakes: 1",
            "policy.yaml:7:27: the key `allowed.flakes` is not known here; the nearest is `flaky`.",
        ),
        ("version: 1", "version: 2", "policy.yaml:1:1: `version` must be 1"),
        ("baseline: {name: release, max_age_days: 30}", "", "regressions cannot be allowed without a baseline"),
    ],
)
def test_mistakes_are_named_with_their_place(known: Catalog, old: str, new: str, said: str) -> None:
    """What is wrong in the file is said as a sentence with file:line:column."""
    assert old in POLICY
    with pytest.raises(ConfigError) as caught:
        load(known, POLICY.replace(old, new))
    assert said in str(caught.value)
    assert str(caught.value).startswith("policy.yaml:")


@pytest.mark.parametrize("name", ["release-policy.yaml", "quick-policy.yaml"])
def test_shipped_policies_allow_no_regression(name: str) -> None:
    """They fit the matrix of the project: each requires cells that it has; none allows regressions."""
    known = catalog.load(ROOT)
    wanted = matrix.load(ROOT / "matrix.yaml", known)
    rules = gate.load(ROOT / "ci" / name, wanted, known, name=name)

    assert all(
        item.cells and item.suites for item in gate.list_requirements(rules, wanted, expand(wanted, known), known)
    )
    assert (rules.allowed.regressions, rules.allowed.new_failures, rules.allowed.broken, rules.allowed.gone) == (0,) * 4
    assert rules.expectations.expired == "refuse"
    assert rules.baseline is not None
