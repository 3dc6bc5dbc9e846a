"""Barriers that the field changes by the work up to the saddle: given both ways, or kinetically resolved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RateError
from .base import Activation, BarrierRule, as_arrays, parameter
from .field import effective_barrier
from .registry import register_rule

__all__ = ["Fixed", "KineticallyResolved"]

TOLERANCE = 1e-6  # eV; that of the input's site energies


@register_rule
class Fixed(BarrierRule):
    """Forward and reverse barrier given (NEB, interpolated path); they fix the energy difference too."""

    name = "fixed"
    formula = "E_f = max(E0 - W_S, dH, 0), dH = E0 - E0' - W"
    references = ("Salles et al., Nat. Commun. 11, 3330 (2020), eq 2 (work of the field)",)
    given_barriers = True
    monotonic = True
    assumed_regime = "adiabatic"  # a barrier on the ground-state surface, crossed whenever it is reached

    barrier = parameter(
        "energy", at_least=0, at_most=50, meaning="the forward barrier", source="the user's calculation"
    )
    reverse_barrier = parameter(
        "energy", at_least=0, at_most=50, meaning="the reverse barrier", source="the user's calculation"
    )

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        """As `BarrierRule.activation_energy`.

        Raises
        ------
        RateError : ``energy_difference`` is not that of the two barriers.
        """
        dE, w, w_s = as_arrays(energy_difference, work, saddle_work)
        wrong = np.abs(dE - self.given_difference) > TOLERANCE
        if wrong.any():
            raise RateError(
                "a fixed barrier does not follow the energies of its end states",
                key="energy_difference",
                value=f"{dE[wrong].flat[0]:.6g} eV",
                allowed=f"{self.given_difference:.6g} eV, forward minus reverse barrier",
                remedy="use the rule 'kra' when energies depend on the configuration",
            )
        return Activation(
            *effective_barrier(
                np.full(dE.shape, self.barrier), np.full(dE.shape, self.reverse_barrier), w_s, w
            )
        )

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        linear = p[0] - saddle_work
        floor = max(p[0] - p[1] - work, 0.0)
        return max(linear, floor), linear < floor

    def reversed(self) -> Fixed:
        return Fixed(barrier=self.reverse_barrier, reverse_barrier=self.barrier)

    @property
    def given_difference(self) -> float:
        return self.barrier - self.reverse_barrier


@register_rule
class KineticallyResolved(BarrierRule):
    """KRA: the barrier averaged over both directions is constant, half the energy difference tilts it."""

    name = "kra"
    formula = "E_f = max(E_kra + dE/2 - W_S, dH, 0), dH = dE - W"
    references = (
        "Van der Ven, Ceder, Asta, Tepesch, Phys. Rev. B 64, 184307 (2001), doi:10.1103/PhysRevB.64.184307",
        "Salles et al., Nat. Commun. 11, 3330 (2020), eq 2 (work of the field)",
    )
    monotonic = True
    assumed_regime = "adiabatic"
    intrinsic_barrier = "barrier"

    barrier = parameter(
        "energy",
        key="E_kra",
        at_least=0,
        at_most=50,
        meaning="the kinetically resolved barrier",
        source="doi:10.1103/PhysRevB.64.184307",
    )

    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        dE, w, w_s = as_arrays(energy_difference, work, saddle_work)
        return Activation(*effective_barrier(self.barrier + 0.5 * dE, self.barrier - 0.5 * dE, w_s, w))

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        ahead = p[0] + 0.5 * energy_difference
        back = p[0] - 0.5 * energy_difference
        linear = ahead - saddle_work
        floor = max(ahead - back - work, 0.0)
        return max(linear, floor), linear < floor

    def remarks(self, dH: npt.ArrayLike) -> tuple[str, ...]:
        steep: Any = np.abs(np.asarray(dH, dtype=np.float64)) > 2 * self.barrier
        if not np.any(steep):
            return ()
        return (
            f"kra: |dH| exceeds 2 E_kra = {2 * self.barrier:g} eV on {np.count_nonzero(steep)} hops, "
            "where the barrier is clamped",
        )
