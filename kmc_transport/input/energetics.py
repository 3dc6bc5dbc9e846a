"""The section `interactions` of the input to frozen arrays: clusters of all kinds, Coulomb, combined by addition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..energies.clusters import Cluster, Contribution, flat_clusters
from ..energies.cutoff import cut_off_pairs
from ..energies.ewald import ewald_potential, ewald_terms
from ..model.interactions import Clusters, Coulomb
from ..model.model import Carrier, Structure, frozen_array
from ..model.network import BondFinder
from ..ndarrays import IntArray
from .document import Document, KeyPath
from .pairs import Orbit, cluster_orbits, pair_orbits
from .schema.interactions import CoulombInput, InteractionsInput

__all__ = ["COULOMB_NAME", "Energetics", "build_energetics", "visited_sites"]

COULOMB_NAME = "coulomb"
"""Name of the pair clusters of a Coulomb energy that is cut off."""
MAX_POTENTIALS = 200_000_000
MAX_TERMS = 10_000_000
"""Of Ewald's sum for a pair of sites; 80 bytes each."""
MAX_CLUSTERS = 100_000
_TRIAL_SITES = 3
"""Sites whose potential is computed a second time to estimate its error."""


@dataclass(frozen=True)
class Energetics:
    """Energies of carriers with each other, and which species feel any."""

    clusters: Clusters | None
    coulomb: Coulomb | None
    touched: frozenset[int]


def visited_sites(carriers: Sequence[Carrier], structure: Structure) -> IntArray:
    """Sites of the cell that some carrier may occupy."""
    labels = {label for c in carriers for label in c.sites}
    return np.flatnonzero([label in labels for label in structure.labels])


def build_energetics(
    given: InteractionsInput,
    carriers: Sequence[Carrier],
    finder: BondFinder,
    supercell: tuple[int, int, int] | None,
    doc: Document,
) -> Energetics | None:
    """Clusters and Coulomb potential; problems go to ``doc``."""
    path: KeyPath = ("interactions",)
    before = len(doc.problems)
    orbits = [
        *pair_orbits(given.pairs, carriers, finder, doc, (*path, "pairs")),
        *cluster_orbits(given.clusters, carriers, finder, doc, (*path, "clusters")),
    ]
    _note_doubled(orbits, doc)
    listed = [(c, o.energy, o.name) for o in orbits for c in o.clusters]
    touched = {a for cluster, energy, _ in listed if energy for a, _, _ in cluster}
    coulomb = None
    if given.coulomb is not None:
        here = (*path, "coulomb")
        touched = set(range(len(carriers)))
        if supercell is not None:
            check_charges(given.coulomb, carriers, doc, here)
        if given.coulomb.method == "cutoff":
            with doc.at((*here, "cutoff")):
                listed += _cut_off(given.coulomb, carriers, finder, doc, here)
        elif supercell is not None:
            coulomb = _ewald(given.coulomb, carriers, finder.structure, supercell, doc, here)
    if len(doc.problems) > before:
        return None
    return Energetics(flat_clusters(listed), coulomb, frozenset(touched))


def _note_doubled(orbits: Sequence[Orbit], doc: Document) -> None:
    """Pairs given under `pairs` and again as a cluster of two add up; the reader is told."""
    seen: dict[Cluster, str] = {}
    for orbit in orbits:
        first = orbit.clusters[0]
        if first in seen:
            doc.note(
                f"interactions: {orbit.name} and {seen[first]} are the same clusters; their energies add up"
            )
        seen.setdefault(first, orbit.name)


