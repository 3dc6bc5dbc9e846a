"""Compiled loops over the hops of a chunk: where they lead, and pairs of flips.

A site *flips* when it gains a carrier of a species (up) or loses one (down). The latest flips lie in a ring; those of
one site are chained backwards, so that a flip meets only the earlier ones of the sites around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...jit import jit, part
from .lattice import Links, Steps

__all__ = ["Flips", "chain", "count_pairs", "moved", "walk"]

IntArray = npt.NDArray[np.int64]


class Flips(NamedTuple):
    """The last flips: number e, counted from 0, lies in place ``e % len(tick)``."""

    tick: IntArray
    code: IntArray
    """Twice the species, plus 1 for up."""
    site: IntArray
    before: IntArray
    """Number of the flip before it on the same site, -1 for none."""
    last: IntArray
    """(n_flat,) number of the latest flip of each site, -1 for none."""
    total: IntArray
    """(1,) flips so far."""


@part
def moved(flat: int, cell: IntArray, site: int, steps: Steps) -> int:
    """Site of the supercell: ``site`` of the cell that lies ``cell`` (3,) away from that of ``flat``."""
    c = flat // steps.n_sites
    k = (c % steps.size[2] + cell[2]) % steps.size[2]
    c //= steps.size[2]
    j = (c % steps.size[1] + cell[1]) % steps.size[1]
    i = (c // steps.size[1] + cell[0]) % steps.size[0]
    return ((i * steps.size[1] + j) * steps.size[2] + k) * steps.n_sites + site


@jit
def walk(sites: IntArray, carrier: IntArray, hop: IntArray, steps: Steps) -> IntArray:
    """(2, n) sites that n hops leave and reach. sites : (N,) of the carriers; kept up to date."""
    ends = np.empty((2, len(hop)), np.int64)
    for h in range(len(hop)):
        c, step = carrier[h], hop[h]
        ends[0, h] = sites[c]
        sites[c] = moved(sites[c], steps.cell[step], steps.target[step], steps)
        ends[1, h] = sites[c]
    return ends


@part
def _remember(flips: Flips, tick: int, code: int, site: int) -> None:
    e = flips.total[0]
    place = e % len(flips.tick)
    flips.tick[place] = tick
    flips.code[place] = code
    flips.site[place] = site
    flips.before[place] = flips.last[site]
    flips.last[site] = e
    flips.total[0] = e + 1


@jit
def chain(flips: Flips, tick: IntArray, code: IntArray, site: IntArray) -> None:
    """Put these flips, in the order of time, into an empty ring that has room for them."""
    for e in range(len(tick)):
        _remember(flips, tick[e], code[e], site[e])


@jit
def count_pairs(
    ends: IntArray,
    species: IntArray,
    tick: IntArray,
    tracked: npt.NDArray[np.bool_],
    edges: IntArray,
    since: int,
    steps: Steps,
    links: Links,
    flips: Flips,
    pairs: IntArray,
    lost: IntArray,
) -> None:
    """Pairs of the flips of n hops with each other and with those before.

    ends : (2, n) sites left and reached. species, tick : (n,) of the hops, in the order of time. tracked : (S,) species
    whose flips count. edges : (W + 1,) borders of the windows of lag in ticks, the first 0. since : tick from which on
    all flips are known: a window counts once it is that old. pairs : (S, S, 2, W + 1, D) species of the earlier and the
    later flip, same or opposite, window of lag (0: of one hop), window of distance. lost : (W + 1,) how often the ring
    did not reach back to the end of a window.
    """
    n_windows, room = len(edges) - 1, len(flips.tick)
    for h in range(len(tick)):
        a, now = species[h], tick[h]
        if not tracked[a] or ends[0, h] == ends[1, h]:  # onto its own periodic image
            continue
        if flips.total[0] > room:
            known = now - flips.tick[flips.total[0] % room]
            for w in range(n_windows):
                if edges[w + 1] >= known:
                    lost[w + 1] += 1
        for up in range(2):
            here = ends[up, h]
            basis = here % steps.n_sites
            for link in range(links.first[basis], links.first[basis + 1]):
                there = moved(here, links.cell[link], links.site[link], steps)
                window = links.window[link]
                if up == 1 and there == ends[0, h]:
                    pairs[a, a, 1, 0, window] += 1
                e, w = flips.last[there], 0
                while e >= 0 and e >= flips.total[0] - room:
                    place = e % room
                    lag = now - flips.tick[place]
                    while w < n_windows and lag > edges[w + 1]:
                        w += 1
                    if w == n_windows:
                        break
                    if now - since >= edges[w + 1]:
                        code = flips.code[place]
                        pairs[code >> 1, a, int((code & 1) != up), w + 1, window] += 1
                    e = flips.before[place]
        _remember(flips, now, 2 * a, ends[0, h])
        _remember(flips, now, 2 * a + 1, ends[1, h])
