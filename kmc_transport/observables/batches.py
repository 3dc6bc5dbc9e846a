"""Averages over batches of rows, and the jackknife that gives any function of them an error bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["MIN_BATCHES", "autocorrelated", "jackknife", "leave_one_out"]

FloatArray = npt.NDArray[np.float64]

MIN_BATCHES = 32
"""Fewest batches that still give an error bar worth having (its own uncertainty is then 13 %)."""
_CORRELATED = 3.5
"""Lag-1 autocorrelation, in units of 1/sqrt(n), above which neighbouring batches are joined."""


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
