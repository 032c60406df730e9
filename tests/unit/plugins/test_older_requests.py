"""Requests of runs that were begun before distros had options of their own."""

import json
from pathlib import Path

from harness.rundir import REQUEST, read_request


def test_mirror_and_key_of_older_runs(tmp_path: Path) -> None:
    """What were fields of the request are options of distros; a run that had none has none."""
    request = {"command": "harness run", "cells": [], "suites": [], "builder": "docker"}

    for further, expected in (
        (
            {"mirror": "https://mirror.example.org", "key": "/a/key"},
            {"mirror": "https://mirror.example.org", "key": "/a/key"},
        ),
        ({"mirror": None, "key": None}, {}),
        ({"distro_options": {"mirror": "/m"}}, {"mirror": "/m"}),
    ):
        (tmp_path / REQUEST).write_text(json.dumps(request | further), encoding="utf-8")
        assert read_request(tmp_path).distro_options == expected
