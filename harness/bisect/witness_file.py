"""What others need to know of the pytest plugin `witness`, without importing pytest as it does."""

__all__ = ["PLUGIN", "WITNESS"]

PLUGIN = ("-p", "harness.bisect.witness")
"""Arguments of pytest that load it."""

WITNESS = "witness.jsonl"
"""The file that it leaves in a sample's directory: one line for each case."""
