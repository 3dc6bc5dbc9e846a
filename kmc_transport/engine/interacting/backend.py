"""The compiled backend of interacting carriers: arrays of the kernels made, run, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...energies.terms import QUANTUM
from ...ndarrays import FloatArray, IntArray
from .. import kernels_sampling as ks
from .. import kernels_shared as shared
from ..backend import Backend, Carriers, Counts, HopLog, Start
from ..compiled import SAVED, Compiled
from ..plain.kernels import BATCH
from ..tables import NULL
from . import kernels_coulomb as kc
from . import kernels_listed as kl
from . import kernels_lists as ko
from . import kernels_null as kn
from . import kernels_potentials as kp
from . import kernels_windows as kw
from .coupling import Coupling
from .drift import KeepsEnergy
from .halo import GHOST, OCCUPANT
from .lattice import CoupledLattice
from .lists import charge_arrays, list_arrays, potential_arrays, potentials_pay
from .scratch import Scratch
from .selection import faster

__all__ = ["Interacting"]

LISTED = (
    "used",
    "class_of",
    "where",
    "pool",
    "directory",
    "free",
    "free_count",
    "length",
    "bound_of",
    "tree",
)
VALUES = ("value", "shift", "code", "several", "kept", "low", "high")
"""Arrays of the lists, and of the values of their entries, that a snapshot needs."""


class Interacting(Compiled, KeepsEnergy):
    """State of one replica with interactions. words : (4,) stream of the hops, if not that of the start."""

    thrifty = False
    saved: ClassVar[tuple[str, ...]] = (*SAVED, "clamped", "ledger", *LISTED, *VALUES)

    def __init__(
        self,
        coupling: Coupling,
        start: Start,
        carriers: Carriers,
        *,
        algorithm: str,
        words: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        super().__init__(coupling.tables, start, carriers, algorithm=algorithm, layout="halo")
        self.coupling, self.lattice = coupling, CoupledLattice(coupling)
        self.shift, self.bits = 32, self.lattice.bits
        listed, tree = algorithm != "null_event", algorithm == "sum_tree"
        self._arrays = {
            **self.lattice.arrays(tree),
            **self._tally_state(start.words if words is None else words),
            **self._measures(),
            "clamped": np.zeros(self.tables.n_rows, np.int64),
            "ledger": np.zeros(2, np.int64),
            "remaining": np.ones(1),
        }
        if coupling.codes is None:
            self._arrays |= charge_arrays(coupling, self.n, listed)
        if listed:
            self._arrays |= list_arrays(self.lattice, self._arrays, self.n, tree)
            if potentials_pay(coupling, self.n):
                self._arrays |= potential_arrays(coupling, self.n)
        self._put(carriers)

    def _place(self, index: IntArray, types: IntArray) -> npt.NDArray[np.uint64]:
        return self.lattice.halo.place(index, self.tables.type_basis[types]).astype(np.uint64)

    def _occupy(self) -> None:
        """Put the carriers where their records say they are."""
        t, occupant, (ghost, copied) = self.tables, self["occupant"], self.lattice.ghosts()
        occupant[:] = self.lattice.empty
        places = (self["record"][0::2] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        occupant[places] |= (t.type_species[self.types()] + 1).astype(np.uint8)
        occupant[ghost] = GHOST | (occupant[copied] & OCCUPANT)
        if "carrier_at" in self._arrays:
            self["carrier_at"][:] = shared.ABSENT
            self["carrier_at"][places] = np.arange(self.n, dtype=np.uint32)
            self["carrier_at"][ghost] = self["carrier_at"][copied]
        if len(self._arrays.get("carrier_type", ())):
            self["cell"][:] = np.stack(np.unravel_index(self.cells(), t.size))
            self["carrier_type"][:] = self.types()
        if "phi" in self._arrays:
            self._count_potentials()

    def _count_potentials(self) -> None:
        """Potentials of the carriers where they are, and the open hops watched."""
        t, pair, cell = self.tables, self.coupling.surroundings.pair, self["cell"].astype(np.int64)
        assert pair is not None
        (n0, n1, n2), n_types, types = t.size, t.n_types, self["carrier_type"]
        total, twice = np.zeros(pair.shape[1:], np.int64), np.tile(pair, (1, 1, 2, 2, 2))
        for k, x, y, z in zip(types, *(n - c for n, c in zip(t.size, cell, strict=True)), strict=True):
            total += twice[k, :, x : x + n0, y : y + n1, z : z + n2]
        phi = self["phi"].reshape(n0 * n1, -1)
        phi[:, : n2 * n_types] = total.transpose(1, 2, 3, 0).reshape(n0 * n1, -1)
        self["spot"][:] = kp.UNWATCHED
        entry = np.flatnonzero(self["class_of"] != ko.CLOSED)
        carrier, at = entry >> self.bits, np.arange(len(entry))
        row = types[carrier] * t.width + (entry & (1 << self.bits) - 1)
        here = cell[:, carrier]
        there = (here + self["row_cell"][row].T) % np.array(t.size)[:, None]
        for name, (x, y, z), own in (
            ("origin", here, types[carrier]),
            ("target", there, self["row_type"][row, 1]),
        ):
            self[name][at] = (x * n1 + y) * phi.shape[1] + z * n_types + own
        self["floor"][at] = self["low"][entry] - self["kept"][entry]
        self["entry_at"][at], self["spot"][entry] = entry, at
        self["count"][0] = len(entry)

    # ---- running

    def _configure_lists(self, sample_interval: float) -> None:
        self._fold_after = max(BATCH, self._fold_after // BATCH * BATCH)
        if self.algorithm == "null_event":
            return
        self._arrays["interval"] = float(sample_interval)
        self._arrays["class_weight"] = self["class_bound"] * sample_interval

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Counted, log: FloatArray) -> int:
        coded, left, end = self.coupling.codes is not None, 0, (self._tuple(ks.Tally), out, log)
        lattice, around = self._tuple(kn.Place), self._tuple(kn.Around)
        energies, charges = ((), ()) if coded else (self._tuple(kn.Energies), self._tuple(kc.CoulombArrays))
        if self.algorithm == "null_event":
            null, accept = self._tuple(kn.Null), self["accept"] if coded else ()
            how = attempts, self._goes_on, self._fold_after
            kn.run_null(*how, null, lattice, around, accept, energies, charges, *end)
        else:
            lists, values = self._tuple(ko.Listed), self._tuple(kl.Codes if coded else kw.Values)
            potentials = self._tuple(kp.Potentials) if "phi" in self._arrays else ()
            left = kl.run_listed(
                n_samples, self._most, lists, lattice, around, values, energies, charges, potentials, *end
            )
        if self["ledger"][kn.EXCEEDED]:
            raise RuntimeError(
                "a rate exceeded its bound, the result would be wrong: the rate that the barrier rule gives has a "
                "maximum, as a function of the energy difference, that is sharper than kT (Marcus rules: a "
                "reorganisation energy below kT)"
                + ("; use rejection_free" if self.algorithm == "null_event" else "")
            )
        return int(left)

    # ---- reading the state

    def cells(self) -> IntArray:
        """(N,) cell number of each carrier."""
        place = (self["record"][0::2] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(self.lattice.halo.cell_index(place)), self.tables.size))

    def energy_change(self) -> int:
        return int(self["ledger"][kn.ENERGY])

    def clamped_events(self) -> IntArray:
        t, total = self.tables, np.zeros(self.tables.model.network.n_hops, np.int64)
        real = t.hop != NULL
        total[t.hop[real]] = self["clamped"][real]
        return total

    def logged_energies(self, hops: HopLog) -> tuple[IntArray, IntArray]:
        codes, first = self.coupling.codes, hops.numbers[:, 0]
        if codes is None:
            return first, hops.numbers[:, 1]
        real = self.tables.hop[self.tables.hop != NULL]
        difference, shift = (
            np.concatenate([getattr(codes[hop], name) for hop in real]) for name in ("difference", "shift")
        )
        return difference[first], shift[first]

    def check(self) -> float:
        return max(self._largest_deviation(), abs(self.energy_drift()))

    def _largest_deviation(self) -> float:
        """eV between what is kept up to date for open hops and the same counted anew."""
        if self.algorithm == "null_event" or self["used"][ko.UNLISTED] < self.n:
            return 0.0  # nothing is kept
        t, anew = self.tables, Scratch(self.coupling, self.cells(), self.types())
        s, most = self.coupling.surroundings, 0
        for row in np.flatnonzero(t.hop != NULL):
            carriers = anew.open_carriers(int(row))
            entry = (carriers << self.bits) | (row % t.width)
            difference, shift = anew.values(int(row), carriers)
            if self.coupling.codes is not None:
                codes, number = (
                    self.coupling.codes[t.hop[row]],
                    self["value"][entry] - self.lattice.code_start[row],
                )
                kept, kept_shift = codes.difference[number], codes.shift[number]
            else:
                kept = self["kept"][entry]
                if "phi" in self._arrays:
                    spot = self["spot"][entry]
                    kept = kept + self["phi"][self["target"][spot]] - self["phi"][self["origin"][spot]]
                kept_shift = self["shift"][entry] + np.array(s.hops[t.hop[row]].table)[self["code"][entry]]
                if s.barrier_disorder is not None:
                    kept_shift = kept_shift + s.barrier_disorder[(int(t.hop[row]), *anew.index[:, carriers])]
            most = max(most, int(np.abs(kept - difference).max(initial=0)))
            most = max(most, int(np.abs(kept_shift - shift).max(initial=0)))
            most = max(most, int(np.count_nonzero(self["class_of"][entry] == ko.CLOSED)))
        return most * QUANTUM

    def successor(self, done: Counts) -> Backend:
        """Chosen by the present state, once the carriers have left their places at the start."""
        if self.start.algorithm != "auto" or done.attempts <= 100 * self.n:
            return self
        acceptance = done.executed / done.attempts
        if self.algorithm != "null_event":
            weight = float(self.tables.number @ self.tables.bound)
            acceptance = float(self.open_rates().sum()) / weight if weight else 0.0
        self.acceptance_estimate = acceptance
        algorithm = faster(acceptance)
        return self if algorithm == self.algorithm else self.with_algorithm(algorithm)

    def with_algorithm(self, algorithm: str) -> Interacting:
        """The same carriers, counts since the start and random streams, the tallies empty."""
        new = Interacting(
            self.coupling, self.start, self.carriers(), algorithm=algorithm, words=np.array(self["rng"])
        )
        new._make_room(self["home"])
        for name in ("home", "clamped", "ledger"):
            new[name][...] = self[name]
        for name in ("_attempts", "energy_base", "acceptance_estimate", "annealing"):
            setattr(new, name, getattr(self, name))
        return new

    def save(self) -> dict[str, Any]:
        base = () if self.energy_base is None else self.energy_base
        return {
            **super().save(),
            "wanted": self.start.algorithm,
            "energy_base": np.array(base, np.int64),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        super().load(saved)
        self.start = replace(self.start, algorithm=str(saved["wanted"]))
        base = [int(x) for x in saved["energy_base"]]
        self.energy_base = (base[0], base[1]) if base else None
