"""Are the files what they were, and does a point come out the same bit for bit when it is simulated again?"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS, base_name
from ..engine.canonical.settle import settled
from ..errors import DamagedFile, InputError, MisplacedFile, Problem, StoreError
from ..input import load_model, load_model_text
from ..model import classical_model
from ..model.model import Model
from ..records import ExitReason, Tallies
from ..store import (
    PointRecord,
    PointStore,
    Provenance,
    condition,
    finished_rows,
    lock_output,
    open_results,
    owner_mark,
    package_versions,
    points_folder,
    read_empty_table,
    read_plan,
    read_provenance,
    result_path,
)
from .grid import grid_points, model_identity
from .job import Job, simulate_point
from .table import gather, table_of

if TYPE_CHECKING:
    import xarray

__all__ = ["Verification", "discard_damaged", "recorded_model", "verify"]

OUTSIDE = "of another grid or sampling"
LIMITED = "stopped by the limit on wall time, so that where they ended depends on the machine"
ROUNDS = "of rounds, whose targets the result file does not hold"
UNKNOWN = "their conditions or sampling were changed in Python"
"""Why points are not simulated again."""
NOT_REPEATED = ("wall_time",)
"""What a point says that depends on the machine."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Result of `verify`.

    points : finished ones. damaged : files that are cut off or fail their checksum. misplaced : intact files that hold
    another point than their name says, or belong to another run. stale : whether the result file differs from its
    points. repeated : the points that were simulated again (temperature in K, field in V/Å),
    with the names that came out different. versions : packages that have another version now (then, now). note : why
    nothing was simulated again. skipped : reason → number of intact points that were not drawn from.
    """

    path: Path
    points: int
    damaged: tuple[Path, ...]
    stale: bool
    repeated: tuple[tuple[float, tuple[float, ...], tuple[str, ...]], ...]
    versions: Mapping[str, tuple[str, str]]
    note: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)
    misplaced: tuple[Path, ...] = ()

    @property
    def good(self) -> bool:
        """Nothing is damaged, nothing came out different."""
        return not (
            self.damaged or self.misplaced or self.stale or any(names for _, _, names in self.repeated)
        )


def verify(
    run: str | os.PathLike[str],
    *,
    repeat: int = 1,
    model: Model | None = None,
    draw: Callable[[int], int] | None = None,
    on_repeat: Callable[[PointRecord], None] | None = None,
) -> Verification:
    """Check every file of a run, and simulate some random points again.

    Parameters
    ----------
    run : result file or folder of points.
    repeat : number of points to simulate again.
    model : the model; default: from the input that the run recorded.
    draw : random number below its argument, by default of the system.
    on_repeat : told each point before it is simulated again (of a result file alone: what its row holds of it).

    Raises
    ------
    StoreError
        When there is no sweep, or ``model`` is another one.
    """
    path = result_path(Path(run))
    if path.exists() and not points_folder(path).exists():
        return verify_file(path, repeat=repeat, model=model, draw=draw, on_repeat=on_repeat)
    empty, plan = read_empty_table(path), read_plan(path)
    store = PointStore(points_folder(path), owner_mark(empty.provenance))
    damaged: list[Path] = []
    misplaced: list[Path] = []
    intact: list[str] = []
    candidates: list[str] = []
    skipped: Counter[str] = Counter()
    planned = set(plan.keys)
    every = store.keys()
    for key in every:
        try:
            record = store.load(key)
        except DamagedFile:
            damaged.append(store.path(key))
            continue
        except MisplacedFile:
            misplaced.append(store.path(key))
            continue
        intact.append(key)
        if key not in planned:
            skipped[OUTSIDE] += 1
        elif record.values["exit_reason"] == ExitReason.TIME_LIMIT.value:
            skipped[LIMITED] += 1
        else:
            candidates.append(key)
    damaged += [p for p in store.damaged if p.parent == store.folder]  # databases
    stale = False
    if path.exists():
        try:
            stale = _differs(path)
        except DamagedFile:
            damaged.append(path)
    repeated: list[tuple[float, tuple[float, ...], tuple[str, ...]]] = []
    found, note = _model_of(path, empty.provenance, model)
    if found is not None and repeat:
        known = {p.key: p for p in grid_points(found, empty.provenance.seed)}
        if unknown := len(candidates) - len(known.keys() & candidates):
            skipped[UNKNOWN] = unknown
            candidates = [k for k in candidates if k in known]
        if not candidates and intact:
            note = "no point was simulated again"
        while candidates and len(repeated) < repeat:
            key = candidates.pop((draw or secrets.randbelow)(len(candidates)))
            record = store.load(key)
            if on_repeat is not None:
                on_repeat(record)
            targets = tuple(record.meta.get("targets", ()))
            job, zero_key = Job(model=found, root=empty.provenance.seed), known[key].zero
            zero = None
            if zero_key:  # of a weak field
                zero = store.get(zero_key) or simulate_point(job, known[zero_key]).record
            again = simulate_point(job, replace(known[key], targets=targets, without_field=zero)).record
            names = ("no record",) if again is None else tuple(differences(record, again))
            repeated.append((record.temperature, tuple(record.field.tolist()), names))
    return Verification(
        path=path,
        points=len(every),
        damaged=tuple(damaged),
        stale=stale,
        repeated=tuple(repeated),
        versions=_other_versions(empty.provenance),
        note=note,
        skipped=dict(skipped) if found is not None and repeat else {},
        misplaced=tuple(misplaced),
    )


def verify_file(
    path: Path,
    *,
    repeat: int,
    model: Model | None,
    draw: Callable[[int], int] | None,
    on_repeat: Callable[[PointRecord], None] | None,
) -> Verification:
    """As `verify`, of a result file whose folder of points is gone: its checksum, and its rows simulated again."""
    written, provenance = open_results(path), read_provenance(path)
    found, note = _model_of(path, provenance, model)
    rows = finished_rows(written)
    skipped: Counter[str] = Counter()
    candidates = []
    for point in [] if found is None else grid_points(found, provenance.seed):
        row = rows.get(condition(point.temperature, point.field * 1e10, dict(point.coordinates)))
        if row is None:
            continue
        if found is not None and found.sampling.table_error is not None:
            skipped[ROUNDS] += 1
        elif written["exit_reason"].values[row] == ExitReason.TIME_LIMIT.value:
            skipped[LIMITED] += 1
        else:
            candidates.append((point, row))
    repeated: list[tuple[float, tuple[float, ...], tuple[str, ...]]] = []
    while candidates and found is not None and len(repeated) < repeat:
        point, row = candidates.pop((draw or secrets.randbelow)(len(candidates)))
        if on_repeat is not None:
            seconds = {"wall_time": written["wall_time"].values[row]}
            on_repeat(PointRecord(temperature=point.temperature, field=point.field, values=seconds))
        record = simulate_point(Job(model=found, root=provenance.seed), point).record
        names = ("no record",) if record is None else _different_rows(written, row, table_of(found, [record]))
        repeated.append((point.temperature, tuple(point.field.tolist()), names))
    return Verification(
        path=path,
        points=len(rows),
        damaged=(),
        stale=False,
        repeated=tuple(repeated),
        versions=_other_versions(provenance),
        note=note or "the folder of points is gone: rows of the result file were looked at",
        skipped=dict(skipped) if repeat else {},
    )


def _different_rows(written: xarray.Dataset, row: tuple[int, ...], again: xarray.Dataset) -> tuple[str, ...]:
    """Names of what is not the same bit for bit in a row and in the table of the same point simulated again."""
    (here,) = set(finished_rows(again).values())
    names = [n for n in again.data_vars if n in written and ARRAYS[base_name(str(n))].origin == "point"]
    return tuple(
        str(n)
        for n in names
        if n not in NOT_REPEATED and not _same(written[n].values[row], again[n].values[here])
    )


def _model_of(path: Path, provenance: Provenance, model: Model | None) -> tuple[Model | None, str]:
    """The model to simulate with, or why there is none. StoreError when the one given is another."""
    try:
        found = recorded_model(provenance) if model is None else model
        if model_identity(found) != provenance.identity:
            raise StoreError(Problem("is another model than that of this run", file=str(path)))
    except InputError as e:
        if model is not None:
            raise
        return None, f"no point was simulated again: {e.problems[0].message}"
    return settled(found), ""


def _other_versions(provenance: Provenance) -> dict[str, tuple[str, str]]:
    then, now = provenance.versions, package_versions()
    return {n: (then[n], now.get(n, "missing")) for n in then if then[n] != now.get(n)}


def discard_damaged(found: Verification) -> list[Path]:
    """Delete the damaged points, each looked at once more; those that went. StoreError while a run is at work there."""
    gone = []
    with lock_output(found.path):
        store = PointStore(points_folder(found.path))
        store.keys(), store.failed_keys()
        gone += store.mend()
        for path in found.damaged:
            try:
                if path.parent.parent == store.folder:  # DATABASE/KEY
                    store.load(path.name)
            except DamagedFile:
                store.discard(path.name)
                gone.append(path)
            except StoreError:
                continue
    return gone


def recorded_model(
    provenance: Provenance,
    as_simulated: Callable[[Model], Model] = lambda model: model,
    remedy: str = "give the input: --input FILE",
) -> Model:
    """The model of a run, from the input that it recorded.

    as_simulated : what was made of the input's model; it is the outcome that was recorded. remedy : where it fails.

    Raises InputError when that is not enough: files of other codes are not recorded, and may be elsewhere by now.
    """
    try:
        model = load_model_text(provenance.input_text, files=dict(provenance.files))
    except InputError:
        model = load_model(Path(provenance.input_path))  # beside the files that it reads
    for candidate in (model, replace(model, sampling=replace(model.sampling, seed=None))):
        for variant in (lambda m: m, classical_model):
            try:
                made = variant(candidate)
            except InputError:
                continue
            made = as_simulated(made)
            if model_identity(made) == provenance.identity:
                return made
    raise InputError(
        Problem(
            "the input that the run recorded does not give its model (files that it reads have changed, or the "
            "model was changed in Python)",
            remedy=remedy,
        )
    )


def differences(a: PointRecord, b: PointRecord) -> list[str]:
    """Names of what is not the same bit for bit in two records of one point."""
    wrong = []
    for part in ("values", "stderrs", "exacts"):
        one, two = getattr(a, part), getattr(b, part)
        for name in sorted(set(one) | set(two)):
            if name in NOT_REPEATED:
                continue
            if name not in one or name not in two or not _same(one[name], two[name]):
                wrong.append(name if part == "values" else f"{name} ({part})")
    if len(a.tallies) != len(b.tallies):
        return [*wrong, "tallies"]
    for one, two in zip(a.tallies, b.tallies, strict=True):
        wrong += [
            f"tallies.{f.name}"
            for f in fields(Tallies)
            if not _same(getattr(one, f.name), getattr(two, f.name))
        ]
    return wrong


def _same(a: Any, b: Any) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


def _differs(path: Path) -> bool:
    """Whether the result file is not what its points give, where it says that a point is complete."""
    written, points = open_results(path), gather(path)[0]
    if any(written.sizes[d] != points.sizes[d] for d in points.sizes):
        return True
    for name in points.variables:
        if name not in written:
            return True
        a, b = written[name].values, points[name].values
        equal = np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")
        if not equal:
            return True
    return False
