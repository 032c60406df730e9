"""The plugin of the suites' child process: what it gives to cases, and which failures it calls errors."""

import sys
from pathlib import Path

import pytest

from harness import proc
from harness.model import Outcome
from harness.suite import read_report
from harness.wait import Deadline
from tests.helpers.fake_guest import CELL, run


@pytest.mark.slow
def test_cases_get_the_cell_and_its_guest(tmp_path: Path, machine: Path) -> None:
    """The fixtures are the cell, the attached machine, and testinfra's handle with our connection."""
    out, cases = run(
        tmp_path,
        machine,
        """
def test_cell(cell): assert (cell.systemd, cell.cgroup, cell.runtime) == ("252", "legacy", "nspawn")
def test_machine(machine): assert machine.name == "fake"
def test_host(host): assert host.run("printf %s", "a 'b'").stdout == "a 'b'"
def test_modules(host): assert host.file("/").is_directory
def test_utf8(host): assert host.run("printf '\\\\303\\\\251'").stdout == "\\u00e9"
def test_status_255_is_a_result(host): assert host.run("exit 255").rc == 255
""",
    )

    assert {case.outcome for case in cases.values()} == {Outcome.PASSED}, out
    assert len(cases) == 6
    assert f"cell: {CELL.id}" in out


@pytest.mark.slow
def test_cases_are_skipped_where_the_cell_is_another(tmp_path: Path, machine: Path) -> None:
    """What a case needs is compared as versions and words, and the reason says what the cell has."""
    _, cases = run(
        tmp_path,
        machine,
        """
pytestmark = pytest.mark.needs(cgroup=("legacy", "hybrid"))
@pytest.mark.needs(systemd=">=239,<1000", runtime="nspawn")
def test_met(): pass
@pytest.mark.needs(systemd="<239")
def test_version(): pass
@pytest.mark.needs(cgroup="unified")
def test_mode(): pass
@pytest.mark.needs(runtime_version=">=1.1")
def test_none(): pass
@pytest.fixture
def costly(): raise ValueError("was set up")
@pytest.mark.needs(runtime="runc")
def test_no_set_up(costly): pass
""",
    )

    assert {name: case.message for name, case in cases.items()} == {
        "test_met": "",
        "test_version": "needs systemd <239; this cell has 252",
        "test_mode": "needs cgroup mode unified; this cell has legacy",
        "test_none": "needs runtime version >=1.1; this cell has none",
        "test_no_set_up": "needs runtime runc; this cell has nspawn",
    }
    assert cases.pop("test_met").outcome is Outcome.PASSED
    assert {case.outcome for case in cases.values()} == {Outcome.SKIPPED}


@pytest.mark.slow
def test_need_that_does_not_exist_is_a_usage_error(tmp_path: Path, machine: Path) -> None:
    """A misspelt need would skip nothing; it stops the suite."""
    out, cases = run(tmp_path, machine, "@pytest.mark.needs(cgroups='legacy')\ndef test_it(): pass\n")

    assert "needs() takes cgroup, channel, " in out.replace("channel, cgroup, ", "cgroup, channel, ")
    assert cases == {}


@pytest.mark.slow
def test_failure_with_a_living_guest_is_the_runtimes(tmp_path: Path, machine: Path) -> None:
    """Assertions and broken fixtures are failures while the guest lives; the next case runs."""
    _, cases = run(
        tmp_path,
        machine,
        """
def test_assertion(host): assert host.run("false").rc == 0
@pytest.fixture
def container(host): raise RuntimeError("does not start")
def test_set_up(container): pass
def test_next(host): pass
""",
    )

    assert [case.outcome for case in cases.values()] == [Outcome.FAILED, Outcome.FAILED, Outcome.PASSED]


@pytest.mark.slow
def test_harness_error_is_an_error(tmp_path: Path, machine: Path) -> None:
    """What the harness itself raises says nothing about the runtime."""
    _, cases = run(
        tmp_path,
        machine,
        """
from harness.errors import InfrastructureError
def test_it(host):
    try:
        raise InfrastructureError("No space left.")
    except InfrastructureError as error:
        raise ValueError("cannot go on") from error
def test_no_fixture(nonsense): pass
""",
    )

    assert (cases["test_it"].outcome, cases["test_it"].message) == (Outcome.ERROR, "No space left.")
    assert cases["test_no_fixture"].outcome is Outcome.ERROR


KILL = """
def test_before(host): pass
def test_dies(host, machine):
    os.kill(machine.record.pid, signal.SIGKILL)
    {then}
def test_after(host): host.run("true")
def test_without_host(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "then",
    [
        pytest.param("host.run('true')", id="ssh fails"),
        pytest.param("assert host.file('/nowhere').exists", id="module of testinfra"),
        pytest.param("time.sleep(0.2); assert False, 'wrong'", id="assertion"),
        pytest.param("time.sleep(0.2)", id="pass"),
    ],
)
def test_death_of_the_guest_is_an_error_for_all_that_follow(tmp_path: Path, machine: Path, then: str) -> None:
    """The case in which the guest died is an error whatever pytest wrote, and the others do not run."""
    out, cases = run(tmp_path, machine, KILL.format(then=then))

    assert [case.outcome for case in cases.values()] == [Outcome.PASSED] + [Outcome.ERROR] * 3, out
    assert "QEMU is not running any more" in cases["test_dies"].message
    report = next(report for report in read_report(tmp_path / "log.jsonl") if report.get("sections"))
    assert report["nodeid"].endswith("::test_dies")
    assert "the last words of the guest" in dict(report["sections"])["guest console"]
    assert cases["test_after"].message.startswith("Not run, because the guest is gone: QEMU is not running")


@pytest.mark.slow
def test_silent_guest_is_gone(tmp_path: Path, machine: Path) -> None:
    """A guest whose QEMU lives but which ssh does not reach is as good as dead."""
    out, cases = run(
        tmp_path,
        machine,
        f"""
