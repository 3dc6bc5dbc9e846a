"""Points placed into the grid of conditions, as one labelled dataset in SI units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import ARRAYS, CATALOG_ARRAYS, ArraySpec, attributes, base_name
from ..errors import Problem, StoreError
from ..model.model import Model
from ..units import E_CHARGE
from .points import PointRecord

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = ["build_dataset", "catalog_dataset"]

ANGSTROM = 1e-10
"""m."""
_AXES = ["x", "y", "z"]
_EMPTY: dict[str, tuple[Any, Any]] = {
    "float": (np.float64, np.nan),
    "int": (np.int64, 0),
    "bool": (np.bool_, False),
    "str": (object, ""),
}


def _field_si(field: npt.ArrayLike) -> np.ndarray:
    """V/Å to V/m, rounded to 15 digits so that the user's 3e7 V/m is found again as 3e7."""
    return np.array([float(f"{e * 1e10:.15g}") for e in np.ravel(field)])


class _Grid:
    """Where in the grid of conditions a point belongs."""

    def __init__(self, model: Model) -> None:
        c = model.conditions
        self.temperature, self.field, self.direction = c.temperature, c.field, c.direction

    def directions_like(self, vectors: np.ndarray) -> np.ndarray:
        """(n_directions, n) whether each direction of the grid is that unit vector."""
        return np.linalg.norm(self.direction[:, None] - vectors[None], axis=2) < 1e-9

    def places(self, record: PointRecord) -> tuple[int, int, np.ndarray]:
        """Indices of temperature, field and (all) directions. StoreError when off the grid."""
        strength = float(np.linalg.norm(record.field))
        t = np.flatnonzero(np.isclose(self.temperature, record.temperature, rtol=1e-12, atol=0))
        f = np.flatnonzero(np.isclose(self.field, strength, rtol=1e-9, atol=0))
        if strength == 0:
            d = np.arange(len(self.direction))
        else:
            d = np.flatnonzero(self.directions_like(record.field[None] / strength)[:, 0])
        if not (len(t) and len(f) and len(d)):
            raise StoreError(
                Problem(
                    "this point is not on the grid of conditions",
                    value=f"{record.temperature} K, field {record.field} V/Å",
                    remedy="merge only points of the input's own grid",
                )
            )
        return int(t[0]), int(f[0]), d


def build_dataset(
    model: Model, points: Iterable[PointRecord], *, extra: Mapping[str, npt.ArrayLike] | None = None
) -> xarray.Dataset:
    """Place points into the grid of ``model.conditions``; what is missing is NaN (counts 0, text empty).

    A point at zero field fills every direction. ``complete`` marks points that hold values; a record with
    ``exacts`` alone fills the ``_exact`` arrays and leaves it false. ``_exact`` arrays that nothing fills, and
    the conductivity of a cell without a volume, are left out. ``einstein_deviation`` is computed here.

    Parameters
    ----------
    extra : arrays over the whole grid by name (``arrhenius_activation_energy``, its ``_stderr`` …).

    Raises
    ------
    StoreError
        For a point off the grid, or an array of the wrong shape.
    """
    import xarray as xr

    grid = _Grid(model)
    coordinates = _coordinates(model)
    sizes = {
        name: len(v) for name, v in coordinates.items() if name in ARRAYS and ARRAYS[name].dims == (name,)
    }

    def empty(spec: ArraySpec) -> np.ndarray:
        dtype, fill = _EMPTY[spec.dtype]
        return np.full([sizes[d] for d in spec.dims], fill, dtype)

    data: dict[str, np.ndarray] = {}
    for spec in ARRAYS.values():
        if spec.origin != "point" or (spec.name == "conductivity" and model.volume is None):
            continue
        data |= {name: empty(spec) for name in spec.names if not name.endswith("_exact")}
    data["complete"] = empty(ARRAYS["complete"])

    for record in points:
        t, f, directions = grid.places(record)
        if record.values:
            data["complete"][t, f, directions] = True
        for suffix, part in (("", record.values), ("_stderr", record.stderrs), ("_exact", record.exacts)):
            for name, value in part.items():
                if name == "conductivity" and model.volume is None:
                    continue
                spec = ARRAYS[name]
                if name + suffix not in data:
                    data[name + suffix] = empty(spec)
                _place(data[name + suffix], spec, value, record, grid, (t, f, directions))

    data |= {name: np.asarray(value) for name, value in (extra or {}).items()}
    data.setdefault("einstein_deviation", _einstein_deviation(data, model))
    variables = {}
    for name, values in data.items():
        spec = ARRAYS.get(base_name(name)) or _unknown(name)
        shape = tuple(sizes[d] for d in spec.dims)
        if values.shape != shape:
            raise StoreError(Problem("has the wrong shape", name, values.shape, f"{shape}: {spec.dims}"))
        if spec.dtype == "str":
            values = values.astype(str)
        variables[name] = xr.Variable(spec.dims, values, attributes(name))
    order = {name: i for i, name in enumerate(ARRAYS)}
    variables = dict(sorted(variables.items(), key=lambda item: order[base_name(item[0])]))
    coords = {n: xr.Variable(ARRAYS[n].dims, v, attributes(n)) for n, v in coordinates.items()}
    return xr.Dataset(variables, coords, {"title": model.title})


