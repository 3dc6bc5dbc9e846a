"""Quantities as functions of composition and temperature: Arrhenius laws where chi squared allows, else splines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..analysis import ArrheniusFit, fit_arrhenius
from ..errors import InputError
from ..ndarrays import FloatArray
from .logtable import LogTable
from .record import GridAxis, GridQuantity, TransportRecord

__all__ = ["REFUSED", "FittedSurface", "chi2_probability", "diffusivity_surface", "fit_surface", "monotone"]

REFUSED = 1e-3
"""A law is refused where a true one would have as large a chi squared with less than this probability."""
TABLE_ERROR = 1e-3
"""Relative error that a dense table may add where its reader interpolates linearly between its nodes."""
_FINEST = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedSurface:
    """A quantity of one sign as a function of one composition (or the field, or nothing else) and temperature.

    quantity : the points that it is made of, none missing, axes (x, temperature) or (temperature,), x being the
    composition or the field.
    law : ``Arrhenius`` (one fit for each composition; the table holds these), or ``spline`` through the points, where
    chi squared refused that. fits : the Arrhenius fits, refused or not. chi2, degrees_of_freedom : of all of them.
    p_value : smallest of the fits' probabilities times their number, which holds for fits that share data too; NaN
    with two temperatures. worst_residual : largest relative deviation of the table from a
    point. interpolation_error : largest relative deviation of a point from the spline through the others, along
    each axis by name: an estimate, rather too large, of the error between the points; NaN where there are no three.
    sign : of the quantity.
    """

    quantity: GridQuantity
    table: LogTable
    law: str
    fits: tuple[ArrheniusFit, ...]
    chi2: float
    degrees_of_freedom: int
    p_value: float
    worst_residual: float
    interpolation_error: Mapping[str, float]
    sign: float

    @property
    def x(self) -> GridAxis | None:
        return self.quantity.axes[0] if len(self.quantity.axes) > 1 else None

    @property
    def temperature_range(self) -> tuple[float, float]:
        return self.quantity.axis("temperature").range

    def describe(self) -> dict[str, str]:
        """What the head of a file says of it."""
        name = self.quantity.name
        by = f" at each {self.x.name}" if self.x else ""
        judged = (
            f"chi squared {self.chi2:.4g} with {self.degrees_of_freedom} degrees of freedom, probability "
            f"{self.p_value:.2g}"
            if self.degrees_of_freedom
            else "two temperatures: nothing judges the law"
        )
        law = (
            f"Arrhenius law{by}, {judged}"
            if self.law == "Arrhenius"
            else f"smooth curve through the points; an Arrhenius law{by} was refused: {judged}"
        )
        along = ", ".join(
            f"{error:.2%} along {axis}"
            if np.isfinite(error)
            else f"unknown along {axis} (fewer than 3 values)"
            for axis, error in self.interpolation_error.items()
        )
        return {
            f"law of {name}": law,
            f"worst residual of {name}": f"{self.worst_residual:.3%}",
            f"error between the points of {name} (each from the others)": along,
        }

    def dense(self) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """Composition (n,), temperature (m,), ln of the quantity (n, m) and the error of a reader who interpolates.

        The reader joins logarithms or values linearly, along both axes. All points of the run are among the nodes;
        n = 1 without composition.
        """
        x, t = self.table.x, self.quantity.axis("temperature").values
        parts_x = parts_t = 1
        while True:
            xs, ts = _subdivided(x, parts_x), _subdivided(t, parts_t)
            log = np.log(self.table(xs[:, None], ts[None, :])[0])
            error_x, error_t = self._error_of_linear(xs, ts, log)
            if max(error_x, error_t) <= TABLE_ERROR / 2 or max(parts_x, parts_t) >= _FINEST:
                return xs, ts, log, error_x + error_t
            parts_x *= 2 if error_x > TABLE_ERROR / 2 else 1
            parts_t *= 2 if error_t > TABLE_ERROR / 2 else 1

    def _error_of_linear(self, xs: FloatArray, ts: FloatArray, log: FloatArray) -> tuple[float, float]:
        """Largest relative deviation, along each axis, of lines through neighbours; in three places of each cell."""
        worst = [0.0, 0.0]
        for f in (0.25, 0.5, 0.75):
            if len(xs) > 1:
                true = np.log(self.table(_at(xs, f)[:, None], ts[None, :])[0])
                worst[0] = max(worst[0], _deviation_of_lines(log, true, f))
            true = np.log(self.table(xs[:, None], _at(ts, f)[None, :])[0])
            worst[1] = max(worst[1], _deviation_of_lines(log.T, true.T, f))
        return worst[0], worst[1]


def _at(nodes: FloatArray, share: float) -> FloatArray:
    return (1 - share) * nodes[:-1] + share * nodes[1:]


def _deviation_of_lines(log: FloatArray, true_log: FloatArray, share: float) -> float:
    """Of lines between logarithms or values, whichever is more; along the first axis."""
    lines = (_at(log, share), np.log(_at(np.exp(log), share)))
    return max(_deviation(line, true_log) for line in lines)


def _subdivided(nodes: FloatArray, parts: int) -> FloatArray:
    inner = [np.linspace(a, b, parts + 1)[:-1] for a, b in pairwise(nodes)]
    return np.concatenate([*inner, nodes[-1:]])


def _deviation(log: FloatArray, true_log: FloatArray) -> float:
    return float(np.max(np.abs(np.expm1(log - true_log))))


def diffusivity_surface(record: TransportRecord) -> FittedSurface:
    """The chemical diffusivity of the record as `fit_surface` makes it.

    Raises InputError where the run does not know it (the tracer diffusivity is no substitute), and as `fit_surface`.
    """
    return fit_surface(record.at_zero_field("chemical_diffusivity"))


def fit_surface(quantity: GridQuantity) -> FittedSurface:
    """Make a function of the points of a quantity; axes one composition (or the field, or none), then temperature.

    As a function of the field it is even: its slope at zero field is zero.

    Points without a number (allowed as partial) are left out with their whole composition or temperature, whichever
    loses less.

    Raises InputError for two and more axes of composition, fewer than two temperatures, or values of both signs.
    """
    if len(quantity.composition) > 1:
        names = [a.name for a in quantity.composition]
        raise InputError(
            "this format holds one axis of composition",
            key="--where",
            value=", ".join(names),
            remedy=f"take one value of the others: --where {names[-1]}={quantity.composition[-1].values[0]:g}",
        )
    quantity = _without_holes(_rising(quantity))
    t = quantity.axis("temperature").values
    if len(t) < 2:
        raise InputError(
            f"{quantity.name.replace('_', ' ')} is wanted at two temperatures or more",
            key="temperature",
            value=t.tolist(),
            remedy="sweep conditions.temperature over the range that the device will see",
        )
    value, stderr = (np.reshape(a, (-1, len(t))) for a in (quantity.value, quantity.stderr))
    sign = float(np.sign(value.flat[0]))
    if not np.all(stderr > 0):
        raise InputError(
            f"{quantity.name.replace('_', ' ')} has points without an error bar",
            key=quantity.name,
            remedy="simulate longer, or leave them out (--where)",
        )
    if not np.all(value * sign > 0):
        raise InputError(
            f"{quantity.name.replace('_', ' ')} has values of both signs, or zero, of which there is no logarithm",
            key=quantity.name,
            value=f"{value.min():.3g} to {value.max():.3g} {quantity.unit}",
            remedy="leave out where it vanishes (--where), or simulate longer",
        )
    x = quantity.axes[0].values if len(quantity.axes) > 1 else np.zeros(1)
    fits, chi2, dof, p = _arrhenius(t, value, stderr)
    law = "Arrhenius" if dof == 0 or p >= REFUSED else "spline"
    if law == "Arrhenius":
        from ..units import K_B

        ends = t[[0, -1]]
        log = np.array([f.log_prefactor - f.activation_energy / (K_B * ends) for f in fits])
    else:
        ends, log = t, np.log(np.abs(value))
    even = quantity.axes[0].name == "field" and x[0] == 0
    table = _table(x, ends, log, even)
    model = table(x[:, None], t[None, :])[0]
    return FittedSurface(
        quantity=quantity,
        table=table,
        law=law,
        fits=fits,
        chi2=chi2,
        degrees_of_freedom=dof,
        p_value=p,
        worst_residual=float(np.max(np.abs(model / np.abs(value) - 1))),
        interpolation_error=_left_out(quantity, np.log(np.abs(value)), law, even),
        sign=sign,
    )


def monotone(x: FloatArray, y: FloatArray) -> Any:
    """Cubics through (n, ...) points that rise and fall where the points do (Fritsch and Carlson), along axis 0."""
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, y, axis=0)


def _table(x: FloatArray, t: FloatArray, log: FloatArray, even: bool) -> LogTable:
    slope = monotone(x, log).derivative()(x) if len(x) > 1 else np.zeros_like(log)
    if even:
        slope[0] = 0.0
    return LogTable(x, t, log, slope)


def chi2_probability(chi2: float, degrees_of_freedom: int) -> float:
    """That a true law has a chi squared as large."""
    from scipy.special import chdtrc

    return float(chdtrc(degrees_of_freedom, chi2)) if degrees_of_freedom > 0 else float("nan")


def _arrhenius(
    t: FloatArray, value: FloatArray, stderr: FloatArray
) -> tuple[tuple[ArrheniusFit, ...], float, int, float]:
    """One fit for each composition, chi squared of all, degrees of freedom, probability."""
    fits = tuple(fit_arrhenius(t, v, s) for v, s in zip(value, stderr, strict=True))
    chi2, dof = [f.chi2 for f in fits], len(t) - 2
    return (
        fits,
        sum(chi2),
        len(fits) * dof,
        float(np.minimum(1.0, len(fits) * chi2_probability(max(chi2), dof))),
    )


def _left_out(quantity: GridQuantity, log: FloatArray, law: str, even: bool) -> dict[str, float]:
    """Largest relative deviation of an inner point from what the others say, along each axis."""
    t, found = quantity.axis("temperature").values, {}
    x = quantity.axes[0].values if len(quantity.axes) > 1 else np.zeros(1)
    if len(x) > 1:
        found[quantity.axes[0].name] = max(
            (
                _deviation(
                    np.log(_table(np.delete(x, i), t, np.delete(log, i, axis=0), even)(x[i], t)[0]), log[i]
                )
                for i in range(1, len(x) - 1)
            ),
            default=float("nan"),
        )
    if law != "Arrhenius":
        found["temperature"] = max(
            (
                _deviation(
                    np.log(_table(x, np.delete(t, j), np.delete(log, j, axis=1), even)(x, t[j])[0]), log[:, j]
                )
                for j in range(1, len(t) - 1)
            ),
            default=float("nan"),
        )
    return found


def _rising(quantity: GridQuantity) -> GridQuantity:
    for at, axis in enumerate(quantity.axes):
        quantity = _taking(quantity, at, np.argsort(axis.values))
    return quantity


def _without_holes(quantity: GridQuantity) -> GridQuantity:
    while (holes := ~(quantity.complete & np.isfinite(quantity.value))).any():
        shares = [
            holes.any(axis=tuple(k for k in range(holes.ndim) if k != at)).mean() for at in range(holes.ndim)
        ]
        at = int(np.argmin(shares))
        bad = holes.any(axis=tuple(k for k in range(holes.ndim) if k != at))
        if bad.all():
            raise InputError(f"too few points for {quantity.name.replace('_', ' ')}", key="RUN")
        quantity = _taking(quantity, at, np.flatnonzero(~bad))
    return quantity


def _taking(quantity: GridQuantity, at: int, which: npt.NDArray[np.intp]) -> GridQuantity:
    parts = ("value", "stderr", "exact", "complete", "converged")
    cut: dict[str, Any] = {p: np.take(getattr(quantity, p), which, axis=at) for p in parts}
    axes = tuple(replace(a, values=a.values[which]) if k == at else a for k, a in enumerate(quantity.axes))
    return replace(quantity, axes=axes, **cut)
