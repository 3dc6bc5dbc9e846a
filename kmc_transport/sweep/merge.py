"""Runs of one model put together: shards of several machines, grids that grew apart."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import Problem, StoreError
from ..store import (
    Plan,
    PointStore,
    begin_run,
    check_output,
    join_tables,
    lock_output,
    owner_mark,
    points_folder,
    read_frame,
    read_plan,
    result_path,
    write_empty_table,
    write_plan,
)
from ..store.atomic import atomic_path
from .table import rebuild

if TYPE_CHECKING:
    import xarray

__all__ = ["Merged", "merge"]


@dataclass(frozen=True, eq=False)
class Merged:
    """Result of `merge`: the table, where it is, how many points were asked for and found, and damaged files."""

    path: Path
    dataset: xarray.Dataset
    points: int
    found: int
    damaged: Sequence[Path]


def merge(runs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None = None) -> Merged:
    """Put the points of several runs of one model and seed into one result file; the runs stay as they are.

    Parameters
    ----------
    runs : result files or folders of points. With one, its result file is written anew from its points.
    output : result file to write; default: that of the first run, which then gets the points of the others.

    Raises
    ------
    StoreError
        When the runs have different models, seeds or directions of the field, or the output belongs to another.
    """
    sources = [result_path(Path(r)) for r in runs]
    target = sources[0] if output is None else Path(output)
    for source in sources:
        read_plan(source)  # is there a sweep at all?
    if len(sources) > 1 or target != sources[0]:
        _gather_files(sources, target)
    dataset, store = rebuild(target)
    keys = read_plan(target).keys
    return Merged(target, dataset, len(keys), len(set(keys) & set(store.keys())), tuple(store.damaged))


def _gather_files(sources: Sequence[Path], target: Path) -> None:
    tables = [read_frame(s) for s in sources]
    first = tables[0].provenance
    for source, table in zip(sources, tables, strict=True):
        if owner_mark(table.provenance) != owner_mark(first):
            raise StoreError(
                Problem(
                    "has another model or seed",
                    file=str(source),
                    remedy="merge runs of one input; give it a seed, so that runs on several machines share it",
                )
            )
    plans = [read_plan(s) for s in sources]
    with lock_output(target):
        check_output(target, first.identity)
        begin_run(target, first)
        write_empty_table(target, join_tables(sources, tables))
        write_plan(target, _united_plan(plans))
        here = PointStore(points_folder(target), owner_mark(first))
        for source, plan in zip(sources, plans, strict=True):
            there = PointStore(points_folder(source), owner_mark(first))
            finished, failed = set(there.keys()), set(there.failed_keys())
            have = set(here.keys())
            for key in plan.keys:
                if key in have:
                    continue
                if key in finished:
                    _copy(there.path(key), here.path(key))
                elif key in failed:
                    _copy(there.failure_path(key), here.failure_path(key))


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _united_plan(plans: Sequence[Plan]) -> Plan:
    """All points; of two for the same temperature and field, the one of the earlier run."""
    keys: list[str] = []
    conditions: dict[tuple[float, ...], None] = {}
    for plan in plans:
        for key, t, f in zip(plan.keys, plan.temperature, plan.field, strict=True):
            here = (float(t), *map(float, f))
            if here not in conditions:
                conditions[here] = None
                keys.append(key)
    rows = np.array(list(conditions)).reshape(-1, 4)
    return Plan(tuple(keys), rows[:, 0], rows[:, 1:])
