"""Diffusion coefficients from squared displacements over blocks of doubling length.

Over a block of length t, ``<X X> - <X><X> = 2 D t + C`` once t is longer than the memory of the hops; the
constant C (back-hops at the ends of the block) would bias ``<X X>/2t``. The slope between blocks of t and 2t
is free of it:

    D_l = [M(2t) - M(t) - v v ((2t)² - t²)] / 2t,    t = t_l = sample interval * 2**l

A block is long enough (`plateau_level`) when no longer one gives a different answer. In one dimension, and in cells
much longer than wide, that is not enough: D_l falls towards D as t^(-1/2) until the slowest density wave of the cell
has decayed, too slowly to stand out of the noise. There D is extrapolated (`choose_blocks`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..ndarrays import FloatArray
from ..records import Tallies

__all__ = ["MARGIN", "Blocks", "block_means", "choose_blocks", "plateau_level", "slopes", "tail"]

MARGIN = 2
"""Levels above the first on the plateau that are used: what is too small to be seen there is smaller still."""
FADED = 0.3
"""Ratio of a tail at two levels `MARGIN` apart above which it is extrapolated; t^(-1/2) has 0.5, t^(-1) 0.25."""
FEWEST = 4
"""Levels that an extrapolation needs."""
KNOWN = 0.5
"""How much of a tail, two doublings on, its extrapolation may miss: in a finite cell with frozen disorder the density
waves, the longest above all, remember it more or less strongly than on average."""
UNSEEN = 0.3
"""What is missed may be this part of the noise."""
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


def plateau_level(diagonal: FloatArray, margin: int = MARGIN) -> int | None:
    """First level to use, or None while the memory of the hops is longer than the blocks.

    diagonal : (n, levels, k) leave-one-out values of k non-negative diffusion coefficients at each level.
    margin : levels above the first one that no longer one contradicts.
    """
    n, levels, k = diagonal.shape
    mean = diagonal.mean(axis=0)
    differs = NormalDist().inv_cdf(1 - _CHANCE / (2 * k * (levels - 1)))
    for level in range(levels - max(margin, 1)):
        difference = diagonal[:, level + 1 :] - diagonal[:, level : level + 1]
        deviation = difference - difference.mean(axis=0)
        stderr = np.sqrt((n - 1) / n * (deviation**2).sum(axis=0))
        scale = np.abs(mean[level])
        seen = np.abs(difference.mean(axis=0)) > differs * stderr + 1e-9 * scale
        if not seen.any():
            return level + margin
    return None


def tail(rates: FloatArray, lag: float, levels: int) -> FloatArray:
    """(levels,) how the slowest memory of hops in a network falls from level to level, in any unit.

    rates : (axes,) decay rates D (2 pi/L)² of the longest density wave along each axis of the cell, 1/s.

    What a place has done to a carrier is remembered as long as the carrier is likely to be found there again: D(t) - D
    is proportional to the probability of return (in d dimensions t^(-d/2)) less its final value 1/V, which the sum
    over density waves q gives: sum exp(-D q² t) - 1. Source: M. H. Ernst, J. Machta, J. R. Dorfman & H. van Beijeren,
    J. Stat. Phys. 34, 477 (1984) for the power.
    """
    nodes = 1 + (np.arange(8) + 0.5) / 8  # a slope is the mean of D(t) between t and 2t
    time = lag * 2.0 ** np.arange(levels)[:, None] * nodes
    waves = np.ones_like(time)
    for rate in rates:
        waves *= _theta(rate * time)
    return np.asarray((waves - 1).mean(axis=1))


def _theta(y: FloatArray) -> FloatArray:
    """Sum over all integers n of exp(-n² y)."""
    n = np.arange(1, 6)[:, None, None] ** 2
    with np.errstate(over="ignore", under="ignore"):
        long = 1 + 2 * np.exp(-n * y).sum(axis=0)
        short = np.sqrt(np.pi / y) * (1 + 2 * np.exp(-n * np.pi**2 / y).sum(axis=0))
    return np.where(y > 1, long, short)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which slopes make a diffusion coefficient.

    first : level of the first one. weight : (m,) of the slopes from there on. settled : whether they outlive the
    memory of the hops.
    """

    first: int
    weight: FloatArray
    settled: bool

    @property
    def last(self) -> int:
        return self.first + len(self.weight) - 1

    def at_least(self, samples: float, levels: int) -> Blocks:
        """These blocks, or one of at least ``samples`` samples, if one of the levels has it."""
        if not self.settled or 2**self.first >= samples:
            return self
        level = min(levels - 1, math.ceil(math.log2(samples)))
        return Blocks(level, np.ones(1), 2**level >= samples)

    def describe(self, what: str, lag: float) -> str:
        """In words; lag : of level 0, s."""
        times = f"from {lag * 2**self.first:.3g} to {lag * 2 ** (self.last + 1):.3g} s"
        return f"slope{'s' * (len(self.weight) > 1)} of {what} {times}" + (
            ", extrapolated" if len(self.weight) > 1 else ""
        )

    def combine(self, squares: FloatArray, drift: FloatArray | None, lag: float) -> FloatArray:
        """(n, ...) diffusion matrices from (n, levels, ...) of `levels` levels and one more; lag : of level 0, s."""
        return np.asarray(
            np.einsum("l,nl...->n...", self.weight, slopes(squares, drift, lag * 2.0**self.first))
        )


