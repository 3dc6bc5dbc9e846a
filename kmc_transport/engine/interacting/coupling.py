"""Everything the interacting kernels are built from: which numbers a hop's rate depends on, and bounds of the rates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from ...energies.terms import QUANTUM
from ...errors import Problem, RateError
from ...ndarrays import BoolArray, FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ..tables import NULL, Tables, build_tables, types_of
from .barriers import Barriers
from .kernels_windows import CLOSES, OPENS, SHIFTS, TURNS
from .surroundings import HopTerms, Site, Surroundings, build_surroundings, nearest

__all__ = ["Coupling", "HopCodes", "Neighbour", "aligned", "couple"]

MOST_CODES = 2**16
"""Codes of all hops together that are tabulated; beyond, rates are computed from energies."""

MOST_GRADIENT = 2**33
"""Bytes of the table of Coulomb energy differences."""

CACHE_LINE = 64
"""Bytes."""

GRID = 65
"""Energies at which a rate is looked at to bound it, over the range of what can occur."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HopCodes:
    """All values that the surroundings of one hop can take, numbered.

    ``zero`` is the number without any condition fulfilled; each fulfilled condition adds its increment.
    """

    zero: int
    increment: dict[frozenset[tuple[Site, int]], int]
    difference: IntArray
    """(n,) energy difference, quanta."""
    shift: IntArray
    """(n,) shift of the barrier, quanta."""
    possible: BoolArray
    """(n,) false where the number cannot occur (not all of these are found)."""


