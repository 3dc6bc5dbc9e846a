"""Clusters of sites with carriers on them: one spelling for each, and all those that the space group makes of one.

A member is (species, site, cell). Clusters that differ by a lattice translation or by the order of their members are
one cluster; `canonical` picks its spelling, whose first member lies in cell (0, 0, 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..model.interactions import Clusters, Interactions
from ..model.model import Model, frozen_array
from ..model.network import Bond, BondFinder, reversed_bond

__all__ = [
    "Cluster",
    "Contribution",
    "Member",
    "canonical",
    "flat_clusters",
    "listed_clusters",
    "local_images",
    "moved",
    "orbit",
    "with_energy",
]

Member = tuple[int, int, tuple[int, int, int]]
"""(species, site in the cell, cell)."""
Cluster = tuple[Member, ...]
Contribution = tuple[Cluster, float, str]
"""(cluster, energy in eV, name of its orbit)."""


def moved(cluster: Iterable[Member], by: Sequence[int]) -> Cluster:
    """The cluster shifted by ``by`` cells; the order of the members is kept."""
    return tuple((a, s, (c[0] + by[0], c[1] + by[1], c[2] + by[2])) for a, s, c in cluster)


def canonical(cluster: Sequence[Member]) -> Cluster:
    """The spelling of a cluster that is the same for all its translations and orders of members."""
    first = min((a, s) for a, s, _ in cluster)
    spellings = [
        tuple(sorted(moved(cluster, [-x for x in c]), key=lambda m: (m[2] != (0, 0, 0), m)))
        for a, s, c in cluster
        if (a, s) == first
    ]
    # a reference member leads: it is the least of those in the home cell
    return min(spellings)


def _images(cluster: Sequence[Member], finder: BondFinder) -> list[Cluster]:
    """The cluster after each operation of the space group, members in their order, not shifted back."""
    site, shift = finder.site_images()
    rotations = finder.structure.rotations
    columns = []
    for a, s, c in cluster:
        cells = (rotations @ np.array(c) + shift[:, s]).tolist()
        columns.append(
            [(a, int(t), (int(x), int(y), int(z))) for t, (x, y, z) in zip(site[:, s], cells, strict=True)]
        )
    return [tuple(column[g] for column in columns) for g in range(len(rotations))]


def orbit(cluster: Sequence[Member], finder: BondFinder) -> list[Cluster]:
    """Every cluster per cell that the space group makes of one, each once, in its canonical spelling, sorted."""
    return sorted({canonical(image) for image in _images(cluster, finder)})


def local_images(cluster: Sequence[Member], hop: Bond, finder: BondFinder) -> dict[Bond, set[Cluster]]:
    """What the space group makes of sites round a hop: for each image of the hop, in the direction that the operation
    gives it, the clusters that surround it, cells counted from the image's origin."""
    found: dict[Bond, set[Cluster]] = {}
    ends: Cluster = ((0, hop[0], (0, 0, 0)), (0, hop[1], hop[2]))
    for image in _images((*ends, *cluster), finder):
        (_, i, home), (_, j, away) = image[0], image[1]
        back = [-x for x in home]
        bond: Bond = (i, j, moved([(0, j, away)], back)[0][2])
        found.setdefault(bond, set()).add(tuple(sorted(moved(image[2:], back))))
    return found


def seen_from_target(cluster: Cluster, hop: Bond) -> tuple[Bond, Cluster]:
    """The reverse of a hop and the same sites, cells counted from the reverse's origin."""
    return reversed_bond(hop), tuple(sorted(moved(cluster, [-x for x in hop[2]])))


def flat_clusters(listed: Sequence[Contribution]) -> Clusters | None:
    """Frozen arrays of clusters of two and more; None when there are none."""
    if not listed:
        return None
    members = [m for cluster, _, _ in listed for m in cluster]
    return Clusters(
        energy=frozen_array([e for _, e, _ in listed], np.float64),
        start=frozen_array(np.cumsum([0, *(len(c) for c, _, _ in listed)]), np.int64),
        species=frozen_array([a for a, _, _ in members], np.int64),
        site=frozen_array([s for _, s, _ in members], np.int64),
        cell=frozen_array(np.array([c for _, _, c in members]).reshape(-1, 3), np.int64),
        name=tuple(n for _, _, n in listed),
    )


def listed_clusters(clusters: Clusters | None) -> list[Contribution]:
    """What `flat_clusters` was made from."""
    if clusters is None:
        return []
    members = list(
        zip(clusters.species.tolist(), clusters.site.tolist(), clusters.cell.tolist(), strict=True)
    )
    spelled: Cluster = tuple((a, s, (i, j, k)) for a, s, (i, j, k) in members)
    starts = pairwise(clusters.start.tolist())
    return [
        (spelled[first:end], energy, name)
        for (first, end), energy, name in zip(starts, clusters.energy.tolist(), clusters.name, strict=True)
    ]


def with_energy(model: Model, term: Iterable[Contribution]) -> Model:
    """The model with one more term in the energy of its configurations: the door for new ones.

    Parameters
    ----------
    term : (cluster, energy in eV, name for tables) of one cell; the crystal repeats them. A polynomial of occupations
        is a sum of these: n² = n, so that each product of occupations is a cluster. One member is a site energy.

    What counts energies, from the judge to the kernels, sees the model alone.
    """
    site_energy = np.array(model.site_energy)
    listed = listed_clusters(None if model.interactions is None else model.interactions.clusters)
    for given, energy, name in term:
        cluster = canonical(sorted(set(given)))
        if len(cluster) == 1:
            ((species, site, _),) = cluster
            site_energy[species, site] += energy
        else:
            listed.append((cluster, energy, name))
    interactions = replace(model.interactions or Interactions(), clusters=flat_clusters(listed))
    return replace(model, site_energy=frozen_array(site_energy, np.float64), interactions=interactions)
