"""Which atom of one structure is which of another, across periodic boundaries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray, IntArray
from .common import UNKNOWN

__all__ = ["match_atoms", "wrap"]


def wrap(vectors: FloatArray, cell: FloatArray) -> FloatArray:
    """(..., 3) vectors taken to the periodic image with fractions between -1/2 and 1/2."""
    fraction = vectors @ np.linalg.inv(cell)
    return (fraction - np.round(fraction)) @ cell


def match_atoms(
    cell: FloatArray,
    positions: FloatArray,
    symbols: Sequence[str],
    other_positions: FloatArray,
    other_symbols: Sequence[str] | None,
    *,
    what: str = "the other structure",
) -> tuple[IntArray, FloatArray]:
    """Order of the other structure's atoms and their displacements.

    The atoms stay as they are numbered, unless another assignment within each element moves them far less
    (sum of squares below half): then that one is taken, since the files have different orders.

    Returns
    -------
    (order, displacement) : atom ``order[i]`` of the other is atom i; it lies at ``positions[i] +
        displacement[i]``, (n_atoms, 3) Å, on the nearest periodic image.

    Raises
    ------
    InputError : other numbers of atoms, or of atoms of an element.
    """
    n = len(positions)
    theirs = tuple(other_symbols) if other_symbols is not None else tuple(symbols)
    same = theirs == tuple(symbols)
    if len(other_positions) != n or not (same or sorted(theirs) == sorted(symbols)):
        raise InputError(
            f"{what} does not have the same atoms",
            value=_formula(theirs),
            allowed=_formula(symbols),
            remedy="give structures of one and the same cell, all with the same atoms",
        )
    plain = np.arange(n)
    best: IntArray = plain
    moved = wrap(np.asarray(other_positions) - positions, cell)
    if same and np.linalg.norm(moved, axis=1).max() < 0.5:
        return plain, moved
    from scipy.optimize import linear_sum_assignment

    best = np.empty(n, dtype=np.int64)
    ours, them = np.array(symbols), np.array(theirs)
    for element in dict.fromkeys(symbols):
        here, there = np.flatnonzero(ours == element), np.flatnonzero(them == element)
        apart = wrap(other_positions[there][None] - positions[here][:, None], cell)
        rows, columns = linear_sum_assignment((apart**2).sum(axis=2))
        best[here[rows]] = there[columns]
    again = wrap(np.asarray(other_positions)[best] - positions, cell)
    if same and not (again**2).sum() < 0.5 * (moved**2).sum():
        return plain, moved
    return best, again


def _formula(symbols: Sequence[str]) -> str:
    names = [s for s in symbols if s != UNKNOWN]
    counts = " ".join(f"{e}{names.count(e)}" for e in sorted(set(names)))
    return f"{len(symbols)} atoms{f': {counts}' if counts else ''}"
