"""May we ship? Each rule of a policy refuses what it is there for, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from harness.compare import RunOutcomes
from harness.gate import CheckLevel, Decision, GateInput, Policy, Requirement, SuspectTrial, decide
from harness.matrix import Expectation
from harness.model import Cell, CgroupMode, Outcome
from harness.report.decision import format_notice, write_junit
from harness.selection import Selection
from tests.helpers.sides import CASE, cell_side, side

TODAY = date(2026, 11, 24)
CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="nspawn")
OTHER = "cgroup/test_x.py::test_z"
GOOD = {CASE: Outcome.PASSED, OTHER: Outcome.PASSED}


def policy(**changes: Any) -> Policy:
    """Return a policy that allows nothing bad, with changes."""
    required = ({"profile": "quick"},)
    usual = {"version": 1, "description": "A test.", "required": required, "minimum_ran": 1, "baseline": {"name": "b"}}
    return Policy.model_validate(usual | changes)


def evidence(now: dict[str, Outcome] | RunOutcomes, before: dict[str, Outcome] | None = None, **more: Any) -> GateInput:
    """One cell with some outcomes now, and others in the baseline."""
    found = now if isinstance(now, RunOutcomes) else side(cell_side(CELL, now))
    base = side(cell_side(CELL, GOOD if before is None else before), name="b", started="2026-11-20T00:00:00+00:00")
    required = (Requirement(text="profile quick", cells=(CELL.id,), suites=("cgroup",)),)
    usual: dict[str, Any] = {"side": found, "baseline": base, "requirements": required}
    return GateInput(**(usual | more))


def reasons(decision: Decision) -> dict[str, str]:
    """Return the checks that refuse, with their sentences."""
    assert decision.ships == (not decision.refused)
    return {check.name: check.text for check in decision.refused}


def test_what_is_as_before_ships() -> None:
    """All is whole, required cells ran, nothing is worse: no reason against it."""
    decision = decide(policy(), evidence(GOOD), TODAY)

    assert decision.ships
    assert {check.level for check in decision.checks} == {CheckLevel.MET}


@pytest.mark.parametrize(
    ("now", "before", "name"),
    [
        ({**GOOD, CASE: Outcome.FAILED}, GOOD, "regressions"),
        ({**GOOD, "cgroup/new.py::t": Outcome.FAILED}, GOOD, "new failures"),
        ({**GOOD, CASE: Outcome.ERROR}, GOOD, "broken"),
        ({**GOOD, CASE: Outcome.ERROR}, {**GOOD, CASE: Outcome.ERROR}, "broken"),
        ({CASE: Outcome.PASSED}, GOOD, "gone"),
        ({**GOOD, CASE: Outcome.SKIPPED}, GOOD, "gone"),
        ({**GOOD, CASE: Outcome.FLAKY}, GOOD, "flaky"),
        ({**GOOD, CASE: Outcome.FLAKY}, {**GOOD, CASE: Outcome.FLAKY}, "flaky"),
    ],
)
def test_each_kind_of_bad_case_refuses_above_its_number(
    now: dict[str, Outcome], before: dict[str, Outcome], name: str
) -> None:
    """One is refused where none is allowed, and reported where one or any is allowed."""
    key = name.replace(" ", "_")

    assert set(reasons(decide(policy(), evidence(now, before), TODAY))) == {name}
    for limit in (1, "any"):
        decision = decide(policy(allowed={key: limit}), evidence(now, before), TODAY)
        assert decision.ships
        assert [check.name for check in decision.checks if check.level is CheckLevel.TOLD] == [name]


def test_a_crash_of_pid1_refuses_whatever_is_allowed() -> None:
    """A cell whose PID 1 crashed is named, also where any number of broken cells is allowed and all cases passed."""
    found = side(
        cell_side(CELL, GOOD, error="PID 1 crashed.", pid1_crash="systemd as PID 1 crashed, and froze itself.")
    )
    decision = decide(policy(allowed={"broken": "any"}), evidence(found), TODAY)

    assert not decision.ships
    (check,) = (check for check in decision.refused if check.name == "pid 1")
    assert check.details == (f"{CELL.id}: systemd as PID 1 crashed, and froze itself.",)


def test_what_failed_before_is_told_and_can_be_refused() -> None:
    """A failure that the baseline has too does not refuse unless the policy says so."""
    failing = {**GOOD, CASE: Outcome.FAILED}

    assert decide(policy(), evidence(failing, failing), TODAY).ships
    assert set(reasons(decide(policy(allowed={"still_failing": 0}), evidence(failing, failing), TODAY))) == {
        "still failing"
    }


@given(st.dictionaries(st.sampled_from([CASE, OTHER]), st.sampled_from([Outcome.SKIPPED, Outcome.ERROR])))
def test_nothing_ran_never_passes(now: dict[str, Outcome]) -> None:
    """Whatever is allowed, where no case said anything nothing is shipped."""
    everything = dict.fromkeys(("regressions", "new_failures", "broken", "gone", "flaky", "still_failing"), "any")
    decision = decide(policy(allowed=everything), evidence(now, now), TODAY)

    assert {"ran", "required: profile quick"} <= set(reasons(decision))
    assert not decide(policy(allowed=everything), evidence(side(), requirements=()), TODAY).ships


def test_required_cell_or_suite_without_result_is_named() -> None:
    """A cell that is not there, and a suite of which no case really ran; a requirement of nothing refuses too."""
    required = (
        Requirement(text="all cells", cells=(CELL.id, "another"), suites=("cgroup", "pod")),
        Requirement(text="go==9", cells=(), suites=("cgroup",)),
    )
    decision = decide(policy(), evidence({**GOOD, "pod/t.py::t": Outcome.SKIPPED}, requirements=required), TODAY)
    details = {line for check in decision.refused for line in check.details}

    assert {"another: there is no result.", f"{CELL.id}: no case of the suite pod ran."} == details
    whole = "Of what is required (all cells: 2 cells with cgroup, pod), 2 parts were not tested."
    assert reasons(decision)["required: all cells"] == whole
    assert reasons(decision)["required: go==9"] == "The policy requires go==9, which has no cell."


def test_broken_cell_is_one_reason_with_its_sentence() -> None:
    """A cell whose guest died is refused by what it said, not by each of its cases."""
    decision = decide(
        policy(), evidence(side(cell_side(CELL, {OTHER: Outcome.PASSED}, error="The guest died."))), TODAY
    )
    broken = next(check for check in decision.refused if check.name == "broken")

    assert broken.details == (f"{CELL.id}: The guest died.",)
    assert broken.text == "1 broken cell or case; 0 are allowed."


def test_conflicts_and_what_is_missing_refuse_by_name() -> None:
    """Two results of a cell, a missing shard and an interrupted run are reported as they are."""
    problems = ("The cell a has two results: one in x, one in y; leave one out.", "The shard 2/3 is missing.")
    torn = replace(side(cell_side(CELL, GOOD)), problems=("run 1 was interrupted.",))
    decision = decide(policy(), evidence(torn, conflicts=problems), TODAY)

    assert [check.details for check in decision.refused] == [(*problems, "run 1 was interrupted.")]


@pytest.mark.parametrize(
    ("started", "limit", "ships"),
    [
        ("2026-11-20T23:59:59+00:00", 4, True),
        ("2026-11-20T00:00:00+00:00", 3, False),
        ("2031-01-01T00:00:00+00:00", 0, False),
        ("2026-11-26T00:00:00+00:00", 0, True),
        ("", 3, False),
        ("", None, True),
        ("yesterday", 3, False),
    ],
)
def test_baseline_may_be_too_old(started: str, limit: int | None, *, ships: bool) -> None:
    """By whole days; a clock may run ahead by three, and a day to come or unknown is refused where age matters."""
    base = side(cell_side(CELL, GOOD), name="b", started=started)
    rules = policy(baseline={"name": "b", "max_age_days": limit})
    assert decide(rules, evidence(GOOD, baseline=base), TODAY).ships is ships


def test_baseline_that_is_not_there_refuses() -> None:
    """The policy names one and there is none: that is a reason, and failures are new."""
    decision = decide(policy(), evidence(GOOD, baseline=None, missing_baseline="There is no baseline b."), TODAY)

    assert reasons(decision) == {"baseline": "There is no baseline b."}
    assert decide(policy(baseline=None), evidence(GOOD, baseline=None), TODAY).ships


def expectation(expires: date, holds: Callable[[Cell], bool] = lambda _: True) -> Expectation:
    return Expectation.model_construct(
        cells=Selection("go==none", holds), cases=CASE, matching=None, reason="It is known.",
        issue="https://example.org/x/1", expires=expires,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expires", "ships", "told"),
    [(date(2026, 11, 23), False, []), (TODAY, True, ["expires soon"]), (date(2027, 6, 1), True, [])],
)
def test_expired_expectation_refuses(expires: date, told: list[str], *, ships: bool) -> None:
    """From the day after its last; one that soon expires is reported, and one about no cell of the run is nobody's."""
    known = (expectation(expires),)
    decision = decide(policy(), evidence(GOOD, expectations=known), TODAY)

    assert decision.ships is ships
    assert [check.name for check in decision.checks if check.level is CheckLevel.TOLD] == told
    assert decide(policy(expectations={"expired": "tell"}), evidence(GOOD, expectations=known), TODAY).ships
    nobodys = (expectation(expires, lambda _: False),)
    assert decide(policy(), evidence(GOOD, expectations=nobodys), TODAY).ships


