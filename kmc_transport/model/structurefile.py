"""Structure files through pymatgen, which is imported only here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import spacegroups
from .inputfile import Document, nearest
from .lattice import lattice_from_parameters
from .schema import StructureInput

__all__ = ["structure_from_file"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def structure_from_file(
    given: StructureInput, doc: Document, base: Path, files: dict[str, str], embedded: Mapping[str, str]
) -> tuple[FloatArray, list[str], FloatArray] | None:
    assert given.file is not None
    here = ("structure", "file")
    structure = _read_structure(given.file, doc, base, files, embedded)
    if structure is None:
        return None
    lattice = np.array(structure.lattice.matrix, float)
    if given.file.lower().endswith(".cif"):
        placed = lattice_from_parameters(*structure.lattice.parameters)
        lattice = lattice if placed is None else placed
    frac = np.array(structure.frac_coords, float)
    elements = []
    for site in structure:
        names = [getattr(s, "symbol", str(s)) for s in site.species]
        elements.append("/".join(dict.fromkeys(names)))
        if not site.is_ordered:
            doc.note(f"{given.file}: partial occupancies are ignored, every site is listed")
    labels = _file_labels(given, doc, structure, elements, lattice, frac)
    if labels is None:
        return None
    if not labels:
        doc.add(here, "the file has no sites", value=given.file)
        return None
    return lattice, labels, frac


def _read_structure(
    name: str, doc: Document, base: Path, files: dict[str, str], embedded: Mapping[str, str]
) -> Any:
    """pymatgen structure of a file, or None."""
    here = ("structure", "file")
    path = base / name
    if name in embedded:
        files[name] = embedded[name]
    elif not path.is_file():
        folder = path.parent
        names = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
        doc.add(
            here,
            "there is no such structure file",
            value=str(path),
            remedy=nearest(path.name, names) or "give the path relative to the input file",
        )
        return None
    else:
        try:
            files[name] = path.read_bytes().decode()
        except UnicodeDecodeError:
            doc.note(f"{name} is not a text file: it is not kept with the results")
        except OSError as error:
            doc.add(here, f"the structure file cannot be read: {error.strerror}", value=str(path))
            return None

    from pymatgen.core import Structure as PymatgenStructure

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if name in embedded:
                structure = _from_text(PymatgenStructure, name, embedded[name])
            else:
                structure = PymatgenStructure.from_file(path)
    except Exception as error:  # readers of many formats, errors of many kinds
        first = (str(error).splitlines() or [type(error).__name__])[0]
        doc.add(
            here,
            f"pymatgen cannot read the structure file: {first}",
            value=str(path),
            allowed="CIF, POSCAR, CONTCAR, vasprun.xml, XSF, ... (the file name tells the format)",
            remedy="check the file, or write lattice and sites into the input",
        )
        return None
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            doc.note(f"{name}: {str(warning.message).splitlines()[0]}")
    return structure


def _from_text(reader: Any, name: str, text: str) -> Any:
    """Structure from a text kept with results; the file's name tells the format."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        copy = Path(folder) / Path(name).name
        copy.write_text(text, encoding="utf-8")
        return reader.from_file(copy)


def _file_labels(
    given: StructureInput,
    doc: Document,
    structure: Any,
    elements: list[str],
    lattice: FloatArray,
    frac: FloatArray,
) -> list[str] | None:
    choice = given.labels if given.labels is not None else "element"
    if choice == "file":
        return ["".join(str(site.label).split()) for site in structure]
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
                        remedy="indices count the sites of the file from 0",
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
