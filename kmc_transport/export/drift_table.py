"""A dense table of the mobility, for simulators that interpolate linearly, with its interpolation error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray
from .drift import DriftData

__all__ = ["DriftTable", "dense_table"]

FINE = 5e-4
"""Relative error of the mobility that dense rows may add to the interpolation between simulated points."""
MOST = 200
"""Rows along an axis."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DriftTable:
    """ln(|mu| T) over field and 1/T, to be interpolated linearly in both; mu in m²/(V s), T in K.

    field : (n,) V/m, even steps from 0. inverse_temperature : (m,) 1/K, even steps, rising. log_mu_t : (m, n).
    sign : of the mobility. resampling_error : largest relative error of linear interpolation between these rows,
    against the piecewise cubic through the simulated points. left_out_error : largest relative error of that cubic at
    a simulated point left out of it, None where there are too few; the intervals are then twice as wide.
    """

    field: FloatArray
    inverse_temperature: FloatArray
    log_mu_t: FloatArray
    sign: float
    resampling_error: float
    left_out_error: float | None

    @property
    def temperature_range(self) -> tuple[float, float]:
        return float(1 / self.inverse_temperature[-1]), float(1 / self.inverse_temperature[0])

    @property
    def field_range(self) -> tuple[float, float]:
        return float(self.field[0]), float(self.field[-1])


def dense_table(data: DriftData) -> DriftTable:
    """Monotone cubics (PCHIP) through the simulated points, along the field and then along 1/T, on even rows.

    A field weaker than the weakest simulated one has its mobility.

    Raises InputError where a point of the grid has no mobility, for fewer than two temperatures or fields, or
    mobilities of both signs.
    """
    t, e, mu = data.temperature, data.field, data.mobility
    if not np.isfinite(mu).all():
        raise InputError(
            "a table needs a mobility at every temperature and field",
            key="law",
            value="table",
            remedy="simulate the missing points, or leave strong fields out (--option max_field)",
        )
    if len(t) < 2 or len(e) < 2:
        raise InputError(
            "a table needs two temperatures and two fields or more",
            value=f"{len(t)} temperatures, {len(e)} fields",
            remedy="sweep more of them (conditions.temperature, conditions.field.magnitude)",
        )
    if not (np.all(mu > 0) or np.all(mu < 0)):
        raise InputError("a table needs mobilities of one sign", key="mobility", value=mu.tolist())
    y = np.log(np.abs(mu) * t[:, None])
    if e[0] > 0:
        e, y = np.append(0.0, e), np.column_stack([y[:, :1], y])
    x, y = 1 / t[::-1], y[::-1]  # 1/T rising
    n, m = 50, 12
    while True:
        fields, inverse = np.linspace(0, e[-1], n + 1), np.linspace(x[0], x[-1], m + 1)
        dense = _interpolated(x, e, y, inverse, fields)
        along_e = _off(dense[:, :-1], dense[:, 1:], x, e, y, inverse, _between(fields))
        along_x = _off(dense[:-1], dense[1:], x, e, y, _between(inverse), fields)
        if (along_e < FINE / 2 or n >= MOST) and (along_x < FINE / 2 or m >= MOST):
            break
        n, m = (
            (min(2 * n, MOST) if along_e >= FINE / 2 else n),
            (min(2 * m, MOST) if along_x >= FINE / 2 else m),
        )
    middle = _interpolated(x, e, y, _between(inverse), _between(fields))
    corners = (dense[:-1, :-1] + dense[1:, :-1] + dense[:-1, 1:] + dense[1:, 1:]) / 4
    resampling = max(along_e, along_x, float(np.max(np.abs(np.expm1(corners - middle)))))
    return DriftTable(
        field=fields,
        inverse_temperature=inverse,
        log_mu_t=dense,
        sign=float(np.sign(mu.flat[0])),
        resampling_error=resampling,
        left_out_error=_left_out(x, e, y),
    )


def _between(a: FloatArray) -> FloatArray:
    return (a[1:] + a[:-1]) / 2


def _off(
    before: FloatArray,
    after: FloatArray,
    x: FloatArray,
    e: FloatArray,
    y: FloatArray,
    at_x: FloatArray,
    at_e: FloatArray,
) -> float:
    """Largest relative error half-way between rows."""
    return float(np.max(np.abs(np.expm1((before + after) / 2 - _interpolated(x, e, y, at_x, at_e)))))


def _interpolated(
    x: FloatArray, e: FloatArray, y: FloatArray, at_x: FloatArray, at_e: FloatArray
) -> FloatArray:
    """(len(at_x), len(at_e)) from y at (x, e)."""
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, PchipInterpolator(e, y, axis=1)(at_e), axis=0)(at_x)


def _left_out(x: FloatArray, e: FloatArray, y: FloatArray) -> float | None:
    """Largest relative error at an inner point that is left out, along one axis at a time."""
    off = [
        _interpolated(x, np.delete(e, k), np.delete(y, k, axis=1), x, e[k : k + 1])[:, 0] - y[:, k]
        for k in range(1, len(e) - 1)
        if len(e) > 2
    ]
    off += [
        _interpolated(np.delete(x, k), e, np.delete(y, k, axis=0), x[k : k + 1], e)[0] - y[k]
        for k in range(1, len(x) - 1)
        if len(x) > 2
    ]
    return float(max(np.max(np.abs(np.expm1(o))) for o in off)) if off else None
