"""The HTML page of a run: matrix, cells with their logs, search, history, slowest cases, timeline.

The page is a pure function of the run's result, the files in its directory and the results of the runs next to it.
All that is large is bounded, so that it stays below `PAGE_BYTES` whatever a guest printed.
"""

from harness.report.run_page.data import PAGE_BYTES
from harness.report.run_page.html import render_page, write
from harness.report.run_page.past import Past, PastRun, collect_past

__all__ = ["PAGE_BYTES", "Past", "PastRun", "collect_past", "render_page", "write"]
