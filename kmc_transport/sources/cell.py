"""The frame of a crystal that is given by lengths and angles, and whether a cell and its atoms are sound."""

from __future__ import annotations

import math

import numpy as np

from ..ndarrays import FloatArray

__all__ = ["FARTHEST", "LONGEST", "MOST_ATOMS", "SHORTEST", "lattice_from_parameters", "unsound"]

MOST_ATOMS = 100_000
"""Sites in one cell; structures with more are refused."""

SHORTEST, LONGEST = 0.1, 1e5
"""Å, of a cell vector; as the input file allows."""
FARTHEST = 1e6
"""Of a fractional coordinate, in magnitude."""
_FLATTEST = 1e-4  # volume over product of lengths


def lattice_from_parameters(
    a: float, b: float, c: float, alpha: float = 90.0, beta: float = 90.0, gamma: float = 90.0
) -> FloatArray | None:
    """(3, 3) cell vectors in rows, Å, with a along x and b in the xy plane; None when no such cell exists."""
    cos = [_cosine(x) for x in (alpha, beta, gamma)]
    sin_gamma = math.sqrt(1 - cos[2] ** 2)
    cy = (cos[0] - cos[1] * cos[2]) / sin_gamma
    height = 1 - cos[1] ** 2 - cy**2
    if height < 1e-8:
        return None
    return np.array([[a, 0, 0], [b * cos[2], b * sin_gamma, 0], [c * cos[1], c * cy, c * math.sqrt(height)]])


def _cosine(angle: float) -> float:
    exact = {90.0: 0.0, 60.0: 0.5, 120.0: -0.5}
    return exact.get(angle, math.cos(math.radians(angle)))


def unsound(cell: FloatArray, fractional: FloatArray) -> str:
    """What no library must see of a structure, or "": not finite, flat, of absurd size, too many atoms.

    cell : (3, 3) rows, Å. fractional : (n_atoms, 3).
    """
    if not np.isfinite(cell).all():
        return "the cell holds numbers that are not finite"
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(cell, axis=1)
        flat = abs(np.linalg.det(cell / lengths[:, None])) if lengths.all() else 0.0
    if not (lengths.min() >= SHORTEST and lengths.max() <= LONGEST):
        given = f"{lengths.min():.4g} to {lengths.max():.4g} Å"
        return f"cell vectors of {given}, not between {SHORTEST:g} and {LONGEST:g} Å"
    if not flat > _FLATTEST:
        return "the three cell vectors do not span a volume"
    if not len(fractional):
        return "there are no atoms"
    if len(fractional) > MOST_ATOMS:
        return f"{len(fractional)} atoms, more than {MOST_ATOMS}"
    if not np.isfinite(fractional).all():
        atom = int(np.argmin(np.isfinite(fractional).all(axis=1)))
        return f"the position of atom {atom} (counted from 0) is not finite"
    if np.abs(fractional).max() > FARTHEST:
        atom = int(np.argmax(np.abs(fractional).max(axis=1)))
        return f"atom {atom} (counted from 0) lies {np.abs(fractional).max():.4g} cells away"
    return ""