@dataclass(eq=False, kw_only=True)
class Neighbour:
    """A place where a carrier of type ``type`` feels a hop; ``cell`` is that of the hop's end less the carrier's.

    near_target : which end. change : slot → what happens to that hop of the carrier, and what the energy difference,
    the barrier shift (quanta) and the code of the environment table gain.
    """

    type: int
    cell: tuple[int, int, int]
    near_target: bool
    change: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Coupling:
    """A catalog whose rates depend on the configuration, ready for the kernels.

    ``tables`` hold bounds of the rates where those of a catalog without interactions hold the rates themselves.
    """

    catalog: RateCatalog
    tables: Tables
    surroundings: Surroundings
    barriers: Barriers
    codes: tuple[HopCodes, ...] | None
    """Of each hop; None where rates are computed from energies."""
    bound: FloatArray
    """(n_hops,) largest rate that can occur, 1/s."""
    code_rate: tuple[tuple[FloatArray, BoolArray], ...] | None
    """Of each hop: rate of each code and whether it is clamped."""

    @property
    def quantum(self) -> float:
        """Unit of energies, eV."""
        return QUANTUM

    @property
    def mode(self) -> str:
        """``codes`` or ``energies``."""
        return "energies" if self.codes is None else "codes"

    @property
    def entry_bits(self) -> int:
        """Bits of a slot in an entry; at least two; three where energies are kept, so that slots come in eights."""
        return max(2 if self.codes is not None else 3, (self.tables.width - 1).bit_length())

    @cached_property
    def gradient(self) -> IntArray:
        """(T T L1 L2 L3 slots,) what a carrier of the first type adds to the energy difference of each slot of one of
        the second, by the cell of that relative to the first; quanta. All replicas share it."""
        t, pair = self.tables, self.surroundings.pair
        assert pair is not None
        found = np.zeros((*pair.shape, 1 << self.entry_bits), np.int64)
        for row in np.flatnonzero(t.hop != NULL):
            type_, slot = divmod(int(row), t.width)
            back = tuple(-c for c in self.target(int(row))[1])
            ahead = np.roll(pair[:, t.target_type[row]], back, axis=(1, 2, 3))
            found[:, type_, ..., slot] = ahead - pair[:, type_]
        return aligned(found.reshape(-1))

    @cached_property
    def potential_rows(self) -> IntArray:
        """(T, L1, L2, 2 L3 T + room) energy of a carrier of each type in each cell with one of type [0] in cell 0.

        Quanta. Types lie beside each other, axis 3 twice, with room for a vector that begins at its last number.
        """
        pair = self.surroundings.pair
        assert pair is not None
        rows = pair.transpose(0, 2, 3, 4, 1).reshape(*pair.shape[:1], *pair.shape[2:4], -1)
        found = np.concatenate([rows, rows, np.zeros((*rows.shape[:3], CACHE_LINE // 8), np.int64)], axis=3)
        return aligned(found.reshape(-1)).reshape(found.shape)

    def reached(self) -> list[list[tuple[int, tuple[int, int, int], list[tuple[int, Site]]]]]:
        """For each basis site whose hops its occupant concerns: (type, cell from the carrier, [(slot, site)]).

        The hops are those of a carrier of that type, whose cell is the site's less the given one.
        """
        t = self.tables
        found: list[dict[tuple[tuple[int, int, int], int], list[tuple[int, Site]]]] = [
            {} for _ in range(t.n_basis)
        ]
        for row in np.flatnonzero(t.hop != NULL):
            type_, slot = divmod(int(row), t.width)
            sites = {site for condition in self.surroundings.hops[t.hop[row]].terms for site, _ in condition}
            if not t.to_itself[row]:
                sites.add(self.target(int(row)))
            for site in sorted(sites):
                found[site[0]].setdefault((site[1], type_), []).append((slot, site))
        return [
            [(type_, cell, changes) for (cell, type_), changes in sorted(groups.items(), key=lambda x: x[0])]
            for groups in found
        ]

    def changed(self, row: int) -> list[Neighbour]:
        """What the hops of other carriers see change by the hop of ``row``, for each place where a carrier may be."""
        t = self.tables
        species = int(t.type_species[row // t.width])
        ends = ((self.target(row), 1), ((int(t.type_basis[row // t.width]), (0, 0, 0)), -1))
        found: dict[tuple[int, tuple[int, int, int]], Neighbour] = {}
        for (basis, at), sign in ends:
            for type_, cell, changes in self._reached[basis]:
                place = nearest([x - y for x, y in zip(at, cell, strict=True)], t.size)
                one = found.setdefault((type_, place), Neighbour(type=type_, cell=cell, near_target=sign > 0))
                for slot, site in changes:
                    other = type_ * t.width + slot
                    change = one.change.setdefault(slot, [0, 0, 0, 0])
                    if site == self.target(other) and not t.to_itself[other]:
                        change[0] = CLOSES if sign > 0 else OPENS
                        continue
                    numbers = self._single[int(t.hop[other])].get(site, {}).get(species, (0, 0, 0))
                    for i in range(3):
                        change[1 + i] += sign * numbers[i]
                    several = self._several[int(t.hop[other])]
                    if change[0] == SHIFTS and (change[2] or change[3] or site in several):
                        change[0] = TURNS
        for one in found.values():
            one.change = {s: c for s, c in sorted(one.change.items()) if any(c)}
        return [one for one in found.values() if one.change]

    @cached_property
    def _reached(self) -> list[list[tuple[int, tuple[int, int, int], list[tuple[int, Site]]]]]:
        return self.reached()

    @cached_property
    def _single(self) -> list[dict[Site, dict[int, tuple[int, int, int]]]]:
        return [hop.single for hop in self.surroundings.hops]

    @cached_property
    def _several(self) -> list[set[Site]]:
        return [{site for c in hop.several for site, _ in c} for hop in self.surroundings.hops]

    def target(self, row: int) -> Site:
        """Where a row's hop ends, as near as the periodic supercell allows."""
        return self._targets[row]

    @cached_property
    def _targets(self) -> list[Site]:
        t = self.tables
        basis, cells = t.type_basis[t.target_type].tolist(), t.cell.tolist()
        return [(b, nearest(cell, t.size)) for b, cell in zip(basis, cells, strict=True)]


@lru_cache(maxsize=4)
def couple(catalog: RateCatalog) -> Coupling:
    """What the interacting kernels need; the replicas of a point share it.

    Raises
    ------
    RateError : a fixed barrier beside energies that depend on the configuration; Coulomb energies beyond memory.
    """
    surroundings = build_surroundings(catalog, types_of(catalog.model))
    barriers = Barriers(catalog)
    _check_fixed(catalog, surroundings, barriers)
    codes = code_rate = None
    s = surroundings
    if s.pair is None and s.site_disorder is None and s.barrier_disorder is None:
        codes = _number_all(s)
    if codes is not None:
        code_rate = tuple(_rates(barriers, hop, c) for hop, c in enumerate(codes))
        bound = np.array([r[c.possible].max() for (r, _), c in zip(code_rate, codes, strict=True)])
    else:
        bound = np.array([_bound(catalog, s, barriers, hop) for hop in range(len(s.hops))])
    tables = build_tables(replace(catalog, rate=bound))
    coupling = Coupling(
        catalog=catalog,
        tables=tables,
        surroundings=surroundings,
        barriers=barriers,
        codes=codes,
        bound=bound,
        code_rate=code_rate,
    )
    if s.pair is not None:
        _check_memory(8 * s.pair.size << coupling.entry_bits, tables)
    return coupling


def aligned(array: IntArray) -> IntArray:
    """A copy that begins at a cache line, so that a row of `kernels_coulomb.LANES` numbers takes one line, not two."""
    room = np.empty(len(array) + CACHE_LINE // 8, np.int64)
    first = -room.ctypes.data % CACHE_LINE // 8
    found = room[first : first + len(array)]
    found[:] = array
    return found


def _check_memory(n_bytes: int, tables: Tables) -> None:
    if n_bytes > MOST_GRADIENT:
        raise RateError(
            Problem(
                message=f"Coulomb energies between {tables.n_types} kinds of sites in {tables.n_cells} cells take "
                f"{n_bytes / 2**30:.3g} GiB",
                key="supercell",
                value=tables.size,
                allowed=f"{MOST_GRADIENT / 2**30:g} GiB",
                remedy="take a smaller supercell",
            )
        )


def _check_fixed(catalog: RateCatalog, s: Surroundings, barriers: Barriers) -> None:
    """A rule that fixes the energy difference must not meet others."""
    net, model = catalog.model.network, catalog.model
    for hop, terms in enumerate(s.hops):
        rule = barriers.rule[hop]
        if rule.given_difference is None:
            continue
        charged = s.pair is not None and model.carriers[int(net.carrier[hop])].charge != 0
        least, most = terms.range(0)
        if charged or s.site_disorder is not None or least != most:
            raise RateError(
                Problem(
                    message="a fixed barrier does not follow energies that depend on the configuration",
                    key=model.hop_classes[int(net.hop_class[hop])].source,
                    value=rule.name,
                    allowed="a rule that holds for any energy difference",
                    remedy="use the rule 'kra'",
                )
            )


def _number_all(s: Surroundings) -> tuple[HopCodes, ...] | None:
    """Codes of all hops, or None when there are too many."""
    numbered, total = [], 0
    for terms in s.hops:
        codes = _number(terms, MOST_CODES - total)
        if codes is None:
            return None
        total += len(codes.difference)
        numbered.append(codes)
    return tuple(numbered)


def _number(terms: HopTerms, most: int) -> HopCodes | None:
    """Codes of one hop: a counter for each energy (of either sign) that conditions add, side by side."""
    up: dict[tuple[int, int], int] = {}
    down: dict[tuple[int, int], int] = {}

    def sign(numbers: tuple[int, int, int]) -> tuple[tuple[int, int] | None, int]:
        value = numbers[:2]
        if value == (0, 0):
            return None, 0
        return (value, 1) if value > (0, 0) else ((-value[0], -value[1]), -1)

    groups = [list(choices.values()) for choices in terms.single.values()]
    groups += [[numbers] for numbers in terms.several.values()]
    for choices in groups:  # of a site's species one is there at most
        signs = {sign(numbers) for numbers in choices}
        for key, direction in signs:
            if key is not None:
                up.setdefault(key, 0)
                down.setdefault(key, 0)
                (up if direction > 0 else down)[key] += 1
    keys = sorted(up)
    n_table = len(terms.table)
    stride, size = {}, n_table
    for key in keys:
        stride[key] = size
        size *= up[key] + down[key] + 1
        if size > most:
            return None
    number = np.arange(size)
    difference = np.full(size, terms.constant[0])
    shift = terms.constant[1] + np.array(terms.table)[number % n_table]
    zero = terms.constant[2]
    for key in keys:
        count = number // stride[key] % (up[key] + down[key] + 1) - down[key]
        difference, shift = difference + count * key[0], shift + count * key[1]
        zero += down[key] * stride[key]
    increment = {}
    for condition, numbers in terms.terms.items():
        key_, direction = sign(numbers)
        increment[condition] = numbers[2] + (0 if key_ is None else direction * stride[key_])
    possible = np.ones(size, np.bool_)
    least, highest = terms.range(0)
    possible &= (difference >= least) & (difference <= highest)
    least, highest = terms.range(1)
    bare = shift - np.array(terms.table)[number % n_table]
    possible &= (bare >= least) & (bare <= highest)
    return HopCodes(zero=zero, increment=increment, difference=difference, shift=shift, possible=possible)


def _rates(barriers: Barriers, hop: int, codes: HopCodes) -> tuple[FloatArray, BoolArray]:
    rate, clamped = np.zeros(len(codes.shift)), np.zeros(len(codes.shift), np.bool_)
    for i in np.flatnonzero(codes.possible):
        rate[i], clamped[i] = barriers.one(hop, int(codes.difference[i]), int(codes.shift[i]))
    return rate, clamped


def _bound(catalog: RateCatalog, s: Surroundings, barriers: Barriers, hop: int) -> float:
    """Largest rate of a hop: at the ends of its energies' range, or what no activation energy exceeds.

    Barriers rise with the energy difference for every rule but in the inverted region; where the rates on a grid
    do not fall monotonically, the energy of one grid step is allowed for. A rule of one's own may exceed that between
    the energies at which it was looked at.
    """
    highest = float(np.exp(barriers.log_prefactor[hop]))
    net, terms = catalog.model.network, s.hops[hop]
    if s.pair is not None and catalog.model.carriers[int(net.carrier[hop])].charge != 0:
        return highest  # activation energies are not negative
    least, most = terms.range(0)
    if s.site_disorder is not None:
        site = np.flatnonzero(np.asarray(catalog.model.species_sites).any(axis=0)).tolist()
        disorder = s.site_disorder[int(net.carrier[hop])]
        begin = disorder[..., site.index(int(net.origin[hop]))]
        end = disorder[..., site.index(int(net.target[hop]))]
        change = np.roll(end, tuple(-int(c) for c in net.cell[hop]), axis=(0, 1, 2)) - begin
        least, most = least + int(change.min()), most + int(change.max())
    shift = terms.range(1)[0] + min(terms.table)
    if s.barrier_disorder is not None:
        shift += int(s.barrier_disorder[hop].min())
    grid = [least + (most - least) * i // (GRID - 1) for i in range(GRID)]
    rates = [barriers.one(hop, x, shift)[0] for x in grid]
    bound = max(rates)
    if any(later > earlier * (1 + 1e-12) for earlier, later in pairwise(rates)):
        bound *= float(np.exp((most - least) / (GRID - 1) * QUANTUM / barriers.kt))
    return min(bound, highest)