def _unknown(name: str) -> ArraySpec:
    raise StoreError(
        Problem("is not in the registry of arrays", name, remedy="define it in kmc_transport/arrays.py")
    )


def _coordinates(model: Model) -> dict[str, np.ndarray]:
    names = np.array([c.name for c in model.carriers], dtype=str)
    return {
        "temperature": np.array(model.conditions.temperature, np.float64),
        "field": _field_si(model.conditions.field),
        "direction": np.array(model.conditions.direction_label, dtype=str),
        "carrier": names,
        "axis": np.array(_AXES),
        "carrier_2": names,
        "axis_2": np.array(_AXES),
        "hop_class": np.array([c.name for c in model.hop_classes], dtype=str),
        "direction_vector": np.array(model.conditions.direction, np.float64),
        "carrier_charge": np.array([c.charge * E_CHARGE for c in model.carriers]),
        "carrier_count": np.array([c.count for c in model.carriers], np.int64),
    }


def _place(
    target: np.ndarray,
    spec: ArraySpec,
    value: Any,
    record: PointRecord,
    grid: _Grid,
    place: tuple[int, int, np.ndarray],
) -> None:
    t, f, directions = place
    expected = target.shape[3:]
    if spec.per_direction:
        expected = (len(record.directions), *expected)
    if np.shape(value) != expected:
        raise StoreError(
            Problem(
                "has the wrong shape in a point",
                spec.name,
                np.shape(value),
                f"{expected}: {spec.point_dims}",
            )
        )
    if not spec.per_direction:
        target[t, f, directions] = value
        return
    same = grid.directions_like(record.directions)
    for d in directions:
        rows = np.flatnonzero(same[d])
        if len(rows):
            target[t, f, d] = value[rows[0]]


def _einstein_deviation(data: Mapping[str, np.ndarray], model: Model) -> np.ndarray:
    """(n_temperatures, n_directions, n_carriers); NaN where one of the two mobilities is missing."""
    strength = model.conditions.field
    zero, nonzero = np.flatnonzero(strength == 0), np.flatnonzero(strength > 0)
    weak = data["mobility"][:, 0]
    if not (len(zero) and len(nonzero)):
        return np.full_like(weak, np.nan)
    z, k = zero[0], nonzero[np.argmin(strength[nonzero])]
    difference = data["mobility"][:, k] - data["mobility_einstein"][:, z]
    error = np.hypot(data["mobility_stderr"][:, k], data["mobility_einstein_stderr"][:, z])
    return np.divide(difference, error, out=np.full_like(difference, np.nan), where=error > 0)


def catalog_dataset(catalogs: Sequence[RateCatalog]) -> xarray.Dataset:
    """Hop table of catalogs of one model at several temperatures and one field; the group ``catalog`` of results.

    One row per directed hop of the cell, order of ``model.network``.
    """
    import xarray as xr

    model, net = catalogs[0].model, catalogs[0].model.network
    classes = [model.hop_classes[c] for c in net.hop_class]
    labels = model.structure.labels
    columns: dict[str, Any] = {
        "temperature": np.array([c.temperature for c in catalogs]),
        "axis": np.array(_AXES),
        "class_name": np.array([c.name for c in classes], dtype=str),
        "carrier_name": np.array([model.carriers[c].name for c in net.carrier], dtype=str),
        "origin": np.array([labels[i] for i in net.origin], dtype=str),
        "target": np.array([labels[i] for i in net.target], dtype=str),
        "origin_site": np.array(net.origin),
        "target_site": np.array(net.target),
        "orientation": np.array(net.orientation),
        "reverse": np.array(net.reverse),
        "channels": np.array([c.channels for c in classes], np.int64),
        "vector": net.vector * ANGSTROM,
        "saddle_dipole": catalogs[0].saddle_dipole * (E_CHARGE * ANGSTROM),
        "rule": np.array([c.rule for c in classes], dtype=str),
        "operation": np.array([model.structure.operation_text(int(o)) for o in net.operation], dtype=str),
        "barrier": np.stack([c.barrier for c in catalogs]),
        "effective_barrier": np.stack([c.effective_barrier for c in catalogs]),
        "attempt_frequency": np.stack([c.attempt_frequency for c in catalogs]),
        "log_rate": np.stack([c.log_rate for c in catalogs]),
        "source": np.array([c.source for c in classes], dtype=str),
        "read_from": np.array([c.read_from for c in classes], dtype=str),
    }
    variables = {
        n: xr.Variable(CATALOG_ARRAYS[n].dims, v, attributes(n, CATALOG_ARRAYS)) for n, v in columns.items()
    }
    coords = {n: variables.pop(n) for n in ("temperature", "axis")}
    title = {"title": f"Rates of {model.title}", "field_V_per_m": _field_si(catalogs[0].field)}
    return xr.Dataset(variables, coords, title)
