"""Exact values to stand beside simulated ones: names, shapes and SI units of the result file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import KmcTransportError, TooManyStates
from ..model.formula import neutral_unit
from ..ndarrays import FloatArray, IntArray
from ..rates.build import build_catalog
from ..rates.catalog import RateCatalog
from ..units import ANGSTROM, E_CHARGE, K_B
from .onsager import jump_diffusivity, onsager_matrix, transference_numbers
from .solve import MAX_STATES, applies, largest_work, solve_exact
from .thermodynamics import thermodynamic_factor

__all__ = ["exact_values"]

DIFFERENTIAL_STATES = 500
"""Largest chain that is solved twice more, for the differential mobility."""
_STEP = 1e-5
"""Step of that: part of the field, or of kT where its work is less."""


def exact_values(
    catalog: RateCatalog, direction: npt.ArrayLike, max_states: int = MAX_STATES
) -> dict[str, FloatArray]:
    """What a simulation of this supercell must find, by array name of `kmc_transport.arrays`, in SI units.

    direction : (n_directions, 3) unit vectors for ``mobility_einstein`` (n_directions, S).

    Empty when the system needs more than ``max_states`` states or has no single answer; without the tracer's
    coefficients when only those need too many.
    """
    if applies(catalog, max_states) is None:
        return {}
    try:
        try:
            exact = solve_exact(catalog, max_states=max_states, tracer=True)
        except TooManyStates:
            exact = solve_exact(catalog, max_states=max_states)
    except KmcTransportError:
        return {}
    square = ANGSTROM**2
    values = {
        "drift_velocity": exact.drift_velocity * ANGSTROM,
        "collective_diffusivity": exact.collective_diffusivity * square,
        "charge_diffusivity": exact.charge_diffusivity * square,
    }
    if exact.tracer_diffusivity is not None:
        tracer = np.einsum("aii->ai", exact.tracer_diffusivity)
        collective = np.einsum("aiai->ai", exact.collective_diffusivity)
        values["tracer_diffusivity"] = exact.tracer_diffusivity * square
        values["haven_ratio"] = _ratio(tracer, collective)
        values["correlation_factor"] = _ratio(tracer, exact.uncorrelated_diffusivity)
    if exact.mobility_along_field is not None:
        values["mobility"] = exact.mobility_along_field * square
        if exact.n_states <= DIFFERENTIAL_STATES:
            values["differential_mobility"] = _differential(catalog, max_states) * square
        return values
    values["mobility_tensor"] = exact.mobility_einstein * square
    axes = np.asarray(direction, float).reshape(-1, 3)
    values["mobility_vector"] = np.einsum("aij,dj->dai", exact.mobility_einstein, axes) * square
    values["mobility_einstein"] = np.einsum("dai,di->da", values["mobility_vector"], axes)
    conductivity = exact.conductivity(catalog.model.volume)
    kt, number = K_B * catalog.temperature, exact.number.astype(float)
    onsager = onsager_matrix(exact.collective_diffusivity, number, kt)
    if conductivity is not None and catalog.model.volume is not None:
        values["conductivity"] = conductivity
        values["onsager"] = onsager / catalog.model.volume * (E_CHARGE / ANGSTROM)
    values["transference"] = transference_numbers(onsager, exact.charge, axes)
    unit = neutral_unit(exact.charge, number)
    if unit is not None:
        values["jump_diffusivity"] = jump_diffusivity(onsager, exact.charge, number, unit, kt) * square
        if catalog.model.sampling.thermodynamics is not None:
            values |= _thermodynamics(catalog, unit, values["jump_diffusivity"], max_states)
    return values


def _thermodynamics(
    catalog: RateCatalog, unit: IntArray, jump: FloatArray, max_states: int
) -> dict[str, FloatArray]:
    """Of formula units, at all numbers of them; empty when these have too many configurations."""
    try:
        found = thermodynamic_factor(catalog, composition=unit.tolist(), max_states=max_states)
    except KmcTransportError:
        return {}
    factor, potential = found.beside
    return {
        "chemical_potential": np.array(found.chemical_potential),
        "chemical_potential_insertion": np.array(potential * K_B * catalog.temperature),
        "thermodynamic_factor": np.array(found.factor),
        "thermodynamic_factor_insertion": np.array(factor),
        "chemical_diffusivity": found.factor * jump,
    }


def _differential(catalog: RateCatalog, max_states: int) -> FloatArray:
    """(S,) dv/dE along the field, Å²/(V s), by a central difference that leaves about ten digits."""
    size = float(np.linalg.norm(catalog.field))
    unit = catalog.field / size
    work = largest_work(catalog)
    step = _STEP * max(1.0, 1 / work if work > 0 else 1.0)
    ends = []
    for sign in (1, -1):
        near = build_catalog(
            catalog.model, temperature=catalog.temperature, field=catalog.field * (1 + sign * step)
        )
        ends.append(solve_exact(near, max_states=max_states).drift_velocity @ unit)
    return np.asarray((ends[0] - ends[1]) / (2 * step * size))


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.divide(a, b, out=np.full_like(a, np.nan), where=b != 0)
