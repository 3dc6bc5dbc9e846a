"""Classes of rates for the composition-rejection lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...energies.terms import QUANTUM
from .coupling import Coupling
from .kernels_listed import PEAK

__all__ = ["RateClasses", "Windows", "rate_classes", "windows"]

MOST_EXACT = 64
"""Different rates that have a class each; beyond, classes are factors of two."""

OCTAVES = 256
"""Classes of rates that differ by factors of two; slower hops than all of them share the last one."""

STEP = 0.5
"""kT: the least window of an energy difference in which a bound of the rate holds; wider ones are 2, 4, 8 ... times."""

MARGIN = 1.0
"""kT: the window on either side for rules whose rate does not fall monotonically."""

SHARE = 0.5
"""Attempts for each executed hop that windows of slow hops may cost all together."""


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


@dataclass(frozen=True)
class Windows:
    """How far energy differences may move, by what other carriers do, while the bounds of the rates hold; quanta.

    step : least window downwards, 0 where energy differences never change. monotonic : whether rates only fall as
    energy differences rise, so that nothing limits the window upwards. margin : else the window on either side.
    """

    step: int
    monotonic: bool
    margin: int


def windows(coupling: Coupling) -> Windows:
    """Of the rules and interactions of a model."""
    surroundings, rules = coupling.surroundings, coupling.barriers.rule
    change = surroundings.pair is not None or any(hop.terms for hop in surroundings.hops)
    kt = coupling.barriers.kt / QUANTUM
    return Windows(
        step=max(8, int(STEP * kt)) if change else 0,
        monotonic=all(rule.monotonic for rule in rules),
        margin=max(8, int(MARGIN * kt)) if change else 0,
    )
