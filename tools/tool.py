"""How each tool of this directory ends."""

import sys
from collections.abc import Callable
from typing import NoReturn

from harness.errors import HarnessError

__all__ = ["run_tool"]


def run_tool(main: Callable[[], int]) -> NoReturn:
    """End the process with what `main` returns, or with the sentence of its error."""
    try:
        sys.exit(main())
    except HarnessError as error:
        sys.exit(str(error))
