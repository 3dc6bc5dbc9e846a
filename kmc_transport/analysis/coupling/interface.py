"""Interfaces between two phases in a profile along a periodic axis: found from the profile alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...ndarrays import FloatArray

__all__ = ["Interface", "find_interfaces"]

CONTRAST = 0.2
"""Difference of two plateaus below which there is one phase."""
INNER = 0.1
"""The interface lasts from this part of the way between the plateaus to one less it."""


class Interface(NamedTuple):
    """position, width : in layers, from the middle of the first one on. layers : their numbers. rises : whether the
    upper plateau is behind it."""

    position: float
    width: float
    layers: tuple[int, ...]
    rises: bool


def find_interfaces(profile: FloatArray) -> list[Interface]:
    """Where a periodic profile of occupations crosses from one plateau to another, by position; none in one phase.

    profile : (L,). The plateaus are the medians of what lies above and below the middle between the extremes; where
    they differ by less than `CONTRAST`, or a border does not reach both of them, there is no interface.
    """
    n = len(profile)
    if n < 4 or not np.isfinite(profile).all():
        return []
    middle = (profile.max() + profile.min()) / 2
    low, high = np.median(profile[profile <= middle]), np.median(profile[profile >= middle])
    if high - low < CONTRAST:
        return []
    part = (profile - low) / (high - low)
    found = []
    for k in range(n):
        a, b = part[k], part[(k + 1) % n]
        if (a - 0.5) * (b - 0.5) >= 0 and not (a == 0.5 != b):
            continue
        rises = b > a
        back = _reach(part, k, -1, INNER if rises else 1 - INNER, rises)
        ahead = _reach(part, k + 1, 1, 1 - INNER if rises else INNER, not rises)
        if back is None or ahead is None:
            return []
        inside = range(min(k, int(np.ceil(back))), max(k + 1, int(np.floor(ahead))) + 1)
        position = (k + (0.5 - a) / (b - a)) % n
        found.append(Interface(position, ahead - back, tuple(i % n for i in inside), rises))
    return sorted(found)


def _reach(part: FloatArray, start: int, step: int, level: float, below: bool) -> float | None:
    """Where the profile, followed from a layer on, reaches a level from above (``below``) or from below."""
    n = len(part)
    sign = -1.0 if below else 1.0
    for m in range(n):
        here = start + step * m
        if sign * (part[here % n] - level) >= 0:
            before = here - step
            a, b = part[before % n], part[here % n]
            return float(before + step * (level - a) / (b - a))
    return None
