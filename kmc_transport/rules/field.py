"""Work of the field on a hop, and the barrier that results (Salles 2020; strong fields clamped)."""

from __future__ import annotations

import numpy as np

from ..ndarrays import BoolArray, FloatArray

__all__ = ["effective_barrier", "saddle_dipole"]


def saddle_dipole(charge: FloatArray, vector: FloatArray, fraction: FloatArray) -> FloatArray:
    """Dipole change p_S - p_i up to a saddle whose charge centre lies at ``fraction`` of the hop vector.

    charge : (n,) e. vector : (n, 3) Å. fraction : (n,), 1/2 is the midpoint. Returns (n, 3) e·Å.
    """
    return (charge * fraction)[:, None] * vector


def effective_barrier(
    barrier: FloatArray, reverse_barrier: FloatArray, saddle_work: FloatArray, work: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Barrier in the field, eV, and where it was clamped; all arguments (n,) eV.

    ``E = max(E0 - W_S, dH, 0)`` with ``dH = E0 - E0' - W``. The reverse hop, treated alike, gets ``E - dH``,
    so local detailed balance holds whatever W_S is, clamped or not.
    """
    linear = barrier - saddle_work
    floor = np.maximum(barrier - reverse_barrier - work, 0.0)
    return np.maximum(linear, floor), linear < floor
