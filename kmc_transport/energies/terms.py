"""What the energy of a configuration is made of: the only place where its terms are written.

Every energy of carriers is one of three kinds: of a carrier alone on its site (`OnSites`), of clusters of carriers that
the crystal repeats (`Products`), and of charges with each other at any distance (`Charges`). Each kind knows

- ``energy(occupation)``: from scratch, for reading: the judge of everything faster;
- ``add_to(own, pairs)``, ``rest(rows)``: its part of a quadratic form, and what is more than pairs, for many
  configurations at once;
- ``of_carrier(occupation, flat)``: the part that one carrier has in it, for differences in large supercells;
- ``whole()``: the same with whole numbers of `QUANTUM`, for the engine.

Immobile charges make energies of sites for the engine (`Charges.of_immobile`): no hop has to look at them.
A configuration is an (n_flat,) array: 0 for an empty site, a + 1 for species a, immobile ones included. Sums of whole
numbers are exact, so that energies kept up to date hop by hop never drift from those counted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, reduce
from itertools import pairwise
from operator import and_
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..model.interactions import Clusters, Coulomb
from ..ndarrays import FloatArray, IntArray
from .supercell import Supercell

__all__ = ["QUANTUM", "Charges", "Near", "OnSites", "PairTable", "Products", "Terms", "quantised", "terms_of"]

Occupation = npt.NDArray[np.integer]

QUANTUM = 2.0**-44
"""eV; about 6e-14. The largest energy that fits 64 bits is 5e5 eV."""
PAIRS = 2_000_000
"""Pairs of carriers that are treated at a time."""


def quantised(energy: npt.ArrayLike) -> IntArray:
    """Energies (eV) as whole numbers of `QUANTUM`; nan becomes 0."""
    scaled = np.rint(np.nan_to_num(np.asarray(energy, np.float64)) / QUANTUM)
    if scaled.size and np.abs(scaled).max() > 2.0**61:
        raise ValueError("an energy is larger than 1e5 eV")
    return scaled.astype(np.int64)


class OnSites:
    """Energies of carriers alone; ``value`` (S, n_sites), alike in all cells, or (S, n_flat)."""

    def __init__(self, value: npt.NDArray[Any]) -> None:
        self.value = value

    def energy(self, occupation: Occupation) -> float:
        where = np.flatnonzero(occupation)
        return self.value[occupation[where] - 1, where % self.value.shape[1]].sum().item()  # type: ignore[no-any-return]

    def add_to(self, own: FloatArray, pairs: FloatArray) -> None:
        own += np.tile(np.nan_to_num(self.value), (1, own.shape[1] // self.value.shape[1]))

    def rest(self, rows: Occupation) -> float:
        return 0.0

    def of_carrier(self, occupation: Occupation, flat: int) -> float:
        return self.value[occupation[flat] - 1, flat % self.value.shape[1]].item()  # type: ignore[no-any-return]

    def whole(self) -> OnSites:
        return OnSites(quantised(self.value))


class Near(NamedTuple):
    """Clusters that a carrier on a site of cell 0 is part of, each copy once."""

    cluster: IntArray
    """(n,)"""
    start: IntArray
    """(n + 1,) the others of copy i are ``member[start[i]:start[i + 1]]``."""
    member: IntArray
    """(m, 5) cell (0 to L - 1 along each axis), site, species. In a small supercell members on the same site are one, a
    copy may have none but the carrier itself, and copies that want two species on one site are left out."""

    def copies(self) -> Iterator[tuple[int, IntArray]]:
        """Each with its cluster and the others of it."""
        for c, (first, end) in zip(self.cluster.tolist(), pairwise(self.start), strict=True):
            yield c, self.member[first:end]


class Products:
    """Clusters (`kmc_transport.model.interactions.Clusters`) of one energy each, ``value``."""

    def __init__(
        self, cell: Supercell, clusters: Clusters, value: npt.NDArray[Any], near: dict[tuple[int, int], Near]
    ) -> None:
        self.cell, self.clusters, self.value, self._near = cell, clusters, value, near

    def counts(self, rows: Occupation, which: IntArray) -> list[IntArray]:
        """Of each of the clusters ``which``: (...) how many copies of it configurations (..., n_flat) hold."""
        k, (a, b, c) = self.clusters, self.cell.size.tolist()
        (x, y, z), begin = self._border
        grid = rows.reshape(*rows.shape[:-1], a, b, c, self.cell.n_sites)
        grid = grid[..., x[:, None, None], y[:, None], z, :]
        member = list(zip(begin, k.site.tolist(), (k.species + 1).tolist(), strict=True))
        start = k.start.tolist()

        def number(copies: list[Any]) -> Any:
            there = [grid[..., i : i + a, j : j + b, m : m + c, s] == who for (i, j, m), s, who in copies]
            return reduce(and_, there).sum(axis=(-3, -2, -1))

        return [number(member[start[n] : start[n + 1]]) for n in which.tolist()]

    @cached_property
    def _border(self) -> tuple[list[IntArray], list[list[int]]]:
        """Cells along each axis, going on beyond the end as far as a copy reaches, so that none is cut by the seam;
        (n_members, 3) where in these the members of the first copy lie."""
        size = self.cell.size
        begin = (self.clusters.cell + size // 2) % size - size // 2  # nearest image: little is copied
        begin -= begin.min(axis=0)
        ends = (size + begin.max(axis=0)).tolist()
        return [np.arange(end) % n for end, n in zip(ends, size, strict=True)], begin.tolist()

    def energy(self, occupation: Occupation) -> float:
        found = self.counts(occupation, np.arange(len(self.value)))
        return sum(x * int(n) for x, n in zip(self.value.tolist(), found, strict=True))

    def add_to(self, own: FloatArray, pairs: FloatArray) -> None:
        k, n, cell = self.clusters, own.shape[1], self.cell
        for c in np.flatnonzero(self._size == 2):
            i, j = (
                k.species[m] * n + cell.flat(k.site[m], cell.cells + k.cell[m])
                for m in (k.start[c], k.start[c] + 1)
            )
            np.add.at(pairs, (i, j), self.value[c])
            np.add.at(pairs, (j, i), self.value[c])

    def rest(self, rows: Occupation) -> FloatArray:
        energy = np.zeros(len(rows))
        others = np.flatnonzero(self._size != 2)
        for c, n in zip(others, self.counts(rows, others), strict=True):
            energy += self.value[c] * n
        return energy

    def of_carrier(self, occupation: Occupation, flat: int) -> float:
        cell = self.cell
        near = self.near(int(occupation[flat]) - 1, flat % cell.n_sites)
        place = cell.flat(near.member[:, 3], cell.cell_of(flat // cell.n_sites) + near.member[:, :3])
        missed = np.append(0, np.cumsum(occupation[place] != near.member[:, 4] + 1))[near.start]
        return self.value[near.cluster[missed[1:] == missed[:-1]]].sum().item()  # type: ignore[no-any-return]

    def whole(self) -> Products:
        return Products(self.cell, self.clusters, quantised(self.value), self._near)

    @cached_property
    def _size(self) -> IntArray:
        return np.diff(self.clusters.start)

    def near(self, species: int, site: int) -> Near:
        """What a carrier on ``site`` is part of: in order of the clusters, then of the copies' cells."""
        if (species, site) not in self._near:
            self._near[species, site] = self._seen_from(species, site)
        return self._near[species, site]

    def _seen_from(self, species: int, site: int) -> Near:
        k, size = self.clusters, self.cell.size
        mine = np.flatnonzero((k.species == species) & (k.site == site))
        owner = np.searchsorted(k.start, mine, "right") - 1
        copies = {(c, *at) for c, at in zip(owner.tolist(), (k.cell[mine] % size).tolist(), strict=True)}
        cluster, start, member = [], [0], list[tuple[int, ...]]()
        for c, *at in sorted(copies):
            which = slice(k.start[c], k.start[c + 1])
            cells = ((k.cell[which] - at) % size).tolist()
            places: dict[tuple[int, ...], int] = {}
            if all(
                places.setdefault((*cell, s), a) == a
                for cell, s, a in zip(cells, k.site[which].tolist(), k.species[which].tolist(), strict=True)
            ):
                del places[0, 0, 0, site]
                member += [(*place, a) for place, a in places.items()]
                cluster.append(c)
                start.append(len(member))
        found = np.array(member, np.int64).reshape(-1, 5)
        return Near(np.array(cluster, np.int64), np.array(start, np.int64), found)


