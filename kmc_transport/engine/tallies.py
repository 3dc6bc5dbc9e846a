"""Tallies as the kernels count them, before they are put into the catalog's words and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ndarrays import FloatArray, IntArray
from ..records import Tallies
from .tables import NULL, Tables

__all__ = ["LOG_COLUMNS", "TALLY_ARRAYS", "RawTallies", "tallies_of"]

TALLY_ARRAYS = ("events", "attempts", "collective", "tracer")
"""Fields of `RawTallies`."""

LOG_COLUMNS = 6
"""Of the kernels' log of executed hops: sample (of those of the call); carrier; table row; when in the sample (null
events: at which attempt; else the time in intervals); with interactions energy difference and barrier shift in quanta,
or by code the number of the code among those of all rows, and nothing."""


@dataclass
class RawTallies:
    """n finished rows of `kmc_transport.records.Tallies`; R rows of `Tables`, L levels, S species.

    events : (n, R). attempts : (n,). collective : (n, L+1, 3S, 3S) Å².
    tracer : (n, L+1, S, 6) xx, yy, zz, yz, xz, xy: in cells where `Tables.integer_steps`, else in Å.
    """

    events: IntArray
    attempts: IntArray
    collective: FloatArray
    tracer: FloatArray

    @staticmethod
    def empty(n: int, n_table_rows: int, levels: int, n_species: int) -> RawTallies:
        return RawTallies(
            np.zeros((n, n_table_rows), np.int64),
            np.zeros(n, np.int64),
            np.zeros((n, levels + 1, 3 * n_species, 3 * n_species)),
            np.zeros((n, levels + 1, n_species, 6)),
        )

    @property
    def levels(self) -> int:
        return self.tracer.shape[1] - 1

    def __len__(self) -> int:
        return len(self.attempts)

    def part(self, which: slice) -> RawTallies:
        """Some of the rows."""
        return RawTallies(
            self.events[which], self.attempts[which], self.collective[which], self.tracer[which]
        )

    def head(self, n: int) -> RawTallies:
        """The first ``n`` rows."""
        return self.part(slice(0, n))

    def pairs(self) -> RawTallies:
        """Neighbours added up; needs an even number of rows."""
        a, b = self.part(slice(0, None, 2)), self.part(slice(1, None, 2))
        return RawTallies(
            a.events + b.events, a.attempts + b.attempts, a.collective + b.collective, a.tracer + b.tracer
        )

    @staticmethod
    def concatenate(parts: list[RawTallies]) -> RawTallies:
        return RawTallies(*(np.concatenate([getattr(p, name) for p in parts]) for name in TALLY_ARRAYS))


def tallies_of(raw: RawTallies, tables: Tables, *, sample_interval: float, windows_per_row: int) -> Tallies:
    """The same in the catalog's hops and in Å."""
    t, n, s, levels = tables, len(raw), tables.n_species, raw.levels
    events = np.zeros((n, t.model.network.n_hops), np.int64)
    real = np.flatnonzero(t.hop != NULL)
    events[:, t.hop[real]] = raw.events[:, real]
    displacement = np.zeros((n, s, 3))
    species = t.type_species[real // t.width]
    for a in range(s):
        own = real[species == a]
        displacement[:, a] = raw.events[:, own] @ t.vector[own]
    tracer = raw.tracer[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    if t.integer_steps:
        lattice = t.model.structure.lattice
        tracer = lattice.T @ tracer @ lattice
    return Tallies(
        sample_interval=sample_interval,
        levels=levels,
        windows_per_row=windows_per_row,
        number=np.array(t.number),
        events=events,
        attempts=raw.attempts.copy(),
        displacement=displacement,
        collective=raw.collective.reshape(n, levels + 1, s, 3, s, 3).copy(),
        tracer=tracer,
    )
