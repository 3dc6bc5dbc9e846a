"""Bonds between labelled sites: found by distance, grouped by symmetry, followed round the crystal.

A bond is a directed hop (origin, target, cell of the target) in integers, so that periodic images are told
apart exactly; no minimum image is ever taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray, IntArray
from .model import Structure
from .symmetry import site_images

__all__ = [
    "Bond",
    "BondClass",
    "BondFinder",
    "components",
    "is_forward",
    "reversed_bond",
    "travel_axes",
]


MAX_NEAR, MAX_TRIED = 4_000_000, 100_000_000
"""Images of sites that are looked at for one distance: from one site, and from all."""

Bond = tuple[int, int, tuple[int, int, int]]
"""(origin, target, cell of the target)."""


def reversed_bond(bond: Bond) -> Bond:
    origin, target, (a, b, c) = bond
    return target, origin, (-a, -b, -c)


def is_forward(bond: Bond) -> bool:
    """Picks one direction of each bond: to the later site, or else to the later cell."""
    origin, target, cell = bond
    return origin < target or (origin == target and cell > (0, 0, 0))


@dataclass(frozen=True, kw_only=True)
class BondClass:
    """Bonds that the space group makes equivalent.

    forward : directed bonds; the first one is the class's representative.
    operation : operation that makes each of them from the first.
    reverse_operation : the same for their reverses; for a class that is not its own reverse, that of the
        forward partner.
    own_reverse : whether an operation turns the representative into its reverse.
    orbit_size : number of bonds per cell that the space group makes.
    """

    forward: tuple[Bond, ...]
    operation: tuple[int, ...]
    reverse_operation: tuple[int, ...]
    own_reverse: bool
    orbit_size: int
    distance: float


class BondFinder:
    """Finds bonds of one structure and groups them."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.images: tuple[IntArray, IntArray] | None = None
        # distance between lattice planes: how many cells a given length can reach along each axis
        self.spacing = 1 / np.linalg.norm(np.linalg.inv(structure.lattice), axis=0)

    def vector(self, bond: Bond) -> FloatArray:
        """Cartesian vector of a bond, Å."""
        origin, target, cell = bond
        frac = self.structure.frac
        return (frac[target] + np.array(cell) - frac[origin]) @ self.structure.lattice

    def length(self, bond: Bond) -> float:
        return float(np.linalg.norm(self.vector(bond)))

    def sites(self, label: str) -> list[int]:
        return [i for i, other in enumerate(self.structure.labels) if other == label]

    def within(self, origin_label: str, target_label: str, low: float, high: float) -> list[Bond]:
        """All directed bonds, images included, with low <= length <= high (Å) and not zero; unsorted.

        Raises InputError where that are too many to look at.
        """
        s = self.structure
        self.check_reach(high, len(self.sites(target_label)), len(self.sites(origin_label)))
        targets = np.array(self.sites(target_label))
        found: list[Bond] = []
        for i in self.sites(origin_label):
            difference = s.frac[targets] - s.frac[i]
            reach = high / self.spacing + 1e-9
            ranges = []
            for axis in range(3):
                if s.periodic[axis]:
                    first = math.floor(-reach[axis] - difference[:, axis].max())
                    last = math.ceil(reach[axis] - difference[:, axis].min())
                    ranges.append(np.arange(first, last + 1))
                else:
                    ranges.append(np.zeros(1, np.int64))
            cells = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
            lengths = np.linalg.norm((cells + difference[:, None]) @ s.lattice, axis=2)
            places = np.nonzero((lengths >= low) & (lengths <= high) & (lengths > 1e-9))
            ends = zip(targets[places[0]].tolist(), cells[places[1]].tolist(), strict=True)
            found += [(i, j, (a, b, c)) for j, (a, b, c) in ends]
        return found

    def check_reach(self, distance: float, n_targets: int, n_origins: int = 1) -> None:
        """Raises InputError where too many images of the targets lie within ``distance`` (Å) of the origins."""
        axes = 2 * distance / self.spacing[self.structure.periodic] + 1
        near = n_targets * float(np.prod(axes))
        tried = max(near, near * n_origins * MAX_NEAR / MAX_TRIED)
        if tried > MAX_NEAR:
            raise InputError(
                f"about {tried:.1g} sites lie within {distance:g} Å, too many to look at",
                value=distance,
                allowed=f"about {distance * (MAX_NEAR / tried) ** (1 / len(axes)):.2g} Å in this structure",
                remedy="give a shorter distance",
            )

    def nearby_lengths(self, origin_label: str, target_label: str, around: float, count: int) -> list[float]:
        """The ``count`` distinct bond lengths nearest to ``around``, ascending (Å, to 1e-3)."""
        high = max(1.5 * around, around + 2.0)
        lengths: set[float] = set()
        for _ in range(6):
            try:
                found = self.within(origin_label, target_label, 0.0, high)
            except InputError:
                break
            lengths = {round(self.length(b), 3) for b in found}
            if len(lengths) >= count:
                break
            high *= 1.6
        return sorted(sorted(lengths, key=lambda x: abs(x - around))[:count])

    def site_images(self) -> tuple[IntArray, IntArray]:
        """Where the operations take the sites; see `symmetry.site_images`."""
        if self.images is None:
            self.images = site_images(self.structure)
        return self.images

    def equivalent(self, i: int, j: int) -> bool:
        """Whether an operation of the space group takes site i to site j (of whichever cell)."""
        return bool(np.any(self.site_images()[0][:, i] == j))

    def orbit(self, bond: Bond) -> dict[Bond, int]:
        """Images of a directed bond under the space group, each with the first operation that makes it."""
        site, shift = self.site_images()
        origin, target, cell = bond
        cells = self.structure.rotations @ np.array(cell) + shift[:, target] - shift[:, origin]
        result: dict[Bond, int] = {}
        rows = zip(site[:, origin].tolist(), site[:, target].tolist(), cells.tolist(), strict=True)
        for g, (i, j, (a, b, c)) in enumerate(rows):
            result.setdefault((i, j, (a, b, c)), g)
        return result

    def stabiliser(self, bond: Bond) -> tuple[list[int], list[int]]:
        """Operations that take a bond to itself, and those that swap its ends (modulo lattice translations)."""
        site, shift = self.site_images()
        origin, target, cell = bond
        cells = self.structure.rotations @ np.array(cell) + shift[:, target] - shift[:, origin]
        rows = list(
            zip(site[:, origin].tolist(), site[:, target].tolist(), map(tuple, cells.tolist()), strict=True)
        )
        back = reversed_bond(bond)
        return [g for g, r in enumerate(rows) if r == bond], [g for g, r in enumerate(rows) if r == back]

    def turn(self, operation: int) -> FloatArray:
        """(3, 3) Cartesian rotation of an operation; the identity for -1."""
        return self.structure.cartesian_rotation(operation)

    def classes(self, bonds: Iterable[Bond]) -> list[BondClass]:
        """Symmetry classes of bonds found by distance, shortest first; each is completed by the space group."""
        pool = set(bonds)
        seeds = [b for b in pool if is_forward(b) or reversed_bond(b) not in pool]
        seeds.sort(key=lambda b: (round(self.length(b), 5), b[0], b[1], [-x for x in b[2]]))
        result = []
        for seed in seeds:
            if seed not in pool:
                continue
            orbit = self.orbit(seed)
            own_reverse = reversed_bond(seed) in orbit
            forward = [b for b in orbit if is_forward(b) or not own_reverse]
            forward.sort(key=lambda b: (b != seed, b))
            backward = [reversed_bond(b) for b in forward]
            pool.difference_update(forward, backward)
            result.append(
                BondClass(
                    forward=tuple(forward),
                    operation=tuple(orbit[b] for b in forward),
                    reverse_operation=tuple(
                        orbit[r if own_reverse else f] for f, r in zip(forward, backward, strict=True)
                    ),
                    own_reverse=own_reverse,
                    orbit_size=len(forward),
                    distance=self.length(seed),
                )
            )
        return result

    def explicit_classes(self, bonds: Sequence[Bond]) -> list[BondClass]:
        """The listed bonds (each in one direction) grouped by symmetry, shortest first; none is added."""
        left = sorted(bonds, key=lambda b: round(self.length(b), 5))
        result = []
        while left:
            seed = left[0]
            orbit = self.orbit(seed)
            own_reverse = reversed_bond(seed) in orbit
            forward, rest = [], []
            for bond in left:
                if bond in orbit:
                    forward.append(bond)
                elif reversed_bond(bond) in orbit:
                    forward.append(reversed_bond(bond))
                else:
                    rest.append(bond)
            left = rest
            size = len(orbit) // 2 if own_reverse else len(orbit)
            ahead = tuple(orbit[b] for b in forward)
            behind = tuple(orbit[reversed_bond(b)] for b in forward) if own_reverse else ahead
            result.append(
                BondClass(
                    forward=tuple(forward),
                    operation=ahead,
                    reverse_operation=behind,
                    own_reverse=own_reverse,
                    orbit_size=size,
                    distance=self.length(seed),
                )
            )
        return result


