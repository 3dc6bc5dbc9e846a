"""Differential mobility from the drift velocities of neighbouring fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["differential_mobility"]


def differential_mobility(data: Mapping[str, np.ndarray], field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of v·e against the field, and its standard error; shape of ``mobility``, m²/(V s).

    The derivative of the parabola through ln v at three neighbouring ln E, times v/E; of a line where only two fields
    are known. field : (n_fields,) V/m.
    """
    mobility, stderr = data["mobility"], data["mobility_stderr"]
    slope, error = np.full(mobility.shape, np.nan), np.full(mobility.shape, np.nan)
    for f in np.flatnonzero(field == 0):
        slope[:, f] = data["mobility_einstein"][:, f]
        error[:, f] = data["mobility_einstein_stderr"][:, f]
    driven = np.flatnonzero(field > 0)
    for t, d, a in np.ndindex(mobility.shape[0], *mobility.shape[2:]):
        mu, s = mobility[t, driven, d, a], stderr[t, driven, d, a]
        good = np.flatnonzero(np.isfinite(mu) & (np.abs(mu) > 3 * s))
        good = good[np.sign(mu[good]) == np.sign(np.sum(np.sign(mu[good])))]
        if len(good) < 2:
            continue
        x, y = np.log(field[driven][good]), np.log(np.abs(mu[good]))
        y_error = s[good] / np.abs(mu[good])
        for k in range(len(good)):
            near = np.arange(len(good))[np.argsort(np.abs(np.arange(len(good)) - k), kind="stable")[:3]]
            weight = _slope_weights(x[near], x[k])
            # ln v = ln mu + ln E: its slope is one more
            power = 1 + weight @ y[near]
            own = np.where(near == k, power, 0.0) + weight
            at = (t, driven[good[k]], d, a)
            slope[at] = mobility[at] * power
            error[at] = np.abs(mobility[at]) * np.sqrt(np.sum((own * y_error[near]) ** 2))
    return slope, error


def _slope_weights(x: np.ndarray, at: float) -> np.ndarray:
    """Weights of the values at ``x`` (two or three) in the derivative at ``at`` of the polynomial through them."""
    powers = (x - at)[None, :] ** np.arange(len(x))[:, None]
    wanted = np.zeros(len(x))
    wanted[1] = 1.0
    return np.asarray(np.linalg.solve(powers, wanted))
