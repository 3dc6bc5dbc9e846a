"""Rate of each hop from its energy difference and barrier shift, by the rule of its hop class."""

from __future__ import annotations

import math

import numpy as np

from ...energies.terms import QUANTUM
from ...ndarrays import FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...rates.configuration import ConfigurationRates
from ...units import K_B

__all__ = ["Barriers"]


class Barriers:
    """Rules, works and prefactors of the directed hops of a catalog."""

    def __init__(self, catalog: RateCatalog) -> None:
        net = catalog.model.network
        rates = ConfigurationRates(catalog)
        self.kt = K_B * catalog.temperature
        self.rule = [rates.rule_of(hop) for hop in range(net.n_hops)]
        channels = np.array([c.channels for c in catalog.model.hop_classes], np.float64)[net.hop_class]
        self.work, self.saddle_work = np.asarray(catalog.work), np.asarray(catalog.saddle_work)
        self.log_prefactor: FloatArray = np.log(catalog.attempt_frequency * channels)
        self.parameters = [tuple(map(float, r.scalar_parameters())) for r in self.rule]
        self._known: dict[tuple[object, ...], tuple[float, bool]] = {}

    def one(self, hop: int, difference: int, shift: int) -> tuple[float, bool]:
        """Rate (1/s) and whether it is clamped, for an energy difference and a barrier shift in quanta."""
        rule = self.rule[hop]
        work, saddle, log = (
            float(self.work[hop]),
            float(self.saddle_work[hop]),
            float(self.log_prefactor[hop]),
        )
        key = (type(rule), self.parameters[hop], work, saddle, log, difference, shift)
        if key not in self._known:
            energy, clamped = rule.scalar(
                difference * QUANTUM, work, saddle - shift * QUANTUM, self.parameters[hop]
            )
            self._known[key] = math.exp(log - float(energy) / self.kt), bool(clamped)
        return self._known[key]

    def height(self, hop: int, difference: int, shift: int) -> float:
        """Activation energy, eV, as `one` takes it."""
        work, saddle = float(self.work[hop]), float(self.saddle_work[hop])
        energy, _ = self.rule[hop].scalar(
            difference * QUANTUM, work, saddle - shift * QUANTUM, self.parameters[hop]
        )
        return float(energy)

    def many(self, hop: int, difference: IntArray, shift: IntArray) -> FloatArray:
        """(n,) rates, by the array form of the rule (the kernels and `one` use its scalar form)."""
        return np.asarray(np.exp(self.log_prefactor[hop] - self.heights(hop, difference, shift) / self.kt))

    def heights(self, hop: int, difference: IntArray, shift: IntArray) -> FloatArray:
        """(n,) barriers in the field, eV."""
        saddle_work = self.saddle_work[hop] - shift * QUANTUM
        return self.rule[hop].activation_energy(difference * QUANTUM, self.work[hop], saddle_work).energy

    def heights_of(self, hop: IntArray, difference: IntArray, shift: IntArray) -> FloatArray:
        """(n,) the same for hops one by one."""
        height = np.empty(len(hop))
        order = np.argsort(hop, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(hop[order])) + 1):
            if len(own):
                height[own] = self.heights(int(hop[own[0]]), difference[own], shift[own])
        return height
