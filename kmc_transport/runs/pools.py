"""Who simulates: threads or processes of this machine, or any executor, Dask's among them."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from ..engine import Replica
from ..model.model import Model
from ..rules import get_rule
from .grid import GridPoint
from .job import Job, Outcome, Standing, simulate_point
from .point import PointSimulation
from .processes import WorkerProcesses, can_fork
from .threads import CannotStart, WorkerThreads

__all__ = ["AutoPool", "ForeignPool", "Pool", "ProcessPool", "ThreadPool", "processors", "warm_up"]


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(Protocol):
    """What `run_points` needs of whoever simulates."""

    @property
    def workers(self) -> int:
        """Points that are simulated at a time."""

    def window(self, left: int) -> int:
        """Points to hand over now, of ``left`` that wait, those at work included: enough to keep everybody busy."""

    def submit(self, point: GridPoint) -> Future[Outcome]:
        """Have one point simulated."""

    def check(self) -> None:
        """KmcTransportError when somebody has died whose point will never be done; asked now and then."""

    def stop(self) -> None:
        """Tell the points at work to save what they have and stop."""

    def close(self) -> None:
        """Wait for the points at work to end, and let go of everything."""


class ThreadPool:
    """Threads of this process: nothing to start; the kernels run side by side, the Python between them does not.

    With fewer points than threads, the replicas of a point run side by side.
    """

    def __init__(self, job: Job, n: int, n_points: int, report: Callable[[Standing], None]) -> None:
        self._job, self._report = job, report
        self._stopping = threading.Event()
        self.workers = min(n, n_points)
        self._pool = WorkerThreads(self.workers)
        self._inner = WorkerThreads(n) if n > n_points else None

    def window(self, left: int) -> int:
        return _window(self.workers)

    def submit(self, point: GridPoint) -> Future[Outcome]:
        return self._pool.submit(
            simulate_point,
            self._job,
            point,
            should_stop=self._stopping.is_set,
            report=self._report,
            pool=self._inner,
        )

    def check(self) -> None:
        for threads in (self._pool, self._inner):
            if threads is not None:
                threads.check()

    def stop(self) -> None:
        self._stopping.set()

    def drain(self) -> None:
        """Wait for the points that were handed over; no more can be."""
        self._pool.shutdown()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._inner is not None:
            self._inner.shutdown(cancel_futures=True)


QUICK, AHEAD, MOST_AHEAD = 0.5, 0.1, 8
"""Where points take less than the first (s), a process has some at hand beside the one at work, for about the second
(s), so that it never waits, and several are handed over at once; fewer where few are left, which another process might
do sooner."""
LISTEN_EVERY = 0.1
"""Seconds between two looks at what the processes report."""


class ProcessPool:
    """Processes of this machine: all processors are busy with short points too."""

    def __init__(self, job: Job, n: int, report: Callable[[Standing], None]) -> None:
        self.workers, self._at_hand, self._listened = n, 1, 0.0
        self.processes = WorkerProcesses(n, _set_up, (job,), report, fork=can_fork())

    def window(self, left: int) -> int:
        if time.monotonic() - self._listened > LISTEN_EVERY:
            self.check()
        return self.workers * max(1, min(self._at_hand, left // self.workers))

    def submit(self, point: GridPoint) -> Future[Outcome]:
        future = self.processes.submit(_in_process, point)
        future.add_done_callback(self._learn)
        return future

    def _learn(self, future: Future[Outcome]) -> None:
        seconds = QUICK if future.exception() is not None else future.result().standing.seconds
        ahead = min(MOST_AHEAD, max(1, int(AHEAD / max(seconds, 1e-6))))
        self._at_hand = 1 + ahead if seconds < QUICK else 1

    def check(self) -> None:
        """A death is told by the point that it costs; how far the points are, is heard here."""
        self._listened = time.monotonic()
        self.processes.listen()

    def stop(self) -> None:
        self.processes.stop()

    def close(self) -> None:
        self.processes.shutdown(cancel_futures=True)


def _window(n: int) -> int:
    return 2 * n + 2


SHORT = 1.0
"""Of points shorter than this (s), the Python between two calls of a kernel keeps other threads waiting: processes do
better."""
WORTH, WORTH_FORK = 6.0, 0.1
"""Processes are started when the rest would take longer than this (s), afresh or by forking."""
LEARN = 4
"""Points for each processor that tell how long they take; the first may be waiting for a compilation."""


class AutoPool:
    """Threads at first; processes for the rest when the first points show that they are worth their start."""

    def __init__(self, job: Job, n: int, n_points: int, report: Callable[[Standing], None]) -> None:
        self._job, self.workers, self._left, self._report = job, n, n_points, report
        self._fork = can_fork()
        self._threads = ThreadPool(job, n, n_points, report)
        self._processes: ProcessPool | None = None
        self._seconds: list[float] = []
        self._learning = n > 1 and n_points > 2 * n and _travels(job.model)

    @property
    def _pool(self) -> ThreadPool | ProcessPool:
        return self._processes or self._threads

    def window(self, left: int) -> int:
        return self.workers if self._learning else self._pool.window(left)

    def submit(self, point: GridPoint) -> Future[Outcome]:
        if self._learning and len(self._seconds) >= self.workers:
            self._decide(min(self._seconds))
        self._left -= 1
        future = self._pool.submit(point)
        if self._learning:
            future.add_done_callback(self._learn)
        return future

    def _decide(self, seconds: float) -> None:
        """Start processes, or not, or learn more. seconds : what a point takes."""
        self._learning = len(self._seconds) < LEARN * self.workers
        worth = seconds * self._left > (WORTH_FORK if self._fork else WORTH) * self.workers
        if seconds > SHORT or not worth:
            return
        self._learning = False
        if self._fork:
            self._threads.drain()
        try:
            self._processes = ProcessPool(self._job, self.workers, self._report)
        except CannotStart:  # threads will do
            self._threads = ThreadPool(self._job, self.workers, self._left, self._report)

    def _learn(self, future: Future[Outcome]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._seconds.append(future.result().standing.seconds)

    def check(self) -> None:
        self._threads.check()
        self._pool.check()

    def stop(self) -> None:
        self._threads.stop()
        self._pool.stop()

    def close(self) -> None:
        self._threads.close()
        self._pool.close()


def _travels(model: Model) -> bool:
    """Whether another process can know the rules of this model: not when the user's script defines one."""
    return all(get_rule(c.rule).__module__ != "__main__" for c in model.hop_classes)


