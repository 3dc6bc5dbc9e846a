"""No finished condition is taken away from a result file, unless its point is in the folder or the user says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..arrays import axes_of
from ..errors import DamagedFile, Problem, StoreError
from .atomic import atomic_path
from .dataset import field_si
from .output import owner_mark
from .points import PointStore, stack_points
from .provenance import Provenance
from .results import open_results, read_provenance, write_results

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = [
    "Condition",
    "LostConditions",
    "condition",
    "finished_conditions",
    "finished_rows",
    "refuse_to_lose",
    "update_results",
]

Condition = tuple[float, ...]
"""Temperature in K, field vector in V/m, then composition and sample, rounded: what tells rows of results apart."""
_TELLING = ("complete", "temperature", "field", "direction_vector")
"""Arrays that it is made of, axes apart."""


class LostConditions(StoreError):
    """Finished conditions of a result file would be lost."""


def condition(
    temperature: float, field: npt.ArrayLike, coordinates: Mapping[str, float] | None = None
) -> Condition:
    """field : (3,) V/m. coordinates : name → value of the axes of composition and samples."""
    vector = np.asarray(field, float)
    size = float(np.linalg.norm(vector))
    unit = (round(float(x), 6) + 0.0 for x in vector / (size or 1.0))
    place = (float(f"{value:.9g}") for _, value in sorted((coordinates or {}).items()))
    return (float(f"{temperature:.9g}"), float(f"{size:.9g}"), *unit, *place)


def finished_conditions(path: str | Path) -> set[Condition]:
    """Those of a result file; StoreError when it cannot be read."""
    return _finished(open_results(path, only=_TELLING))


def finished_rows(dataset: xarray.Dataset) -> dict[Condition, tuple[int, ...]]:
    """Where the finished conditions of a table are ([axes,] temperature, field, direction).

    At zero field any direction.
    """
    t, strength = dataset["temperature"].values, dataset["field"].values
    vectors = dataset["direction_vector"].values
    axes = {n: dataset[n].values for n in axes_of(dataset)}
    found = {}
    for *system, i, j, k in np.argwhere(dataset["complete"].values).tolist():
        place = {n: float(v[m]) for (n, v), m in zip(axes.items(), system, strict=True)}
        found[condition(t[i], strength[j] * vectors[k], place)] = (*system, i, j, k)
    return found


def _finished(dataset: xarray.Dataset) -> set[Condition]:
    return set(finished_rows(dataset))


def _in_folder(store: PointStore) -> set[Condition]:
    """Conditions of all intact points, of whatever grid and sampling."""
    keys = store.keys()
    points = (store.summary(key) for key in keys)
    found: set[Condition] = set()
    for columns in stack_points(p for p in points if p is not None):
        vectors = np.reshape(field_si(columns.arrays["field"]), (-1, 3))
        places = [text.get("coordinates") for text in columns.texts]
        found |= set(map(condition, columns.arrays["temperature"], vectors, places))
    return found


def refuse_to_lose(path: Path, store: PointStore, kept: Iterable[Condition]) -> None:
    """LostConditions when a result file holds finished conditions not ``kept`` that have no point in the folder."""
    lost = finished_conditions(path) - set(kept)
    if lost:
        lost -= _in_folder(store)
    if lost:
        raise LostConditions(
            Problem(
                f"holds {len(lost)} finished conditions that would be lost: {store.folder.name} has no points of them",
                file=str(path),
                remedy="choose another -o, put the points back, or give them up with --overwrite",
            )
        )


def update_results(
    path: str | Path,
    dataset: xarray.Dataset,
    store: PointStore,
    *,
    provenance: Provenance,
    catalogs: Sequence[RateCatalog] | xarray.Dataset = (),
    unfinished: bool = False,
    overwrite: bool = False,
) -> None:
    """As `write_results`, where that takes nothing away; StoreError, and what is there stays, where it would.

    unfinished : the table of a run that was stopped: then no finished condition may go, wherever its point is.
    overwrite : whatever goes. A damaged result file is kept as ``NAME.damaged.h5`` in any case.
    """
    path = Path(os.path.realpath(path))
    if path.exists():
        try:
            there = read_provenance(path)
            if owner_mark(there) != owner_mark(provenance):
                raise StoreError(
                    Problem(
                        "a run with another model or seed wrote this file",
                        file=str(path),
                        remedy="choose another -o, or move it away",
                    )
                )
            if unfinished and finished_conditions(path) - _finished(dataset):
                return
            if not overwrite:
                refuse_to_lose(path, store, _finished(dataset))
        except DamagedFile:
            if unfinished:
                return
            _set_aside(path)
    write_results(path, dataset, provenance=provenance, catalogs=catalogs)


def _set_aside(path: Path) -> None:
    """Copy a damaged file to the first free of ``NAME.damaged.h5``, ``NAME.damaged-2.h5`` …"""
    stem = path.name.removesuffix(".h5")
    names = (path.with_name(f"{stem}.damaged{f'-{n}' if n > 1 else ''}.h5") for n in count(1))
    copy = next(name for name in names if not name.exists())
    with atomic_path(copy, once=True) as temporary:
        shutil.copyfile(path, temporary)
