"""Small polarons whose electronic coupling is weak: golden rule, and the Landau-Zener bridge to strong coupling."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..ndarrays import FloatArray
from ..units import HBAR, K_B
from .base import Activation, parameter
from .marcus import MarcusAdiabatic, TwoState, inverted_region
from .regime import crossing_probability
from .registry import register_rule

__all__ = ["LandauZener", "MarcusNonadiabatic"]


@register_rule
class MarcusNonadiabatic(TwoState):
    """Golden rule in the classical limit of the phonons: the whole rate, so no attempt frequency beside it."""

    name = "marcus_nonadiabatic"
    formula = "k = (2 pi/hbar) V² (4 pi lambda kT)^(-1/2) exp(-(lambda + dH)²/(4 lambda kT))"
    references = (
        "Marcus, J. Chem. Phys. 24, 966 (1956), doi:10.1063/1.1742723",
        "Marcus & Sutin, Biochim. Biophys. Acta 811, 265 (1985), doi:10.1016/0304-4173(85)90014-X",
    )
    own_prefactor = True
    assumed_regime = "non-adiabatic"

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        lam = self.reorganisation_energy
        energy = (lam - np.abs(dH)) ** 2 / (4 * lam) + np.maximum(dH, 0.0)
        return Activation(energy, np.zeros(energy.shape, dtype=np.bool_))

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        dh = energy_difference - work
        away = p[0] - abs(dh)  # the lower barrier of the two directions, plus dH for the other one
        return away * away / (4.0 * p[0]) + max(dh, 0.0), False

    def prefactor(self, temperature: float, attempt_frequency: npt.ArrayLike | None = None) -> FloatArray:
        """(2 pi/hbar) V² (4 pi lambda kT)^(-1/2), 1/s."""
        self.check_companions(attempt_frequency=attempt_frequency)
        density = 1 / math.sqrt(4 * math.pi * self.reorganisation_energy * K_B * temperature)
        return np.asarray(2 * math.pi / HBAR * self.electronic_coupling**2 * density)

    def remarks(self, dH: npt.ArrayLike) -> tuple[str, ...]:
        return inverted_region(self, dH)


@register_rule
class LandauZener(MarcusAdiabatic):
    """Adiabatic barrier times the probability to change over: from the golden rule to the adiabatic rate.

    For V -> 0 and |dH| < lambda the rate goes to that of `MarcusNonadiabatic`, for large V to that of
    `MarcusAdiabatic` with the phonon frequency as its attempt frequency.
    """

    name = "landau_zener"
    formula = (
        "k = nu kappa exp(-E/kT), kappa = 2P/(1 + P), P = 1 - exp(-pi^(3/2) V²/(h nu sqrt(lambda kT))), "
        "E as marcus_adiabatic"
    )
    references = (
        "Zener, Proc. R. Soc. A 137, 696 (1932), doi:10.1098/rspa.1932.0165",
        "Newton & Sutin, Annu. Rev. Phys. Chem. 35, 437 (1984), doi:10.1146/annurev.pc.35.100184.002253",
    )
    own_prefactor = True
    assumed_regime = None

    phonon_frequency = parameter(
        "frequency",
        at_least=1e9,
        at_most=1e15,
        meaning="the frequency of the phonons that carry the reorganisation",
        source="Newton & Sutin, doi:10.1146/annurev.pc.35.100184.002253",
    )

    def prefactor(self, temperature: float, attempt_frequency: npt.ArrayLike | None = None) -> FloatArray:
        """nu kappa, 1/s."""
        self.check_companions(attempt_frequency=attempt_frequency)
        p = crossing_probability(
            self.electronic_coupling, self.reorganisation_energy, self.phonon_frequency, temperature
        )
        return np.asarray(self.phonon_frequency * 2 * p / (1 + p))