def test_unexpected_pass_is_told_or_refused() -> None:
    """A case that passes though it is expected to fail is no failure, but someone should remove the expectation."""
    passing = {**GOOD, CASE: Outcome.XPASSED}

    assert decide(policy(), evidence(passing), TODAY).ships
    assert set(reasons(decide(policy(expectations={"passing": "refuse"}), evidence(passing), TODAY))) == {"passing"}


def hostile() -> Decision:
    name = "cgroup/t.py::t[\x1b[31m<script>\u202e]]>&\x00]"
    return decide(policy(), evidence({**GOOD, name: Outcome.FAILED}), TODAY)


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    """A CI system shows which rule refused; what a guest printed breaks nothing."""
    decision = hostile()
    write_junit(decision, tmp_path / "gate.xml")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "gate.xml"))

    assert (suite.tests, suite.failures) == (len(decision.checks), 1)
    text = ET.parse(tmp_path / "gate.xml").findtext(".//failure") or ""
    assert "\\x1b[31m<script>\\u202e]]>&\\x00" in text
    assert [path.name for path in tmp_path.iterdir()] == ["gate.xml"]


def test_notice_begins_with_the_answer() -> None:
    """The first line is the answer; reasons come first, and nothing in it moves a terminal."""
    lines = format_notice(hostile()).splitlines()

    assert lines[0] == "release gate: refused for 1 reason"
    assert lines[1] == "  refused  1 new failure; 0 are allowed."
    assert all(line.isprintable() for line in lines)
    assert format_notice(decide(policy(), evidence(GOOD), TODAY)).startswith("release gate: may be shipped")


