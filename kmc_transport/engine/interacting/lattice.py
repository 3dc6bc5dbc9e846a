"""Arrays of the interacting kernels that hopping does not change: the lattice with its border, rows, surroundings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...energies.terms import QUANTUM
from ...jit import rule_address
from ...ndarrays import BoolArray, FloatArray, IntArray
from .. import kernels_shared as shared
from ..tables import NULL
from . import kernels_null as kn
from .coupling import Coupling
from .halo import GHOST, OCCUPANT, Halo, linked
from .surroundings import Site

__all__ = ["CoupledLattice", "chances"]

CALL_AHEAD_PLACES = 100_000
"""Places beyond which memory is called for ahead (they do not fit the second-level cache)."""


class CoupledLattice:
    """Where carriers that interact sit, and what their hops look at.

    empty : (n_places,) byte of each place without carriers, see `halo`. bits : of a slot in an entry.
    entry_of : by row and site, where `Around.entry` has the numbers of a site, if not conditions on several sites alone
    know it. code_start : (R,) first code of each row among those of all rows.

    Raises ValueError for too many sites or species.
    """

    def __init__(self, coupling: Coupling) -> None:
        t = self.tables = coupling.tables
        self.coupling, self.bits = coupling, coupling.entry_bits
        s = coupling.surroundings
        reach = np.array(s.reach)
        for row in np.flatnonzero(t.hop != NULL):
            reach = np.maximum(reach, np.abs(coupling.target(int(row))[1]))
        self.halo = Halo(t.size, (int(reach[0]), int(reach[1]), int(reach[2])), t.n_basis)
        n = int(t.number.sum())
        if max(self.halo.n_places, n << self.bits) >= 2**32 - 1:
            raise ValueError(f"{t.n_sites} sites with {n} carriers are too many")
        n_species = len(t.model.species)
        if n_species > 29:
            raise ValueError("more than 29 species")
        self.occupants = n_species + 1 + (s.blocked is not None)
        flags, page, link, copies = self.halo.copies()
        held = np.array(s.immobile.reshape(-1))
        if s.blocked is not None:
            held[s.blocked.reshape(-1)] = self.occupants - 1
        flags[self.halo.all_real()] |= held
        self.empty, self.border = flags, {"page": page, "link": link, "copies": copies}
        if held.any():
            ghost, copied = self.ghosts()
            flags[ghost] |= flags[copied] & OCCUPANT

    def ghosts(self) -> tuple[IntArray, IntArray]:
        """Copies, and the places that they copy."""
        ghost = np.flatnonzero(self.empty & GHOST)
        return ghost, linked(self.border["page"], self.border["link"], ghost)

    def arrays(self, tree: bool) -> dict[str, Any]:
        """By the names of the kernels' records. tree : whether a sum tree selects hops."""
        found = {"occupant": self.empty.copy(), **self.border, **self._around(tree)}
        return found | (self._energies() if self.coupling.codes is None else {})

    def _around(self, tree: bool) -> dict[str, Any]:
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
        self.entry_of: dict[tuple[int, Site], int] = {}
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
        setup = kn.CoupledSetup(
            width=np.uint64(t.width),
            two_draws=t.two_draws,
            entry_shift=np.uint64(self.bits),
            stride=np.uint64(stride),
            call_ahead=self.halo.n_places > CALL_AHEAD_PLACES,
            any_several=len(term) > 0,
            any_clamped=any(bool(clamped.any()) for _, clamped in c.code_rate or ()),
            tree=tree,
        )
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

    def _offset(self, basis: int, site: Site) -> int:
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
            ghost, copied = self.ghosts()
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


def chances(rate: FloatArray, bound: Any, clamped: BoolArray) -> npt.NDArray[np.uint64]:
    """Chance rate/bound as a number of 2**64, its lowest bit replaced by whether the rate is clamped."""
    share = np.divide(rate, bound, out=np.zeros_like(rate), where=np.asarray(bound) > 0)
    whole = np.where(share >= 1.0, 0.0, share) * 2.0**64
    chance = np.where(share >= 1.0, np.uint64(2**64 - 1), whole.astype(np.uint64))
    return (chance & np.uint64(2**64 - 2)) | clamped.astype(np.uint64)
