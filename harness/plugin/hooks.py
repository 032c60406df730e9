"""What the suites report to the plugin, which knows no runtime."""

from collections.abc import Mapping

import pytest

__all__ = ["pytest_harness_lacks"]


@pytest.hookspec(firstresult=True)
def pytest_harness_lacks(runtime: str | None) -> Mapping[str, str] | None:
    """Return why a runtime lacks each of the features that cases may need (`needs(feature=...)`), "" where it has it.

    Args:
        runtime: The runtime under test, or None where there is no cell and only the features' names matter.
    """
