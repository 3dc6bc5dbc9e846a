"""The compiled backend of few carriers that hop back and forth: arrays of the kernels made, run, and read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...energies.supercell import depends_on_configuration
from ...ndarrays import FloatArray, IntArray
from .. import kernels_sampling as ks
from ..backend import Backend, Carriers, Chunk, Counts, HopLog, Start
from ..compiled import SAVED, Compiled
from ..interacting import kernels_coulomb as kc
from ..interacting import kernels_null as kn
from ..interacting.backend import Interacting
from ..interacting.coupling import Coupling, couple
from ..interacting.lattice import CoupledLattice
from ..interacting.lists import charge_arrays
from ..interacting.start import pick_interacting
from ..plain.backend import Plain
from ..selection import expected_acceptance, pick_algorithm, pick_layout
from ..tables import NULL, Tables, build_tables
from . import kernels_basins as kb
from . import kernels_stays as kt
from .kernels_chain import MOST_LEVELS

__all__ = ["Absorbing", "make_absorbing"]

ENOUGH_STEPS = 2000.0
"""Hops and stays after which it is seen whether stays pay."""

DEAR, VERY_DEAR, LOOKS = 2.0, 20.0, 100
"""Cost of a step with a single carrier, in hops of the engine that the model needs otherwise, with interactions and
without; entries of carriers (beyond) that cost as much again. Measured; a step looks at all of them."""

MOST_BASINS, MOST_NUMBERS, MOST_WORDS = 4096, 2**21, 2**13
"""Basins, numbers and states that are kept; where there is no more room all are found anew."""


def make_absorbing(start: Start) -> Backend:
    """Always this engine; energies are always summed up, never looked up by code."""
    coupling = replace(couple(start.catalog), codes=None, code_rate=None)
    carriers, annealing = start.place(coupling.tables)
    backend = Absorbing(coupling, start, carriers)
    backend.annealing = annealing
    backend.energy_drift()
    return backend


class Absorbing(Interacting):
    """State of one replica. Every hop's rate is found anew from the configuration; basins are kept beside."""

    saved: ClassVar[tuple[str, ...]] = (*SAVED, "clamped", "ledger", "recent", "memory", "carry", "gain")

    def __init__(self, coupling: Coupling, start: Start, carriers: Carriers) -> None:
        Compiled.__init__(self, coupling.tables, start, carriers, algorithm="absorbing", layout="halo")
        self.coupling, self.lattice = coupling, CoupledLattice(coupling)
        self.shift, self.bits = 32, self.lattice.bits
        t = self.tables
        self._arrays = {
            **self.lattice.arrays(False),
            **self._tally_state(start.words),
            **self._measures(),
            **charge_arrays(coupling, self.n, False),
            "clamped": np.zeros(t.n_rows, np.int64),
            "ledger": np.zeros(2, np.int64),
            "remaining": np.ones(1),
            "reverse": reverse_rows(t),
            "rate": np.zeros(self.n << self.bits),
            "recent": np.zeros(kt.RECENT, np.uint64),
            "memory": np.zeros(5, np.int64),
            "carry": np.zeros(t.n_rows),
            "gain": np.zeros(2),
            **_basins(self.n),
            **_growth(self.n, self.bits, t.n_rows),
        }
        self._put(carriers)

    def _configure_lists(self, sample_interval: float) -> None:
        self._arrays["interval"] = float(sample_interval)

    def run(self, n_samples: int, work: int, *, most_logged: int | None = None) -> Chunk:
        """See `Backend.run`. Raises ValueError where hops are to be listed: those within a stay are not made."""
        if most_logged is not None:
            raise ValueError("with absorbing chains, hops within a stay are not made and cannot be listed")
        return super().run(n_samples, work)

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Counted, log: FloatArray) -> int:
        lattice, around, energies = self._tuple(kn.Place), self._tuple(kn.Around), self._tuple(kn.Energies)
        present = self._tuple(kb.Moves), lattice, around, energies, self._tuple(kc.CoulombArrays)
        basins = self["growth"], self._tuple(kb.Basins)
        left = kt.run_stays(n_samples, self._most, present, basins, self._tuple(ks.Tally), out)
        return int(left)

    def check(self) -> float:
        return abs(self.energy_drift())

    def logged_energies(self, hops: HopLog) -> tuple[IntArray, IntArray]:
        return hops.numbers[:, 0], hops.numbers[:, 1]

    def clamped_events(self) -> IntArray:
        """As of the engine that the model needs otherwise."""
        found = super().clamped_events()
        return found if depends_on_configuration(self.tables.model) else np.zeros_like(found)

    def successor(self, done: Counts) -> Backend:
        """The engine that goes hop by hop, where stays are too short or too rare."""
        hops, steps = self["gain"]
        return self if steps < ENOUGH_STEPS or hops >= self.least_gain * steps else self.hop_by_hop()

    @property
    def least_gain(self) -> float:
        """Hops of a step that make up for what it costs: a look at every hop of every carrier."""
        alone = DEAR if depends_on_configuration(self.tables.model) else VERY_DEAR
        return alone * (1 + (self.n << self.bits) / LOOKS)

    def hop_by_hop(self) -> Backend:
        """The same carriers and random stream in the engine that the model needs otherwise, the tallies empty."""
        start, carriers = replace(self.start, algorithm="auto"), self.carriers()
        new: Compiled
        if depends_on_configuration(self.tables.model):
            coupling = couple(start.catalog)
            algorithm, acceptance = pick_interacting(coupling, start, carriers)
            new = Interacting(coupling, start, carriers, algorithm=algorithm)
            new["clamped"][...], new["ledger"][...] = self["clamped"], self["ledger"]
            new.energy_base = self.energy_base
        else:
            tables = build_tables(start.catalog)
            acceptance = expected_acceptance(start.catalog, tables)
            algorithm = pick_algorithm("auto", tables, acceptance)
            layout = pick_layout("auto", tables, algorithm)
            new = Plain(tables, start, carriers, algorithm=algorithm, layout=layout)
        new._make_room(self["home"])
        new["home"][...], new["rng"][...] = self["home"], self["rng"]
        new.acceptance_estimate, new.annealing = acceptance, self.annealing
        assert isinstance(new, Interacting | Plain)
        return new


