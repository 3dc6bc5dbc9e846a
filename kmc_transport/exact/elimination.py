"""Diffusion tensor of a chain by eliminating states together with their displacements."""

from __future__ import annotations

import numpy as np

from ..ndarrays import FloatArray, IntArray
from .gth import dense_rates

__all__ = ["eliminate", "relative_difference"]


def eliminate(
    n: int,
    origin: IntArray,
    target: IntArray,
    rate: FloatArray,
    move: FloatArray,
    law: FloatArray,
    drift: FloatArray,
    reversible: bool,
) -> tuple[FloatArray, float]:
    """Diffusion tensor as a sum of positive semidefinite parts, one state eliminated after the other.

    Watching the chain on fewer and fewer states keeps D. Each remaining jump has a rate A and a mean
    displacement m; each state a mean drift b (minus v). What is lost by averaging is added to D:

    - two ways i → j are merged:   D += π_i A1 A2 / (A1 + A2) (m1 - m2)(m1 - m2)' / 2
    - a path i → k → i:            D += π_i a m m' / 2,  b_i += a m
    - the random stay in k:        D += π_k b_k b_k' / (2 s_k),  m of each path through k += b_k / s_k

    (law of total variance; the star-mesh transform of a resistor network if the chain is reversible, where
    b = 0). Without detailed balance b carries rounding errors; they are estimated by a second run with b
    disturbed in its last digits. Returns the (k, k) tensor and the estimated relative error.
    """
    order = np.argsort(-law, kind="stable")
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    o, t, pi = place[origin], place[target], law[order]
    dim = move.shape[1]
    a = dense_rates(n, o, t, rate)
    link = o != t
    pair = o * n + t
    pair_mean = np.zeros((dim, n * n))
    for c in range(dim):
        weighted = np.bincount(pair[link], (rate * move[:, c])[link], n * n)
        np.divide(weighted, a.reshape(-1), out=pair_mean[c], where=a.reshape(-1) > 0)
    spread = np.where(link[:, None], move - pair_mean[:, pair].T, move)
    start = 0.5 * (spread.T * (pi[o] * rate)) @ spread
    mean = pair_mean.reshape(dim, n, n)
    still = np.zeros((dim, n))
    if reversible:
        return _reduce(a, mean, still, pi, start, True), 0.0
    size = np.empty((dim, n))
    for c in range(dim):
        here = np.bincount(o[~link], (rate * move[:, c])[~link], n)
        still[c] = here - drift[c]
        size[c] = np.bincount(o, rate * np.abs(move[:, c]), n) + abs(drift[c])
    noise = 4 * np.finfo(float).eps * size * np.where(np.arange(n) % 2, 1.0, -1.0)
    second = _reduce(a.copy(), mean.copy(), still + noise, pi, start, False)
    first = _reduce(a, mean, still, pi, start, False)
    return first, relative_difference(first, second)


def _reduce(
    a: FloatArray, mean: FloatArray, still: FloatArray, pi: FloatArray, start: FloatArray, reversible: bool
) -> FloatArray:
    diffusion = start.copy()
    dim = len(mean)
    for k in range(len(a) - 1, 0, -1):
        s = a[k, :k].sum()
        into, out = a[:k, k], a[k, :k] / s
        wait = still[:, k] / s
        diffusion += 0.5 * pi[k] * s * np.outer(wait, wait)
        path = mean[:, :k, k, None] + (mean[:, k, :k] + wait[:, None])[:, None, :]
        new = into[:, None] * out
        old = a[:k, :k]
        if not reversible:
            back = new.diagonal()
            loop = path.diagonal(axis1=1, axis2=2)
            still[:, :k] += back * loop
            diffusion += 0.5 * (loop * (pi[:k] * back)) @ loop.T
        np.fill_diagonal(new, 0.0)
        total = old + new
        share = np.divide(new, np.where(total > 0, total, 1.0), out=new)  # nothing of nothing
        path -= mean[:, :k, :k]
        weight = (pi[:k, None] * old * share).reshape(-1)
        flat = path.reshape(dim, k * k)
        diffusion += 0.5 * (flat * weight) @ flat.T
        path *= share
        mean[:, :k, :k] += path
        a[:k, :k] = total
    return diffusion


def relative_difference(first: FloatArray, second: FloatArray) -> float:
    """Largest difference of two tensors, relative to the geometric mean of the diagonal elements."""
    size = np.sqrt(np.abs(np.outer(first.diagonal(), first.diagonal())))
    difference = np.abs(first - second)
    if (difference[size == 0] > 0).any():
        return float("inf")
    return float(np.max(difference[size > 0] / size[size > 0], initial=0.0))
