"""Barriers that depend on the carriers round a hop: tables by environment, and local cluster expansions.

(Local cluster expansion of the kinetically resolved barrier: Van der Ven, Ceder, Asta, Tepesch, Phys. Rev. B 64,
184307 (2001).) What surrounds a hop surrounds its reverse too, so the barrier is the same both ways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..energies.clusters import Cluster, local_images, seen_from_target
from ..errors import InputError
from ..model.interactions import EnvironmentTable, LocalClusters
from ..model.model import Carrier, HopNetwork, frozen_array
from ..model.network import Bond, BondClass, BondFinder
from ..ndarrays import BoolArray, FloatArray, IntArray
from .document import Document, KeyPath
from .places import carrier_named, labels_of, members_of, window_of
from .schema.interactions import CounterInput, ExpansionTerm, SurroundingsInput

__all__ = ["HopSurroundings", "Wanted", "build_surroundings"]

MAX_CODES = 200_000
MAX_SURROUNDINGS = 200_000
"""Sites in the shell of one counter, over all hops of a class."""
_SHOWN = 8
Site = tuple[int, tuple[int, int, int]]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Surroundings that the input gives for one hop class of the network."""

    hop_class: int
    name: str
    carrier: int
    bonds: BondClass
    given: SurroundingsInput
    path: KeyPath
    default: float
    """E_kra of the rule, eV."""


@dataclass(frozen=True)
class HopSurroundings:
    tables: tuple[EnvironmentTable, ...]
    local: LocalClusters | None


def build_surroundings(
    wanted: Sequence[Wanted],
    network: HopNetwork,
    carriers: Sequence[Carrier],
    finder: BondFinder,
    supercell: tuple[int, int, int] | None,
    doc: Document,
) -> HopSurroundings:
    """Tables and local clusters of all hop classes; problems go to ``doc``."""
    tables: list[EnvironmentTable] = []
    local: dict[int, list[tuple[Cluster, float]]] = {}
    bonds = _bonds_of(network)
    for item in wanted:
        if not (item.given.table or item.given.count or item.given.expansion):
            doc.add(
                item.path,
                "the surroundings of the hop say nothing",
                remedy="give count and table, or expansion",
            )
            continue
        hops = np.flatnonzero(network.hop_class == item.hop_class).tolist()
        if item.given.table or item.given.count:
            table = _table(item, hops, bonds, carriers, finder, doc)
            if table is not None:
                tables.append(table)
        _expansion(item, {bonds[h]: h for h in hops}, carriers, finder, local, doc)
        if supercell is not None:
            _check_room(item, local, tables, hops, bonds, supercell, doc)
    return HopSurroundings(tuple(tables), _flat(local))


def _bonds_of(network: HopNetwork) -> list[Bond]:
    rows = zip(network.origin.tolist(), network.target.tolist(), network.cell.tolist(), strict=True)
    return [(i, j, (a, b, c)) for i, j, (a, b, c) in rows]


# ------------------------------------------------------------------------------------------- shells


def shell_sites(counter: CounterInput, labels: Sequence[str], bond: Bond, finder: BondFinder) -> list[Site]:
    """Sites of a shell round a hop, its ends left out, cells counted from its origin's; sorted."""
    s = finder.structure
    low, high = window_of(counter, None)
    finder.check_reach(high, len(labels))
    start = s.frac[bond[0]]
    end = s.frac[bond[1]] + np.array(bond[2])
    points = np.array([(start + end) / 2] if counter.from_ == "midpoint" else [start, end])
    sites = np.flatnonzero(np.isin(s.labels, labels))
    distance: dict[Site, float] = {}
    for point in points:
        reach = (high + 1e-6) / finder.spacing
        difference = s.frac[sites] - point
        ranges = [
            np.arange(
                math.ceil(-reach[k] - difference[:, k].max()),
                math.floor(reach[k] - difference[:, k].min()) + 1,
            )
            if s.periodic[k]
            else np.zeros(1, np.int64)
            for k in range(3)
        ]
        cells = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
        lengths = np.linalg.norm((cells[None] + difference[:, None]) @ s.lattice, axis=2)
        n, k = np.nonzero(lengths <= high + 1e-6)
        near = zip(sites[n].tolist(), map(tuple, cells[k].tolist()), strict=True)
        for site, length in zip(near, lengths[n, k].tolist(), strict=True):
            distance[site] = min(distance.get(site, math.inf), length)
    ends = {(bond[0], (0, 0, 0)), (bond[1], bond[2])}
    return sorted(p for p, r in distance.items() if r >= low - 1e-6 and p not in ends)


