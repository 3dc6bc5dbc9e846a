"""Points placed into the grid of conditions, as one labelled dataset in SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import (
    ARRAYS,
    CATALOG_ARRAYS,
    OBSERVABLES,
    SAMPLE,
    ArraySpec,
    attributes,
    axis_attributes,
    base_name,
)
from ..errors import Problem, StoreError
from ..model.model import Model
from ..model.ways import single_file_lengths
from ..records import Missing
from ..units import E_CHARGE
from .pack import Pack
from .points import Columns, Failure, PointRecord, stack_points
from .slopes import differential_mobility

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = ["Outline", "build_dataset", "catalog_columns", "catalog_dataset", "field_si"]

ANGSTROM = 1e-10
"""m."""
PER_VOLUME = ("conductivity", "onsager")
_AXES = ["x", "y", "z"]
_EMPTY: dict[str, tuple[Any, Any]] = {
    "float": (np.float64, np.nan),
    "int": (np.int64, 0),
    "bool": (np.bool_, False),
    "str": (object, ""),
}


def field_si(field: npt.ArrayLike) -> np.ndarray:
    """V/Å to V/m, rounded to 15 digits so that the user's 3e7 V/m is found again as 3e7."""
    return np.array([float(f"{e * 1e10:.15g}") for e in np.ravel(field)])


@dataclass(frozen=True, eq=False)
class Outline:
    """What a table of results looks like before any point is in it: the grid, the carriers, the classes of hops.

    coordinates : name → array, as in the result file (SI). axes : names of the axes of composition, then ``sample``.
    """

    title: str
    coordinates: Mapping[str, np.ndarray]
    has_volume: bool
    axes: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: Model) -> Outline:
        from ..analysis.observables import coordinates_of

        more = coordinates_of(model.observed, model)
        coordinates = {**_coordinates(model), **more, **_axes_of_model(model)}
        return cls(model.title, coordinates, model.volume is not None, tuple(model.axes))

    @property
    def sizes(self) -> dict[str, int]:
        """Of all dimensions but `axes`."""
        found = {n: v for n, v in self.coordinates.items() if n not in self.axes}
        return {n: len(v) for n, v in found.items() if ARRAYS[n].dims == (n,)}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of `axes`; empty without."""
        return tuple(len(self.coordinates[n]) for n in self.axes)

    def dims(self, name: str) -> tuple[str, ...]:
        """Dimensions of an array in the dataset."""
        if name in self.axes:
            return (name,)
        spec = ARRAYS.get(base_name(name)) or _unknown(name)
        if spec.origin != "coordinate":
            return spec.dims if spec.of_barriers else (*self.axes, *spec.dims)
        return (*self.axes[: self.coordinates[name].ndim - len(spec.dims)], *spec.dims)

    def in_each_system(
        self,
        data: Mapping[str, np.ndarray],
        function: Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]],
    ) -> dict[str, np.ndarray]:
        """What a function makes of the arrays of one composition and sample, for all of them.

        data : arrays of points of all systems.
        """
        parts = [function({n: v[at] for n, v in data.items()}) for at in np.ndindex(*self.shape)]
        return {
            n: np.stack([np.asarray(p[n]) for p in parts]).reshape(*self.shape, *np.shape(parts[0][n]))
            for n in parts[0]
        }


class _Grid:
    """Where in the grid of conditions points belong."""

    def __init__(self, outline: Outline) -> None:
        self.temperature = outline.coordinates["temperature"]
        self.field = outline.coordinates["field"]  # V/m
        self.direction = outline.coordinates["direction_vector"]
        self.axes = {n: np.asarray(outline.coordinates[n], float) for n in outline.axes}

    def system(self, coordinates: Mapping[str, float]) -> tuple[int, ...]:
        """Indices on the axes of composition and samples; StoreError when off them."""
        if coordinates.keys() == self.axes.keys():
            found = [np.flatnonzero(values == coordinates[n]) for n, values in self.axes.items()]
            if all(map(len, found)):
                return tuple(int(at[0]) for at in found)
        raise StoreError(
            Problem(
                "this point is not on the axes of the table",
                value=", ".join(f"{n} = {v:g}" for n, v in coordinates.items()) or "no axes",
                remedy="merge only points of the input's own grid",
            )
        )

    def by_system(self, columns: Columns) -> Iterator[tuple[tuple[int, ...], Columns]]:
        """Points of each composition and sample, with its indices."""
        rows: dict[tuple[int, ...], list[int]] = {}
        for row, text in enumerate(columns.texts):
            rows.setdefault(self.system(text.get("coordinates", {})), []).append(row)
        for at, own in rows.items():
            if len(rows) == 1:
                yield at, columns
            else:
                yield (
                    at,
                    Columns({n: a[own] for n, a in columns.arrays.items()}, [columns.texts[i] for i in own]),
                )

    def directions_like(self, vectors: np.ndarray) -> np.ndarray:
        """(n_directions, n) whether each direction of the grid is that unit vector."""
        return np.linalg.norm(self.direction[:, None] - vectors[None], axis=2) < 1e-9

    def without_unasked(self, columns: Columns) -> Columns:
        """Without runs at zero field that serve weak fields alone: the grid has no row for them."""
        driven = columns.arrays["field"].any(axis=1)
        if np.any(self.field == 0) or driven.all():
            return columns
        texts = [columns.texts[i] for i in np.flatnonzero(driven)]
        return Columns({n: a[driven] for n, a in columns.arrays.items()}, texts)

    def places(self, temperature: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of temperature, field and direction (-1 at zero field: all) of points; StoreError when off it.

        temperature : (n,) K. field : (n, 3) V/Å.
        """
        strength = np.linalg.norm(field, axis=1)
        t, t_off = _nearest(self.temperature, temperature, 1e-12)
        f, f_off = _nearest(self.field, strength * 1e10, 1e-9)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = np.where(strength[:, None] > 0, field / strength[:, None], 0.0)
        same = self.directions_like(unit)
        d = np.where(strength == 0, -1, same.argmax(axis=0))
        off = np.flatnonzero(t_off | f_off | ((strength > 0) & ~same.any(axis=0)))
        if len(off):
            raise StoreError(
                Problem(
                    "this point is not on the grid of conditions",
                    value=f"{temperature[off[0]]} K, field {field[off[0]]} V/Å",
                    remedy="merge only points of the input's own grid",
                )
            )
        return t, f, d


