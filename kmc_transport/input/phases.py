"""Two phases side by side: which sites are full, where the planes that part them lie, and what they cost.

A full part holds every carrier, the rest none. The two planes are a *cut*. Layers of charged carriers make a dipole
along the normal, and its field reaches through the whole cell: its energy is in proportion to the volume of the full
part. How large it is depends on where the full part begins and on which sites of the layers at its borders are full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..model.interactions import Coulomb
from ..model.model import Carrier, Structure
from ..ndarrays import BoolArray, FloatArray, IntArray

__all__ = ["NO_DIPOLE", "Cut", "Planes", "find_cut", "open_sites", "planar_cut", "planes", "polar_energy"]

SAME_HEIGHT = 1e-3
"""Å: sites nearer than this along the normal are one layer."""
NO_DIPOLE = 1e-6
"""e·Å/Å²: dipoles that differ by less are the same."""
MAX_CUTS = 5_000_000
MAX_COMPARED = 64
"""Cuts of the same dipole whose Coulomb energies are compared."""
MAX_GROUPS = 6
"""Parts of a layer all of whose subsets are tried; of more, those that come first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Planes:
    """Lattice planes of a supercell.

    height : (n_flat,) of each site along the normal, in spacings, from 0 to less than ``number``. number : of planes
    before the supercell repeats. spacing : Å. area : Å², of a plane in the supercell.
    """

    height: FloatArray
    number: int
    spacing: float
    area: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Cut:
    """A full part of the supercell.

    sites : full flat sites of each species. extent : of each, heights (plane spacings) of its lowest and highest layer,
    counted on beyond the border of the supercell. dipole : e·Å/Å², of the full part along the normal, by area. broken :
    of each species the layers that are filled in part.
    """

    sites: tuple[IntArray, ...]
    extent: tuple[tuple[float, float], ...]
    dipole: float
    broken: tuple[int, ...]

    @property
    def polar(self) -> bool:
        return abs(self.dipole) > NO_DIPOLE


@dataclass(frozen=True, eq=False)
class _Fill:
    """Full sites of one species. moment : sum of their heights, counted on beyond the border of the supercell. extent :
    heights of the lowest and the highest. broken : layers filled in part."""

    sites: IntArray
    moment: float
    extent: tuple[float, float]
    broken: int


def open_sites(carrier: Carrier, structure: Structure, n_cells: int, closed: BoolArray | None) -> IntArray:
    """Flat sites that a carrier may be on."""
    open_ = np.tile(np.isin(structure.labels, carrier.sites), n_cells)
    return np.flatnonzero(open_ if closed is None else open_ & ~closed)


def planes(structure: Structure, supercell: tuple[int, int, int], normal: Sequence[int]) -> Planes:
    """The planes of Miller indices ``normal``, which have no common factor."""
    indices, size = np.array(normal, np.int64), np.array(supercell, np.int64)
    number = math.gcd(*(indices * size).tolist())
    cells = np.indices(supercell).reshape(3, -1).T
    height = ((cells[:, None] + structure.frac) @ indices).reshape(-1)
    spacing = 1 / float(np.linalg.norm(np.linalg.inv(structure.lattice) @ indices))
    height = height % number
    height[number - height < SAME_HEIGHT / spacing] = 0.0
    volume = abs(float(np.linalg.det(structure.lattice))) * math.prod(supercell)
    return Planes(height=height, number=number, spacing=spacing, area=volume / (number * spacing))


def planar_cut(
    at: Planes,
    structure: Structure,
    carriers: Sequence[Carrier],
    closed: BoolArray | None,
    start: float,
) -> Cut:
    """The cut whose full part begins at a height (plane spacings)."""
    fills = []
    for carrier in carriers:
        layers = _Layers(at, structure, carrier, closed)
        first = int(np.argmin((layers.height - start + SAME_HEIGHT / at.spacing) % at.number))
        fills.append(next(layers.fills(first, whole=True)))
    return _cut(at, carriers, fills)


