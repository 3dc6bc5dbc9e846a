"""How much memory a run needs, before any of it is taken: the arrays of the model and of its replicas, counted."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from ..model.model import Carrier, HopNetwork, Structure
from .document import Document
from .validation import Sections

__all__ = ["available_memory", "check_memory", "needed_memory"]

_LEAST = 2
"""Bytes for each site whatever is simulated."""
_TALLIES = 130
"""For each carrier and replica: place, displacements and their pending sums on every level."""
_ENTRY, _CHARGED = 36, 40
"""For each carrier, replica and hop that it may make, with interactions; more where all carriers feel each other."""
_LISTS = 1 << 20
"""For each replica whose hops have many rates: lists of hops by rates, however few they are; more with disorder."""
_COPIES = 3
"""The state of a replica, its copy when a point is saved, and the bytes that are written."""
_DRAWN = 40
"""For each site, for a moment, when carriers are placed."""
_MIXING = 100
"""For each cell, for a moment, while numbers of the disorder are drawn."""


def available_memory() -> int | None:
    """Bytes of memory that are free, or of the machine where that is not told, or None."""
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return None


def needed_memory(
    sections: Sections,
    structure: Structure,
    supercell: tuple[int, int, int],
    carriers: Sequence[Carrier],
    network: HopNetwork | None = None,
) -> int:
    """Bytes that a run takes beside the program itself; without the network no more than what is sure.

    A replica holds its sites (a byte or a few bits, four bytes for each neighbour), its carriers and their tallies;
    with interactions or disorder also the rates of all hops that its carriers may make.
    """
    cells = math.prod(supercell)
    labels = {label for c in carriers for label in c.sites}
    sites = cells * sum(label in labels for label in structure.labels)
    if network is None or not network.n_hops:
        return _LEAST * sites
    width = int(np.bincount(network.carrier * structure.n_sites + network.origin).max())
    slots = 1 << max(1, (width - 1).bit_length())
    disorder, interactions = sections.disorder, sections.interactions
    replicas = _replicas(sections)
    count = sum(c.count for c in carriers)
    model = 8 * len(carriers) * cells * structure.n_sites * bool(disorder and disorder.site_energies)
    model += 8 * network.n_hops * cells * bool(disorder and disorder.barriers)
    if interactions is None and disorder is None:
        state = sites * (4 * width + 2) + count * _TALLIES
    else:
        charged = interactions is not None and interactions.coulomb is not None
        state = sites * 12 + count * (_TALLIES + slots * (_ENTRY + _CHARGED * charged))
        if charged:
            state += _LISTS
            model += 2 * 8 * structure.n_sites**2 * cells
        if disorder is not None:
            state += 4 * _LISTS + sites * (8 * (len(carriers) + 1) + 8 * slots * bool(disorder.barriers))
    return model + _DRAWN * sites + _MIXING * cells * (disorder is not None) + replicas * state * _COPIES


def _replicas(sections: Sections) -> int:
    return 1 if sections.sampling is None else int(sections.sampling.replicas)


def check_memory(
    sections: Sections,
    structure: Structure,
    supercell: tuple[int, int, int],
    carriers: Sequence[Carrier],
    network: HopNetwork | None,
    doc: Document,
    available: int | None,
) -> bool:
    """Whether a run would fit; a problem otherwise. Cells of ten million carriers are simulated in some gigabytes."""
    needed = needed_memory(sections, structure, supercell, carriers, network)
    if available is None or needed <= available:
        return True
    sites = structure.n_sites * math.prod(supercell)
    replicas = 1 if network is None else _replicas(sections)
    side = int((math.prod(supercell) * available / needed) ** (1 / max(1, int(structure.periodic.sum()))))
    doc.add(
        ("supercell",),
        f"the lattice would not fit in memory: {sites:.3g} sites need about {needed / 2**30:.3g} GiB"
        + (f" in {replicas} replicas" if replicas > 1 else "")
        + f", {available / 2**30:.3g} GiB are free",
        value=f"{' x '.join(map(str, supercell))} cells of {structure.n_sites} sites",
        allowed=f"about {side} cells along each periodic axis",
        remedy="use a smaller supercell" + (", or fewer sampling.replicas" if replicas > 1 else ""),
    )
    return False
