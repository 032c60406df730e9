"""Pictures of the page of a run for the documentation.

    python -m bench.report_screenshots RUN [RUN ...]

RUN is a directory of a run; of several, each view is taken from the first that has what it shows: the timeline
from one that knows when its phases started, the cell from one in which a case failed. A page that names a
directory of this computer is not photographed.
"""

import argparse
import re
import tempfile
from pathlib import Path

from bench.report_browser import Browser, browsing
from harness import results
from harness.model import Outcome
from harness.report import run_page
from harness.results import RunResult

IMAGES = Path(__file__).parents[1] / "docs" / "images"

MOST = 150_000
"""Bytes of a picture."""

VIEWS = {
    "matrix": "location.hash = '#view=matrix&rows=systemd&columns=runtime'",
    "cell": "location.hash = address({view: 'cell', id: cells.find(cell => cell.list.some(item => item.code === 'F'))?.id ?? cells[0].id})",
    "timeline": "location.hash = '#view=time'",
    "search": "location.hash = '#view=search&q=oom-kill'",
}

HOME = re.compile(r"/(?:root|home|work|tmp)/[\w.-]+")
"""What a directory of this computer looks like; guests have /tmp and /root too, but no screen of ours shows them."""


def _fits(run: RunResult, view: str) -> bool:
    if view == "timeline":
        return all(cell.phases and cell.phases[0].started for cell in run.cells)
    if view == "cell":
        return any(case.outcome is Outcome.FAILED for cell in run.cells for case in cell.cases)
    return True


def _photograph(browser: Browser, page: Path, view: str) -> None:
    for dark in (False, True):
        tab = browser.open(page, dark=dark, width=1060, height=620)
        tab.run(VIEWS[view])
        tab.settle()
        seen = tab.run("document.querySelector('main').innerText")
        if found := HOME.search(seen.split("Console, journal and logs")[0]):
            raise SystemExit(f"The view {view} would show {found[0]}.")
        picture = tab.screenshot()
        if len(picture) > MOST:
            raise SystemExit(f"The picture of {view} has {len(picture)} bytes, more than {MOST}.")
        path = IMAGES / f"report-{view}-{'dark' if dark else 'light'}.png"
        path.write_bytes(picture)
        print(f"{path.relative_to(IMAGES.parents[1])} {len(picture) // 1000} kB")
        tab.call("Page.close")


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    known = [(path, results.read(path / "result.json")) for path in parser.parse_args().runs]
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browsing() as browser, tempfile.TemporaryDirectory() as place:
        for view in VIEWS:
            fitting = [item for item in known if _fits(item[1], view)]
            if not fitting:
                raise SystemExit(f"None of the runs has what the view {view} shows.")
            path, run = fitting[0]
            page = run_page.write(run, path, Path(place, f"{view}.html"))
            _photograph(browser, page, view)


if __name__ == "__main__":
    main()
