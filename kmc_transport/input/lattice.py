"""Cell vectors from lengths and angles, filled and checked by the crystal system."""

from __future__ import annotations

import math

import numpy as np

from ..model.spacegroups import Setting
from ..ndarrays import FloatArray
from ..sources.cell import lattice_from_parameters
from .document import Document
from .schema.structure import LatticeInput

__all__ = ["build_lattice", "lattice_from_parameters"]

_AXES = "abc"
_ANGLES = ("alpha", "beta", "gamma")
_IDLE_LENGTH = 10.0
"""Length (Å) of an axis that is not periodic and was not given: it only scales fractional coordinates."""


_SYSTEMS: dict[str, tuple[dict[str, str], dict[str, float]]] = {
    "cubic": ({"b": "a", "c": "a"}, {"alpha": 90, "beta": 90, "gamma": 90}),
    "hexagonal": ({"b": "a"}, {"alpha": 90, "beta": 90, "gamma": 120}),
    "rhombohedral": ({"b": "a", "c": "a", "beta": "alpha", "gamma": "alpha"}, {}),
    "tetragonal": ({"b": "a"}, {"alpha": 90, "beta": 90, "gamma": 90}),
    "orthorhombic": ({}, {"alpha": 90, "beta": 90, "gamma": 90}),
    "triclinic": ({}, {}),
    "any": ({}, {"alpha": 90, "beta": 90, "gamma": 90}),
}
"""By crystal system: keys that equal another key, and fixed angles."""


def build_lattice(
    given: LatticeInput, doc: Document, periodic: list[bool], setting: Setting | None
) -> FloatArray | None:
    here = ("structure", "lattice")
    numbers = {k: getattr(given, k) for k in (*_AXES, *_ANGLES) if getattr(given, k) is not None}
    if given.vectors is not None:
        for key in numbers:
            doc.add((*here, key), f"'{key}' cannot stand beside 'vectors'", remedy="keep one of the two")
        vectors = np.array(given.vectors, float)
        lengths = np.linalg.norm(vectors, axis=1)
        if min(lengths) == 0 or abs(np.linalg.det(vectors)) < 1e-6 * float(np.prod(lengths)):
            doc.add(
                (*here, "vectors"),
                "the three cell vectors do not span a volume",
                value=given.vectors,
                remedy="give three independent vectors; one along an axis that is not periodic may be any",
            )
            return None
        return None if numbers else vectors

    system = setting.crystal_system if setting else "any"
    equal, fixed = _SYSTEMS.get(system, ({}, {}))
    if system == "monoclinic":
        assert setting is not None
        unique = {"a": "alpha", "b": "beta", "c": "gamma"}[(setting.choice.strip("-") or "b")[0]]
        fixed = {angle: 90.0 for angle in _ANGLES if angle != unique}
    why = f"{system} space group {setting.name}" if setting else ""
    ok = True
    for key, other in equal.items():
        if (
            key in numbers
            and other in numbers
            and not math.isclose(numbers[key], numbers[other], rel_tol=1e-6)
        ):
            ok = False
            doc.add(
                (*here, key), f"the {why} needs {key} = {other}", value=numbers[key], allowed=f"{numbers[other]:g}",
                remedy=f"leave '{key}' out"
            )  # fmt: skip
        elif other in numbers:
            numbers.setdefault(key, numbers[other])
    for key, value in fixed.items():
        if setting and key in numbers and abs(numbers[key] - value) > 1e-4:
            ok = False
            doc.add(
                (*here, key), f"the {why} needs {key} = {value:g}", value=numbers[key], allowed=f"{value:g}",
                remedy=f"leave '{key}' out"
            )  # fmt: skip
        numbers.setdefault(key, value)
    for axis, repeats in zip(_AXES, periodic, strict=True):
        if not repeats and axis not in numbers:
            numbers[axis] = _IDLE_LENGTH
    for key in (*_AXES, *_ANGLES):
        if key not in numbers:
            ok = False
            unit = "degrees" if key in _ANGLES else "Å"
            doc.add(
                (*here, key),
                f"the key '{key}' is missing{f': the {why} does not fix it' if why else ''}",
                remedy=f"give {key} in {unit}",
            )
    if not ok:
        return None
    cell = lattice_from_parameters(*(numbers[k] for k in (*_AXES, *_ANGLES)))
    if cell is None:
        angles = ", ".join(f"{numbers[k]:g}" for k in _ANGLES)
        doc.add(here, "no cell has these angles", value=angles, remedy="check alpha, beta, gamma")
    return cell
