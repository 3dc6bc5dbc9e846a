"""`initial.two_phase`: a full phase beside an empty one, what the cut is like, and what may be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..model.interactions import Coulomb
from ..model.model import Carrier, Structure
from ..ndarrays import BoolArray, FloatArray, IntArray
from .document import Document, KeyPath, nearest
from .phases import NO_DIPOLE, Cut, Planes, find_cut, open_sites, planar_cut, planes, polar_energy
from .schema.initial import TwoPhases

__all__ = ["two_phase_sites"]

_PATH: KeyPath = ("initial", "two_phase")
_AXES = {"a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0, 1)}


def two_phase_sites(
    given: TwoPhases,
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    closed: BoolArray | None,
    coulomb: Coulomb | None,
    doc: Document,
) -> tuple[IntArray, ...] | None:
    """Flat sites of each of the carriers, all of them in the full phase; a note on the cut, problems go to ``doc``."""
    at = _planes(given, structure, supercell, doc)
    if at is None or not _fit(given, carriers, at, structure, closed, doc):
        return None
    whole = planar_cut(at, structure, carriers, closed, 0.0)
    best = None
    total = math.fsum(c.charge * c.count for c in carriers)
    charged, neutral = any(c.charge for c in carriers), abs(total) < 1e-9
    if neutral:
        best = find_cut(at, structure, carriers, closed, coulomb, None)
    if given.cut == "nonpolar":
        cut = best
        if neutral and given.split is not None:
            cut = find_cut(at, structure, carriers, closed, coulomb, given.split)
        if cut is None:
            _refuse(given, carriers, neutral, doc)
            return None
    else:
        cut = whole if given.cut == "cells" else planar_cut(at, structure, carriers, closed, given.cut)
    charge = None if not charged else 0.0 if neutral else total
    doc.note("initial.two_phase: " + _described(given, cut, carriers, at, charge))
    if best is not None and charged:
        share = carriers[0].count / len(open_sites(carriers[0], structure, math.prod(supercell), closed))
        energies = polar_energy([cut, whole, best], carriers, coulomb)
        doc.note("initial.two_phase: " + _compared(cut, whole, best, carriers, energies, share))
    return cut.sites


def _planes(
    given: TwoPhases, structure: Structure, supercell: tuple[int, int, int], doc: Document
) -> Planes | None:
    normal = _AXES[given.normal] if isinstance(given.normal, str) else tuple(given.normal)
    path: KeyPath = (*_PATH, "normal")
    if (factor := math.gcd(*normal)) != 1:
        doc.add(
            path,
            "Miller indices have no common factor" if factor else "these are the indices of no plane",
            value=list(normal),
            remedy=f"[{', '.join(str(k // factor) for k in normal)}]" if factor else "for example  normal: a",
        )
        return None
    if any(k and not p for k, p in zip(normal, structure.periodic, strict=True)):
        doc.add(path, "the structure does not repeat along the normal, so that there are no two borders",
                value=given.normal, remedy="choose a normal along which it repeats")  # fmt: skip
        return None
    at = planes(structure, supercell, normal)
    if at.number < 2:
        doc.add(path, "the supercell repeats with every plane of these indices, so that both phases do not fit",
                value=given.normal, allowed="planes of which there are 2 or more, better 8",
                remedy="use a larger supercell along the normal")  # fmt: skip
        return None
    return at


def _fit(
    given: TwoPhases,
    carriers: Sequence[Carrier],
    at: Planes,
    structure: Structure,
    closed: BoolArray | None,
    doc: Document,
) -> bool:
    """Whether the carriers fill the same part of their sites, none of which they share."""
    before, names = len(doc.problems), [c.name for c in carriers]
    n_cells = len(at.height) // structure.n_sites
    share, layer = [], []
    for carrier in carriers:
        own = open_sites(carrier, structure, n_cells, closed)
        share.append(carrier.count / max(1, len(own)))
        layer.append(1 / max(1, len(np.unique(np.round(at.height[own] * at.spacing, 2)))))
    for a, carrier in enumerate(carriers):
        for b, other in enumerate(carriers[:a]):
            if common := set(carrier.sites) & set(other.sites):
                doc.add(
                    _PATH,
                    f"'{other.name}' and '{carrier.name}' share the sites {', '.join(sorted(common))}, so that both "
                    "cannot fill them",
                    remedy=f"give one of them a start of its own:  carriers: {{{carrier.name}: random}}",
                )
            elif abs(share[a] - share[b]) > max(layer[a], layer[b]) + 1e-9:
                doc.add(
                    _PATH,
                    f"'{other.name}' would fill {share[b]:.3g} of its sites, '{carrier.name}' {share[a]:.3g}: "
                    "these are no two phases, one full of both and one empty",
                    allowed="the same share of the sites for all carriers",
                    remedy="change their numbers, or give one a start of its own:  "
                    f"carriers: {{{carrier.name}: annealed}}",
                )
    if given.split is not None:
        path: KeyPath = (*_PATH, "split")
        if given.split not in names:
            doc.add(path, f"'{given.split}' is none of the carriers that the two phases place", value=given.split,
                    allowed=", ".join(names), remedy=nearest(given.split, names))  # fmt: skip
        elif given.cut != "nonpolar":
            doc.add(path, "'split' belongs to cut: nonpolar", remedy="remove it, or write  cut: nonpolar")
    return len(doc.problems) == before


def _refuse(given: TwoPhases, carriers: Sequence[Carrier], neutral: bool, doc: Document) -> None:
    if not neutral:
        total = math.fsum(c.charge * c.count for c in carriers)
        doc.add(
            (*_PATH, "cut"), f"the full phase has a net charge of {total:+g} e, so that no cut of it is nonpolar",
            value=", ".join(f"{c.count} {c.name} of {c.charge:+g}" for c in carriers),
            allowed="cells, or a number", remedy="change the numbers of carriers, or write  cut: cells",
        )  # fmt: skip
    elif given.split is not None:
        doc.add(
            (*_PATH, "split"), f"no layers of '{given.split}' can be filled in part at the borders with those of the "
            "others whole", value=given.split, remedy="split another carrier, or leave 'split' out",
        )  # fmt: skip
    else:
        doc.add(
            (*_PATH, "cut"), "there are too many cuts to search", value=given.cut,
            allowed="a number: where the full part begins", remedy="for example  cut: 0.25",
        )  # fmt: skip


# ------------------------------------------------------------------------------------------- in words


def _described(
    given: TwoPhases, cut: Cut, carriers: Sequence[Carrier], at: Planes, charge: float | None
) -> str:
    """charge : of the full part, e; None where no carrier has any. With one its dipole would depend on the origin."""
    normal = given.normal if isinstance(given.normal, str) else str(list(given.normal))
    full = zip(carriers, cut.extent, strict=True)
    layers = ", ".join(f"{c.name} from {low:.4g} to {high:.4g}" for c, (low, high) in full)
    broken = [c.name for c, n in zip(carriers, cut.broken, strict=True) if n]
    return (
        f"borders normal to {normal}, {at.number} spacings of {at.spacing:.4g} Å; full layers: {layers}, "
        + (f"those of {' and '.join(broken)} at the borders in part" if broken else "none in part")
        + (
            ""
            if charge is None
            else f"; net charge {charge:+g} e"
            if charge
            else f"; dipole {_number(cut.dipole)} e·Å/Å²"
        )
    )


def _compared(
    cut: Cut, whole: Cut, best: Cut, carriers: Sequence[Carrier], energies: FloatArray | None, share: float
) -> str:
    """What a cut costs beside one at whole cells and the best one. energies : of the three. share : of the sites, how
    many are full."""
    units = math.gcd(*(c.count for c in carriers))
    unit = " + ".join(f"{c.count // units} {c.name}" for c in carriers)

    def cost(one: int, other: int) -> str:
        if energies is None:
            return "is not known, for the model has no Ewald energy"
        more = float(energies[one] - energies[other]) / units
        return f"is {more * share:.3g} eV per formula unit of the cell, {more:.3g} eV per {unit}"

    if not cut.polar:
        if not whole.polar:
            return "a cut at whole cells is nonpolar too"
        dipole = _number(whole.dipole)
        return f"a cut at whole cells would have a dipole of {dipole} e·Å/Å²; its polar energy {cost(1, 0)}"
    if abs(best.dipole) >= abs(cut.dipole) - NO_DIPOLE:
        return "no cut of this lattice has a smaller dipole; its field decides what happens at the borders"
    return (
        "this cut is polar, and its field decides what happens at the borders; its polar energy, against a cut with a "
        f"dipole of {_number(best.dipole)} e·Å/Å² (cut: nonpolar), {cost(0, 2)}"
    )


def _number(x: float) -> str:
    return f"{0.0 if abs(x) < NO_DIPOLE else x:.3g}"
