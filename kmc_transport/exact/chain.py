"""Markov chains that move: stationary law, drift and diffusion tensor, digits kept over many decades.

A chain of states jumps i → j at rate w_ij and adds a displacement d_ij to a vector X. With stationary law π

    v = sum π_i w_ij d_ij,      D = lim cov(X)/(2t)

(group-inverse formula: Koza, J. Phys. A 32, 7637 (1999); 1D: Derrida, J. Stat. Phys. 31, 433 (1983)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import KmcTransportError
from ..ndarrays import FloatArray, IntArray
from .elimination import eliminate
from .gth import DENSE_LIMIT, balance_residual, dense_law, not_connected

__all__ = ["ChainSolution", "connected_components", "solve_chain"]

ELIMINATION_LIMIT = 256
"""Up to this many states the displacements are eliminated together with the states."""
SPARSE_SPREAD = np.log(1e6)
"""Spread of ln(rate) below which a sparse solve is tried although dense elimination would do."""
SPREAD_LIMIT = 130 * np.log(10)
"""Largest spread of ln(rate): products of two rates stay within double precision."""
GAUGE_SPREAD = np.log(1e4)
"""Spread of ln(probability flux) above which many states, too, get the gauge along the fastest jumps."""
ACCURACY = 1e-4
"""Results with a larger relative error estimate are refused."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ChainSolution:
    """Answer for one irreducible chain.

    law : (n_states,) stationary probabilities. drift : (k,) displacement per second.
    diffusion : (k, k) symmetric, displacement² per second; fluctuations about the mean drift.
    residual : largest of the flux-relative imbalance of the law and the estimated relative error of
        ``diffusion``. method : how it was had.
    """

    law: FloatArray
    drift: FloatArray
    diffusion: FloatArray
    residual: float
    method: str


def solve_chain(
    n_states: int,
    origin: npt.ArrayLike,
    target: npt.ArrayLike,
    log_rate: npt.ArrayLike,
    displacement: npt.ArrayLike,
    *,
    reversible: bool = False,
    candidate: FloatArray | None = None,
) -> ChainSolution:
    """Stationary law, drift and diffusion tensor of an irreducible chain.

    Parameters
    ----------
    origin, target : (n_jumps,) states; equal ones are jumps that only add a displacement. Parallel jumps stay
        apart.
    log_rate : (n_jumps,) natural logarithm of the rate in 1/s; -inf is no jump.
    displacement : (n_jumps, k). Integers (windings round the periodic cell) keep most digits: any function of
        the state may be subtracted, u(target) - u(origin), without changing v and D.
    reversible : the chain obeys detailed balance and every jump has its reverse with the opposite
        displacement. The drift is then exactly 0.
    candidate : (n_states,) a guess of the law; the sparse solve of many states takes it if it is stationary.

    Raises
    ------
    KmcTransportError
        When some states cannot be reached from others, when rates spread over more than 130 decades, or when
        fewer than four digits of the answer are certain.
    """
    o, t = np.asarray(origin, np.int64), np.asarray(target, np.int64)
    logs = np.asarray(log_rate, np.float64)
    move = np.asarray(displacement, np.float64)
    keep = logs > -np.inf
    if not keep.all():
        o, t, logs, move = o[keep], t[keep], logs[keep], move[keep]
    if not len(o):
        if n_states != 1:
            raise not_connected()
        zero = np.zeros(move.shape[1])
        return ChainSolution(
            law=np.ones(1),
            drift=zero,
            diffusion=np.zeros((len(zero), len(zero))),
            residual=0.0,
            method="no jumps",
        )
    top = float(logs.max())
    if top - float(logs.min()) > SPREAD_LIMIT:
        raise KmcTransportError(
            f"rates spread over {(top - logs.min()) / np.log(10):.0f} decades, too many for an exact answer; "
            "raise the temperature, or leave out hops that never happen"
        )
    rate = np.exp(logs - top)
    mild = top - float(logs.min()) < SPARSE_SPREAD
    system = None
    if n_states > DENSE_LIMIT or (n_states > ELIMINATION_LIMIT and mild):
        from .large import SparseSystem, sparse_law

        try:
            system = SparseSystem(n_states, o, t, rate, candidate)
            law = sparse_law(system, o, t, rate, candidate, reversible)
        except KmcTransportError:
            if n_states > DENSE_LIMIT:
                raise
            system = None
    if system is None:
        law = dense_law(n_states, o, t, rate)
    imbalance = balance_residual(law, o, t, rate)
    if move.shape[1] == 0:  # the law alone
        return ChainSolution(
            law=law,
            drift=np.zeros(0),
            diffusion=np.zeros((0, 0)),
            residual=imbalance,
            method="stationary law",
        )
    with np.errstate(divide="ignore"):
        log_flux = np.log(law[o]) + logs
    if n_states > 1 and (n_states <= ELIMINATION_LIMIT or np.ptp(log_flux) > GAUGE_SPREAD):
        move = _tree_gauge(n_states, o, t, log_flux, move)
    flux = law[o] * rate
    drift = np.zeros(move.shape[1]) if reversible else flux @ move
    if n_states <= ELIMINATION_LIMIT:
        diffusion, error = eliminate(n_states, o, t, rate, move, law, drift, reversible)
        method = "GTH elimination with displacements"
    else:
        from .large import corrector_diffusion

        diffusion, error, method = corrector_diffusion(n_states, o, t, rate, move, law, drift, system)
    scale = np.exp(top)
    solution = ChainSolution(
        law=law,
        drift=drift * scale,
        diffusion=diffusion * scale,
        residual=max(imbalance, error),
        method=method,
    )
    if not error <= ACCURACY or not np.isfinite(diffusion).all():
        raise KmcTransportError(
            f"the exact diffusion tensor has lost its digits (estimated relative error {error:.1g}, allowed "
            f"{ACCURACY:g}): contributions cancel almost completely; simulate this case, or use fewer states"
        )
    return solution


