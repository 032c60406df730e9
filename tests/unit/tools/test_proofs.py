"""Bugs that are put back into a source: the edits fit the reports, and only what was seen on both sides is a proof."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness import catalog, matrix
from harness.errors import UsageError
from tools.generated_page import ROOT
from tools.proof_edits import Change, ProofEdit, SeenProof, format_proof, read_edits, read_seen
from tools.proofs import PROJECTS, Answer, Base, choose, commit_edits, prove, write_seen
from tools.regressions import Proof, read
from tools.rkt_coverage import list_cases

EDIT = ProofEdit(
    name="other-answer", reports=("a#1",), project="runc", bug="it answers 3", cell="some-cell",
    case="x/test_a.py::test_x[one]", changes=(Change(file="main.c", find=r"return (\d);", put=r"return 3; // \g<1>"),),
)  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Base:
    """A source with one file, as a repository."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "main.c").write_text("int main(void) { return 2; }\n")
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], ["commit", "--quiet", "--message=one"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", path, *who, *words], check=True)
    return Base(project=PROJECTS["runc"], path=path, text="runc 1.1.5")


def answer(untouched: str, edited: str, asked: list[str]) -> Callable[[str, str, Sequence[str]], Answer]:
    """Return what answers for a guest, and notes what it was asked about."""

    def ask(revision: str, cell: str, cases: Sequence[str]) -> Answer:
        assert cell == EDIT.cell
        asked.append(f"{'main' if revision == 'main' else 'edited'} {len(cases)}")
        verdict = untouched if revision == "main" else edited
        return Answer(
            verdict=verdict, why="because", passed=frozenset(cases if verdict == "good" else ()),
            failed=dict.fromkeys(cases if verdict == "bad" else (), "because"),
        )  # fmt: skip

    return ask


def test_each_edit_is_of_a_report_that_names_its_case() -> None:
    """An edit without one would prove nothing; a report that was renamed takes its edits along."""
    reports = read().reports
    lost = [
        (edit.name, name)
        for edit in read_edits()
        for name in edit.reports
        if not any(name in report.names and edit.function in report.cases for report in reports)
    ]
    assert lost == []
    assert {edit.function for edit in read_edits()} <= list_cases()


def test_each_edit_names_a_cell() -> None:
    """The cell is one of the matrix, and of the runtime that is built from the edited source."""
    known = catalog.load(ROOT)
    cells = matrix.expand(matrix.load(ROOT / "matrix.yaml", known), known).by_id

    assert {edit.cell for edit in read_edits()} <= {*cells}
    assert {cells[edit.cell].runtime for edit in read_edits() if edit.project == "runc"} == {"runc"}


def test_what_was_seen_is_of_edits_that_there_are() -> None:
    """An edit that was changed has to be seen again: python -m tools.proofs."""
    edits = {edit.name: edit for edit in read_edits()}
    assert {name: seen.digest for name, seen in read_seen().items()}.items() <= {
        name: edit.digest for name, edit in edits.items()
    }.items()
    assert [name for name, seen in read_seen().items() if not re.search(edits[name].says, seen.message)] == []


def test_an_edit_is_a_commit_on_the_source(base: Base) -> None:
    """The same edit is the same commit, so that its build is found again; another one begins at the source, too."""
    first = commit_edits(base.path, [EDIT])
    assert (base.path / "main.c").read_text() == "int main(void) { return 3; // 2 }\n"
    assert commit_edits(base.path, [EDIT]) == first
    other = EDIT.model_copy(update={"changes": (Change(file="main.c", find="main", put="other"),)})
    commit_edits(base.path, [other])
    assert (base.path / "main.c").read_text() == "int other(void) { return 2; }\n"


@pytest.mark.parametrize(
    "change", [Change(file="main.c", find="nowhere", put=""), Change(file="gone.c", find="", put="")]
)
def test_an_edit_without_its_place_is_refused(base: Base, change: Change) -> None:
    """The message names the edit and the file."""
    edit = EDIT.model_copy(update={"changes": (change,)})
    with pytest.raises(UsageError, match=f"other-answer cannot be made: .*{re.escape(change.file)}"):
        commit_edits(base.path, [edit])


@pytest.mark.parametrize(
    ("untouched", "edited", "why"),
    [
        ("good", "good", "the edited source is good: because"),
        ("good", "skip", "the edited source is skip: because"),
        ("bad", "bad", "the untouched source is bad: because"),
        ("skip", "bad", "the untouched source is skip: because"),
    ],
)
def test_less_than_both_sides_is_no_proof(base: Base, untouched: str, edited: str, why: str) -> None:
    """A case that is blind, or that fails anyway, proves nothing."""
    assert [*prove([EDIT], base, answer(untouched, edited, []))] == [(EDIT, None, why)]


def see(*edits: ProofEdit, base: Base) -> list[SeenProof]:
    """Return what is seen of edits by one build, where all of it goes well."""
    seen = [seen for _, seen, _ in prove(edits, base, answer("good", "bad", []))]
    assert len(seen) == len(edits)
    return [one for one in seen if one is not None]


def test_a_proof_has_both_sides(base: Base) -> None:
    """It is about the source and the edit; what others want to know of the source is asked along, and not again."""
    asked: list[str] = []
    other = EDIT.model_copy(update={"name": "other", "case": "x/test_a.py::test_y"})
    [(_, seen, _)] = prove([EDIT], base, answer("good", "bad", asked), [EDIT, other])

    assert seen is not None
    assert (seen.digest, seen.source, seen.message, seen.along) == (EDIT.digest, "runc 1.1.5", "because", ())
    [(_, seen, _)] = prove([other], base, answer("good", "bad", asked), [other])
    assert seen is not None
    assert asked == ["edited 1", "main 2", "edited 1"]


def test_edits_in_one_build_are_asked_about_at_once(base: Base) -> None:
    """Each counts by its own case, and what is said of it names the others; one whose case passes is not seen."""
    change = Change(file="main.c", find="main", put="other")
    other = EDIT.model_copy(update={"name": "other", "case": "x/test_a.py::test_y", "changes": (change,)})

    def ask(revision: str, cell: str, cases: Sequence[str]) -> Answer:
        if revision == "main":
            return Answer(verdict="good", why="", passed=frozenset(cases))
        assert cases == [EDIT.case, other.case]
        return Answer(verdict="bad", why="it is other", failed={other.case: "it is other"})

    (_, blind, why), (edit, seen, _) = prove([EDIT, other], base, ask)

    assert (base.path / "main.c").read_text() == "int other(void) { return 3; // 2 }\n"
    assert (blind, why) == (None, "the edited source is bad: it is other")
    assert seen is not None
    assert (edit.name, seen.message, seen.along) == ("other", "it is other", (EDIT.name,))


def test_another_failure_of_the_case_is_no_proof(base: Base) -> None:
    """What an edit expects its case to say decides, where it expects something."""
    edit = EDIT.model_copy(update={"says": "^another"})
    assert [*prove([edit], base, answer("good", "bad", []))] == [(edit, None, "the edited source is bad: because")]
    assert see(EDIT.model_copy(update={"says": "^bec"}), base=base)


def test_what_was_seen_is_kept(base: Base, tmp_path: Path) -> None:
    """What one run has seen is there for the next, which tries the others; an edit that was changed is tried again."""
    path = tmp_path / "proofs.json"
    [seen] = see(EDIT, base=base)
    write_seen("another", seen, path)
    write_seen(EDIT.name, seen, path)
    known = read_seen(path)
    changed = EDIT.model_copy(update={"cell": "other-cell"})

    assert list(known) == ["another", EDIT.name]
    assert (choose([EDIT], [], known), choose([EDIT], [EDIT.name], known)) == ([], [[EDIT]])
    assert choose([changed], [], known) == [[changed]]
    other = EDIT.model_copy(update={"name": "b"})
    assert choose([EDIT, other], [f"b,{EDIT.name}"], known) == [[other, EDIT]]


def test_edits_that_there_are_not_or_that_do_not_go_together_are_refused() -> None:
    """One build has one source."""
    other = EDIT.model_copy(update={"name": "b", "project": "systemd"})
    with pytest.raises(UsageError, match="There is no edit `x`"):
        choose([EDIT], ["x"], {})
    with pytest.raises(UsageError, match="other-answer, b are of more than one source"):
        choose([EDIT, other], ["other-answer,b"], {})


def test_a_report_is_proven_by_what_was_seen_of_its_case(base: Base) -> None:
    """Not by another case, of another report, or by an edit that was changed since."""
    [seen] = see(EDIT, base=base)
    known = {EDIT.name: seen}
    sentence = f"It passes with runc 1.1.5, and fails where it answers 3 (`other-answer`, {seen.date})."

    assert format_proof(["b#2", "a#1"], ["x/test_a.py::test_x"], [EDIT], known) == sentence
    assert format_proof(["a#1"], ["x/test_a.py::test_y"], [EDIT], known) is None
    assert format_proof(["b#2"], ["x/test_a.py::test_x"], [EDIT], known) is None
    shared = {EDIT.name: seen.model_copy(update={"along": ("one", "two")})}
    assert ", with 2 other edits in the build)" in str(format_proof(["a#1"], ["x/test_a.py::test_x"], [EDIT], shared))
    changed = EDIT.model_copy(update={"case": "x/test_a.py::test_x"})
    assert format_proof(["a#1"], ["x/test_a.py::test_x"], [changed], known) is None


def test_rows_are_proven_by_a_patch_only_if_it_was_seen(tmp_path: Path) -> None:
    """Without the file of what was seen no row is."""
    proofs = [report.proof for report in read(seen=tmp_path / "none.json").reports]

    assert Proof.PATCH not in proofs
    assert len([report for report in read().reports if report.proof is Proof.PATCH]) >= min(len(read_seen()), 1)
