"""Python's search for garbage, paused."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["pause_garbage_collection"]


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pause the search for garbage while very many objects are made that all stay.

    Cells and plans form no cycles, and looking through all of them again and again as they become more takes a
    sixth of the time in which they are made.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
