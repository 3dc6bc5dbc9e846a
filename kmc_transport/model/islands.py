"""What hops never change: how many carriers each part of the supercell holds that no hop joins with another."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..ndarrays import BoolArray, IntArray
from .model import Model
from .network import Bond, components

__all__ = ["Islands", "bonds_of", "equal_shares", "islands", "replicas_differ"]


@dataclass(frozen=True, eq=False)
class Islands:
    """Parts of the supercell among which a species cannot change.

    label : (n_flat,) number of the part of each site, -1 where the species never is. kind : of each part; parts of one
    kind are copies by translation.
    """

    label: IntArray
    kind: IntArray

    def counts(self, sites: IntArray) -> IntArray:
        """Carriers in each part, those of one kind in ascending order: what differs between replicas for ever."""
        count = np.bincount(self.label[sites], minlength=len(self.kind))
        return count[np.lexsort((count, self.kind))]


_ISLANDS: WeakKeyDictionary[Model, list[Islands | None]] = WeakKeyDictionary()


def islands(model: Model) -> list[Islands | None]:
    """Of each species; None where all its sites are one part."""
    if model not in _ISLANDS:
        _ISLANDS[model] = [_of_species(model, a) for a in range(len(model.carriers))]
    return _ISLANDS[model]


def _of_species(model: Model, species: int) -> Islands | None:
    bonds, size = bonds_of(model, species), model.supercell
    allowed = np.asarray(model.allowed_sites)[species]
    parts = [p for p in components(model.structure.n_sites, bonds) if allowed[list(p[0])].any()]
    blocked = model.closed
    if blocked is None and len(parts) == 1 and _copies(parts[0][1], size) == 1:
        return None
    label = _labels(model, bonds, blocked)
    cell_part = np.full(model.structure.n_sites, -1)
    for i, (sites, _) in enumerate(parts):
        cell_part[list(sites)] = i
    site = np.arange(len(label)) % model.structure.n_sites
    open_ = allowed[site] if blocked is None else allowed[site] & ~np.asarray(blocked).reshape(-1)
    used, again = np.unique(label[open_], return_inverse=True)
    label = np.full(len(label), -1)
    label[open_] = again
    if len(used) == 1:
        return None
    kind = np.zeros(len(used), np.int64)
    kind[again] = cell_part[site[open_]]
    same = model.disorder is None and not model.immobile  # with disorder no two parts are alike
    return Islands(label, kind if same else np.arange(len(used)))


def bonds_of(model: Model, species: int) -> list[Bond]:
    """Directed hops of a species in the cell."""
    net = model.network
    return [
        (
            int(net.origin[h]),
            int(net.target[h]),
            (int(net.cell[h, 0]), int(net.cell[h, 1]), int(net.cell[h, 2])),
        )
        for h in np.flatnonzero(net.carrier == species)
    ]


def _copies(returns: IntArray, size: Sequence[int]) -> int:
    """Parts of the supercell that a part of the cell makes: index of its lattice of returns, supercell's included."""
    rows = np.concatenate([np.reshape(returns, (-1, 3)), np.diag(np.array(size, np.int64))])
    return math.gcd(
        *(round(float(np.linalg.det(rows[list(three)]))) for three in combinations(range(len(rows)), 3))
    )


def _labels(model: Model, bonds: Sequence[Bond], blocked: npt.ArrayLike | None) -> IntArray:
    """(n_flat,) connected part of each site of the supercell."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_sites, size = model.structure.n_sites, model.supercell
    cell = np.arange(model.n_cells).reshape(size)
    closed = np.zeros(model.n_cells * n_sites, np.bool_)
    if blocked is not None:
        closed = np.asarray(blocked).reshape(-1)
    pairs = []
    for origin, target, offset in bonds:
        there = np.roll(cell, [-x for x in offset], axis=(0, 1, 2))
        ends = np.stack([cell.reshape(-1) * n_sites + origin, there.reshape(-1) * n_sites + target])
        pairs.append(ends[:, ~closed[ends].any(axis=0)])
    ends = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    n = model.n_cells * n_sites
    graph = coo_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def equal_shares(model: Model, among: Collection[int] | None = None) -> list[int | None]:
    """Of each species its carriers in each part, where all parts hold as many; None where its sites are one part.

    among : species of which this is asked, all by default; None for the others too. Raises InputError where that cannot
    be, with the numbers.
    """
    loose = [k for k, place in enumerate(model.arrangement) if place.sites is None]
    problems, shares = list[Problem](), list[int | None]()
    for a, (carrier, part) in enumerate(zip(model.carriers, islands(model), strict=True)):
        if among is not None and a not in among:
            shares.append(None)
            continue
        rivals = [model.immobile[k] for k in loose if set(model.immobile[k].sites) & set(carrier.sites)]
        if rivals:
            problems.append(_not_known(carrier.name, rivals[0].name))
            continue
        if part is None:
            shares.append(None)
            continue
        size = np.bincount(part.label[part.label >= 0])
        shares.append(carrier.count // len(size))
        if carrier.count % len(size) or carrier.count // len(size) > size.min():
            problems.append(_unequal(carrier.name, carrier.count, size))
    if problems:
        raise InputError(problems)
    return shares


def _unequal(name: str, count: int, size: IntArray) -> Problem:
    """size : (parts,) sites."""
    n, room = len(size), int(size.min())
    sites = f"{room} sites each" if size.max() == room else f"{room} to {size.max()} sites each"
    fitting = [str(k * n) for k in (count // n, count // n + 1) if 0 < k <= room] or [str(room * n)]
    return Problem(
        f"{count} carriers '{name}' cannot be shared equally by the {n} networks of the supercell that no hop joins "
        f"({sites})",
        value=count,
        allowed=f"multiples of {n} up to {n * room}",
        remedy=f"use {' or '.join(fitting)} '{name}', or another supercell, or leave 'networks' out: numbers then "
        "differ between networks and replicas, and their scatter is part of the errors",
    )


def _not_known(name: str, rival: str) -> Problem:
    return Problem(
        f"which sites of '{name}' belong together is known only after annealing '{rival}', which may sit on them",
        remedy=f"give the sites of '{rival}' (carriers.{rival}.arrangement), or leave 'networks' out",
    )


def replicas_differ(
    model: Model, occupations: Sequence[IntArray], species: IntArray, moved: BoolArray
) -> bool:
    """Whether the replicas differ in what stays as it is: carriers of parts that nothing joins, species without hops.

    occupations : (N,) sites of the carriers of each replica. species : (N,) of each carrier. moved : (S,).
    """
    for a, part in enumerate(islands(model)):
        own = [occupied[species == a] for occupied in occupations]
        if not moved[a]:
            kept = [np.sort(sites) for sites in own]
        elif part is not None:
            kept = [part.counts(sites) for sites in own]
        else:
            continue
        if any(not np.array_equal(kept[0], other) for other in kept[1:]):
            return True
    return False
