"""The releases of Go that the package index has."""

from harness import catalog, toolchain
from harness.model import compare_versions
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT


def test_the_versions_that_there_are(store: Store, deadline: Deadline) -> None:
    """All of the index's, and those that a rule names alone, each of which can be resolved by its number."""
    rules = catalog.load(ROOT).toolchains["go"]
    found = toolchain.list_versions(rules, store, deadline)

    assert {"1.12.6", "1.9.7", "1.19"} <= set(found)
    assert sum(compare_versions(version, ">=", "1.21") for version in found) >= 20
    assert (
        toolchain.resolve("go", rules, max(v for v in found if v.startswith("1.2")), store, deadline).version in found
    )
