"""Result files of other tools: each format says what its tool means, and what is cut off is never a smaller file."""

import io

import pytest

from harness.errors import InfrastructureError
from harness.foreign import detect_format, read_cases
from harness.foreign.records import OUTSIDE, ForeignCase, ForeignReport
from harness.model import Outcome

P, F, E, S, X, Y, XP = (
    Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED, Outcome.XFAILED, Outcome.FLAKY, Outcome.XPASSED,
)  # fmt: skip

TAP = """\
TAP version 14
1..6
ok 1 - starts
not ok 2 - stops
# (in test file stop.bats, line 3)
#   `[ $status = 0 ]' failed
ok 3 - pauses # SKIP no freezer
not ok 4 - resumes # TODO later
ok 5 - kills # todo
# Subtest: nested
    1..2
    ok 1 - inner \\# one
    not ok 2 - inner two
      ---
      message: 'too late'
      ...
not ok 6 - nested
"""
CTRF = """\
{"reportFormat": "CTRF", "specVersion": "0.0.0", "results": {"tool": {"name": "vitest"},
 "summary": {"tests": 5, "passed": 2, "failed": 1, "skipped": 2, "pending": 0, "other": 0, "start": 1, "stop": 2},
 "tests": [
 {"name": "a", "status": "passed", "duration": 1, "suite": ["x", "y"]},
 {"name": "a", "status": "failed", "duration": 1, "suite": ["x", "z"], "message": "no", "trace": "at 1"},
 {"name": "b", "status": "passed", "duration": 1, "flaky": true, "retries": 1, "filePath": "b.ts"},
 {"name": "c", "status": "pending", "duration": 0}, {"name": "d", "status": "skipped", "duration": 0}]}}
"""
GO = """\
{"Time":"2026-11-30T10:00:00Z","Action":"start","Package":"p/a"}
{"Action":"run","Package":"p/a","Test":"TestOne"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"=== RUN   TestOne\\n"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"    a_test.go:7: want 1\\n"}
{"Action":"fail","Package":"p/a","Test":"TestOne","Elapsed":0.1}
{"Action":"run","Package":"p/a","Test":"TestTwo/sub"}
{"Action":"skip","Package":"p/a","Test":"TestTwo/sub","Elapsed":0}
{"Action":"run","Package":"p/a","Test":"TestThree"}
{"Action":"pass","Package":"p/a","Test":"TestThree","Elapsed":0}
{"Action":"fail","Package":"p/a","Elapsed":0.2}
# p/b
b.go:3:1: syntax error
{"Action":"start","Package":"p/b"}
{"Action":"output","Package":"p/b","Output":"FAIL\\tp/b [build failed]\\n"}
{"Action":"fail","Package":"p/b","Elapsed":0}
"""
MESON = """\
{"name": "systemd:core / test-cgroup", "stdout": "x\\n", "result": "OK", "starttime": 1.0, "duration": 0.1, "returncode": 0}
{"name": "systemd:core / test-unit", "stdout": "", "result": "FAIL", "stderr": "Assertion 'r == 0' failed\\n"}
{"name": "test-slow", "stdout": null, "result": "TIMEOUT"}
{"name": "test-known", "stdout": "", "result": "EXPECTEDFAIL"}
{"name": "test-odd", "stdout": "", "result": "UNEXPECTEDPASS"}
{"name": "test-off", "stdout": "", "result": "SKIP"}
"""


def read(text: str) -> tuple[list[ForeignCase], ForeignReport]:
    """Return the cases of a file with this content, by the format that it is known to have."""
    report = ForeignReport(name="file")
    data = text.encode()
    form = detect_format(data[:4096])
    assert form is not None
    return list(read_cases(io.BytesIO(data), form, report)), report


@pytest.mark.parametrize(
    ("text", "form", "cases"),
    [
        (TAP, "tap", [("starts", P), ("stops", F), ("pauses", S), ("resumes", X), ("kills", XP),
                      ("nested::inner # one", P), ("nested::inner two", F), ("nested", F)]),
        (CTRF, "ctrf", [("y::a", P), ("z::a", F), ("b.ts::b", Y), ("c", S), ("d", S)]),
        (GO, "go", [("p/a::TestOne", F), ("p/a::TestTwo/sub", S), ("p/a::TestThree", P), (f"p/b::{OUTSIDE}", E)]),
        (MESON, "meson", [("systemd:core::test-cgroup", P), ("systemd:core::test-unit", F), ("test-slow", F),
                          ("test-known", X), ("test-odd", XP), ("test-off", S)]),
    ],
)  # fmt: skip
def test_each_format_is_known_and_read(text: str, form: str, cases: list[tuple[str, Outcome]]) -> None:
    """A file is known by its beginning, and each of its cases has the outcome that its tool means."""
    found, report = read(text)
    assert detect_format(text.encode()[:100]) == form
    assert [(case.nodeid, case.outcome) for case in found] == cases
    assert report.problems == []


