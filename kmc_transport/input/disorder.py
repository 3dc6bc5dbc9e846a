"""Quenched disorder: random energies, barriers and blocked sites as functions of (site, salt).

A number depends on the site in its cell, the cell and the salt alone, through a mixing function of counters: neither
the order in which sites are visited nor the size of the supercell changes it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..model.interactions import Disorder
from ..model.model import Carrier, HopNetwork, Structure, frozen_array
from ..model.network import is_forward
from ..ndarrays import BoolArray, FloatArray, IntArray
from .document import Document, KeyPath
from .places import carrier_named, find_place, labels_of
from .schema.disorder import BarrierDisorderInput, BlockedInput, DisorderInput, SiteDisorderInput

__all__ = ["build_disorder", "check_capacity", "disordered_barriers", "salt_of", "sample", "unit_numbers"]

UIntArray = npt.NDArray[np.uint64]

MAX_BARRIERS = 50_000_000
_SITE, _BOND, _BLOCK = 1, 2, 3
"""Purposes: the same salt gives independent numbers for each."""


def _mix(x: UIntArray) -> UIntArray:
    """Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that scrambles all bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def unit_numbers(*words: npt.ArrayLike) -> FloatArray:
    """Numbers in (0, 1), uniform, that depend on the whole numbers ``words`` (broadcast together) alone."""
    state = np.zeros(np.broadcast_shapes(*(np.shape(w) for w in words)), np.uint64)
    with np.errstate(over="ignore"):
        for word in words:
            step = np.asarray(word, np.int64).astype(np.uint64)
            state = _mix(state + step * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x2545F4914F6CDD1D))
    return np.asarray(((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def salt_of(salt: int, number: int) -> int:
    """Salt of a sample: the input's own for sample 0, an independent one for each other number."""
    if number == 0:
        return salt
    return int.from_bytes(hashlib.sha256(f"{salt} {number}".encode()).digest()[:8], "little") >> 1


def sample(distribution: str, width: float, *words: npt.ArrayLike) -> FloatArray:
    """Energies (eV) of a distribution, functions of ``words``; see `schema_interactions.SiteDisorderInput`."""
    first = unit_numbers(*words, 0)
    if distribution == "uniform":
        return width * (first - 0.5)
    if distribution == "exponential":
        return width * np.log(first)
    second = unit_numbers(*words, 1)
    return np.asarray(width * np.sqrt(-2 * np.log(first)) * np.cos(2 * math.pi * second))


def _cells(supercell: tuple[int, int, int]) -> IntArray:
    return np.indices(supercell).reshape(3, -1).T


def build_disorder(
    given: DisorderInput,
    carriers: Sequence[Carrier],
    structure: Structure,
    network: HopNetwork | None,
    supercell: tuple[int, int, int],
    doc: Document,
    number: int = 0,
) -> Disorder | None:
    """Arrays of the supercell; problems go to ``doc``. None when the section asks for nothing.

    number : of the sample, which has salts of its own.
    """
    given = _salted(given, number)
    path: KeyPath = ("disorder",)
    cells = _cells(supercell)
    site_energy = _site_energies(
        given.site_energies, carriers, structure, cells, doc, (*path, "site_energies")
    )
    blocked = _blocked(given.blocked, carriers, structure, supercell, doc, (*path, "blocked"))
    barrier = None
    if given.barriers and network is not None:
        barrier = _barriers(given.barriers, carriers, network, supercell, doc, (*path, "barriers"))
    if site_energy is None and blocked is None and barrier is None:
        return None
    return Disorder(site_energy, barrier, blocked)


def _salted(given: DisorderInput, number: int) -> DisorderInput:
    if number == 0:
        return given
    return given.model_copy(
        update={
            name: [e.model_copy(update={"salt": salt_of(e.salt, number)}) for e in getattr(given, name)]
            for name in ("site_energies", "barriers", "blocked")
        }
    )


def _chosen(
    names: Sequence[str] | None, carriers: Sequence[Carrier], doc: Document, path: KeyPath
) -> list[int]:
    if names is None:
        return list(range(len(carriers)))
    found = [carrier_named(n, carriers, doc, (*path, "carriers", k)) for k, n in enumerate(names)]
    return [a for a in found if a is not None]


def _site_energies(
    entries: Sequence[SiteDisorderInput],
    carriers: Sequence[Carrier],
    structure: Structure,
    cells: IntArray,
    doc: Document,
    path: KeyPath,
) -> FloatArray | None:
    if not entries:
        return None
    energy = np.zeros((len(carriers), len(cells), structure.n_sites))
    for k, entry in enumerate(entries):
        here = (*path, k)
        labels = labels_of(entry.sites, None, structure, doc, (*here, "sites"))
        species = _chosen(entry.carriers, carriers, doc, here)
        if labels is None:
            continue
        sites = np.flatnonzero(np.isin(structure.labels, labels))
        values = sample(
            entry.distribution, entry.width, _SITE, entry.salt, sites, *(cells[:, a, None] for a in range(3))
        )
        for a in species:
            energy[a][:, sites] += values
    return frozen_array(energy.reshape(len(carriers), -1), np.float64)


def disordered_barriers(
    distribution: str, width: float, salt: int, network: HopNetwork, supercell: tuple[int, int, int]
) -> FloatArray:
    """(n_cells, n_hops) eV: a number for each bond, the same for the hop from either end and for all its saddles."""
    cells = _cells(supercell)
    size = np.array(supercell)
    result = np.empty((len(cells), network.n_hops))
    for h in range(network.n_hops):
        origin, target, away = int(network.origin[h]), int(network.target[h]), network.cell[h]
        start = cells
        if not is_forward((origin, target, (int(away[0]), int(away[1]), int(away[2])))):
            start = (cells + away) % size  # the bond is named from its other end
            origin, target, away = target, origin, -away
        words = (origin, target, *away.tolist(), *start.T)
        result[:, h] = sample(distribution, width, _BOND, salt, *words)
    return result


def _barriers(
    entries: Sequence[BarrierDisorderInput],
    carriers: Sequence[Carrier],
    network: HopNetwork,
    supercell: tuple[int, int, int],
    doc: Document,
    path: KeyPath,
) -> FloatArray | None:
    if network.n_hops * math.prod(supercell) > MAX_BARRIERS:
        doc.add(
            path,
            "the barriers of all hops of the supercell do not fit in memory",
            value=network.n_hops * math.prod(supercell),
            allowed=f"at most {MAX_BARRIERS:.1g} directed hops in the supercell",
            remedy="use a smaller supercell",
        )
        return None
    total = np.zeros((math.prod(supercell), network.n_hops))
    for k, entry in enumerate(entries):
        mine = np.isin(network.carrier, _chosen(entry.carriers, carriers, doc, (*path, k)))
        values = disordered_barriers(entry.distribution, entry.width, entry.salt, network, supercell)
        total += np.where(mine, values, 0.0)
    return frozen_array(total, np.float64)


def _blocked(
    entries: Sequence[BlockedInput],
    carriers: Sequence[Carrier],
    structure: Structure,
    supercell: tuple[int, int, int],
    doc: Document,
    path: KeyPath,
) -> BoolArray | None:
    if not entries:
        return None
    cells = _cells(supercell)
    blocked = np.zeros((len(cells), structure.n_sites), np.bool_)
    for k, entry in enumerate(entries):
        here = (*path, k)
        if (entry.fraction is None) == (entry.places is None):
            doc.add(
                here,
                "give one of 'fraction' and 'places'",
                remedy="fraction: 2 %, salt: 7, or places: [{site: Na, index: 0, cell: [3, 0, 0]}]",
            )
            continue
        if entry.places is not None:
            for n, place in enumerate(entry.places):
                found = find_place(place, structure, doc, (*here, "places", n))
                if found is not None:
                    home = np.array(found[1]) % np.array(supercell)
                    blocked[np.ravel_multi_index(tuple(home), supercell), found[0]] = True
            continue
        labels = labels_of(entry.sites, None, structure, doc, (*here, "sites"))
        if labels is None:
            continue
        sites = np.flatnonzero(np.isin(structure.labels, labels))
        numbers = unit_numbers(_BLOCK, entry.salt, sites, *(cells[:, a, None] for a in range(3)))
        closed = numbers < (entry.fraction or 0.0)
        blocked[:, sites] |= closed
        doc.note(
            f"disorder: {int(closed.sum())} of {closed.size} sites {', '.join(labels)} are blocked (salt {entry.salt})"
        )
    check_capacity(blocked, carriers, structure, doc, path)
    return frozen_array(blocked.reshape(-1), np.bool_)


def check_capacity(
    blocked: BoolArray, carriers: Sequence[Carrier], structure: Structure, doc: Document, path: KeyPath
) -> None:
    """Whether the carriers find room; blocked : (n_cells, n_sites)."""
    for carrier in carriers:
        mine = np.isin(structure.labels, carrier.sites)
        others = sum(c.count for c in carriers if c is not carrier and set(c.sites) <= set(carrier.sites))
        free = int((~blocked[:, mine]).sum())
        if carrier.count and carrier.count + others >= free:
            doc.add(
                path,
                f"only {free} sites of '{carrier.name}' are not blocked",
                value=carrier.count + others,
                allowed=f"fewer than {free} carriers on them",
                remedy="block fewer sites, or use fewer carriers",
            )
