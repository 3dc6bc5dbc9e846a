"""Rates without a barrier of their own: dynamics that lead to equilibrium, for annealing and for test against theory,
and phonon-assisted tunnelling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import RateError
from ..units import K_B
from .base import Activation, BarrierRule, parameter
from .registry import register_rule

__all__ = ["HeatBath", "Metropolis", "MillerAbrahams"]


@register_rule
class Metropolis(BarrierRule):
    """Metropolis acceptance as a rate: downhill at the attempt frequency. No physical rate."""

    name = "metropolis"
    formula = "k = nu min(1, exp(-dH/kT)), dH = dE - W"
    references: ClassVar[tuple[str, ...]] = (
        "Metropolis et al., J. Chem. Phys. 21, 1087 (1953), doi:10.1063/1.1699114",
    )
    takes_saddle_dipole = False
    physical = False
    monotonic = True

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        return Activation(np.maximum(dH, 0.0), np.zeros(dH.shape, dtype=np.bool_))

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        return max(energy_difference - work, 0.0), False


@register_rule
class HeatBath(BarrierRule):
    """Heat-bath (Glauber, Kawasaki) acceptance as a rate: the end is chosen by its Boltzmann weight. No physical rate.

    Its activation energy depends on the temperature: `at_temperature` gives the rule that can be evaluated.
    """

    name = "heat_bath"
    formula = "k = nu / (1 + exp(dH/kT)), dH = dE - W"
    references = (
        "Glauber, J. Math. Phys. 4, 294 (1963), doi:10.1063/1.1703954",
        "Kawasaki, Phys. Rev. 145, 224 (1966), doi:10.1103/PhysRev.145.224",
    )
    takes_saddle_dipole = False
    physical = False
    monotonic = True

    def at_temperature(self, temperature: float) -> HeatBath:
        rule = HeatBath()
        object.__setattr__(rule, "values", {"thermal_energy": K_B * temperature})
        return rule

    @property
    def thermal_energy(self) -> float:
        """kT, eV.

        Raises
        ------
        RateError : the rule does not know its temperature yet.
        """
        if "thermal_energy" not in self.values:
            raise RateError(
                "the activation energy of the rule 'heat_bath' depends on the temperature",
                key="rule",
                value=self.name,
                remedy="take rule.at_temperature(T) first",
            )
        return self.values["thermal_energy"]

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        """kT ln(1 + exp(dH/kT)): that of Metropolis and what the choice between both ends adds."""
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        kt = self.thermal_energy
        energy = np.maximum(dH, 0.0) + kt * np.log1p(np.exp(-np.abs(dH) / kt))
        return Activation(energy, np.zeros(dH.shape, dtype=np.bool_))

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        dh = energy_difference - work
        return max(dh, 0.0) + p[0] * math.log1p(math.exp(-abs(dh) / p[0])), False

    def scalar_parameters(self) -> tuple[float, ...]:
        return (self.thermal_energy,)


@register_rule
class MillerAbrahams(Metropolis):
    """Phonon-assisted tunnelling of localised carriers: downhill at the attempt frequency times the tunnelling factor.

    The energies enter as in `Metropolis`; here the rate is the physical one, of carriers in disordered or impurity
    bands whose coupling to phonons is weak.
    """

    name = "miller_abrahams"
    formula = "k = nu exp(-2 r/a) min(1, exp(-dH/kT)), dH = dE - W"
    references = (
        "Miller & Abrahams, Phys. Rev. 120, 745 (1960), doi:10.1103/PhysRev.120.745",
        "Bässler, Phys. Status Solidi B 175, 15 (1993), doi:10.1002/pssb.2221750102 (2 alpha r)",
    )
    physical = True
    hop_length = "distance"

    localization_length = parameter(
        "length",
        above=0,
        at_most=1e4,
        meaning="the localization length a = 1/alpha of the wave function",
        source="Miller & Abrahams, doi:10.1103/PhysRev.120.745",
    )
    distance = parameter(
        "length",
        above=0,
        at_most=1e5,
        meaning="the distance r of the two sites, by default the length of the hop",
        source="Miller & Abrahams, doi:10.1103/PhysRev.120.745",
    )

    @property
    def log_transmission(self) -> float:
        return -2 * self.distance / self.localization_length
