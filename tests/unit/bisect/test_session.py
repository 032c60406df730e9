"""Whole bisections of real repositories, with a double in place of build and guest: a real command."""

from pathlib import Path

import pytest

from harness.bisect import journal
from harness.bisect.outcome import Bisection
from harness.bisect.question import AbortError
from harness.bisect.records import Begun, Same
from harness.bisect.terms import AnswerKind, Goal, Noise, Purpose
from harness.errors import ExitCode, InfrastructureError
from harness.model import Verdict
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.bisections import Repo, asked, begun, bisected, driver, git, run, script


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """A store of the test's own."""
    return Store(tmp_path / "store")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_culprit(tmp_path: Path, own: Store, deadline: Deadline, jobs: int) -> None:
    """The first bad commit is found, one sample at a time or two, and everything that is promised is written."""
    repo, found, state = bisected(tmp_path, "g" * 9 + "b" * 7, own, deadline, jobs=jobs)

    assert found.answer.kind is AnswerKind.CULPRIT
    assert found.answer.culprit == repo.names[9]
    assert found.exit_code is ExitCode.OK
    assert found.culprit is not None
    assert set(found.culprit.files) == {"state.txt", "src/part9.txt"}
    assert state.ended is not None
    for name in ("result.json", "report.html", "bisect.log", "bug-report.md"):
        assert (tmp_path / "run" / name).stat().st_size > 100
    assert Bisection.model_validate_json((tmp_path / "run" / "result.json").read_bytes()) == found
    assert len(asked(tmp_path)) <= 14


@pytest.mark.slow
def test_both_ends_come_first(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Nothing else is tested before the ends are what they are said to be."""
    repo, _, state = bisected(tmp_path, "gggbbb", own, deadline)
    first = list(state.samples)[:2]

    assert {record.revision for record in first} == {repo.names[0], repo.names[-1]}
    assert all(record.purpose is Purpose.END for record in first)


@pytest.mark.slow
@pytest.mark.parametrize(("states", "kind"), [
    ("bbbbbb", AnswerKind.GOOD_FAILS), ("gggggg", AnswerKind.BAD_PASSES), ("sggbbb", AnswerKind.UNTESTABLE),
])  # fmt: skip
def test_ends_that_are_not(tmp_path: Path, own: Store, deadline: Deadline, states: str, kind: AnswerKind) -> None:
    """A good end that fails, a bad end that passes and one that cannot be tested each end the search with that answer."""
    _, found, _ = bisected(tmp_path, states, own, deadline)

    assert found.answer.kind is kind
    assert found.exit_code is (ExitCode.INFRASTRUCTURE if kind is AnswerKind.UNTESTABLE else ExitCode.FAILED)
    assert found.culprit is None


@pytest.mark.slow
def test_find_fix(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Turned around, the first commit that passes is found."""
    repo, found, _ = bisected(tmp_path, "bbbbggg", own, deadline, goal=Goal.FIX)

    assert found.answer.culprit == repo.names[4]


@pytest.mark.slow
def test_told_to_skip(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """What the user knows to be broken is never tested, leaves doubt as other skips do, and is in git's log."""
    repo = Repo.empty(tmp_path / "repo").line("ggggsbbbb")
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1])
    found, state = run(tmp_path, record.model_copy(update={"skip": (repo.names[4],)}), own, deadline)

    assert found.answer.kind is AnswerKind.SUSPECTS
    assert {suspect.revision for suspect in found.answer.suspects} == {repo.names[4], repo.names[5]}
    assert repo.names[4] not in asked(tmp_path)
    assert [(skipped.revision, skipped.reason) for skipped in found.skipped] == [(repo.names[4], "told")]
    assert f"git bisect skip {repo.names[4]}\n" in (tmp_path / "run" / "bisect.log").read_text()
    assert state.asked == len(state.results) - 1


