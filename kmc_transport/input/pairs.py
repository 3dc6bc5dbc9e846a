"""Energies of pairs and clusters of carriers: from entries of the input to clusters, each once per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..energies.clusters import Cluster, canonical, orbit
from ..model.model import Carrier
from ..model.network import Bond, BondFinder
from .document import Document, KeyPath, nearest
from .places import carrier_named, labels_of, members_of, window_of
from .schema.interactions import ClusterInput, PairInput

__all__ = ["Orbit", "cluster_orbits", "pair_classes", "pair_orbits"]

MAX_PAIRS = 20_000
SHELL_WIDTH = 1e-3
"""Distances that differ by less (Å) are one shell."""


@dataclass(frozen=True)
class Orbit:
    """Clusters that symmetry makes of one, with the energy of each (eV) and the orbit's name."""

    name: str
    clusters: tuple[Cluster, ...]
    energy: float


def pair_classes(
    first: int, second: int, bonds: Sequence[Bond], finder: BondFinder
) -> list[tuple[float, tuple[Cluster, ...]]]:
    """(distance in Å, clusters per cell) of each class of pairs that symmetry tells apart, shortest first."""
    pool: dict[Cluster, float] = {}
    for i, j, cell in bonds:
        cluster = canonical(((first, i, (0, 0, 0)), (second, j, cell)))
        pool.setdefault(cluster, finder.length((i, j, cell)))
    classes = []
    for seed in sorted(pool, key=lambda c: (round(pool[c], 5), c)):
        if seed not in pool:
            continue
        length, images = pool[seed], tuple(orbit(seed, finder))
        for image in images:
            pool.pop(image, None)
        classes.append((length, images))
    return classes


def _describe(
    cluster: Cluster, count: int, length: float, carriers: Sequence[Carrier], finder: BondFinder
) -> str:
    (a, i, _), (b, j, cell) = cluster
    labels = finder.structure.labels
    vector = ", ".join(f"{x + 0.0:.3f}" for x in np.round(finder.vector((i, j, cell)), 6))
    return (
        f"{length:.4f} Å, {carriers[a].name} on {labels[i]}[{i}], {carriers[b].name} on {labels[j]}[{j}] at "
        f"[{vector}] Å, {count} per cell"
    )


def _bonds(
    entry: PairInput, labels: tuple[str, str], finder: BondFinder, doc: Document, path: KeyPath
) -> list[Bond]:
    """Pairs of sites that the entry's distance or shell finds; none after a problem."""
    if (entry.distance is None) == (entry.shell is None):
        doc.add(
            path,
            "give one of 'distance' and 'shell'" + (", not both" if entry.shell is not None else ""),
            remedy="distance: 3.28, distance: [3.2, 3.7], or shell: 1",
        )
        return []
    if entry.distance is None:
        assert entry.shell is not None
        reach = 6.0
        for _ in range(8):
            found = finder.within(*labels, 0.0, reach)
            lengths = np.array([finder.length(b) for b in found])
            order = np.argsort(lengths, kind="stable")
            steps = np.flatnonzero(np.diff(lengths[order]) > SHELL_WIDTH) + 1
            shells = np.split(order, steps) if len(order) else []
            if len(shells) > entry.shell or len(found) > MAX_PAIRS:  # the last one may be cut off
                return [found[k] for k in shells[min(entry.shell, len(shells)) - 1]]
            reach *= 1.5
        doc.add(
            (*path, "shell"),
            f"there is no shell {entry.shell} of pairs {labels[0]}, {labels[1]}",
            value=entry.shell,
        )
        return []
    if isinstance(entry.distance, list) and "tolerance" in entry.model_fields_set:
        doc.add((*path, "tolerance"), "'tolerance' belongs to a single distance", remedy="widen the window")
    low, high = window_of(entry, entry.tolerance)
    if not low < high:
        doc.add((*path, "distance"), "the window must be [shortest, longest]", value=entry.distance)
        return []
    found = finder.within(*labels, low - 1e-9, high + 1e-9)
    if not found:
        near = finder.nearby_lengths(*labels, (low + high) / 2, 4)
        doc.add(
            (*path, "distance"),
            f"no sites {labels[0]} and {labels[1]} are {low:.4g} to {high:.4g} Å apart",
            value=entry.distance,
            allowed=f"the nearest distances are {', '.join(f'{x:.3f}' for x in near)} Å" if near else "",
            remedy=f"distance: {min(near, key=lambda x: abs(x - (low + high) / 2)):.3f}" if near else "",
        )
    elif len(found) > MAX_PAIRS:
        doc.add(
            (*path, "distance"),
            f"{len(found)} pairs per cell lie in this window",
            value=entry.distance,
            allowed=f"at most {MAX_PAIRS}",
            remedy="narrow the window",
        )
        return []
    return found


