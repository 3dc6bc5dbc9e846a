"""Arrays of several species together, and of what they make up."""

from __future__ import annotations

from .spec import CONDITIONS, array, estimate

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
    estimate(
        "chemical_potential",
        CONDITIONS,
        "eV",
        "Of a formula unit, from the number of them at constant chemical potential: of the lattice model, what momenta "
        "and vibrations add left out. `sampling.thermodynamics`; NaN with a field.",
        "mu with <n> = n",
        optional=True,
    ),
    estimate(
        "chemical_potential_insertion",
        CONDITIONS,
        "eV",
        "The same from units put in and taken out at two compositions beside this one.",
        "-kT ln(Z(n + 1)/Z(n))",
        optional=True,
        long_name="chemical potential from insertions",
    ),
    estimate(
        "thermodynamic_factor",
        CONDITIONS,
        "1",
        "Of formula units, from how their number fluctuates at constant chemical potential.",
        "Gamma = d(mu/kT)/d ln c = <n>/(<n²> - <n>²)",
        optional=True,
    ),
    estimate(
        "thermodynamic_factor_insertion",
        CONDITIONS,
        "1",
        "The same from the chemical potentials at two compositions beside this one.",
        "Gamma = n dmu/dn/kT",
        optional=True,
        long_name="thermodynamic factor from insertions",
    ),
    estimate(
        "chemical_diffusivity",
        (*CONDITIONS, "axis", "axis_2"),
        "m2 s-1",
        "Diffusion tensor of composition, of a single species or of neutral formula units: what goes into Fick's law.",
        "D_chem = Gamma D_J",
        optional=True,
    ),
    array(
        "thermodynamics_note",
        "str",
        CONDITIONS,
        "1",
        "why there is no thermodynamic factor",
        "Empty where both routes gave a number.",
        optional=True,
    ),
)
"""Part of `kmc_transport.arrays.ARRAYS`."""
