"""Waiting for work in threads, while signals arrive."""

import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType

from harness.wait import wait_for_any


def test_what_has_ended_is_returned() -> None:
    """At once where some have, and only those."""
    done: Future[int] = Future()
    done.set_result(1)
    assert {done} == wait_for_any([done, Future()])


def test_signals_are_handled_while_work_is_awaited() -> None:
    """Also one that another thread of the process gets, which does not wake the main thread."""
    handled: Future[None] = Future()

    def handle(_number: int, _frame: FrameType | None) -> None:
        handled.set_result(None)

    def work() -> bool:
        time.sleep(0.5)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        ends = time.monotonic() + 20
        while not handled.done() and time.monotonic() < ends:
            time.sleep(0.01)
        return handled.done()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            (ended,) = wait_for_any([pool.submit(work)])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended.result()