_REPORT_EVERY = 0.5
_here: dict[str, tuple[Job, Callable[[], bool], Callable[[Standing], None]]] = {}


def _set_up(job: Job, should_stop: Callable[[], bool], report: Callable[[Standing], None]) -> None:
    last = 0.0

    def seldom(standing: Standing) -> None:
        nonlocal last
        if time.monotonic() - last > _REPORT_EVERY:
            last = time.monotonic()
            report(standing)

    _here["job"] = (job, should_stop, seldom)


def _in_process(point: GridPoint) -> Outcome:
    job, should_stop, report = _here["job"]
    return simulate_point(job, point, should_stop=should_stop, report=report).pack(job)


class ForeignPool:
    """Any ``concurrent.futures`` executor; its workers may be on other machines.

    Workers that reach the folder of points save their segments there, and are told to stop through a file in it.
    """

    def __init__(self, job: Job, executor: Executor, capacity: Callable[[], int] | None = None) -> None:
        self._executor, self._capacity = executor, capacity
        self._block = pickle.dumps(job)
        self._name = sha256(self._block).hexdigest()
        self._stop_file = None if job.folder is None else job.folder / ".stop"
        self._pending: set[Future] = set()
        if self._stop_file is not None:
            self._stop_file.unlink(missing_ok=True)

    @property
    def workers(self) -> int:
        if self._capacity is not None:
            return self._capacity()
        return int(getattr(self._executor, "_max_workers", 0) or processors())

    def window(self, left: int) -> int:
        return _window(self.workers)

    def submit(self, point: GridPoint) -> Future[Outcome]:
        future = self._executor.submit(_elsewhere, self._block, self._name, self._stop_file, point)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def check(self) -> None:
        """The executor's own business."""

    def stop(self) -> None:
        if self._stop_file is not None:
            self._stop_file.touch()

    def close(self) -> None:
        from concurrent.futures import wait

        for future in list(self._pending):
            future.cancel()
        wait(list(self._pending), timeout=60)
        if self._stop_file is not None:
            self._stop_file.unlink(missing_ok=True)


_jobs: dict[str, Job] = {}


def _elsewhere(block: bytes, name: str, stop_file: Path | None, point: GridPoint) -> Outcome:
    if name not in _jobs:
        _jobs.clear()  # of earlier sweeps
        _jobs[name] = pickle.loads(block)
    looked, found = time.monotonic(), False

    def should_stop() -> bool:
        nonlocal looked, found
        if stop_file is not None and time.monotonic() - looked > 1.0:
            looked, found = time.monotonic(), stop_file.exists()
        return found

    return simulate_point(_jobs[name], point, should_stop=should_stop).pack(_jobs[name])


def warm_up(job: Job, points: Sequence[GridPoint]) -> None:
    """Compile the kernels here, once; worker processes then find them in the cache on disk."""
    seen: set[tuple[str, str]] = set()
    for point in (points[0], points[-1]):
        model, root = job.system(point)
        simulation = PointSimulation(model, point.temperature, point.field, root=root)
        replica: Replica = simulation.new_replica(0)
        if (replica.algorithm, replica.layout) not in seen:
            seen.add((replica.algorithm, replica.layout))
            replica.advance(1)
