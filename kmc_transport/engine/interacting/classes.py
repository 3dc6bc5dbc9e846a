"""Classes of rates for the composition-rejection lists."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...energies.terms import QUANTUM
from ...ndarrays import FloatArray
from .coupling import Coupling
from .kernels_windows import PEAK

__all__ = ["RateClasses", "Windows", "rate_classes", "windows"]

MOST_EXACT = 64
"""Different rates that have a class each; beyond, classes are factors of two."""

OCTAVES = 256
"""Classes of rates that differ by factors of two; slower hops than all of them share the last one."""

MARGIN = 1.0
"""kT: the window on either side for rules whose rate does not fall monotonically."""

LOOSE = 2.0
"""Factor by which a bound may exceed the rate for the sake of a wider window."""

SHARE = 0.5
"""Attempts for each executed hop that windows of slow hops may cost all together."""


@dataclass(frozen=True, eq=False)
class RateClasses:
    """Bounds of the classes, falling. ``exact``: all rates of a class are its bound."""

    bound: FloatArray
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
        different = np.unique(rate[rate > 0])[::-1].copy()  # as octaves are: one kernel for both
        if len(different) <= MOST_EXACT:
            return RateClasses(different if len(different) else np.ones(1), True, 0)
        fastest = float(different[0])
    top = int(np.frexp(fastest)[1])
    return RateClasses(2.0 ** (top - np.arange(OCTAVES, dtype=np.float64)), False, top)


@dataclass(frozen=True)
class Windows:
    """How bounds make room for what other carriers do to energy differences.

    log_loose : logarithm of `LOOSE`. floor_share : `SHARE`. Both 0 where energy differences never change. monotonic :
    whether rates only fall as energy differences rise, so that a bound limits their fall alone. margin : else how far
    they may move either way, quanta.
    """

    log_loose: float
    floor_share: float
    monotonic: bool
    margin: int


def windows(coupling: Coupling) -> Windows:
    """Of the rules and interactions of a model."""
    surroundings, rules = coupling.surroundings, coupling.barriers.rule
    changes = surroundings.pair is not None or any(hop.terms for hop in surroundings.hops)
    monotonic = not changes or all(rule.monotonic for rule in rules)
    return Windows(
        log_loose=math.log(LOOSE) if changes else 0.0,
        floor_share=SHARE if changes else 0.0,
        monotonic=monotonic,
        margin=0 if monotonic else max(8, int(MARGIN * coupling.barriers.kt / QUANTUM)),
    )