def find_cut(
    at: Planes,
    structure: Structure,
    carriers: Sequence[Carrier],
    closed: BoolArray | None,
    coulomb: Coulomb | None,
    split: str | None,
) -> Cut | None:
    """The cut of the smallest dipole; of several such the one of the lowest Coulomb energy, or without one that of the
    fewest layers filled in part. None where there are too many to look at, or no layer of ``split`` can be split.

    The full part of the first species begins within the first spacing, those of the others less than one spacing off.
    """
    found: list[list[_Fill]] = []
    for carrier in carriers:
        layers = _Layers(at, structure, carrier, closed)
        low, high = (-1.0, 2.0) if found else (0.0, 1.0)
        own = [
            fill
            for k in layers.between(low, high)
            for fill in layers.fills(k, whole=split is not None and carrier.name != split)
            if carrier.name != split or fill.broken
        ]
        found.append(own)
    if not all(found) or math.prod(map(len, found)) > MAX_CUTS:
        return None
    total: FloatArray = np.zeros(())
    for carrier, own in zip(carriers, found, strict=True):
        total = total[..., None] + carrier.charge * at.spacing / at.area * np.array([f.moment for f in own])
    first = [np.array([f.extent[0] for f in own]) for own in found]
    for a in range(1, len(found)):  # parts of the species that belong together
        shape = [-1 if b == a else 1 for b in range(len(found))]
        away = np.abs(first[a].reshape(shape) - first[0].reshape([-1, *[1] * (len(found) - 1)]))
        total = np.where(away < 1 - SAME_HEIGHT / at.spacing, total, np.inf)
    size = np.abs(total)
    best = np.argwhere(size <= size.min() + NO_DIPOLE)
    cuts = [[own[k] for own, k in zip(found, row, strict=True)] for row in best.tolist()]
    cuts.sort(key=lambda fills: (sum(f.broken for f in fills), np.ptp([f.extent[0] for f in fills])))
    made = [_cut(at, carriers, fills) for fills in cuts[:MAX_COMPARED]]
    energies = polar_energy(made, carriers, coulomb)
    if energies is None:
        return made[0]
    lowest = int(np.flatnonzero(energies < energies.min() + 1e-6)[0])
    return made[lowest]


def polar_energy(
    cuts: Sequence[Cut], carriers: Sequence[Carrier], coulomb: Coulomb | None
) -> FloatArray | None:
    """(n,) Coulomb energies of the carriers of the cuts with each other, images and background included, eV."""
    if coulomb is None:
        return None
    n_sites, size = len(coulomb.potential), coulomb.potential.shape[2:]
    charge = np.zeros((len(cuts), math.prod(size) * n_sites))
    for row, cut in zip(charge, cuts, strict=True):
        for carrier, sites in zip(carriers, cut.sites, strict=True):
            row[sites] += carrier.charge
    charge = np.moveaxis(charge.reshape(len(cuts), *size, n_sites), -1, 0)
    energy = np.zeros(len(cuts))
    used = np.flatnonzero(charge.any(axis=(1, 2, 3, 4)))
    density = {s: np.fft.fftn(charge[s], axes=(1, 2, 3)) for s in used.tolist()}
    for s, t in ((s, t) for s in density for t in density):
        felt = np.fft.ifftn(density[s] * np.fft.fftn(coulomb.potential[s, t]), axes=(1, 2, 3)).real
        energy += 0.5 * (charge[t] * felt).sum(axis=(1, 2, 3))
    return energy


def _cut(at: Planes, carriers: Sequence[Carrier], fills: Sequence[_Fill]) -> Cut:
    moment = sum(c.charge * f.moment for c, f in zip(carriers, fills, strict=True))
    return Cut(
        sites=tuple(f.sites for f in fills),
        extent=tuple(f.extent for f in fills),
        dipole=moment * at.spacing / at.area,
        broken=tuple(f.broken for f in fills),
    )


