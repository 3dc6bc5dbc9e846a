"""What every rule must obey, tried on a grid: for the author of one's own rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import Problem, RateError
from ..ndarrays import FloatArray
from .base import BarrierRule

__all__ = ["check_rule"]

TOLERANCE = 1e-11
"""Relative to 1 eV + the energies involved; 1e-11 eV is 1e-9 kT at 100 K."""


def check_rule(
    rule: BarrierRule,
    energy_difference: npt.ArrayLike = (-2.0, -1.0, -0.3, -1e-3, 0.0, 1e-3, 0.3, 1.0, 2.0),
    work: npt.ArrayLike = (-1.5, -0.1, 0.0, 0.1, 1.5),
    saddle_fraction: npt.ArrayLike = (0.0, 0.3, 0.5, 1.0),
    temperature: float = 300.0,
) -> None:
    """Try ``rule`` on every combination of dE (eV), W (eV) and W_S/W, at one ``temperature`` (K).

    A rule that fixes its own dE is tried on that one; one without a saddle dipole on W_S = 0.

    Raises
    ------
    RateError : naming the worst case of each broken demand: finite energies not below max(dH, 0) (a rule with
        its own prefactor may stay below), E(forward) - E(reverse) = dH, equal prefactors both ways, a barrier that
        never falls as dE rises where the rule says so, and `BarrierRule.scalar` equal to
        `BarrierRule.activation_energy`.
    """
    rule = rule.at_temperature(temperature)
    if rule.given_difference is not None:
        energy_difference = [rule.given_difference]
    if not rule.takes_saddle_dipole:
        saddle_fraction = [0.0]
    dE, w, fraction = (
        a.ravel()
        for a in np.meshgrid(
            *(
                np.atleast_1d(np.asarray(v, dtype=np.float64))
                for v in (energy_difference, work, saddle_fraction)
            )
        )
    )
    w_s = fraction * w
    back_rule = rule.reversed()
    back_w_s = w_s - w if rule.takes_saddle_dipole else w_s
    ahead = rule.activation_energy(dE, w, w_s)
    back = back_rule.activation_energy(-dE, -w, back_w_s)
    dH = dE - w
    scale = 1 + np.abs(dH) + np.abs(ahead.energy)
    p = rule.scalar_parameters()
    alone = [rule.scalar(float(a), float(b), float(c), p) for a, b, c in zip(dE, w, w_s, strict=True)]
    scalar = np.array([e for e, _ in alone])
    flags = np.array([c for _, c in alone], dtype=np.bool_)

    problems = []

    def demand(miss: FloatArray, what: str) -> None:
        if not np.nanmax(miss, initial=0.0) <= TOLERANCE or np.isnan(miss).any():
            i = int(np.argmax(np.where(np.isnan(miss), np.inf, miss)))
            problems.append(
                Problem(
                    f"the rule '{rule.name}' {what}",
                    value=f"{ahead.energy[i]:.12g} eV (reverse {back.energy[i]:.12g}, scalar {scalar[i]:.12g}) at "
                    f"dE = {dE[i]:g}, W = {w[i]:g}, W_S = {w_s[i]:g} eV",
                    allowed=f"dH = {dH[i]:.12g} eV within {TOLERANCE:g}",
                )
            )

    demand(
        np.abs(ahead.energy - back.energy - dH) / scale, "breaks detailed balance: E - E(reverse) is not dH"
    )
    demand(np.maximum(np.maximum(dH, 0.0) - ahead.energy, 0.0) / scale, "gives a barrier below max(dH, 0)")
    demand(np.abs(scalar - ahead.energy) / scale, "has a scalar form that differs from the array form")
    demand((flags != ahead.clamped).astype(np.float64), "marks other hops as clamped in its scalar form")
    if rule.monotonic:
        rank = np.lexsort((dE, w_s, w))  # dE rises fastest
        falls = np.zeros(len(dE))
        falls[rank[1:]] = np.where(np.diff(dE[rank]) > 0, -np.diff(ahead.energy[rank]), 0.0)
        demand(np.maximum(falls, 0.0) / scale, "says that it is monotonic, but its barrier falls as dE rises")
    if rule.own_prefactor:
        ratio = rule.prefactor(temperature) / back_rule.prefactor(temperature)
        demand(
            np.broadcast_to(np.abs(np.log(ratio)), dE.shape),
            "has a prefactor that differs between directions",
        )
    if problems:
        raise RateError(problems)