class Charges:
    """Charges of the species (S,), in e, and their potential (`kmc_transport.model.interactions.Coulomb`)."""

    def __init__(self, cell: Supercell, coulomb: Coulomb, charge: FloatArray) -> None:
        self.cell, self.potential, self.charge = cell, np.asarray(coulomb.potential), charge

    def _between(self, first: IntArray, second: IntArray) -> FloatArray:
        """(...) potential on flat sites ``second`` of unit charges on ``first``."""
        n, cell = self.cell.n_sites, self.cell
        apart = (cell.cell_of(second // n) - cell.cell_of(first // n)) % cell.size
        return self.potential[first % n, second % n, apart[..., 0], apart[..., 1], apart[..., 2]]

    def energy(self, occupation: Occupation) -> float:
        where = np.flatnonzero(occupation)
        q = self.charge[occupation[where] - 1]
        return float(0.5 * q @ self._between(where[:, None], where[None, :]) @ q)

    def add_to(self, own: FloatArray, pairs: FloatArray) -> None:
        every = np.arange(own.shape[1])
        phi = np.nan_to_num(self._between(every[:, None], every[None, :]))
        pairs += np.kron(np.outer(self.charge, self.charge), phi)

    def rest(self, rows: Occupation) -> float:
        return 0.0

    def of_carrier(self, occupation: Occupation, flat: int) -> float:
        where = np.flatnonzero(occupation)
        where, charge = where[where != flat], float(self.charge[occupation[flat] - 1])
        energy = charge * float(self._between(where, np.array(flat)) @ self.charge[occupation[where] - 1])
        site = flat % self.cell.n_sites
        return energy + 0.5 * charge**2 * float(self.potential[site, site, 0, 0, 0])

    def of_immobile(self) -> FloatArray | None:
        """(S, n_flat) eV: of each carrier with all immobile charges, of these half of that, so that it adds up to their
        energy with each other; None where there are none."""
        model, cell = self.cell.model, self.cell
        held = self.charge[len(model.carriers) :]
        if not held.any():
            return None
        charge = np.where(model.background > 0, np.append(0.0, self.charge)[model.background], 0.0)
        wave = np.fft.rfftn(charge.reshape(*model.supercell, cell.n_sites), axes=(0, 1, 2))
        felt = np.zeros((*model.supercell, cell.n_sites))
        for end in range(cell.n_sites):  # potential on a site: charges folded with the potential of one
            of_one = np.nan_to_num(self._symmetric(np.arange(cell.n_sites), np.array([end]))[:, 0])
            total = np.einsum("sijk,ijks->ijk", np.fft.rfftn(of_one, axes=(1, 2, 3)), wave)
            felt[..., end] = np.fft.irfftn(total, model.supercell, axes=(0, 1, 2))
        share = np.where(np.arange(len(self.charge)) < len(model.carriers), 1.0, 0.5)
        return (share * self.charge)[:, None] * felt.reshape(-1)

    def _symmetric(self, first: IntArray, second: IntArray) -> FloatArray:
        """Potential on sites ``second`` of charges on ``first``, as symmetric as it should be, to the last digit."""
        potential = self.potential[first[:, None], second[None, :]]
        back = self.potential[second[:, None], first[None, :]].transpose(1, 0, 2, 3, 4)
        for axis, n in zip((2, 3, 4), self.cell.model.supercell, strict=True):
            back = np.take(back, -np.arange(n) % n, axis=axis)
        return np.asarray(0.5 * (potential + back))

    def whole(self) -> PairTable | None:
        """Of the carriers with each other; nothing where none is charged."""
        species, site = np.nonzero(self.cell.model.allowed_sites)  # immobile ones are in `of_immobile`
        charge = self.charge[species]
        if not charge.any():
            return None
        potential = self._symmetric(site, site)
        product = charge[:, None] * charge[None, :]
        pair = quantised(product[:, :, None, None, None] * potential)
        kinds = np.arange(len(site))
        return PairTable(self.cell, pair, quantised(0.5 * charge**2 * potential[kinds, kinds, 0, 0, 0]))


class PairTable:
    """Energies of two carriers at any distance, in whole numbers; immobile species are not among them.

    T kinds of carrier: every (species, site of the cell) that is allowed, in order.
    pair : (T, T, L1, L2, L3) of a carrier of kind [0] in cell 0 and one of kind [1] in cell (i, j, k).
    images : (T,) of a carrier with its own periodic images.
    """

    def __init__(self, cell: Supercell, pair: IntArray, images: IntArray) -> None:
        self.cell, self.pair, self.images = cell, pair, images

    def energy(self, occupation: Occupation) -> int:
        n, allowed = self.cell.n_sites, self.cell.model.allowed_sites
        where = np.flatnonzero((occupation > 0) & (occupation <= len(allowed)))
        kind = (np.cumsum(allowed).reshape(allowed.shape) - 1)[occupation[where] - 1, where % n]
        cell = self.cell.cell_of(where // n)
        # every pair twice, each carrier with itself once
        twice = -int(self.pair[kind, kind, 0, 0, 0].sum())
        rows = max(1, PAIRS // max(1, len(where)))
        for first in range(0, len(where), rows):
            part = slice(first, first + rows)
            i, j, k = np.moveaxis((cell[None, :] - cell[part, None]) % self.cell.size, -1, 0)
            twice += int(self.pair[kind[part, None], kind[None, :], i, j, k].sum())
        return int(self.images[kind].sum()) + twice // 2


class Terms(NamedTuple):
    """All terms of a model's energy; None where there is none of a kind."""

    sites: OnSites
    disorder: OnSites | None
    clusters: Products | None
    charges: Charges | PairTable | None

    def present(self) -> list[Any]:
        return [t for t in self if t is not None]

    def whole(self) -> Terms:
        """The same in whole numbers of `QUANTUM`."""
        parts: Any = (None if t is None else t.whole() for t in self)  # type: ignore[union-attr]
        found = Terms(*parts)
        held = self.charges.of_immobile() if isinstance(self.charges, Charges) else None
        if held is None:
            return found
        more = 0 if found.disorder is None else found.disorder.value
        return found._replace(disorder=OnSites(quantised(held) + more))


def terms_of(cell: Supercell) -> Terms:
    """Terms of a model's energy, eV."""
    model = cell.model
    i, d = model.interactions, model.disorder
    clusters, coulomb = (None, None) if i is None else (i.clusters, i.coulomb)
    return Terms(
        OnSites(np.asarray(model.site_energy)),
        None if d is None or d.site_energy is None else OnSites(np.asarray(d.site_energy)),
        None if clusters is None else Products(cell, clusters, np.asarray(clusters.energy), {}),
        None if coulomb is None else Charges(cell, coulomb, np.array([c.charge for c in model.species])),
    )
