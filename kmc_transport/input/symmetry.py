"""Operations of the labelled sites that respect the axes along which the crystal repeats."""

from __future__ import annotations

import numpy as np

from ..model.spacegroups import find_operations
from ..model.symmetry import nearest_sites
from ..ndarrays import BoolArray, FloatArray, IntArray
from .document import Document
from .schema.structure import StructureInput

__all__ = ["find_symmetry"]


def find_symmetry(
    lattice: FloatArray,
    labels: list[str],
    frac: FloatArray,
    periodic: BoolArray,
    given: StructureInput,
    doc: Document,
) -> tuple[IntArray, FloatArray, str]:
    """Operations that keep labels, sites and the periodic axes; the identity first."""
    identity = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    if not given.symmetry:
        return *identity, "P1"
    kinds = {label: i + 1 for i, label in enumerate(dict.fromkeys(labels))}
    found = find_operations(lattice, frac, [kinds[x] for x in labels], given.symprec)
    if found is None:
        doc.add(
            ("structure",),
            "the symmetry search failed",
            remedy="change 'symprec', or switch it off with symmetry: false",
        )
        return *identity, ""
    rotations, translations, symbol = found
    keep_rotations, keep_translations = [identity[0][0]], [identity[1][0]]
    for rotation, translation in zip(rotations, translations, strict=True):
        if np.any(rotation[np.ix_(periodic, ~periodic)]) or np.any(rotation[np.ix_(~periodic, periodic)]):
            continue
        shifted = _without_wrapping(rotation, translation, labels, frac, lattice, periodic, given.symprec)
        if shifted is None:
            continue
        if np.array_equal(rotation, identity[0][0]) and np.allclose(shifted, np.round(shifted), atol=1e-6):
            continue  # the identity is there already
        keep_rotations.append(rotation)
        keep_translations.append(shifted)
    return np.array(keep_rotations), np.array(keep_translations), symbol


def _without_wrapping(
    rotation: IntArray,
    translation: FloatArray,
    labels: list[str],
    frac: FloatArray,
    lattice: FloatArray,
    periodic: BoolArray,
    symprec: float,
) -> FloatArray | None:
    """Translation with which the operation maps sites on sites without wrapping round an axis that does not repeat.

    spglib sees every axis as periodic. None when there is no such translation.
    """
    if periodic.all():
        return translation
    images = frac @ rotation.T + translation
    shift: FloatArray | None = None
    names = np.array(labels)
    for label in dict.fromkeys(labels):
        same = names == label
        offsets = nearest_sites(images[same], frac[same], lattice)[1][:, ~periodic]
        if shift is None:
            shift = offsets[0]
        if np.any(offsets != shift):
            return None
    shifted = translation.copy()
    if shift is not None:
        shifted[~periodic] -= shift
    return shifted
