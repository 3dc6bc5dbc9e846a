"""The pipeline: model → points of the grid → replicas → estimates → records → one dataset and one file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ..engine.canonical.settle import settled
from ..errors import InputError, Problem, StoreError
from ..input import load_model
from ..model.model import Model
from ..rates import RateCatalog, build_catalog
from ..records import ExitReason
from ..seeds import draw_root
from ..store import Failure, Pack, PointRecord, PointStore, Shard, write_progress
from . import rounds
from .grid import GridPoint, grid_points, model_identity, of_shard
from .job import CHECKPOINT, Job, Outcome
from .pools import (
    AutoPool,
    ForeignPool,
    Pool,
    ProcessPool,
    ThreadPool,
    processors,
    warm_up,
)
from .runfolder import RunFolder
from .schedule import Progress, Tracker, run_points
from .table import found, table_of

if TYPE_CHECKING:
    import xarray

__all__ = ["Progress", "Shard", "grid_points", "model_identity", "run"]

TELL_EVERY = 1.0
"""Seconds between two notes of how far a run is."""


def run(
    model: Model | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    executor: Executor | str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | os.PathLike[str] | None = None,
    shard: Shard | tuple[int, int] | None = None,
    checkpoint: float = CHECKPOINT,
    on_progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> xarray.Dataset:
    """Simulate every condition of a model; who simulates, how many and in which order changes no result.

    Parameters
    ----------
    model : a `Model`, or the path of an input file.
    output : result file (``.h5``); finished points are kept in ``NAME.points`` beside it. Running the same
        input again takes up what is missing. None keeps nothing.
    overwrite : start over, deleting what an earlier run left at ``output``.
    workers : threads or processes; default: the processors this process may use.
    executor : ``"threads"``, ``"processes"``, or any `concurrent.futures.Executor`. Default: threads, then
        processes for the rest where many short points are left.
    scheduler, scheduler_file : address, or file with the address, of a running Dask scheduler, to be used instead.
    shard : (i, n): only the i-th (from 1) of n shares of the points; other processes run the others. The result
        file is written when all points are there.
    checkpoint : seconds between the segments that a long point saves.
    on_progress : called in this thread, some times a second.

    Returns
    -------
    Dataset in SI units, names in `kmc_transport.arrays.ARRAYS`; ``converged`` tells where the asked accuracy
    was reached, ``exit_reason`` why a point could not be simulated. Of a shard: its own points alone, until all
    are there.

    Raises
    ------
    InputError, StoreError
        Before anything long starts; StoreError also when the disk is full. KeyboardInterrupt after what was done is on
        disk.
    """
    if not isinstance(model, Model):
        model = load_model(Path(model))
    model = settled(model)
    part = _checked_shard(shard, output)
    catalogs = _catalogs(model)
    with ExitStack() as stack:
        foreign = _foreign(stack, executor, scheduler, scheduler_file)
        if model.sampling.table_error is not None:
            _refuse_rounds_of_shard(part)
            if output is None:  # rounds go on from states on disk
                output = stack.enter_context(TemporaryDirectory(prefix="kmc_transport-")) + "/table.h5"
        folder = None
        if output is not None:
            opened = RunFolder.opened(
                model, Path(output), catalogs, part, overwrite=overwrite, command=command
            )
            folder = stack.enter_context(opened)
        root = model.sampling.seed if folder is None else folder.provenance.seed
        root = draw_root() if root is None else root
        points = grid_points(model, root)
        job = Job(model=model, root=root, checkpoint=checkpoint)
        if folder is not None:
            folder.plan(points)
            job = replace(job, folder=folder.store.folder.resolve(), owner=folder.store.owner)
        work = _Work(
            model=model,
            job=job,
            points=of_shard(points, part),
            store=None if folder is None else folder.store,
            notes=_Notes(output, part, on_progress),
        )
        try:
            work.find_kept({p.key for p in points})
            if work.missing or work.unfinished:
                pool = _pool(job, work, workers, executor, foreign)
                stack.callback(pool.close)
                work.run(pool)
        except BaseException:
            if folder is not None:  # whatever ends the run, the file holds all finished points
                with contextlib.suppress(Exception):
                    folder.leave(work.table())
            raise
        dataset = work.table()
        if folder is not None:
            dataset = folder.finish(dataset, points)
        work.notes.tell(work.tracker, finished=True)
        return dataset.assign_attrs(seed=str(root))


def _checked_shard(shard: Shard | tuple[int, int] | None, output: object) -> Shard | None:
    if shard is None:
        return None
    part = shard if isinstance(shard, Shard) else Shard(*shard)
    if output is None or not 1 <= part.number <= part.of:
        raise InputError(
            Problem(
                message="is not a share of a sweep",
                key="shard",
                value=f"{part.number}/{part.of}",
                allowed="i/N with 1 <= i <= N, and an output that all shares write to",
                remedy="for the second of three: 2/3",
            )
        )
    return part


def _refuse_rounds_of_shard(part: Shard | None) -> None:
    if part is not None:
        raise InputError(
            Problem(
                "a shard cannot know the error of the whole table",
                "sampling.table_error",
                remedy="use sampling.relative_error with shards, or Dask (--scheduler) instead of shards",
            )
        )


def _catalogs(model: Model) -> list[RateCatalog]:
    """One at each temperature at which there can be one; InputError when no point at all can be simulated."""
    c = model.conditions
    found: dict[float, RateCatalog] = {}
    good, errors = 0, []
    for temperature in map(float, c.temperature):
        try:
            found[temperature] = build_catalog(model, temperature=temperature)
        except InputError as e:
            errors.append(e)
            continue
        # what the strongest field allows, weaker ones do; one point that can be simulated is enough to know
        for vector in () if good else c.direction * c.field.max():
            try:
                build_catalog(model, temperature=temperature, field=vector)
                good += 1
            except InputError as e:
                errors.append(e)
                good += c.field.min() < c.field.max()
    if not good:
        raise errors[0]
    return list(found.values())


def _foreign(
    stack: ExitStack,
    executor: Executor | str | None,
    scheduler: str | None,
    scheduler_file: str | os.PathLike[str] | None,
) -> tuple[Executor, Callable[[], int] | None] | None:
    if scheduler is not None or scheduler_file is not None:
        from .cluster import dask_executor

        return stack.enter_context(dask_executor(scheduler, scheduler_file))
    if isinstance(executor, Executor):
        return executor, None
    if executor not in (None, "threads", "processes"):
        raise InputError(
            Problem(
                "is not known",
                "executor",
                executor,
                "threads, processes, or an Executor of concurrent.futures",
            )
        )
    return None


def _pool(
    job: Job,
    work: _Work,
    workers: int | None,
    executor: Executor | str | None,
    foreign: tuple[Executor, Callable[[], int] | None] | None,
) -> Pool:
    """Who simulates the missing points."""
    if foreign is not None:
        return ForeignPool(job, *foreign)
    n, n_points, report = workers or processors(), len(work.missing), work.tracker.report
    if executor == "threads":
        return ThreadPool(job, n, max(1, n_points), report)
    if executor is None:
        return AutoPool(job, n, max(1, n_points), report)
    with contextlib.suppress(InputError):  # of a point, which is to fail in its turn
        warm_up(job, work.missing or work.points)
    return ProcessPool(job, max(1, min(n, n_points)), report)


@dataclass
class _Notes:
    """Who is told how far it is: the caller some times a second, the file for `status` each second."""

    output: str | os.PathLike[str] | None
    shard: Shard | None
    on_progress: Callable[[Progress], None] | None
    last: float = -1e9

    def tell(self, tracker: Tracker, *, finished: bool = False) -> None:
        late = time.monotonic() - self.last > TELL_EVERY
        if self.on_progress is None and not (late or finished):
            return
        progress = tracker.progress(finished)
        if self.on_progress is not None:
            self.on_progress(progress)
        if self.output is not None and (late or finished):
            self.last = time.monotonic()
            with contextlib.suppress(StoreError):
                write_progress(self.output, progress.as_json(), self.shard)


@dataclass(kw_only=True)
class _Work:
    """The points of this run: what is there already, what is missing, what became of it."""

    model: Model
    job: Job
    points: Sequence[GridPoint]
    store: PointStore | None
    notes: _Notes
    missing: list[GridPoint] = field(default_factory=list)
    records: dict[str, PointRecord] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    tracker: Tracker = field(default_factory=lambda: Tracker(points=0, kept=0))

    def find_kept(self, asked: set[str]) -> None:
        """Look at what is there; the first note says it. asked : keys of all points of the grid."""
        there: set[str] = set()
        missing = {p.key for p in self.points}
        if self.store is not None:
            for _ in range(2):
                there = set(self.store.keys())
                missing = {p.key for p in self.points if p.key not in there or self._may_go_on(p.key)}
                if not self.store.mend():  # a broken database: look at what was intact in it
                    break
        self.missing = [p for p in self.points if p.key in missing or p.zero in missing]
        n = len(self.points)
        damaged = [] if self.store is None else [str(p) for p in self.store.damaged]
        self.tracker = Tracker(
            points=n, kept=n - len(self.missing), outside=len(there - asked), damaged=damaged
        )
        self.notes.tell(self.tracker)

    @property
    def unfinished(self) -> bool:
        """Whether there may be rounds to go, though all points are there."""
        return self.model.sampling.table_error is not None

    def _may_go_on(self, key: str) -> bool:
        """Whether a stored point is damaged, or ran into a limit on wall time that is longer now, or gone."""
        assert self.store is not None
        found = self.store.summary(key)
        if found is None:
            return True
        if found.values["values/exit_reason"] != ExitReason.TIME_LIMIT.value:
            return False
        limit = self.model.sampling.wall_time
        return limit is None or limit > float(found.content()["values/wall_time"])

    def table(self) -> xarray.Dataset:
        """The points of this run, as they are on disk."""
        points: Iterable[PointRecord | Pack] = self.records.values()
        if self.store is not None:
            points = found(self.store, [p.key for p in self.points])
        return table_of(self.model, points, failures=self.failures)

    def run(self, pool: Pool) -> None:
        if self.model.sampling.table_error is None:
            self._run(self.missing, pool)
        else:
            self._run_rounds(self.model.sampling.table_error, pool)

    def _run(self, points: Sequence[GridPoint], pool: Pool) -> None:
        """Weak fields come after the runs without field that they need."""

        def go(points: Sequence[GridPoint]) -> None:
            run_points(
                points,
                pool,
                self.tracker,
                on_end=self._end,
                on_tick=lambda: self.notes.tell(self.tracker),
            )

        go([p for p in points if not p.zero])
        zeros = {key: self._without_field(key) for key in {p.zero for p in points if p.zero}}
        if zeros:
            go([replace(p, without_field=zeros[p.zero]) for p in points if p.zero])

    def _without_field(self, key: str) -> PointRecord | None:
        record = self.records.get(key) if self.store is None else self.store.get(key)
        return None if record is None else replace(record, tallies=())

    def _run_rounds(self, goal: float, pool: Pool) -> None:
        """Rounds until the table is good enough; each is noted before it begins (see `sweep.rounds`)."""
        assert self.store is not None
        most = self.model.sampling.relative_error or 1.0
        keys = [p.key for p in self.points]
        plan = rounds.read_plan(self.store.folder, keys)
        if plan is None:
            plan = rounds.RoundPlan(1, dict.fromkeys(keys, most))
            rounds.write_plan(self.store.folder, keys, plan)
        while True:
            standings = self._standings()
            history = dict(zip(standings.keys, standings.history, strict=True))
            to_do = []
            for point in self.points:
                target, reached = plan.targets.get(point.key), history.get(point.key)
                if target is not None and (reached is None or (reached and reached[-1] > target)):
                    to_do.append(replace(point, targets=(*(reached or ()), target)))
            again = {p.key for p in to_do}
            # linear response has no target of its own: it follows the run without field
            to_do += [p for p in self.points if p.zero in again and history.get(p.key) == ()]
            error = standings.table_error
            said = f", error of the table {100 * error:.2g} %" if np.isfinite(error) else ""
            self.tracker = replace(
                self.tracker,
                points=len(to_do),
                kept=0,
                done=0,
                failed=0,
                inaccurate=0,
                worst=[],
                stage=f"round {plan.number}{said}",
                start=time.monotonic(),
            )
            self._run(to_do, pool)
            targets = rounds.next_targets(self._standings(), goal, most)
            if not targets:
                return
            plan = rounds.RoundPlan(plan.number + 1, targets)
            rounds.write_plan(self.store.folder, keys, plan)

    def _standings(self) -> rounds.Standings:
        assert self.store is not None
        there = set(self.store.keys())
        found = ((p.key, self.store.summary(p.key)) for p in self.points if p.key in there)
        return rounds.standings_of((key, pack) for key, pack in found if pack is not None)

    def _end(self, ended: Sequence[tuple[GridPoint, Outcome]]) -> None:
        if self.store is None:
            self.records |= {point.key: o.record for point, o in ended if o.record is not None}
        else:
            new = {point.key: found for point, o in ended if (found := o.packed or o.record) is not None}
            self.store.save_all(new, keep_partials=[p.key for p, o in ended if o.goes_on])
        for point, outcome in ended:
            if outcome.failure is not None:
                self.failures.append(outcome.failure)
                if self.store is not None:
                    self.store.save_failure(point.key, outcome.failure)
