"""Tests of the harness itself: CONTRIBUTING.md has their map."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The project's own tree."""
