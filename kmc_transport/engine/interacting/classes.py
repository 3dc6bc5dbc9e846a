"""Classes of rates for the composition-rejection lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...energies.terms import QUANTUM
from .coupling import Coupling
from .kernels_listed import PEAK

__all__ = ["RateClasses", "margin", "rate_classes"]

MOST_EXACT = 64
"""Different rates that have a class each; beyond, classes are factors of two."""

OCTAVES = 256
"""Classes of rates that differ by factors of two; slower hops than all of them share the last one."""

MARGIN = 1.0
"""kT: how far a hop's energy may move by Coulomb energies before its bound is renewed."""


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


def margin(coupling: Coupling) -> int:
    """How far an energy difference may move by Coulomb energies while a bound of the rate holds (0 without), quanta."""
    if coupling.surroundings.pair is None:
        return 0
    return max(8, int(MARGIN * coupling.barriers.kt / QUANTUM))
