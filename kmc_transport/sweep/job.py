"""What a worker does with one point, wherever it runs: simulate, save segments, save the record, say how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..errors import InputError, KmcTransportError, Problem
from ..model.model import Model
from ..point import PointSimulation, Progress
from ..records import ExitReason
from ..store import Failure, PointRecord, PointStore
from .grid import GridPoint
from .record import make_record

__all__ = ["CHECKPOINT", "Job", "Outcome", "Standing", "simulate_point"]

CHECKPOINT = 20.0
"""Seconds between the segments of a long point: what a power cut can cost it."""


@dataclass(frozen=True, eq=False)
class Job:
    """What all points of a sweep have in common.

    folder, owner : where points are saved, None for nowhere (see `PointStore`). checkpoint : s between segments.
    """

    model: Model
    root: int
    folder: Path | None = None
    owner: str = ""
    checkpoint: float = CHECKPOINT
    version: str = __version__

    def store(self) -> PointStore | None:
        """The folder of points, where this machine can reach it."""
        if self.folder is None or not self.folder.is_dir():
            return None
        return PointStore(self.folder, self.owner)


@dataclass(frozen=True)
class Standing:
    """How a point stands: number of executed hops, seconds, error over the error asked for, relative error.

    exit_reason is empty while it runs; converged says whether a finished one is as accurate as asked.
    """

    key: str
    temperature: float
    field: tuple[float, float, float]
    events: int
    seconds: float
    ratio: float | None = None
    relative_error: float | None = None
    exit_reason: str = ""
    converged: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """How the work on a point ended: done (with its record, unless that is in the store), failed, or stopped."""

    standing: Standing
    record: PointRecord | None = None
    failure: Failure | None = None
    stopped: bool = False


def simulate_point(
    job: Job,
    point: GridPoint,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[Standing], None] = lambda _: None,
    pool: Executor | None = None,
    keep_record: bool = False,
) -> Outcome:
    """One point from start, or from its last segment, to its record.

    Errors of the input (rates out of range) come back as a `Failure`; others are raised. keep_record : return the
    record even when it is in the store.
    """
    if job.version != __version__:
        raise InputError(
            Problem(
                "this worker has another version of kmc_transport",
                "version",
                __version__,
                job.version,
                "install the same version everywhere",
            )
        )
    vector = (float(point.field[0]), float(point.field[1]), float(point.field[2]))

    def standing(state: Progress, exit_reason: str = "", converged: bool = False) -> Standing:
        return Standing(
            point.key,
            point.temperature,
            vector,
            state.events,
            state.seconds,
            state.ratio,
            state.relative_error,
            exit_reason,
            converged,
        )

    nothing = Progress(0, 0.0, None, None)
    if should_stop():
        return Outcome(standing(nothing), stopped=True)
    store = job.store()
    state = None if store is None else store.load_partial(point.key)
    try:
        simulation = _simulation(job, point, state)
    except InputError as e:
        failure = Failure(point.temperature, vector, _one_line(e))
        return Outcome(standing(nothing, "failed"), failure=failure)
    reason = ExitReason.INTERRUPTED
    while reason is ExitReason.INTERRUPTED:
        pause = max(job.checkpoint, 0.01)  # some work between two segments, whatever is asked
        due = time.monotonic() + pause if store is not None else float("inf")
        reason = simulation.run(
            should_stop=lambda due=due: time.monotonic() > due or should_stop(),  # type: ignore[misc]
            on_progress=lambda p: report(standing(p)),
            pool=pool,
        )
        if reason is ExitReason.INTERRUPTED:
            if store is not None:
                store.save_partial(point.key, simulation.snapshot())
            if should_stop():
                return Outcome(standing(simulation.progress()), stopped=True)
    record = make_record(job.model, simulation, reason, job.root)
    end = standing(simulation.progress(), reason.value, bool(record.values["converged"]))
    if store is None:
        return Outcome(end, record)
    store.save(point.key, record, replace=True)
    if reason is ExitReason.TIME_LIMIT:  # a longer limit takes it up again
        store.save_partial(point.key, simulation.snapshot())
    return Outcome(end, record if keep_record else None)


def _simulation(job: Job, point: GridPoint, state: dict | None) -> PointSimulation:
    if state is not None:
        try:
            return PointSimulation.restore(job.model, point.temperature, point.field, state, root=job.root)
        except (KeyError, ValueError):
            pass  # a segment of another version: the point starts again
    return PointSimulation(job.model, point.temperature, point.field, root=job.root)


def _one_line(error: KmcTransportError) -> str:
    if isinstance(error, InputError):
        first = error.problems[0]
        return ": ".join(t for t in (first.key, first.message) if t)
    return str(error).splitlines()[0]