def test_the_screen_has_each_thing_once() -> None:
    """Decision, regressions by cause, what ran again, what is intermittent, what is excused: in lines of a usual width."""
    cells = [replace(CELL, systemd=systemd, cgroup=mode) for systemd in ("252", "257") for mode in CgroupMode]
    same, flaky, known = "pod/test_a.py::test_same", "pod/test_a.py::test_flaky", "pod/test_a.py::test_known"
    begun = {CASE: Outcome.PASSED, OTHER: Outcome.PASSED, same: Outcome.FAILED, flaky: Outcome.PASSED}
    now = {**begun, known: Outcome.XFAILED}
    worse = {**now, CASE: Outcome.FAILED, OTHER: Outcome.FAILED}
    text = "assert 1 == 2, which is a long story " * 10
    new = side(*(cell_side(cell, worse if cell.systemd == "257" else now, messages={CASE: text}) for cell in cells))
    first = new.cells[cells[0].id]
    new = side(
        *(
            replace(cell, cases={**cell.cases, flaky: Outcome.FLAKY}) if cell is first else cell
            for cell in new.cells.values()
        )
    )
    trials = {(cell.id, case): SuspectTrial(new=(5, 5), old=(0, 5), chance=0.004)
              for cell in cells if cell.systemd == "257" for case in (CASE, OTHER)}  # fmt: skip
    trials[first.id, flaky] = SuspectTrial(new=(7, 30), old=(6, 30))
    expected = replace_expectation(expectation(date(2027, 1, 1)), known)
    base = side(*(cell_side(cell, begun) for cell in cells), name="b", started="2026-11-20T00:00:00+00:00")
    decision = decide(policy(), evidence(new, baseline=base, trials=trials, expectations=(expected,)), TODAY)
    shown = format_notice(decision)
    lines = shown.splitlines()
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles == [
        "release gate: refused for 1 reason", "regressions by cause", "confirmed", "intermittent, and does not count",
        "excused until", "since b: 6 regressed, 1 flaky, 6 still failing, 6 new, 11 same; 6 cells on both sides",
    ]  # fmt: skip
    assert len(lines) < 40
    assert all(len(line) <= 96 for line in lines if "harness bisect" not in line)
    assert [shown.count(case) for case in (f"{flaky} in", f"{same} in", f"{known} in")] == [1, 1, 1]
    assert "  systemd>=257: 3 cells, and none of 3 others" in lines
    assert "    before 6 of 30 (10 to 37 %), now 7 of 30 (12 to 41 %)" in lines
    assert f"  2026-12-04  {same} in 6 cells: failing since 2026-11-20" in lines
    assert [cause.rule and cause.rule.expression for cause in decision.causes] == ["systemd>=257"]


