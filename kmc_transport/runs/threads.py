"""Worker threads as an executor that notices the death of a thread and never holds up the end of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import InputError, KmcTransportError, Problem

__all__ = ["CannotStart", "WorkerThreads"]

PATIENCE = 10.0
"""Seconds to wait for threads that were told to stop; they are left behind then, and end with the process."""


class CannotStart(InputError):
    """The system does not let this process have another thread or process."""

    def __init__(self, what: str, why: object) -> None:
        remedy = "raise the limit (ulimit -u), end other programs, or take fewer --workers"
        super().__init__(Problem(f"{what} could not be started: {why}", remedy=remedy))

    def __reduce__(self) -> tuple[Any, ...]:
        return InputError, (self.problems,)


class WorkerThreads(Executor):
    """Up to ``n`` daemon threads, fewer where the system allows no more; `CannotStart` where it allows none.

    The standard library's are joined at the end of the process, and a future whose thread died of a lack of memory is
    never done.
    """

    def __init__(self, n: int) -> None:
        self._n, self._closed, self._dead = n, False, False
        self._tasks: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        if self._closed:
            raise RuntimeError("the threads are shut down")
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._n:
            self._start()
        future: Future = Future()
        self._tasks.put((future, lambda: fn(*args, **kwargs)))
        return future

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, daemon=True)
        try:
            thread.start()
        except RuntimeError as e:
            if not self._threads:
                raise CannotStart("a thread", e) from None
            self._n = len(self._threads)
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                future, call = task
                del task
                if future.set_running_or_notify_cancel():
                    _run(future, call)
                del future, call
                self._idle.release()
        except BaseException:  # no memory even to say so: `check` tells
            self._dead = True

    def check(self) -> None:
        """KmcTransportError when a thread has died, whose task will never be done."""
        if self._dead:
            raise KmcTransportError(
                "a worker thread has died (out of memory?); finished points are kept, run again to go on, with fewer "
                "--workers perhaps"
            )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
        while cancel_futures:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                break
            if task is not None:
                task[0].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            self._join(PATIENCE if cancel_futures else None)

    def _join(self, seconds: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))


def _run(future: Future, call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as e:
        future.set_exception(e)
    else:
        future.set_result(result)
