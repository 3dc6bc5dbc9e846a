"""Are the files what they were, and does a point come out the same bit for bit when it is simulated again?"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem, StoreError
from ..model import classical_model, load_model, load_model_text
from ..model.model import Model
from ..records import ExitReason, Tallies
from ..store import (
    PointRecord,
    PointStore,
    Provenance,
    open_results,
    owner_mark,
    package_versions,
    points_folder,
    read_frame,
    read_plan,
    result_path,
)
from .grid import GridPoint, grid_points, model_identity
from .job import Job, simulate_point
from .table import gather

__all__ = ["Verification", "recorded_model", "verify"]

OUTSIDE = "of another grid or sampling"
LIMITED = "stopped by the limit on wall time, so that where they ended depends on the machine"
UNKNOWN = "their conditions or sampling were changed in Python"
"""Why points are not simulated again."""
NOT_REPEATED = ("wall_time",)
"""What a point says that depends on the machine."""


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    points : finished ones. damaged : files that cannot be read or fail their checksum. stale : whether the result
    file differs from its points. repeated : the points that were simulated again (temperature in K, field in V/Å),
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

    @property
    def good(self) -> bool:
        """Nothing is damaged, nothing came out different."""
        return not (self.damaged or self.stale or any(names for _, _, names in self.repeated))


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
    on_repeat : told each point before it is simulated again.

    Raises
    ------
    StoreError
        When there is no sweep, or ``model`` is another one.
    """
    path = result_path(Path(run))
    empty, plan = read_frame(path), read_plan(path)
    store = PointStore(points_folder(path), owner_mark(empty.provenance))
    damaged: list[Path] = []
    intact: list[str] = []
    candidates: list[str] = []
    skipped: Counter[str] = Counter()
    planned = set(plan.keys)
    every = store.keys()
    for key in every:
        try:
            record = store.load(key)
        except StoreError:
            damaged.append(store.path(key))
            continue
        intact.append(key)
        if key not in planned:
            skipped[OUTSIDE] += 1
        elif record.values["exit_reason"] == ExitReason.TIME_LIMIT.value:
            skipped[LIMITED] += 1
        else:
            candidates.append(key)
    stale = path.exists() and _differs(path)
    note = ""
    repeated: list[tuple[float, tuple[float, ...], tuple[str, ...]]] = []
    try:
        found = recorded_model(empty.provenance) if model is None else model
        if model_identity(found) != empty.provenance.identity:
            raise StoreError(Problem("is another model than that of this run", file=str(run)))
    except InputError as e:
        if model is not None:
            raise
        found, note = None, f"no point was simulated again: {e.problems[0].message}"
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
            zero = store.get(known[key].zero) if known[key].zero else None
            again = simulate_point(
                Job(found, empty.provenance.seed),
                GridPoint(record.temperature, record.field, key, targets, known[key].zero, zero),
            ).record
            names = ("no record",) if again is None else tuple(differences(record, again))
            repeated.append((record.temperature, tuple(record.field.tolist()), names))
    then, now = empty.provenance.versions, package_versions()
    versions = {n: (then[n], now.get(n, "missing")) for n in then if then[n] != now.get(n)}
    return Verification(
        path,
        len(intact) + len(damaged),
        tuple(damaged),
        stale,
        tuple(repeated),
        versions,
        note,
        dict(skipped) if found is not None and repeat else {},
    )


def recorded_model(provenance: Provenance) -> Model:
    """The model of a run, from the input that it recorded.

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
            if model_identity(made) == provenance.identity:
                return made
    raise InputError(
        Problem(
            "the input that the run recorded does not give its model (files that it reads have changed, or the "
            "model was changed in Python)",
            remedy="give the input: --input FILE",
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
