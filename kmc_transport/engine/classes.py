"""Classes of rates for the composition-rejection lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .coupling import Coupling
from .surroundings import QUANTUM
from .tables import NULL

__all__ = ["Margins", "RateClasses", "margins", "rate_classes", "slot_bits"]

MOST_EXACT = 64
"""Different rates that have a class each; beyond, classes are factors of two."""

OCTAVES = 256
"""Classes of rates that differ by factors of two; slower hops than all of them share the last one."""

MARGIN = 0.5
"""kT: how far a hop's energy may move by Coulomb energies before its bound is renewed."""

LATE = 8
"""Hops between two looks at carriers that are far from them."""

PEAK = 1.02
"""Factor of a bound over the rates at both ends and the middle of its energy window, for rules whose rate has a
maximum in between (Marcus at the edge of the inverted region: less than 2 % for reorganisation energies above kT)."""


@dataclass(frozen=True, eq=False)
class RateClasses:
    """Bounds of the classes, falling. ``exact``: all rates of a class are its bound."""

    bound: npt.NDArray[np.float64]
    exact: bool
    top_exponent: int
    """The fastest octave holds rates below 2**top_exponent."""

    def of(self, rate: float) -> int:
        """Class of a rate (or bound of a rate), -1 for 0."""
        if rate <= 0:
            return -1
        if self.exact:
            return int(np.searchsorted(-self.bound, -rate))
        return int(min(max(self.top_exponent - int(np.frexp(rate)[1]), 0), OCTAVES - 1))


def rate_classes(coupling: Coupling) -> RateClasses:
    """Each rate a class of its own where they are few, else octaves."""
    if coupling.code_rate is None:
        fastest = PEAK * float(np.exp(coupling.barriers.log_prefactor).max(initial=1e-300))
    else:
        rate = np.concatenate([np.zeros(0), *(r for r, _ in coupling.code_rate)])
        different = np.unique(rate[rate > 0])[::-1]
        if len(different) <= MOST_EXACT:
            return RateClasses(different if len(different) else np.ones(1), True, 0)
        fastest = float(different[0])
    top = int(np.frexp(fastest)[1])
    return RateClasses(2.0 ** (top - np.arange(OCTAVES, dtype=np.float64)), False, top)


@dataclass(frozen=True, eq=False)
class Margins:
    """How far energy differences may move by Coulomb energies before a hop is listed anew; all in quanta, 0 without.

    margin : a bound holds that far. limit : what is left of it where hops are looked at only every `LATE`-th event.
    near : (L1, L2, L3) cells relative to a hop where that is too late.
    """

    margin: int
    limit: int
    near: npt.NDArray[np.bool_]


def margins(coupling: Coupling) -> Margins:
    """Margins of a catalog; cells are near where one hop may change another's energy difference by more than a share
    of the margin."""
    t, pair = coupling.tables, coupling.surroundings.pair
    if pair is None:
        return Margins(0, 0, np.ones(t.size, np.bool_))
    margin = max(8, int(MARGIN * coupling.barriers.kt / QUANTUM))
    most = np.zeros(t.size, np.int64)
    rows = [int(r) for r in np.flatnonzero(t.hop != NULL) if not t.to_itself[r]]

    def ahead(values: npt.NDArray[np.int64], row: int) -> npt.NDArray[np.int64]:
        return np.roll(values, tuple(-c for c in coupling.target(row)[1]), axis=(0, 1, 2))

    for other in rows:
        start, end = other // t.width, int(t.target_type[other])
        for row in rows:
            a, b = row // t.width, int(t.target_type[row])
            before = ahead(pair[a, end], other) - pair[a, start]
            after = ahead(pair[b, end], other) - pair[b, start]
            after = np.roll(after, coupling.target(row)[1], axis=(0, 1, 2))
            most = np.maximum(most, np.abs(after - before))
    near = most > margin // (2 * (LATE - 1))
    far = int(most[~near].max(initial=0))
    return Margins(margin, margin - (LATE - 1) * far, near)


def slot_bits(width: int) -> int:
    """Bits of a slot in an entry; at least two, so that energies come in fours."""
    return max(2, (width - 1).bit_length())
