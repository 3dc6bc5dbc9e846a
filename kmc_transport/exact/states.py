"""Configurations of carriers in a small periodic cell, counted and enumerated, and the jumps between them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ..energies.supercell import list_configurations, open_sites, translational
from ..errors import TooManyStates
from ..model.islands import equal_shares, islands
from ..model.model import Model, frozen_array
from ..ndarrays import BoolArray, IntArray
from .chain import connected_components

__all__ = ["StateSpace", "count_states", "enumerate_states"]

COUNT_CEILING = 10**15
"""Counts beyond this are not worked out: a lower bound, 1e18 at most, stands for them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StateSpace:
    """States of a cell with site exclusion, and the jumps between them.

    With an anchor (a species) one of its carriers is tagged and the states are those seen from the cell that
    the tagged carrier is in: translations of the whole cell are one state. Quenched disorder makes them differ: the
    tagged carrier may then be in any cell.

    Attributes
    ----------
    numbers : (S,) carriers of each species. anchor : species of the tagged carrier, or None.
    origin, target : (n_jumps,) states. hop : (n_jumps,) directed hop of ``model.network``.
    cell : (n_jumps,) number of the cell that the hop starts in. tagged : (n_jumps,) whether the tagged carrier jumps.
    component : (n_states,) label of the class of states that can reach each other.
    site_count : (n_states, S, n_sites) carriers of each species on the sites of the cell, summed over the
        cells of the supercell.
    """

    model: Model
    supercell: tuple[int, int, int]
    numbers: tuple[int, ...]
    anchor: int | None
    origin: IntArray
    target: IntArray
    hop: IntArray
    cell: IntArray
    tagged: BoolArray
    component: IntArray
    site_count: IntArray

    def configurations(self) -> npt.NDArray[np.int16]:
        """(n_states, n_flat) 0 for an empty site, a + 1 for species a; listed anew at each call: they may be large."""
        rows = list_configurations(self.model, self.numbers, self.anchor, math.prod(self.supercell))
        rows[rows > len(self.model.species)] = (self.anchor or 0) + 1
        return rows

    @property
    def n_states(self) -> int:
        return len(self.component)

    @cached_property
    def n_components(self) -> int:
        return int(self.component.max()) + 1

    def classes_of_start(self) -> list[int]:
        """Labels of the classes of states to be met: where the input gives the start, of that one, whichever carrier is
        tagged; of those with equal numbers in networks, where it asks for them; else all."""
        initial, size = self.model.initial, self.supercell
        every, species = list(range(self.n_components)), range(len(self.numbers))
        given = [a for a in species if initial.sites is not None and initial.of(a).kind == "given"]
        equal = [a for a in species if initial.of(a).equal_networks]
        known = tuple(c.count for c in self.model.carriers) == self.numbers and size == self.model.supercell
        if self.n_components == 1 or not known or not (given or equal):
            return every
        rows = self.configurations()
        possible = self._shared_equally(rows, equal)
        if not given:
            return sorted(set(self.component[possible].tolist()))
        assert initial.sites is not None
        n_sites = self.model.structure.n_sites
        kind = np.repeat(given, [len(initial.sites[a]) for a in given])
        site = np.concatenate([np.asarray(initial.sites[a], np.int64) for a in given])
        found: set[int] = set()
        shifts = [0]
        if self.anchor is not None and translational(self.model):
            anywhere = range(0, self.model.n_cells * n_sites, n_sites)
            shifts = list(initial.sites[self.anchor] if self.anchor in given else anywhere)
        for tagged in shifts:
            home = np.array(np.unravel_index(tagged // n_sites, size))
            cell = (np.array(np.unravel_index(site // n_sites, size)) - home[:, None]) % np.array(size)[
                :, None
            ]
            there = rows[:, np.ravel_multi_index(tuple(cell), size) * n_sites + site % n_sites]
            found |= set(self.component[possible & (there == kind + 1).all(axis=1)].tolist())
        return sorted(found)

    def _shared_equally(self, rows: npt.NDArray[np.int16], among: list[int]) -> BoolArray:
        """(n_states,) whether all networks of a species hold as many carriers, for some; no translation changes it."""
        equal, shares = np.ones(self.n_states, np.bool_), equal_shares(self.model, among)
        for a, (share, part) in enumerate(zip(shares, islands(self.model), strict=True)):
            if share is None or part is None:
                continue
            for label in range(len(part.kind)):
                there = rows[:, np.flatnonzero(part.label == label)]
                equal &= (there == a + 1).sum(axis=1) == share
        return equal


def count_states(
    model: Model, numbers: tuple[int, ...], anchor: int | None, supercell: tuple[int, int, int]
) -> int:
    """Number of states that `enumerate_states` would list; above 1e15 only a lower bound."""
    model.require_settled()
    n_cells = math.prod(supercell)
    open_to = model.allowed_sites if _blocked(model) is None else open_sites(model, n_cells)
    weight = n_cells if _blocked(model) is None else 1
    n_species = len(open_to)
    patterns, counts = np.unique((1 << np.arange(n_species)) @ open_to, return_counts=True)
    kinds = {
        tuple(bool(p >> a & 1) for a in range(n_species)): int(m) * weight
        for p, m in zip(patterns.tolist(), counts.tolist(), strict=True)
    }
    if anchor is None:
        return _ways(kinds, numbers)
    rest = tuple(n - (a == anchor) for a, n in enumerate(numbers))
    total = 0
    for kind, m in kinds.items():
        if kind[anchor]:
            sites = {k: other - (k == kind) for k, other in kinds.items()}
            places = m // n_cells if translational(model) else m
            total += places * _ways(sites, rest)
    return total


def _blocked(model: Model) -> BoolArray | None:
    return model.closed


def _ways(sites: dict[tuple[bool, ...], int], numbers: tuple[int, ...]) -> int:
    """Ways to put the carriers on sites, one at most on each; ``sites[kind]``: how many allow which species."""
    capacity = [sum(m for kind, m in sites.items() if kind[a]) for a in range(len(numbers))]
    log_bound, placed = 0.0, Counter[int]()
    for a in sorted(range(len(numbers)), key=lambda a: capacity[a]):
        taken = sum(n for b, n in placed.items() if any(kind[a] and kind[b] for kind in sites))
        free = capacity[a] - taken
        if 0 <= numbers[a] <= free:
            log_bound += (
                math.lgamma(free + 1) - math.lgamma(numbers[a] + 1) - math.lgamma(free - numbers[a] + 1)
            )
        placed[a] = numbers[a]
    if log_bound > math.log(COUNT_CEILING) + 1:
        return 10 ** min(int(log_bound / math.log(10)), 18)
    ways: Counter[tuple[int, ...]] = Counter({tuple(numbers): 1})
    kinds = list(sites)
    for i, kind in enumerate(kinds):
        later = [sum(sites[k] for k in kinds[i + 1 :] if k[a]) for a in range(len(numbers))]
        fresh: Counter[tuple[int, ...]] = Counter()
        for left, count in ways.items():
            partial: Counter[tuple[tuple[int, ...], int]] = Counter({(left, sites[kind]): count})
            for a in range(len(numbers)):
                grown: Counter[tuple[tuple[int, ...], int]] = Counter()
                for (numbers_left, free), c in partial.items():
                    most = min(numbers_left[a], free) if kind[a] else 0
                    for k in range(max(0, numbers_left[a] - later[a]), most + 1):
                        key = (*numbers_left[:a], numbers_left[a] - k, *numbers_left[a + 1 :])
                        grown[(key, free - k)] += c * math.comb(free, k)
                partial = grown
            for (numbers_left, _), c in partial.items():
                fresh[numbers_left] += c
        ways = fresh
    return ways[tuple(0 for _ in numbers)]


@lru_cache(maxsize=16)
def enumerate_states(
    model: Model,
    numbers: tuple[int, ...],
    anchor: int | None,
    supercell: tuple[int, int, int],
    max_states: int,
) -> StateSpace:
    """All configurations of ``numbers`` carriers on the sites of ``supercell``, and the jumps between them.

    A carrier may hop onto its own periodic image, which changes no state. Raises TooManyStates, before
    anything is enumerated.
    """
    n = count_states(model, numbers, anchor, supercell)
    if n > max_states:
        size = " x ".join(map(str, supercell))
        what = f"the supercell {size} with {sum(numbers)} carriers"
        raise TooManyStates(n, max_states, what, alone=sum(numbers) > 1)
    net, n_sites = model.network, model.structure.n_sites
    n_species, tag = len(numbers), len(model.species) + 1
    shape = np.array(supercell)
    alike, blocked = translational(model), _blocked(model)
    cells = np.indices(supercell).reshape(3, -1).T
    occupation = list_configurations(model, numbers, anchor, len(cells))

    def shifted(cell: IntArray) -> IntArray:
        """(n_cells,) index of the cell ``cell`` away from each."""
        return np.asarray(np.ravel_multi_index(tuple(((cells + cell) % shape).T), supercell))

    # a configuration is found again by the sum of random 64-bit words, one for each (occupant, site)
    word = np.random.default_rng(20240607).integers(0, 2**64, (tag + 1, occupation.shape[1]), np.uint64)
    word[0] = 0
    columns = np.arange(occupation.shape[1])
    key = word[occupation, columns].sum(axis=1, dtype=np.uint64)
    order = np.argsort(key)
    ranked = key[order]

    def find(wanted: npt.NDArray[np.uint64]) -> IntArray:
        place = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
        if (ranked[place] != wanted).any():
            raise RuntimeError("a jump leads out of the enumerated configurations")
        return order[place]

    if (ranked[1:] == ranked[:-1]).any():
        raise RuntimeError("two configurations share a key")

    parts: list[tuple[IntArray, IntArray, int, int, bool]] = []
    for hop in range(net.n_hops):
        species, site, end = int(net.carrier[hop]), int(net.origin[hop]), int(net.target[hop])
        neighbour = shifted(net.cell[hop])
        for cell in range(len(cells)):
            o, t = cell * n_sites + site, int(neighbour[cell]) * n_sites + end
            if blocked is not None and blocked[t]:
                continue
            free = np.ones(len(key), bool) if o == t else occupation[:, t] == 0
            before = np.flatnonzero(free & (occupation[:, o] == species + 1))
            if len(before):
                after = key[before] - word[species + 1, o] + word[species + 1, t]
                parts.append((before, find(after), hop, cell, False))
            if species == anchor and not alike:
                before = np.flatnonzero(free & (occupation[:, o] == tag))
                after = key[before] - word[tag, o] + word[tag, t]
                parts.append((before, find(after), hop, cell, True))
            elif species == anchor and cell == 0:
                before = np.flatnonzero(free & (occupation[:, o] == tag))
                moved = occupation[before]
                moved[:, o] = 0
                moved[:, t] = tag
                view = (neighbour[:, None] * n_sites + np.arange(n_sites)).reshape(-1)
                after = word[moved[:, view], columns].sum(axis=1, dtype=np.uint64)
                parts.append((before, find(after), hop, cell, True))
    origin, target = (
        np.concatenate([p[i] for p in parts]) if parts else np.zeros(0, np.int64) for i in (0, 1)
    )
    sizes = [len(p[0]) for p in parts]
    per_site = occupation.reshape(len(key), len(cells), n_sites)
    site_count = np.stack(
        [((per_site == a + 1) | ((per_site == tag) & (a == anchor))).sum(axis=1) for a in range(n_species)],
        axis=1,
    )
    return StateSpace(
        model=model,
        supercell=supercell,
        numbers=numbers,
        anchor=anchor,
        origin=frozen_array(origin, np.int64),
        target=frozen_array(target, np.int64),
        hop=frozen_array(np.repeat([p[2] for p in parts], sizes) if parts else [], np.int64),
        cell=frozen_array(np.repeat([p[3] for p in parts], sizes) if parts else [], np.int64),
        tagged=frozen_array(np.repeat([p[4] for p in parts], sizes) if parts else [], np.bool_),
        component=frozen_array(connected_components(len(key), origin, target), np.int64),
        site_count=frozen_array(site_count, np.int64),
    )
