"""Which carriers make up a formula unit, what an electrode or a reservoir takes up or gives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..ndarrays import IntArray

__all__ = ["neutral_unit"]

LARGEST_UNIT = 12
"""Carriers of a species in a formula unit, at most."""


def neutral_unit(charge: npt.ArrayLike, number: npt.ArrayLike) -> IntArray | None:
    """(S,) carriers of each species in the smallest unit that can be exchanged: one of a single species, or as many of
    two species as make up a neutral unit, (1, 1) for charges +1 and -1.

    charge : (S,) e. number : (S,) carriers; species without any do not count. None where there is no such unit: three
    and more species diffuse with a matrix, two of like charges each by itself.
    """
    q, n = np.asarray(charge, float), np.asarray(number)
    unit = np.zeros(len(q), np.int64)
    there = np.flatnonzero(n)
    if len(there) == 1:
        unit[there] = 1
        return unit
    if len(there) != 2 or not q[there[0]] * q[there[1]] < 0:
        return None
    a, b = there
    ratio = Fraction(float(-q[b] / q[a])).limit_denominator(LARGEST_UNIT)
    unit[a], unit[b] = ratio.numerator, ratio.denominator
    return unit if abs(unit @ q) < 1e-9 * np.abs(q).max() and unit.max() <= LARGEST_UNIT else None
