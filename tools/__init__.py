"""Tools for people who work on the harness; none of them is needed to run it."""
