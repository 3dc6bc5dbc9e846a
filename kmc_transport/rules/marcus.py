"""Small polarons that follow the lower adiabatic surface: exact two-state barrier and the usual formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .base import Activation, BarrierRule, Parameter, parameter
from .registry import register_rule
from .two_state import edge, two_state_barrier, two_state_barriers

__all__ = ["MarcusAdiabatic", "MarcusAdiabaticApproximate", "TwoState"]


def _coupling(at_least: float) -> Parameter:
    return parameter(
        "energy",
        key="V_AB",
        at_least=at_least,
        at_most=10,
        meaning="the electronic coupling",
        source="Newton & Sutin, Annu. Rev. Phys. Chem. 35, 437 (1984), "
        "doi:10.1146/annurev.pc.35.100184.002253; from dE_12 by Mulliken-Hush, Hush, Electrochim. Acta 13, "
        "1005 (1968), doi:10.1016/0013-4686(68)80032-5 (Lei & Abate, eq 1)",
        alternatives={"dE_12": 0.5},
    )


class TwoState(BarrierRule):
    """Base of the Marcus rules: two parabolas of one curvature and their coupling."""

    takes_saddle_dipole = False

    reorganisation_energy = parameter(
        "energy",
        key="lambda",
        at_least=1e-3,
        at_most=20,
        meaning="the reorganisation energy",
        source="Marcus & Sutin, Biochim. Biophys. Acta 811, 265 (1985), doi:10.1016/0304-4173(85)90014-X",
    )
    electronic_coupling = _coupling(at_least=1e-9)


@register_rule
class MarcusAdiabatic(TwoState):
    """Barrier of the lower adiabatic surface above its own minimum.

    The diabatic offset is such that the two adiabatic minima differ by exactly dH. At dH = 0 the barrier is
    (lambda - 2V)²/(4 lambda). Where the surface has one minimum only, it is max(dH, 0) and marked clamped.
    """

    name = "marcus_adiabatic"
    formula = "E = E_saddle - E_min of (E1 + E2)/2 - sqrt((E1 - E2)²/4 + V²), E_min' - E_min = dH"
    references = (
        "Brunschwig & Sutin, Coord. Chem. Rev. 187, 233 (1999), doi:10.1016/S0010-8545(98)00255-0",
        "Marcus & Sutin, Biochim. Biophys. Acta 811, 265 (1985), doi:10.1016/0304-4173(85)90014-X",
    )
    monotonic: ClassVar[bool] = True
    assumed_regime: ClassVar[str | None] = "adiabatic"

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        return Activation(*two_state_barriers(dH, self.scalar_parameters()))

    scalar = staticmethod(two_state_barrier)

    def scalar_parameters(self) -> tuple[float, ...]:
        lam, v = self.reorganisation_energy, self.electronic_coupling
        return (lam, v, *edge(lam, v))

    def remarks(self, dH: npt.ArrayLike) -> tuple[str, ...]:
        lam, v = self.reorganisation_energy, self.electronic_coupling
        if 2 * v >= lam:
            return (
                f"{self.name}: V_AB = {v:g} eV is not below lambda/2 = {lam / 2:g} eV: the surface has one minimum, "
                "the carrier is not self-trapped and does not hop",
            )
        most = self.scalar_parameters()[2]
        n = int(np.count_nonzero(np.abs(np.asarray(dH, dtype=np.float64)) >= most))
        if n == 0:
            return ()
        return (f"{self.name}: |dH| reaches {most:.4g} eV on {n} hops, where the higher minimum vanishes",)


@register_rule
class MarcusAdiabaticApproximate(TwoState):
    """The usual formula: the diabatic crossing lowered by V, measured from the diabatic minimum.

    It misses what the coupling does to the minimum (V²/lambda at dH = 0) and to the saddle's place. Beyond
    |dH| = lambda it grows again, as the inverted region of non-adiabatic theory; the adiabatic surface, which
    it stands for, has no barrier of its own there.
    """

    name = "marcus_adiabatic_approximate"
    formula = "E = max((lambda + dH)²/(4 lambda) - V, dH, 0)"
    references = (
        "Marcus & Sutin, Biochim. Biophys. Acta 811, 265 (1985), doi:10.1016/0304-4173(85)90014-X",
        "Deskins & Dupuis, Phys. Rev. B 75, 195212 (2007), doi:10.1103/PhysRevB.75.195212",
    )
    assumed_regime: ClassVar[str | None] = "adiabatic"

    electronic_coupling = _coupling(at_least=0)  # without coupling it is the diabatic crossing

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        lam = self.reorganisation_energy
        # of the two directions the lower barrier is computed, so that they differ by dH to the last digit
        downhill = (lam - np.abs(dH)) ** 2 / (4 * lam) - self.electronic_coupling
        return Activation(np.maximum(downhill, 0.0) + np.maximum(dH, 0.0), downhill < 0)

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        dh = energy_difference - work
        away = p[0] - abs(dh)
        downhill = away * away / (4.0 * p[0]) - p[1]
        return max(downhill, 0.0) + max(dh, 0.0), downhill < 0.0

    def remarks(self, dH: npt.ArrayLike) -> tuple[str, ...]:
        return inverted_region(self, dH)


def inverted_region(rule: TwoState, dH: npt.ArrayLike) -> tuple[str, ...]:
    """Remark on hops with |dH| > lambda."""
    n = int(np.count_nonzero(np.abs(np.asarray(dH, dtype=np.float64)) > rule.reorganisation_energy))
    if n == 0:
        return ()
    return (
        f"{rule.name}: |dH| exceeds lambda = {rule.reorganisation_energy:g} eV on {n} hops: "
        "the inverted region, where the barrier grows with the driving force",
    )
