"""Averages over batches of rows, and the jackknife that gives any function of them an error bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..ndarrays import BoolArray, FloatArray

__all__ = [
    "MIN_BATCHES",
    "autocorrelated",
    "has_fallen",
    "jackknife",
    "leave_one_out",
    "of_few_replicas",
    "replicas_agree",
    "slow_variance",
]

MIN_BATCHES = 32
"""Fewest batches that still give an error bar worth having (its own uncertainty is then 13 %)."""
_CORRELATED = 3.5
"""Lag-1 autocorrelation, in units of 1/sqrt(n), above which neighbouring batches are joined."""
_DISAGREE = 12.0
"""Ratio of the variances between and within replicas that chance does not give (once in ten thousand for four)."""


def leave_one_out(rows: FloatArray) -> FloatArray:
    """Means over all rows but one. rows: (n, ...). Returns (n, ...)."""
    n = len(rows)
    return (rows.sum(axis=0) - rows) / (n - 1)


def jackknife(
    function: Callable[..., FloatArray], *rows: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value and standard error of a function of batch means, and its leave-one-out values.

    function : takes one array per argument with a leading axis (…, as the rows have) and returns
        (leading, ...); it is called with leading 1 (all rows) and n (each row left out in turn).
    rows : (n, ...) one or several sets of batch averages over the same batches.

    The value is corrected for bias of order 1/n. Source: B. Efron, The Jackknife (SIAM, 1982).
    """
    n = len(rows[0])
    whole = np.asarray(function(*(r.mean(axis=0, keepdims=True) for r in rows)))[0]
    parts = np.asarray(function(*(leave_one_out(r) for r in rows)))
    mean = parts.mean(axis=0)
    stderr = np.sqrt((n - 1) / n * ((parts - mean) ** 2).sum(axis=0))
    return n * whole - (n - 1) * mean, stderr, parts


def autocorrelated(parts: FloatArray) -> bool:
    """Whether neighbouring batches are alike. parts: (n, k), the leave-one-out values of k quantities."""
    n = len(parts)
    centred = np.nan_to_num(parts - parts.mean(axis=0))
    variance = (centred**2).mean(axis=0)
    alive = variance > 1e-24 * (np.nan_to_num(parts) ** 2).mean(axis=0)
    if not alive.any():
        return False
    covariance = (centred[1:] * centred[:-1]).sum(axis=0)[alive] / n
    return bool((covariance / variance[alive]).max() * np.sqrt(n) > _CORRELATED)


def slow_variance(rows: FloatArray) -> FloatArray:
    """Relative variance of the mean of each column that rows taken as independent leave out.

    rows : (n, k) positive averages with little noise of their own, such as hop rates: what modulates them slowly
    (occupied traps, the arrangement of the carriers) modulates mobilities alike, where it would drown in noise.
    The variance of the mean is compared with that from blocks of 2, 4, 8 ... rows (H. Flyvbjerg & H. G. Petersen,
    J. Chem. Phys. 91, 461 (1989)); what exceeds its own scatter counts. Returns (k,).
    """
    n = len(rows)
    mean = rows.mean(axis=0)
    single = rows.var(axis=0, ddof=1) / n
    extra = np.zeros(rows.shape[1])
    size = 2
    while n // size >= 8:
        blocks = rows[: n // size * size].reshape(n // size, size, -1).mean(axis=1)
        joined = blocks.var(axis=0, ddof=1) / len(blocks)
        seen = joined > single * (1 + 2 * np.sqrt(2 / len(blocks)))
        extra = np.maximum(extra, np.where(seen, joined - single, 0.0))
        size *= 2
    return np.divide(extra, mean**2, out=np.zeros_like(extra), where=mean > 0)


def replicas_agree(rows: FloatArray, n_replicas: int) -> BoolArray:
    """(k,) whether the means of the replicas scatter as their own rows let expect.

    rows : (n, k), the replicas one after the other. False where one replica has seen another part of the system
    than the others; with one replica there is nothing to compare.
    """
    n = len(rows) // n_replicas
    if n_replicas < 2 or n < 8:
        return np.ones(rows.shape[1], np.bool_)
    parts = rows[: n * n_replicas].reshape(n_replicas, n, -1)
    # within a replica from eight stretches, which hold what correlates over many rows
    stretches = parts[:, : n // 8 * 8].reshape(n_replicas, 8, n // 8, -1).mean(axis=2)
    within = stretches.var(axis=1, ddof=1).mean(axis=0) / 8
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    return np.asarray(between <= _DISAGREE * within + 1e-12 * parts.mean(axis=(0, 1)) ** 2)


def has_fallen(before: npt.ArrayLike, after: npt.ArrayLike) -> bool:
    """Whether the mean over replicas has fallen by more than their scatter lets expect (once in forty).

    before, after : (n_replicas,) the energy of each; it falls while carriers still look for their places. Student's
    test of two means; one replica says nothing.
    """
    from scipy.special import stdtrit

    a, b = np.asarray(before, float), np.asarray(after, float)
    if len(a) < 2:
        return False
    error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
    return bool(a.mean() - b.mean() > stdtrit(2 * len(a) - 2, 0.975) * error)


def of_few_replicas(n: int) -> float:
    """Factor on a standard error that is known from ``n`` values alone, so that 1.96 of it hold the truth in 95 %."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975) / 1.959964)
