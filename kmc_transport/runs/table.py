"""One table of all points: from records in memory, or from the files of a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..analysis import fit_arrhenius
from ..errors import InputError, KmcTransportError
from ..exact import sensitivity
from ..model.model import Model
from ..ndarrays import BoolArray, FloatArray
from ..store import (
    EmptyTable,
    Failure,
    Outline,
    Pack,
    PointRecord,
    PointStore,
    build_dataset,
    open_results,
    owner_mark,
    points_folder,
    read_empty_table,
    read_plan,
    result_path,
    update_results,
)

if TYPE_CHECKING:
    import xarray

__all__ = ["barrier_error_factor", "failures", "found", "gather", "load_table", "rebuild", "table_of"]


def table_of(
    model: Model | Outline,
    points: Iterable[PointRecord | Pack],
    *,
    failures: Iterable[Failure] = (),
    error_factor: FloatArray | None = None,
) -> xarray.Dataset:
    """Points in the grid, with what follows from all of them: Arrhenius fits, the effect of the barriers' errors.

    points : records or summaries (see `build_dataset`). error_factor : ``barrier_error_factor``; computed from
    the model when it is None.
    """
    outline = model if isinstance(model, Outline) else Outline.of_model(model)
    if error_factor is None:
        assert isinstance(model, Model)
    factor = (
        barrier_error_factor(model) if isinstance(model, Model) and error_factor is None else error_factor
    )

    def extra(data: Mapping[str, np.ndarray]) -> dict[str, Any]:
        fits = outline.in_each_system(
            data, lambda one: _arrhenius(outline, one) | _arrhenius_of_rates(outline, one)
        )
        return {**fits, "barrier_error_factor": factor}

    return build_dataset(outline, points, extra=extra, failures=failures)


def gather(path: str | Path) -> tuple[xarray.Dataset, PointStore, EmptyTable]:
    """The table of a run from its folder of points, finished or not; the folder, with what was damaged in it.

    path : the result file (it need not exist). StoreError when there is no sweep.
    """
    plan, empty = read_plan(path), read_empty_table(path)
    store = PointStore(points_folder(path), owner_mark(empty.provenance))
    dataset = table_of(
        empty.outline,
        found(store, plan.keys),
        failures=failures(store, plan.keys),
        error_factor=empty.error_factor,
    )
    return dataset, store, empty


def load_table(run: str | Path, on_damaged: Callable[[Path], None] = lambda _: None) -> xarray.Dataset:
    """The table of a run: from its result file, or from its folder of points (NAME.points), finished or not.

    on_damaged : told files of points that are damaged, or hold another point, and count as missing. Raises StoreError
    when there is neither.
    """
    path = Path(run)
    if path.suffix == ".points" and not path.exists() and result_path(path).exists():
        path = result_path(path)
    if path.suffix == ".points" or (not path.exists() and points_folder(path).exists()):
        dataset, store, _ = gather(result_path(path))
        for file in dict.fromkeys(store.damaged):
            on_damaged(file)
        return dataset
    return open_results(path)


def found(store: PointStore, keys: Iterable[str]) -> Iterator[Pack]:
    """Summaries of the intact points among ``keys``."""
    there = set(store.keys())
    for key in keys:
        if key in there and (point := store.summary(key)) is not None:
            yield point


def failures(store: PointStore, keys: Iterable[str]) -> list[Failure]:
    """Those of ``keys`` that could not be simulated."""
    there = set(store.failed_keys())
    notes = (store.load_failure(key) for key in keys if key in there)
    return [note for note in notes if note is not None]


def rebuild(path: str | Path, *, overwrite: bool = False) -> tuple[xarray.Dataset, PointStore]:
    """Write the result file anew from the points, as `gather` finds them; StoreError as `update_results`."""
    dataset, store, empty = gather(path)
    update_results(
        path, dataset, store, provenance=empty.provenance, catalogs=empty.catalog, overwrite=overwrite
    )
    return dataset, store


def barrier_error_factor(model: Model) -> FloatArray:
    """(n_temperatures, n_directions, S): what the barriers' own uncertainty does to the weak-field mobility."""
    c = model.conditions
    factor = np.full((len(c.temperature), len(c.direction), len(model.carriers)), np.nan)
    if all(h.barrier_stderr is None for h in model.hop_classes):
        return factor
    for t, d in np.ndindex(*factor.shape[:2]):
        with contextlib.suppress(KmcTransportError):  # no single answer for one carrier alone
            factor[t, d] = sensitivity(
                model, temperature=float(c.temperature[t]), direction=c.direction[d], dilute=True
            ).error_factor
    return factor