def reverse_rows(t: Tables) -> npt.NDArray[np.uint64]:
    """(R,) row of the reverse of each row's hop; its own for rows without one."""
    row_of = np.full(t.model.network.n_hops, NULL)
    real = np.flatnonzero(t.hop != NULL)
    row_of[t.hop[real]] = real
    reverse = np.arange(t.n_rows)
    reverse[real] = row_of[np.asarray(t.model.network.reverse)[t.hop[real]]]
    return reverse.astype(np.uint64)


def _basins(n: int) -> dict[str, Any]:
    """Room for basins of ``n`` carriers, empty."""
    return {
        "directory": np.zeros((MOST_BASINS, 7), np.int64),
        "used": np.zeros(4, np.int64),
        "lookup": np.zeros((2 * MOST_WORDS, 3), np.uint64),
        "floats": np.zeros(MOST_NUMBERS),
        "whole": np.zeros(MOST_NUMBERS // 2, np.int64),
        "words": np.zeros((MOST_WORDS, n), np.uint64),
    }


def _growth(n: int, bits: int, n_rows: int) -> dict[str, Any]:
    m = kb.MOST_STATES
    return {
        "growth": kb.Growth(
            words=np.zeros((m, n), np.uint64),
            moved=np.zeros((m, n), np.uint64),
            hash=np.zeros(m, np.uint64),
            rate=np.zeros((m, n << bits)),
            slower=np.zeros((m, n << bits)),
            best=np.zeros(m, np.int64),
            parent=np.zeros(m, np.int64),
            entry=np.zeros(m, np.int64),
            slowest=np.zeros(m + 1),
            next_=np.zeros(m + 1),
            order=np.zeros(m, np.int64),
            rank=np.zeros(m, np.int64),
            target=np.zeros(max(m, n << bits), np.int64),
            p=np.zeros((m, m)),
            x=np.zeros(m),
            wanted=np.zeros((m, n_rows + 1)),
            groups=np.zeros(n_rows, np.int64),
            power=np.zeros((MOST_LEVELS, m, m)),
            left=np.zeros((MOST_LEVELS, m)),
            here=np.zeros(m),
            next_here=np.zeros(m),
        )
    }
