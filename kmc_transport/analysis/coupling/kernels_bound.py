"""Compiled loops over the hops of a chunk: carriers in contact, and environments of sites.

What was before the chunk is counted anew from where the carriers are, so that nothing is kept between chunks. A number
that changes by one at some tick changes its integral over the chunk by the ticks that are left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...jit import jit
from .kernels_pairs import moved
from .lattice import Links, Steps

__all__ = ["count_binding", "count_environments"]

IntArray = npt.NDArray[np.int64]


@jit
def count_binding(
    occupant: IntArray,
    ends: IntArray,
    species: IntArray,
    left: IntArray,
    length: int,
    a: int,
    b: int,
    steps: Steps,
    of_a: Links,
    of_b: Links,
    contact: npt.NDArray[np.bool_],
    pairs: IntArray,
    bound: IntArray,
    freed: IntArray,
    broken: IntArray,
) -> None:
    """Pairs of carriers of species a and b (which may be one) at each distance, and those in contact.

    occupant : (n_flat,) 0 or species + 1 as the chunk begins; kept up to date. ends : (2, n). left : (n,) ticks left of
    the chunk's ``length`` after each hop. of_a, of_b : sites of b round those of a, of a round those of b. contact :
    (D,) whether a distance is one. pairs : (D,) ticks times pairs. bound : (2,) ticks times carriers of a, of b with a
    partner in contact. freed : (2,) how often the last partner of such a carrier went. broken : (1,) contacts that
    ended.
    """
    partners = np.zeros(len(occupant), np.int64)
    mark = np.zeros(len(occupant), np.int64)
    for here in range(len(occupant)):
        for role in range(2 if a != b else 1):
            if occupant[here] != (a if role == 0 else b) + 1:
                continue
            links, other = (of_a, b) if role == 0 else (of_b, a)
            basis = here % steps.n_sites
            for link in range(links.first[basis], links.first[basis + 1]):
                there = moved(here, links.cell[link], links.site[link], steps)
                if occupant[there] != other + 1:
                    continue
                window = links.window[link]
                if role == 0 and (a != b or there > here):
                    pairs[window] += length
                if contact[window]:
                    partners[here] += 1
            if partners[here] > 0:
                bound[role] += length
    for h in range(len(left)):
        s, origin, target = species[h], ends[0, h], ends[1, h]
        occupant[origin] = 0
        occupant[target] = s + 1
        if (s != a and s != b) or origin == target:
            continue
        mine = 0 if s == a else 1
        links, other = (of_a, b) if mine == 0 else (of_b, a)
        his = mine if a == b else 1 - mine
        before, after = partners[origin], 0
        basis = origin % steps.n_sites
        for link in range(links.first[basis], links.first[basis + 1]):
            there = moved(origin, links.cell[link], links.site[link], steps)
            if occupant[there] == other + 1 and there != target:
                pairs[links.window[link]] -= left[h]
                if contact[links.window[link]]:
                    mark[there] = h + 1
        basis = target % steps.n_sites
        for link in range(links.first[basis], links.first[basis + 1]):
            there = moved(target, links.cell[link], links.site[link], steps)
            if occupant[there] == other + 1:
                pairs[links.window[link]] += left[h]
                if contact[links.window[link]]:
                    after += 1
                    if mark[there] == h + 1:
                        mark[there] = 0  # they stay together
                    else:
                        partners[there] += 1
                        if partners[there] == 1:
                            bound[his] += left[h]
        basis = origin % steps.n_sites
        for link in range(links.first[basis], links.first[basis + 1]):
            there = moved(origin, links.cell[link], links.site[link], steps)
            if mark[there] == h + 1:
                mark[there] = 0
                broken[0] += 1
                partners[there] -= 1
                if partners[there] == 0:
                    bound[his] -= left[h]
                    freed[his] += 1
        partners[origin] = 0
        partners[target] = after
        if before > 0 and after == 0:
            bound[mine] -= left[h]
            freed[mine] += 1
        if before == 0 and after > 0:
            bound[mine] += left[h]


@jit
def count_environments(
    occupant: IntArray,
    ends: IntArray,
    species: IntArray,
    left: IntArray,
    length: int,
    a: int,
    b: int,
    steps: Steps,
    around: Links,
    seen_from: Links,
    bit: IntArray,
    kind: IntArray,
    ticks: IntArray,
    flips: IntArray,
) -> None:
    """Time that sites of species a spend in each environment of carriers of species b, and their flips.

    around : sites of b round those of a; the n-th of a site makes bit n of its pattern. seen_from : sites of a round
    those of b, which are bit ``bit`` (K,) of the pattern there. kind : (n_sites, 2**bits) environment of a pattern, -1
    for sites without. ticks, flips : (E,).
    """
    pattern = np.zeros(len(occupant), np.int64)
    for here in range(len(occupant)):
        basis = here % steps.n_sites
        if kind[basis, 0] < 0:
            continue
        for link in range(around.first[basis], around.first[basis + 1]):
            if occupant[moved(here, around.cell[link], around.site[link], steps)] == b + 1:
                pattern[here] |= 1 << (link - around.first[basis])
        ticks[kind[basis, pattern[here]]] += length
    for h in range(len(left)):
        s = species[h]
        if ends[0, h] == ends[1, h]:
            continue
        if s == a:
            for k in range(2):
                flips[kind[ends[k, h] % steps.n_sites, pattern[ends[k, h]]]] += 1
        if s == b:
            for k in range(2):
                basis = ends[k, h] % steps.n_sites
                for link in range(seen_from.first[basis], seen_from.first[basis + 1]):
                    there = moved(ends[k, h], seen_from.cell[link], seen_from.site[link], steps)
                    ticks[kind[there % steps.n_sites, pattern[there]]] -= left[h]
                    pattern[there] ^= 1 << bit[link]
                    ticks[kind[there % steps.n_sites, pattern[there]]] += left[h]
