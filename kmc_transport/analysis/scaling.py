"""From runs with slowed fast carriers to the system in which nothing is slowed.

What a slow carrier does differs from the limit of infinitely quick partners by a term that falls as the separation of
the time scales grows: ``y = y_inf + c/s + ...``. Runs at the separations s, 2s and 4s give a line in 1/s, and the
answer is that line at the separation of the unscaled system. What the line leaves out is part of the error: the next
term, and where the three do not lie on a line within their errors, the distance from a parabola through them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ..ndarrays import BoolArray, FloatArray
from ..records import Estimate, Missing
from .evaluate import Evaluation, blank, of_species

__all__ = ["Extrapolation", "Fit", "Verdict", "extrapolate", "fit_separations"]

LARGEST_CHANGE = 0.3
"""Change from the smallest to the largest separation, over the value at the largest, that a line in 1/s still follows:
of ``y_inf/(1 + s_0/s)`` the extrapolation is then off by less than a tenth, which the curvature shows."""
SURE, BENT = 3.0, 2.0
"""Standard errors that the largest change must be, beyond which a change grows, and beyond which three values are not
on a line."""
LARGE = 0.1
"""Elements of a matrix below this share of its largest are not judged by themselves."""

_MOTION = ("tracer_diffusivity", "collective_diffusivity", "mobility_einstein", "drift_velocity")
"""By which it is judged whether a species moves on a time scale of its own."""
_OWN = "tracer_diffusivity"
"""The most accurate of them, which must be able to tell."""
_PAIRS = ("collective_diffusivity", "onsager")
_WITH_FAST = ("charge_diffusivity", "conductivity", "transference")
"""Sums and shares that contain the coefficients of the fast species."""


class Verdict(IntEnum):
    """What the numbers of a species are worth."""

    EXACT = 0
    """Nothing was slowed."""
    VALID = 1
    """The extrapolation changes less than the statistical error."""
    WITH_ERROR = 2
    """It changes more: the answer rests on it, and the error contains it."""
    REFUSED = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Extrapolated values with what is known of them; all arrays of one shape.

    value, stderr : in the unscaled system. statistical : part of the error that the three runs' own errors make.
    curvature : the rest. follows : whether the three values may do what an expansion in 1/s does. tells : whether they
    are accurate enough to show it.
    """

    value: FloatArray
    stderr: FloatArray
    statistical: FloatArray
    curvature: FloatArray
    follows: BoolArray
    tells: BoolArray


