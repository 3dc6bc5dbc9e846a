"""Hops that an engine has logged, as chunks for whoever counts something in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..ndarrays import IntArray
from ..records import TICKS, HopChunk
from .backend import Backend, Carriers, HopLog
from .kernels_times import order_statistics
from .tables import Tables

__all__ = ["MOST_LOGGED", "Feed", "OnHops"]

OnHops = Callable[[HopChunk], None]
"""Is given chunks of hops."""

MOST_LOGGED = 2**16
"""Attempts of a call while hops are logged: their log stays small, and sums of their ticks below 2**53."""


class Feed:
    """Makes chunks of what calls of the engine have logged, one of each call, from its present state on.

    key : of the times that are drawn for null events; they depend on it, on the sample and the attempt alone.
    """

    def __init__(self, backend: Backend, on_hops: OnHops, key: int = 0) -> None:
        self.backend, self.on_hops, self.key = backend, on_hops, key
        self.now = backend.carriers()
        t, types = backend.tables, self.now.types
        self.carriers = np.zeros((t.n_species, t.model.structure.n_sites), np.int64)
        np.add.at(self.carriers, (t.type_species[types], t.basis_site[t.type_basis[types]]), 1)

    def deliver(
        self, hops: HopLog, *, window: int, begin: int, end: int, sample: int, interval: float
    ) -> None:
        """Hand on what a call has logged.

        begin, end : ticks between which it was. sample : number of the sample in which it began. interval : s.
        """
        tables, net = self.backend.tables, self.backend.tables.model.network
        hop = tables.hop[hops.row]
        when = np.rint(hops.mean_parts() * TICKS).astype(np.int64)
        before, self.now = self.now, self.backend.carriers()
        chunk = HopChunk(
            window=window,
            length=end - begin,
            tick_seconds=interval / TICKS,
            carriers=self.carriers,
            tick=(sample + hops.sample) * TICKS - begin + when,
            carrier=hops.carrier,
            hop=hop,
            measure=partial(self.backend.hop_energies, hops),
            begin=begin,
            locate=partial(sites_of, tables, before),
            draw=partial(drawn_ticks, hops, sample, self.key) if len(hops.attempts) else None,
        )
        known = slice(0, len(chunk.often))
        self.carriers = self.carriers.copy()
        np.add.at(self.carriers, (net.carrier[known], net.target[known]), chunk.often)
        np.subtract.at(self.carriers, (net.carrier[known], net.origin[known]), chunk.often)
        self.on_hops(chunk)


def sites_of(tables: Tables, carriers: Carriers) -> IntArray:
    """(N,) site of the supercell of each carrier."""
    return (
        carriers.cell * tables.model.structure.n_sites + tables.basis_site[tables.type_basis[carriers.types]]
    )


def drawn_ticks(hops: HopLog, sample: int, key: int) -> IntArray:
    """(n,) ticks since the last reset of null events. sample : number of the one in which the log begins."""
    part = np.zeros(len(hops.sample))
    number = hops.when.astype(np.int64)
    with np.errstate(over="ignore"):  # only seen when the kernels run as plain Python
        order_statistics(np.uint64(key), sample, hops.attempts, hops.sample, number, part)
    return (sample + hops.sample) * TICKS + np.rint(part * TICKS).astype(np.int64)
