"""The plugin where cases do not all run one after another on one guest: booted guests, and xdist's workers."""

from pathlib import Path

import pytest

from harness.model import Outcome
from tests.helpers.fake_guest import run

FRESH = """
def test_warm(): pass
@pytest.mark.fresh_boot
def test_booted(): pass
@pytest.mark.fresh_boot
@pytest.mark.parametrize("when", ["early", "late"])
def test_booted_too(when): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
@pytest.mark.parametrize(
    ("fresh", "words", "names", "put_off"),
    [
        (None, (), {"test_warm", "test_booted", "test_booted_too[early]", "test_booted_too[late]"}, None),
        (False, (), {"test_warm"}, ["test_booted", "test_booted_too[early]", "test_booted_too[late]"]),
        (True, (), {"test_booted", "test_booted_too[early]", "test_booted_too[late]"}, None),
        (False, ("-k", "warm"), {"test_warm"}, None),
        (False, ("-k", "too and late"), set(), ["test_booted_too[late]"]),
    ],
)  # fmt: skip
def test_cases_wait_for_the_guest_that_they_ask_for(
    tmp_path: Path, machine: Path, fresh: object, words: tuple[str, ...], names: set[str],
    put_off: list[str] | None, workers: tuple[str, ...],
) -> None:  # fmt: skip
    """A restored guest gets the cases without `fresh_boot`, and a list of what it put off; a booted one the others."""
    out, cases = run(tmp_path, machine, FRESH, *workers, *words, more={"fresh": fresh})
    listed = tmp_path / "put-off"

    assert names == set(cases), out
    assert listed.exists() == (put_off is not None)
    if put_off is not None:
        assert [f"demo/test_demo.py::{name}" for name in put_off] == listed.read_text().splitlines()


ORDER = """
def here(name):
    with open("LOG", "a") as file: file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {name}\\n")
def test_a(): here("a")
def test_b(): here("b"); time.sleep(1)
@pytest.mark.independent
@pytest.mark.parametrize("number", range(3))
def test_i(number, host): assert host.run("true").rc == 0; here(f"i{number}")
def test_c(): here("c")
@pytest.mark.independent("pair")
def test_y(): here("y")
@pytest.mark.independent("pair")
def test_z(): here("z")
def test_d(): here("d"); assert os.path.getsize("LOG") == 0, "it says no"
"""


@pytest.mark.slow
def test_independent_cases_are_spread_and_the_others_run_in_order(tmp_path: Path, machine: Path) -> None:
    """One worker runs all others in their order, another one starts with what is independent; names are as ever."""
    log = tmp_path / "log"
    out, cases = run(tmp_path, machine, ORDER.replace("LOG", str(log)), "-n", "2", demo={"reruns": 1})
    workers: dict[str, list[str]] = {}
    for line in log.read_text().splitlines():
        workers.setdefault(line.split()[0], []).append(line.split()[1])
    in_order = next(names for names in workers.values() if "a" in names)
    pair = next(names for names in workers.values() if "y" in names)

    assert ["a", "b", "c", "d", "d"] == [name for name in in_order if name in "abcd"], out
    assert "z" == pair[pair.index("y") + 1]
    assert len(workers) == 2
    assert {f"test_{name}" for name in ("a", "b", "c", "d", "y", "z", "i[0]", "i[1]", "i[2]")} == set(cases)
    assert (cases.pop("test_d").outcome, len(cases)) == (Outcome.FAILED, 8)
    assert {case.outcome for case in cases.values()} == {Outcome.PASSED}


@pytest.mark.slow
def test_every_worker_finds_out_that_the_guest_is_gone(tmp_path: Path, machine: Path) -> None:
    """The guest dies in a case of one worker: no case of any worker is called a failure of the runtime."""
    tests = """
def test_before(host): pass
def test_dies(host, machine):
    os.kill(machine.record.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert host.run("true").rc == 0
def test_after(host): host.run("true")
@pytest.mark.independent
@pytest.mark.parametrize("number", range(4))
def test_beside(number, host): time.sleep(0.5); host.run("true")
"""
    out, cases = run(tmp_path, machine, tests, "-n", "2")

    assert {cases["test_dies"].outcome, cases["test_after"].outcome} == {Outcome.ERROR}, out
    assert Outcome.FAILED not in {case.outcome for case in cases.values()}
    assert Outcome.ERROR in {case.outcome for name, case in cases.items() if "beside" in name}


@pytest.mark.slow
def test_worker_that_crashes_is_an_error(tmp_path: Path, machine: Path) -> None:
    """A case that takes its worker down says nothing about the runtime, and the cases after it run."""
    tests = """
def test_first(): pass
def test_crash():
    if not os.path.exists("MARK"):
        open("MARK", "w").close()
        os._exit(1)
def test_last(): pass
@pytest.mark.independent
def test_beside(): pass
""".replace("MARK", str(tmp_path / "mark"))
    out, cases = run(tmp_path, machine, tests, "-n", "2")

    assert cases.pop("test_crash").outcome is Outcome.ERROR, out
    assert "The worker of pytest crashed in demo/test_demo.py::test_crash." in out
    assert {"test_first", "test_last", "test_beside"} == set(cases)
    assert {case.outcome for case in cases.values()} == {Outcome.PASSED}