def _nearest(grid: np.ndarray, values: np.ndarray, rtol: float) -> tuple[np.ndarray, np.ndarray]:
    """(n,) index of the nearest number of the grid, and whether it is farther than a relative ``rtol``."""
    order = np.argsort(grid)
    right = np.clip(np.searchsorted(grid, values, sorter=order), 0, len(grid) - 1)
    left = np.maximum(right - 1, 0)
    closer = np.abs(grid[order[left]] - values) < np.abs(grid[order[right]] - values)
    index = order[np.where(closer, left, right)]
    return index, ~np.isclose(values, grid[index], rtol=rtol, atol=0)


def build_dataset(
    model: Model | Outline,
    points: Iterable[PointRecord | Pack],
    *,
    extra: Mapping[str, npt.ArrayLike]
    | Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]
    | None = None,
    failures: Iterable[Failure] = (),
) -> xarray.Dataset:
    """Place points into the grid of ``model.conditions``; what is missing is NaN (counts 0, text empty).

    A point at zero field fills every direction. ``complete`` marks points that hold values; a record with
    ``exacts`` alone fills the ``_exact`` arrays and leaves it false. ``_exact`` arrays that nothing fills, and
    the arrays in `PER_VOLUME` of a cell without a volume, are left out. ``einstein_deviation`` is computed here.

    Parameters
    ----------
    model : or the outline of another dataset.
    points : records, or their summaries from files (`PointStore.summary`), which is faster.
    extra : arrays over the whole grid by name (``arrhenius_activation_energy``, its ``_stderr`` …), or what makes
        them from the arrays of the points.
    failures : points that could not be simulated; ``exit_reason`` says why, ``complete`` stays false. Those off
        the grid are left out.

    Raises
    ------
    StoreError
        For a point off the grid, or an array of the wrong shape.
    """
    import xarray as xr

    outline = model if isinstance(model, Outline) else Outline.of_model(model)
    if "observable" not in outline.coordinates:  # of an older version
        outline = replace(outline, coordinates={**_coordinates_of_estimates(), **outline.coordinates})
    grid, coordinates, sizes = _Grid(outline), outline.coordinates, outline.sizes

    def empty(spec: ArraySpec) -> np.ndarray:
        dtype, fill = _EMPTY[spec.dtype]
        return np.full([*outline.shape, *(sizes[d] for d in spec.dims)], fill, dtype)

    data: dict[str, np.ndarray] = {}
    for spec in ARRAYS.values():
        if spec.origin != "point" or (spec.name in PER_VOLUME and not outline.has_volume):
            continue
        if spec.on_request and not set(spec.dims) <= set(sizes):  # not asked for
            continue
        data |= {name: empty(spec) for name in spec.names if not name.endswith("_exact")}
    data["complete"] = empty(ARRAYS["complete"])
    for columns in stack_points(points):
        for at, own in grid.by_system(columns):
            _place(data, at, own, grid, outline, empty)
    for failure in failures:
        with suppress(StoreError):
            t, f, d = grid.places(np.array([failure.temperature]), np.array([failure.field]))
            here = (*grid.system(failure.coordinates), t[0], f[0], slice(None) if d[0] < 0 else d[0])
            data["exit_reason"][here] = np.where(
                data["complete"][here], data["exit_reason"][here], f"failed: {failure.reason}"
            )

    _without_charge(data, coordinates, len(outline.axes))
    more = extra(data) if callable(extra) else extra or {}
    data |= {name: np.asarray(value) for name, value in more.items()}
    if "einstein_deviation" not in data:
        data |= outline.in_each_system(
            _of_points(data), lambda d: {"einstein_deviation": _einstein_deviation(d, coordinates["field"])}
        )
    data |= outline.in_each_system(_of_points(data), lambda d: _slopes(d, coordinates["field"]))
    if {"differential_mobility_exact", "mobility_einstein_exact"} <= set(data):
        zero, at_zero = coordinates["field"] == 0, (slice(None),) * (len(outline.axes) + 1)
        data["differential_mobility_exact"][*at_zero, zero] = data["mobility_einstein_exact"][*at_zero, zero]
    variables = {}
    for name, values in data.items():
        dims = outline.dims(name)
        shape = tuple(len(coordinates[d]) for d in dims)
        if values.shape != shape:
            raise StoreError(Problem("has the wrong shape", name, values.shape, f"{shape}: {dims}"))
        if ARRAYS[base_name(name)].dtype == "str":
            values = values.astype(str)
        variables[name] = xr.Variable(dims, values, attributes(name))
    order = {name: i for i, name in enumerate(ARRAYS)}
    variables = dict(sorted(variables.items(), key=lambda item: order[base_name(item[0])]))
    coords = {
        n: xr.Variable(outline.dims(n), v, axis_attributes(n) if n in outline.axes else attributes(n))
        for n, v in coordinates.items()
    }
    return xr.Dataset(variables, coords, {"title": outline.title})