class _Layers:
    """Open sites of one species by height.

    height : (K,) ascending. groups : of each layer its sites in parts that the lattice repeats: by site of the cell,
    or, where there is one alone, every other cell.
    """

    def __init__(self, at: Planes, structure: Structure, carrier: Carrier, closed: BoolArray | None) -> None:
        self.count, self.period = carrier.count, at.number
        n = structure.n_sites
        sites = open_sites(carrier, structure, len(at.height) // n, closed)
        sites = sites[np.argsort(at.height[sites], kind="stable")]
        height = at.height[sites]
        borders = np.flatnonzero(np.diff(height) > SAME_HEIGHT / at.spacing) + 1
        self.height = np.array([h.mean() for h in np.split(height, borders)])
        self.sites = np.split(sites, borders)
        self.groups = [_groups(np.sort(layer), n) for layer in self.sites]

    def between(self, low: float, high: float) -> list[int]:
        """Numbers of layers from a height to less than another one; below 0 or from K on, those of the next period."""
        n = len(self.height)
        near = range(-n, 2 * n)
        return [k for k in near if low <= self._height(k) < high]

    def _height(self, k: int) -> float:
        turns, k = divmod(k, len(self.height))
        return float(self.height[k]) + turns * self.period

    def fills(self, first: int, *, whole: bool = False) -> Iterator[_Fill]:
        """Every way to fill the sites from a layer on; with ``whole`` that layer is full, and the last one in order."""
        groups = self.groups[first % len(self.groups)]
        for some in [tuple(range(len(groups)))] if whole else _subsets(len(groups)):
            chosen = [groups[g] for g in some]
            full = [(first, np.concatenate(chosen))]
            left, k = self.count - len(full[0][1]), first
            if left < 0:
                if whole:  # one layer is more than there are carriers
                    full, left = [(first, _first_of(groups, self.count))], 0
                else:
                    continue
            while left and left >= len(self._layer(k + 1)):
                k += 1
                full.append((k, self._layer(k)))
                left -= len(full[-1][1])
            broken = len(some) < len(groups) or len(full[0][1]) < len(self._layer(first))
            if not left:
                yield self._fill(full, int(broken))
                continue
            last = self.groups[(k + 1) % len(self.groups)]
            orders = [range(len(last))] if whole else _orders(last, left)
            for order in orders:
                end = _first_of([last[g] for g in order], left)
                yield self._fill([*full, (k + 1, end)], broken + 1)

    def _layer(self, k: int) -> IntArray:
        return self.sites[k % len(self.sites)]

    def _fill(self, full: Sequence[tuple[int, IntArray]], broken: int) -> _Fill:
        moment = sum(self._height(k) * len(sites) for k, sites in full)
        sites = np.sort(np.concatenate([s for _, s in full]))
        return _Fill(sites, moment, (self._height(full[0][0]), self._height(full[-1][0])), broken)


def _groups(layer: IntArray, n_sites: int) -> list[IntArray]:
    of = layer % n_sites
    found = [layer[of == s] for s in np.unique(of)]
    return found if len(found) > 1 else [part for part in (layer[::2], layer[1::2]) if len(part)]


def _subsets(n: int) -> list[tuple[int, ...]]:
    """All but the empty one, the whole first."""
    if n > MAX_GROUPS:
        return [tuple(range(k)) for k in range(n, 0, -1)]
    return [some for k in range(n, 0, -1) for some in combinations(range(n), k)]


def _orders(groups: Sequence[IntArray], number: int) -> list[tuple[int, ...]]:
    """Orders of the groups in which ``number`` sites are taken, one for every set of whole groups."""
    n, size = len(groups), len(groups[0])
    some = min(n, number // size)
    chosen = combinations(range(n), some) if n <= MAX_GROUPS else [tuple(range(some))]
    return [(*one, *(g for g in range(n) if g not in one)) for one in chosen]


def _first_of(groups: Sequence[IntArray], number: int) -> IntArray:
    """So many sites of the groups one after the other, those of a part of a group evenly spaced."""
    found, left = list[IntArray](), number
    for group in groups:
        take = min(left, len(group))
        found.append(group[np.arange(take) * len(group) // max(1, take)])
        left -= take
    return np.concatenate(found)
