"""Arrhenius fit with covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..ndarrays import FloatArray
from ..units import K_B

__all__ = ["ArrheniusFit", "fit_arrhenius"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrheniusFit:
    """``y = prefactor exp(-activation_energy / kT)``.

    activation_energy : eV. log_prefactor : ln of the prefactor in the unit of y. covariance : (2, 2) of
    (activation_energy, log_prefactor). chi2 : sum of squared residuals in standard errors.
    """

    activation_energy: float
    log_prefactor: float
    covariance: FloatArray
    chi2: float
    points: int

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
    """Weighted least squares of ln(value) against 1/kT.

    temperature : (n,) K. value, stderr : (n,), all of one sign. NaN points are left out. Use D or mobility x
    temperature: a fit of ln(mobility) itself gives an energy lower by about kT.

    Raises InputError with fewer than two temperatures or values of both signs.
    """
    t, y, s = (np.asarray(x, dtype=np.float64).ravel() for x in (temperature, value, stderr))
    keep = np.isfinite(t) & np.isfinite(y) & np.isfinite(s) & (y != 0) & (s > 0)
    t, y, s = t[keep], y[keep], s[keep]
    if len(np.unique(t)) < 2:
        raise InputError(
            Problem("an Arrhenius fit needs values at two temperatures or more", "temperature", t.tolist())
        )
    if not (np.all(y > 0) or np.all(y < 0)):
        raise InputError(Problem("an Arrhenius fit needs values of one sign", "value", y.tolist()))
    y = np.abs(y)
    design = np.stack([-1 / (K_B * t), np.ones_like(t)], axis=1)
    weight = y / s  # 1/standard error of ln y
    covariance = np.linalg.inv((design * weight[:, None] ** 2).T @ design)
    # the error of ln y is not symmetric: its mean lies -s²/2y² below ln of the mean
    target = np.log(y) + 0.5 / weight**2
    parameters = covariance @ ((design * weight[:, None] ** 2).T @ target)
    residual = (target - design @ parameters) * weight
    return ArrheniusFit(
        activation_energy=float(parameters[0]),
        log_prefactor=float(parameters[1]),
        covariance=covariance,
        chi2=float(residual @ residual),
        points=len(t),
    )
