# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Lists of the open hops of interacting carriers, by classes of their rates or in a tree: kept, drawn from, executed.

See `kernels_listed`, also for the invariants.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...jit import inlined, wide_multiply
from ..kernels_shared import (
    ABSENT,
    LOW32,
    ROW,
    U0,
    U1,
    U2,
    U8,
    U32,
    U63,
    U,
    draw,
    far,
    find_leaf,
    fold,
    set_leaf,
    uniform,
)
from .kernels_null import MAY, NEXT, STEP, TARGET, CoupledSetup, link_of, occupant_of, put, real

CHUNK_MASK = U(255)
CLOSED, NEVER = np.uint16(0xFFFF), np.uint16(0xFFFE)
"""In place of a class: the hop is not open; it is, but its rate is too small for a number."""

UNLISTED, FASTEST, SLOWEST = range(3)
"""Entries of `Listed.used`: next carrier to be listed at the start, first and last class that has ever been used."""


class Scheme(NamedTuple):
    """How hops are listed."""

    margin: np.int64  # quanta, see `classes.Windows`; 0 for monotonic rules
    top_exponent: np.int64  # of the fastest class
    chunks: np.uint64  # of a class; 0: without chunks
    room: np.uint64  # entries for which a class has room without chunks


class Listed(NamedTuple):
    """Arrays of the kernel; those named as in `kernels_null.Null` are the same."""

    setup: CoupledSetup
    rows: np.ndarray
    rng: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    clamped: np.ndarray
    ledger: np.ndarray
    scheme: Scheme
    used: np.ndarray  # (3,) int64
    carrier_at: np.ndarray  # (n_places,) uint32, or ABSENT; copies included
    touched: np.ndarray  # uint64: entries to be renewed
    class_of: np.ndarray  # (N << shift,) uint16
    where: np.ndarray  # (N << shift,) uint32: position in the list of its class
    pool: np.ndarray  # (C room,) uint32: entries by class; or chunks of 256 entries
    directory: np.ndarray  # (C chunks,) uint32: chunks of each class
    free: np.ndarray  # uint32: unused chunks
    free_count: np.ndarray  # (1,) uint64
    length: np.ndarray  # (C,) uint64
    class_bound: np.ndarray  # (C,) 1/s, falling
    class_weight: np.ndarray  # (C,) times the sample interval
    bound_of: np.ndarray  # (N << shift,) 1/s with a tree, else length 1
    tree: np.ndarray  # (2 P,) 1/s with a tree, else length 2
    interval: float  # s
    log_loose: float  # logarithm of the factor by which a bound may exceed the rate
    floor_share: float  # `classes.SHARE` of each entry
    remaining: np.ndarray  # (1,) part of the sample interval that is left


@inlined
def pool_position(lists, c, n):
    """Where the pool holds number ``n`` of class ``c``."""
    scheme = lists.scheme
    if scheme.chunks == U0:
        return U(c) * scheme.room + n
    return U(lists.directory[U(c) * scheme.chunks + (n >> U8)]) << U8 | (n & CHUNK_MASK)


@inlined
def list_add(lists, entry, c):
    n, used, chunks = lists.length[c], lists.used, lists.scheme.chunks
    if n == U0:
        used[FASTEST] = min(used[FASTEST], np.int64(c))
        used[SLOWEST] = max(used[SLOWEST], np.int64(c))
    if chunks != U0 and n & CHUNK_MASK == U0:
        lists.free_count[0] -= U1
        lists.directory[U(c) * chunks + (n >> U8)] = lists.free[lists.free_count[0]]
    lists.pool[pool_position(lists, c, n)] = np.uint32(entry)
    lists.where[entry] = np.uint32(n)
    lists.length[c] = n + U1


@inlined
def list_remove(lists, entry, c):
    """The last one of the list fills the gap."""
    n, position = lists.length[c] - U1, U(lists.where[entry])
    end = pool_position(lists, c, n)
    last = lists.pool[end]
    lists.pool[pool_position(lists, c, position)] = last
    lists.where[U(last)] = np.uint32(position)
    lists.length[c] = n
    if lists.scheme.chunks != U0 and n & CHUNK_MASK == U0:
        lists.free[lists.free_count[0]] = np.uint32(end >> U8)
        lists.free_count[0] += U1