def _unknown(name: str) -> ArraySpec:
    raise StoreError(
        Problem("is not in the registry of arrays", name, remedy="define it in kmc_transport/arrays")
    )


def _coordinates(model: Model) -> dict[str, np.ndarray]:
    names = np.array([c.name for c in model.carriers], dtype=str)
    files = single_file_lengths(model)
    return {
        "temperature": np.array(model.conditions.temperature, np.float64),
        "field": field_si(model.conditions.field),
        "direction": np.array(model.conditions.direction_label, dtype=str),
        "carrier": names,
        **_coordinates_of_estimates(),
        "axis": np.array(_AXES),
        "carrier_2": names,
        "axis_2": np.array(_AXES),
        "hop_class": np.array([c.name for c in model.hop_classes], dtype=str),
        "hop_class_response": np.array([c.response for c in model.hop_classes], dtype=str),
        "direction_vector": np.array(model.conditions.direction, np.float64),
        "carrier_charge": np.array([c.charge * E_CHARGE for c in model.carriers]),
        "carrier_count": np.array([c.count for c in model.carriers], np.int64),
        **({"single_file_length": files * ANGSTROM} if files.any() else {}),
    }


def _axes_of_model(model: Model) -> dict[str, np.ndarray]:
    """Coordinates of composition and samples, and what depends on the composition."""
    axes = model.axes
    if not axes:
        return {}
    count = np.array([[c.count for c in s.species] for s in model.systems], np.int64)
    count = count.reshape(*map(len, axes.values()), -1)
    coordinates = {n: np.array(v, np.int64 if n == SAMPLE else np.float64) for n, v in axes.items()}
    if list(axes) == [SAMPLE]:
        return coordinates
    if SAMPLE in axes:  # the same in all samples
        count = count[..., 0, :]
    return coordinates | {
        "carrier_count": count[..., : len(model.carriers)],
        "species": np.array([c.name for c in model.species], dtype=str),
        "species_charge": np.array([c.charge * E_CHARGE for c in model.species]),
        "species_count": count,
        "species_fraction": count / (model.species_sites.sum(axis=1) * model.n_cells),
    }