def check_charges(
    given: CoulombInput, carriers: Sequence[Carrier], doc: Document, path: KeyPath, where: str = ""
) -> None:
    """Whether the crystal is neutral, where that was asked for; else a note. where : in the message."""
    total = math.fsum(c.charge * c.count for c in carriers)
    if abs(total) < 1e-9:
        return
    listing = ", ".join(f"{c.count} {c.name} of {c.charge:+g}" for c in carriers)
    if given.neutral:
        doc.add(
            (*path, "neutral"),
            f"at {where} " * bool(where) + f"the carriers' charges add up to {total:+g} e",
            value=listing,
            allowed="0 e",
            remedy="change the numbers of carriers, or leave 'neutral' out (a background then neutralises the cell)",
        )
    elif given.method == "ewald":
        doc.note(
            f"the carriers' charges add up to {total:+g} e ({listing}); a homogeneous background neutralises the cell: "
            "it adds the same energy to every configuration"
        )
    else:
        doc.note(f"the carriers' charges add up to {total:+g} e ({listing}); the Coulomb energy is cut off")


def _ewald(
    given: CoulombInput,
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    doc: Document,
    path: KeyPath,
) -> Coulomb | None:
    if not structure.periodic.all():
        doc.add(
            (*path, "method"),
            "Ewald's sum needs a crystal that repeats along a, b and c",
            value="ewald",
            allowed="cutoff",
            remedy="method: cutoff, or make all axes periodic with vacuum between the layers or chains",
        )
    if given.cutoff is not None:
        doc.add(
            (*path, "cutoff"),
            "'cutoff' belongs to method: cutoff",
            remedy="remove it; Ewald's sum has no cutoff",
        )
    sites = visited_sites(carriers, structure)
    n_cells, n_sites = math.prod(supercell), structure.n_sites
    if n_sites**2 * n_cells > MAX_POTENTIALS:
        doc.add(
            path,
            f"the potentials of {n_sites} sites in {n_cells} cells do not fit in memory",
            value=n_sites**2 * n_cells,
            allowed=f"at most {MAX_POTENTIALS:.1g} numbers (sites per cell squared times cells)",
            remedy="use a smaller cell of the structure or a smaller supercell, or method: cutoff",
        )
    terms = ewald_terms(structure.lattice, supercell, given.permittivity, given.accuracy)
    if terms > MAX_TERMS:
        doc.add(
            (*path, "permittivity"),
            f"Ewald's sum has {terms:.1g} terms: as the medium sees it, the cell is very long or very flat",
            value=given.permittivity,
            allowed=f"at most {MAX_TERMS:.0e} terms",
            remedy="give a less anisotropic permittivity or a supercell of about equal sides, or method: cutoff",
        )
        return None
    if not structure.periodic.all() or given.cutoff is not None or n_sites**2 * n_cells > MAX_POTENTIALS:
        return None
    frac, tensor = structure.frac[sites], np.array(given.permittivity)
    values = ewald_potential(structure.lattice, frac, supercell, tensor, accuracy=given.accuracy)
    again = ewald_potential(
        structure.lattice,
        frac[:_TRIAL_SITES],
        supercell,
        tensor,
        accuracy=given.accuracy,
        splitting_factor=0.85,
    )
    error = float(np.abs(again - values[:_TRIAL_SITES, :_TRIAL_SITES]).max())
    potential = np.full((n_sites, n_sites, *supercell), np.nan)
    potential[np.ix_(sites, sites)] = values
    return Coulomb(frozen_array(potential, np.float64), frozen_array(tensor, np.float64), error)


def _cut_off(
    given: CoulombInput, carriers: Sequence[Carrier], finder: BondFinder, doc: Document, path: KeyPath
) -> list[Contribution]:
    if given.cutoff is None:
        doc.add((*path, "cutoff"), "method: cutoff needs a cutoff", remedy="for example  cutoff: 12 Å")
        return []
    pairs = cut_off_pairs(carriers, finder, given.permittivity, given.cutoff, MAX_CLUSTERS)
    if pairs is None:
        doc.add(
            (*path, "cutoff"),
            "too many pairs per cell lie within the cutoff",
            value=given.cutoff,
            allowed=f"at most {MAX_CLUSTERS}",
            remedy="use a shorter cutoff, or method: ewald",
        )
        return []
    return [(pair, energy, COULOMB_NAME) for pair, energy in pairs]