def test_mute(host):
    open({str(machine / "mute")!r}, "w").close()
    host.run("true")
def test_after(host): pass
""",
    )

    assert [case.outcome for case in cases.values()] == [Outcome.ERROR, Outcome.ERROR], out
    assert "cannot be reached by ssh" in cases["test_mute"].message


@pytest.mark.slow
def test_suites_give_cases_their_limits(tmp_path: Path, machine: Path) -> None:
    """A case that takes too long fails, though its guest lives; a case that failed is executed again."""
    out, cases = run(
        tmp_path,
        machine,
        """
def test_hangs(host): host.run("sleep 300")
def test_twice():
    with open("count", "a") as file: file.write("x")
    assert os.path.getsize("count") == 2
""".replace("count", str(tmp_path / "count")),
        demo={"timeout": 3, "reruns": 1},
    )

    assert cases["test_hangs"].outcome is Outcome.FAILED, out
    assert "The case took longer than 3 s, in `sleep 300`." in cases["test_hangs"].message
    assert cases["test_hangs"].seconds < 60
    assert (cases["test_twice"].outcome, cases["test_twice"].reruns) == (Outcome.FLAKY, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSONDecodeError"),
        ('{"cell": {"cgroup": "v3"}}', "the key `cell.distro` is missing"),
        (None, "No such file"),
    ],
)
def test_bad_description_is_a_usage_error(tmp_path: Path, content: str | None, said: str) -> None:
    """A file that does not describe a cell stops pytest with one sentence."""
    path = tmp_path / "cell.json"
    if content is not None:
        path.write_text(content)
    argv = [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "harness.plugin", "--harness-cell", str(path)]
    done = proc.run(argv, cwd=tmp_path, deadline=Deadline.after(60, "child pytest"), expect=None)

    assert done.code == 4
    assert said in done.out
    assert "Traceback" not in done.out


UPGRADE = """
def test_it(upgrade): upgrade.apply(); upgrade.apply(); assert upgrade.to == "254"
def test_again(upgrade): upgrade.apply()
"""


@pytest.mark.slow
def test_cases_upgrade_the_guest_once(tmp_path: Path, machine: Path) -> None:
    """The files are in the guest, and the script runs there; in a cell without an upgrade such cases are skipped."""
    _, without = run(tmp_path, machine, UPGRADE)
    files, target = tmp_path / "files", tmp_path / "in the guest"
    files.mkdir()
    (files / "word").write_text("new")
    described = {"to": "254", "files": str(files), "script": "cat word >>../systemd", "target": str(target)}
    _, cases = run(tmp_path, machine, UPGRADE, more={"upgrade": described})

    assert {case.message for case in without.values()} == {
        "needs a cell with an upgrade, for instance `systemd: distro->254`"
    }
    assert {case.outcome for case in cases.values()} == {Outcome.PASSED}
    assert (tmp_path / "systemd").read_text() == "new"


@pytest.mark.slow
def test_an_upgrade_that_fails_is_a_failure_of_each_case(tmp_path: Path, machine: Path) -> None:
    """It is what is tested; each case says so, and it is not tried again."""
    (tmp_path / "files").mkdir()
    script = "echo x >>../tried; echo no room; exit 3"
    described = {"to": "254", "files": str(tmp_path / "files"), "script": script, "target": str(tmp_path / "there")}
    _, cases = run(tmp_path, machine, UPGRADE, more={"upgrade": described})

    assert {case.outcome for case in cases.values()} == {Outcome.FAILED}
    assert all("The upgrade to systemd 254 ended with 3:" in case.message for case in cases.values())
    assert all("no room" in case.details for case in cases.values())
    assert (tmp_path / "tried").read_text() == "x\n"


@pytest.mark.slow
def test_what_this_computer_lacks_is_no_failure_of_the_runtime(tmp_path: Path, machine: Path) -> None:
    """A command too long or with a null, an answer too large to keep, a full disk and a killed ssh are errors; the guest is not gone."""
    _, cases = run(
        tmp_path,
        machine,
        """
def test_long(host): assert host.run("true %s", "x" * 200000).rc == 0
def test_null(host): assert host.run("true a\\0b").rc == 0
def test_large(host): assert host.run("head -c 20000000 /dev/zero").rc == 0
def test_full(host):
    import resource
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500000, before[1]))
    try:
        assert host.run("head -c 3000000 /dev/zero").rc == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
def test_disk(): raise OSError(28, "No space left on device")
def test_memory(): raise MemoryError
def test_ssh(host): assert host.run("kill -KILL $PPID; sleep 1").rc == 0
def test_file(): open("/no/such/file")
def test_after(host): assert host.run("true").rc == 0
""",
    )
    outcomes = {name: case.outcome for name, case in cases.items()}

    assert outcomes == {
        **dict.fromkeys(
            ("test_long", "test_null", "test_large", "test_full", "test_disk", "test_memory", "test_ssh"), Outcome.ERROR
        ),
        "test_file": Outcome.FAILED,
        "test_after": Outcome.PASSED,
    }
    assert "Argument list too long" in cases["test_long"].message
    assert "File too large" in cases["test_full"].message
    assert "write its output to a file" in cases["test_large"].message
