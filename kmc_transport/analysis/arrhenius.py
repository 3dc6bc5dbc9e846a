"""Arrhenius fit with covariance, of numbers that may be as small as their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..ndarrays import FloatArray
from ..units import K_B

__all__ = ["ArrheniusFit", "fit_arrhenius"]

OTHER_SIGN = 3.0
"""Standard errors by which a value may have the other sign by chance."""
WIDEST, GRID = 40.0, 801
"""The energy is looked for where the law changes by this exponent more or less than the values do, on a grid."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrheniusFit:
    """``y = sign prefactor exp(-activation_energy / kT)``.

    activation_energy : eV. log_prefactor : ln of the prefactor in the unit of y. covariance : (2, 2) of
    (activation_energy, log_prefactor). chi2 : sum of squared residuals in standard errors. sign : 1 or -1.
    """

    activation_energy: float
    log_prefactor: float
    covariance: FloatArray
    chi2: float
    points: int
    sign: int = 1

    @property
    def activation_energy_stderr(self) -> float:
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def prefactor(self) -> float:
        return float(np.exp(self.log_prefactor))

    @property
    def prefactor_stderr(self) -> float:
        return float(self.prefactor * np.sqrt(self.covariance[1, 1]))


def fit_arrhenius(temperature: npt.ArrayLike, value: npt.ArrayLike, stderr: npt.ArrayLike) -> ArrheniusFit:
    """Least squares of the values, weighted with their standard errors, by an Arrhenius law.

    Where the errors are small this is the straight line through ln(value) against 1/kT. Values as large as their errors
    count for what they are, those that have the other sign by chance too. The error of the activation energy reaches
    to where chi squared is larger by one than its least, on the side that is farther away.

    temperature : (n,) K. value, stderr : (n,). NaN points are left out. Use D or mobility x temperature: a fit of the
    mobility itself gives an energy lower by about kT.

    Raises InputError with fewer than two temperatures, values of both signs, or values that any activation energy
    would fit.
    """
    t, y, s = (np.asarray(x, dtype=np.float64).ravel() for x in (temperature, value, stderr))
    keep = np.isfinite(t) & np.isfinite(y) & np.isfinite(s) & (y != 0) & (s > 0)
    t, y, s = t[keep], y[keep], s[keep]
    if len(np.unique(t)) < 2:
        raise InputError(
            Problem("an Arrhenius fit needs values at two temperatures or more", "temperature", t.tolist())
        )
    sign = 1 if y[np.abs(y / s).argmax()] > 0 else -1
    if np.any(sign * y < -OTHER_SIGN * s):
        raise InputError(Problem("an Arrhenius fit needs values of one sign", "value", y.tolist()))
    law = _Law(1 / (K_B * t), sign * y, s)
    energy = law.least()
    amplitude, model, log_scale = law.at(energy)
    error = law.error(energy)
    if not np.isfinite(error):
        raise InputError(
            Problem(
                message="an Arrhenius fit needs values that are larger than their errors",
                key="value",
                value=y.tolist(),
                remedy="simulate longer",
            )
        )
    jacobian = np.stack([-law.x, np.ones_like(law.x)], axis=1) * (amplitude * model)[:, None]
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    return ArrheniusFit(
        activation_energy=energy,
        log_prefactor=float(np.log(amplitude) - log_scale),
        covariance=covariance * (error**2 / covariance[0, 0]),
        chi2=float(law.chi2(energy)),
        points=len(t),
        sign=sign,
    )


class _Law:
    """Chi squared of an activation energy, each with the prefactor that fits best.

    x : (n,) 1/kT, 1/eV. y, s : (n,) values, their errors.
    """

    def __init__(self, x: FloatArray, y: FloatArray, s: FloatArray) -> None:
        self.x, self.y, self.s = x, y / s, s

    def at(self, energy: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of energies (...): amplitude (...), law over the errors up to that factor (..., n), and ln of what the law is
        multiplied with beside it (...)."""
        exponent = -np.multiply.outer(energy, self.x) - np.log(self.s)
        largest = exponent.max(axis=-1)
        law = np.exp(exponent - largest[..., None])
        return np.maximum(0.0, law @ self.y / (law**2).sum(axis=-1)), law, largest

    def chi2(self, energy: npt.ArrayLike) -> FloatArray:
        """Sum of squared residuals in standard errors, of energies (...)."""
        amplitude, law, _ = self.at(energy)
        return np.asarray(((self.y - amplitude[..., None] * law) ** 2).sum(axis=-1))

    def least(self) -> float:
        """Energy of the least chi squared."""
        from scipy.optimize import minimize_scalar

        size, weight = np.log(np.maximum(self.y, 0.5) * self.s), np.maximum(self.y, 0.5) ** 2
        x, size = self.x - weight @ self.x / weight.sum(), size - weight @ size / weight.sum()
        guess, reach = -(weight * x) @ size / ((weight * x) @ x), WIDEST / np.ptp(self.x)
        energies = guess + np.linspace(-reach, reach, GRID)
        k = int(self.chi2(energies).argmin())
        bounds = energies[max(0, k - 1)], energies[min(GRID - 1, k + 1)]
        found = minimize_scalar(
            lambda e: float(self.chi2(e)), bounds=bounds, method="bounded", options={"xatol": 1e-12}
        )
        return float(found.x)

    def error(self, energy: float) -> float:
        """Distance to where chi squared is larger by one; inf where it never is."""
        return max(self._side(energy, 1), self._side(energy, -1))

    def _side(self, energy: float, way: int) -> float:
        from scipy.optimize import brentq

        reach, least = WIDEST / np.ptp(self.x), self.chi2(energy)

        def above(distance: float) -> float:
            return float(self.chi2(energy + way * distance) - least - 1)

        far = reach * 2.0**-40
        while above(far) < 0:
            far *= 2
            if far > reach:
                return np.inf
        return float(brentq(above, 0.0, far, rtol=1e-6))
