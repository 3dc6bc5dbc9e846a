"""The compiled backend of interacting carriers: arrays of the kernels made, run, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...energies.terms import QUANTUM
from .. import kernels_sampling as ks
from .. import kernels_shared as shared
from ..backend import Carriers, Counts, HopLog, Start
from ..jit import rule_address
from ..plain.compiled import Compiled, species_cut
from ..plain.kernels import BATCH
from ..tables import NULL
from . import kernels_coulomb as kc
from . import kernels_listed as kl
from . import kernels_null as kn
from .classes import margin, rate_classes
from .coupling import Coupling, aligned
from .drift import KeepsEnergy
from .halo import GHOST, OCCUPANT, Halo, linked
from .scratch import Scratch
from .selection import faster

__all__ = ["Interacting"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CALL_AHEAD_PLACES = 100_000
"""Places beyond which memory is called for ahead (they do not fit the second-level cache)."""

FLAT_POOL = 1 << 21
"""Entries up to which every class has room for all hops; beyond, lists are made of chunks (8 % slower)."""

LISTED = (
    "scheme",
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
VALUES = (
    "value",
    "short",
    "shift",
    "code",
    "several",
    "kept",
    "reference",
)
SAVED = (
    *("rng", "record", "pending_counts", "events", "pending", "pending_base", "last_base", "home"),
    *("collective", "tracer", "clock", "clamped", "ledger", *LISTED, *VALUES),
)


class Interacting(Compiled, KeepsEnergy):
    """State of one replica with interactions; see `Compiled` for the arguments."""

    def __init__(
        self,
        coupling: Coupling,
        start: Start,
        carriers: Carriers,
        *,
        algorithm: str,
        words: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        t = coupling.tables
        self.coupling = coupling
        self._begin(t, start, algorithm=algorithm, layout="halo")
        cell, kind = carriers
        self.n, self.shift, self.bits = len(cell), 32, coupling.entry_bits
        s = coupling.surroundings
        reach = np.array(s.reach)
        for row in np.flatnonzero(t.hop != NULL):
            reach = np.maximum(reach, np.abs(coupling.target(int(row))[1]))
        self.halo = Halo(t.size, (int(reach[0]), int(reach[1]), int(reach[2])), t.n_basis)
        if max(self.halo.n_places, self.n << self.bits) >= 2**32 - 1:
            raise ValueError(f"{t.n_sites} sites with {self.n} carriers are too many")
        if t.n_species > 29:
            raise ValueError("more than 29 species")
        self.occupants = t.n_species + 1 + (s.blocked is not None)
        flags, page, link, copies = self.halo.copies()
        if s.blocked is not None:
            closed = self.halo.all_real()[s.blocked.reshape(-1)]
            flags[closed] |= self.occupants - 1
            ghost = np.flatnonzero(flags & GHOST)
            flags[ghost] |= flags[linked(page, link, ghost)] & OCCUPANT
        self._empty_lattice = flags
        self._arrays: dict[str, Any] = {
            "occupant": flags.copy(),
            "page": page,
            "link": link,
            "copies": copies,
            **self._tally_state(start.words if words is None else words),
            **self._measures(),
            **self._around(),
            "first": t.first[:-1].astype(np.uint64),
            "number": t.number.astype(np.uint64),
            "cut": species_cut(t),
            "clamped": np.zeros(t.n_rows, np.int64),
            "ledger": np.zeros(2, np.int64),
            "remaining": np.ones(1),
        }
        index = np.stack(np.unravel_index(cell, t.size)) if self.n else np.zeros((3, 0), np.int64)
        self["home"][:] = index
        base = kind * t.width
        self["record"][0::2] = self._place(index, kind) | (base.astype(np.uint64) << np.uint64(32))
        if not t.integer_steps:
            self["last_base"][:] = base
        if coupling.codes is None:
            self._arrays |= self._energies()
            self._arrays |= self._charges()
        if algorithm != "null_event":
            self._arrays |= self._lists()
        self._occupy()

    # ---- making the arrays

    def _around(self) -> dict[str, Any]:
        """Rows and their surroundings."""
        t, c = self.tables, self.coupling
        coded = c.codes is not None
        columns = 1 if coded else 3
        stride = 1 + columns * self.occupants
        entry: list[list[int]] = []
        term: list[list[int]] = []
        member: list[tuple[int, int]] = []
        term_span = np.zeros((t.n_rows, 2), np.uint64)
        ahead_span = np.zeros((t.n_rows, 2), np.uint64)
        ahead: list[int] = []
        rows = np.zeros((t.n_rows, 1 << int(shared.ROW)), np.uint64)
        self.entry_of: dict[tuple[int, tuple[int, tuple[int, int, int]]], int] = {}
        zero = self._code_start()
        for row in range(t.n_rows):
            rows[row, int(shared.THRESHOLD)] = t.threshold[row]
            rows[row, int(shared.ALIAS)] = t.alias[row] << int(shared.ROW)
            hop, basis = int(t.hop[row]), int(t.type_basis[row // t.width])
            if hop == NULL:
                continue
            terms = c.surroundings.hops[hop]

            def numbers(condition: Any, hop: int = hop, terms: Any = terms) -> list[int]:
                if c.codes is not None:
                    return [c.codes[hop].increment[condition]]
                return list(terms.terms[condition])

            first = len(entry)
            for site, choices in sorted(terms.single.items()):
                self.entry_of[row, site] = len(entry) * stride
                one = [0] * stride
                one[0] = self._offset(basis, site)
                for species in choices:
                    at = 1 + columns * (species + 1)
                    one[at : at + columns] = numbers(frozenset({(site, species)}))
                entry.append(one)
            term_span[row, 0] = len(term)
            for condition in terms.several:
                start = len(member)
                member += [(self._offset(basis, site), species + 1) for site, species in sorted(condition)]
                term.append([start, len(member), *numbers(condition)])
            term_span[row, 1] = len(term)
            target = self._offset(basis, c.target(row))
            ahead_span[row, 0] = len(ahead)
            wanted = sorted([target, *(e[0] for e in entry[first:]), *(m[0] for m in member)])
            for i, offset in enumerate(wanted):
                if i == 0 or offset - ahead[-1] > 48:
                    ahead.append(offset)
            ahead_span[row, 1] = len(ahead)
            step = int(t.cell[row, 0]) + (int(t.cell[row, 1]) << 21) + (int(t.cell[row, 2]) << 42)
            rows[row, int(kn.TARGET)] = target & (2**64 - 1)
            rows[row, int(kn.MAY)] = 3 if t.to_itself[row] else 1
            rows[row, int(kn.STEP)] = step & (2**64 - 1)
            rows[row, int(kn.FIRST)] = (first * stride) | (len(entry) - first) << 32
            rows[row, int(kn.NEXT)] = (int(t.target_type[row]) * t.width) << 32
            rows[row, int(kn.CODE)] = zero[row]
        self.no_entry = len(entry) * stride  # of sites that only conditions on several sites know
        entry.append([0] * stride)
        setup = kn.CoupledSetup(
            width=np.uint64(t.width),
            two_draws=t.two_draws,
            entry_shift=np.uint64(self.bits),
            stride=np.uint64(stride),
            call_ahead=self.halo.n_places > CALL_AHEAD_PLACES,
            any_several=len(term) > 0,
            any_clamped=any(bool(clamped.any()) for _, clamped in c.code_rate or ()),
            tree=self.algorithm == "sum_tree",
        )
        self.stride = stride
        return {
            "setup": setup,
            "rows": rows.reshape(-1),
            "entry": np.array(entry, np.int64).reshape(-1),
            "term_span": term_span.reshape(-1),
            "term": np.array(term, np.int64).reshape(-1),
            "member": np.array(member, np.int64).reshape(-1),
            "ahead_span": ahead_span.reshape(-1),
            "ahead": np.array(ahead, np.int64),
            **(self._accept(zero) if coded else {}),
        }

    def _offset(self, basis: int, site: tuple[int, tuple[int, int, int]]) -> int:
        return int(self.halo.offset(site[1], site[0] - basis))

    def _code_start(self) -> IntArray:
        """(R,) index of each row's code 0 in the tables of all codes."""
        t, c = self.tables, self.coupling
        zero, start = np.zeros(t.n_rows, np.int64), 0
        self.code_start = np.zeros(t.n_rows, np.int64)
        if c.codes is not None:
            for row in np.flatnonzero(t.hop != NULL):
                codes = c.codes[t.hop[row]]
                zero[row], self.code_start[row] = start + codes.zero, start
                start += len(codes.difference)
        return zero

    def _accept(self, zero: IntArray) -> dict[str, Any]:
        """Tables by code: chance to be executed, energy difference, rate."""
        t, c = self.tables, self.coupling
        assert c.codes is not None
        assert c.code_rate is not None
        chance, difference, rates = [], [], []
        for row in np.flatnonzero(t.hop != NULL):
            hop = int(t.hop[row])
            rate, clamped = c.code_rate[hop]
            chance.append(chances(rate, c.bound[hop], clamped))
            difference.append(c.codes[hop].difference.astype(np.uint64))
            rates.append(rate)
        none = np.zeros(0, np.uint64)
        accept = np.stack([np.concatenate([none, *chance]), np.concatenate([none, *difference])], axis=1)
        return {
            "accept": np.ascontiguousarray(accept).reshape(-1),
            "rate": np.concatenate([np.zeros(0), *rates]),
        }

    def _energies(self) -> dict[str, Any]:
        t, c, s, b = self.tables, self.coupling, self.coupling.surroundings, self.coupling.barriers
        real = np.flatnonzero(t.hop != NULL)
        constant = np.zeros((t.n_rows, 3), np.int64)
        start, parameter_start, address = (np.zeros(t.n_rows, np.uint64) for _ in range(3))
        table: list[int] = []
        parameters: list[float] = []
        for row in real:
            hop = int(t.hop[row])
            constant[row] = s.hops[hop].constant
            start[row], parameter_start[row] = len(table), len(parameters)
            table += s.hops[hop].table
            parameters += b.parameters[hop]
            address[row] = rule_address(type(b.rule[hop]).scalar)

        def of_row(values: FloatArray) -> FloatArray:
            full = np.zeros(t.n_rows)
            full[real] = np.asarray(values)[t.hop[real]]
            return full

        places, real_places = self.halo.n_places, self.halo.all_real()
        site, barrier = np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64)
        if s.site_disorder is not None:
            site = np.zeros((t.n_species + 1, places), np.int64)
            site[1:, real_places] = s.site_disorder.reshape(t.n_species, -1)
            ghost, copied = self._ghosts()
            site[:, ghost] = site[:, copied]
        if s.barrier_disorder is not None:
            barrier = np.zeros((max(2, places * t.n_species), 1 << self.bits), np.int64)
            for row in real:
                own = real_places[t.type_basis[row // t.width] :: t.n_basis]
                own = own + places * t.type_species[row // t.width]
                barrier[own, row % t.width] = s.barrier_disorder[t.hop[row]].reshape(-1)
        return {
            "constant": constant.reshape(-1),
            "table_start": start,
            "table": np.array(table, np.int64),
            "work": of_row(b.work),
            "saddle_work": of_row(b.saddle_work),
            "log_prefactor": of_row(b.log_prefactor),
            "rule": address,
            "parameter_start": parameter_start,
            "parameters": np.array([*parameters, *[0.0] * 16]),
            "quantum": QUANTUM,
            "kt": float(b.kt),
            "site": site,
            "barrier": barrier,
            "barrier_start": (places * np.repeat(t.type_species, t.width)).astype(np.uint64),
            "bound": of_row(c.bound),
        }

    def _charges(self) -> dict[str, Any]:
        t, pair = self.tables, self.coupling.surroundings.pair
        listed, none = self.algorithm != "null_event", np.zeros(0, np.int64)
        row_type = np.stack([np.repeat(np.arange(t.n_types), t.width), t.target_type], 1).astype(np.int64)
        row_cell = np.array([self.coupling.target(r)[1] for r in range(t.n_rows)], np.int64).reshape(-1, 3)
        there = int(pair is not None)
        n = there * self.n
        entries = n << self.bits if listed else 0
        return {
            "shape": kc.GradientShape(
                cells_a=there * t.size[0],
                cells_b=there * t.size[1],
                cells_c=there * t.size[2],
                types=there * t.n_types,
                slot_bits=np.uint64(there * self.bits),
            ),
            "gradient": none if pair is None else self.coupling.gradient,
            "cell": np.zeros((3, n), np.int32),
            "kind": np.zeros(n, np.int32),
            "row_type": row_type,
            "row_cell": row_cell,
            "kept": aligned(np.zeros(entries, np.int64)),
            "reference": aligned(np.zeros(entries, np.int64)),
            "line": np.zeros((2, n), np.int32),
            "sum": aligned(np.zeros(2 << self.bits, np.int64)),
        }

    def _lists(self) -> dict[str, Any]:
        t, c, n = self.tables, self.coupling, self.n
        entries = n << self.bits
        group: list[tuple[int, int, int, int]] = []
        span, slots, at = [0], list[int](), list[int]()
        for b, groups in enumerate(c.reached()):
            for kind, cell, changes in groups:
                offset = int(self.halo.offset(cell, b - int(t.type_basis[kind])))
                group.append((offset, kind * t.width, len(slots), len(slots) + len(changes)))
                for slot, site in changes:
                    slots.append(slot)
                    row = kind * t.width + slot
                    if site == c.target(row) and not t.to_itself[row]:
                        at.append(kl.BY_TARGET)
                    else:
                        at.append(self.entry_of.get((row, site), self.no_entry) + 1)
            span.append(len(group))
        most = len(slots)
        charged = c.surroundings.pair is not None
        touched = 2 * most + 1 + (n * t.width if charged else 0)
        tree = self.algorithm == "sum_tree"
        classes = rate_classes(c)
        n_classes = len(classes.bound)
        room = 0 if tree else n * t.width
        flat = n_classes * room <= FLAT_POOL
        chunks = 0 if flat else (room >> 8) + 1
        n_chunks = 0 if flat else chunks + n_classes + 1
        basis = np.stack([np.repeat(t.type_basis, t.width), t.type_basis[t.target_type]], 1)
        arrays: dict[str, Any] = {
            "scheme": np.array([margin(c), classes.top_exponent, chunks, 0, room, n_classes, -1], np.int64),
            "carrier_at": np.full(self.halo.n_places, shared.ABSENT, np.uint32),
            "basis": basis.astype(np.uint64).reshape(-1),
            "group_span": np.array(span, np.uint64),
            "group": np.array(group, np.int64).reshape(-1),
            "change_slot": np.array(slots, np.uint64),
            "change_entry": np.array(at, np.int64),
            "touched": np.zeros(touched, np.uint64),
            "class_of": np.full(entries, kl.CLOSED, np.uint16),
            "where": np.zeros(1 if tree else entries, np.uint32),
            "pool": np.zeros(n_classes * room if flat else n_chunks << 8, np.uint32),
            "directory": np.zeros(n_classes * chunks, np.uint32),
            "free": np.arange(n_chunks, dtype=np.uint32)[::-1].copy(),
            "free_count": np.array([n_chunks], np.uint64),
            "length": np.zeros(n_classes, np.uint64),
            "class_bound": classes.bound,
            "bound_of": np.zeros(entries if tree else 1),
            "tree": np.zeros(2 << max(0, n - 1).bit_length() if tree else 2),
        }
        if c.codes is not None:
            assert c.code_rate is not None
            real = np.flatnonzero(t.hop != NULL)
            rate = self["rate"]
            clamped = np.concatenate([np.zeros(0, np.bool_), *(c.code_rate[t.hop[row]][1] for row in real)])
            table = np.zeros((len(rate), 4), np.uint64)
            listed = np.array([classes.of(r) for r in rate.tolist()], np.int64).reshape(-1)
            table[:, 0] = chances(rate, np.where(listed < 0, 0.0, classes.bound[listed]), clamped)
            table[:, 1] = self["accept"][1::2]
            table[:, 2] = np.where(listed < 0, int(kl.NEVER), listed)
            return arrays | {"value": np.zeros(entries, np.int32), "table": table.reshape(-1)}
        several = self["setup"].any_several
        return arrays | {
            "short": np.zeros(entries, np.int64),
            "shift": np.zeros(entries, np.int64),
            "code": np.zeros(entries, np.int32),
            "several": np.zeros(3 * entries if several else 1, np.int64),
            "left": np.zeros(entries >> 3 if charged else 0, np.uint64),
        }

    def _ghosts(self) -> tuple[IntArray, IntArray]:
        """Copies, and the places that they copy."""
        ghost = np.flatnonzero(self._empty_lattice & GHOST)
        return ghost, linked(self["page"], self["link"], ghost)

    @property
    def _bounds_are_sure(self) -> bool:
        return self.coupling.sure

    def _place(self, index: IntArray, kind: IntArray) -> npt.NDArray[np.uint64]:
        return self.halo.place(index, self.tables.type_basis[kind]).astype(np.uint64)

    def _occupy(self) -> None:
        """Put the carriers where their records say they are."""
        t, occupant, (ghost, copied) = self.tables, self["occupant"], self._ghosts()
        occupant[:] = self._empty_lattice
        places = (self["record"][0::2] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        occupant[places] |= (t.type_species[self.kinds()] + 1).astype(np.uint8)
        occupant[ghost] = GHOST | (occupant[copied] & OCCUPANT)
        if "carrier_at" in self._arrays:
            self["carrier_at"][:] = shared.ABSENT
            self["carrier_at"][places] = np.arange(self.n, dtype=np.uint32)
            self["carrier_at"][ghost] = self["carrier_at"][copied]
        if len(self._arrays.get("kind", ())):
            self["cell"][:] = np.stack(np.unravel_index(self.cells(), t.size))
            self["kind"][:] = self.kinds()

    # ---- running

    def _configure_lists(self, sample_interval: float) -> None:
        self._fold_after = max(BATCH, self._fold_after // BATCH * BATCH)
        if self.algorithm == "null_event":
            return
        self._arrays["interval"] = float(sample_interval)
        self._arrays["class_weight"] = self["class_bound"] * sample_interval

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Rows, log: FloatArray) -> int:
        coded, left, end = self.coupling.codes is not None, 0, (self._tuple(ks.Tally), out, log)
        lattice, around = self._tuple(kn.Place), self._tuple(kn.Around)
        energies, charges = ((), ()) if coded else (self._tuple(kn.Energies), self._tuple(kc.CoulombArrays))
        if self.algorithm == "null_event":
            null, accept = self._tuple(kn.Null), self["accept"] if coded else ()
            how = attempts, self._goes_on, self._fold_after
            kn.run_null(*how, null, lattice, around, accept, energies, charges, *end)
        else:
            lists, values = self._tuple(kl.Listed), self._tuple(kl.Codes if coded else kl.Values)
            left = kl.run_listed(
                n_samples, self._most, lists, lattice, around, values, energies, charges, *end
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
        return np.asarray(np.ravel_multi_index(tuple(self.halo.cell_index(place)), self.tables.size))

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
        if self.algorithm == "null_event" or self["scheme"][kl.UNLISTED] < self.n:
            return 0.0  # nothing is kept
        t, anew = self.tables, Scratch(self.coupling, self.cells(), self.kinds())
        s, most = self.coupling.surroundings, 0
        for row in np.flatnonzero(t.hop != NULL):
            carriers = anew.open_carriers(int(row))
            entry = (carriers << self.bits) | (row % t.width)
            difference, shift = anew.values(int(row), carriers)
            if self.coupling.codes is not None:
                codes, number = self.coupling.codes[t.hop[row]], self["value"][entry] - self.code_start[row]
                kept, kept_shift = codes.difference[number], codes.shift[number]
            else:
                kept = self["short"][entry]
                if s.pair is not None:
                    kept = kept + self["kept"][entry]
                kept_shift = self["shift"][entry] + np.array(s.hops[t.hop[row]].table)[self["code"][entry]]
                if s.barrier_disorder is not None:
                    kept_shift = kept_shift + s.barrier_disorder[(int(t.hop[row]), *anew.index[:, carriers])]
            most = max(most, int(np.abs(kept - difference).max(initial=0)))
            most = max(most, int(np.abs(kept_shift - shift).max(initial=0)))
            most = max(most, int(np.count_nonzero(self["class_of"][entry] == kl.CLOSED)))
        return most * QUANTUM

    def successor(self, done: Counts) -> Interacting:
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

    @property
    def _saved(self) -> Sequence[str]:
        return SAVED

    def save(self) -> dict[str, Any]:
        base = () if self.energy_base is None else self.energy_base
        return {
            **super().save(),
            "wanted": self.start.algorithm,
            "energy_base": np.array(base, np.int64),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        self._take_over(saved)
        self.start = replace(self.start, algorithm=str(saved["wanted"]))
        base = [int(x) for x in saved["energy_base"]]
        self.energy_base = (base[0], base[1]) if base else None


def chances(rate: FloatArray, bound: Any, clamped: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Chance rate/bound as a number of 2**64, its lowest bit replaced by whether the rate is clamped."""
    share = np.divide(rate, bound, out=np.zeros_like(rate), where=np.asarray(bound) > 0)
    whole = np.where(share >= 1.0, 0.0, share) * 2.0**64
    chance = np.where(share >= 1.0, np.uint64(2**64 - 1), whole.astype(np.uint64))
    return (chance & np.uint64(2**64 - 2)) | clamped.astype(np.uint64)
