"""Who simulates: threads or processes of this machine, or any executor, Dask's among them."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from ..engine import Replica
from ..model.model import Model
from ..point import PointSimulation
from ..rates.rules import get_rule
from .grid import GridPoint
from .job import Job, Outcome, Standing, simulate_point
from .processes import WorkerProcesses

__all__ = ["AutoPool", "ForeignPool", "Pool", "ProcessPool", "ThreadPool", "processors", "warm_up"]


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(Protocol):
    """What `run_points` needs of whoever simulates."""

    def capacity(self) -> int:
        """Points that can be at work at once, now."""

    def submit(self, point: GridPoint) -> Future[Outcome]:
        """Have one point simulated."""

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
        self._n = min(n, n_points)
        self._pool = ThreadPoolExecutor(self._n)
        self._inner = ThreadPoolExecutor(n) if n > n_points else None

    def capacity(self) -> int:
        return self._n

    def submit(self, point: GridPoint) -> Future[Outcome]:
        return self._pool.submit(
            simulate_point,
            self._job,
            point,
            should_stop=self._stopping.is_set,
            report=self._report,
            pool=self._inner,
        )

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._inner is not None:
            self._inner.shutdown()


class ProcessPool:
    """Processes of this machine: a second or so to start, then all processors are busy with short points too."""

    def __init__(self, job: Job, n: int, report: Callable[[Standing], None]) -> None:
        self._n = n
        self.processes = WorkerProcesses(n, _set_up, (job,), report)
        self._started = [self.processes.submit(_nothing) for _ in range(n)]

    def ready(self) -> bool:
        """Whether a process has started."""
        return any(f.done() for f in self._started)

    def capacity(self) -> int:
        return self._n

    def submit(self, point: GridPoint) -> Future[Outcome]:
        return self.processes.submit(_in_process, point)

    def stop(self) -> None:
        self.processes.stop()

    def close(self) -> None:
        self.processes.shutdown(cancel_futures=True)


WORTH, SHORT = 6.0, 2.0
"""Processes are started when the rest would take longer than this (s), and points are shorter than this (s): the
Python between two calls of a kernel then keeps other threads waiting."""


class AutoPool:
    """Threads at first; processes for the rest when the first points show that they are worth their start."""

    def __init__(self, job: Job, n: int, n_points: int, report: Callable[[Standing], None]) -> None:
        self._job, self._n, self._left, self._report = job, n, n_points, report
        self._threads = ThreadPool(job, n, n_points, report)
        self._processes: ProcessPool | None = None
        self._seconds: list[float] = []
        self._worth = n > 1 and n_points > 2 * n and _travels(job.model)

    def capacity(self) -> int:
        return self._n

    def submit(self, point: GridPoint) -> Future[Outcome]:
        if self._processes is None and self._worth and len(self._seconds) >= self._n:
            mean = sum(self._seconds) / len(self._seconds)
            if mean > SHORT:
                self._worth = False
            elif mean * self._left > WORTH * self._n:
                self._processes = ProcessPool(self._job, self._n, self._report)
        self._left -= 1
        if self._processes is not None and self._processes.ready():  # threads go on while processes start
            return self._processes.submit(point)
        future = self._threads.submit(point)
        future.add_done_callback(self._learn)
        return future

    def _learn(self, future: Future[Outcome]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._seconds.append(future.result().standing.seconds)

    def stop(self) -> None:
        for pool in (self._threads, self._processes):
            if pool is not None:
                pool.stop()

    def close(self) -> None:
        for pool in (self._threads, self._processes):
            if pool is not None:
                pool.close()


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


def _nothing() -> None:
    return None


def _in_process(point: GridPoint) -> Outcome:
    job, should_stop, report = _here["job"]
    return simulate_point(job, point, should_stop=should_stop, report=report)


class ForeignPool:
    """Any ``concurrent.futures`` executor; its workers may be on other machines.

    Workers that reach the folder of points save there; others send the record back. They are told to stop through
    a file in that folder.
    """

    def __init__(self, job: Job, executor: Executor, capacity: Callable[[], int] | None = None) -> None:
        self._executor, self._capacity = executor, capacity
        self._block = pickle.dumps(job)
        self._name = sha256(self._block).hexdigest()
        self._stop_file = None if job.folder is None else job.folder / ".stop"
        self._pending: set[Future] = set()
        if self._stop_file is not None:
            self._stop_file.unlink(missing_ok=True)

    def capacity(self) -> int:
        if self._capacity is not None:
            return self._capacity()
        return int(getattr(self._executor, "_max_workers", 0) or processors())

    def submit(self, point: GridPoint) -> Future[Outcome]:
        future = self._executor.submit(_elsewhere, self._block, self._name, self._stop_file, point)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

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

    return simulate_point(_jobs[name], point, should_stop=should_stop)


def warm_up(job: Job, points: Sequence[GridPoint]) -> None:
    """Compile the kernels here, once; worker processes then find them in the cache on disk."""
    seen: set[tuple[str, str]] = set()
    for point in (points[0], points[-1]):
        simulation = PointSimulation(job.model, point.temperature, point.field, root=job.root)
        replica: Replica = simulation.replicas[0]
        if (replica.algorithm, replica.layout) not in seen:
            seen.add((replica.algorithm, replica.layout))
            replica.advance(1)