def _of_points(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n: v for n, v in data.items() if (ARRAYS.get(base_name(n)) or _unknown(n)).origin == "point"}


def _slopes(data: Mapping[str, np.ndarray], strength: np.ndarray) -> dict[str, np.ndarray]:
    slope, stderr = differential_mobility(data, strength)
    return {"differential_mobility": slope, "differential_mobility_stderr": stderr}


def _coordinates_of_estimates() -> dict[str, np.ndarray]:
    return {"observable": np.array(OBSERVABLES, dtype=str)}


_SUFFIX = {"values": "", "stderrs": "_stderr", "exacts": "_exact"}


def _place(
    data: dict[str, np.ndarray],
    at: tuple[int, ...],
    columns: Columns,
    grid: _Grid,
    outline: Outline,
    empty: Callable[[ArraySpec], np.ndarray],
) -> None:
    """Put points with arrays of the same names and shapes into the arrays of the grid.

    at : their place on the axes of composition and samples.
    """
    columns = grid.without_unasked(columns)
    temperature, field = columns.arrays["temperature"], columns.arrays["field"]
    t, f, d = grid.places(temperature, field)
    arrays = {n: a for n, a in columns.arrays.items() if "/" in n}
    texts = {n for text in columns.texts for n in text if n.startswith("values/")}
    arrays |= {n: np.array([text.get(n, "") for text in columns.texts], object) for n in texts}
    # a point at zero field goes to every direction
    everywhere = [np.flatnonzero((d == k) | (d < 0)) for k in range(len(grid.direction))]
    if any(n.startswith("values/") for n in arrays):
        for k, rows in enumerate(everywhere):
            data["complete"][at][t[rows], f[rows], k] = True
    for path, values in arrays.items():
        part, name = path.split("/")
        if name in PER_VOLUME and not outline.has_volume:
            continue
        spec, full = ARRAYS[name], name + _SUFFIX[part]
        if spec.on_request and not set(spec.dims) <= set(outline.sizes):
            continue
        if full not in data:
            data[full] = empty(spec)
        target = data[full][at]
        n_directions = columns.arrays["directions"].shape[1]
        expected = (n_directions, *target.shape[3:]) if spec.per_direction else target.shape[3:]
        if values.shape[1:] != expected:
            raise StoreError(
                Problem(
                    "has the wrong shape in a point",
                    name,
                    values.shape[1:],
                    f"{expected}: {spec.point_dims}",
                )
            )
        for k, rows in enumerate(everywhere):
            if not spec.per_direction:
                target[t[rows], f[rows], k] = values[rows]
                continue
            own = columns.arrays["directions"][rows]  # (rows, n_directions, 3)
            same = np.linalg.norm(own - grid.direction[k], axis=2) < 1e-9
            found = same.any(axis=1)
            target[t[rows][found], f[rows][found], k] = values[rows[found], same[found].argmax(axis=1)]


