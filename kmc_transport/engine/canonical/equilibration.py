"""Has a series come to rest? Found out by a statistical test, not by a length chosen beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...ndarrays import FloatArray

__all__ = ["MIN_SAMPLES", "Equilibration", "autocorrelation_time", "judge"]

MIN_SAMPLES = 64.0
"""Independent samples that the kept part of a series must hold."""
MAX_Z = 2.0
"""Largest difference between its first and last third, in standard errors."""


@dataclass(frozen=True, kw_only=True)
class Equilibration:
    """What a series says about equilibrium."""

    equilibrated: bool
    start: int
    """First sample that is kept."""
    mean: float
    stderr: float
    """Of the mean of the kept part, autocorrelation taken into account."""
    autocorrelation_time: float
    """Integrated, in samples; 1 for independent ones."""
    z: float
    """First against last third of the kept part, in standard errors."""
    why: str = ""


def autocorrelation_time(series: npt.ArrayLike) -> float:
    """Integrated autocorrelation time 1 + 2 sum_t rho(t), in samples, with Sokal's window of 5 times itself.

    A. D. Sokal, in Functional Integration, NATO ASI B 361, 131 (1997), section 3. 1 for a constant series.
    """
    x = np.asarray(series, np.float64)
    x = x - x.mean()
    n = len(x)
    if n < 2 or not np.any(x):
        return 1.0
    spectrum = np.fft.rfft(x, 2 * n)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum))[:n]
    tau = 2 * np.cumsum(covariance / covariance[0]) - 1
    window = np.flatnonzero(np.arange(n) >= 5 * tau)
    return max(1.0, float(tau[window[0]] if len(window) else tau[-1]))


def judge(series: npt.ArrayLike) -> Equilibration:
    """Whether a series of energies has forgotten its start and samples one distribution.

    The start that is thrown away is MSER's: what is left has the smallest standard error by its own variance (K. P.
    White, Simulation 69, 323 (1997)). If that is half of the series or more, or holds fewer than `MIN_SAMPLES`
    independent samples, or its first and last third differ by more than `MAX_Z` standard errors (J. Geweke, in Bayesian
    Statistics 4 (1992), with the autocorrelation time in the errors), it is not equilibrated.
    """
    x = np.asarray(series, np.float64)
    n = len(x)
    if n < MIN_SAMPLES:
        error = math.sqrt(autocorrelation_time(x) * float(x.var()) / n)
        return Equilibration(
            equilibrated=False,
            start=0,
            mean=float(x.mean()),
            stderr=error,
            autocorrelation_time=1.0,
            z=0.0,
            why=f"{n} samples are fewer than {MIN_SAMPLES:.0f}",
        )
    scale = float(np.abs(x).max(initial=0.0))
    if np.ptp(x) <= 1e-12 * max(scale, 1.0):
        return Equilibration(
            equilibrated=True,
            start=0,
            mean=float(x[0]),
            stderr=0.0,
            autocorrelation_time=1.0,
            z=0.0,
            why="constant",
        )
    start = _mser(x)
    kept = x[start:]
    tau = autocorrelation_time(kept)
    stderr = math.sqrt(tau * float(kept.var()) / len(kept))
    third = len(kept) // 3
    ends = kept[:third], kept[-third:]
    error = math.sqrt(sum(tau * float(np.var(kept)) / third for _ in ends))
    z = float((ends[1].mean() - ends[0].mean()) / error) if error > 0 else 0.0
    why = ""
    if start >= n // 2:
        why = "the first half is still part of the way there"
    elif len(kept) < MIN_SAMPLES * tau:
        why = f"{len(kept) / tau:.0f} independent samples are fewer than {MIN_SAMPLES:.0f}"
    elif abs(z) > MAX_Z:
        why = f"first and last third differ by {abs(z):.1f} standard errors"
    return Equilibration(
        equilibrated=not why,
        start=start,
        mean=float(kept.mean()),
        stderr=stderr,
        autocorrelation_time=tau,
        z=z,
        why=why,
    )


def _mser(x: FloatArray) -> int:
    """Number of samples to throw away, at most half of them, in batches of five or a sixty-fourth of the series."""
    n = len(x)
    batch = max(5, n // 64)
    whole = x[n % batch :].reshape(-1, batch).mean(axis=1)
    m = len(whole)
    left = np.arange(m, 0, -1)
    back = whole[::-1] - whole[-1]
    mean = (np.cumsum(back)[::-1]) / left
    square = (np.cumsum(back**2)[::-1]) / left
    error = (square - mean**2) / left
    best = int(np.argmin(error[: m // 2 + 1]))
    return best * batch + (n % batch if best else 0)
