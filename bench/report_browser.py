"""Chromium without a window, spoken to through its DevTools pipe: real keys, colour schemes, times of painting.

A page that is only dumped has no paint, and under a virtual clock its times mean nothing; through the pipe it is
what a user has. The protocol is JSON between null bytes over descriptors 3 and 4 (--remote-debugging-pipe).
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["BROWSER", "Browser", "Tab", "browsing"]

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
"""Debian's chromium, or None."""

SECONDS = 60.0
"""Time for one answer."""

KEYS = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, ""), "Escape": ("Escape", 27, "")} | {
    name: (name, code, "")
    for name, code in (
        ("ArrowLeft", 37),
        ("ArrowUp", 38),
        ("ArrowRight", 39),
        ("ArrowDown", 40),
        ("Home", 36),
        ("End", 35),
    )
}


class Browser:
    """A running browser; see `browsing`."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._count = 0
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        """Ask for something, and return the answer; events that come meanwhile are kept.

        Raises:
            RuntimeError: The browser refused.
            TimeoutError: It did not answer in time.
        """
        self._count += 1
        wanted = self._count
        message = {"id": wanted, "method": method, "params": values} | ({"sessionId": session} if session else {})
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._writer, left) :]
        return self._until(lambda found: found.get("id") == wanted)

    def wait(self, method: str) -> dict[str, Any]:
        """Wait for the next event of a kind, or return one that has come already."""
        for place, event in enumerate(self.events):
            if event["method"] == method:
                return self.events.pop(place)
        return self._until(lambda found: found.get("method") == method)

    def _until(self, is_it: Any) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0:
            while b"\0" in self._rest:
                text, _, self._rest = self._rest.partition(b"\0")
                found: dict[str, Any] = json.loads(text)
                if is_it(found):
                    if "error" in found:
                        raise RuntimeError(found["error"]["message"])
                    result: dict[str, Any] = found.get("result", found)
                    return result
                if "method" in found:
                    self.events.append(found)
            if select.select([self._reader], [], [], left)[0]:
                chunk = os.read(self._reader, 1 << 20)
                if not chunk:
                    raise RuntimeError("The browser has ended.")
                self._rest += chunk
        raise TimeoutError(f"The browser did not answer within {SECONDS:.0f} s.")

    def open(
        self,
        path: Path,
        *,
        address: str = "",
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
        wait: bool = True,
    ) -> "Tab":
        """Open a file in a tab of its own and, unless told otherwise, wait until it is loaded with all that it loads."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Log"):
            tab.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme])
        tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        if not script:
            tab.call("Emulation.setScriptExecutionDisabled", value=True)
        self.events.clear()
        tab.call("Page.navigate", url=f"{path.resolve().as_uri()}{address}")
        self.wait("Page.loadEventFired" if wait else "Page.domContentEventFired")
        return tab


class Tab:
    """A page that is shown."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Ask for something of the page."""
        return self._browser.call(method, self._session, **values)

    def run(self, expression: str) -> Any:
        """Evaluate a JavaScript expression; of a promise, what it becomes.

        Raises:
            RuntimeError: It threw.
        """
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys as a user does, and wait until what they caused is painted."""
        for key in keys:
            name, code, text = KEYS.get(key, (key, ord(key[0].upper()), key))
            event = {"key": name, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
            self.call("Input.dispatchKeyEvent", type="keyDown", **event)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)
            self.settle()

    def settle(self) -> None:
        """Wait until two frames are painted."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def go(self, address: str) -> None:
        """Change what stands after the # of the address."""
        self.run(f"location.hash = {json.dumps(address)}")
        self.settle()

    def complaints(self) -> list[str]:
        """Return what the page wrote to the console: errors, and what its policy refused."""
        self.settle()
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"])[:500] for event in self._browser.events if event["method"] in kinds]

    def first_paint(self) -> float:
        """Milliseconds from the navigation until the first content was painted."""
        script = """new Promise(done => new PerformanceObserver((list, own) => {
            const found = list.getEntriesByName("first-contentful-paint")[0];
            if (found) { own.disconnect(); done(found.startTime); }
        }).observe({type: "paint", buffered: true}))"""
        return float(self.run(script))

    def screenshot(self) -> bytes:
        """Return a picture of the page, as PNG."""
        self.settle()
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browsing() -> Iterator[Browser]:
    """Provide a browser with a profile of its own, which ends with the context."""
    assert BROWSER is not None
    asked, answer = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        argv = [
            "bash", "-c", f'exec "$@" 3<&{asked[0]} 4>&{answer[1]}', "chromium",
            BROWSER, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-extensions", "--disable-background-networking", "--disable-component-update",
            "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(asked[0], answer[1]), start_new_session=True,
        )  # fmt: skip
        os.close(asked[0])
        os.close(answer[1])
        try:
            yield Browser(answer[0], asked[1])
        finally:
            os.close(asked[1])
            os.close(answer[0])
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
