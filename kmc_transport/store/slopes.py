"""Differential mobility from the drift velocities of neighbouring fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ndarrays import BoolArray, FloatArray

__all__ = ["differential_mobility"]

CERTAIN = 3.0
"""Standard errors that a velocity differs from zero by where its logarithm is used."""
SECOND, FIVE, WILD = 1.2, 2.0, 4.0

"""Factors on the deviations of the second best variable and of five fields, and the most that the latter may be of the
change of the slope (a polynomial through five may go wild), so that errors hold for all laws that were tried
(`tests/analysis/test_slopes.py`)."""
COARSE = 0.25
"""Part of the slope by which variables may differ: beyond it the error spans them all."""
TOO_OPEN = 1.0
"""Part of the slope that the grid may leave open: beyond it no number is given."""


def differential_mobility(data: Mapping[str, np.ndarray], field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the drift velocity along the field, and its error; shape of ``mobility``, m²/(V s).

    The parabola through three neighbouring fields, in several variables: v against E, ln v against ln E (a power law
    is straight), ln v against E (an exponential is), ln(v/E) against E² (the beginning of a law that is odd in E is).
    The variable in which the slope changes least gives the value. Its error is that of sampling and, in quadrature,
    what the grid leaves open: how far the second best variable and five fields instead of three are off, and the
    product of the changes of the slope in both. Where that, or the deviation of any variable, is more than a quarter
    of the slope (or of v/E), the grid is coarse, and the error spans three variables; no number where it is then
    larger than the slope and v/E thereabouts. At zero field the Einstein mobility; in linear response the mobility.

    field : (n_fields,) V/m. NaN also where fewer than two fields are known.
    """
    mobility, stderr = data["mobility"], data["mobility_stderr"]
    slope, error = np.full(mobility.shape, np.nan), np.full(mobility.shape, np.nan)
    einstein, einstein_stderr = data["mobility_einstein"], data["mobility_einstein_stderr"]
    zero = np.flatnonzero(field == 0)
    slope[:, zero], error[:, zero] = einstein[:, zero], einstein_stderr[:, zero]
    driven = np.flatnonzero(field > 0)
    driven = driven[np.argsort(field[driven])]
    for t, d, a in np.ndindex(mobility.shape[0], *mobility.shape[2:]):
        known = driven[np.isfinite(mobility[t, driven, d, a]) & np.isfinite(stderr[t, driven, d, a])]
        if len(known) < 2:
            continue
        mu, s = [einstein[t, k, d, a] for k in zero[:1]], [einstein_stderr[t, k, d, a] for k in zero[:1]]
        if not np.isfinite(mu + s).all() or not mu:
            mu, s = [np.nan], [np.nan]
        x = np.concatenate([[0.0], field[known]])
        law = _Law(x, np.append(mu, mobility[t, known, d, a]), np.append(s, stderr[t, known, d, a]))
        for k in range(1, len(x)):
            at = (t, known[k - 1], d, a)
            slope[at], error[at] = law.slope(k)
    return _of_linear_response(data, slope, error)


