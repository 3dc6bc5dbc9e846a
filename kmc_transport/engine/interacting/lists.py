"""Arrays of the interacting kernels that list hops, with nothing listed yet; and those of Coulomb energies."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ndarrays import IntArray
from .. import kernels_shared as shared
from ..tables import NULL
from . import kernels_coulomb as kc
from . import kernels_listed as kl
from . import kernels_lists as ko
from . import kernels_potentials as kp
from . import kernels_windows as kw
from .classes import rate_classes, windows
from .coupling import Coupling, aligned
from .lattice import CoupledLattice, chances
from .surroundings import Site

__all__ = ["charge_arrays", "list_arrays", "potential_arrays", "potentials_pay"]

SITES_A_CARRIER = 16
"""Sites for each carrier up to which potentials of all sites cost less than lines for each carrier."""

FLAT_POOL = 1 << 21
"""Entries up to which every class has room for all hops; beyond, lists are made of chunks (8 % slower)."""


def potentials_pay(coupling: Coupling, n: int) -> bool:
    """Whether listed hops take Coulomb energies of ``n`` carriers from potentials of all sites. They do not look at
    limits from above."""
    pair = coupling.surroundings.pair
    if pair is None or not windows(coupling).monotonic:
        return False
    return coupling.tables.n_types * coupling.tables.n_cells <= SITES_A_CARRIER * n


def potential_arrays(coupling: Coupling, n: int) -> dict[str, Any]:
    """For ``n`` carriers, with nothing on the sites yet."""
    t, pair, entries = coupling.tables, coupling.potential_rows, n << coupling.entry_bits
    row = -(-t.size[2] * t.n_types // int(kc.LANES)) * int(kc.LANES)
    return {
        "row": np.uint64(row),
        "pair_row": np.uint64(pair.shape[-1]),
        "phi": aligned(np.zeros(t.size[0] * t.size[1] * row, np.int64)),
        "pair": pair.reshape(-1),
        "count": np.zeros(1, np.uint64),
        "target": np.zeros(entries, np.int32),
        "origin": np.zeros(entries, np.int32),
        "floor": np.zeros(entries, np.int64),
        "entry_at": np.zeros(entries, np.uint32),
        "spot": np.full(entries, kp.UNWATCHED, np.uint32),
    }


def charge_arrays(coupling: Coupling, n: int, listed: bool) -> dict[str, Any]:
    """Coulomb energies of ``n`` carriers, empty without. listed : whether energies of all hops are kept."""
    t, pair, bits = coupling.tables, coupling.surroundings.pair, coupling.entry_bits
    none = np.zeros(0, np.int64)
    row_type = np.stack([np.repeat(np.arange(t.n_types), t.width), t.target_type], 1).astype(np.int64)
    row_cell = np.array([coupling.target(r)[1] for r in range(t.n_rows)], np.int64).reshape(-1, 3)
    there = int(pair is not None)
    entries, n_all = n << bits if listed else 0, n
    n *= there
    return {
        "shape": kc.GradientShape(
            cells_a=there * t.size[0],
            cells_b=there * t.size[1],
            cells_c=there * t.size[2],
            types=there * t.n_types,
            slot_bits=np.uint64(there * bits),
        ),
        "gradient": none
        if pair is None or (listed and potentials_pay(coupling, n_all))
        else coupling.gradient,
        "cell": np.zeros((3, n), np.int32),
        "carrier_type": np.zeros(n, np.int32),
        "row_type": row_type,
        "row_cell": row_cell,
        "kept": aligned(np.zeros(entries, np.int64)),
        "low": aligned(np.full(entries, -kw.NO_LIMIT)),
        "line": np.zeros((2, n), np.int32),
        "sum": aligned(np.zeros(2 << bits, np.int64)),
    }


def list_arrays(lattice: CoupledLattice, known: dict[str, Any], n: int, tree: bool) -> dict[str, Any]:
    """Of ``n`` carriers. known : `CoupledLattice.arrays`. tree : whether a sum tree selects hops, instead of lists."""
    t, c = lattice.tables, lattice.coupling
    entries = n << lattice.bits
    classes, w = rate_classes(c), windows(c)
    n_classes = len(classes.bound)
    room = 0 if tree else n * t.width
    flat = n_classes * room <= FLAT_POOL
    chunks = 0 if flat else (room >> 8) + 1
    n_chunks = 0 if flat else chunks + n_classes + 1
    arrays: dict[str, Any] = {
        "scheme": ko.Scheme(
            margin=np.int64(0 if w.monotonic else w.margin),
            top_exponent=np.int64(classes.top_exponent),
            chunks=np.uint64(chunks),
            room=np.uint64(room),
        ),
        "used": np.array([0, n_classes, -1]),  # no class is used yet
        "carrier_at": np.full(lattice.halo.n_places, shared.ABSENT, np.uint32),
        "class_of": np.full(entries, ko.CLOSED, np.uint16),
        "where": np.zeros(1 if tree else entries, np.uint32),
        "pool": np.zeros(n_classes * room if flat else n_chunks << 8, np.uint32),
        "directory": np.zeros(n_classes * chunks, np.uint32),
        "free": np.arange(n_chunks, dtype=np.uint32)[::-1].copy(),
        "free_count": np.array([n_chunks], np.uint64),
        "length": np.zeros(n_classes, np.uint64),
        "class_bound": classes.bound,
        "log_loose": w.log_loose,
        "floor_share": w.floor_share / max(1, n * t.width),
        "bound_of": np.zeros(entries if tree else 1),
        "tree": np.zeros(2 << max(0, n - 1).bit_length() if tree else 2),
    }
    if c.codes is not None:
        assert c.code_rate is not None
        real = np.flatnonzero(t.hop != NULL)
        rate = known["rate"]
        clamped = np.concatenate([np.zeros(0, np.bool_), *(c.code_rate[t.hop[row]][1] for row in real)])
        table = np.zeros((len(rate), 4), np.uint64)
        listed = np.array([classes.of(r) for r in rate.tolist()], np.int64).reshape(-1)
        table[:, 0] = chances(rate, np.where(listed < 0, 0.0, classes.bound[listed]), clamped)
        table[:, 1] = known["accept"][1::2]
        table[:, 2] = np.where(listed < 0, int(ko.NEVER), listed)
        own = {
            "value": np.zeros(entries, np.int32),
            "table": table.reshape(-1),
            "listed": table[:, 2].astype(np.uint16),
        }
        return arrays | own | _about_ends(lattice, known["entry"])
    several = known["setup"].any_several
    charged = c.surroundings.pair is not None
    near = _neighbours(lattice) | _own_sites(lattice)
    if potentials_pay(c, n):
        near["own_constant"] -= _own_potentials(lattice)
    most = len(near["touched"]) + (n * t.width if charged else 0)
    return (
        arrays
        | near
        | {
            "touched": np.zeros(most, np.uint64),
            "high": np.zeros(1 if w.monotonic else entries, np.int64),
            "shift": np.zeros(entries, np.int64),
            "code": np.zeros(entries, np.int32),
            "several": np.zeros(3 * entries if several else 1, np.int64),
            "left": np.zeros(entries >> 3 if charged else 0, np.uint64),
        }
    )


def _about_ends(lattice: CoupledLattice, entry: IntArray) -> dict[str, Any]:
    """Hops of carriers that an end of a hop concerns, by its basis site. entry : `Around.entry`."""
    t, c, none = lattice.tables, lattice.coupling, np.zeros(lattice.occupants, np.int64)
    group, span, change, change_span = list[int](), [0], list[int](), [0]
    gain: list[IntArray] = []
    for b, groups in enumerate(c.reached()):
        for type_, cell, changes in groups:
            offset = int(lattice.halo.offset(cell, b - int(t.type_basis[type_])))
            group.append(offset << 5 | int(t.type_species[type_]) + 1)
            for slot, site in changes:
                row = type_ * t.width + slot
                is_target = site == c.target(row) and not t.to_itself[row]
                at = lattice.entry_of.get((row, site))
                known = not is_target and at is not None
                numbers = entry[at + 1 : at + 1 + lattice.occupants] if known and at is not None else none
                change.append(slot + is_target * kl.BY_TARGET)
                gain.append(numbers - numbers[0])
            change_span.append(len(change))
        span.append(len(group))
    basis = np.stack([np.repeat(t.type_basis, t.width), t.type_basis[t.target_type]], 1)
    return {
        "basis": basis.astype(np.uint64).reshape(-1),
        "group_span": np.array(span, np.uint64),
        "group": np.array(group, np.int64),
        "found": np.zeros(2 * max(np.diff(span), default=0) + 2, np.uint64),
        "change_span": np.array(change_span, np.uint64),
        "change": np.array(change, np.int64),
        "gain": np.concatenate([none, *gain]).astype(np.int32)[lattice.occupants :],
        "occupants": np.uint64(lattice.occupants),
        "touched": np.zeros(2 * len(change) + 1, np.uint64),
    }


def _neighbours(lattice: CoupledLattice) -> dict[str, Any]:
    """What each hop changes of others'."""
    t, c = lattice.tables, lattice.coupling
    near, change_span = list[int](), [0]
    lines: list[IntArray] = []
    change: list[tuple[int, ...]] = []
    span, most = [0], 0
    for row in range(t.n_rows):
        slots = 0
        ends = int(t.type_basis[row // t.width]), int(t.type_basis[t.target_type[row]])
        real = t.hop[row] != NULL and not t.to_itself[row]
        for one in c.changed(row) if real else ():
            offset = int(lattice.halo.offset(one.cell, ends[one.near_target] - int(t.type_basis[one.type])))
            line = np.zeros(1 << lattice.bits, np.int64)
            for slot, (what, difference, shift, code) in one.change.items():
                line[slot] = difference
                if what != kw.SHIFTS:
                    change.append((slot, what, shift, code))
            occupant = int(t.type_species[one.type]) + 1
            near.append(offset << 6 | occupant << 1 | int(one.near_target))
            change_span.append(len(change))
            lines.append(line)
            slots += len(one.change)
        span.append(len(near))
        most = max(most, slots)
    return {
        "near_span": np.array(span, np.uint64),
        "near": np.array(near, np.int64),
        "change_span": np.array(change_span, np.uint64),
        "found": np.zeros(2 * max(np.diff(span), default=0) + 2, np.uint64),
        "near_line": aligned(np.concatenate([np.zeros(0, np.int64), *lines])),
        "change": np.array(change, np.int64).reshape(-1),
        "touched": np.zeros(most + 1, np.uint64),
    }


def _own_potentials(lattice: CoupledLattice) -> IntArray:
    """(T << shift,) what a carrier's own potential adds to the difference of potentials of each of its hops."""
    t, c, pair = lattice.tables, lattice.coupling, lattice.coupling.surroundings.pair
    assert pair is not None
    found = np.zeros((t.n_types, 1 << lattice.bits), np.int64)
    for row in np.flatnonzero(t.hop != NULL):
        type_, slot = divmod(int(row), t.width)
        there = np.mod(c.target(int(row))[1], t.size)
        found[type_, slot] = pair[type_, t.target_type[row], *there] - pair[type_, type_, 0, 0, 0]
    return found.reshape(-1)


def _own_sites(lattice: CoupledLattice) -> dict[str, Any]:
    """What a carrier's own energy differences are made of."""
    t, hops, width = lattice.tables, lattice.coupling.surroundings.hops, 1 << lattice.bits
    own: list[int] = []
    lines: list[IntArray] = []
    constant = np.zeros((t.n_types, width), np.int64)
    occupants = lattice.occupants  # one of them says that the site is blocked
    span, turning = [0], False
    for type_ in range(t.n_types):
        sites: dict[Site, IntArray] = {}
        for slot in range(t.width):
            hop = int(t.hop[type_ * t.width + slot])
            if hop == NULL:
                continue
            constant[type_, slot] = hops[hop].constant[0]
            turning |= len(hops[hop].table) > 1 or any(n[1] or n[2] for n in hops[hop].terms.values())
            for site, choices in hops[hop].single.items():
                line = sites.setdefault(site, np.zeros((occupants, width), np.int64))
                for species, numbers in choices.items():
                    line[species + 1, slot] = numbers[0]
        for site, line in sorted(sites.items(), key=lambda x: x[0]):
            if line.any():
                own.append(int(lattice.halo.offset(site[1], site[0] - int(t.type_basis[type_]))))
                lines.append(line.reshape(-1))
        span.append(len(own))
    return {
        "own_span": np.array(span, np.uint64),
        "own": np.array(own, np.int64),
        "own_line": aligned(np.concatenate([np.zeros(0, np.int64), *lines])),
        "own_constant": constant.reshape(-1),
        "occupants": np.uint64(occupants),
        "turning": turning,
    }
