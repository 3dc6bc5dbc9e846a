"""Temperatures, fields and their directions; the sampling goals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic_core import PydanticCustomError

from ..model.formula import neutral_unit
from ..model.model import Carrier, Conditions, Sampling, Structure, frozen_array
from .document import Document, KeyPath
from .schema.conditions import (
    CompositionRange,
    ConditionsInput,
    FieldInput,
    FieldRange,
    SamplingInput,
    TemperatureRange,
    expanded,
)

__all__ = ["build_conditions", "build_sampling", "check_absorbing", "check_thermodynamics", "values_of"]

MAX_POINTS = 1_000_000
"""Temperatures times fields times directions."""
NO_FIELD = 1e-100
"""V/m; what is weaker is no field: its square is no number any more."""
ABSORBING = "absorbing"
"""Algorithm of the acceleration of this name."""
MOST_ABSORBING = 400
"""Carriers with absorbing chains: each of their hops looks at all of them."""
OF_CHARGES = ("mobility", "drift_velocity", "charge_diffusivity")
"""Targets that are zero where no carrier has a charge."""


def build_conditions(given: ConditionsInput, structure: Structure | None, doc: Document) -> Conditions | None:
    """Grid of conditions; without a structure only what does not need it is checked."""
    here: KeyPath = ("conditions",)
    temperature = values_of(given.temperature, (*here, "temperature"), "temperature", doc)
    magnitudes = [0.0]
    directions: list[tuple[np.ndarray, str]] = []
    if given.field is not None:
        magnitudes = values_of(given.field.magnitude, (*here, "field", "magnitude"), "field", doc)
        directions = _directions(given.field, structure, doc, (*here, "field"))
    if structure is None:
        return None
    if not directions:
        axis = int(np.flatnonzero(structure.periodic)[0])
        vector = structure.lattice[axis]
        uvw = [int(k == axis) for k in range(3)]
        cartesian_x = axis == 0 and abs(vector[0]) > (1 - 1e-12) * np.linalg.norm(vector)
        directions = [(vector / np.linalg.norm(vector), "[1, 0, 0]" if cartesian_x else f"crystal {uvw}")]
    if not temperature or not magnitudes:
        return None
    points = len(temperature) * len(magnitudes) * len(directions)
    if points > MAX_POINTS:
        doc.add(
            here, f"the grid has {points} points", allowed=f"at most {MAX_POINTS}", remedy="use fewer values"
        )
        return None
    return Conditions(
        temperature=frozen_array(temperature, np.float64),
        field=frozen_array(sorted(magnitudes), np.float64),
        direction=frozen_array([d for d, _ in directions], np.float64),
        direction_label=tuple(label for _, label in directions),
    )


def values_of(given: object, path: KeyPath, what: str, doc: Document) -> list[float]:
    """One value, a list or a range, without what is listed twice; problems go to ``doc``."""
    try:
        values = expanded(given)
    except PydanticCustomError as error:
        context = error.context or {}
        doc.add(path, context["message"], allowed=context["allowed"], remedy=context["remedy"])
        return []
    if what == "field" and any(0 < v * 1e10 < NO_FIELD for v in values):
        doc.note(f"fields below {NO_FIELD:g} V/m are taken for none")
        values = [v if v * 1e10 >= NO_FIELD else 0.0 for v in values]
    unique = list(dict.fromkeys(values))
    if len(unique) < len(values):
        if isinstance(given, TemperatureRange | FieldRange | CompositionRange):
            doc.add(path, f"neighbouring {what} values of the range are equal", remedy="use fewer points")
        else:
            doc.note(f"{what} values that are listed twice are simulated once")
    return unique


def _directions(
    given: FieldInput, structure: Structure | None, doc: Document, path: KeyPath
) -> list[tuple[np.ndarray, str]]:
    result: list[tuple[np.ndarray, str]] = []
    if structure is None:
        return result
    for key in ("along", "along_crystal"):
        value = getattr(given, key)
        if value is None:
            continue
        several = isinstance(value[0], list)
        for k, numbers in enumerate(value if several else [value]):
            here: KeyPath = (*path, key, k) if several else (*path, key)
            vector = np.array(numbers, float)
            label = f"[{', '.join(f'{x:g}' for x in numbers)}]"
            if key == "along_crystal":
                vector, label = vector @ structure.lattice, f"crystal {label}"
            length = float(np.linalg.norm(vector))
            if not np.isfinite(length) or length == 0:
                doc.add(here, "a direction needs a finite vector that is not zero", value=numbers)
                continue
            vector = vector / length
            if not _within_periodic(vector, structure):
                allowed = ", ".join(
                    f"{name} = [{', '.join(f'{x:.4g}' for x in row)}]"
                    for name, row, repeats in zip("abc", structure.lattice, structure.periodic, strict=True)
                    if repeats
                )
                doc.add(
                    here,
                    "the field points along a direction in which the structure does not repeat",
                    value=numbers,
                    allowed=f"combinations of {allowed}",
                    remedy="turn the field, or make the axis periodic",
                )
                continue
            if any(np.allclose(vector, other, atol=1e-9) for other, _ in result):
                doc.add(here, "this direction is given twice", value=numbers, remedy="keep one of them")
                continue
            result.append((vector, label))
    return result


def _within_periodic(unit: np.ndarray, structure: Structure) -> bool:
    """Whether a unit vector lies in the span of the periodic lattice vectors."""
    basis, _ = np.linalg.qr(structure.lattice[structure.periodic].T)
    return bool(np.linalg.norm(unit - basis @ (basis.T @ unit)) < 1e-6)


def build_sampling(given: SamplingInput, carriers: Sequence[Carrier], doc: Document) -> Sampling:
    """Sampling goals; 1 % relative error when the input names no goal, of D where no carrier has a charge."""
    target = given.target
    if all(c.charge == 0 for c in carriers):
        if "target" not in given.model_fields_set:
            target = "tracer_diffusivity"
        elif target in OF_CHARGES:
            doc.add(
                ("sampling", "target"),
                "no carrier that hops has a charge, so that a field moves none and this target is zero",
                value=target,
                allowed="tracer_diffusivity, collective_diffusivity",
                remedy="target: tracer_diffusivity, which is the default without charges",
            )
    relative = given.relative_error
    if relative is None and given.table_error is not None:
        relative = min(1.0, 4 * given.table_error)
    elif relative is None and given.absolute_error is None and given.events is None and given.time is None:
        relative = 0.01
    return Sampling(
        target=target,
        relative_error=relative,
        absolute_error=given.absolute_error,
        events=given.events,
        time=given.time,
        min_effective_samples=given.min_effective_samples,
        equilibration=given.equilibration,
        replicas=given.replicas,
        seed=given.seed,
        wall_time=given.wall_time,
        table_error=given.table_error,
        algorithm=ABSORBING if given.acceleration == ABSORBING else given.algorithm,
        observe=tuple(sorted(set(given.observe))),
        thermodynamics=given.thermodynamics,
    )


def check_absorbing(given: SamplingInput, analysis: bool, most: int, doc: Document) -> None:
    """Whether what is asked for can be had with absorbing chains.

    analysis : the input has such a section. most : largest number of carriers that hop.
    """
    if given.acceleration != ABSORBING:
        return
    path: KeyPath = ("sampling", "acceleration")
    if given.algorithm != "auto":
        doc.add(
            ("sampling", "algorithm"),
            "absorbing chains choose hops in their own way",
            value=given.algorithm,
            allowed="auto",
            remedy="remove 'algorithm', or 'acceleration'",
        )
    if given.observe or analysis:
        doc.add(
            path,
            "what is counted hop by hop ('observe', 'analysis') cannot be had: hops within a stay are not made",
            value=given.acceleration,
            allowed="diffusivities, mobilities, conductivities, numbers of hops",
            remedy="remove 'observe' and 'analysis', or 'acceleration'",
        )
    if most > MOST_ABSORBING:
        doc.add(
            path,
            "absorbing chains are for few carriers: of many, one hops out of any basin at every moment",
            value=f"{most} carriers",
            allowed=f"up to {MOST_ABSORBING} carriers that hop",
            remedy="remove 'acceleration', or take a smaller supercell",
        )


def check_thermodynamics(
    sampling: Sampling, conditions: Conditions, carriers: Sequence[Carrier], doc: Document
) -> None:
    """Whether there are formula units, and points at which they are in equilibrium."""
    path: KeyPath = ("sampling", "thermodynamics")
    if sampling.thermodynamics is None:
        return
    if not np.any(conditions.field == 0):
        doc.add(
            path,
            "chemical potentials belong to equilibrium, and the grid has no zero field",
            value=[float(f"{1e10 * f:.6g}") for f in conditions.field],
            remedy="add 0 to conditions.field.magnitude",
        )
    there = [c for c in carriers if c.count]
    if neutral_unit([c.charge for c in there], [c.count for c in there]) is None:
        doc.add(
            path,
            "these carriers make up no formula unit that could be exchanged",
            value=", ".join(f"{c.name} {c.charge:+g}" for c in there),
            allowed="one species, or two with opposite charges whose ratio is one of whole numbers up to 12",
            remedy="leave thermodynamics out: with more species diffusion has a matrix instead of one number",
        )