def fit_separations(values: npt.ArrayLike, stderrs: npt.ArrayLike, factors: Sequence[float]) -> Fit:
    """Line in 1/s through independent values at three separations, at that of the unscaled system.

    Parameters
    ----------
    values, stderrs : (3, ...) at rising separations; an element without any error must be the same in all.
    factors : (3,) on the rates of the fast carriers, proportional to the separations; 1 is the unscaled system.

    Weights are inverse variances. In x = 1/factor - 1 let l be the weights of the values in the line's answer at 0, b
    its slope, and p the weights in the answer of the parabola. The next term of ``y_inf/(1 + s_0/s)``, which is what a
    slow carrier does that waits for a fast one, is ``b² x²/y_inf``; it would move the answer by
    ``b²/y_inf sum l x²``. The parabola would move it by ``delta = sum (p - l) y``, whose standard error is
    ``sigma = sqrt(sum (p - l)² s²)``; beyond two of these, ``sqrt(delta² - sigma²)`` is taken where it is larger.
    """
    y, s = np.asarray(values, float), np.asarray(stderrs, float)
    x = 1 / np.asarray(factors, float) - 1  # 0 in the unscaled system
    shape = y.shape[1:]
    y, s = y.reshape(3, -1), s.reshape(3, -1)
    known = np.isfinite(y).all(axis=0) & np.isfinite(s).all(axis=0)
    fixed = known & (s == 0).all(axis=0)
    floor = np.where(s > 0, s, np.inf).min(axis=0)
    error = np.where(known & ~fixed, np.maximum(s, np.where(np.isfinite(floor), floor, 1.0)), 1.0)
    w = error**-2
    total, mean = w.sum(axis=0), x @ w / w.sum(axis=0)
    spread = np.einsum("k,kn->n", x**2, w) - total * mean**2
    line = w * (1 / total - (x[:, None] - mean) * mean / spread)
    parabola = np.array([np.prod([x[j] / (x[j] - x[k]) for j in range(3) if j != k]) for k in range(3)])
    statistical = np.sqrt((line**2 * error**2).sum(axis=0))
    off = parabola[:, None] - line
    delta, sigma = (off * y).sum(axis=0), np.sqrt((off**2 * error**2).sum(axis=0))
    slope = (w * (x[:, None] - mean) / spread * y).sum(axis=0)
    answer = (line * y).sum(axis=0)
    size = np.maximum(np.abs(answer), np.abs(slope) * x[2])  # an answer near zero has a size of its own
    with np.errstate(invalid="ignore", divide="ignore"):
        curvature = np.where(slope == 0, 0.0, np.abs((line * x[:, None] ** 2).sum(axis=0)) * slope**2 / size)
    seen = np.where(np.abs(delta) > BENT * sigma, np.sqrt(np.maximum(delta**2 - sigma**2, 0.0)), 0.0)
    curvature = np.maximum(curvature, seen)
    whole, late, early = y[2] - y[0], y[2] - y[1], y[1] - y[0]
    of_whole = np.hypot(error[0], error[2])
    of_falling = np.sqrt(error[0] ** 2 + 4 * error[1] ** 2 + error[2] ** 2)
    follows = np.abs(whole) - SURE * of_whole <= LARGEST_CHANGE * np.abs(y[2])
    follows &= np.abs(late) - np.abs(early) <= SURE * of_falling
    tells = np.maximum(np.abs(whole) - of_whole, SURE * of_whole) <= LARGEST_CHANGE * np.abs(y[2])
    value = np.where(fixed, y[2], answer)
    statistical, curvature = (np.where(fixed, 0.0, e) for e in (statistical, curvature))
    follows = np.where(fixed, y[0] == y[2], follows)

    def shaped(a: np.ndarray) -> np.ndarray:
        return np.where(known, a, np.nan).reshape(shape)

    return Fit(
        value=shaped(value),
        stderr=shaped(np.hypot(statistical, curvature)),
        statistical=shaped(statistical),
        curvature=shaped(curvature),
        follows=np.where(known, follows, True).astype(bool).reshape(shape),
        tells=np.where(known & ~fixed, tells, True).astype(bool).reshape(shape),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Extrapolation(Evaluation):
    """Estimates of the unscaled system. Those of the fast species are refused, and all of a species that they govern.

    slowed : (S,) the fast species. doubts : of each of the others, why its motion is not that of the unscaled system
    (`Missing.NOT_SEPARATED`), or may not be (`Missing.UNTESTED`); else `Missing.NOTHING`.
    verdicts : of each estimate, for each species.
    """

    slowed: BoolArray
    doubts: tuple[Missing, ...]
    verdicts: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)

    def settled(self, name: str) -> bool:
        return bool(self._settled(name)[~self.slowed].all())

    def why(self, name: str) -> tuple[Missing, ...]:
        if name not in self.estimates:
            return super().why(name)
        found = list(super().why(name))
        for a in range(len(found)):
            if self.slowed[a] or name in _WITH_FAST:
                found[a] = Missing.SLOWED
            elif self.doubts[a] is not Missing.NOTHING:
                found[a] = self.doubts[a]
        return tuple(found)

    def trustworthy(self, name: str) -> Estimate | None:
        """As of `Evaluation`; between a slow and a fast species there is a number where the slow one has one."""
        why = self.why(name)
        if all(w is not Missing.NOTHING for w in why):
            return None
        estimate = self.estimates[name]
        value, stderr = np.array(estimate.value), np.array(estimate.stderr)
        for a, w in enumerate(why):
            if w not in (Missing.NOTHING, Missing.SLOWED):
                blank(name, value, a)
                blank(name, stderr, a)
        return replace(estimate, value=value, stderr=stderr)


