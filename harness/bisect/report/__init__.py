"""A bisection for people: an HTML page, a log for git, text for a bug report, the end on a terminal.

All of them are pure functions of a `View`, finished or running.
"""

from harness.bisect.report.axes import render_axes_bug_report, render_axes_page
from harness.bisect.report.ending import render_summary
from harness.bisect.report.gitlog import choose_terms, render_git_log
from harness.bisect.report.html import render_page
from harness.bisect.report.lines import SearchLines
from harness.bisect.report.markdown import render_bug_report
from harness.bisect.report.view import PackedBelief, Step, View, make_view

__all__ = [
    "PackedBelief", "SearchLines", "Step", "View", "choose_terms", "make_view", "render_axes_bug_report", "render_axes_page",
    "render_bug_report", "render_git_log", "render_page", "render_summary",
]  # fmt: skip
