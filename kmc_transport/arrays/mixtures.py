"""Arrays of several species together, and of what they make up."""

from __future__ import annotations

from .spec import CONDITIONS, estimate

__all__ = ["MIXTURES"]

MIXTURES = (
    estimate(
        "onsager",
        (*CONDITIONS, "carrier", "axis", "carrier_2", "axis_2"),
        "S m-1",
        "Onsager matrix of the species times e²: the conductivity is its sum with the charge numbers z_a z_b. Divided "
        "by the square of the elementary charge it is L_ab in J-1 m-1 s-1, by that of the Faraday constant in "
        "mol2 J-1 m-1 s-1. NaN with a field; absent when the cell has no volume.",
        "e² L_ab, L_ab = <X_a X_b>/(2 kT V t); J_a = -sum_b L_ab grad(mu_b + q_b phi)",
        long_name="Onsager matrix times e²",
    ),
    estimate(
        "transference",
        (*CONDITIONS, "carrier"),
        "1",
        "Share of each species in the current of a weak field along each direction, all species in the field; NaN at "
        "other fields. Outside [0, 1] where species drag each other along.",
        "t_a = sum_b q_a q_b L_ab/sum_ab q_a q_b L_ab, components along e",
        per_direction=True,
        long_name="transference number",
    ),
    estimate(
        "jump_diffusivity",
        (*CONDITIONS, "axis", "axis_2"),
        "m2 s-1",
        "Diffusion tensor of formula units without current, thermodynamic factor apart: of a single species its "
        "collective diffusivity, of two with opposite charges that of neutral units. NaN with a field, and where there "
        "is no such unit (three and more species, like charges).",
        "D_J = kT Lambda/c; for charges +1 and -1 Lambda = (L_ii L_pp - L_ip²)/(L_ii + L_pp - 2 L_ip)",
    ),
)
"""Part of `kmc_transport.arrays.ARRAYS`."""
