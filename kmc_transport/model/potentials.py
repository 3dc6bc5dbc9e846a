"""Numbers on sites from differences along hops, and the loops where they do not close.

Used for site energies (from forward and reverse barriers) and for ln of attempt-frequency ratios: local
detailed balance asks that both are differences of a function of the site.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Difference", "Mismatch", "solve_potential"]


class Difference(NamedTuple):
    """value(target) - value(origin) = difference; ``tag`` says which hop asks for it."""

    origin: int
    target: int
    difference: float
    tag: int


class Mismatch(NamedTuple):
    """A difference that contradicts those before it."""

    tag: int
    asked: float
    found: float


def solve_potential(
    differences: Sequence[Difference], known: Mapping[int, float], tolerance: float
) -> tuple[dict[int, float], list[set[int]], list[Mismatch]]:
    """Site values that reproduce the differences.

    Parameters
    ----------
    known : values that are given; parts without any have their lowest value at 0.

    Returns
    -------
    values : by site, for every site in ``differences`` or ``known``.
    free : the connected parts that hold no known site.
    mismatches : one per tag, the worst. Sites of the periodic crystal share the value, so every loop of the
        network, through other cells too, is covered.
    """
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for d in differences:
        neighbours.setdefault(d.origin, []).append((d.target, d.difference))
        neighbours.setdefault(d.target, []).append((d.origin, -d.difference))
    values = dict(known)
    _spread(list(known), neighbours, values)
    free: list[set[int]] = []
    for start in sorted(neighbours):
        if start in values:
            continue
        values[start] = 0.0
        part = _spread([start], neighbours, values)
        lowest = min(values[i] for i in part)
        for i in part:
            values[i] -= lowest
        free.append(part)

    worst: dict[int, Mismatch] = {}
    for d in differences:
        found = values[d.target] - values[d.origin]
        off = abs(found - d.difference)
        if off > tolerance and (d.tag not in worst or off > abs(worst[d.tag].asked - worst[d.tag].found)):
            worst[d.tag] = Mismatch(d.tag, d.difference, found)
    clean = {i: 0.0 if math.isclose(v, 0.0, abs_tol=1e-12) else v for i, v in values.items()}
    return clean, free, list(worst.values())


def _spread(
    starts: list[int], neighbours: Mapping[int, list[tuple[int, float]]], values: dict[int, float]
) -> set[int]:
    """Follow the differences from ``starts``, breadth first, filling ``values``."""
    part, queue = set(starts), list(starts)
    for i in queue:
        for j, difference in neighbours.get(i, ()):
            if j not in values:
                values[j] = values[i] + difference
                part.add(j)
                queue.append(j)
    return part
