"""The serial console: who wrote what in a line, what it means, and a log that is read while it grows."""

from harness.console.reading import Console, ConsoleFinding, format_warnings, judge_line
from harness.console.table import ConsoleRule, check_names, load_table

__all__ = ["Console", "ConsoleFinding", "ConsoleRule", "check_names", "format_warnings", "judge_line", "load_table"]
