"""Runs of one model put together: shards of several machines, grids that grew apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import Problem, StoreError
from ..store import (
    LostConditions,
    Plan,
    PointRecord,
    PointStore,
    begin_run,
    check_output,
    join_tables,
    lock_output,
    owner_mark,
    points_folder,
    read_empty_table,
    read_plan,
    result_path,
    update_results,
    write_empty_table,
    write_plan,
)
from .table import gather

if TYPE_CHECKING:
    import xarray

__all__ = ["Merged", "merge"]

TOGETHER = 100
"""Points that are saved at a time."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Merged:
    """Result of `merge`: the table, where it is, how many points were asked for and found, and damaged files.

    kept : why the result file was left as it is, although the table is another one; empty when it was written.
    """

    path: Path
    dataset: xarray.Dataset
    points: int
    found: int
    damaged: Sequence[Path]
    kept: str = ""


def merge(
    runs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Merged:
    """Put the points of several runs of one model and seed into one result file; the runs stay as they are.

    Parameters
    ----------
    runs : result files or folders of points. With one, its result file is written anew from its points.
    output : result file to write; default: that of the first run, which then gets the points of the others.
    overwrite : write it even when it holds finished conditions of which there is no point.

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
    dataset, store, empty = gather(target)
    kept = ""
    try:
        update_results(
            target, dataset, store, provenance=empty.provenance, catalogs=empty.catalog, overwrite=overwrite
        )
    except LostConditions as e:
        kept = str(e)
    keys, damaged = read_plan(target).keys, dict.fromkeys(store.damaged)
    found = set(keys) & set(store.keys()) - {p.name for p in damaged}
    return Merged(
        path=target, dataset=dataset, points=len(keys), found=len(found), damaged=tuple(damaged), kept=kept
    )


def _gather_files(sources: Sequence[Path], target: Path) -> None:
    tables = [read_empty_table(s) for s in sources]
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
            records: dict[str, PointRecord] = {}
            for key in plan.keys:
                if here.summary(key) is not None:
                    continue
                if key in finished and (record := there.get(key)) is not None:
                    records[key] = record
                    if len(records) == TOGETHER:
                        here.save_all(records)
                        records = {}
                elif key in failed and (failure := there.load_failure(key)) is not None:
                    here.save_failure(key, failure)
            here.save_all(records)


def _united_plan(plans: Sequence[Plan]) -> Plan:
    """All points; of two for the same temperature and field, the one of the earlier run."""
    found: dict[tuple[object, ...], tuple[str, float, np.ndarray, Mapping[str, float]]] = {}
    for plan in plans:
        for point in zip(plan.keys, plan.temperature, plan.field, plan.coordinates, strict=True):
            _, t, f, place = point
            found.setdefault((float(t), *map(float, f), *sorted(place.items())), point)
    points = list(found.values())
    return Plan(
        tuple(p[0] for p in points),
        np.array([p[1] for p in points]),
        np.reshape([p[2] for p in points], (-1, 3)),
        tuple(p[3] for p in points),
    )
