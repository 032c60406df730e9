"""The page of large runs: its size, the time to make it, and in chromium the time to its first paint.

    python -m bench.report_page

The runs are made up, with logs on disk as guests leave them and twenty earlier runs next to them. First paint is
what chromium itself reports for a page opened from a file (first-contentful-paint), the median of five tabs; the
matrix is drawn when the page's script has ended (loadEventEnd).
"""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from bench.report_browser import BROWSER, Browser, browsing
from harness import results
from harness.model import Outcome, Phase, State
from harness.report import run_page
from harness.results import CaseResult, CellResult, PhaseResult, RunResult

__all__ = ["large", "leave_logs"]

START = datetime(2026, 11, 23, tzinfo=UTC)
SYSTEMD = (*(str(number) for number in range(239, 259)), "v241", "v252")
RUNTIMES = ("nspawn", "runc@1.1.5", "crun@1.8", "rkt@1.30.0")
DISTROS = ("debian/bookworm", "debian/trixie", "flatcar/stable", "flatcar/edge", "debian/sid")
GO = ("1.12", "1.17", "1.21", "1.24", "1.27")
SUITES = ("cgroup", "networking", "pod")
SLOTS = 8
CHANCES = {
    Outcome.PASSED: 80.0, Outcome.SKIPPED: 14.0, Outcome.FAILED: 3.0, Outcome.FLAKY: 1.0, Outcome.XFAILED: 1.5,
    Outcome.XPASSED: 0.2, Outcome.ERROR: 0.3,
}  # fmt: skip
DETAILS = (
    "    def test_limit(container):\n>       assert container.memory == 67108864\nE       assert 0 == 67108864\n" * 12
)


def large(cells: int, cases: int, *, name: str = "20261123-1", seed: int = 1) -> RunResult:
    """Make a run of some cells with some cases each; the same for the same seed."""
    draw = random.Random(seed)
    places = list(product(DISTROS, SYSTEMD, GO, ("legacy", "hybrid", "unified"), RUNTIMES))
    draw.shuffle(places)
    free = [0.0] * SLOTS
    made = []
    for number in range(cells):
        distro, systemd, go, cgroup, runtime = places[number % len(places)]
        axes = {"distro": distro, "systemd": systemd, "go": go, "cgroup": cgroup, "runtime": runtime, "flavor": None}
        slot = free.index(min(free))
        phases = list(_phases(free[slot], draw))
        free[slot] += sum(phase.seconds for phase in phases) + 0.2
        again = f"+{number // len(places)}" if number >= len(places) else ""
        title = f"{distro}+systemd-{systemd}+go-{go}+{cgroup}+{runtime}{again}".replace("/", "-").replace("@", "-")
        made.append(
            CellResult(
                id=title,
                axes=axes,
                phases=tuple(phases),
                facts={"systemd": f"{systemd}.1-1", "kernel": "6.1.0-50-cloud-amd64", "accelerator": "tcg"},
                cases=tuple(_case(place, draw) for place in range(cases)),
                error=f"The guest died. See console.log:{400 + number % 100}: Kernel panic"
                if not draw.randrange(50)
                else None,
                again=f"harness run --cell {title}",
            )
        )
    started = START + timedelta(hours=seed)
    return RunResult(
        id=name, harness="0.1.0", command="harness run --profile release", started=started.isoformat(),
        seconds=max(free), computer={"cores": str(SLOTS)}, cells=tuple(made),
    )  # fmt: skip


def _phases(at: float, draw: random.Random) -> Iterator[PhaseResult]:
    for phase, mean in ((Phase.BUILD, 1.0), (Phase.IMAGE, 0.1), (Phase.BOOT, 15.0), (Phase.SUITES, 70.0)):
        took = round(mean * draw.uniform(0.5, 1.5), 3)
        started = (START + timedelta(seconds=at)).isoformat(timespec="milliseconds")
        yield PhaseResult(phase=phase, state=State.DONE, seconds=took, text="under tcg", started=started)
        at += took


def _case(place: int, draw: random.Random) -> CaseResult:
    (outcome,) = draw.choices(list(CHANCES), list(CHANCES.values()))
    nodeid = f"{SUITES[place % len(SUITES)]}/test_part_{place // 12}.py::test_property_number_{place}_is_kept"
    bad = outcome not in {Outcome.PASSED, Outcome.SKIPPED}
    message = {Outcome.PASSED: "", Outcome.SKIPPED: "needs cgroup mode unified; this cell has legacy"}.get(
        outcome, f"AssertionError: assert {draw.randrange(40)} == 67108864"
    )
    return CaseResult(
        nodeid=nodeid, outcome=outcome, raw=outcome, seconds=round(draw.expovariate(0.8), 3), message=message,
        details=f"{DETAILS}{draw.randrange(10**6)}" if bad else "", reruns=int(outcome is Outcome.FLAKY),
    )  # fmt: skip


