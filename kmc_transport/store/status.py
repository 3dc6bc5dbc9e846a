"""How far a sweep is, from its folder alone: fast, and safe while it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .folder import read_plan, read_progress
from .output import points_folder, result_path, run_is_alive
from .points import Failure, PointStore

__all__ = ["Status", "read_status"]

N_FAILURES = 20


@dataclass(frozen=True)
class Status:
    """Counts of the points that the last run asked for.

    started : have a saved state, not finished. outside : finished points of another grid. alive : a run is at work.
    notes : what the run, or each shard, has said last (see `kmc_transport.simulation.Progress`). failures : the first
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

    @property
    def missing(self) -> int:
        """Neither finished nor failed."""
        return self.points - self.done - self.failed


def read_status(run: str | os.PathLike[str]) -> Status:
    """Status of a run, given its result file or its folder of points.

    Raises StoreError when there is no sweep.
    """
    path = result_path(Path(run))
    plan = read_plan(path)
    store = PointStore(points_folder(path))
    asked, there = set(plan.keys), set(store.keys())
    failed = [k for k in store.failed_keys() if k in asked and k not in there]
    started = [k for k in store.partial_keys() if k in asked and k not in there]
    failures = [store.load_failure(k) for k in failed[:N_FAILURES]]
    return Status(
        path,
        len(asked),
        len(asked & there),
        len(failed),
        len(started),
        len(there - asked),
        run_is_alive(path),
        path.exists(),
        read_progress(path),
        [f for f in failures if f is not None],
    )
