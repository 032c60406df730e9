"""A bisection for people: an HTML page, a log for git, text for a bug report, the end on a terminal.

All of them are pure functions of a `View`, finished or running.
"""

from harness.report.bisection.ending import render_summary
from harness.report.bisection.gitlog import render_git_log
from harness.report.bisection.html import render_page
from harness.report.bisection.markdown import render_bug_report
from harness.report.bisection.view import (
    Answer,
    Belief,
    Command,
    Commit,
    Culprit,
    Evidence,
    FileChange,
    Rate,
    Revert,
    Settings,
    Step,
    Suspect,
    View,
)

__all__ = [
    "Answer",
    "Belief",
    "Command",
    "Commit",
    "Culprit",
    "Evidence",
    "FileChange",
    "Rate",
    "Revert",
    "Settings",
    "Step",
    "Suspect",
    "View",
    "render_bug_report",
    "render_git_log",
    "render_page",
    "render_summary",
]