@pytest.mark.slow
def test_all_between_is_skipped(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Where nothing between the ends can be tested, the answer is the honest set, with what could not be tested."""
    repo, found, _ = bisected(tmp_path, "gssssb", own, deadline)

    assert found.answer.kind is AnswerKind.SUSPECTS
    assert {suspect.revision for suspect in found.answer.suspects} == set(repo.names[1:])
    assert {item.revision for item in found.skipped} <= set(repo.names[1:5])
    assert {item.reason for item in found.skipped} == {"command"}
    assert found.exit_code is ExitCode.FAILED


@pytest.mark.slow
def test_flaky_everywhere(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A test that fails at random at every revision has no culprit, and the rate is told."""
    _, found, _ = bisected(tmp_path, "ffffffff", own, deadline, most_tests=60)

    assert found.answer.kind in {AnswerKind.FLAKY, AnswerKind.SUSPECTS}
    assert found.answer.culprit is None
    assert 0.2 < found.answer.fails_before.mean < 0.8


@pytest.mark.slow
def test_contradiction_without_noise(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A test that is said to be reliable and contradicts itself is reported as flaky, and no commit is named."""
    _, found, _ = bisected(tmp_path, "gggcbb", own, deadline, noise=Noise.NONE)

    assert found.answer.kind is AnswerKind.FLAKY
    assert found.answer.suspects == ()


@pytest.mark.slow
def test_descent_and_first_parent(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """The culprit on a side branch is found; with --first-parent it is the merge that brought it in."""
    repo = Repo.empty(tmp_path / "repo").line("ggg")
    git(repo.path, "checkout", "--quiet", "-b", "side")
    for number in range(3):
        culprit = repo.commit(f"side {number}", **{f"side{number}": "x"}, **({"state": "b"} if number == 2 else {}))
    git(repo.path, "checkout", "--quiet", "main")
    repo.commit("main goes on", main="x")
    git(repo.path, "merge", "--quiet", "--no-ff", "--message", "merge", "side")
    merge = git(repo.path, "rev-parse", "HEAD")
    new = repo.commit("after", after="x")
    for first_parent, expected in ((False, culprit), (True, merge)):
        place = tmp_path / str(first_parent)
        place.mkdir()
        record = begun(repo, script(place), old=repo.names[0], new=new, first_parent=first_parent)
        found, _ = run(place, record, own, deadline)

        assert found.answer.culprit == expected


@pytest.mark.slow
def test_revert_is_tested(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A culprit that comes off cleanly is taken back on top of the newer end, and that passes."""
    _, found, state = bisected(tmp_path, "ggggbb", own, deadline)

    assert found.revert is not None
    assert found.revert.commit is not None
    assert found.revert.verdict is Verdict.GOOD
    assert found.revert.commit not in {record.revision for record in state.samples}


@pytest.mark.slow
def test_evidence_of_both_sides(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """What the test printed at the culprit and at its parent is in the result, and where it is."""
    repo, found, _ = bisected(tmp_path, "ggggbb", own, deadline)

    assert found.before is not None
    assert found.after is not None
    assert (found.before.revision, found.before.log) == (repo.names[3], "the state is g")
    assert (found.after.revision, found.after.log) == (repo.names[4], "the state is b")
    assert (tmp_path / "run" / found.after.directory / "run.log").exists()
    assert f"--at {repo.names[4]}" in found.commands[0].line


@pytest.mark.slow
def test_abort(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A command that ends with 128 or more ends the bisection, as with git; it can go on."""
    repo = Repo.empty(tmp_path / "repo").line("gabb")
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1])
    with pytest.raises(AbortError, match="ended with status 130, which ends the bisection"):
        run(tmp_path, record, own, deadline)

    script(tmp_path, "#!/bin/sh\ngit show $HARNESS_REVISION:state.txt | grep -q '[ga]'\n")
    with journal.resume(tmp_path / "run", Begun) as written:
        found, _ = driver(written, own, deadline).run()
    assert found.answer.culprit == repo.names[2]


@pytest.mark.slow
def test_a_failure_while_samples_are_in_flight_loses_none(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Where git fails at the revert, the samples that were being taken are written down all the same."""
    repo = Repo.empty(tmp_path / "repo").line("ggggbbbb")
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1])

    def fail(culprit: str) -> str | None:
        raise InfrastructureError(f"git cannot revert {culprit}.")

    with journal.begin(tmp_path / "run", record) as written:
        session = driver(written, own, deadline, jobs=2)._make_session()
        session.revert = fail
        with pytest.raises(InfrastructureError, match="git cannot revert"):
            session.run()
    state = journal.read(tmp_path / "run", Begun)

    assert sorted(sample.number for sample in state.samples) == list(range(1, state.asked + 1))
    assert any(sample.purpose is Purpose.CONFIRM for sample in state.samples)


@pytest.mark.slow
def test_identical_builds_share_a_verdict(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Revisions with the files of one that was sampled are not booted; the commits between them are hardly the culprit."""
    repo = Repo.empty(tmp_path / "repo").line("gggggggbbbbbbbbbb")
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1])
    # Only every fourth commit changes what is built, and the culprit.
    digests = {name: f"{number // 4 if number < 7 else 10 + number // 4}" for number, name in enumerate(repo.names)}
    with journal.begin(tmp_path / "run", record) as written:
        found, _ = driver(written, own, deadline, artifact=lambda name: digests.get(name, "reverted")).run()
    state = journal.read(tmp_path / "run", Begun)
    same = [result for result in state.results if isinstance(result, Same)]

    assert found.answer.culprit == repo.names[7]
    assert same
    assert all(digests[result.first] == digests[result.second] for result in same)


@pytest.mark.slow
def test_second_bisection_knows_verdicts(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """Another bisection of the same question asks only for what has to be fresh, and counts each known verdict once."""
    repo = Repo.empty(tmp_path / "repo").line("g" * 12 + "b" * 12)
    counts = []
    for number in range(2):
        record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1]).model_copy(update={"reuse": True})
        with journal.begin(tmp_path / f"run{number}", record) as written:
            found, _ = driver(written, own, deadline, artifact=lambda name: name, verdicts=True).run()
        state = journal.read(tmp_path / f"run{number}", Begun)
        counts.append(sum(record.cached for record in state.samples))
        cached = [record.revision for record in state.samples if record.cached]

        assert found.answer.culprit == repo.names[12]
        assert len(cached) == len(set(cached))
        assert not any(record.cached and record.fresh for record in state.samples)
    assert counts[0] == 0
    assert counts[1] >= 2


@pytest.mark.slow
def test_paths_are_no_filter(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A culprit outside of the paths that the user named is found all the same."""
    repo = Repo.empty(tmp_path / "repo").line("gggggbbbbb")
    record = begun(repo, script(tmp_path), old=repo.names[0], new=repo.names[-1], paths=("docs",))
    found, _ = run(tmp_path, record, own, deadline)

    assert found.answer.culprit == repo.names[5]


@pytest.mark.slow
def test_git_replays_the_log(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """What git finds by our log is the same: it comes to the same commit by our log."""
    repo, found, _ = bisected(tmp_path, "gggggbbbbb", own, deadline)
    said = git(repo.path, "bisect", "replay", str(tmp_path / "run" / "bisect.log"))

    assert f"{found.answer.culprit} is the first bad commit" in said
    git(repo.path, "bisect", "reset")