@pytest.mark.parametrize(
    ("text", "nodeid", "message"),
    [
        (TAP, "stops", "(in test file stop.bats, line 3)"),
        (TAP, "nested::inner two", "too late"),
        (CTRF, "z::a", "no"),
        (GO, "p/a::TestOne", "a_test.go:7: want 1"),
        (MESON, "systemd:core::test-unit", "Assertion 'r == 0' failed"),
        ("<testsuite><testcase name='a'><failure message='Failed'>  want 1\n</failure></testcase></testsuite>", "a", "want 1"),
        ("<testsuite><testcase name='a'><failure message='why'>text</failure></testcase></testsuite>", "a", "why"),
        ("<testsuite><testcase name='a'><error><x>in</x>side</error></testcase></testsuite>", "a", "inside"),
    ],
)  # fmt: skip
def test_a_failure_says_why(text: str, nodeid: str, message: str) -> None:
    """The reason is the message, or the text where the message is none."""
    found = {case.nodeid: case.message for case in read(text)[0]}
    assert found[nodeid] == message


BLOCK = """\
TAP version 13
1..2
not ok 1 - stops
  ---
  message: 'no'
  output: |-
    ok then
    not ok 7 - of another program
    1..9
  ...
ok 2 - goes on
"""
NO_END = BLOCK.replace("  ...\n", "")
KTAP = """\
KTAP version 1
1..2
  KTAP version 1
  # Subtest: first
  1..2
    KTAP version 1
    1..1
    ok 1 deepest
  ok 1 deep
  not ok 2 wide
not ok 1 first
ok 2 second # SKIP no device
"""
KUNIT = KTAP.replace("    ", "        ").replace("\n  ", "\n    ").replace("\n          ", "\n        ")
KTAP_CASES = [("subtest 1::deepest", P), ("first::deep", P), ("first::wide", F), ("first", F), ("second", S)]


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        (BLOCK, [("stops", F), ("goes on", P)]),
        (NO_END, [("stops", F), ("goes on", P)]),
        (KTAP, KTAP_CASES),
        (KUNIT, KTAP_CASES),
    ],
)
def test_lines_of_tap_are_where_they_seem_to_be(text: str, cases: list[tuple[str, Outcome]]) -> None:
    """A YAML block may have any lines, and subtests are indented by two or by four spaces."""
    found, report = read(text)
    assert [(case.nodeid, case.outcome) for case in found] == cases
    assert report.problems == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ok 1 - a # time=5.2ms", "a"), ("ok 1 - a # time=3ms {", "a"), ("ok 1 a in 13ms", "a"), ("ok 1 - a  # in 12 ms", "a"),
        ("ok 1 - a in 13ms # skip no", "a"), ("ok 1 - fails with #12", "fails with #12"), ("ok 1 - ends in 5 steps", "ends in 5 steps"),
        ("ok 1", "#1"),
    ],
)  # fmt: skip
def test_how_long_a_test_took_is_not_in_its_name(line: str, name: str) -> None:
    """What differs in each run would make another case of it."""
    [case] = read(f"1..1\n{line}\n")[0]
    assert case.name == name


def test_what_a_test_prints_after_its_end_is_no_test() -> None:
    """A goroutine may print when its test of Go has ended."""
    late = '{"Action":"output","Package":"p/a","Test":"TestThree","Output":"late\\n"}\n'
    end = '{"Action":"fail","Package":"p/a"'
    assert read(GO.replace(end, late + end))[0] == read(GO)[0]