def replace_expectation(known: Expectation, case: str) -> Expectation:
    """Return an expectation about another case."""
    return known.model_copy(update={"cases": case})


@pytest.mark.parametrize(
    ("since", "days", "name"),
    [("2026-11-20", 14, None), ("2026-11-10", 14, None), ("2026-11-09", 14, "excuses"), ("2020-01-01", "any", None),
     ("2026-11-23", 0, "excuses"), ("", 14, "excuses")],
)  # fmt: skip
def test_a_failure_of_the_baseline_is_excused_for_some_days(since: str, days: int | str, name: str | None) -> None:
    """What failed in the baseline, too, refuses after some days unless an expectation names it; until then it is told."""
    failing = {**GOOD, CASE: Outcome.FAILED}
    base = side(cell_side(CELL, failing, since={CASE: since}), name="b", started="2026-11-20T00:00:00+00:00")
    decision = decide(policy(baseline={"name": "b", "excuse_days": days}), evidence(failing, baseline=base), TODAY)
    assert set(reasons(decision)) == ({name} if name else set())
    told = [check for check in decision.checks if check.name == "excused"]
    assert bool(told) is (name is None and days != "any")
    assert all("excused until 2026-" in check.details[0] for check in told)
    named = {**GOOD, CASE: Outcome.XFAILED}
    expected = replace_expectation(expectation(date(2027, 1, 1)), CASE)
    assert decide(policy(), evidence(named, baseline=base, expectations=(expected,)), TODAY).ships


def test_an_expected_failure_that_no_expectation_names_refuses() -> None:
    """What another matrix, or nobody, expected is excused by nobody, and is named."""
    named = {**GOOD, CASE: Outcome.XFAILED}
    other = replace_expectation(expectation(date(2027, 1, 1)), "pod/test_other.py::test_x")
    for known in ((), (other,)):
        decision = decide(policy(), evidence(named, expectations=known), TODAY)
        assert set(reasons(decision)) == {"expected"}
        assert [check.details for check in decision.refused] == [(f"{CELL.id} {CASE}",)]


def test_a_key_case_is_one_regression() -> None:
    """Where a suite's key case fails, its other failures in that cell follow; in another cell they count."""
    cases = {f"cgroup/test_x.py::test_{number}": Outcome.PASSED for number in range(60)}
    other = replace(CELL, cgroup=CgroupMode.UNIFIED)
    key = {"cgroup": "cgroup/test_x.py::test_0"}
    base = side(cell_side(CELL, cases), cell_side(other, cases), name="b")
    now = side(
        cell_side(CELL, dict.fromkeys(cases, Outcome.FAILED)),
        cell_side(other, {**cases, "cgroup/test_x.py::test_1": Outcome.FAILED}),
    )
    decision = decide(policy(), evidence(now, baseline=base, keys=key), TODAY)
    assert reasons(decision)["regressions"].startswith("2 regressions;")
    assert "with it 59 more cases of the suite cgroup fail" in decision.refused[0].details[0]
    assert sum(len(cases) for cause in decision.causes for cases in cause.cases.values()) == 2
    assert reasons(decide(policy(), evidence(now, baseline=base), TODAY))["regressions"].startswith("61 regressions;")
