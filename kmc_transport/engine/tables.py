"""From the rate catalog to the frozen arrays that engines read.

A *type* is a (species, basis site) pair that a carrier can be in. Each type has ``width`` *rows*, one for each
slot of its alias table: its hops first, then a null slot (nothing happens) and padding. A carrier knows the
first row of its type, its *base*; row = base + slot tells everything about the hop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import fsum

import numpy as np
import numpy.typing as npt

from ..model.model import Model, frozen_array
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..rates.catalog import RateCatalog

__all__ = ["NULL", "Tables", "Types", "alias_table", "build_tables", "types_of"]

NULL = -1
"""Hop index of a slot in which nothing happens."""

EQUAL_RATES = 1e-12
"""Rates closer than this (relative) share a class of the rejection-free lists; their own rounding is larger."""

SLOT_RESOLUTION = 2.0**-24
"""Largest relative error of a slot's probability that one 64-bit number may cause when it picks carrier and slot."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Types:
    """Where carriers can be: T types, B basis sites that some carrier or immobile species may occupy."""

    model: Model
    size: tuple[int, int, int]
    """Cells along each axis."""
    basis_site: IntArray
    """(B,) index of the basis site in the model's cell."""
    type_species: IntArray
    """(T,)"""
    type_basis: IntArray
    """(T,) index into `basis_site`."""

    @property
    def n_types(self) -> int:
        return len(self.type_species)

    @property
    def n_basis(self) -> int:
        return len(self.basis_site)


