"""Whole numbers of carriers for a composition: the nearest ones that keep the crystal neutral and its sites filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Amount", "whole_numbers"]

SAME = 1e-9
"""Relative deviation up to which exact numbers add up to zero, or to a whole number."""
MAX_DENOMINATOR = 1000
"""Of charges that can be balanced."""
WIDEST = 400
"""Steps from the nearest whole number that are tried at most."""


@dataclass(frozen=True)
class Amount:
    """Exact number of carriers of one species (it need not be whole), their charge (e) and the labels of their sites.

    given : the number is a count of the input, which stays.
    """

    exact: float
    charge: float
    sites: frozenset[str]
    given: bool = False


def whole_numbers(amounts: Sequence[Amount]) -> list[int] | None:
    """Whole numbers of carriers, at least 1 of each that is there; None when the charges cannot be balanced.

    Where the exact charges add up to zero, so do those of the whole numbers. Where the exact numbers of species on the
    same sites add up to a whole number, so do the whole ones, unless that is at odds with the charge. Of all whole
    numbers that comply they are those nearest to the exact ones (least sum of squared differences); of two equally
    near ones, that with fewer of the first species.
    """
    groups, charges = _whole_groups(amounts), []
    if any(a.charge for a in amounts) and _balanced(amounts):
        weights = _whole_charges(amounts)
        if weights is None:
            return None
        charges = [(weights, 0)]
    return _nearest(amounts, [*charges, *groups]) or _nearest(amounts, charges)


def _balanced(amounts: Sequence[Amount]) -> bool:
    total = sum(a.charge * a.exact for a in amounts)
    return abs(total) <= SAME * sum(abs(a.charge * a.exact) for a in amounts)


def _whole_charges(amounts: Sequence[Amount]) -> list[int] | None:
    """Charges in the largest unit of which all are multiples; None where there is none."""
    exact = [Fraction(a.charge).limit_denominator(MAX_DENOMINATOR) for a in amounts]
    if any(abs(float(q) - a.charge) > SAME for q, a in zip(exact, amounts, strict=True)):
        return None
    scale = math.lcm(*(q.denominator for q in exact))
    whole = [int(q * scale) for q in exact]
    divisor = math.gcd(*whole)
    return [q // divisor for q in whole]


def _whole_groups(amounts: Sequence[Amount]) -> list[tuple[list[int], int]]:
    """Species on the same sites (1 for those, 0 for others) whose numbers add up to a whole number, and that number."""
    found = []
    for sites in dict.fromkeys(a.sites for a in amounts):
        members = [int(a.sites == sites) for a in amounts]
        total = sum(a.exact for a in amounts if a.sites == sites)
        if sum(members) > 1 and abs(total - round(total)) <= SAME * total:
            found.append((members, round(total)))
    return found


def _nearest(amounts: Sequence[Amount], wanted: Sequence[tuple[list[int], int]]) -> list[int] | None:
    """Nearest whole numbers n with sum(weight n) as wanted, for each list of weights; species by species.

    What is left to reach of each sum is the state; of all ways to one state the nearest is kept.
    """
    steps = min(WIDEST, 2 * max((abs(w) for weights, _ in wanted for w in weights), default=0) + 1)
    best: dict[tuple[int, ...], tuple[float, list[int]]] = {tuple(goal for _, goal in wanted): (0.0, [])}
    for k, amount in enumerate(amounts):
        start = round(amount.exact)
        stays = amount.given or amount.exact == 0
        choices = range(start, start + 1) if stays else range(max(1, start - steps), start + steps + 1)
        following: dict[tuple[int, ...], tuple[float, list[int]]] = {}
        for left, (cost, numbers) in best.items():
            for n in choices:
                state = tuple(s - weights[k] * n for s, (weights, _) in zip(left, wanted, strict=True))
                new = (round(cost + (n - amount.exact) ** 2, 9), [*numbers, n])
                if state not in following or new < following[state]:
                    following[state] = new
        best = following
    done = best.get(tuple(0 for _ in wanted))
    return None if done is None else done[1]
