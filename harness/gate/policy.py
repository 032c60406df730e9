"""What a release policy may say; the file is YAML, and each error in it names file:line:column."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from harness import yamlfile
from harness.catalog import Catalog
from harness.errors import ConfigError
from harness.matrix import Expansion, Matrix, Select, Sentence, Suites
from harness.selection import names
from harness.yamlfile import FileModel

__all__ = [
    "Allowed", "BaselineRule", "ExpectationRule", "Policy", "Required", "Requirement", "list_requirements", "load",
]  # fmt: skip

Count = Annotated[int, Field(ge=0)]
Limit = Count | Literal["any"]
"""How many are allowed: a number, or `any`."""


class _Part(FileModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Required(_Part):
    """Cells that must have a result, and suites of which a case must have run in each of them."""

    profile: str | None = None
    """A profile of the matrix: its cells and suites."""
    cells: Select | None = None
    """An expression: of these cells (of the profile) those for which it holds; all of them without it."""
    suites: Suites | None = None
    """Suites, or `all`; those of the profile, or of the matrix's defaults, without it."""


class Allowed(_Part):
    """How many of each there may be; what is more refuses the release."""

    regressions: Limit = 0
    """Cases that did not fail in the baseline and fail now."""
    new_failures: Limit = 0
    """Failed cases of which the baseline knows nothing."""
    broken: Limit = 0
    """Cells and cases in which the guest or the harness broke: nobody knows what they would have said."""
    gone: Limit = 0
    """Cases that ran in the baseline and do not now."""
    flaky: Limit = 0
    """Cases that passed only when they were executed again."""
    still_failing: Limit = "any"
    """Cases that failed in the baseline too."""


class BaselineRule(_Part):
    """What the results are compared with."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the baseline, see `harness baseline list`."""
    max_age_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    """Days after which it says too little about today; without it, it may be of any age."""
    excuse_days: Limit = 14
    """Days for which a failure that it has too is excused where no expectation of the matrix names it; or `any`."""


class ExpectationRule(_Part):
    """What known failures of the matrix do to the decision."""

    expired: Literal["refuse", "tell"] = "refuse"
    """Those whose last day is over and that are about a cell of the run."""
    passing: Literal["refuse", "tell"] = "tell"
    """Cases that pass although they are expected to fail: the expectation can be removed."""
    soon_days: Annotated[int, Field(ge=0, le=36_500)] = 14
    """Those that expire within so many days are reported."""


class Policy(_Part):
    """When a release may be shipped."""

    version: Literal[1]
    """Version of this file's format."""
    description: Sentence
    """What it is for."""
    required: Annotated[tuple[Required, ...], Field(min_length=1)]
    """What must have been tested."""
    minimum_ran: Annotated[int, Field(ge=1)]
    """How many cases must have run and said something; skips and errors do not count."""
    allowed: Allowed = Field(default_factory=Allowed)
    """How much of what is bad is tolerated; none without it, but what failed in the baseline."""
    baseline: BaselineRule | None = None
    """Without it nothing is known from before, and every failure counts as a new one."""
    expectations: ExpectationRule = Field(default_factory=ExpectationRule)

    @model_validator(mode="after")
    def _compares(self) -> "Policy":
        if self.baseline is None and self.allowed.regressions:
            raise ValueError("regressions cannot be allowed without a baseline to compare with")
        return self


class Requirement(FileModel):
    """What must have been tested, by name.

    Attributes:
        text: As the policy says it, for messages.
    """

    text: str
    cells: tuple[str, ...]
    suites: tuple[str, ...]


def load(path: Path, matrix: Matrix, catalog: Catalog, *, name: str) -> Policy:
    """Read a policy; raises ConfigError, with a line and its file:line:column for each problem."""
    document = yamlfile.read(path, name=name)
    policy = document.validate_as(Policy, context=catalog)
    problems = [
        f"{document.locate(('required', index, 'profile'))}: {names.describe_unknown('profile', item.profile, matrix.profiles)}."
        for index, item in enumerate(policy.required)
        if item.profile is not None and item.profile not in matrix.profiles
    ]
    if problems:
        raise ConfigError(
            "\n".join(problems), hint="A policy for this matrix is named with --policy, or by a profile's `gate`."
        )
    return policy


def list_requirements(
    policy: Policy, matrix: Matrix, expansion: Expansion, catalog: Catalog, *, profile: str | None = None
) -> tuple[Requirement, ...]:
    """Return what a policy requires of a matrix, by name.

    `profile` is one that was run: its cells and suites are required as well.

    Raises:
        UsageError: There is no such profile.
    """
    ran = Required(profile=profile)
    wanted = policy.required if profile is None or ran in policy.required else (*policy.required, ran)
    return tuple(_make_requirement(item, matrix, expansion, catalog) for item in wanted)


def _make_requirement(item: Required, matrix: Matrix, expansion: Expansion, catalog: Catalog) -> Requirement:
    profile = matrix.find_profile(item.profile) if item.profile is not None else None
    wanted = [one for one in (profile.select if profile else None, item.cells) if one is not None]
    cells = tuple(cell.id for cell in expansion.cells if all(one.holds(cell) for one in wanted))
    suites = matrix.list_suite_names(profile, catalog)
    if item.suites is not None:
        suites = tuple(catalog.suites) if item.suites == "all" else item.suites
    parts = [f"profile {item.profile}" if item.profile else "", str(item.cells) if item.cells else ""]
    return Requirement(text=", ".join(filter(None, parts)) or "all cells", cells=cells, suites=suites)