# ------------------------------------------------------------------------------------------- connectivity


def components(n_sites: int, bonds: Iterable[Bond]) -> list[tuple[set[int], IntArray]]:
    """Connected parts of the network, each with the lattice vectors (rows, cells) by which it returns to itself.

    A part with no such vector is a cage; one with three independent ones spans the crystal.
    """
    neighbours: dict[int, list[tuple[int, tuple[int, int, int]]]] = {i: [] for i in range(n_sites)}
    for bond in bonds:
        for origin, target, cell in (bond, reversed_bond(bond)):
            neighbours[origin].append((target, cell))
    offset: dict[int, IntArray] = {}
    parts = []
    for start in range(n_sites):
        if start in offset or not neighbours[start]:
            continue
        offset[start] = np.zeros(3, np.int64)
        members, queue, returns = {start}, [start], set()
        while queue:
            i = queue.pop()
            for j, cell in neighbours[i]:
                end = offset[i] + np.array(cell)
                if j not in offset:
                    offset[j] = end
                    members.add(j)
                    queue.append(j)
                else:
                    returns.add(tuple(int(x) for x in end - offset[j]))
        returns.discard((0, 0, 0))
        parts.append((members, np.array(sorted(returns), np.int64).reshape(-1, 3)))
    return parts


def travel_axes(returns: IntArray) -> list[bool]:
    """Along which lattice vectors a part of the network leads arbitrarily far."""
    return [bool(np.any(returns[:, axis])) for axis in range(3)]
