"""Where the hops of each species lead: through the crystal or nowhere, alone or one behind the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..ndarrays import BoolArray, FloatArray, IntArray
from .islands import islands
from .model import Model
from .network import Bond, components

__all__ = ["Ways", "find_ways", "single_file_lengths"]


@dataclass(frozen=True, eq=False)
class Ways:
    """S species.

    span : (S, 3, 3) projector on the directions in which hops lead through the crystal.
    single_file : (S,) length (Å) after which the supercell repeats along a species' channels, 0 where it moves in more
        than one dimension or is alone.
    ordered : (S,) whether all carriers share one channel and can never pass each other.
    repeat : (3, 3) rows are the reciprocal vectors (1/Å, without 2 pi) of the cell that repeats for the carriers, zero
        where the crystal ends: a carrier alone sees the cell, several see the supercell.
    """

    span: FloatArray
    single_file: FloatArray
    ordered: BoolArray
    repeat: FloatArray


def find_ways(model: Model) -> Ways:
    """Follow the hops of each species round the crystal."""
    n = len(model.carriers)
    span, files, ordered = np.zeros((n, 3, 3)), np.zeros(n), np.zeros(n, np.bool_)
    for a, carrier in enumerate(model.carriers):
        parts = components(model.structure.n_sites, _bonds(model, a))
        returns = np.concatenate([np.zeros((0, 3), np.int64), *(r for _, r in parts)])
        vectors = returns @ model.structure.lattice
        _, size, axes = np.linalg.svd(vectors, full_matrices=False)
        axes = axes[size > 1e-9 * max(1.0, float(size.max(initial=0.0)))]
        span[a] = np.round(axes.T @ axes, 12) + 0.0
        if len(axes) == 1 and carrier.count > 1:
            # the shortest way that leads to the same site of the supercell
            turns = [_turns(model, r) for r in returns]
            files[a] = min(
                k * float(np.linalg.norm(v)) for k, v in zip(turns, vectors, strict=True) if np.any(v)
            )
            ordered[a] = min(turns) == model.n_cells and _one_behind_the_other(model, a, parts[0][0])
    return Ways(span, files, ordered, _repeat(model))


def single_file_lengths(model: Model) -> FloatArray:
    """(S,) length (Å) after which the channels of a species close in the supercell, where its carriers cannot pass each
    other and some share a channel in one of the model's `systems`; 0 for the others."""
    found = np.zeros(len(model.carriers))
    for a in range(len(found)):
        channels = [part for part in components(model.structure.n_sites, _bonds(model, a)) if part[1].any()]
        ways = np.concatenate([np.zeros((0, 3), np.int64), *(returns for _, returns in channels)])
        alone = not any(_share_a_channel(system, a) for system in model.systems)
        if not channels or alone or not all(_without_branches(model, a, sites) for sites, _ in channels):
            continue
        found[a] = min(
            _turns(model, way) * float(np.linalg.norm(way @ model.structure.lattice))
            for way in ways
            if way.any()
        )
    return found


def _share_a_channel(model: Model, species: int) -> bool:
    """Whether a network may hold two carriers of a species or more."""
    part, start, count = islands(model)[species], model.initial, model.carriers[species].count
    if part is not None and start.of(species).equal_networks:
        return count > len(part.kind)
    if part is not None and start.sites is not None and start.of(species).kind == "given":
        return bool(part.counts(np.array(start.sites[species], np.int64)).max(initial=0) > 1)
    return count > 1


def _bonds(model: Model, species: int) -> list[Bond]:
    net = model.network
    cells = [(int(i), int(j), int(k)) for i, j, k in net.cell]
    return [
        (int(net.origin[h]), int(net.target[h]), cells[h]) for h in np.flatnonzero(net.carrier == species)
    ]


def _turns(model: Model, way: IntArray) -> int:
    """How often a way (in cells) must be gone to come back to the same place of the supercell."""
    return math.lcm(*(n // math.gcd(n, int(x)) for n, x in zip(model.supercell, way, strict=True)))


def _one_behind_the_other(model: Model, species: int, channel: set[int]) -> bool:
    """Whether a species has no places beside a channel without branches."""
    allowed = set(np.flatnonzero(model.allowed_sites[species]).tolist())
    return allowed == channel and _without_branches(model, species, channel)


def _without_branches(model: Model, species: int, channel: set[int]) -> bool:
    """Whether each site of a channel has two neighbours."""
    neighbours: dict[int, set[tuple[int, ...]]] = {i: set() for i in channel}
    for origin, target, cell in _bonds(model, species):
        if origin in channel:
            neighbours[origin].add((target, *cell))
    return all(len(x) == 2 for x in neighbours.values())


def _repeat(model: Model) -> FloatArray:
    quenched = model.disorder is not None and any(
        x is not None for x in (model.disorder.site_energy, model.disorder.barrier, model.disorder.blocked)
    )
    alone = sum(c.count for c in model.carriers) == 1 and not quenched and not model.immobile
    cells = np.ones(3) if alone else np.array(model.supercell)
    inverse = np.linalg.inv(model.structure.lattice * cells[:, None]).T
    return np.asarray(inverse * np.asarray(model.structure.periodic)[:, None])