def extrapolate(found: Sequence[Evaluation], factors: Sequence[float], slowed: BoolArray) -> Extrapolation:
    """The unscaled system from evaluations of independent runs at three separations.

    factors : (3,) on the rates of the fast species, rising. slowed : (S,) which species these are.
    """
    fits, estimates, within = {}, {}, {}
    for name in found[0].estimates:
        of = [e.estimates[name] for e in found]
        fit = fit_separations([e.value for e in of], [e.stderr for e in of], factors)
        value, stderr = np.array(fit.value), np.array(fit.stderr)
        for array in (value, stderr):
            _without_fast(name, array, slowed)
        fits[name] = fit
        estimates[name] = replace(
            of[-1],
            value=value,
            stderr=stderr,
            effective_samples=min(e.effective_samples for e in of),
            method=f"extrapolated from runs with factors {', '.join(f'{f:.3g}' for f in factors)} on the rates of "
            f"the fast carriers; at the last {of[-1].method}",
        )
        if all(name in e.within for e in found):
            inner = fit_separations([e.value for e in of], [e.within[name] for e in found], factors)
            within[name] = np.hypot(inner.statistical, fit.curvature)
    doubts = tuple(
        Missing.NOTHING if slowed[a] else _doubt(a, fits, found[-1].estimates) for a in range(len(slowed))
    )
    refused = slowed | [w is not Missing.NOTHING for w in doubts]
    verdicts = {
        name: _verdicts(name, fit, found[-1].estimates[name].value, refused) for name, fit in fits.items()
    }
    return Extrapolation(
        estimates=estimates,
        batches=min(e.batches for e in found),
        collective_settled=np.logical_and.reduce([e.collective_settled for e in found]),
        tracer_settled=np.logical_and.reduce([e.tracer_settled for e in found]),
        agree=np.logical_and.reduce([e.agree for e in found]) | slowed,
        moved=np.logical_and.reduce([e.moved for e in found]),
        quenched=any(e.quenched for e in found),
        within=within,
        block=found[-1].block,
        slowed=slowed,
        doubts=doubts,
        verdicts=verdicts,
    )


def _doubt(species: int, fits: Mapping[str, Fit], last: Mapping[str, Estimate]) -> Missing:
    """Whether a slow species moves on a time scale of its own, by its coefficients of motion."""

    def judged(name: str, good: BoolArray) -> bool:
        """Whether all large elements of a species are good."""
        size = of_species(name, np.abs(last[name].value), species)
        bad = of_species(name, np.where(good, 0.0, 1.0), species)
        if name in _PAIRS:  # with itself: what it does with others may be nothing at all
            size, bad = size[:, species], bad[:, species]
        return not bad[size > LARGE * np.nanmax(size, initial=0.0)].any()

    if not all(judged(name, fits[name].follows) for name in _MOTION if name in fits):
        return Missing.NOT_SEPARATED
    return Missing.NOTHING if judged(_OWN, fits[_OWN].tells) else Missing.UNTESTED


def _without_fast(name: str, array: FloatArray, slowed: BoolArray) -> None:
    """NaN for what the fast species do by themselves."""
    if name in _WITH_FAST:
        array[...] = np.nan
    elif name in _PAIRS:
        for a in np.flatnonzero(slowed):
            array[a][:, slowed] = np.nan
    elif name != "jump_diffusivity":  # of neutral units, as slow as the slower of the two
        for a in np.flatnonzero(slowed):
            blank(name, array, int(a))


def _verdicts(name: str, fit: Fit, last: FloatArray, refused: BoolArray) -> tuple[Verdict, ...]:
    told = []
    for a in range(len(refused)):
        if refused[a] or name in _WITH_FAST:
            told.append(Verdict.REFUSED)
            continue
        value, stderr, curved, before = (
            of_species(name, x, a) for x in (fit.value, fit.stderr, fit.curvature, last)
        )
        size = np.abs(before)
        judged = (size > LARGE * np.nanmax(size, initial=0.0)) & (stderr > 0)
        moved = (np.abs(value - before) > stderr) | (curved > 0.5 * stderr)
        told.append(Verdict.WITH_ERROR if (judged & moved).any() else Verdict.VALID)
    return tuple(told)
