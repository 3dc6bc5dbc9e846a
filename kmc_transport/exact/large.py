"""Chains of many states: the corrector equation instead of elimination with displacements, sparse if needed.

The corrector h solves  sum_j w_ij (d_ij + h_j - h_i) = v  for every state i. Two formulas then give D,

    D = sum π_i w_ij (d_ij + h_j - h_i)(d_ij + h_j - h_i)' / 2
    D = B/2 + sym sum_j (ρ_j - π_j v) h_j',     B = sum π_i w_ij d_ij d_ij',  ρ_j = sum_i π_i w_ij d_ij

(the second is the group-inverse formula of Koza, J. Phys. A 32, 7637 (1999)). The first is used: it is a sum
of squares, and without a field an error of h enters only squared. The difference of the two is the error
estimate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import KmcTransportError
from ..ndarrays import FloatArray, IntArray
from .elimination import relative_difference
from .gth import DENSE_LIMIT, balance_residual, dense_rates, gth_factor, not_connected

__all__ = ["SparseSystem", "corrector_diffusion", "error_bound", "sparse_law"]

BALANCE = 1e-9
"""Largest flux-relative imbalance of a law that is accepted."""
SWEEPS = 20
"""Sums over incoming fluxes after a sparse solve."""
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
    system: SparseSystem | None,
) -> tuple[FloatArray, float, str]:
    """Diffusion tensor (k, k), its estimated relative error, and the method's name; dense without ``system``."""
    local = np.stack([np.bincount(origin, rate * m, n) for m in move.T], axis=1)
    if system is None:
        order = np.argsort(-law, kind="stable")  # the likeliest state is the reference, h = 0
        corrector = _dense_corrector(n, origin, target, rate, local - drift, order)
        method = "dense GTH factors, corrector equation"
    else:
        corrector = np.stack([system.solve(g, transposed=False) for g in (local - drift).T], axis=1)
        method = "sparse corrector equation"
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
    system: SparseSystem,
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
    n = system.n
    for guess in (candidate, np.full(n, 1.0 / n)):
        if guess is None or not (np.isfinite(guess).all() and (guess > 0).all()):
            continue
        guess = guess / guess.sum()
        if balance_residual(guess, origin, target, rate) < 1e-12 and (
            reversible or error_bound(system, guess, origin, target, rate) < LAW_ACCURACY
        ):
            return guess
    from_reference: FloatArray = np.bincount(
        target, np.where(origin == system.reference, rate, 0.0), n
    ).astype(np.float64)
    law = system.solve(from_reference, transposed=True)
    law[system.reference] = 1.0
    link = origin != target
    for _ in range(SWEEPS):  # rare states get from their neighbours the relative accuracy that these have
        law = np.bincount(target[link], law[origin[link]] * rate[link], n) / system.exits
    if (law > 0).all():
        law /= law.sum()
        if (
            balance_residual(law, origin, target, rate) < BALANCE
            and error_bound(system, law, origin, target, rate) < LAW_ACCURACY
        ):
            return law
    raise KmcTransportError(
        f"the stationary law of {n} states could not be verified: the rates spread too far for a sparse solve; "
        f"use a cell of at most {DENSE_LIMIT} states, or simulate this case"
    )


def error_bound(
    system: SparseSystem, law: FloatArray, origin: IntArray, target: IntArray, rate: FloatArray
) -> float:
    """Bound of the largest relative error of ``law``: the inverse of an M-matrix applied to |imbalance|."""
    flux = law[origin] * rate
    into, out = np.bincount(target, flux, system.n), np.bincount(origin, flux, system.n)
    error = system.solve(np.abs(into - out) + np.finfo(float).eps * (into + out), transposed=True)
    return float(np.max(np.abs(error) / law))


class SparseSystem:
    """Solver of ``-Q x = b`` and ``-Q' x = b`` with ``x[reference] = 0`` and that state's equation left out.

    Each state's equation is divided by its exit rate. Stabilised biconjugate gradients; where they do not
    converge, one sparse LU (kept) with refinement.
    """

    def __init__(
        self, n: int, origin: IntArray, target: IntArray, rate: FloatArray, candidate: FloatArray | None
    ) -> None:
        from scipy import sparse

        link = origin != target
        self.n = n
        self.exits: FloatArray = np.bincount(origin[link], rate[link], n).astype(np.float64)
        if not (self.exits > 0).all():
            raise not_connected()
        # a likely state: the others reach it soon
        likely = 1 / self.exits if candidate is None else np.nan_to_num(candidate)
        self.reference = int(np.argmax(likely))
        self._kept = np.flatnonzero(np.arange(n) != self.reference)
        jump = sparse.coo_matrix(
            (rate[link] / self.exits[origin[link]], (origin[link], target[link])), (n, n)
        )
        matrix = (sparse.identity(n, format="csr") - jump.tocsr()).tocsr()
        self._matrix = matrix[self._kept][:, self._kept]
        self._transposed = self._matrix.T.tocsr()
        self._factors: Any = None

    def solve(self, b: FloatArray, *, transposed: bool) -> FloatArray:
        """(n,) solution x for the right-hand side ``b`` (n,)."""
        from scipy.sparse import linalg

        matrix = self._transposed if transposed else self._matrix
        rhs = (b if transposed else b / self.exits)[self._kept]
        x = np.zeros(self.n)
        if not rhs.any():
            return x
        norm = size = float(np.linalg.norm(rhs))
        y, rest = np.zeros_like(rhs), rhs
        if self._factors is None:
            for _ in range(4):  # refined: each round gains some eight digits; scaled, for absolute thresholds
                step, failed = linalg.bicgstab(matrix, rest / size, rtol=1e-8, atol=0.0, maxiter=500)
                y = y + size * step
                rest = rhs - matrix @ y
                size = float(np.linalg.norm(rest))
                if failed or size < 1e-14 * norm:
                    break
            if not size < 1e-11 * norm:
                self._factors = linalg.splu(
                    self._matrix.tocsc(),
                    permc_spec="MMD_AT_PLUS_A",
                    diag_pivot_thresh=0.0,
                    options={"SymmetricMode": True},
                )
        if self._factors is not None:
            y = np.zeros_like(rhs)
            for _ in range(4):
                y = y + self._factors.solve(rhs - matrix @ y, trans="T" if transposed else "N")
        x[self._kept] = y / self.exits[self._kept] if transposed else y
        return x
