"""What lattice Monte Carlo may try: the networks of carriers, their hops, and who is bound to whom."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...model.islands import islands
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from .kernels import CarrierEnergies, Networks
from .kernels_moves import Moves

__all__ = ["build_moves", "networks_of"]


HOPS, PAIRS = 0.5, 0.25
"""Shares of the trials that are hops, and shifts of pairs where carriers bind each other."""
BOUND = 0.6
"""A place counts for a partner where the attraction is at least this share of the strongest of the two species."""


def networks_of(model: Model, among: Collection[int], kept: IntArray) -> Networks:
    """Sites of each species by the networks that its hops join, of species not in ``among`` all of them together; but
    those in ``kept``."""
    of = np.full((len(model.carriers), model.n_cells * model.structure.n_sites), -1)
    first, sites = [np.zeros(1, np.int64)], list[IntArray]()
    total, number = 0, 0
    for a, part in enumerate(islands(model) if among else [None] * len(model.carriers)):
        if part is None or a not in among:
            open_ = np.tile(model.allowed_sites[a], model.n_cells)
            label = np.where(open_ if model.closed is None else open_ & ~model.closed, 0, -1)
        else:
            label = part.label.copy()
        label[kept] = -1
        own = np.flatnonzero(label >= 0)
        size = np.bincount(label[own])
        sites.append(own[np.argsort(label[own], kind="stable")])
        first.append(total + np.cumsum(size))
        of[a, own] = number + label[own]
        total, number = total + len(own), number + len(size)
    return Networks(of, np.concatenate(first), np.concatenate(sites))


def build_moves(model: Model, energies: CarrierEnergies) -> Moves:
    """Hops and partners of every species on every site of a cell.

    Any rule that does not depend on where the cell is would do for partners: which pairs are moved decides how fast
    equilibrium is reached, not which one.
    """
    n_species, n_sites, net = len(model.species), model.structure.n_sites, model.network
    hops, partners = (([0], [np.zeros((0, width), np.int64)]) for width in (4, 5))
    bound = _bound(model, energies)
    for a, s in np.ndindex(n_species, n_sites):
        mine = np.flatnonzero((net.carrier == a) & (net.origin == s))
        ends = np.column_stack([net.cell[mine] % np.array(model.supercell), net.target[mine]])
        for (first, rows), found in ((hops, ends), (partners, bound[a, s])):
            rows.append(found.astype(np.int64))
            first.append(first[-1] + len(found))
    pairs = PAIRS if partners[0][-1] else 0.0
    firsts = [np.array(first, np.int64) for first, _ in (hops, partners)]
    return Moves(
        hop_share=HOPS,
        pair_share=pairs,
        hop_first=firsts[0],
        hop=np.concatenate(hops[1]),
        partner_first=firsts[1],
        partner=np.concatenate(partners[1]),
    )


def _bound(model: Model, e: CarrierEnergies) -> dict[tuple[int, int], IntArray]:
    """(n, 5) cell offset, site and species of the places of partners, of each species and site."""
    mobile, n_sites, size = len(model.carriers), model.structure.n_sites, model.supercell
    energy: dict[tuple[int, int], FloatArray] = {}
    for a, s in np.ndindex(len(model.species), n_sites):
        of = energy[a, s] = np.zeros((*size, n_sites, mobile))
        if a >= mobile or not e.allowed[a, s]:
            continue
        for p in range(e.pair_first[a * n_sites + s], e.pair_first[a * n_sites + s + 1]):
            if e.pair[p, 4] < mobile:
                of[tuple(e.pair[p])] += e.pair_energy[p]
        if e.phi.shape[2]:
            phi = e.phi[s, :, :, :, : size[2]].transpose(1, 2, 3, 0)
            attracted = np.minimum(0.0, e.charge[a] * e.charge[:mobile])
            of += phi[..., None] * attracted * e.allowed[:mobile].T
        of[0, 0, 0, s] = 0.0
    found = {}
    for (a, s), of in energy.items():
        strongest = np.array([min(energy[a, t][..., b].min() for t in range(n_sites)) for b in range(mobile)])
        found[a, s] = np.argwhere((of < 0) & (of <= BOUND * strongest))
    return found
