"""How far a sweep is, from its folder alone: fast, and safe while it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import axes_of
from .folder import read_plan, read_progress
from .output import points_folder, result_path, run_is_alive
from .points import Failure, PointStore
from .results import open_results

__all__ = ["Status", "read_status"]

N_FAILURES = 20


@dataclass(frozen=True, kw_only=True)
class Status:
    """Counts of the points that the last run asked for.

    started : have a saved state, not finished. outside : finished points of another grid. alive : a run is at work.
    notes : what the run, or each shard, has said last (see `runs.pipeline.Progress`). failures : the first
    of them.
    """

    path: Path
    points: int
    done: int
    failed: int
    started: int
    outside: int
    alive: bool
    has_result: bool
    notes: Sequence[dict[str, Any]]
    failures: Sequence[Failure]
    has_folder: bool = True
    """Otherwise the counts are those of the result file."""

    @property
    def missing(self) -> int:
        """Neither finished nor failed."""
        return self.points - self.done - self.failed


def read_status(run: str | os.PathLike[str]) -> Status:
    """Status of a run, given its result file or its folder of points.

    Raises StoreError when there is no sweep.
    """
    path = result_path(Path(run))
    if path.exists() and not points_folder(path).exists():
        return _status_of_file(path)
    plan = read_plan(path)
    store = PointStore(points_folder(path))
    asked, there = set(plan.keys), set(store.keys())
    failed = [k for k in store.failed_keys() if k in asked and k not in there]
    started = [k for k in store.partial_keys() if k in asked and k not in there]
    failures = [store.load_failure(k) for k in failed[:N_FAILURES]]
    return Status(
        path=path,
        points=len(asked),
        done=len(asked & there),
        failed=len(failed),
        started=len(started),
        outside=len(there - asked),
        alive=run_is_alive(path),
        has_result=path.exists(),
        notes=read_progress(path),
        failures=[f for f in failures if f is not None],
    )


def _status_of_file(path: Path) -> Status:
    data = open_results(path)
    strength = data["field"].values
    points = done = failed = 0
    failures: list[Failure] = []
    axes = axes_of(data)
    for at in np.ndindex(data["complete"].shape):
        *system, t, f, d = at
        if strength[f] == 0 and d:
            continue  # one point for all directions
        points += 1
        done += int(data["complete"].values[at])
        reason = str(data["exit_reason"].values[at])
        if reason.startswith("failed: "):
            failed += 1
            x, y, z = (strength[f] * 1e-10 * data["direction_vector"].values[d]).tolist()
            kelvin = float(data["temperature"].values[t])
            place = {n: float(data[n].values[k]) for n, k in zip(axes, system, strict=True)}
            reason = reason.removeprefix("failed: ")
            failures.append(Failure(temperature=kelvin, field=(x, y, z), reason=reason, coordinates=place))
    return Status(
        path=path,
        points=points,
        done=done,
        failed=failed,
        started=0,
        outside=0,
        alive=False,
        has_result=True,
        notes=(),
        failures=failures[:N_FAILURES],
        has_folder=False,
    )
