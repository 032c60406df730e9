"""Numbers of things as people write them."""

__all__ = ["pluralize"]


def pluralize(number: int, one: str, many: str | None = None) -> str:
    """Return a number and what it counts: `1 cell`, `2 cells`.

    Args:
        number: How many there are.
        one: What one of them is called.
        many: What several are called; `one` with an s if None.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