def _of_linear_response(
    data: Mapping[str, np.ndarray], slope: FloatArray, error: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """There v = mu E; what is cubic in E has three times the weight in the slope."""
    if "mobility_method" not in data:
        return slope, error
    weak = np.broadcast_to((data["mobility_method"] == "linear response")[..., None], slope.shape)
    open_ = np.hypot(data["mobility_stderr"], 3 * np.nan_to_num(data["mobility_bias"]))
    return np.where(weak, data["mobility"], slope), np.where(weak, open_, error)


@dataclass(frozen=True)
class _Slope:
    """Slope in one variable; sampling: its standard error; five: the slope from five fields; change: that of the slope
    between the two intervals beside the field."""

    value: float
    sampling: float
    five: float
    change: float


@dataclass(frozen=True, kw_only=True)
class _Variable:
    """A law drawn as y(u), with standard errors; at[k]: place of the ``k``-th field, or -1.

    The slope of v at a field is ``offset + factor dy/du``, both of them times mu where ``relative``.
    """

    u: list[float]
    y: list[float]
    error: list[float]
    at: list[int]
    factor: list[float]
    offset: float
    relative: bool


class _Law:
    """Mobilities mu, standard errors s at fields x; the first field is 0, its mobility may be NaN."""

    def __init__(self, x: FloatArray, mu: FloatArray, s: FloatArray) -> None:
        driven = x > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            sure = np.abs(mu) > CERTAIN * s
            log_mu, relative, log_x = np.log(np.abs(mu)), s / np.abs(mu), np.log(x)
        self.mu, self._n = [abs(m) for m in mu.tolist()], len(x)
        self._sign = (np.sign(mu) * sure * driven).tolist()
        self._plain = _variable(
            x, np.nan_to_num(mu) * x, np.nan_to_num(s) * x, driven | ~driven, np.ones_like(x)
        )
        self._logs = {}
        for sign in (1.0, -1.0):
            use = sure & (np.sign(mu) == sign)
            self._logs[sign] = (
                _variable(log_x, log_mu + log_x, relative, use & driven, np.ones_like(x), relative=True),
                _variable(x, log_mu + log_x, relative, use & driven, x, relative=True),
                _variable(x**2, log_mu, relative, use, 2 * x**2, offset=1.0, relative=True),
            )

    def slope(self, k: int) -> tuple[float, float]:
        """Slope of v = mu x at the ``k``-th field, and its error; NaN where the grid says too little."""
        found = [_slope(self._plain, k, 1.0)]
        near = [1 + n for n in _nearest(k - 1, self._n - 1, 3)]
        sign = self._sign[k]
        if sign and all(self._sign[n] == sign for n in near):
            found += [_slope(v, k, sign * self.mu[k]) for v in self._logs[sign] if len(v.u) > 1]
        best, *others = sorted(found, key=lambda v: v.change)[:3]  # the worst variable is out of place
        scale = max(abs(best.value), self.mu[k])
        off = [abs(v.value - best.value) for v in others]
        second = (others[0] if others else best).change
        open_ = max(
            SECOND * sum(off[:1]),
            min(FIVE * abs(best.five - best.value), WILD * best.change),
            best.change * second / scale if scale else best.change,  # no drift along that direction
        )
        if max([open_, *off]) > COARSE * scale:  # whatever a variable may say is possible
            open_ = max(open_, COARSE * scale, best.change, *off)
        if not open_ <= TOO_OPEN * max(scale, *(self.mu[n] for n in near)):
            return math.nan, math.nan
        return best.value, math.hypot(best.sampling, open_)


def _variable(
    u: FloatArray,
    y: FloatArray,
    error: FloatArray,
    use: BoolArray,
    factor: FloatArray,
    *,
    offset: float = 0.0,
    relative: bool = False,
) -> _Variable:
    at = np.where(use, np.cumsum(use) - 1, -1)
    return _Variable(
        u=u[use].tolist(),
        y=y[use].tolist(),
        error=error[use].tolist(),
        at=at.tolist(),
        factor=factor.tolist(),
        offset=offset,
        relative=relative,
    )


def _slope(v: _Variable, k: int, mu: float) -> _Slope:
    """Slope at the ``k``-th field, whose mobility is ``mu`` where the variable is relative."""
    at, scale = v.at[k], mu if v.relative else 1.0
    factor, offset = scale * v.factor[k], scale * v.offset
    three, five = _nearest(at, len(v.u), 3), _nearest(at, len(v.u), 5)
    weights = [factor * w for w in _derivative([v.u[i] for i in three], v.u[at])]
    value = offset + sum(w * v.y[i] for w, i in zip(weights, three, strict=True))
    own = value if v.relative else 0.0  # mu stands in front of the slope, with its own error
    sampling = math.hypot(*((w + own * (i == at)) * v.error[i] for w, i in zip(weights, three, strict=True)))
    longer = _derivative([v.u[i] for i in five], v.u[at])
    better = offset + factor * sum(w * v.y[i] for w, i in zip(longer, five, strict=True))
    if len(three) < 3:
        return _Slope(value, sampling, better, math.inf)
    low, high = (
        offset + factor * (v.y[i + 1] - v.y[i]) / (v.u[i + 1] - v.u[i]) for i in (three[0], three[1])
    )
    if at == three[1]:
        return _Slope(value, sampling, better, abs(high - low))
    return _Slope(value, sampling, better, 2 * abs(value - (low if at == three[0] else high)))


def _nearest(k: int, n_places: int, n: int) -> range:
    """Up to ``n`` neighbouring places about the ``k``-th, ascending."""
    n = min(n, n_places)
    start = min(max(0, k - n // 2), n_places - n)
    return range(start, start + n)


def _derivative(x: list[float], at: float) -> list[float]:
    """Weights of the values at ``x`` in the derivative at ``at``, one of them, of the polynomial through them."""
    here = x.index(at)
    weights = []
    for i, a in enumerate(x):
        if i == here:
            weights.append(sum(1 / (a - b) for j, b in enumerate(x) if j != i))
            continue
        top = math.prod(at - b for j, b in enumerate(x) if j not in (i, here))
        weights.append(top / math.prod(a - b for j, b in enumerate(x) if j != i))
    return weights