def _shell(
    counter: CounterInput, bonds: Sequence[Bond], carriers: Sequence[Carrier], finder: BondFinder, doc: Document,
    path: KeyPath,
) -> tuple[int, list[list[Site]]] | None:  # fmt: skip
    """Species and, for each bond, the sites that a counter looks at: equally many round every hop."""
    species = carrier_named(counter.carrier, carriers, doc, (*path, "carrier"))
    if species is None:
        return None
    labels = labels_of(counter.sites, carriers[species], finder.structure, doc, (*path, "sites"))
    if labels is None:
        return None
    low, high = window_of(counter, None)
    if not low < high:
        doc.add((*path, "distance"), "the window must be [shortest, longest]", value=counter.distance)
        return None
    found: list[list[Site]] = []
    with doc.at((*path, "distance")):
        for bond in bonds:
            found.append(shell_sites(counter, labels, bond, finder))
            if len(found[-1]) * len(bonds) > MAX_SURROUNDINGS:
                raise InputError(
                    f"{len(found[-1])} sites lie there round each of {len(bonds)} hops",
                    value=counter.distance,
                    allowed=f"at most {MAX_SURROUNDINGS} for all hops of a class",
                    remedy="count in a smaller shell",
                )
    if len(found) < len(bonds):
        return None
    sizes = {len(x) for x in found}
    if len(sizes) > 1:
        doc.add(
            (*path, "distance"),
            f"equivalent hops find different numbers of sites ({min(sizes)} to {max(sizes)}): a limit of the window "
            "passes through sites",
            value=counter.distance,
            remedy="move the limits of the window away from sites",
        )
        return None
    if sizes == {0}:
        doc.add(
            (*path, "distance"), f"no site {', '.join(labels)} lies there", value=counter.distance,
            remedy="widen the window; the two ends of the hop never count"
        )  # fmt: skip
        return None
    return species, found


# ------------------------------------------------------------------------------------------- table


def _table(
    item: Wanted,
    hops: Sequence[int],
    bonds: Sequence[Bond],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    doc: Document,
) -> EnvironmentTable | None:
    given, path = item.given, item.path
    if not given.table or not given.count:
        missing = "table" if given.count else "count"
        doc.add(
            path,
            f"a table of environments needs '{missing}' too",
            remedy="count: [{carrier: polaron, distance: 3.2}], table: [{counts: [0], E_kra: 0.3}, ...]",
        )
        return None
    mine = [bonds[h] for h in hops]
    shells = [
        _shell(counter, mine, carriers, finder, doc, (*path, "count", k))
        for k, counter in enumerate(given.count)
    ]
    if any(s is None for s in shells):
        return None
    found = [s for s in shells if s is not None]
    sizes = [len(places[0]) for _, places in found]
    n_codes = math.prod(n + 1 for n in sizes)
    if n_codes > MAX_CODES:
        doc.add(
            (*path, "count"),
            f"these counters tell {n_codes} environments apart",
            value=sizes,
            allowed=f"at most {MAX_CODES}",
            remedy="count in smaller shells",
        )
        return None
    strides = np.cumprod([1, *(n + 1 for n in sizes)])[:-1]
    barrier = np.full(n_codes, np.nan)
    rows: dict[tuple[int, ...], float] = {}
    for k, row in enumerate(given.table):
        here = (*path, "table", k, "counts")
        if len(row.counts) != len(sizes) or any(c > n for c, n in zip(row.counts, sizes, strict=False)):
            doc.add(
                here,
                "these counts cannot be",
                value=row.counts,
                allowed="one number for each counter, at most " + ", ".join(map(str, sizes)),
                remedy="the counters find so many sites round the hop",
            )
        elif tuple(row.counts) in rows:
            doc.add(here, "this environment is listed twice", value=row.counts, remedy="keep one")
        else:
            rows[tuple(row.counts)] = row.E_kra
            barrier[int(np.dot(strides, row.counts))] = row.E_kra
    if len(rows) < len(given.table):
        return None
    listed = np.isfinite(barrier)
    if not _fill(barrier, listed, sizes, strides, rows, item, found, carriers, doc):
        return None
    members: list[list[tuple[int, int, tuple[int, int, int], int]]] = [[] for _ in bonds]
    for k, (species, places) in enumerate(found):
        for h, sites in zip(hops, places, strict=True):
            members[h] += [(species, *site, int(strides[k])) for site in sites]
    flat = [m for of_hop in members for m in of_hop]
    return EnvironmentTable(
        hop_class=item.hop_class,
        start=frozen_array(np.cumsum([0, *map(len, members)]), np.int64),
        species=frozen_array([m[0] for m in flat], np.int64),
        site=frozen_array([m[1] for m in flat], np.int64),
        cell=frozen_array(np.array([m[2] for m in flat]).reshape(-1, 3), np.int64),
        stride=frozen_array([m[3] for m in flat], np.int64),
        barrier=frozen_array(barrier, np.float64),
        listed=frozen_array(listed, np.bool_),
    )


