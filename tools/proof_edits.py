"""Small edits that put reported bugs back into Debian's source, and what was seen of them."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from harness import yamlfile
from harness.yamlfile import FileModel

__all__ = ["EDITS", "SEEN", "Change", "ProofEdit", "ProofEdits", "SeenProof", "format_proof", "read_edits", "read_seen"]

ROOT = Path(__file__).parent.parent
EDITS = ROOT / "tools" / "proofs.yaml"
SEEN = ROOT / "suites" / "proofs.json"


class Change(FileModel):
    """A change of one place in a file.

    Attributes:
        file: Path below the top of the source.
        find: Regular expression whose first match is replaced.
        put: What by, as in re.sub.
    """

    file: str
    find: str
    put: str

    def apply(self, text: str) -> str:
        """Return the file's text with the change; raise ValueError if it has no such place."""
        changed, count = re.subn(self.find, self.put, text, count=1)
        if not count:
            raise ValueError(f"{self.file} has nothing like `{self.find}`: another version?")
        return changed


class ProofEdit(FileModel):
    """A bug that is put back.

    Attributes:
        name: One word, unique.
        reports: Names of reports in suites/regressions.yaml with its symptom.
        project: Whose source is edited.
        bug: What the edited one does: "it fails where {bug}".
        cell: In whose guest it is seen.
        case: Node id of the case that fails then; with parameters where one of them is enough.
        says: Regular expression for what it says then; whatever else it says is another failure, and no proof.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    reports: Annotated[tuple[str, ...], Field(min_length=1)]
    project: Literal["systemd", "runc"]
    bug: str
    changes: Annotated[tuple[Change, ...], Field(min_length=1)]
    cell: str
    case: str
    says: str = ""

    @property
    def digest(self) -> str:
        """What names its changes, its case and its cell: of another digest nothing was seen."""
        text = repr((self.project, self.changes, self.cell, self.case))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def function(self) -> str:
        """The case without parameters, as suites/regressions.yaml names it."""
        return self.case.partition("[")[0]


class ProofEdits(FileModel):
    """tools/proofs.yaml."""

    edits: tuple[ProofEdit, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [edit.name for edit in self.edits]
        if len({*names}) < len(names):
            raise ValueError("two edits have the same name")
        return self


class SeenProof(BaseModel):
    """An edit whose case passed on the untouched source and failed on the edited one.

    Attributes:
        source: The untouched source: "systemd 252.39-1~deb12u2 (Debian bookworm)".
        message: What the case said of the edited one.
        seconds: How long the edited one took, with build and boot.
        along: Other edits that were in the same build.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    date: str
    source: str
    message: str
    seconds: float
    along: tuple[str, ...] = ()


class SeenProofs(RootModel[dict[str, SeenProof]]):
    """suites/proofs.json: what was seen, by the name of the edit."""


def read_edits(path: Path = EDITS) -> tuple[ProofEdit, ...]:
    """Return the edits; raise ConfigError where the file is wrong."""
    return yamlfile.load(path, ProofEdits).edits


def read_seen(path: Path = SEEN) -> dict[str, SeenProof]:
    """Return what was seen, by the name of the edit."""
    return SeenProofs.model_validate_json(path.read_bytes()).root if path.exists() else {}


def format_proof(
    names: Iterable[str], cases: Iterable[str], edits: Iterable[ProofEdit], seen: Mapping[str, SeenProof]
) -> str | None:
    """Return what was seen of a report with these names by one of these cases, or None."""
    wanted, known = {*names}, {*cases}
    for edit in edits:
        found = seen.get(edit.name)
        if found and found.digest == edit.digest and edit.function in known and wanted & {*edit.reports}:
            which = f"`{edit.function.rpartition('::')[2]}`" if len(known) > 1 else "It"
            along = f", with {len(found.along)} other edits in the build" if found.along else ""
            return (
                f"{which} passes with {found.source}, and fails where {edit.bug} (`{edit.name}`, {found.date}{along})."
            )
    return None
