"""Means over samples of what is quenched, with errors that contain the spread between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import ARRAYS, CONDITIONS, SAMPLE, base_name

if TYPE_CHECKING:
    import xarray

__all__ = ["FROM_SAMPLES", "FROM_SAMPLING", "average_samples"]

FROM_SAMPLING, FROM_SAMPLES = "_from_sampling", "_from_samples"
"""Endings of the two parts of a standard error: of the simulations, and of the spread between samples."""
_ADDED = ("wall_time", "simulated_time", "effective_samples")
_LARGEST = ("linear_response_error", "hop_rate_limit", "diffusivity_limit", "mobility_bias", "clamped_share")
_OPEN = ("arrhenius_covariance", "diffusivity_covariance")
"""Of one fit, not of the mean of several."""

Array = npt.NDArray[Any]


def average_samples(dataset: xarray.Dataset) -> xarray.Dataset:
    """The table of the mean over the samples that are complete, without the dimension ``sample``; others as they are.

    The standard error of a mean over n samples is that of their scatter, s/sqrt(n), which holds both what is random in
    each simulation and what the samples differ in; it is never below what the simulations' own errors sigma give,
    sqrt(sum sigma²)/n. That is ``NAME_from_sampling``, and ``NAME_from_samples`` is the rest, in quadrature. Numbers of
    hops and times are added up. Fits are means over the fits of the samples: so their errors know that the points of a
    sample belong together.
    """
    if SAMPLE not in dataset.dims:
        return dataset
    import xarray as xr

    axis = dataset["complete"].dims.index(SAMPLE)
    done = np.moveaxis(dataset["complete"].values, axis, 0)
    variables: dict[str, xr.Variable] = {}
    for key, variable in dataset.variables.items():
        name = str(key)
        if SAMPLE not in variable.dims:
            variables[name] = variable
        if SAMPLE not in variable.dims or name == SAMPLE:
            continue
        dims = tuple(d for d in variable.dims if d != SAMPLE)
        values = np.moveaxis(variable.values, variable.dims.index(SAMPLE), 0)
        spec = ARRAYS[base_name(name)]
        used = _used(done, spec.dims, values.ndim)
        if name.endswith("_stderr") and spec.has_stderr:
            own = dataset[name.removesuffix("_stderr")].variable
            means = np.moveaxis(own.values, own.dims.index(SAMPLE), 0)
            total, sampling, spread = _errors(means, values, used)
            stem = name.removesuffix("_stderr")
            variables[stem + FROM_SAMPLING] = xr.Variable(dims, sampling)
            variables[stem + FROM_SAMPLES] = xr.Variable(dims, spread)
            variables[name] = xr.Variable(dims, total, variable.attrs)
            continue
        variables[name] = xr.Variable(dims, _joined(name, values, used), variable.attrs)
    variables["exit_reason"] = xr.Variable(
        variables["exit_reason"].dims, _reasons(dataset, axis), variables["exit_reason"].attrs
    )
    coords = {n: variables.pop(n) for n in map(str, dataset.coords) if n in variables}
    return xr.Dataset(variables, coords, {**dataset.attrs, "samples": dataset.sizes[SAMPLE]})


def _used(done: Array, dims: tuple[str, ...], ndim: int) -> Array:
    """Which samples count, first axis; of what has no conditions, those of which something is complete."""
    if dims[: len(CONDITIONS)] == CONDITIONS:
        return done.reshape(*done.shape, *(1,) * (ndim - done.ndim))
    conditions = tuple(range(done.ndim - len(CONDITIONS), done.ndim))
    some = done.any(axis=conditions)
    return some.reshape(*some.shape, *(1,) * (ndim - some.ndim))


def _mean(values: Array, used: Array) -> Array:
    """NaN where a sample that counts has no number."""
    number = used.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(used, values, 0.0).sum(axis=0) / number


def _errors(values: Array, stderrs: Array, used: Array) -> tuple[Array, Array, Array]:
    """Standard error of the mean, its part from sampling, and the rest."""
    number = used.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sampling = np.sqrt(np.where(used, stderrs**2, 0.0).sum(axis=0)) / number
        off = np.where(used, values - _mean(values, used), 0.0)
        scatter = np.where(number > 1, np.sqrt((off**2).sum(axis=0) / (number - 1) / number), 0.0)
        total = np.maximum(scatter, sampling)
        return total, sampling, np.sqrt(total**2 - sampling**2)


def _joined(name: str, values: Array, used: Array) -> Array:
    if name in _OPEN:
        return np.full(values.shape[1:], np.nan)
    if values.dtype.kind == "b":
        return np.asarray(values.any(axis=0) if name == "quenched" else values.all(axis=0))
    if name == "missing" or values.dtype.kind not in "fiu":
        return _first_reason(values, 0 if name == "missing" else "")
    if values.dtype.kind in "iu":
        return values.sum(axis=0)
    if name in _ADDED or name in _LARGEST:
        kept = np.where(np.isfinite(values), values, 0.0)
        found = kept.sum(axis=0) if name in _ADDED else kept.max(axis=0)
        return np.where(np.isfinite(values).any(axis=0), found, np.nan)
    return _mean(values, used)


def _reasons(dataset: xarray.Dataset, axis: int) -> Array:
    """How many samples are missing; else why the first that is not as accurate as asked has stopped."""
    done, good, why = (
        np.moveaxis(dataset[n].values, axis, 0) for n in ("complete", "converged", "exit_reason")
    )
    missing = (~done).sum(axis=0)
    found = _first_reason(np.where(good & ~good.all(axis=0), "", why), "")
    text = np.char.add(missing.astype(str), f" of {len(done)} samples missing")
    return np.where(missing > 0, text, found)


def _first_reason(values: Array, nothing: object) -> Array:
    """The first entry that says something."""
    first = (values != nothing).argmax(axis=0)
    return np.take_along_axis(values, first[None], axis=0)[0]
