"""Sites that the input names by label and index, or by a fractional position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..model.model import Carrier, Structure
from ..model.network import BondFinder
from ..ndarrays import IntArray
from .document import Document, KeyPath, nearest
from .schema.interactions import CounterInput, MemberInput, PairInput, PlaceInput

__all__ = [
    "carrier_named",
    "find_place",
    "labels_of",
    "members_of",
    "repeated_sites",
    "whole_block",
    "window_of",
]

MAX_LISTED = 5_000_000
_TOLERANCE = 0.05
"""How far (Å) a position may be off its site."""


def carrier_named(name: str, carriers: Sequence[Carrier], doc: Document, path: KeyPath) -> int | None:
    """Index of a carrier; a problem when there is none of this name."""
    names = [c.name for c in carriers]
    if name in names:
        return names.index(name)
    doc.add(
        path,
        f"there is no carrier '{name}'",
        value=name,
        allowed=", ".join(names),
        remedy=nearest(name, names) or "define it under 'carriers'",
    )
    return None


def labels_of(
    given: Sequence[str] | None, carrier: Carrier | None, structure: Structure, doc: Document, path: KeyPath
) -> list[str] | None:
    """Labels that exist and that the carrier may occupy (None: any carrier); all of these when none are given."""
    known = list(dict.fromkeys(structure.labels)) if carrier is None else list(carrier.sites)
    if given is None:
        return known
    ok = True
    for k, label in enumerate(given):
        if label not in known:
            ok = False
            what = f"the carrier '{carrier.name}' cannot sit on" if carrier else "there are no"
            doc.add(
                (*path, k),
                f"{what} sites '{label}'",
                value=label,
                allowed=", ".join(known),
                remedy=nearest(label, known),
            )
    return list(given) if ok else None


def window_of(given: PairInput | CounterInput, tolerance: float | None) -> tuple[float, float]:
    """Shortest and longest distance; one number is widened by ``tolerance``, or reaches from 0 where that is None."""
    if isinstance(given.distance, list):
        low, high = given.distance
        return low, high
    assert given.distance is not None
    return (
        (0.0, given.distance)
        if tolerance is None
        else (given.distance - tolerance, given.distance + tolerance)
    )


def find_place(
    given: PlaceInput | Sequence[float], structure: Structure, doc: Document, path: KeyPath
) -> tuple[int, tuple[int, int, int]] | None:
    """(site, cell) of a place; problems go to ``doc``."""
    if isinstance(given, PlaceInput) and (given.site is None) == (given.position is None):
        doc.add(
            path,
            "give one of 'site' and 'position'",
            remedy="site: Na, index: 0, cell: [1, 0, 0], or position: [1.5, 0, 0]",
        )
        return None
    if not isinstance(given, PlaceInput) or given.position is not None:
        position = np.array(given.position if isinstance(given, PlaceInput) else given, float)
        difference = position - structure.frac
        cells = np.where(structure.periodic, np.round(difference), 0.0)
        off = np.linalg.norm((difference - cells) @ structure.lattice, axis=1)
        best = int(np.argmin(off))
        if off[best] > _TOLERANCE:
            near = ", ".join(f"{x:.4g}" for x in structure.frac[best] + cells[best])
            doc.add(
                path,
                "no site lies at this position",
                value=[float(x) for x in position],
                allowed=f"the fractional position of a site, within {_TOLERANCE} Å",
                remedy=f"the nearest, {structure.labels[best]}, lies at [{near}]",
            )
            return None
        a, b, c = (int(x) for x in cells[best])
        return best, (a, b, c)
    assert given.site is not None
    sites = [i for i, label in enumerate(structure.labels) if label == given.site]
    if given.index >= len(sites):
        labels = list(dict.fromkeys(structure.labels))
        doc.add(
            path,
            f"there is no site {given.index} of label '{given.site}'"
            if sites
            else f"there are no sites '{given.site}'",
            value=given.index if sites else given.site,
            allowed=f"0 to {len(sites) - 1}" if sites else ", ".join(labels),
            remedy="indices count the sites of the label in the cell from 0"
            if sites
            else nearest(given.site, labels),
        )
        return None
    if any(n and not p for n, p in zip(given.cell, structure.periodic, strict=True)):
        doc.add(
            (*path, "cell"),
            "the place lies in another cell along an axis that does not repeat",
            value=given.cell,
            allowed="0 along axes that are not periodic",
        )
        return None
    return sites[given.index], (given.cell[0], given.cell[1], given.cell[2])


def whole_block(
    given: Sequence[int], supercell: tuple[int, int, int], doc: Document, path: KeyPath
) -> tuple[int, int, int] | None:
    """The cells of a block; a problem when the supercell does not hold a whole number of them."""
    block = (given[0], given[1], given[2])
    if not any(n % b for n, b in zip(supercell, block, strict=True)):
        return block
    doc.add(
        path,
        "the supercell does not hold a whole number of blocks",
        value=list(block),
        allowed=f"divisors of {list(supercell)}",
        remedy="change the block or the supercell",
    )
    return None


def repeated_sites(
    listed: Sequence[PlaceInput | Sequence[float]],
    carrier: Carrier,
    structure: Structure,
    supercell: tuple[int, int, int],
    block: tuple[int, int, int],
    doc: Document,
    path: KeyPath,
) -> Iterator[tuple[int, IntArray]]:
    """(number in the list, flat sites) of each place within a block of cells that fills the supercell."""
    repeats = tuple(n // b for n, b in zip(supercell, block, strict=True))
    corners = np.indices(repeats).reshape(3, -1).T * np.array(block)
    if len(listed) * len(corners) > MAX_LISTED:
        doc.add(path, "too many places", allowed=f"at most {MAX_LISTED}")
        return
    for k, place in enumerate(listed):
        at = find_place(place, structure, doc, (*path, k))
        if at is None:
            continue
        label = structure.labels[at[0]]
        if label not in carrier.sites:
            doc.add(
                (*path, k),
                f"the carrier '{carrier.name}' cannot sit on sites '{label}'",
                allowed=", ".join(carrier.sites),
            )
            continue
        cells = corners + np.array(at[1]) % np.array(block)
        yield k, np.ravel_multi_index(tuple(cells.T), supercell) * structure.n_sites + at[0]


def members_of(
    given: Sequence[MemberInput],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> list[tuple[int, int, tuple[int, int, int]]] | None:
    """(species, site, cell) of each member of a cluster; None when one of them has problems."""
    structure = finder.structure
    found: list[tuple[int, int, tuple[int, int, int]]] = []
    for k, member in enumerate(given):
        here = (*path, k)
        species = carrier_named(member.carrier, carriers, doc, (*here, "carrier"))
        place = find_place(member, structure, doc, here)
        if species is None or place is None:
            continue
        label = structure.labels[place[0]]
        if label not in carriers[species].sites:
            doc.add(
                here,
                f"the carrier '{member.carrier}' cannot sit on sites '{label}'",
                allowed=", ".join(carriers[species].sites),
                remedy="choose another site, or add the label to the carrier",
            )
            continue
        if any(place == (s, c) for _, s, c in found):
            doc.add(here, "two members of the cluster are on one site", remedy="remove one")
            continue
        found.append((species, *place))
    return found if len(found) == len(given) else None
