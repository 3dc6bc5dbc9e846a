"""Thermodynamics of the formula units of a point, and the chemical diffusivity that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..analysis import Evaluation
from ..engine.canonical.units import UnitThermodynamics, unit_thermodynamics
from ..engine.pace import ShouldStop, never
from ..model.formula import neutral_unit
from ..records import Estimate
from ..seeds import replica_stream
from .scaled import AnyPoint

__all__ = ["chemistry", "chemistry_estimates"]

STREAM = 1_000_003
"""Number of the random stream, beyond those of all replicas."""


def chemistry(simulation: AnyPoint, root: int, should_stop: ShouldStop = never) -> UnitThermodynamics | None:
    """Of a point without field whose input asks for it, else None. Raises Stopped when told to."""
    model, system = simulation.model, simulation.system
    asked = model.sampling.thermodynamics
    if asked is None or system.driven:
        return None
    unit = neutral_unit(system.charge, [c.count for c in model.carriers])
    if unit is None:
        return None
    stream = replica_stream(root, system.temperature, simulation.catalog.field, STREAM)
    return unit_thermodynamics(
        simulation.catalog, unit, seed=stream, relative_error=asked, should_stop=should_stop
    )


def chemistry_estimates(found: UnitThermodynamics, evaluation: Evaluation | None) -> dict[str, Estimate]:
    """By the names of arrays. The diffusivity takes the factor from the fluctuations, where there is one."""
    routes = {
        "chemical_potential": found.potential,
        "thermodynamic_factor": found.factor,
        "chemical_potential_insertion": found.potential_of_derivative,
        "thermodynamic_factor_insertion": found.factor_of_derivative,
    }
    estimates = {name: estimate for name, estimate in routes.items() if estimate is not None}
    factor = found.factor or found.factor_of_derivative
    jump = None if evaluation is None else evaluation.trustworthy("jump_diffusivity")
    if factor is not None and jump is not None:
        size = np.abs(jump.value)
        estimates["chemical_diffusivity"] = replace(
            jump,
            value=factor.value * jump.value,
            stderr=np.hypot(factor.value * jump.stderr, factor.stderr * size),  # of independent simulations
            effective_samples=min(jump.effective_samples, factor.effective_samples),
            method=f"jump diffusivity ({jump.method}) times thermodynamic factor ({factor.method})",
        )
    return estimates
