"""Diffusion coefficients from squared displacements over blocks of doubling length.

Over a block of length t, ``<X X> - <X><X> = 2 D t + C`` once t is longer than the memory of the hops; the
constant C (back-hops at the ends of the block) would bias ``<X X>/2t``. The slope between blocks of t and 2t
is free of it:

    D_l = [M(2t) - M(t) - v v ((2t)² - t²)] / 2t,    t = t_l = sample interval * 2**l

A block is long enough (`plateau_level`) when no longer one gives a different answer.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ..records import Tallies

__all__ = ["MARGIN", "block_means", "plateau_level", "slopes"]

FloatArray = npt.NDArray[np.float64]

MARGIN = 2
"""Levels above the first on the plateau that are used: what is too small to be seen there is smaller still."""
_CHANCE = 0.02
"""Chance that noise alone makes some longer block look different."""


def block_means(tallies: Tallies) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Batch averages: velocity and squared displacement per block.

    Returns velocity (n, S, 3) of the summed displacement, Å/s; collective (n, levels+1, S, 3, S, 3) and
    tracer (n, levels+1, S, 3, 3), the latter per carrier, Å².
    """
    blocks = np.array([tallies.blocks_per_row(level) for level in range(tallies.levels + 1)], dtype=float)
    velocity = tallies.displacement / tallies.row_time
    collective = tallies.collective / blocks[:, None, None, None, None]
    tracer = tallies.tracer / (blocks[:, None] * tallies.number)[..., None, None]
    return velocity, collective, tracer


def slopes(squares: FloatArray, drift: FloatArray | None, lag: float) -> FloatArray:
    """Diffusion matrix at each level, Å²/s.

    squares : (n, levels+1, ...) mean of products of displacements over blocks. drift : (n, ...) product of the
    mean velocities, to be subtracted, or None where they vanish by detailed balance. lag : of level 0, s.
    Returns (n, levels, ...).
    """
    levels = squares.shape[1] - 1
    shape = (levels,) + (1,) * (squares.ndim - 2)
    time = (lag * 2.0 ** np.arange(levels)).reshape(shape)
    rise = np.diff(squares, axis=1)
    if drift is not None:
        rise = rise - drift[:, None] * (3 * time**2)
    return rise / (2 * time)


def plateau_level(diagonal: FloatArray) -> int | None:
    """First level to use, or None while the memory of the hops is longer than the blocks.

    diagonal : (n, levels, k) leave-one-out values of k non-negative diffusion coefficients at each level.
    """
    n, levels, k = diagonal.shape
    mean = diagonal.mean(axis=0)
    differs = NormalDist().inv_cdf(1 - _CHANCE / (2 * k * (levels - 1)))
    for level in range(levels - MARGIN):
        difference = diagonal[:, level + 1 :] - diagonal[:, level : level + 1]
        deviation = difference - difference.mean(axis=0)
        stderr = np.sqrt((n - 1) / n * (deviation**2).sum(axis=0))
        scale = np.abs(mean[level])
        seen = np.abs(difference.mean(axis=0)) > differs * stderr + 1e-9 * scale
        if not seen.any():
            return level + MARGIN
    return None