@inlined
def relist(lists, entry, after, bound):
    """Put an entry into the list of class ``after`` (none for `CLOSED` and `NEVER`), or into the tree."""
    before = lists.class_of[entry]
    if lists.setup.tree:
        lists.class_of[entry] = after
        set_bound(lists, entry, bound)
    elif before != after:
        if before < NEVER:
            list_remove(lists, entry, before)
        if after < NEVER:
            list_add(lists, entry, after)
        lists.class_of[entry] = after


@inlined
def set_bound(lists, entry, bound):
    """New bound of an entry with a tree."""
    if lists.bound_of[entry] != bound:
        lists.bound_of[entry] = bound
        shift = lists.setup.entry_shift
        carrier = entry >> shift
        total = 0.0
        for slot in range(lists.setup.width):
            total += lists.bound_of[carrier << shift | slot]
        set_leaf(lists.tree, carrier, total)


@inlined
def row_and_place(lists, entry):
    shift = lists.setup.entry_shift
    here = lists.record[(entry >> shift) << U1]
    return ((here >> U32) + (entry & ((U1 << shift) - U1))) << ROW, here & LOW32


@inlined
def is_open(lists, lattice, row, place):
    may = lists.rows[row | MAY]
    return (may & U1 != U0) and (
        may & U2 != U0 or occupant_of(lattice, place + lists.rows[row | TARGET]) == U0
    )


@inlined
def total_weight(lists):
    """Expected attempts per sample interval."""
    if lists.setup.tree:
        return lists.tree[1] * lists.interval
    total = 0.0
    for c in range(lists.used[SLOWEST], lists.used[FASTEST] - 1, -1):
        total += np.float64(np.int64(lists.length[c])) * lists.class_weight[c]
    return total


@inlined
def choose_entry(lists, total, rng):
    """Entry and its class (0 with a tree)."""
    r, rng = draw(rng)
    r2, rng = draw(rng)
    x = uniform(r) * total
    if lists.setup.tree:
        carrier, x = find_leaf(lists.tree, x / lists.interval)
        first = carrier << lists.setup.entry_shift
        found = first
        for slot in range(lists.setup.width):
            bound = lists.bound_of[first + slot]
            if bound > 0.0:
                found = first + slot
                if x < bound:
                    break
                x -= bound
        return found, 0, rng
    c = lists.used[FASTEST]
    for i in range(lists.used[FASTEST], lists.used[SLOWEST] + 1):
        if lists.length[i] != U0:
            c = i
            weight = np.float64(np.int64(lists.length[i])) * lists.class_weight[i]
            if x < weight:
                break
            x -= weight
    position, _ = wide_multiply(r2, lists.length[c])
    return U(lists.pool[pool_position(lists, c, position)]), c, rng


@inlined
def put_carrier(lists, lattice, place, carrier, occupant):
    """Let a carrier (or nothing) sit at a real place and its copies."""
    put(lattice, place, occupant)
    lists.carrier_at[place] = np.uint32(carrier)
    if U(lattice.occupant[place]) > U63:
        start = link_of(lattice, place)
        for i in range(start + U1, start + U1 + U(lattice.copies[start])):
            lists.carrier_at[lattice.copies[i]] = np.uint32(carrier)


@inlined
def execute(lists, lattice, carrier, row, place, species):
    """Move the carrier. Returns its new place."""
    record, target = lists.record, place
    if lists.rows[row | MAY] & U2 == U0:
        target = real(lattice, place + lists.rows[row | TARGET])
        put_carrier(lists, lattice, place, U(ABSENT), U0)
        put_carrier(lists, lattice, target, carrier, species)
    record[carrier << U1] = target | lists.rows[row | NEXT]
    record[carrier << U1 | U1] += lists.rows[row | STEP]
    if far(record[carrier << U1 | U1]):
        fold(lists, carrier)
    lists.counts[row >> ROW] += 1
    return target
