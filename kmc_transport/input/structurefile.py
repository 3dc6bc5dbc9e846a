"""Structures from files: their sites get the labels that the input asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..model import spacegroups
from ..ndarrays import FloatArray, IntArray
from ..sources.structures.crystals import STRUCTURE_KINDS, Crystal, read_crystal
from .document import Document, nearest
from .schema.structure import StructureInput

__all__ = ["structure_from_file"]


def structure_from_file(
    given: StructureInput, doc: Document, base: Path, files: dict[str, str], embedded: Mapping[str, str]
) -> tuple[FloatArray, list[str], FloatArray] | None:
    assert given.file is not None
    crystal = _read(given.file, doc, base, files, embedded)
    if crystal is None:
        return None
    elements = ["/".join(s) for s in crystal.species]
    if any(len(s) > 1 or abs(sum(s.values()) - 1) > 1e-6 for s in crystal.species):
        doc.note(f"{given.file}: partial occupancies are ignored, every site is listed")
    lattice, frac = crystal.cell, crystal.fractional
    labels = _file_labels(given, doc, crystal.labels, elements, lattice, frac)
    if labels is None:
        return None
    return lattice, labels, frac


def _read(
    name: str, doc: Document, base: Path, files: dict[str, str], embedded: Mapping[str, str]
) -> Crystal | None:
    """The crystal of a file, whose text goes to ``files``; None with problems noted."""
    here, path = ("structure", "file"), base / name
    if name not in embedded and not os.path.exists(path):
        folder = path.parent
        names = sorted(p.name for p in folder.iterdir() if p.is_file()) if os.path.isdir(folder) else []
        doc.add(
            here,
            "there is no such structure file",
            value=str(path),
            remedy=nearest(path.name, names) or "give the path relative to the input file",
        )
        return None
    try:
        crystal = read_crystal(path, embedded.get(name))
    except InputError as error:
        for p in error.problems:
            place = f"{path.name}:{p.line}" if p.line else path.name
            doc.add(
                here,
                f"{place}: {p.message}",
                value=str(path) if p.value is None else p.value,
                allowed=p.allowed or f"{STRUCTURE_KINDS}",
                remedy=p.remedy,
            )
        return None
    files[name] = crystal.text
    for note in crystal.notes:
        doc.note(note)
    return crystal


def _file_labels(
    given: StructureInput,
    doc: Document,
    own: Sequence[str],
    elements: list[str],
    lattice: FloatArray,
    frac: FloatArray,
) -> list[str] | None:
    choice = given.labels if given.labels is not None else "element"
    if choice == "file":
        return list(own)
    if choice == "orbit":
        kinds = {e: i for i, e in enumerate(dict.fromkeys(elements))}
        found = spacegroups.find_operations(lattice, frac, [kinds[e] for e in elements], given.symprec)
        if found is None:
            doc.add(
                ("structure", "labels"), "the symmetry search failed", remedy="change 'symprec', or use labels: element"
            )  # fmt: skip
            return None
        return _orbit_labels(elements, frac, lattice, found[0], found[1], given.symprec)
    labels = list(elements)
    if isinstance(choice, dict):
        taken: dict[int, str] = {}
        for label, indices in choice.items():
            for k, index in enumerate(indices):
                path = ("structure", "labels", label, k)
                if not 0 <= index < len(labels):
                    doc.add(
                        path, "there is no such site", value=index, allowed=f"0 to {len(labels) - 1}",
                        remedy="indices count the sites of the file from 0"
                    )  # fmt: skip
                elif index in taken:
                    doc.add(path, f"site {index} already has the label '{taken[index]}'", value=index)
                else:
                    taken[index] = labels[index] = label
    return labels


def _orbit_labels(
    elements: list[str],
    frac: FloatArray,
    lattice: FloatArray,
    rotations: IntArray,
    translations: FloatArray,
    symprec: float,
) -> list[str]:
    """Element, and a number where an element has several sets of equivalent sites."""
    orbit = [-1] * len(elements)
    number: dict[str, int] = {}
    for i, element in enumerate(elements):
        if orbit[i] >= 0:
            continue
        number[element] = number.get(element, 0) + 1
        images = np.einsum("gij,j->gi", rotations, frac[i]) + translations
        for j in range(i, len(elements)):
            if elements[j] == element and orbit[j] < 0:
                difference = images - frac[j]
                lengths = np.linalg.norm((difference - np.round(difference)) @ lattice, axis=1)
                if j == i or lengths.min() < 10 * symprec:
                    orbit[j] = number[element]
    return [f"{e}{o}" if number[e] > 1 else e for e, o in zip(elements, orbit, strict=True)]
