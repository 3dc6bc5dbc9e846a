"""Chains of many states: the corrector equation instead of elimination with displacements, sparse if needed.

The corrector h solves  sum_j w_ij (d_ij + h_j - h_i) = v  for every state i. Two formulas then give D,

    D = sum π_i w_ij (d_ij + h_j - h_i)(d_ij + h_j - h_i)' / 2
    D = B/2 + sym sum_j (ρ_j - π_j v) h_j',     B = sum π_i w_ij d_ij d_ij',  ρ_j = sum_i π_i w_ij d_ij

(the second is the group-inverse formula of Koza, J. Phys. A 32, 7637 (1999)). The first is used: it is a sum
of squares, and without a field an error of h enters only squared. The difference of the two is the error
estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import KmcTransportError
from .chain import DENSE_LIMIT, balance_residual, dense_rates, gth_factor, relative_difference

__all__ = ["corrector_diffusion", "sparse_law"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BALANCE = 1e-9
"""Largest flux-relative imbalance of a law that is accepted."""
LAW_ACCURACY = 1e-6
"""Largest bound of the relative error of a probability that is accepted."""


def corrector_diffusion(
    n: int,
    origin: IntArray,
    target: IntArray,
    rate: FloatArray,
    move: FloatArray,
    law: FloatArray,
    drift: FloatArray,
    sparse: bool,
) -> tuple[FloatArray, float, str]:
    """Diffusion tensor (k, k), its estimated relative error, and the method's name."""
    local = np.stack([np.bincount(origin, rate * m, n) for m in move.T], axis=1)
    order = np.argsort(-law, kind="stable")  # the likeliest state is the reference, h = 0
    if not sparse:
        corrector = _dense_corrector(n, origin, target, rate, local - drift, order)
        method = "dense GTH factors, corrector equation"
    else:
        solve, method = _sparse_solver(n, origin, target, rate, int(order[0]), transposed=False)
        corrector = np.stack([solve(g) for g in (local - drift).T], axis=1)
    flux = law[origin] * rate
    step = move + corrector[target] - corrector[origin]
    diffusion = 0.5 * (step.T * flux) @ step
    arriving = np.stack([np.bincount(target, flux * m, n) for m in move.T], axis=1)
    cross = (arriving - law[:, None] * drift).T @ corrector
    other = 0.5 * (move.T * flux) @ move + 0.5 * (cross + cross.T)
    return diffusion, relative_difference(diffusion, other), method


def _dense_corrector(
    n: int, origin: IntArray, target: IntArray, rate: FloatArray, source: FloatArray, order: IntArray
) -> FloatArray:
    a = dense_rates(n, origin, target, rate)[np.ix_(order, order)]
    exit_rate = gth_factor(a)
    g = source[order].copy()
    for i in range(n - 2, -1, -1):
        g[i] += a[i, i + 1 :] @ g[i + 1 :]
    h = np.zeros_like(g)
    for k in range(1, n):
        h[k] = (g[k] + a[k, :k] @ h[:k]) / exit_rate[k]
    corrector = np.empty_like(h)
    corrector[order] = h
    return corrector


def sparse_law(
    n: int,
    origin: IntArray,
    target: IntArray,
    rate: FloatArray,
    candidate: FloatArray | None,
    reversible: bool,
) -> FloatArray:
    """Stationary law of a large chain: a candidate that is stationary, or a sparse solve.

    Verified state by state by the balance of fluxes and, unless detailed balance vouches for the candidate,
    by a bound of the error of every probability. Raises KmcTransportError when it does not hold.
    """
    for guess in (candidate, np.full(n, 1.0 / n)):
        if guess is None or not (np.isfinite(guess).all() and (guess > 0).all()):
            continue
        guess = guess / guess.sum()
        if balance_residual(guess, origin, target, rate) < 1e-12 and (
            reversible or _error_bound(guess, origin, target, rate) < LAW_ACCURACY
        ):
            return guess
    exits = np.bincount(origin, rate, n)
    reference = int(np.argmin(exits))
    solve, _ = _sparse_solver(n, origin, target, rate, reference, transposed=True)
    source = np.bincount(target, np.where(origin == reference, rate, 0.0), n)
    law = solve(source)
    law[reference] = 1.0
    if (law > 0).all():
        law /= law.sum()
        if (
            balance_residual(law, origin, target, rate) < BALANCE
            and _error_bound(law, origin, target, rate) < LAW_ACCURACY
        ):
            return law
    raise KmcTransportError(
        f"the stationary law of {n} states could not be verified: the rates spread too far for a sparse solve; "
        f"use a cell of at most {DENSE_LIMIT} states, or simulate this case"
    )


def _error_bound(law: FloatArray, origin: IntArray, target: IntArray, rate: FloatArray) -> float:
    """Bound of the largest relative error of ``law``: the inverse of an M-matrix applied to |imbalance|."""
    n = len(law)
    flux = law[origin] * rate
    into, out = np.bincount(target, flux, n), np.bincount(origin, flux, n)
    reference = int(np.argmax(law))
    solve, _ = _sparse_solver(n, origin, target, rate, reference, transposed=True)
    error = solve(np.abs(into - out) + np.finfo(float).eps * (into + out))
    return float(np.max(np.abs(error) / law))


def _sparse_solver(
    n: int, origin: IntArray, target: IntArray, rate: FloatArray, reference: int, *, transposed: bool
) -> tuple[Callable[[FloatArray], FloatArray], str]:
    """Solver of ``-Q x = b`` (or ``-Q' x = b``) with ``x[reference] = 0`` and that state's equation left out.

    Each state's equation is divided by its exit rate. Stabilised biconjugate gradients; sparse LU with
    refinement where they do not converge.
    """
    from scipy import sparse
    from scipy.sparse import linalg

    link = origin != target
    exits = np.bincount(origin[link], rate[link], n)
    kept = np.flatnonzero(np.arange(n) != reference)
    jump = sparse.coo_array(((rate / exits[origin])[link], (origin[link], target[link])), (n, n)).tocsr()
    matrix = (sparse.eye_array(n, format="csr") - (jump.T if transposed else jump)).tocsr()[kept][:, kept]
    factors: list[Any] = []

    def solve(b: FloatArray) -> FloatArray:
        rhs = (b if transposed else b / exits)[kept]
        x = np.zeros(n)
        if not rhs.any():
            return x
        norm = np.linalg.norm(rhs)
        y, rest = np.zeros_like(rhs), rhs
        for _ in range(4):  # refined: each round gains some eight digits
            step, failed = linalg.bicgstab(matrix, rest, rtol=1e-8, atol=0.0, maxiter=500)
            y = y + step
            rest = rhs - matrix @ y
            if failed or np.linalg.norm(rest) < 1e-14 * norm:
                break
        if not np.linalg.norm(rest) < 1e-11 * norm:
            if not factors:
                options = {"SymmetricMode": True}
                factors.append(
                    linalg.splu(
                        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options
                    )
                )
            y = factors[0].solve(rhs)
            for _ in range(3):
                y = y + factors[0].solve(rhs - matrix @ y)
        x[kept] = y / exits[kept] if transposed else y
        return x

    return solve, "sparse corrector equation"
