"""Markdown for a pull request: the most important first, never too long, and nobody's text interpreted."""

import re
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from harness.compare import RunOutcomes, compare, find_differences, find_rules
from harness.gate import GateInput, Policy, decide
from harness.model import Cell, CgroupMode, Outcome
from harness.report.comparison import LIMIT, format_code, render_comparison
from harness.report.decision import render_decision
from tests.helpers.sides import CASE, cell_side, side

HOSTILE = "cgroup/t.py::t[<script>alert(1)</script> | `x` ``` @everyone #1 \x1b[31m \u202e](http://x/)\n# Title\n| a |]"
POLICY = Policy.model_validate(
    {
        "version": 1,
        "description": "A test.",
        "required": ({"profile": "quick"},),
        "minimum_ran": 1,
        "baseline": {"name": "b"},
    }
)
CELLS = [
    Cell(distro="debian", channel=channel, systemd=systemd, cgroup=mode, runtime="nspawn")
    for channel, systemd in (("bookworm", "252"), ("trixie", "257")) for mode in CgroupMode
]  # fmt: skip


def sides(case: str) -> tuple[RunOutcomes, RunOutcomes]:
    """Return a case that passed, and fails with systemd 257 and a message of the same text."""
    old = side(*(cell_side(cell, {case: Outcome.PASSED}, facts={"kernel": "6.1"}) for cell in CELLS), name="old")
    new = side(
        *(
            cell_side(cell, {case: Outcome.FAILED if cell.systemd == "257" else Outcome.PASSED}, messages={case: case},
                      facts={"kernel": case})
            for cell in CELLS
        ), name="new",
    )  # fmt: skip
    return old, new


def compared(case: str) -> str:
    """Return the Markdown of their comparison."""
    old, new = sides(case)
    found = compare(old, new)
    return render_comparison(found, find_rules(found, old, new), find_differences(old, new, frozenset()))


def decided(case: str) -> str:
    """Return the Markdown of the decision about them."""
    old, new = sides(case)
    return render_decision(decide(POLICY, GateInput(side=new, baseline=old, requirements=()), date(2026, 11, 24)))


def outside(text: str) -> str:
    """Return what is left of Markdown without its code spans and blocks, as CommonMark finds them."""
    text = re.sub(r"^ *(`{3,})\n.*?\n *\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "CODE", text)


def test_comparison_begins_with_what_regressed() -> None:
    """The title, the counts, the rule; then a table with the case, its rule and message, and what else differs."""
    text = compared(CASE)

    assert text.startswith("## `old` → `new`\n\n3 regressed, 3 same; 6 cells on both sides.\n")
    assert "`all 3 have systemd>=257, and none of 3 others" in text
    assert f"| `{CASE}` | 3 | `all 3 have systemd>=257" in text
    assert "- `kernel 6.1 -> cgroup" in text
    assert text.index("Regressed") < text.index("What else differs")


def test_decision_begins_with_the_answer_and_its_reasons() -> None:
    """Refused; why; where it begins with the command; at last the rules that are met."""
    text = decided(CASE)
    places = [text.index(part) for part in (
        "## Release gate: refused for 1 reason", "- **refused**: 3 regressions; 0 are allowed.", "### Where regressions begin",
        "harness bisect-systemd --good v252 --bad v257 --cell", "### Regressed", "### Rules that are met",
    )]  # fmt: skip

    assert places == sorted(places)


def test_hostile_text_stays_in_its_code_span() -> None:
    """No tag, mention, link, title, escape or column of a table comes from a name or a message."""
    for text in (compared(HOSTILE), decided(HOSTILE)):
        rest = outside(text)
        assert "script" in text
        for part in ("script", "@everyone", "](http", "\x1b", "\u202e"):
            assert part not in rest
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not re.search(r"^# Title|^\| a", text, flags=re.MULTILINE)
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert rows
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


@given(st.text())
def test_code_cannot_be_left(text: str) -> None:
    """Whatever a text is, it is one code span of one line, and all of it."""
    span = format_code(text)

    assert "\n" not in span
    if span != "(empty)":
        assert outside(f"a {span} b") == "a CODE b"
        span.encode()


def test_it_fits_and_says_what_does_not() -> None:
    """With many regressions the most important are there, and the last line says how much was left out."""
    cases = {f"cgroup/test_{'x' * 250}.py::test_{number}": Outcome.PASSED for number in range(200)}
    old = side(*(cell_side(f"cell-{number}", cases) for number in range(60)), name="old")
    outcomes = [Outcome.FAILED, Outcome.ERROR, Outcome.FLAKY, Outcome.SKIPPED]
    new = side(
        *(
            cell_side(f"cell-{number}", {case: outcomes[place % 4] for place, case in enumerate(cases)},
                      messages=dict.fromkeys(cases, "m" * 1000))
            for number in range(60)
        ), name="new",
    )  # fmt: skip
    found = compare(old, new)
    text = render_comparison(found, find_rules(found, old, new), ())
    decision = render_decision(decide(POLICY, GateInput(side=new, baseline=old, requirements=()), date(2026, 11, 24)))

    assert 50_000 < len(text) <= LIMIT
    assert len(decision) <= LIMIT
    assert "### Regressed" in text
    assert re.search(r"\n_\d+ more lines do not fit here; .*_\n\Z", text)
    assert decision.startswith("## Release gate: refused")
