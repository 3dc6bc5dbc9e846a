"""Lower adiabatic surface of two parabolas with a coupling: its minima, its saddle, its barrier, exactly.

With s = 2x - 1 along the line between the two diabatic minima (s = -1 and 1) and the diabatic offset D,

    E(s) = lambda (1 + s²)/4 + D/2 - sqrt((lambda s - D)² + 4 V²)/2 .

Stationary points obey ``lambda s - 2 V s/sqrt(1 - s²) = D``, or with t = s/sqrt(1 - s²)

    lambda t/sqrt(1 + t²) - 2 V t = D .

The left side rises between t = -t* and t* and falls outside, (1 + t*²)^(3/2) = lambda/2V: minima lie outside,
the saddle between, and there are three points while |D| < lambda s*³ = (lambda^(2/3) - (2V)^(2/3))^(3/2).

The offset that makes the minima differ by exactly dH is found by Newton's method. The minima's difference is
a rising concave function of D >= 0 (its slope is half the distance of the minima in s), so steps from the
tangent at 0 approach the root from below; the inner searches for t are likewise monotonic. Energies are
evaluated from E(s), which is stationary in s, so errors of t enter in second order.

Source: Brunschwig & Sutin, Coord. Chem. Rev. 187, 233 (1999), doi:10.1016/S0010-8545(98)00255-0 (surfaces).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..ndarrays import BoolArray, FloatArray

__all__ = ["MAX_STEPS", "edge", "two_state_barrier", "two_state_barriers"]

MAX_STEPS = 64
"""Bound on Newton steps; a few suffice except where a minimum and the saddle merge."""


def edge(reorganisation_energy: float, coupling: float) -> tuple[float, float, float]:
    """Where the higher minimum and the saddle merge: (|dH| there in eV, offset in eV, t*).

    All zero when there is one minimum only (V >= lambda/2).
    """
    lam, v = reorganisation_energy, coupling
    if 2 * v >= lam:
        return 0.0, 0.0, 0.0
    cos2 = (2 * v / lam) ** (2 / 3)
    s2 = 1 - cos2
    s = math.sqrt(s2)
    offset = lam * s * s2
    # the quartic of the stationary points has the double root s*; what is left of it gives the other minimum
    other = -s * (cos2 + math.sqrt(1 - s2 + s2 * s2))

    def energy(s: float) -> float:
        return lam * (1 + s * s) / 4 - math.hypot(lam * s - offset, 2 * v) / 2

    return energy(s) - energy(other), offset, s / math.sqrt(cos2)


def two_state_barrier(
    energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
) -> tuple[float, bool]:
    """Barrier above the initial adiabatic minimum, eV, and whether there is none of its own (max(dH, 0)).

    ``p`` = (lambda, V, *edge(lambda, V)). Only the smaller of the two barriers is computed, the other one is
    dH more: the two directions of a hop keep detailed balance to the last digit.
    """
    lam = p[0]
    two_v = 2.0 * p[1]
    dh = energy_difference - work
    size = abs(dh)
    if size >= p[2]:
        return max(dh, 0.0), True
    last = p[3]
    merge = p[4]
    half = lam / two_v
    ahead = behind = math.sqrt((half - 1.0) * (half + 1.0))
    offset = min(size * half / ahead, last)
    right = left = higher = 0.0
    for _ in range(64):
        # t of the minimum on the right, then of the one on the left, mirrored: a step of Newton's from the
        # last offset's root overshoots to where all further steps lead down to the root
        for turn in range(64):
            root = math.sqrt(1.0 + ahead * ahead)
            slope = lam / (root * root * root) - two_v
            if not slope < 0.0:
                break
            new = max(ahead - (lam * ahead / root - two_v * ahead - offset) / slope, merge)
            change = ahead - new
            if turn > 0 and not change > 0.0:
                break
            ahead = new
            if abs(change) < 1e-9 * new:
                break
        for turn in range(64):
            root = math.sqrt(1.0 + behind * behind)
            slope = lam / (root * root * root) - two_v
            if not slope < 0.0:
                break
            new = max(behind - (lam * behind / root - two_v * behind + offset) / slope, merge)
            change = behind - new
            if turn > 0 and not change > 0.0:
                break
            behind = new
            if abs(change) < 1e-9 * new:
                break
        right = ahead / math.sqrt(1.0 + ahead * ahead)
        left = -behind / math.sqrt(1.0 + behind * behind)
        up = lam * right - offset
        higher = lam * (1.0 + right * right) / 4.0 - math.sqrt(up * up + two_v * two_v) / 2.0
        down = lam * left - offset
        lower = lam * (1.0 + left * left) / 4.0 - math.sqrt(down * down + two_v * two_v) / 2.0
        step = 2.0 * (size - (higher - lower)) / (right - left)
        if not step > 1e-15 * lam:
            break
        offset = min(offset + step, last)
    t = 0.0
    for _ in range(64):
        root = math.sqrt(1.0 + t * t)
        slope = lam / (root * root * root) - two_v
        if not slope > 0.0:
            break
        new = min(t + (offset - lam * t / root + two_v * t) / slope, merge)
        change = new - t
        if not change > 0.0:
            break
        t = new
        if change < 1e-9 * new:
            break
    s = t / math.sqrt(1.0 + t * t)
    at = lam * s - offset
    top = lam * (1.0 + s * s) / 4.0 - math.sqrt(at * at + two_v * two_v) / 2.0
    small = max(top - higher, 0.0)
    return (size + small if dh > 0.0 else small), False


def two_state_barriers(dH: FloatArray, p: Sequence[float]) -> tuple[FloatArray, BoolArray]:
    """`two_state_barrier` for an array of dH (any shape), eV."""
    lam, v, most, last, merge = p
    two_v = 2 * v
    flat = np.asarray(dH, dtype=np.float64).ravel()
    energy, alone = np.maximum(flat, 0.0), np.abs(flat) >= most
    if not alone.all():
        h = flat[~alone]
        small = _smaller_barriers(np.abs(h), lam, two_v, last, merge)
        energy[~alone] = np.where(h > 0, np.abs(h) + small, small)
    return energy.reshape(np.shape(dH)), alone.reshape(np.shape(dH))


def _smaller_barriers(h: FloatArray, lam: float, two_v: float, last: float, merge: float) -> FloatArray:
    """Barrier above the higher of two minima that differ by ``h`` (n,) >= 0, eV."""

    def minimum(offset: FloatArray) -> FloatArray:
        """s of the minimum on the right."""
        t = (lam - offset) / two_v
        for _ in range(MAX_STEPS):
            root = np.sqrt(1 + t * t)
            slope = lam / (root * root * root) - two_v
            step = (lam * t / root - two_v * t - offset) / np.where(slope < 0, slope, -np.inf)
            new = np.minimum(t, np.maximum(t - step, merge))
            if not (new < t).any():
                break
            t = new
        return t / np.sqrt(1 + t * t)

    def energy_at(s: FloatArray, offset: FloatArray) -> FloatArray:
        across = lam * s - offset
        return lam * (1 + s * s) / 4 - np.sqrt(across * across + two_v * two_v) / 2

    offset = np.minimum(h / np.sqrt(1 - (two_v / lam) ** 2), last)
    for _ in range(MAX_STEPS):
        right, left = minimum(offset), -minimum(-offset)
        higher = energy_at(right, offset)
        step = 2 * (h - (higher - energy_at(left, offset))) / (right - left)
        moves = step > 1e-15 * lam
        if not moves.any():
            break
        offset = np.where(moves, np.minimum(offset + step, last), offset)

    t = np.zeros_like(offset)
    for _ in range(MAX_STEPS):
        root = np.sqrt(1 + t * t)
        slope = lam / (root * root * root) - two_v
        step = (offset - lam * t / root + two_v * t) / np.where(slope > 0, slope, np.inf)
        new = np.maximum(t, np.minimum(t + step, merge))
        if not (new > t).any():
            break
        t = new
    return np.maximum(energy_at(t / np.sqrt(1 + t * t), offset) - higher, 0.0)