def _fill(
    barrier: FloatArray,
    listed: BoolArray,
    sizes: Sequence[int],
    strides: IntArray,
    rows: dict[tuple[int, ...], float],
    item: Wanted,
    shells: Sequence[tuple[int, list[list[Site]]]],
    carriers: Sequence[Carrier],
    doc: Document,
) -> bool:
    """Environments that the table does not list, by its rule. False after a problem."""
    if listed.all():
        return True
    known = np.array(list(rows))
    energies = np.array(list(rows.values()))
    missing = []
    for counts in product(*(range(n + 1) for n in sizes)):
        code = int(np.dot(strides, counts))
        if listed[code]:
            continue
        if item.given.unlisted == "nearest":
            away = np.abs(known - counts).sum(axis=1)
            barrier[code] = energies[away == away.min()].mean()
        else:
            barrier[code] = item.default
            if _possible(counts, shells, item.carrier, carriers):
                missing.append(counts)
    if item.given.unlisted == "error" and missing:
        more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        doc.add(
            (*item.path, "table"),
            f"{item.name}: the table does not list {len(missing)} environments that can occur",
            value=", ".join(str(list(c)) for c in missing[:_SHOWN]) + more,
            remedy="list them, or say what holds for them:  unlisted: nearest, or  unlisted: default (E_kra)",
        )
        return False
    return True


def _possible(
    counts: Sequence[int],
    shells: Sequence[tuple[int, list[list[Site]]]],
    mover: int,
    carriers: Sequence[Carrier],
) -> bool:
    """Whether so many carriers exist and fit: sites shared by several counters hold one carrier each."""
    by_sites: dict[tuple[Site, ...], int] = {}
    for count, (species, places) in zip(counts, shells, strict=True):
        available = carriers[species].count - (species == mover)
        if carriers[species].count and count > available:
            return False
        key = tuple(places[0])
        by_sites[key] = by_sites.get(key, 0) + count
    return all(total <= len(key) for key, total in by_sites.items())


# ------------------------------------------------------------------------------------------- expansion


def _expansion(
    item: Wanted,
    hops: dict[Bond, int],
    carriers: Sequence[Carrier],
    finder: BondFinder,
    local: dict[int, list[tuple[Cluster, float]]],
    doc: Document,
) -> None:
    """Clusters of each directed hop of a class, into ``local``."""
    first = item.bonds.forward[0]
    for k, term in enumerate(item.given.expansion):
        path = (*item.path, "expansion", k)
        if not isinstance(term, ExpansionTerm):
            shell = _shell(term, list(hops), carriers, finder, doc, path)
            if shell is not None:
                for h, sites in zip(hops.values(), shell[1], strict=True):
                    local.setdefault(h, []).extend((((shell[0], *site),), term.energy) for site in sites)
            continue
        members = members_of(term.members, carriers, finder, doc, (*path, "members"))
        if members is None:
            continue
        ends = {(first[0], (0, 0, 0)), (first[1], first[2])}
        if any((s, c) in ends for _, s, c in members):
            doc.add(
                (*path, "members"),
                "a member lies on an end of the hop",
                remedy=f"the first hop of {item.name} leads from site {first[0]} to site {first[1]} in cell "
                f"{list(first[2])}: choose sites round it",
            )
            continue
        found: dict[Bond, set[Cluster]] = {}
        for bond, clusters in local_images(members, first, finder).items():
            found.setdefault(bond, set()).update(clusters)
            for cluster in clusters:
                back, same = seen_from_target(cluster, bond)
                found.setdefault(back, set()).add(same)
        for bond, h in hops.items():
            local.setdefault(h, []).extend((c, term.energy) for c in sorted(found.get(bond, ())))


def _flat(local: dict[int, list[tuple[Cluster, float]]]) -> LocalClusters | None:
    rows = [(h, cluster, energy) for h in sorted(local) for cluster, energy in local[h]]
    if not rows:
        return None
    members = [m for _, cluster, _ in rows for m in cluster]
    return LocalClusters(
        hop=frozen_array([h for h, _, _ in rows], np.int64),
        energy=frozen_array([e for _, _, e in rows], np.float64),
        start=frozen_array(np.cumsum([0, *(len(c) for _, c, _ in rows)]), np.int64),
        species=frozen_array([a for a, _, _ in members], np.int64),
        site=frozen_array([s for _, s, _ in members], np.int64),
        cell=frozen_array(np.array([c for _, _, c in members]).reshape(-1, 3), np.int64),
    )


def _check_room(
    item: Wanted,
    local: dict[int, list[tuple[Cluster, float]]],
    tables: Sequence[EnvironmentTable],
    hops: Sequence[int],
    bonds: Sequence[Bond],
    supercell: tuple[int, int, int],
    doc: Document,
) -> None:
    """In a small supercell the image of an end may be among the sites round the hop: it would count itself."""

    def home(site: int, cell: Sequence[int]) -> tuple[int, ...]:
        return (site, *(c % n for c, n in zip(cell, supercell, strict=True)))

    for h in hops:
        around = {home(s, c) for cluster, _ in local.get(h, ()) for _, s, c in cluster}
        for table in tables:
            if table.hop_class == item.hop_class:
                rows = slice(table.start[h], table.start[h + 1])
                pairs = zip(table.site[rows].tolist(), table.cell[rows].tolist(), strict=True)
                around |= {home(s, c) for s, c in pairs}
        i, j, cell = bonds[h]
        if {home(i, (0, 0, 0)), home(j, cell)} & around:
            doc.add(
                item.path,
                f"in this supercell an end of the hop {item.name} is among its own surroundings (as an image)",
                value=list(supercell),
                remedy="use a larger supercell, or smaller shells",
            )
            return
