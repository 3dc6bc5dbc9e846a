"""Hops that a kernel has logged, as chunks for whoever counts something in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..rates.catalog import RateCatalog
from ..records import TICKS, HopChunk
from .rows import LOG_COLUMNS
from .tables import Tables

if TYPE_CHECKING:
    from .interacting.coupling import Coupling

__all__ = ["MOST_LOGGED", "Feed", "OnHops"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OnHops = Callable[[HopChunk], None]
"""Is given chunks of hops."""

MOST_LOGGED = 2**16
"""Attempts of a call while hops are logged: their log stays small, and sums of their ticks below 2**53."""


class Feed:
    """Makes chunks of what calls of a kernel have logged, one of each call.

    backend : the state that is advanced. kind : (N,) type of each carrier now. on_hops : is given the chunks.
    """

    def __init__(
        self, catalog: RateCatalog, tables: Tables, coupling: Coupling | None, backend: Any, on_hops: OnHops
    ) -> None:
        self.catalog, self.tables, self.coupling = catalog, tables, coupling
        self.backend, self.on_hops = backend, on_hops
        model, kind = catalog.model, backend.kinds()
        self.carriers = np.zeros((len(model.carriers), model.structure.n_sites), np.int64)
        place = tables.type_species[kind], tables.basis_site[tables.type_basis[kind]]
        np.add.at(self.carriers, place, 1)

    def log(self, most: int) -> FloatArray:
        """Room for the hops of a call that executes so many at most."""
        self._log = np.empty((most, LOG_COLUMNS))
        return self._log

    def deliver(
        self,
        *,
        window: int,
        begin: int,
        end: int,
        sample: int,
        interval: float,
        attempts: tuple[int, IntArray],
    ) -> None:
        """Hand on what the call has logged.

        begin, end : ticks between which it was. sample : number of the sample in which it began. interval : s.
        attempts : of null events: those made of the first sample before the call, and the number of each sample's.
        """
        log, net = self._log[: self.backend.logged], self.catalog.model.network
        number, when = log[:, 0].astype(np.int64), log[:, 3]
        made, of_sample = attempts
        if len(of_sample):
            # n attempts cut the interval into n + 1 parts of equal mean length, whichever of them are hops
            when = (when + (1 + made)) / (of_sample[number] + 1)
        hop = self.tables.hop[log[:, 2].astype(np.int64)]
        chunk = HopChunk(
            window=window,
            length=end - begin,
            tick_seconds=interval / TICKS,
            carriers=self.carriers,
            tick=(sample + number) * TICKS - begin + np.rint(when * TICKS).astype(np.int64),
            carrier=log[:, 1].astype(np.int64),
            hop=hop,
            measure=partial(self._energies, log, hop),
        )
        often = np.bincount(hop, minlength=net.n_hops)
        self.carriers = self.carriers.copy()
        np.add.at(self.carriers, (net.carrier, net.target), often)
        np.subtract.at(self.carriers, (net.carrier, net.origin), often)
        self.on_hops(chunk)

    def _energies(self, log: FloatArray, hop: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `HopChunk.energies`."""
        if self.coupling is None:
            energy, net = self.catalog.model.site_energy, self.catalog.model.network
            difference = energy[net.carrier, net.target] - energy[net.carrier, net.origin]
            return difference[hop], self.catalog.effective_barrier[hop]
        difference, shift = self.backend.logged_energies(log)
        height = self.coupling.barriers.heights_of(hop, difference, shift)
        return difference * self.coupling.quantum, height
