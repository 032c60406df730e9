"""Which reported regressions our cases see: `python -m tools.regressions` writes docs/reference/regressions.md.

What is known is suites/regressions.yaml; here it is held against the suites, and made a page.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness import yamlfile
from harness.yamlfile import FileModel
from tools.generated_page import ROOT, write_page
from tools.proof_edits import SEEN, ProofEdit, SeenProof, format_proof, read_edits, read_seen
from tools.rkt_coverage import SUITES, list_cases

__all__ = ["DATA", "PAGE", "Proof", "Regressions", "find_missing", "format_page", "read"]

DATA = SUITES / "regressions.yaml"
PAGE = ROOT / "docs" / "reference" / "regressions.md"

HEAD = """\
# Regressions that people reported, and the cases that see them

Made by `python -m tools.regressions` from `suites/regressions.yaml`; do not edit it. A test of the harness says when it is old,
and when a case that it names is gone.

These upgrades of systemd, of the kernel, of Go, of libc or of a runtime broke containers. A report counts as seen only where a case
failed on the broken version and passed on the good one.

"""

UPGRADES = {"systemd": "systemd", "kernel": "Kernel", "runtime": "Runtimes", "go": "Go", "libc": "libc and images"}


class Proof(StrEnum):
    """How a case was seen to fail for what a report says, and to pass without it."""

    PAIR = "pair"
    """By two versions that Debian serves."""
    PATCH = "patch"
    """By a build with the bug put back."""
    MUTANT = "mutant"
    """By a guest that is changed to have exactly that symptom."""


class Report(FileModel):
    """An upgrade that broke something, as one or more public reports say."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    url: str
    upgrade: Literal["systemd", "kernel", "runtime", "go", "libc"]
    good: str | None = None
    bad: str | None = None
    fixed: str | None = None
    runtimes: str
    modes: str | None = None
    symptom: str
    kind: str
    cases: tuple[str, ...] = ()
    proof: Proof | None = None
    seen: str | None = None
    unproven: str | None = None
    """Why nobody has seen its case fail for it yet."""

    @model_validator(mode="after")
    def _check_proof(self) -> Self:
        if (self.proof is None) != (self.seen is None):
            raise ValueError("a proof says where it was seen, and what was seen is a proof")
        if self.proof is not None and not self.cases:
            raise ValueError("what was seen was seen by a case")
        if self.unproven and (self.proof or not self.cases):
            raise ValueError("only what has a case and no proof has a reason for that")
        return self


class Regressions(FileModel):
    """suites/regressions.yaml."""

    kinds: dict[str, str | None]
    reports: tuple[Report, ...]

    @model_validator(mode="after")
    def _check_kinds(self) -> Self:
        for report in self.reports:
            if report.kind not in self.kinds:
                raise ValueError(f"{report.names[0]} is of the kind `{report.kind}`, which is not there")
            if not report.cases and not self.kinds[report.kind]:
                raise ValueError(f"{report.names[0]} has no case, and its kind has no reason why")
        return self


def read(path: Path = DATA, seen: Path = SEEN) -> Regressions:
    """Return what is known, with what `python -m tools.proofs` has seen; raise ConfigError where the file is wrong."""
    known = yamlfile.load(path, Regressions)
    edits, proofs = read_edits(), read_seen(seen)
    return known.model_copy(update={"reports": tuple(_add_proof(report, edits, proofs) for report in known.reports)})


def _add_proof(report: Report, edits: Sequence[ProofEdit], proofs: Mapping[str, SeenProof]) -> Report:
    """Return the report with the proof by a patch, if there is one and no pair of versions, or with the edit that is left to try."""
    if report.proof is Proof.PAIR:
        return report
    found = format_proof(report.names, report.cases, edits, proofs)
    if found:
        return report.model_copy(update={"proof": Proof.PATCH, "seen": found})
    left = [edit.name for edit in edits if edit.function in report.cases and {*report.names} & {*edit.reports}]
    if left and not report.proof and not report.unproven:
        return report.model_copy(update={"unproven": f"`python -m tools.proofs --only {left[0]}` tries it."})
    return report


def find_missing(regressions: Regressions, existing: frozenset[str]) -> list[str]:
    """Return the cases that are named and do not exist."""
    return sorted({case for report in regressions.reports for case in report.cases} - existing)


def format_page(regressions: Regressions) -> str:
    """Return the page, as Markdown."""
    parts = [HEAD, *_format_counts(regressions)]
    for upgrade, title in UPGRADES.items():
        parts += [f"\n## {title}\n\n", "| report | broke | symptom | here |\n|---|---|---|---|\n"]
        parts += [_format_row(report, regressions) for report in regressions.reports if report.upgrade == upgrade]
    return "".join(parts)


def _format_counts(regressions: Regressions) -> Iterator[str]:
    yield "| upgrade of | reports | seen by a pair | by a patch | by a mutant | case not proven | no case |\n"
    yield "|---|---|---|---|---|---|---|\n"
    for upgrade in (*UPGRADES, None):
        reports = [report for report in regressions.reports if upgrade in (None, report.upgrade)]
        counts = Counter(report.proof or ("case" if report.cases else "none") for report in reports)
        figures = [len(reports), *(counts[key] for key in (*Proof, "case", "none"))]
        title = UPGRADES[upgrade] if upgrade else "all"
        yield f"| {title} | {' | '.join(map(str, figures))} |\n"


def _format_row(report: Report, regressions: Regressions) -> str:
    first, *others = report.names
    names = ", ".join([f"[{first}]({report.url})", *others])
    versions = [
        f"{what} {value}"
        for what, value in (("good", report.good), ("bad", report.bad), ("fixed", report.fixed))
        if value
    ]
    where = ", ".join(filter(None, (report.runtimes, report.modes)))
    shown = "<br>".join(f"`{case}`" for case in report.cases)
    if report.proof:
        here = f"{shown}<br>{report.proof}: {report.seen}"
    elif report.cases:
        here = f"{shown}<br>not proven yet: {report.unproven or 'its mutant was not run.'}"
    else:
        here = f"none: {regressions.kinds[report.kind]}"
    return f"| {names} | {'; '.join([*versions, where])} | {report.symptom} | {here} |\n"


def main() -> int:
    """Write the page, unless a case that is named does not exist."""
    regressions = read()
    missing = find_missing(regressions, list_cases())
    problems = [f"{DATA.relative_to(ROOT)} names {case}, which does not exist." for case in missing]
    return write_page(PAGE, problems, lambda: format_page(regressions))


if __name__ == "__main__":
    raise SystemExit(main())