def pair_orbits(
    entries: Sequence[PairInput],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> list[Orbit]:
    """Orbits of all pair entries; problems go to ``doc``."""
    result: list[Orbit] = []
    seen: dict[Cluster, str] = {}
    numbers: dict[str, int] = {}
    for index, entry in enumerate(entries):
        here = (*path, index)
        pair = [carrier_named(n, carriers, doc, (*here, "between", k)) for k, n in enumerate(entry.between)]
        if pair[0] is None or pair[1] is None:
            continue
        labels = _pair_labels(entry, (carriers[pair[0]], carriers[pair[1]]), finder, doc, here)
        if labels is None:
            continue
        bonds: list[Bond] = []
        with doc.at(here if entry.distance is None else (*here, "distance")):
            bonds = _bonds(entry, labels, finder, doc, here)
        if not bonds:
            continue
        classes = pair_classes(pair[0], pair[1], bonds, finder)
        energies = _class_energies(entry, classes, carriers, finder, doc, here)
        stem = f"{entry.between[0]}-{entry.between[1]}:{labels[0]}-{labels[1]}"
        for (_, clusters), energy in zip(classes, energies, strict=True):
            numbers[stem] = numbers.get(stem, 0) + 1
            name = f"{stem}#{numbers[stem]}"
            if clusters[0] in seen:
                doc.add(
                    here,
                    f"the pairs of {name} have an energy already, as {seen[clusters[0]]}",
                    remedy="remove one entry; energies of one class of pairs are given once",
                )
                continue
            seen[clusters[0]] = name
            if energy is not None:
                result.append(Orbit(name, clusters, energy))
    return result


def _pair_labels(
    entry: PairInput, pair: tuple[Carrier, Carrier], finder: BondFinder, doc: Document, path: KeyPath
) -> tuple[str, str] | None:
    if entry.sites is not None:
        ok = [
            labels_of([label], carrier, finder.structure, doc, (*path, "sites"))
            for label, carrier in zip(entry.sites, pair, strict=True)
        ]
        return None if None in ok else (entry.sites[0], entry.sites[1])
    several = [c.name for c in pair if len(c.sites) > 1]
    if several:
        doc.add(
            path,
            f"'{several[0]}' may sit on several kinds of sites",
            allowed="; ".join(f"{c.name}: {', '.join(c.sites)}" for c in pair),
            remedy=f"say which, for example  sites: [{pair[0].sites[0]}, {pair[1].sites[0]}]",
        )
        return None
    return pair[0].sites[0], pair[1].sites[0]


def _class_energies(
    entry: PairInput,
    classes: Sequence[tuple[float, tuple[Cluster, ...]]],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> list[float | None]:
    """Energy of each class, None for those that are left out; an ambiguous entry is a problem that lists them."""
    listing = "; ".join(
        f"{k}: {_describe(clusters[0], len(clusters), length, carriers, finder)}"
        for k, (length, clusters) in enumerate(classes[:12], 1)
    ) + (f"; and {len(classes) - 12} more" if len(classes) > 12 else "")
    if isinstance(entry.classes, dict):
        if entry.energy is not None:
            doc.add(
                (*path, "energy"),
                "'energy' cannot stand beside energies by class",
                remedy="keep one of the two",
            )
        result: list[float | None] = [None] * len(classes)
        for key, energy in entry.classes.items():
            if key.isdigit() and 1 <= int(key) <= len(classes):
                result[int(key) - 1] = energy
            else:
                known = [str(k) for k in range(1, len(classes) + 1)]
                doc.add(
                    (*path, "classes", key),
                    f"this entry has no class '{key}' of pairs",
                    allowed=listing,
                    remedy=nearest(key, known),
                )
        return result
    if entry.energy is None:
        doc.add(path, "the pairs have no energy", remedy="for example  energy: -80 meV")
        return [None] * len(classes)
    if len(classes) > 1 and entry.classes is None:
        doc.add(
            path,
            f"{len(classes)} classes of pairs that symmetry does not relate are found here, and one energy is given",
            value=entry.shell if entry.distance is None else entry.distance,
            allowed=listing,
            remedy="classes: {1: ..., 2: ...} with an energy for each, or  classes: all  to give them the same",
        )
        return [None] * len(classes)
    return [entry.energy] * len(classes)


def cluster_orbits(
    entries: Sequence[ClusterInput],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
    path: KeyPath,
) -> list[Orbit]:
    """Orbits of all cluster entries; problems go to ``doc``."""
    result: list[Orbit] = []
    seen: dict[Cluster, str] = {}
    names: dict[str, int] = {}
    for index, entry in enumerate(entries):
        here = (*path, index)
        members = members_of(entry.members, carriers, finder, doc, (*here, "members"))
        if members is None:
            continue
        clusters = orbit(members, finder)
        stem = entry.name or "-".join(m.carrier for m in entry.members)
        names[stem] = names.get(stem, 0) + 1
        name = stem if entry.name and names[stem] == 1 else f"{stem}#{names[stem]}"
        if clusters[0] in seen:
            doc.add(
                here,
                f"this cluster is in the orbit of {seen[clusters[0]]}",
                remedy="give each orbit once: symmetry makes all its clusters",
            )
            continue
        seen[clusters[0]] = name
        if entry.multiplicity is not None and entry.multiplicity != len(clusters):
            doc.add(
                (*here, "multiplicity"),
                f"the space group makes {len(clusters)} such clusters per cell",
                value=entry.multiplicity,
                allowed=str(len(clusters)),
                remedy="check the members and the cell (a conventional cell holds several primitive ones)",
            )
            continue
        result.append(Orbit(name, tuple(clusters), entry.energy))
    return result
