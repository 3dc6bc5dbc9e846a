"""How often one jump is followed by another one within some time: the master equation at two times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.linalg import expm
from scipy.sparse import coo_array, csr_array

from ..ndarrays import FloatArray, IntArray
from .flow import StationaryFlow

__all__ = ["LAG_STATES", "pairs_within"]

LAG_STATES = 250
"""Most configurations whose exponentials are worked out beside a run, in a second or so."""


def pairs_within(
    flow: StationaryFlow, first: csr_array, later: csr_array, edges: Sequence[float]
) -> FloatArray:
    """(W, A, B) mean number per second of an event a and, at a lag from ``edges[w]`` to ``edges[w + 1]`` seconds, an
    event b, in the stationary state.

    An event is whatever some jumps are: first (n_jumps, A), later (n_jumps, B) say how many of each a jump is. With
    fluxes pi_x w_xx' and the generator L it is sum pi_x w_xx' [int exp(L t) dt]_yx' w_yy' over pairs of such jumps.
    """
    space = flow.space
    met = np.flatnonzero(flow.law > 0)
    place = np.full(space.n_states, -1)
    place[met] = np.arange(len(met))
    origin, target, n = place[space.origin], place[space.target], len(met)
    here = origin >= 0
    rate = np.exp(flow.log_rate)
    generator = coo_array((rate[here], (target[here], origin[here])), shape=(n, n)).toarray()
    generator -= np.diag(generator.sum(axis=0))
    into = _summed(target[here], flow.rate[here], first[here], n)
    out_of = _summed(origin[here], rate[here], later[here], n)
    found, since = [], np.eye(n)
    for begin, end in pairwise(edges):
        # exp of [[L, 1], [0, 0]] t holds exp(L t) and its integral
        double = np.zeros((2 * n, 2 * n))
        double[:n, :n], double[:n, n:] = generator, np.eye(n)
        double = expm(double * (end - begin))
        found.append((double[:n, n:] @ (since @ into)).T @ out_of)
        since = double[:n, :n] @ since
    return np.array(found)


def _summed(state: IntArray, weight: FloatArray, events: csr_array, n: int) -> FloatArray:
    """(n, A) events of all jumps that belong to a state."""
    jumps = coo_array((weight, (state, np.arange(len(state)))), shape=(n, len(state)))
    return np.asarray((jumps @ events).toarray())
