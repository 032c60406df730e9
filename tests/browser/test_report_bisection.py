"""The page of a bisection in a real browser."""

import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bisect.report import View, render_page
from tests.helpers.bisection_views import name_of, proven, says, searched, straight

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium; ci/install-deps installs it")

DARK, LIGHT = 0, 1
"""Chromium's numbers of the colour schemes that a user prefers."""

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture(scope="module")
def view() -> View:
    """A bisection over a history with a branch, with its proof."""
    graph = straight(24)
    graph[name_of(30)] = (name_of(6),)
    graph[name_of(31)] = (name_of(30),)
    graph = {name: graph[name] for name in [*list(graph)[:11], name_of(30), name_of(31), *list(graph)[11:24]]}
    graph[name_of(12)] = (name_of(11), name_of(31))
    found = searched(graph, says({name_of(number) for number in range(13, 25)}, broken=[name_of(14)]))
    return proven(found, "</script><script>alert(1)</script>\x1b[31m & more")


def browse(path: Path, *flags: str, address: str = "") -> "subprocess.CompletedProcess[str]":
    """Chromium's output after it loaded a page; no script error and nothing refused by the page's policy is in it."""
    profile = path.parent / "profile"
    assert BROWSER is not None
    return subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000",
            "--window-size=1200,1600", *flags, f"{path.as_uri()}{address}",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip


def complaints(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return what a page wrote to the console: errors, and violations of its policy."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def dom(text: str, directory: Path, *, address: str = "") -> str:
    """Return the page as it is after its script ran without a complaint."""
    path = directory / "page.html"
    path.write_text(text, encoding="utf-8")
    done = browse(path, "--dump-dom", address=address)
    assert [] == complaints(done)
    return done.stdout


def step_of(found: str) -> int:
    """Return the step that a page shows."""
    shown = re.search(r'<html[^>]* data-step="(\d+)"', found)
    assert shown is not None
    return int(shown[1])


def test_the_page_opens_at_the_end(view: View, tmp_path: Path) -> None:
    """Without a step in the address the last one is shown: bars as drawn, its row marked, all samples to be seen."""
    found = dom(render_page(view), tmp_path)
    drawn = re.findall(r'<rect class="bar[^>]* height="([\d.]+)"', render_page(view))

    assert len(view.steps) == step_of(found)
    assert drawn == re.findall(r'<rect class="bar[^>]* height="([\d.]+)"', found)
    assert 1 == found.count('<tr class="current">')
    assert "later" not in "".join(re.findall(r'class="(mark [^"]*)"', found))
    assert "alert(1)" in found
    assert "<script>alert(1)" not in found


def test_the_address_chooses_the_step(view: View, tmp_path: Path) -> None:
    """`#step=3` shows what was known then: other bars, later samples hidden, and the text says it."""
    found = dom(render_page(view), tmp_path, address="#step=3")
    last = re.findall(r'<rect class="bar[^>]* height="([\d.]+)"', render_page(view))

    assert 3 == step_of(found)
    assert last != re.findall(r'<rect class="bar[^>]* height="([\d.]+)"', found)
    assert len(view.steps) - 3 == len(re.findall(r'class="mark [^"]*later', found))
    assert f"Step 3 of {len(view.steps)}: " in found
    assert re.search(r'<div class="player" id="player">', found)


def test_keys_and_slider_move_it(view: View, tmp_path: Path) -> None:
    """The arrow keys go a step back or on and stop at the ends; the slider goes anywhere."""
    keys = "['ArrowLeft', 'ArrowLeft', 'ArrowRight', 'ArrowLeft']"
    script = f"""<script>
      for (const key of {keys}) document.body.dispatchEvent(new KeyboardEvent('keydown', {{key, bubbles: true}}));
    </script>"""
    changed = POLICY.sub("", render_page(view)).replace("</body>", f"{script}</body>")
    slider = (
        "<script>const s = document.getElementById('step'); s.value = 1; s.dispatchEvent(new Event('input'));</script>"
    )
    slid = POLICY.sub("", render_page(view)).replace("</body>", f"{slider}</body>")

    assert len(view.steps) - 2 == step_of(dom(changed, tmp_path))
    assert 1 == step_of(dom(changed, tmp_path, address="#step=1"))
    assert 2 == step_of(dom(slid, tmp_path))


def test_the_policy_stops_other_scripts(view: View, tmp_path: Path) -> None:
    """A script that got into the page in spite of escaping does not run."""
    path = tmp_path / "page.html"
    script = "<script>document.documentElement.dataset.ran = 'yes'</script>"
    path.write_text(render_page(view).replace("</main>", f"{script}</main>"), encoding="utf-8")
    done = browse(path, "--dump-dom")

    assert len(view.steps) == step_of(done.stdout)
    assert 'data-ran="yes"' not in done.stdout
    assert any("Content Security Policy" in line for line in complaints(done))


@pytest.mark.parametrize(("scheme", "expected"), [(DARK, (0x14, 0x17, 0x1C)), (LIGHT, (0xFF, 0xFF, 0xFF))])
def test_dark_and_light(view: View, tmp_path: Path, scheme: int, expected: tuple[int, int, int]) -> None:
    """The page takes the colour scheme that its reader prefers."""
    path, picture = tmp_path / "page.html", tmp_path / "page.png"
    path.write_text(render_page(view), encoding="utf-8")
    browse(path, f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={scheme}")

    assert expected == first_pixel(picture.read_bytes())


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Red, green, blue of the upper left pixel: filters of PNG leave it as it is (RFC 2083, section 6)."""
    place, packed = 8, b""
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            packed += png[place + 8 : place + 8 + length]
        place += 12 + length
    return tuple(zlib.decompress(packed)[1:4])


def test_thousands_of_commits(tmp_path: Path) -> None:
    """A page of 10,000 commits opens and moves."""
    view = searched(straight(10_000), says({name_of(number) for number in range(7_000, 10_001)}))
    long = tuple(replace(commit, subject="x" * 500) for commit in view.commits[:1]) + view.commits[1:]
    found = dom(render_page(replace(view, commits=long)), tmp_path, address="#step=5")

    assert 5 == step_of(found)
