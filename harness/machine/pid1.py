"""PID 1 of a guest, watched from inside: when systemd crashes, everything else goes on and fails.

systemd that crashes freezes itself, and says so in the journal only; ssh and what is mounted still work. So a shell stays
in the guest (`WATCHER`), looks at process 1, and writes to the second serial port, which neither ssh nor the bus can block.
A guest that is saved is saved with it.
"""

from pathlib import Path

__all__ = ["BACKTRACE", "START", "WATCHER", "Pid1Log"]

WATCHER = Path(__file__).with_name("pid1.sh")
"""What stays in the guest."""

START = (
    "mkdir -p /run/harness && cat >/run/harness/pid1.sh && "
    '{ setsid nice -n -10 "$(command -v bash || echo sh)" /run/harness/pid1.sh </dev/null >/dev/null 2>&1 & }'
)
"""Shell text that starts it, which is its standard input."""

BACKTRACE = r"""
journalctl -q --no-pager -b -o short-monotonic -n 30 _PID=1
if command -v coredumpctl >/dev/null; then timeout 20 coredumpctl --no-pager info 1; fi
core=$(ls -t /core /core.* 2>/dev/null | head -n 1)
[ -z "$core" ] || ls -l "$core"
if [ -n "$core" ] && command -v gdb >/dev/null; then
    timeout 60 gdb -batch -ex 'thread apply all bt' /proc/1/exe "$core"
fi
"""
"""Shell text that prints what is known of a crash: what systemd said last, and where its code was, if the guest has gdb."""

MOST = 16 * 1024
"""Bytes that are read of what the watcher says; it says a few lines."""


class Pid1Log:
    """What the watcher in the guest said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = -1
        self._crash: str | None = None

    def find_crash(self) -> str | None:
        """Return what happened to PID 1, as the rest of a sentence; None while it does its work."""
        try:
            size = self.path.stat().st_size
            if size != self._size and self._crash is None:
                self._size = size
                with self.path.open("rb") as file:
                    file.seek(max(0, size - MOST))
                    lines = file.read(MOST).decode(errors="replace").split("\n")
                # The last part has no line end yet.
                self._crash = next((line[5:].strip() for line in lines[:-1] if line.startswith("pid1 ")), None)
        except FileNotFoundError:
            return None
        return self._crash
