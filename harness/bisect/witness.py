"""Pytest plugin that asks the guest, before a case's containers go, where they are and what systemd knows of them.

It is loaded into the child process of a sample (`-p harness.bisect.witness`) and leaves a line for each case in
`witness.jsonl` next to the report: {"nodeid", "properties" of the container's scope, "cgroups" as text}.
"""

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from testinfra.host import Host

from harness.bisect.witness_file import WITNESS

SCRIPT = r"""
cd /sys/fs/cgroup
find . -type d -path '*machine.slice*' | sort | head -200
echo ---
find . -type d -path '*machine.slice/*.scope' -prune | sed 's,.*/,,' | sort -u | tail -n 1 | while read -r scope; do
    systemctl show --no-pager -- "$scope"
done
"""
"""The cgroups of all containers, and the properties of the last one's scope."""

FLEETING = re.compile(
    "Timestamp|Monotonic|Invocation|PID|Current|Peak|NSec|Usage|Available|Bytes|Packets|Operations|Controller$|GroupId"
)
"""Properties that differ from boot to boot whatever the revision."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Look before anything is torn down; a guest that does not answer is no reason to fail."""
    report = item.config.getoption("report_log", None)
    host = getattr(item, "funcargs", {}).get("host")
    if report and isinstance(host, Host):
        try:
            output = host.run(SCRIPT).stdout
        except Exception:  # noqa: BLE001 - whatever is wrong with the guest is the case's to find, not ours
            output = ""
        if output:
            _write(Path(report).with_name(WITNESS), item.nodeid, output)
    return (yield)


def _write(path: Path, nodeid: str, output: str) -> None:
    cgroups, _, shown = output.partition("---\n")
    pairs = (line.partition("=") for line in shown.splitlines() if "=" in line)
    properties = {name: value for name, _, value in pairs if value and not FLEETING.search(name)}
    line = json.dumps({"nodeid": nodeid, "properties": properties, "cgroups": cgroups.strip()})
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