def _without_charge(data: dict[str, np.ndarray], coordinates: Mapping[str, np.ndarray], n_axes: int) -> None:
    """No mobility of neutral carriers (what drags them along shows in their drift), no conductivity of none."""
    neutral = coordinates["carrier_charge"] == 0
    if not neutral.any():
        return
    names = list(coordinates["observable"])
    why = data["missing"]
    for name, values in data.items():
        spec = ARRAYS[base_name(name)]
        if spec.unit == "m2 V-1 s-1":
            values[(slice(None),) * (n_axes + spec.dims.index("carrier")) + (neutral,)] = np.nan
    for name in [n for n in ("mobility", "mobility_einstein") if n in names]:
        own = why[..., names.index(name), :]
        own[..., neutral] = np.where(own[..., neutral] == Missing.NOT_SIMULATED, 0, Missing.NO_CHARGE)
    if neutral.all():
        for name in [n for n in data if base_name(n) in ("conductivity", "charge_diffusivity")]:
            del data[name]


def _einstein_deviation(data: Mapping[str, np.ndarray], strength: np.ndarray) -> np.ndarray:
    """(n_temperatures, n_directions, n_carriers); NaN where one of the two mobilities is missing, or is the other."""
    zero, nonzero = np.flatnonzero(strength == 0), np.flatnonzero(strength > 0)
    weak = data["mobility"][:, 0]
    if not (len(zero) and len(nonzero)):
        return np.full_like(weak, np.nan)
    z, k = zero[0], nonzero[np.argmin(strength[nonzero])]
    difference = data["mobility"][:, k] - data["mobility_einstein"][:, z]
    error = np.hypot(data["mobility_stderr"][:, k], data["mobility_einstein_stderr"][:, z])
    deviation = np.divide(difference, error, out=np.full_like(difference, np.nan), where=error > 0)
    method = data["mobility_method"][:, k][..., None]
    deviation = np.where(method == "combined", data["response_deviation"][:, k], deviation)
    return np.where(method == "linear response", np.nan, deviation)


def catalog_columns(catalogs: Sequence[RateCatalog]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Hop table of catalogs of one model at several temperatures and one field: arrays by name, and attributes.

    One row per directed hop of the cell, order of ``model.network``.
    """
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
        "response": np.array([c.response for c in classes], dtype=str),
        "rule": np.array([c.rule for c in classes], dtype=str),
        "operation": np.array([model.structure.operation_text(int(o)) for o in net.operation], dtype=str),
        "barrier": np.stack([c.barrier for c in catalogs]),
        "effective_barrier": np.stack([c.effective_barrier for c in catalogs]),
        "attempt_frequency": np.stack([c.attempt_frequency for c in catalogs]),
        "log_rate": np.stack([c.log_rate for c in catalogs]),
        "source": np.array([c.source for c in classes], dtype=str),
        "read_from": np.array([c.read_from for c in classes], dtype=str),
    }
    if any(c.given for c in classes):
        given = [c.given_from(o) for c, o in zip(classes, net.orientation.tolist(), strict=True)]
        columns["barrier_given"] = np.array(given, dtype=np.float64)  # None is NaN
    title = {"title": f"Rates of {model.title}", "field_V_per_m": field_si(catalogs[0].field)}
    return columns, title


def catalog_dataset(catalogs: Sequence[RateCatalog]) -> xarray.Dataset:
    """The same as a dataset: the group ``catalog`` of results."""
    import xarray as xr

    columns, title = catalog_columns(catalogs)
    variables = {
        n: xr.Variable(CATALOG_ARRAYS[n].dims, v, attributes(n, CATALOG_ARRAYS)) for n, v in columns.items()
    }
    coords = {n: variables.pop(n) for n in ("temperature", "axis")}
    return xr.Dataset(variables, coords, title)
