"""The compiled engine of carriers without interactions: its arrays made, run, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...ndarrays import FloatArray, IntArray
from .. import kernels_sampling as ks
from .. import kernels_shared as shared
from ..backend import Backend, Carriers, Start
from ..compiled import SAVED, Compiled
from ..selection import expected_acceptance, pick_algorithm, pick_layout
from ..tables import NULL, Tables, build_tables
from . import kernels as k
from .layouts import (
    basis_bits,
    bit_field,
    bit_geometry,
    is_plain,
    n_links,
    neighbour_table,
    packed,
    slot_bits,
)
from .scratch import WithoutInteractions

__all__ = ["Plain", "make_plain"]


def make_plain(start: Start) -> Backend:
    """Algorithm and layout as wished, or the fastest by a mean-field estimate."""
    tables = build_tables(start.catalog)
    carriers, annealing = start.place(tables)
    acceptance = expected_acceptance(start.catalog, tables)
    algorithm = pick_algorithm(start.algorithm, tables, acceptance)
    layout = pick_layout(start.layout, tables, algorithm)
    backend = Plain(tables, start, carriers, algorithm=algorithm, layout=layout)
    backend.acceptance_estimate, backend.annealing = acceptance, annealing
    return backend


class Plain(Compiled, WithoutInteractions):
    """State of one replica without interactions. layout : ``table`` or ``bitset``."""

    saved = (*SAVED, "members", "where", "length")

    def __init__(
        self, tables: Tables, start: Start, carriers: Carriers, *, algorithm: str, layout: str
    ) -> None:
        super().__init__(tables, start, carriers, algorithm=algorithm, layout=layout)
        if max(tables.n_sites, self.n << slot_bits(tables)) >= 2**32 - 1 and layout == "table":
            raise ValueError(
                f"{tables.n_sites} sites with {self.n} carriers are too many for the table layout"
            )
        self.shift = 3 * bit_field(tables) if layout == "bitset" else 32
        self._plain = True if is_plain(tables) else None
        self._arrays = {**self._network(), **self._empty_state()}
        self._put(carriers)

    def _network(self) -> dict[str, Any]:
        t, bits = self.tables, self.layout == "bitset"
        rows = np.zeros((t.n_rows, 1 << int(shared.ROW)), np.uint64)
        rows[:, int(shared.THRESHOLD)] = t.threshold
        rows[:, int(shared.ALIAS)] = t.alias << int(shared.ROW)
        rows[:, int(k.LINK)] = t.link
        rows[:, int(k.MAY)] = np.where(t.hop == NULL, 0, np.where(t.to_itself, 3, 1))
        rows[:, int(k.CLASS)] = np.where(t.rate_class < 0, int(k.NO_CLASS), t.rate_class)
        rows[:, int(k.STEP)] = (t.cell[:, 0] + (t.cell[:, 1] << 21) + (t.cell[:, 2] << 42)).astype(np.uint64)
        if bits:
            after, before = t.type_basis[t.target_type], np.repeat(t.type_basis, t.width)
            step = (t.cell % np.array(t.size)).T
            move = packed(t, [step[0], step[1], (step[2] << basis_bits(t)) + after - before])
            base = (
                t.target_type * t.width - np.repeat(np.arange(t.n_types), t.width) * t.width
            ) << self.shift
            rows[:, int(k.MOVE)] = np.where(t.hop == NULL, 0, move + base).astype(np.uint64)
        else:
            rows[:, int(k.NEXT)] = (t.target_type * t.width) << self.shift
        first = t.first.tolist()
        incoming = [
            (link, first[s], first[s + 1], slot) for entries in t.incoming for link, s, slot in entries
        ]
        start = np.cumsum([0] + [len(x) for x in t.incoming])
        return {
            "setup": k.NetworkSetup(
                links=np.uint64(n_links(t)),
                width=np.uint64(t.width),
                two_draws=t.two_draws,
                entry_shift=np.uint64(slot_bits(t)),
            ),
            "geometry": bit_geometry(t) if bits else k.BitGeometry(*[np.uint64(0)] * 7),
            "rows": rows.reshape(-1),
            "neighbour": np.zeros(1, np.uint32) if bits else neighbour_table(t),
            **self._measures(),
            "incoming_span": np.repeat(np.stack([start[:-1], start[1:]], 1)[t.type_basis], t.width, 0)
            .reshape(-1)
            .astype(np.uint64),
            "incoming": np.array(incoming, np.uint64).reshape(-1),
            "class_start": np.cumsum([0, *self._class_room()]).astype(np.uint64),
        }

    def _empty_state(self) -> dict[str, np.ndarray]:
        t, n = self.tables, self.n
        bits, lists = self.layout == "bitset", self.algorithm == "rejection_free"
        n_classes = len(t.class_rate)
        state: dict[str, np.ndarray] = {
            **self._tally_state(self.start.words),
            "bytes": np.zeros(1 if bits or lists else t.n_sites, np.uint8),
            "bits": np.zeros(((t.n_cells << basis_bits(t)) + 63) // 64 if bits else 1, np.uint64),
        }
        if lists:
            state |= {
                "carrier_at": np.full(t.n_sites, shared.ABSENT, np.uint32),
                "members": np.zeros(int(self._class_room().sum()), np.uint32),
                "where": np.full(n << slot_bits(t), shared.ABSENT, np.uint32),
                "length": np.zeros(n_classes, np.uint64),
                "tree": np.zeros(2 << max(0, n_classes - 1).bit_length()),
                "remaining": np.ones(1),
            }
        return state

    def _class_room(self) -> IntArray:
        """(C,) most hops of each class that can be listed at once."""
        t = self.tables
        # the carrier that hops has hops of its old and its new site listed for a moment
        room = np.full(len(t.class_rate), t.width)
        for s in range(t.n_species):  # any other one has at most so many hops of a class
            most = np.zeros_like(room)
            for type_ in np.flatnonzero(t.type_species == s):
                own = t.rate_class[type_ * t.width : (type_ + 1) * t.width]
                most = np.maximum(most, np.bincount(own[own >= 0], minlength=len(room)))
            room += most * t.number[s]
        return room

    def _place(self, index: IntArray, types: IntArray) -> npt.NDArray[np.uint64]:
        t = self.tables
        if self.layout == "bitset":
            place = packed(t, [index[0], index[1], (index[2] << basis_bits(t)) + t.type_basis[types]])
        else:
            place = np.ravel_multi_index(tuple(index), t.size) * t.n_basis + t.type_basis[types]
        return np.asarray(place, np.uint64)

    def _occupy(self) -> None:
        sites = self.sites()
        if self.algorithm == "rejection_free":
            self["carrier_at"][sites] = np.arange(self.n, dtype=np.uint32)
        elif self.layout == "bitset":
            number = (self.cells() << basis_bits(self.tables)) + self.tables.type_basis[self.types()]
            np.bitwise_or.at(self["bits"], number >> 6, np.uint64(1) << (number & 63).astype(np.uint64))
        else:
            self["bytes"][sites] = 1

    def _configure_lists(self, sample_interval: float) -> None:
        self._arrays["class_weight"] = self.tables.class_rate * sample_interval
        if self.algorithm == "rejection_free":
            if not self["length"].any():
                k.list_open_hops(self._tuple(k.Lists))
            tree, leaves = self["tree"], len(self["tree"]) // 2
            tree[leaves : leaves + len(self["length"])] = self["length"] * self["class_weight"]
            for node in range(leaves - 1, 0, -1):
                tree[node] = tree[2 * node] + tree[2 * node + 1]

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Counted, log: FloatArray) -> int:
        """Run the kernel. Returns the samples that are left."""
        tally = self._tuple(ks.Tally)
        if self.algorithm == "null_event":
            bits, hops = True if self.layout == "bitset" else None, self._tuple(k.Hops)
            how = (self._goes_on, self._fold_after, bits, self._plain)
            k.run_null_event(attempts, *how, hops, tally, out, log)
            return 0
        lists = self._tuple(k.Lists)
        return int(k.run_rejection_free(n_samples, self._most, lists, tally, out, log))

    def cells(self) -> IntArray:
        """(N,) cell number of each carrier."""
        t = self.tables
        place = (self["record"][0::2] & np.uint64((1 << self.shift) - 1)).astype(np.int64)
        if self.layout != "bitset":
            return place // t.n_basis
        field = bit_field(t)
        mask = (1 << field) - 1
        index = (place >> 2 * field, (place >> field) & mask, (place & mask) >> basis_bits(t))
        return np.ravel_multi_index(index, t.size)

    def sites(self) -> IntArray:
        """(N,) engine's site number, cell * B + basis site, of each carrier."""
        return self.cells() * self.tables.n_basis + self.tables.type_basis[self.types()]

    def load(self, saved: Mapping[str, Any]) -> None:
        """See `Backend.load`."""
        self["bytes"][:] = 0
        self["bits"][:] = 0
        if self.algorithm == "rejection_free":
            self["carrier_at"][:] = shared.ABSENT
        super().load(saved)