def _arrhenius(outline: Outline, data: Mapping[str, np.ndarray]) -> dict[str, npt.NDArray[Any]]:
    """Arrhenius fits at zero field, for each direction and carrier: of mobility x temperature and of D."""
    none = np.full(
        (outline.sizes["temperature"], outline.sizes["direction"], outline.sizes["carrier"]), np.nan
    )
    series = {"arrhenius": (none, none), "diffusivity": (none, none)}
    converged = np.zeros(none.shape[:2], np.bool_)
    zero = np.flatnonzero(outline.coordinates["field"] == 0)
    if len(zero):
        at, t = zero[0], outline.coordinates["temperature"][:, None, None]
        unit = outline.coordinates["direction_vector"]
        mobility, tracer = (
            [data[f"{name}{s}"][:, at] for s in ("", "_stderr")]
            for name in ("mobility_einstein", "tracer_diffusivity")
        )
        along = [
            np.einsum("di,tdaij,dj->tda", u, x, u) for u, x in zip((unit, np.abs(unit)), tracer, strict=True)
        ]
        series = {
            "arrhenius": (mobility[0] * t, mobility[1] * t),
            "diffusivity": (along[0], along[1]),
        }
        converged = data["converged"][:, at]
    return {
        f"{name}_{k}": x
        for name, (value, stderr) in series.items()
        for k, x in _fits(outline.coordinates["temperature"], value, stderr, converged).items()
    }


def _fits(
    t: FloatArray, value: FloatArray, stderr: FloatArray, converged: BoolArray
) -> dict[str, npt.NDArray[Any]]:
    """Of (temperature, direction, carrier) arrays; NaN where there are too few numbers."""
    shape = value.shape[1:]
    names = (
        "activation_energy",
        "activation_energy_stderr",
        "prefactor",
        "prefactor_stderr",
        "covariance",
        "chi2",
    )
    out: dict[str, npt.NDArray[Any]] = {n: np.full(shape, np.nan) for n in names}
    inaccurate = out["inaccurate"] = np.zeros(shape, np.int64)
    for d, a in np.ndindex(*shape):
        try:
            fit = fit_arrhenius(t, value[:, d, a], stderr[:, d, a])
        except InputError:
            continue  # too few temperatures, nothing but noise, or no transport along this direction
        used = np.isfinite(value[:, d, a]) & (stderr[:, d, a] > 0)
        inaccurate[d, a] = int((used & ~converged[:, d]).sum())
        out["activation_energy"][d, a] = fit.activation_energy
        out["activation_energy_stderr"][d, a] = fit.activation_energy_stderr
        out["prefactor"][d, a] = fit.sign * fit.prefactor
        out["prefactor_stderr"][d, a] = fit.prefactor_stderr
        out["covariance"][d, a] = fit.covariance[0, 1]
        if fit.points > 2:
            out["chi2"][d, a] = fit.chi2 / (fit.points - 2)
    return out


def _arrhenius_of_rates(outline: Outline, data: Mapping[str, np.ndarray]) -> dict[str, npt.NDArray[Any]]:
    """Arrhenius fits of hop and flip rates without field, where they were asked for and there are two temperatures."""
    out: dict[str, npt.NDArray[Any]] = {}
    zero = np.flatnonzero(outline.coordinates["field"] == 0)
    for rate in ("hop_rate", "flip_rate"):
        if rate not in data or not len(zero):
            continue
        value, stderr = (data[f"{rate}{s}"][:, zero[0]] for s in ("", "_stderr"))
        fitted = {n: np.full(value.shape[1:], np.nan) for n in ("activation_energy", "prefactor")}
        errors = {n: np.full(value.shape[1:], np.nan) for n in fitted}
        for at in np.ndindex(*value.shape[1:]):
            one = (slice(None), *at)
            with contextlib.suppress(InputError):  # too few temperatures, nothing but noise
                fit = fit_arrhenius(outline.coordinates["temperature"], value[one], stderr[one])
                fitted["activation_energy"][at] = fit.activation_energy
                fitted["prefactor"][at] = fit.prefactor
                errors["activation_energy"][at] = fit.activation_energy_stderr
                errors["prefactor"][at] = fit.prefactor_stderr
        out |= {f"{rate}_{n}": v for n, v in fitted.items()}
        out |= {f"{rate}_{n}_stderr": v for n, v in errors.items()}
    return out
