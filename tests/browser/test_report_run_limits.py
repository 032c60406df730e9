"""What the page of a run may not do, and how fast it is, in a real browser."""

import re
import socket
from pathlib import Path

import pytest

from bench.report_browser import BROWSER, Browser
from bench.report_page import large, leave_logs
from harness.report import run_page

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium; ci/install-deps installs it")

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.mark.parametrize("policy", [True, False])
def test_the_policy_stops_other_scripts_and_the_network(browser: Browser, tmp_path: Path, *, policy: bool) -> None:
    """Markup that got into the page in spite of escaping neither runs nor loads anything; without the policy it would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1.0 if policy else 20.0)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
        markup = f'<script>window.hurt = 1</script><img src="{address}">'
        text = run_page.render_page(large(2, 2), tmp_path).replace("</main>", f"{markup}</main>")
        path = tmp_path / "report.html"
        path.write_text(text if policy else POLICY.sub("", text), encoding="utf-8")
        tab = browser.open(path, wait=policy)
        try:
            listener.accept()[0].close()
            asked = True
        except TimeoutError:
            asked = False
        tab.settle()

        assert asked is not policy
        assert (None if policy else 1) == tab.run("window.hurt")
        assert "matrix" == tab.run("document.documentElement.dataset.view")
        tab.call("Page.close")


def test_10000_cases_are_painted_within_a_second(browser: Browser, tmp_path: Path) -> None:
    """The page of 200 cells with 50 cases each paints in a second, and every view of it opens; bench/report_page.py measures."""
    run = large(200, 50)
    leave_logs(run, tmp_path)
    path = run_page.write(run, tmp_path)
    paints = []
    for _ in range(3):
        tab = browser.open(path)
        paints.append(tab.first_paint())
        for name in ("matrix&rows=case&columns=systemd", "list", "slow", "time", "search&q=property"):
            tab.go(f"view={name}")
            assert len(tab.run("document.getElementById('view').innerText")) > 200
        assert [] == tab.complaints()
        tab.call("Page.close")

    assert min(paints) <= 1000, paints
