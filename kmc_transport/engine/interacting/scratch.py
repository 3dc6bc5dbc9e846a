"""Energy and rates of a whole configuration, counted anew with numpy: for starts, checks and total rates."""

from __future__ import annotations

import numpy as np

from ...energies.terms import PAIRS, QUANTUM
from ...ndarrays import FloatArray, IntArray
from ..tables import NULL
from .coupling import Coupling
from .surroundings import Site

__all__ = ["Scratch"]


class Scratch:
    """A configuration: ``cell``, ``types`` (N,) as in `Replica`."""

    def __init__(self, coupling: Coupling, cell: IntArray, types: IntArray) -> None:
        self.coupling, self.tables = coupling, coupling.tables
        t = self.tables
        self.cell, self.types = cell, types
        self.index = np.stack(np.unravel_index(cell, t.size)) if len(cell) else np.zeros((3, 0), np.int64)
        self.species = t.type_species[types]
        self.occupant = coupling.surroundings.immobile.copy()
        self.occupant[(*self.index, t.type_basis[types])] = self.species + 1

    def energy(self) -> int:
        """Total energy without field, quanta."""
        t = self.tables
        flat = self.cell * t.model.structure.n_sites + t.basis_site[t.type_basis[self.types]]
        occupation = t.model.background.astype(np.uint8)
        occupation[flat] = self.species + 1
        return self.coupling.surroundings.energy.energy(occupation)

    def in_ev(self) -> float:
        """Total energy, eV."""
        return self.energy() * QUANTUM

    # ---- rates

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind, 1/s."""
        t = self.tables
        total = np.zeros(len(self.coupling.surroundings.hops))
        for row in np.flatnonzero(t.hop != NULL):
            carriers = self.open_carriers(int(row))
            if len(carriers):
                difference, shift = self.values(int(row), carriers)
                total[t.hop[row]] = self.coupling.barriers.many(int(t.hop[row]), difference, shift).sum()
        return total

    def open_carriers(self, row: int) -> IntArray:
        """Carriers that may make the hop of ``row``."""
        t = self.tables
        carriers = np.flatnonzero(self.types == row // t.width)
        if t.to_itself[row]:
            return carriers
        target = self.coupling.target(row)
        free = self._at(carriers, target) == 0
        blocked = self.coupling.surroundings.blocked
        if blocked is not None:
            free &= ~blocked[(*self._cells(carriers, target), target[0])]
        return carriers[free]

    def values(self, row: int, carriers: IntArray) -> tuple[IntArray, IntArray]:
        """Energy difference and barrier shift of ``row`` for each of the carriers, quanta."""
        t, s = self.tables, self.coupling.surroundings
        hop, terms = int(t.hop[row]), s.hops[int(t.hop[row])]
        columns = [np.full(len(carriers), x, np.int64) for x in terms.constant]
        for condition, numbers in terms.terms.items():
            there = np.ones(len(carriers), np.bool_)
            for site, species in condition:
                there &= self._at(carriers, site) == species + 1
            for column, number in zip(columns, numbers, strict=True):
                column += there * number
        difference, shift = columns[0], columns[1] + np.array(terms.table)[columns[2]]
        basis, target = int(t.type_basis[row // t.width]), self.coupling.target(row)
        here = self.index[:, carriers]
        if s.barrier_disorder is not None:
            shift = shift + s.barrier_disorder[(hop, *here)]
        if t.to_itself[row]:
            return difference, shift
        if s.site_disorder is not None:
            species = int(t.type_species[row // t.width])
            there_ = s.site_disorder[(species, *self._cells(carriers, target), target[0])]
            difference = difference + there_ - s.site_disorder[(species, *here, basis)]
        if s.pair is not None:
            difference = difference + self._coulomb(row, carriers, np.array(target[1]))
        return difference, shift

    def _coulomb(self, row: int, carriers: IntArray, step: IntArray) -> IntArray:
        t, pair = self.tables, self.coupling.surroundings.pair
        assert pair is not None
        before, after = row // t.width, int(t.target_type[row])
        found = np.zeros(len(carriers), np.int64)
        size = np.array(t.size).reshape(3, 1, 1)
        rows = max(1, PAIRS // max(1, len(self.types)))
        for start in range(0, len(carriers), rows):
            part = carriers[start : start + rows]
            d = (self.index[:, part, None] - self.index[:, None, :]) % size
            e = (d + step.reshape(3, 1, 1)) % size
            others = self.types[None, :]
            change = pair[others, after, e[0], e[1], e[2]] - pair[others, before, d[0], d[1], d[2]]
            change[np.arange(len(part)), part] = 0
            found[start : start + rows] = change.sum(axis=1)
        return found

    def _cells(self, carriers: IntArray, site: Site) -> tuple[IntArray, ...]:
        return tuple(
            (x[carriers] + c) % n for x, c, n in zip(self.index, site[1], self.tables.size, strict=True)
        )

    def _at(self, carriers: IntArray, site: Site) -> IntArray:
        """Occupant of a site given relative to each carrier."""
        return np.asarray(self.occupant[(*self._cells(carriers, site), site[0])], np.int64)