def choose_blocks(diagonal: FloatArray, short: FloatArray | None, tail: FloatArray) -> Blocks:
    """How to get the long-time value from the slopes.

    diagonal : (n, levels, k) as in `plateau_level`. short : (n, m, k) the same at still shorter times, if known.
    tail : (levels,) how slowly D(t) may fall (`tail`).

    One level serves where nothing falls from the first hop on, or where the slowest tail fades beside the noise that
    grows from level to level. Else D and the tail's amplitude are fitted to all levels from one on that no later fit
    contradicts.
    """
    levels = diagonal.shape[1]
    level = plateau_level(diagonal)
    if level is not None:
        fades = tail[level] <= FADED * tail[level - MARGIN]
        if fades or levels < FEWEST + 2 or _flat(short, diagonal):
            return Blocks(level, np.ones(1), True)
    if levels >= FEWEST + 2 and tail[MARGIN] > FADED * tail[0]:
        weight = _extrapolated(diagonal, tail)
        if weight is not None:
            return weight
    return Blocks(levels - 1, np.ones(1), False)


def _flat(short: FloatArray | None, diagonal: FloatArray) -> bool:
    """Whether nothing has fallen from the first hop on."""
    return short is not None and plateau_level(np.concatenate([short, diagonal], axis=1), 0) == 0


def _extrapolated(diagonal: FloatArray, tail: FloatArray) -> Blocks | None:
    """The first fit that is not contradicted and whose tail, known to `KNOWN` only, drowns in the noise."""
    n, levels, _ = diagonal.shape
    fits = np.stack([_extrapolation(tail, first) for first in range(levels - FEWEST + 1)])
    value, amplitude = (np.einsum("fl,nlk->nfk", fits[:, i], diagonal) for i in (0, 1))
    first = plateau_level(value, 1)
    if first is None:
        return None
    stderr = np.sqrt((n - 1) * value.var(axis=0))
    size = np.abs(amplitude.mean(axis=0)[first - 1])  # of the fit with the least noise
    for k in range(first, len(fits)):
        if np.all(KNOWN * size * tail[k + MARGIN] <= UNSEEN * stderr[k]):
            return Blocks(k, fits[k, 0, k:], True)
    return None


def _extrapolation(tail: FloatArray, first: int) -> FloatArray:
    """(2, levels) weights of D and of A in the fit D_l = D + A tail_l to all levels from ``first`` on.

    Generalised least squares with the covariance of slopes of Brownian motion, (3/4) 2^min(l, m) and (5/4) 2^l: fixed
    weights, so that noise in them biases nothing.
    """
    level = np.arange(first, len(tail))
    covariance = 0.75 * 2.0 ** np.minimum.outer(level, level)
    np.fill_diagonal(covariance, 1.25 * 2.0**level)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    scale = max(tail[first], 1e-300)
    design = np.stack([np.ones(len(level)), tail[first:] / scale], axis=1)
    weight = np.zeros((2, len(tail)))
    weight[:, first:] = np.linalg.pinv(whiten @ design) @ whiten / [[1.0], [scale]]
    return weight
