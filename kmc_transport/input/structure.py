"""Crystal with labelled sites: from a file, from a space group with a basis, or explicit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..model import spacegroups
from ..model.model import Structure, frozen_array
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..sources.cell import FARTHEST, LONGEST, SHORTEST
from .document import Document, nearest
from .lattice import build_lattice
from .schema.structure import StructureInput
from .structurefile import structure_from_file
from .symmetry import find_symmetry

__all__ = ["build_structure"]

CLOSEST = 0.1
"""Sites nearer than this (Å) are taken for one site given twice."""


def build_structure(
    given: StructureInput, doc: Document, base: Path, files: dict[str, str], embedded: Mapping[str, str]
) -> Structure | None:
    """Structure of the input; None when problems (added to ``doc``) prevent it.

    ``files`` collects the text of the structure file that was read, by the name that the input uses;
    ``embedded`` holds such texts, which are taken in place of files.
    """
    before = len(doc.problems)
    form = _form(given, doc)
    periodic = np.array(given.periodic)
    _check_extent(given, doc, int(periodic.sum()))
    if form is None:
        return None
    parts: tuple[FloatArray, list[str], FloatArray] | None
    if form == "file":
        parts = structure_from_file(given, doc, base, files, embedded)
    elif form == "spacegroup":
        parts = _from_spacegroup(given, doc)
    else:
        parts = _explicit(given, doc)
    if parts is None or len(doc.problems) > before:
        return None
    lattice, labels, frac = parts
    if not _sized(lattice, frac, doc, form) or not _apart(lattice, labels, frac, periodic, doc, given):
        return None
    rotations, translations, symbol = find_symmetry(lattice, labels, frac, periodic, given, doc)
    if form == "spacegroup":
        _compare_symbol(given, symbol, doc)
    return Structure(
        lattice=frozen_array(lattice, np.float64),
        periodic=frozen_array(periodic, np.bool_),
        labels=tuple(labels),
        frac=frozen_array(frac, np.float64),
        rotations=frozen_array(rotations, np.int64),
        translations=frozen_array(translations, np.float64),
        spacegroup=symbol,
        cross_section=given.cross_section or given.thickness,
    )


def _form(given: StructureInput, doc: Document) -> str | None:
    """Which of the three forms is used; problems when keys of several are mixed or some are missing."""
    here = ("structure",)
    before = len(doc.problems)
    if given.file is not None:
        for key in ("spacegroup", "lattice", "sites"):
            if getattr(given, key) is not None:
                doc.add((*here, key), f"'{key}' cannot stand beside 'file'", remedy="keep one of the two")
        form = "file"
    else:
        if given.labels is not None:
            doc.add((*here, "labels"), "'labels' belongs to 'file'", remedy="name the labels under 'sites'")
        for key, example in (("lattice", "{a: 4.2}"), ("sites", "{O: [[0, 0, 0]]}")):
            if getattr(given, key) is None:
                doc.add(
                    (*here, key),
                    f"the key '{key}' is missing",
                    allowed="'file', or 'spacegroup' with 'lattice' and 'sites', or 'lattice' with 'sites'",
                    remedy=f"for example  {key}: {example}",
                )
        form = "spacegroup" if given.spacegroup is not None else "explicit"
    return form if len(doc.problems) == before else None


def _check_extent(given: StructureInput, doc: Document, n_periodic: int) -> None:
    here = ("structure",)
    if n_periodic == 0:
        doc.add(
            (*here, "periodic"),
            "the structure repeats along no axis, so nothing can be transported",
            value=given.periodic,
            allowed="at least one true",
            remedy="periodic: [true, false, false] for a chain",
        )
    for key, wanted, shape in (("cross_section", 1, "a chain"), ("thickness", 2, "a layer")):
        if getattr(given, key) is not None and n_periodic != wanted:
            other = {1: "cross_section", 2: "thickness"}.get(n_periodic)
            doc.add(
                (*here, key),
                f"'{key}' belongs to {shape} ({wanted} periodic axis or axes), here {n_periodic} are periodic",
                remedy=f"give '{other}' instead" if other else "remove it",
            )


# ------------------------------------------------------------------------------------------- three forms


def _explicit(given: StructureInput, doc: Document) -> tuple[FloatArray, list[str], FloatArray] | None:
    assert given.lattice is not None
    assert given.sites is not None
    lattice = build_lattice(given.lattice, doc, given.periodic, None)
    labels = [label for label, positions in given.sites.items() for _ in positions]
    frac = np.array([p for positions in given.sites.values() for p in positions], float)
    return None if lattice is None else (lattice, labels, frac)


def _from_spacegroup(given: StructureInput, doc: Document) -> tuple[FloatArray, list[str], FloatArray] | None:
    assert given.lattice is not None
    assert given.sites is not None
    assert given.spacegroup is not None
    setting = spacegroups.find_setting(given.spacegroup)
    if setting is None:
        doc.add(
            ("structure", "spacegroup"),
            "there is no such space group",
            value=given.spacegroup,
            allowed="an international symbol such as Fm-3m or P2_1/c, with a setting such as :2, or 1 to 230",
            remedy=nearest(str(given.spacegroup), spacegroups.symbols()),
        )
        return None
    if setting.choice == "2" and ":" not in str(given.spacegroup):
        doc.note(f"space group {setting.symbol}: origin choice 2 (inversion centre at the origin) is taken")
    lattice = build_lattice(given.lattice, doc, given.periodic, setting)
    if lattice is None:
        return None
    rotations, translations = spacegroups.operations(setting)
    metric = lattice @ lattice.T
    turned = np.einsum("gji,jk,gkl->gil", rotations, metric, rotations)
    if not np.allclose(turned, metric, rtol=0, atol=1e-4 * float(np.max(np.diag(metric)))):
        doc.add(
            ("structure", "lattice"),
            f"the cell does not have the symmetry of {setting.name} ({setting.crystal_system})",
            remedy="check lengths, angles or vectors against the space group's setting",
        )
        return None
    labels: list[str] = []
    positions: list[FloatArray] = []
    for label, basis in given.sites.items():
        for i, position in enumerate(basis):
            orbit = _orbit(np.array(position, float), rotations, translations, lattice, given.symprec)
            if positions and _distance(orbit[0] - np.array(positions), lattice).min() < given.symprec:
                doc.add(
                    ("structure", "sites", label, i),
                    f"the space group {setting.name} already makes this site from another one",
                    value=position,
                    remedy="list one site per orbit, or remove 'spacegroup' to list all sites",
                )
                continue
            labels += [label] * len(orbit)
            positions += list(orbit)
    return lattice, labels, np.array(positions)


def _distance(difference: FloatArray, lattice: FloatArray) -> FloatArray:
    """Shortest length (Å) of fractional differences that are nearly lattice vectors."""
    return np.asarray(np.linalg.norm((difference - np.round(difference)) @ lattice, axis=-1))


def _orbit(
    position: FloatArray, rotations: IntArray, translations: FloatArray, lattice: FloatArray, symprec: float
) -> FloatArray:
    images = np.einsum("gij,j->gi", rotations, position) + translations
    images -= np.floor(images + 1e-9)
    images = np.where(np.abs(images) < 1e-12, 0.0, images)
    apart = _distance(images[:, None] - images[None], lattice) > symprec
    kept: list[int] = []
    for g in range(len(images)):
        if apart[g, kept].all():
            kept.append(g)
    return images[kept]


# ------------------------------------------------------------------------------------------- checks


def _sized(lattice: FloatArray, frac: FloatArray, doc: Document, form: str) -> bool:
    """Whether cell and positions are of a size that a crystal has; files bring any number along."""
    key = "file" if form == "file" else "lattice"
    lengths = np.linalg.norm(lattice, axis=1)
    if not np.all((lengths >= SHORTEST) & (lengths <= LONGEST)):  # NaN is neither
        doc.add(
            ("structure", key),
            "the cell vectors are no lengths of a crystal",
            value=", ".join(f"{x:.4g} Å" for x in lengths),
            allowed=f"{SHORTEST:g} to {LONGEST:g} Å",
            remedy="lengths are in Å",
        )
    elif not abs(np.linalg.det(lattice)) >= 1e-6 * float(np.prod(lengths)):
        doc.add(("structure", key), "the three cell vectors do not span a volume", value=lattice.tolist())
    elif not np.all(np.abs(frac) <= FARTHEST):
        doc.add(
            ("structure", "file" if form == "file" else "sites"),
            "a site lies far outside of the cell, or its position is no number",
            allowed=f"fractional coordinates of at most {FARTHEST:g} in magnitude",
        )
    else:
        return True
    return False


def _apart(
    lattice: FloatArray,
    labels: list[str],
    frac: FloatArray,
    periodic: BoolArray,
    doc: Document,
    given: StructureInput,
) -> bool:
    """Whether no two sites coincide; the first pair that does is reported."""
    for i in range(len(frac) - 1):
        difference = frac[i + 1 :] - frac[i]
        difference = difference - np.where(periodic, np.round(difference), 0.0)
        lengths = np.linalg.norm(difference @ lattice, axis=1)
        j = int(np.argmin(lengths))
        if lengths[j] < CLOSEST:
            first, second = (
                f"{labels[k]} at [{', '.join(f'{x:.4g}' for x in frac[k])}]" for k in (i, i + 1 + j)
            )
            key = "file" if given.file is not None else "sites"
            path: tuple[str, ...] = ("structure", key)
            if key == "sites":
                path = (*path, labels[i + 1 + j])
            doc.add(
                path,
                f"two sites are {lengths[j]:.4g} Å apart: {first} and {second}",
                allowed=f"at least {CLOSEST:g} Å",
                remedy="list each site once; write special positions exactly, such as 1/3 for 0.333",
            )
            return False
    return True


def _compare_symbol(given: StructureInput, symbol: str, doc: Document) -> None:
    setting = spacegroups.find_setting(str(given.spacegroup))
    number = symbol.partition("(")[2].rstrip(")")
    if setting and given.symmetry and number and int(number) != setting.number:
        doc.note(f"the listed sites have the higher symmetry {symbol}; hops are grouped with it")
