"""Elimination without subtraction (Grassmann, Taksar & Heyman): small probabilities keep their digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import KmcTransportError
from ..ndarrays import FloatArray, IntArray

__all__ = [
    "DENSE_LIMIT",
    "balance_residual",
    "dense_law",
    "dense_rates",
    "gth",
    "gth_factor",
    "not_connected",
]

DENSE_LIMIT = 2000
"""Up to this many states the stationary law may come from dense GTH elimination."""


def gth(rate: npt.ArrayLike) -> FloatArray:
    """Stationary law (n,) of the chain with rates ``rate[i, j]`` of i → j, by elimination without subtraction.

    Every component keeps its relative accuracy whatever the spread of the rates (Grassmann, Taksar & Heyman,
    Oper. Res. 33, 1107 (1985)). Diagonal elements are ignored. Raises KmcTransportError when some state
    cannot reach state 0.
    """
    a = np.array(rate, dtype=np.float64)
    gth_factor(a)
    law = np.zeros(len(a))
    law[0] = 1.0
    for i in range(len(a) - 1):
        law[i + 1 :] += law[i] * a[i, i + 1 :]
        if law[i + 1] > 1e150:  # state 0 is rare: keep the range centred
            law *= 1e-150
    return law / law.sum()


def gth_factor(a: FloatArray, block: int = 48) -> FloatArray:
    """Eliminate states n-1 … 1 of the rate matrix ``a`` in place; returns (n,) exit rates s.

    Afterwards row k left of the diagonal holds the rates of state k in the chain watched only on states
    0 … k, and column k above it the rates into k divided by s_k. Only additions of positive numbers.
    """
    n = len(a)
    exit_rate = np.zeros(n)
    high = n
    while high > 1:
        low = max(1, high - block)
        for k in range(high - 1, low - 1, -1):
            s = exit_rate[k] = a[k, :k].sum()
            if not s > 0:
                raise not_connected()
            a[:k, k] /= s
            a[low:k, :k] += a[low:k, k, None] * a[k, :k]
            a[:low, low:k] += a[:low, k, None] * a[k, low:k]
        a[:low, :low] += a[:low, low:high] @ a[low:high, :low]
        high = low
    return exit_rate


def dense_rates(n: int, origin: IntArray, target: IntArray, rate: FloatArray) -> FloatArray:
    """(n, n) summed rates, zero on the diagonal."""
    a: FloatArray = np.bincount(origin * n + target, rate, n * n).astype(np.float64).reshape(n, n)
    np.fill_diagonal(a, 0.0)
    return a


def dense_law(n: int, origin: IntArray, target: IntArray, rate: FloatArray) -> FloatArray:
    a = dense_rates(n, origin, target, rate)
    order = np.argsort(a.sum(axis=1), kind="stable")  # slow states are likely: keep them to the last
    law = np.empty(n)
    law[order] = gth(a[np.ix_(order, order)])
    return law


def not_connected() -> KmcTransportError:
    return KmcTransportError("the chain is not irreducible: some states cannot be reached from others")


def balance_residual(law: FloatArray, origin: IntArray, target: IntArray, rate: FloatArray) -> float:
    """Largest |flux in - flux out| of a state, relative to their sum."""
    flux = law[origin] * rate
    n = len(law)
    into, out = np.bincount(target, flux, n), np.bincount(origin, flux, n)
    total = into + out
    return float(np.max(np.abs(into - out)[total > 0] / total[total > 0], initial=0.0))
