"""Diffusion in a sphere, independent of any battery code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

FARADAY = 96485.33212
FloatArray = npt.NDArray[np.float64]


def flux_of(cell: dict[str, float], c_rate: float = 1.0) -> float:
    """Stoichiometry times metres a second that enter a particle of the positive electrode in a discharge."""
    current = c_rate * cell["Nominal cell capacity [A.h]"]
    sheets = cell["Number of electrodes connected in parallel to make a cell"]
    area = cell["Electrode width [m]"] * cell["Electrode height [m]"] * sheets
    share = cell["Positive electrode active material volume fraction"]
    specific = 3 * share / cell["Positive particle radius [m]"]
    density = current / (area * cell["Positive electrode thickness [m]"] * specific)
    return density / FARADAY / cell["Maximum concentration in positive electrode [mol.m-3]"]


def surface_stoichiometry(
    diffusivity: Callable[[FloatArray], FloatArray],
    *,
    radius: float,
    flux: float | Callable[[float], float],
    start: float,
    times: FloatArray,
    shells: int = 200,
) -> FloatArray:
    """Of a sphere with a flux (constant, or of the time) through its surface, from finite volumes."""
    inward = flux if callable(flux) else lambda _: flux
    edge = np.linspace(0, radius, shells + 1)
    middle = 0.5 * (edge[1:] + edge[:-1])
    volume = (edge[1:] ** 3 - edge[:-1] ** 3) / 3

    def rate(time: float, x: FloatArray) -> FloatArray:
        inner = -diffusivity(0.5 * (x[1:] + x[:-1])) * np.diff(x) / np.diff(middle) * edge[1:-1] ** 2
        through = np.concatenate([[0.0], inner, [-inward(time) * radius**2]])
        return -np.diff(through) / volume

    band = (np.abs(np.subtract.outer(np.arange(shells), np.arange(shells))) <= 1).astype(float)
    found = solve_ivp(
        rate,
        (times[0], times[-1]),
        np.full(shells, start),
        method="BDF",
        t_eval=times,
        rtol=1e-7,
        atol=1e-9,
        jac_sparsity=band,
    )
    last = found.y[-1]
    gradient = np.array([inward(t) for t in times]) / diffusivity(last)
    return np.asarray(last + gradient * (radius - middle[-1]), np.float64)


def analytic_surface(
    diffusivity: float, *, radius: float, flux: float, start: float, times: FloatArray
) -> FloatArray:
    """The same for a constant diffusivity (Crank, The Mathematics of Diffusion, 1975, section 6.3.5)."""
    roots = np.array(
        [
            brentq(lambda z: np.tan(z) - z, n * np.pi + 1e-9, n * np.pi + np.pi / 2 - 1e-9)
            for n in range(1, 200)
        ]
    )
    tau = diffusivity * times[:, None] / radius**2
    series = (np.exp(-(roots**2) * tau) / roots**2).sum(axis=1)
    series[times == 0] = 0.1  # sum of 1/root²
    return np.asarray(start + flux * radius / diffusivity * (3 * tau[:, 0] + 0.2 - 2 * series), np.float64)