def types_of(model: Model) -> Types:
    """Types in the order of the carriers, then sites."""
    allowed = np.asarray(model.allowed_sites)
    basis_site = np.flatnonzero(np.any(model.species_sites, axis=0))
    species, site = np.nonzero(allowed)
    a, b, c = map(int, model.supercell)
    return Types(
        model=model,
        size=(a, b, c),
        basis_site=frozen_array(basis_site, np.int64),
        type_species=frozen_array(species, np.int64),
        type_basis=frozen_array(np.searchsorted(basis_site, site), np.int64),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Tables(Types):
    """Everything about the network that does not change while hopping; arrays are read-only.

    S species, T types, W = width, R = T W rows, B basis sites, L links a site.
    """

    number: IntArray
    """(S,) carriers of each species; carriers are numbered species by species."""
    bound: FloatArray
    """(S,) largest total escape rate of the species over its basis sites, 1/s."""
    centre: FloatArray
    """(T, 3) charge centre of a carrier of this type in cell (0, 0, 0), Å."""
    width: int
    n_hops: IntArray
    """(T,) hops of each type; they fill the first slots."""
    threshold: npt.NDArray[np.uint64]
    """(R,) a 64-bit fraction below it keeps the slot, else `alias` is taken."""
    alias: IntArray
    """(R,) row"""
    hop: IntArray
    """(R,) index into the catalog, or `NULL`."""
    link: IntArray
    """(R,) column of the neighbour table (0 for null)."""
    target_type: IntArray
    """(R,) type after the hop."""
    cell: IntArray
    """(R, 3) cell offset."""
    vector: FloatArray
    """(R, 3) Å; 0 for null."""
    rate: FloatArray
    """(R,) 1/s; 0 for null."""
    to_itself: BoolArray
    """(R,) whether the hop ends on the carrier's own periodic image, which exclusion does not forbid."""
    links: tuple[tuple[tuple[int, tuple[int, int, int]], ...], ...]
    """For each basis site its links: (target basis site, cell offset)."""
    incoming: tuple[tuple[tuple[int, int, int], ...], ...]
    """For each basis site the hops that end there: (link that leads back to the origin, species, slot)."""
    rate_class: IntArray
    """(R,) class of equal rates, -1 for null."""
    class_rate: FloatArray
    """(C,) 1/s"""
    two_draws: bool
    """Whether carrier and slot need a random number each."""

    @property
    def n_species(self) -> int:
        return len(self.number)

    @property
    def n_rows(self) -> int:
        return len(self.hop)

    @property
    def n_cells(self) -> int:
        return self.size[0] * self.size[1] * self.size[2]

    @property
    def n_sites(self) -> int:
        return self.n_cells * self.n_basis

    @property
    def first(self) -> IntArray:
        """(S + 1,) number of the first carrier of each species, and their total."""
        return np.concatenate([[0], np.cumsum(self.number)])

    @property
    def integer_steps(self) -> bool:
        """Whether every displacement of a carrier is a whole number of cells (one type a species)."""
        return self.n_types == self.n_species


def alias_table(rates: list[float], bound: float, width: int) -> tuple[list[int], list[int]]:
    """Thresholds and aliases of ``width`` slots: slot k gets ``rates[k] / bound``, slot len(rates) the rest.

    Walker's method in whole numbers: the probabilities are multiples of 2**-64 / width, so that the table
    itself adds no rounding; rates below that are dropped. The largest slot takes the rounding of the others.
    (A. J. Walker, ACM Trans. Math. Softw. 3, 253 (1977); M. D. Vose, IEEE Trans. Softw. Eng. 17, 972 (1991).)
    """
    full = 1 << 64
    total = width * full
    weight = [round(Fraction(r) / Fraction(bound) * total) for r in rates] + [0] * (width - len(rates))
    rest = total - sum(weight)
    if len(rates) < width and rest > width:
        weight[len(rates)] = rest
    else:
        weight[max(range(width), key=weight.__getitem__)] += rest
    threshold, alias = [full - 1] * width, list(range(width))
    small = [k for k in range(width) if weight[k] < full]
    large = [k for k in range(width) if weight[k] >= full]
    while small:
        k = small.pop()
        big = large[-1]
        threshold[k], alias[k] = weight[k], big
        weight[big] -= full - weight[k]
        if weight[big] < full:
            small.append(large.pop())
    return threshold, alias


@lru_cache(maxsize=4)
def build_tables(catalog: RateCatalog) -> Tables:
    """Freeze what the engine needs of ``catalog``; the replicas of a point share it.

    Raises ValueError when the hop vectors are not differences of charge centres (a displacement would then
    depend on the path).
    """
    model, net = catalog.model, catalog.model.network
    model.require_settled()
    found, n_species = types_of(model), len(model.carriers)
    basis_of = {int(site): b for b, site in enumerate(found.basis_site)}
    types = list(zip(found.type_species.tolist(), found.type_basis.tolist(), strict=True))
    type_of = {t: k for k, t in enumerate(types)}

    hops: list[list[int]] = [[] for _ in types]
    for h in range(net.n_hops):
        hops[type_of[int(net.carrier[h]), basis_of[int(net.origin[h])]]].append(h)
    total = [fsum(catalog.rate[h] for h in hs) for hs in hops]
    bound = [
        max((t for t, (s, _) in zip(total, types, strict=True) if s == a), default=0.0)
        for a in range(n_species)
    ]
    # a null slot only where the type's total falls short of the bound
    width = max(
        1,
        max(
            (len(hs) + (total[k] < bound[types[k][0]] * (1 - 1e-15)) for k, hs in enumerate(hops)),
            default=1,
        ),
    )

    links: list[list[tuple[int, tuple[int, int, int]]]] = [[] for _ in found.basis_site]
    n_rows = width * len(types)
    threshold = np.zeros(n_rows, np.uint64)
    alias = np.zeros(n_rows, np.int64)
    hop = np.full(n_rows, NULL)
    link = np.zeros(n_rows, np.int64)
    target_type = np.repeat(np.arange(len(types)), width)
    cell = np.zeros((n_rows, 3), np.int64)
    vector = np.zeros((n_rows, 3))
    rate = np.zeros(n_rows)
    to_itself = np.zeros(n_rows, np.bool_)
    row_of_hop: dict[int, int] = {}
    smallest = np.ones(n_species)
    for k, (s, b) in enumerate(types):
        base = k * width
        if bound[s] > 0:
            keep, other = alias_table([float(catalog.rate[h]) for h in hops[k]], bound[s], width)
        else:
            keep, other = [0] * width, list(range(width))
        threshold[base : base + width] = keep
        alias[base : base + width] = np.array(other) + base
        for slot, h in enumerate(hops[k]):
            row = base + slot
            target = basis_of[int(net.target[h])]
            offset = tuple(int(c) for c in net.cell[h])
            if (target, offset) not in links[b]:
                links[b].append((target, offset))  # type: ignore[arg-type]
            hop[row], row_of_hop[h] = h, row
            link[row] = links[b].index((target, offset))  # type: ignore[arg-type]
            target_type[row] = type_of[s, target]
            cell[row], vector[row], rate[row] = net.cell[h], net.vector[h], catalog.rate[h]
            to_itself[row] = target == b and not np.any(net.cell[h] % np.array(found.size))
            smallest[s] = min(smallest[s], rate[row] / bound[s])

    incoming: list[list[tuple[int, int, int]]] = [[] for _ in range(found.n_basis)]
    for (_, basis), hs in zip(types, hops, strict=True):
        incoming[basis] += [
            (int(link[row_of_hop[h]]), int(net.carrier[h]), row_of_hop[int(net.reverse[h])] % width)
            for h in hs
        ]
    rate_class, class_rate = _classes(rate)
    number = np.array([c.count for c in model.carriers], np.int64)
    return Tables(
        **vars(found),
        number=frozen_array(number, np.int64),
        bound=frozen_array(bound, np.float64),
        centre=frozen_array(_centres(catalog, types, found.basis_site, type_of, basis_of), np.float64),
        width=width,
        n_hops=frozen_array([len(hs) for hs in hops], np.int64),
        threshold=frozen_array(threshold, np.uint64),
        alias=frozen_array(alias, np.int64),
        hop=frozen_array(hop, np.int64),
        link=frozen_array(link, np.int64),
        target_type=frozen_array(target_type, np.int64),
        cell=frozen_array(cell, np.int64),
        vector=frozen_array(vector, np.float64),
        rate=frozen_array(rate, np.float64),
        to_itself=frozen_array(to_itself, np.bool_),
        links=tuple(tuple(x) for x in links),
        incoming=tuple(map(tuple, incoming)),
        rate_class=frozen_array(rate_class, np.int64),
        class_rate=frozen_array(class_rate, np.float64),
        # the fraction left over by the choice among n carriers is a multiple of n / 2**64
        two_draws=bool(np.any(number * 2.0**-64 > SLOT_RESOLUTION * smallest)),
    )


def _classes(rate: FloatArray) -> tuple[IntArray, list[float]]:
    """Class of each row and the rate of each class; rates equal within `EQUAL_RATES` share a class."""
    rate_class = np.full(len(rate), -1)
    class_rate: list[float] = []
    for row in sorted(np.flatnonzero(rate > 0), key=lambda r: (rate[r], r)):
        if not class_rate or rate[row] > class_rate[-1] * (1 + EQUAL_RATES):
            class_rate.append(float(rate[row]))
        rate_class[row] = len(class_rate) - 1
    return rate_class, class_rate


def _centres(
    catalog: RateCatalog,
    types: list[tuple[int, int]],
    basis_site: IntArray,
    type_of: dict[tuple[int, int], int],
    basis_of: dict[int, int],
) -> FloatArray:
    """(T, 3) charge centres such that every hop vector is the difference of two of them.

    They are the site positions when these fit; else they are followed along the hops from one site of each
    connected part.
    """
    model, net = catalog.model, catalog.model.network
    cart = np.asarray(model.structure.cart)[basis_site]
    step = net.vector - net.cell @ model.structure.lattice
    origin = [type_of[int(c), basis_of[int(i)]] for c, i in zip(net.carrier, net.origin, strict=True)]
    target = [type_of[int(c), basis_of[int(i)]] for c, i in zip(net.carrier, net.target, strict=True)]
    centre = cart[[b for _, b in types]]
    tolerance = 1e-9 * (1 + float(np.abs(net.vector).max(initial=0.0)))
    if net.n_hops == 0 or np.abs(centre[target] - centre[origin] - step).max() <= tolerance:
        return centre
    leaving: list[list[int]] = [[] for _ in types]
    for h, k in enumerate(origin):
        leaving[k].append(h)
    known = [False] * len(types)
    for start in range(len(types)):
        if known[start]:
            continue
        known[start] = True
        queue = deque([start])
        while queue:
            k = queue.popleft()
            for h in leaving[k]:
                if not known[target[h]]:
                    known[target[h]] = True
                    centre[target[h]] = centre[k] + step[h]
                    queue.append(target[h])
    worst = np.abs(centre[target] - centre[origin] - step).max(axis=1)
    if worst.max() > 1e-6:
        raise ValueError(
            f"hop vectors do not close: hop {int(worst.argmax())} misses by {worst.max():.3g} Å; "
            "the displacement of a carrier would depend on its path"
        )
    return centre
