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

__all__ = ["ChainSolution", "balance_residual", "connected_components", "gth", "gth_factor", "solve_chain"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ELIMINATION_LIMIT = 256
"""Up to this many states the displacements are eliminated together with the states."""
DENSE_LIMIT = 2000
"""Up to this many states the stationary law may come from dense GTH elimination."""
SPARSE_SPREAD = np.log(1e8)
"""Spread of ln(rate) below which a sparse solve is tried although dense elimination would do."""
SPREAD_LIMIT = 130 * np.log(10)
"""Largest spread of ln(rate): products of two rates stay within double precision."""
GAUGE_SPREAD = np.log(1e4)
"""Spread of ln(probability flux) above which many states, too, get the gauge along the fastest jumps."""
ACCURACY = 1e-4
"""Results with a larger relative error estimate are refused."""


@dataclass(frozen=True, eq=False)
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
    move = np.asarray(displacement, np.float64).reshape(len(o), -1)
    keep = logs > -np.inf
    if not keep.all():
        o, t, logs, move = o[keep], t[keep], logs[keep], move[keep]
    if not len(o):
        if n_states != 1:
            raise _not_connected()
        zero = np.zeros(move.shape[1])
        return ChainSolution(np.ones(1), zero, np.zeros((len(zero), len(zero))), 0.0, "no jumps")
    top = float(logs.max())
    if top - float(logs.min()) > SPREAD_LIMIT:
        raise KmcTransportError(
            f"rates spread over {(top - logs.min()) / np.log(10):.0f} decades, too many for an exact answer; "
            "raise the temperature, or leave out hops that never happen"
        )
    rate = np.exp(logs - top)
    mild = top - float(logs.min()) < SPARSE_SPREAD
    sparse = n_states > DENSE_LIMIT or (n_states > ELIMINATION_LIMIT and mild)
    if sparse:
        from .large import sparse_law

        law = sparse_law(n_states, o, t, rate, candidate, reversible)
    else:
        law = _dense_law(n_states, o, t, rate)
    imbalance = balance_residual(law, o, t, rate)
    with np.errstate(divide="ignore"):
        log_flux = np.log(law[o]) + logs
    if n_states > 1 and (n_states <= ELIMINATION_LIMIT or np.ptp(log_flux) > GAUGE_SPREAD):
        move = _tree_gauge(n_states, o, t, log_flux, move)
    flux = law[o] * rate
    drift = np.zeros(move.shape[1]) if reversible else flux @ move
    if n_states <= ELIMINATION_LIMIT:
        diffusion, error = _eliminate(n_states, o, t, rate, move, law, drift, reversible)
        method = "GTH elimination with displacements"
    else:
        from .large import corrector_diffusion

        diffusion, error, method = corrector_diffusion(n_states, o, t, rate, move, law, drift, sparse)
    scale = np.exp(top)
    solution = ChainSolution(law, drift * scale, diffusion * scale, max(imbalance, error), method)
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
                raise _not_connected()
            a[:k, k] /= s
            a[low:k, :k] += a[low:k, k, None] * a[k, :k]
            a[:low, low:k] += a[:low, k, None] * a[k, low:k]
        a[:low, :low] += a[:low, low:high] @ a[low:high, :low]
        high = low
    return exit_rate


def balance_residual(law: FloatArray, origin: IntArray, target: IntArray, rate: FloatArray) -> float:
    """Largest |flux in - flux out| of a state, relative to their sum."""
    flux = law[origin] * rate
    n = len(law)
    into, out = np.bincount(target, flux, n), np.bincount(origin, flux, n)
    total = into + out
    return float(np.max(np.abs(into - out)[total > 0] / total[total > 0], initial=0.0))


def _not_connected() -> KmcTransportError:
    return KmcTransportError("the chain is not irreducible: some states cannot be reached from others")


def dense_rates(n: int, origin: IntArray, target: IntArray, rate: FloatArray) -> FloatArray:
    """(n, n) summed rates, zero on the diagonal."""
    a = np.bincount(origin * n + target, rate, n * n).reshape(n, n)
    np.fill_diagonal(a, 0.0)
    return a


def _dense_law(n: int, origin: IntArray, target: IntArray, rate: FloatArray) -> FloatArray:
    a = dense_rates(n, origin, target, rate)
    order = np.argsort(a.sum(axis=1), kind="stable")  # slow states are likely: keep them to the last
    law = np.empty(n)
    law[order] = gth(a[np.ix_(order, order)])
    return law


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


def _eliminate(
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
    mean = np.zeros((dim, n * n))
    for c in range(dim):
        weighted = np.bincount(pair[link], (rate * move[:, c])[link], n * n)
        np.divide(weighted, a.reshape(-1), out=mean[c], where=a.reshape(-1) > 0)
    spread = np.where(link[:, None], move - mean[:, pair].T, move)
    start = 0.5 * (spread.T * (pi[o] * rate)) @ spread
    mean = mean.reshape(dim, n, n)
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
        share = np.divide(new, total, out=np.zeros_like(total), where=total > 0)
        path -= mean[:, :k, :k]
        weight = (pi[:k, None] * old * share).reshape(-1)
        flat = path.reshape(dim, -1)
        diffusion += 0.5 * (flat * weight) @ flat.T
        mean[:, :k, :k] += path * share
        a[:k, :k] = total
    return diffusion


def relative_difference(first: FloatArray, second: FloatArray) -> float:
    """Largest difference of two tensors, relative to the geometric mean of the diagonal elements."""
    size = np.sqrt(np.abs(np.outer(first.diagonal(), first.diagonal())))
    difference = np.abs(first - second)
    if (difference[size == 0] > 0).any():
        return float("inf")
    return float(np.max(difference[size > 0] / size[size > 0], initial=0.0))