def leave_logs(run: RunResult, directory: Path, *, lines: int = 500) -> None:
    """Write the files that the guests of a run would have left."""
    console = "".join(f"[{number / 10:12.6f}] systemd[1]: Started unit number {number}.\r\n" for number in range(lines))
    journal = console.replace("\r", "")
    for cell in run.cells:
        machine = directory / "cells" / cell.id / "machine"
        machine.mkdir(parents=True, exist_ok=True)
        (machine / "console.log").write_text(console, encoding="utf-8")
        (machine / "journal.txt").write_text(journal, encoding="utf-8")
        (machine.parent / "pytest.log").write_text(journal[:2000], encoding="utf-8")


def _measure(browser: Browser | None, run: RunResult, runs: Path, what: str) -> None:
    directory = runs / run.id
    begin = time.perf_counter()
    path = run_page.write(run, directory)
    took = time.perf_counter() - begin
    size = path.stat().st_size
    _say(f"{what}: made", f"{took:.2f} s")
    _say(f"{what}: size", f"{size / 1e6:.2f} MB", "at most 5 MB", met=size <= 5_000_000)
    if browser is None:
        return
    paints, drawn = [], []
    for _ in range(5):
        tab = browser.open(path)
        paints.append(tab.first_paint())
        drawn.append(float(tab.run("performance.getEntriesByType('navigation')[0].loadEventEnd")))
        complaints = tab.complaints()
        assert not complaints, complaints
        times = {name: _timed(tab.run, address) for name, address in _views(run).items()}
        tab.call("Page.close")
    paint = statistics.median(paints)
    text = f"{paint:.0f} ms (of {min(paints):.0f} to {max(paints):.0f})"
    _say(f"{what}: first paint", text, "at most 1000 ms", met=paint <= 1000)
    _say(f"{what}: matrix drawn", f"{statistics.median(drawn):.0f} ms (of {min(drawn):.0f} to {max(drawn):.0f})")
    _say(f"{what}: then", ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in times.items()))


def _views(run: RunResult) -> dict[str, str]:
    return {
        "matrix of cases": "view=matrix&rows=case&columns=systemd", "cell": f"view=cell&id={run.cells[0].id}".replace("+", "%2B"),
        "search": "view=search&q=property+failed", "slowest": "view=slow", "timeline": "view=time",
    }  # fmt: skip


def _timed(run: object, address: str) -> float:
    """Milliseconds from a change of the address to the frame after the view is drawn."""
    assert callable(run)
    script = f"""new Promise(done => {{
        const begin = performance.now();
        location.hash = {address!r};
        addEventListener("hashchange", () => requestAnimationFrame(() => requestAnimationFrame(
            () => done(performance.now() - begin))), {{once: true}});
    }})"""
    return float(run(script))


def _say(what: str, text: str, target: str = "", *, met: bool = True) -> None:
    judged = f"({target}: {'met' if met else 'NOT MET'})" if target else ""
    print(f"{what:40} {text:32} {judged}".rstrip(), flush=True)


def _beside(run: RunResult, runs: Path) -> None:
    """Twenty earlier runs of the same cells."""
    for number in range(20):
        name = f"20261122-{number + 1}"
        earlier = run.model_copy(update={"id": name, "started": (START - timedelta(hours=21 - number)).isoformat()})
        results.write(earlier, runs / name / "result.json")


def main() -> None:
    """Print the figures."""
    if BROWSER is None:
        print("There is no chromium; ci/install-deps installs it. Only sizes are measured.")
    with tempfile.TemporaryDirectory() as place, browsing() as browser:
        runs = Path(place)
        run = large(200, 50)
        leave_logs(run, runs / run.id)
        _beside(run, runs)
        _measure(browser, run, runs, "200 cells x 50 cases")
        many = large(10_000, 1, name="20261123-2", seed=2)
        _measure(browser, many, runs, "10,000 cells x 1 case")
        all_of_it = large(4000, 50, name="20261123-3", seed=3)
        _measure(browser, all_of_it, runs, "4,000 cells x 50 cases")


if __name__ == "__main__":
    main()
