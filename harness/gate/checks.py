"""One rule of a policy and what it says about results."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from harness.compare import CaseChange
from harness.plural import pluralize

__all__ = ["Check", "CheckLevel", "check_limit"]


class CheckLevel(StrEnum):
    """What a check does to the decision, the most important first."""

    REFUSED = "refused"
    TOLD = "told"
    """People should know, but it does not refuse."""
    MET = "met"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a rule says.

    Attributes:
        name: The rule, in one or two words.
        level: What it does to the decision.
        text: A whole sentence.
        details: What it is about, one line each; as a guest may have printed them.
    """

    name: str
    level: CheckLevel
    text: str
    details: tuple[str, ...] = ()


def check_limit(
    name: str,
    nouns: tuple[str, str],
    cases: Sequence[CaseChange],
    limit: int | Literal["any"],
    *,
    before: Sequence[str] = (),
    more: int | None = None,
) -> Check:
    """The check of a number against the number that is allowed.

    Args:
        name: The rule.
        nouns: What one of what is counted is called, and several.
        cases: Cases that count.
        limit: How many are allowed.
        before: Lines about what else counts.
        more: How many these lines stand for; one each if None.
    """
    count = len(cases) + (len(before) if more is None else more)
    details = (*before, *(f"{case.cell} {case.nodeid}: {case.message or case.new or 'gone'}" for case in cases))
    allowed = "any number is" if limit == "any" else f"{limit} {'is' if limit == 1 else 'are'}"
    level = CheckLevel.MET if not count else CheckLevel.TOLD if limit == "any" or count <= limit else CheckLevel.REFUSED
    return Check(name=name, level=level, text=f"{pluralize(count, *nouns)}; {allowed} allowed.", details=details)
