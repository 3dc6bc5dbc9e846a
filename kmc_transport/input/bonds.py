"""Hop entries of the input to pairs of sites: found by distance, or listed."""

from __future__ import annotations

import numpy as np

from ..model.network import Bond, BondClass, BondFinder, reversed_bond
from .document import Document, KeyPath
from .schema.hops import HopInput, HopVectorCartesian, HopVectorSites

__all__ = ["bond_classes"]

MAX_BONDS = 20_000
_PLACE_TOLERANCE = 0.05
"""How far (Å) the end of an explicit Cartesian vector may be off its site."""


def bond_classes(entry: HopInput, finder: BondFinder, doc: Document, path: KeyPath) -> list[BondClass] | None:
    if (entry.distance is None) == (entry.vectors is None):
        both = entry.distance is not None
        doc.add(
            (*path, "vectors") if both else path,
            "give one of 'distance' and 'vectors'" + (", not both" if both else ""),
            remedy="distance: 2.945 finds the pairs; vectors: [[1, 0, 0]] lists them",
        )
        return None
    if entry.vectors is not None:
        bonds = _explicit_bonds(entry, finder, doc, path)
        return None if bonds is None else finder.explicit_classes(bonds)

    assert entry.distance is not None
    a, b = entry.between
    if isinstance(entry.distance, list):
        low, high = entry.distance
        if "tolerance" in entry.model_fields_set:
            doc.add(
                (*path, "tolerance"), "'tolerance' belongs to a single distance", remedy="widen the window"
            )
        if not low < high:
            doc.add((*path, "distance"), "the window must be [shortest, longest]", value=entry.distance)
            return None
    else:
        low, high = entry.distance - entry.tolerance, entry.distance + entry.tolerance
    bonds = None
    with doc.at((*path, "distance")):
        bonds = finder.within(a, b, low - 1e-9, high + 1e-9)
    if bonds is None:
        return None
    if not bonds:
        lengths = finder.nearby_lengths(a, b, (low + high) / 2, 4)
        known = ", ".join(f"{x:.3f}" for x in lengths)
        doc.add(
            (*path, "distance"),
            f"no sites {a} and {b} are {low:.4g} to {high:.4g} Å apart",
            value=entry.distance,
            allowed=f"the nearest distances are {known} Å" if known else "",
            remedy=f"distance: {min(lengths, key=lambda x: abs(x - (low + high) / 2)):.3f}, or a window "
            "[shortest, longest]" if known else "list the hops under 'vectors'"
        )  # fmt: skip
        return None
    if len(bonds) > MAX_BONDS:
        doc.add(
            (*path, "distance"),
            f"{len(bonds)} hops per cell lie in this window",
            value=entry.distance,
            allowed=f"at most {MAX_BONDS}",
            remedy="narrow the window",
        )
        return None
    return finder.classes(bonds)


def _explicit_bonds(entry: HopInput, finder: BondFinder, doc: Document, path: KeyPath) -> list[Bond] | None:
    """The listed bonds, each once, in the direction that is listed first."""
    assert entry.vectors is not None
    listed: dict[Bond, int] = {}
    ok = True
    for k, vector in enumerate(entry.vectors):
        bond = _explicit_bond(vector, entry.between, finder, doc, (*path, "vectors", k))
        if bond is None:
            ok = False
        elif bond in listed:
            ok = False
            doc.add((*path, "vectors", k), f"this hop is listed twice (first as number {listed[bond] + 1})")
        else:
            listed[bond] = k
    if not ok:
        return None
    # the reverse is made in any case; a list that names reverses too must name all of them
    both = {bond for bond in listed if reversed_bond(bond) in listed}
    for bond, k in listed.items() if both else ():
        if bond not in both:
            ok = False
            origin, target, cell = reversed_bond(bond)
            sites = finder.sites(entry.between[0])
            doc.add(
                (*path, "vectors", k),
                "the reverse of this hop is missing, though other hops are listed in both directions",
                value=str(_shown(entry.vectors[k])),
                remedy=f"add {{from: {sites.index(origin)}, to: {sites.index(target)}, cell: {list(cell)}}}, or "
                "list every hop in one direction only (reverses are always made)",
            )
    kept: dict[Bond, None] = {}
    for bond in listed:
        if reversed_bond(bond) not in kept:
            kept[bond] = None
    return list(kept) if ok else None


def _shown(vector: object) -> object:
    return (
        vector.model_dump(by_alias=True)
        if isinstance(vector, HopVectorSites | HopVectorCartesian)
        else vector
    )


def _explicit_bond(
    vector: list[int] | HopVectorSites | HopVectorCartesian,
    between: list[str],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> Bond | None:
    first, second = (finder.sites(label) for label in between)
    origin = vector.from_ if isinstance(vector, HopVectorSites | HopVectorCartesian) else 0
    target = vector.to if isinstance(vector, HopVectorSites) else 0
    for key, index, sites, label in (("from", origin, first, between[0]), ("to", target, second, between[1])):
        if index >= len(sites):
            doc.add(
                (*path, key),
                f"there is no site {index} of label '{label}'",
                value=index,
                allowed=f"0 to {len(sites) - 1}",
                remedy="indices count the sites of the label in the cell from 0",
            )
            return None
    if isinstance(vector, HopVectorCartesian):
        return _bond_along(vector, first[origin], second, between[1], finder, doc, path)
    cell = vector.cell if isinstance(vector, HopVectorSites) else vector
    for axis, steps in enumerate(cell):
        if steps and not finder.structure.periodic[axis]:
            doc.add(
                path,
                f"the hop leaves the cell along {'abc'[axis]}, where the structure does not repeat",
                value=cell,
                allowed=f"0 along {'abc'[axis]}",
                remedy="set it to 0, or make the axis periodic",
            )
            return None
    bond = (first[origin], second[target], (cell[0], cell[1], cell[2]))
    if finder.length(bond) < 1e-6:
        doc.add(path, "the hop leads from a site to itself", value=str(_shown(vector)))
        return None
    return bond


def _bond_along(
    vector: HopVectorCartesian,
    origin: int,
    targets: list[int],
    label: str,
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> Bond | None:
    s = finder.structure
    end = s.frac[origin] + np.array(vector.cartesian) @ np.linalg.inv(s.lattice)
    difference = end - s.frac[targets]
    cells = np.where(s.periodic, np.round(difference), 0.0)
    off = np.linalg.norm((difference - cells) @ s.lattice, axis=1)
    best = int(np.argmin(off))
    a, b, c = (int(x) for x in cells[best])
    bond = (origin, targets[best], (a, b, c))
    if off[best] > _PLACE_TOLERANCE or finder.length(bond) < 1e-6:
        nearby = ", ".join(f"{x:.4g}" for x in finder.vector(bond))
        doc.add(
            (*path, "cartesian"),
            f"no site of label '{label}' lies at the end of this hop",
            value=vector.cartesian,
            allowed=f"the vector to a site, within {_PLACE_TOLERANCE} Å",
            remedy=f"the nearest site lies at [{nearby}]",
        )
        return None
    return bond
