"""Trials within networks in plain Python, energies counted from scratch: the judge of `kernels.run_trials_within`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["swaps"]


def swaps(
    energy_of: Callable[[np.ndarray], float],
    occupation: np.ndarray,
    carriers: Sequence[int],
    networks: Sequence[Sequence[Sequence[int]]],
    beta: float,
    draws: np.ndarray,
) -> tuple[np.ndarray, list[float], int, int]:
    """Occupation in the end, energy after each trial, and how many trials were possible and accepted.

    carriers : site of each. networks : of each species the sites of each of its networks.
    """
    row, sites = occupation.copy(), list(carriers)
    energies, possible, accepted = [], 0, 0
    for which, place, accept in draws:
        x = sites[int(which * len(sites))]
        own = next(n for n in networks[row[x] - 1] if x in n)
        y = own[int(place * len(own))]
        both = row[y] == 0 or any(x in n and y in n for n in networks[row[y] - 1])
        if row[x] != row[y] and both:
            possible += 1
            after = row.copy()
            after[[x, y]] = after[[y, x]]
            difference = energy_of(after) - energy_of(row)
            if accept < math.exp(-beta * max(difference, 0.0)):
                accepted += 1
                sites = [y if s == x else x if s == y else s for s in sites]
                row = after
        energies.append(energy_of(row))
    return row, energies, possible, accepted