def connected_components(n_states: int, origin: IntArray, target: IntArray) -> IntArray:
    """(n_states,) label 0, 1, … of the set of states that each state is linked with (direction ignored)."""
    label = np.arange(n_states)
    while True:
        low = np.minimum(label[origin], label[target])
        new = label.copy()
        for end in (origin, target):
            np.minimum.at(new, end, low)
            np.minimum.at(new, label[end], low)  # hook the roots, so that long chains close in few rounds
        while (new[new] != new).any():
            new = new[new]
        if (new == label).all():
            return np.unique(label, return_inverse=True)[1].astype(np.int64).reshape(-1)
        label = new


def _tree_gauge(
    n: int, origin: IntArray, target: IntArray, log_flux: FloatArray, move: FloatArray
) -> FloatArray:
    """Displacements with u(target) - u(origin) subtracted so that the jumps of greatest flux have none.

    On the spanning tree of greatest flux they vanish exactly; a jump off the tree keeps the displacement of
    its loop, whose slowest link it is. Fast rattling in traps then adds nothing that would have to cancel.
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    branches: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]
    starts, ends = origin.tolist(), target.tolist()
    links = 0
    for jump in np.argsort(-log_flux, kind="stable").tolist():
        i, j = starts[jump], ends[jump]
        a, b = root(i), root(j)
        if a != b:
            parent[a] = b
            branches[i].append((j, jump, 1))
            branches[j].append((i, jump, -1))
            links += 1
            if links == n - 1:
                break
    potential = np.zeros((n, move.shape[1]))
    seen = np.zeros(n, bool)
    seen[0] = True
    stack = [0]
    while stack:
        i = stack.pop()
        for j, jump, sign in branches[i]:
            if not seen[j]:
                seen[j] = True
                potential[j] = potential[i] + sign * move[jump]
                stack.append(j)
    gauged = move - (potential[target] - potential[origin])
    gauged[np.abs(gauged) < 1e-9 * np.abs(move).max(axis=0, initial=0.0)] = 0.0
    return gauged
