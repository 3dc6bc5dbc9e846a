"""The points of a sweep, and what two runs must share to share points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..model.fingerprint import fingerprint
from ..model.interactions import Initial
from ..model.model import Model
from ..ndarrays import FloatArray
from ..store import Plan, PointRecord, Shard, point_key
from .weak import WeakFields

__all__ = ["GridPoint", "grid_points", "model_identity", "of_shard", "plan_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class GridPoint:
    """One temperature (K) and field vector ((3,) V/Å) to simulate, and the key its record is found by.

    system, coordinates : of composition and sample: index in ``Model.systems``, and place on the axes.

    targets : relative errors to reach one after the other (see `kmc_transport.runs.rounds`), instead of the input's.
    zero : of a weak field (see `kmc_transport.runs.weak`), key of the point without field that it needs first.
    without_field : record of that point, without its tallies, once it is there.
    """

    temperature: float
    field: FloatArray
    key: str
    targets: tuple[float, ...] = ()
    zero: str = ""
    without_field: PointRecord | None = None
    system: int = 0
    coordinates: tuple[tuple[str, float], ...] = ()


def grid_points(model: Model, root: int) -> list[GridPoint]:
    """Points of the grid: every system x temperature x field x direction; zero field once for all directions.

    Where weak fields need it, zero field is there even if the grid has no such row.
    """
    return [
        replace(point, system=index, coordinates=system.coordinates)
        for index, system in enumerate(model.systems)
        for point in _points_of_system(system, root)
    ]


def _points_of_system(model: Model, root: int) -> list[GridPoint]:
    c = model.conditions
    sampling = {k: v for k, v in asdict(model.sampling).items() if k not in ("wall_time", "seed")}
    # keys of points without them stay what they were
    for name in ("table_error", "thermodynamics", "acceleration"):
        if sampling.get(name) is None:
            sampling.pop(name, None)
    if not model.sampling.observe:
        sampling.pop("observe")
    parameters: dict[str, object] = {"root": str(root), "sampling": sampling}
    if model.coordinates:
        parameters["system"] = {"coordinates": dict(model.coordinates), "identity": model_identity(model)}
    if model.analysis.names:
        parameters["analysis"] = asdict(model.analysis)
    weak, points = WeakFields(model), []
    for temperature in map(float, c.temperature):
        nothing = np.zeros(3)
        zero = point_key(temperature, nothing, directions=c.direction.tolist(), **parameters)
        own, needed = [], bool(np.any(c.field == 0))
        first = [] if needed else [GridPoint(temperature=temperature, field=nothing, key=zero)]
        for size in c.field:
            if size == 0:
                own.append(GridPoint(temperature=temperature, field=nothing, key=zero))
                continue
            for vector in c.direction * size:
                if weak.need_run_without_field(temperature, vector):
                    key = point_key(temperature, vector, linear_response=True, **parameters)
                    own.append(GridPoint(temperature=temperature, field=vector, key=key, zero=zero))
                    needed = True
                else:
                    own.append(
                        GridPoint(
                            temperature=temperature,
                            field=vector,
                            key=point_key(temperature, vector, **parameters),
                        )
                    )
        points += [*first, *own] if needed else own
    return points


def of_shard(points: Sequence[GridPoint], shard: Shard | None) -> list[GridPoint]:
    """Every ``shard.of``-th point, so that cold and warm ones are shared out evenly; None: all.

    Weak fields go with the run without field that they need.
    """
    if shard is None:
        return list(points)
    own = {p.key for p in [p for p in points if not p.zero][shard.number - 1 :: shard.of]}
    return [p for p in points if (p.zero or p.key) in own]


def plan_of(points: Sequence[GridPoint]) -> Plan:
    return Plan(
        tuple(p.key for p in points),
        np.array([p.temperature for p in points]),
        np.reshape([p.field for p in points], (-1, 3)),
        tuple(dict(p.coordinates) for p in points),
    )


def model_identity(model: Model) -> str:
    """Fingerprint of the physics: structure, carriers, hops and their numbers; not of conditions or wording.

    Compositions and samples are conditions: of a model with such axes it has neither the numbers of the carriers nor
    what is drawn anew for each sample. Keys of points have these.
    """
    s, net = model.structure, model.network
    content = {
        "lattice": s.lattice.tolist(),
        "periodic": s.periodic.tolist(),
        "labels": s.labels,
        "frac": s.frac.tolist(),
        "cross_section": s.cross_section,
        "supercell": model.supercell,
        "carriers": [asdict(c) for c in model.carriers],
        "site_energy": [[None if np.isnan(e) else e for e in row] for row in model.site_energy],
        "hop_classes": [
            {k: v for k, v in vars(c).items() if k not in ("source", "read_from", "log")}
            for c in model.hop_classes
        ],
        "network": {name: getattr(net, name).tolist() for name in vars(net) if name != "operation"},
        "seed": model.sampling.seed,
    }
    if model.immobile:
        content["immobile"] = [asdict(c) for c in model.immobile]
        # what is drawn or annealed is a function of the rest
        content["arrangement"] = [
            fingerprint(a if a.kind == "given" else replace(a, sites=None)) for a in model.arrangement
        ]
    if model.axes:
        for kind in ("carriers", "immobile") if model.immobile else ("carriers",):
            content[kind] = [asdict(c) | {"count": None} for c in getattr(model, kind)]
        content["axes"] = list(model.axes)
    if model.slowing:
        content["slowing"] = list(model.slowing)
    if model.initial != Initial():
        content["initial"] = fingerprint(model.initial)
        # the key of runs that knew no such things
        for name, usual in (("equal_networks", False), ("each", ()), ("moves", "single")):
            if getattr(model.initial, name, usual) == usual:
                content["initial"].pop(name, None)
    for name in ("interactions", "disorder"):
        if getattr(model, name) is not None:
            content[name] = fingerprint(getattr(model, name))
    text = json.dumps(content, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """Arrays and records (modes behind an attempt frequency) as JSON holds them."""
    return value.tolist() if isinstance(value, np.ndarray) else vars(value)
