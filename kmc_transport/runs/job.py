"""What a worker does with one point, wherever it runs: simulate, save segments, say how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

from .._version import __version__
from ..analysis import LinearResponse
from ..engine.pace import Stopped
from ..errors import InputError, KmcTransportError, Problem
from ..model.model import Model
from ..rates import build_catalog
from ..records import ExitReason
from ..seeds import system_root
from ..store import Failure, PackedPoint, PointRecord, PointStore, pack_point
from .chemistry import chemistry
from .grid import GridPoint
from .point import PointProgress
from .record import make_record, weak_field_record
from .scaled import AnyPoint, point_kind
from .weak import good_enough, linear_response

__all__ = ["CHECKPOINT", "Job", "Outcome", "Standing", "simulate_point"]

CHECKPOINT = 20.0
"""Seconds between the segments of a long point: what a power cut can cost it."""


@dataclass(frozen=True, eq=False, kw_only=True)
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

    def system(self, point: GridPoint) -> tuple[Model, int]:
        """The model of a point, and the root of its random numbers."""
        model = self.model.systems[point.system]
        return model, system_root(self.root, model.coordinates)

    def store(self) -> PointStore | None:
        """The folder of points, where this machine can reach it."""
        if self not in _stores:
            if self.folder is None or not self.folder.is_dir():
                return None
            _stores[self] = PointStore(self.folder, self.owner)
        return _stores[self]


_stores: WeakKeyDictionary[Job, PointStore] = WeakKeyDictionary()
"""Of the jobs whose folder was reached."""


@dataclass(frozen=True, kw_only=True)
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
    coordinates: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """How the work on a point ended: done (with its record), failed, or stopped.

    packed : stands for the record where that is on its way from another process into the folder of points. goes_on : a
    longer limit or the next round takes it up again from its last segment.
    """

    standing: Standing
    record: PointRecord | None = None
    failure: Failure | None = None
    stopped: bool = False
    goes_on: bool = False
    packed: PackedPoint | None = None

    def pack(self, job: Job) -> Outcome:
        """For the way to the driver, where that will only save the record."""
        if job.folder is None or self.record is None:
            return self
        return replace(self, record=None, packed=pack_point(self.record, self.standing.key, job.owner))


def simulate_point(
    job: Job,
    point: GridPoint,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[Standing], None] = lambda _: None,
    pool: Executor | None = None,
) -> Outcome:
    """One point from start, or from its last segment, to its record, which the driver saves.

    Errors of the input (rates out of range) come back as a `Failure`; others are raised.
    """
    if job.version != __version__:
        raise InputError(
            Problem(
                message="this worker has another version of kmc_transport",
                key="version",
                value=__version__,
                allowed=job.version,
                remedy="install the same version everywhere",
            )
        )
    vector = (float(point.field[0]), float(point.field[1]), float(point.field[2]))

    def standing(state: PointProgress, exit_reason: str = "", converged: bool = False) -> Standing:
        return Standing(
            key=point.key,
            temperature=point.temperature,
            field=vector,
            events=state.events,
            seconds=state.seconds,
            ratio=state.ratio,
            relative_error=state.relative_error,
            exit_reason=exit_reason,
            converged=converged,
            coordinates=point.coordinates,
        )

    nothing = PointProgress(0, 0.0, None, None)
    if should_stop():
        return Outcome(standing=standing(nothing), stopped=True)
    store = job.store()
    model, root = job.system(point)
    try:
        linear = None
        if point.without_field is not None:
            catalog = build_catalog(model, temperature=point.temperature, field=point.field)
            linear = linear_response(catalog, point.without_field)
            if linear is not None and good_enough(linear, model.sampling):
                weak = weak_field_record(catalog, point.without_field, linear, point.zero)
                end = standing(nothing, str(weak.values["exit_reason"]), bool(weak.values["converged"]))
                return Outcome(standing=end, record=weak)
        if model.sampling.table_error is not None:
            linear = None  # rounds would weight it with the error of another round
        state = None if store is None else store.load_partial(point.key)
        simulation, reached = _simulation(model, root, point, state, linear)
        stopped = simulation.build(should_stop=should_stop, on_progress=lambda p: report(standing(p)))
    except InputError as e:
        failure = Failure(
            temperature=point.temperature,
            field=vector,
            reason=_one_line(e),
            coordinates=dict(point.coordinates),
        )
        return Outcome(standing=standing(nothing, "failed"), failure=failure)
    if stopped is ExitReason.INTERRUPTED:
        return Outcome(standing=standing(simulation.progress()), stopped=True)
    reason = ExitReason.INTERRUPTED
    reached = min(
        reached, max(1, len(point.targets)) - 1
    )  # the last one is looked at again: it makes the record
    for number, target in enumerate(point.targets or (None,)):
        if number < reached:
            continue
        if target is not None:
            simulation.sampling = replace(simulation.sampling, relative_error=target)

        def save_state(reached: int = number) -> None:
            if store is not None and simulation.built:
                store.save_partial(point.key, simulation.snapshot() | {"targets_reached": reached})

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
                save_state()
                if should_stop():
                    return Outcome(standing=standing(simulation.progress()), stopped=True)
        if reason is not ExitReason.ACCURACY_REACHED:
            break
    try:
        thermodynamics = chemistry(simulation, root, should_stop)
    except Stopped:
        save_state()
        return Outcome(standing=standing(simulation.progress()), stopped=True)
    record = make_record(model, simulation, reason, job.root, thermodynamics)
    if point.targets:
        record = replace(record, meta={**record.meta, "targets": list(point.targets)})
    end = standing(simulation.progress(), reason.value, bool(record.values["converged"]))
    # a longer limit, or the next round, takes it up again
    goes_on = reason is ExitReason.TIME_LIMIT or (
        bool(point.targets) and reason is ExitReason.ACCURACY_REACHED
    )
    if goes_on:
        save_state(len(point.targets) if reason is ExitReason.ACCURACY_REACHED else number)
    return Outcome(standing=end, record=record, goes_on=goes_on)


def _simulation(
    model: Model, root: int, point: GridPoint, state: dict | None, linear: LinearResponse | None
) -> tuple[AnyPoint, int]:
    """The point as its last segment left it, or new; and the number of targets that it has reached."""
    kind = point_kind(model)
    if state is not None:
        reached = int(state.pop("targets_reached", 0))
        try:
            if reached <= len(point.targets):
                return kind.restore(
                    model, point.temperature, point.field, state, root=root, linear=linear
                ), reached
        except (KeyError, ValueError):
            pass  # a segment of another version: the point starts again
    return kind(model, point.temperature, point.field, root=root, linear=linear), 0


def _one_line(error: KmcTransportError) -> str:
    if isinstance(error, InputError):
        first = error.problems[0]
        return ": ".join(t for t in (first.key, first.message) if t)
    return str(error).splitlines()[0]
