"""SIGINT (Ctrl-C), SIGTERM (batch systems, before they kill) and SIGHUP (a closed terminal) end a command in seconds.

The first of them raises KeyboardInterrupt, so that what was done is saved. Python does so between two of its own
instructions only: where a compiled routine keeps it longer, and where the saving does not come to its end, the process
ends hard, which harms nothing on disk (every file is written whole or not at all). So does a second signal. A library
that swallows the KeyboardInterrupt, or makes an error of its own of it, does not keep it from those who called.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EXIT_CODE", "stopped_by_signals"]

EXIT_CODE = 130
REACT, FINISH = 5.0, 60.0
"""Seconds until Python has to have noticed a signal, and until everything has to be saved."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """While the body runs. Signals that were ignored when the process began (``nohup``, background jobs) stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
    heard = [n for n in numbers if signal.getsignal(n) not in (signal.SIG_IGN, None)]
    noticed: list[int] = []

    def interrupt(number: int, _: object) -> None:
        noticed.append(number)
        if len(noticed) > 1:
            _end()
        raise KeyboardInterrupt

    source, into = os.pipe()
    os.set_blocking(into, False)
    wake_up = signal.set_wakeup_fd(into, warn_on_full_buffer=False)
    before = {n: signal.signal(n, interrupt) for n in heard}
    # not known to `threading`: it holds no lock, so that worker processes can still be forked
    _thread.start_new_thread(_watch, (source, frozenset(heard), noticed))
    try:
        yield
    except Exception:
        if not noticed:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wake_up)
        os.close(into)  # the watch ends
    if noticed:
        raise KeyboardInterrupt


def _watch(source: int, heard: frozenset[int], noticed: list[int]) -> None:
    """Reads the signals as they come, whatever the main thread is doing."""
    with contextlib.suppress(OSError):
        while (came := os.read(source, 64)) and not heard.intersection(came):
            pass
        if came:
            end = time.monotonic() + REACT
            while not noticed and time.monotonic() < end:
                time.sleep(0.05)
            if noticed:
                _wait_for_end(source, time.monotonic() + FINISH)
            else:
                _end()
    os.close(source)


def _wait_for_end(source: int, end: float) -> None:
    """Until the body is over; at ``end`` that of the process."""
    import select

    while time.monotonic() < end:
        if select.select([source], [], [], 0.2)[0] and not os.read(source, 64):
            return
    _end()


def _end() -> None:
    with contextlib.suppress(OSError):
        os.write(
            2, b"kmc-transport: interrupted, ended at once; what was saved is kept: run again to go on\n"
        )
    os._exit(EXIT_CODE)