@pytest.mark.parametrize("text", [TAP, GO])
def test_every_cut_of_lines_is_noticed(text: str) -> None:
    """A file of lines that ends early has a problem, a broken case, or is refused; it never looks whole."""
    lines = text.splitlines(keepends=True)
    for end in range(1, len(lines)):
        cut = "".join(lines[:end])
        if text is GO and cut.count('"start"') == cut.count('Elapsed":0.2') + cut.count('p/b","Elapsed'):
            continue  # a package that has ended: go prints nothing that says which ones follow
        try:
            found, report = read(cut)
        except InfrastructureError:
            continue
        assert report.problems or E in {case.outcome for case in found}, cut


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CTRF[:200], "file:2:"),
        (CTRF.replace('"passed", "duration"', '"great", "duration"', 1), "the status `great`"),
        (CTRF.replace('"tests": [', '"things": [', 1), "`results.tests`"),
        (GO[:-20], "file:15:"),
        (MESON[:-5], "file:6:"),
        (MESON.replace("SKIP", "ODD"), "file:6:1: the result `ODD`"),
        ("TAP version 13\n# nothing\n", "neither a plan nor a test"),
    ],
)
def test_broken_files_are_refused_with_their_place(text: str, said: str) -> None:
    """What is cut off inside of a value, or says what its format has not, is refused with a sentence."""
    with pytest.raises(InfrastructureError, match=r"^file\b.*\.$") as caught:
        read(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("TAP version 13\n1..3\nok 1\nok 2\n", E),
        ("1..2\nok 1\nBail out! no disk\n", E),
        (CTRF.replace('"failed": 1', '"failed": 2'), E),
        (GO.replace('{"Action":"fail","Package":"p/a","Elapsed":0.2}\n', ""), E),
    ],
)
def test_totals_that_no_case_explains_are_a_case(text: str, outcome: Outcome) -> None:
    """A plan that was not kept, a failure that is only counted, a test that never ended: broken, and not less."""
    assert outcome in {case.outcome for case in read(text)[0]}


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        ('status="notrun" result="suppressed"', S), ('result="skipped"', S), ('status="disabled"', S),
        ('status="untested"', S), ('result="Inconclusive"', S), ('executed="False"', S), ('enabled="false"', S),
        ('status="aborted"', E), ('result="Timeout"', F), ('executed="True" enabled="true"', P),
        ('status="run" result="completed"', P), ('status="passed"', P), ('status="FAILED"', F), ('status="error"', E),
    ],
)  # fmt: skip
def test_what_did_not_run_did_not_pass(inside: str, outcome: Outcome) -> None:
    """What attributes say of a case counts where no element does; a failure inside counts more."""
    case = f'<testsuite><testcase name="a" {inside}/></testsuite>'
    assert [case.outcome for case in read(case)[0]] == [outcome]
    failed = case.replace("/></testsuite>", "><failure/></testcase></testsuite>")
    assert read(failed)[0][0].outcome.badness >= F.badness


@pytest.mark.parametrize(
    ("text", "cases", "problems"),
    [
        ('<testsuite tests="1" errors="1"><error message="no class"/></testsuite>', [(OUTSIDE, E)], 1),
        ('<testsuites errors="1"><error/></testsuites>', [(OUTSIDE, E)], 0),
        ('<testsuite name="s" tests="2" failures="1"><testcase name="a"/></testsuite>', [("s::a", P), (f"s::{OUTSIDE}", E)], 1),
        ('<testsuite tests="3"><testcase name="a"/></testsuite>', [("a", P)], 1),
        (('<testsuites tests="2" failures="1"><testsuite tests="2" failures="1"><testcase name="a"/><testcase name="b">'
         "<failure/></testcase></testsuite></testsuites>"), [("a", P), ("b", F)], 0),
        ('<testsuite failures="1" errors="1"><testcase name="a"><failure/><error/></testcase></testsuite>', [("a", E)], 0),
        ('<testsuite><testcase classname="c" name="o"><testcase name="i"><failure/></testcase></testcase></testsuite>',
         [("c::i", F), ("c::o", P)], 0),
        ("<testsuite><testcase name='a'><rerunFailure message='x'/></testcase></testsuite>", [("a", F)], 0),
        ("<testsuite><testcase name='a'><rerunError/></testcase></testsuite>", [("a", E)], 0),
    ],
)  # fmt: skip
def test_what_is_not_in_a_case_counts(text: str, cases: list[tuple[str, Outcome]], problems: int) -> None:
    """Errors next to cases, totals that no case explains, cases in cases, and records of reruns alone are not lost."""
    found, report = read(text)
    assert [(case.nodeid, case.outcome) for case in found] == cases
    assert len(report.problems) == problems


def test_the_character_that_xml_cannot_carry_is_named() -> None:
    """The commonest fault of writers, a colour in a message, is called by its name, and what removes it."""
    for length in (0, 5, 1 << 20):
        text = f"<testsuite><testcase name='a'><failure>{'x' * length}\x1b[31m</failure></testcase></testsuite>"
        with pytest.raises(InfrastructureError, match=r"U\+001B \(ESC, the start of a colour\).*`tr -d") as caught:
            read(text)
        assert f"file:1:{len('<testsuite><testcase name=*a*><failure>') + length + 1}:" in str(caught.value)
