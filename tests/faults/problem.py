"""What a promise forbids."""

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that a promise forbids.

    Attributes:
        sort: What it counts as in the table.
    """

    sort: str
    text: str
