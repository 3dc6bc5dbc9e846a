"""Differential mobility from the drift velocities of neighbouring fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["differential_mobility"]

FloatArray = npt.NDArray[np.float64]


def differential_mobility(data: Mapping[str, np.ndarray], field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the drift velocity along the field, and its error; shape of ``mobility``, m²/(V s).

    Derivative of the parabola through three neighbouring fields: of ln v against ln E where the velocities are
    certain and of one sign, else of v against E, with v = 0 at E = 0. The error is that of sampling and, in
    quadrature, what the polynomial through five of them says otherwise: what the grid leaves open. At zero field the
    Einstein mobility. NaN where fewer than two fields are known.

    field : (n_fields,) V/m.
    """
    mobility, stderr = data["mobility"], data["mobility_stderr"]
    slope, error = np.full(mobility.shape, np.nan), np.full(mobility.shape, np.nan)
    for f in np.flatnonzero(field == 0):
        slope[:, f] = data["mobility_einstein"][:, f]
        error[:, f] = data["mobility_einstein_stderr"][:, f]
    driven = np.flatnonzero(field > 0)
    driven = driven[np.argsort(field[driven])]
    for t, d, a in np.ndindex(mobility.shape[0], *mobility.shape[2:]):
        known = driven[np.isfinite(mobility[t, driven, d, a]) & np.isfinite(stderr[t, driven, d, a])]
        if len(known) < 2:
            continue
        x = np.concatenate([[0.0], field[known]])
        mu = np.concatenate([[0.0], mobility[t, known, d, a]])
        s = np.concatenate([[0.0], stderr[t, known, d, a]])
        for k in range(1, len(x)):
            at = (t, known[k - 1], d, a)
            slope[at], error[at] = _slope(x, mu, s, k)
    return slope, error


def _slope(x: FloatArray, mu: FloatArray, s: FloatArray, k: int) -> tuple[float, float]:
    """Slope of v = mu x at the ``k``-th field, and its error; the first field is 0."""
    near = _nearest(k, np.arange(len(x)), 3)
    certain = (np.abs(mu) > 3 * s) & (mu * mu[k] > 0) & (x > 0)
    if certain[near].all():
        usable = np.flatnonzero(certain)
        u, y = np.log(x[usable]), np.log(np.abs(mu[usable])) + np.log(x[usable])
        y_error, scale = s[usable] / np.abs(mu[usable]), float(mu[k])
        k = int(np.flatnonzero(usable == k)[0])
        factor = 1.0  # v/E stands in front of the slope, with its own error
    else:
        u, y, y_error, scale, factor = x, mu * x, s * x, 1.0, 0.0
    places = np.arange(len(u))
    three, five = (_nearest(k, places, n) for n in (3, 5))
    weight = _derivative(u[three], u[k])
    value = float(weight @ y[three])
    better = float(_derivative(u[five], u[k]) @ y[five])
    own = weight + factor * value * (three == k)
    sampling = float(np.sqrt(np.sum((own * y_error[three]) ** 2)))
    return scale * value, abs(scale) * float(np.hypot(sampling, value - better))


def _nearest(k: int, places: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Up to ``n`` neighbouring places about the ``k``-th, ascending."""
    n = min(n, len(places))
    start = min(max(0, k - n // 2), len(places) - n)
    return places[start : start + n]


def _derivative(x: FloatArray, at: float) -> FloatArray:
    """Weights of the values at ``x`` in the derivative at ``at`` of the polynomial through them."""
    scale = float(np.ptp(x))
    powers = ((x - at) / scale)[None, :] ** np.arange(len(x))[:, None]
    wanted = np.zeros(len(x))
    wanted[1] = 1.0
    return np.asarray(np.linalg.solve(powers, wanted) / scale)
