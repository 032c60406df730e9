"""The watcher of PID 1, in a process namespace of its own whose first process is a DOUBLE of systemd."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.machine.pid1 import WATCHER, Pid1Log
from harness.wait import Deadline, poll

INIT = """\
import os, signal, subprocess, sys, time
os.closerange(3, 1024)
subprocess.Popen(["setsid", "bash", *sys.argv[2:]], stdout=subprocess.DEVNULL)
began = time.monotonic()
while time.monotonic() < began + (2 if sys.argv[1] != "works" else 60):
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    time.sleep(0.05)
if sys.argv[1] == "crashes":
    os.closerange(0, 64)
    while True:
        os.waitid(os.P_ALL, 0, os.WEXITED)
while True:
    signal.sigtimedwait([signal.SIGUSR1], 60)
"""
"""It reaps its children for 2 s; then it freezes as systemd's crash handler does, or does nothing more, or goes on."""

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"), [("crashes", "crashed, and froze itself"), ("stands still", "stands still"), ("works", None)]
)
def test_what_the_watcher_says_of_a_process(what: str, said: str | None, tmp_path: Path) -> None:
    """It knows a crash and a standstill by process 1 alone, and says nothing of one that works."""
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a process namespace is for root")
    log = tmp_path / "pid1.log"
    argv = [*NAMESPACE, sys.executable, "-c", INIT, what, str(WATCHER), str(log)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as init:
        try:
            poll(lambda: (log.exists() and "watching" in log.read_text()) or None, Deadline.after(60, "watcher"))
            if said is None:
                Deadline.after(60, "look").pause(8)
                assert Pid1Log(log).find_crash() is None
            else:
                assert said in poll(Pid1Log(log).find_crash, Deadline.after(60, "crash"))
        finally:
            init.kill()
