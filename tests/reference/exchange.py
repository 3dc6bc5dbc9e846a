"""Grand canonical trials in plain Python, energies counted from scratch: the judge of `kernels.exchange_trials`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["exchange"]


def exchange(
    energy_of: Callable[[np.ndarray], float],
    occupation: np.ndarray,
    order: Sequence[int],
    own: Sequence[np.ndarray],
    bias: np.ndarray,
    bounds: tuple[int, int],
    rung: int,
    beta: float,
    draws: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Occupation in the end, the rung after each trial, and (trials,) probability that it was accepted.

    own : open sites of each species. A trial that leaves the ladder has probability nan. Carriers of a species are
    numbered as they came in; the last one takes the number of one that leaves.
    """
    occupation = occupation.copy()
    listed = [list(np.flatnonzero(occupation == a + 1)) for a in range(len(own))]
    rungs, chances = [], []
    for up, which, accept in draws:
        step = 1 if up < 0.5 else -1
        chance = math.nan
        if bounds[0] <= rung + step <= bounds[1]:
            a = order[(rung if step > 0 else rung - 1) % len(order)]
            after = occupation.copy()
            if step > 0:
                site = own[a][int(which * len(own[a]))]
                weight = len(own[a]) / (len(listed[a]) + 1)
                possible = occupation[site] == 0
                after[site] = a + 1
            else:
                number = int(which * len(listed[a]))
                site = listed[a][number]
                weight = len(listed[a]) / len(own[a])
                possible = True
                after[site] = 0
            chance = 0.0
            if possible:
                change = energy_of(after) - energy_of(occupation)
                chance = min(1.0, weight * math.exp(bias[rung + step] - bias[rung] - beta * change))
            if accept < chance:
                occupation, rung = after, rung + step
                if step > 0:
                    listed[a].append(site)
                else:
                    listed[a][number] = listed[a][-1]
                    listed[a].pop()
        rungs.append(rung)
        chances.append(chance)
    return occupation, np.array(rungs), np.array(chances)
