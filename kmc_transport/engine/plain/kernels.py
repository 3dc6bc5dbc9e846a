# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Compiled kernels of carriers without interactions: null events, and rejection-free lists of open hops.

Null events (D. T. Gillespie, J. Comput. Phys. 22, 403 (1976), with constant bounds of the rates): every carrier
attempts hops at the same total rate, its species' bound; a slot is chosen by the alias table of its type, whose null
slot takes what is missing, and nothing happens where the target is occupied. Each hop happens at its rate, whatever the
others do: exact, and the number of attempts in a sample is a Poisson number that the caller draws. Rejection-free
(n-fold way: A. B. Bortz, M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975)): open hops are listed by classes
of equal rates; a class is found in a sum tree, a hop evenly within it.

Invariants: a carrier's record says where it is and in which base row, and the occupancy agrees with all records. The
entry of an open hop is in the list of its class once, at the place that ``where`` tells; no other entry is listed.
Axes and words: `kernels_shared`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...jit import inlined, jit_plain, part, prefetch, wide_multiply
from ..kernels_sampling import end_attempts, sample
from ..kernels_shared import (
    ABSENT,
    ATTEMPTS,
    LOGGED,
    LOW32,
    ROW,
    U0,
    U1,
    U2,
    U3,
    U6,
    U32,
    U63,
    U,
    after_alias,
    attempt,
    draw,
    far,
    find_leaf,
    fold,
    fold_all,
    load,
    log_hop,
    sample_is_over,
    set_leaf,
    store,
    uniform,
)

LINK, MAY, STEP, MOVE, NEXT, CLASS = (U(i) for i in range(2, 8))
"""Columns of a row beside `THRESHOLD` and `ALIAS`: column of the neighbour table; bit 0: a hop, to be executed if its
target is empty, bit 1: also if occupied (by the carrier itself, through the periodic boundary); packed displacement;
what a hop adds to the record (bit set); base of the target's type, in its place of the record; class of equal rates."""

NO_CLASS = U(0xFFFFFFFF)
BATCH = 32
"""Attempts that kernels choose ahead, to call for the memory that they need."""


class NetworkSetup(NamedTuple):
    """Numbers of the network."""

    links: np.uint64  # columns of the neighbour table
    width: np.uint64  # W
    two_draws: bool  # whether carrier and slot need a random number each
    entry_shift: np.uint64  # bits of a slot in an entry


class BitGeometry(NamedTuple):
    """Packed record of the bit-set layout (else zeros): base row, then three fields with a guard bit on top of each."""

    field: np.uint64  # bits of a field
    second: (
        np.uint64
    )  # size of the supercell, second and last axis; the last one counts basis sites (a power of two)
    last: np.uint64
    sizes: np.uint64  # packed
    bias: np.uint64  # packed 2**(field - 1) - size: added, it sets the guard bit where the size is reached
    guard: np.uint64  # packed guard bits
    place_bits: np.uint64  # 3 fields


class Hops(NamedTuple):
    """Arrays of the null-event kernel."""

    setup: NetworkSetup
    geometry: BitGeometry
    rows: np.ndarray  # (8 R,) uint64
    neighbour: np.ndarray  # (n_sites * links,) uint32; length 1 where the bit set is used
    first: np.ndarray  # (S,) uint64: number of the species' first carrier
    number: np.ndarray  # (S,) uint64: its carriers
    cut: np.ndarray  # (S,) uint64: a number below it means this species or an earlier one
    rng: np.ndarray  # (4,) uint64
    record: np.ndarray  # (2 N,) uint64: place and base row; displacement since the last sample
    bytes: np.ndarray  # (n_sites,) uint8 occupied; length 1 if not used
    bits: np.ndarray  # uint64 words of occupied sites; length 1 if not used
    counts: np.ndarray  # (R,) int64 executed since the last sample
    held: np.ndarray  # (3, N) int32: cells folded out of the record since the last sample, or (3, 0)
    clock: np.ndarray  # (5,) int64
    batch: np.ndarray  # (3, BATCH) uint64: scratch


class Lists(NamedTuple):
    """Arrays of the rejection-free kernel; those named as in `Hops` are the same."""

    setup: NetworkSetup
    rows: np.ndarray
    neighbour: np.ndarray
    rng: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    incoming_span: np.ndarray  # (2 R,) uint64: for each base row, part of `incoming` about its site
    incoming: (
        np.ndarray
    )  # (4 n,) uint64: link back to the origin, first and last carrier of the species, slot
    class_weight: np.ndarray  # (C,) float64: rate times sample interval
    class_start: np.ndarray  # (C + 1,) uint64: part of `members` that belongs to each class
    carrier_at: np.ndarray  # (n_sites,) uint32, or ABSENT
    members: np.ndarray  # (...,) uint32: entries of the open hops of each class
    where: np.ndarray  # by entry, uint32: its place in the class, or ABSENT
    length: np.ndarray  # (C,) uint64
    tree: np.ndarray  # (2 P,) float64: sums of class weight times length, P the power of two that holds C
    remaining: np.ndarray  # (1,) float64: part of the sample interval that is left


@part
def hops_table(n, hops, plain):
    """``n`` attempts; neighbours from a table, one byte a site. Returns (carrier, row, executed) of the last one.

    Without a branch on the outcome: it would be foretold wrongly too often. A refused hop writes what was there.
    In a plain network the row does not depend on the carrier's record, and two loads less stand between the random
    number and the occupancy.
    """
    rows, record, occupied, neighbour, counts = (
        hops.rows,
        hops.record,
        hops.bytes,
        hops.neighbour,
        hops.counts,
    )
    links, width = hops.setup.links, hops.setup.width
    rng = load(hops.rng)
    carrier = row = executed = U0
    for _ in range(n):
        carrier, slot, fraction, rng = attempt(rng, hops, plain)
        here = record[carrier << U1]
        if plain is None:
            site, row = here & LOW32, ((here >> U32) + slot) << ROW
        else:
            site, row = here, slot << ROW
        row = after_alias(rows, row, fraction)
        if plain is None:
            target = U(neighbour[site * links + rows[row | LINK]])
            executed = (rows[row | MAY] >> U(occupied[target])) & U1
            after = target | rows[row | NEXT]
        else:
            target = U(neighbour[site * width + (row >> ROW)])
            executed = U(occupied[target]) ^ U1
            after = target
        mask = U0 - executed
        there = here ^ ((here ^ after) & mask)
        occupied[site] = executed ^ U1
        occupied[there & LOW32] = 1
        record[carrier << U1] = there
        record[(carrier << U1) | U1] += rows[row | STEP] & mask
        counts[row >> ROW] += np.int64(executed)
    store(rng, hops.rng)
    return carrier, row, executed


@inlined
def site_of(place, geometry):
    """Number of the site that a packed place means."""
    field, mask = geometry.field, (U1 << geometry.field) - U1
    site = ((place >> (field + field)) & mask) * geometry.second + ((place >> field) & mask)
    return site * geometry.last + (place & mask)


@part
def hops_bits(n, hops, plain):
    """``n`` attempts; neighbours by arithmetic, one bit a site. Arguments and result as `hops_table`.

    A hop adds a number to the record, and where a coordinate reaches the size of the supercell, that is taken off: the
    guard bit on top of each field shows it. Attempts are chosen in batches and the carriers' records called for, so
    that the processor waits for many of them at once.
    """
    rows, record, bits, counts, geometry = hops.rows, hops.record, hops.bits, hops.counts, hops.geometry
    carriers, slots, fractions = hops.batch[0], hops.batch[1], hops.batch[2]
    rng = load(hops.rng)
    carrier = row = executed = U0
    for begin in range(0, n, BATCH):
        size = U(min(BATCH, n - begin))
        for i in range(size):
            carrier, slot, fraction, rng = attempt(rng, hops, plain)
            prefetch(record, carrier << U1)
            if plain is None:
                fractions[i] = fraction
            else:
                slot = after_alias(rows, slot << ROW, fraction)
            carriers[i], slots[i] = carrier, slot
        for i in range(size):
            carrier, row = carriers[i], slots[i]
            here = record[carrier << U1]
            if plain is None:
                row = after_alias(rows, ((here >> geometry.place_bits) + row) << ROW, fractions[i])
            there = here + rows[row | MOVE]
            over = (there + geometry.bias) & geometry.guard
            there -= geometry.sizes & (over - (over >> (geometry.field - U1)))
            site, target = site_of(here, geometry), site_of(there, geometry)
            executed = (bits[target >> U6] >> (target & U63)) & U1
            executed = (rows[row | MAY] >> executed) & U1 if plain is None else executed ^ U1
            mask = U0 - executed
            bits[site >> U6] ^= executed << (site & U63)
            bits[target >> U6] ^= executed << (target & U63)
            record[carrier << U1] = here + ((there - here) & mask)
            record[(carrier << U1) | U1] += rows[row | STEP] & mask
            counts[row >> ROW] += np.int64(executed)
    store(rng, hops.rng)
    return carrier, row, executed


@jit_plain
def run_null_event(attempts, goes_on, fold_after, bits, plain, hops, tally, out, log):
    """One sample for each entry of ``attempts`` (its number of attempts).

    ``goes_on``: the last one is a part of a sample, the rest of which is for the next call. ``log``: empty where no
    hops are logged. ``bits``: the layout is the bit set. ``plain``: the network is as `compiled.is_plain` says. Both
    are None or something else: a kernel of its own is compiled for each case that is used.
    """
    most = np.int64(1) if len(log) else fold_after
    for number in range(len(attempts)):
        done = 0
        n = attempts[number]
        while done < n:
            m = min(n - done, most)
            if bits is None:
                carrier, row, executed = hops_table(m, hops, plain)
            else:
                carrier, row, executed = hops_bits(m, hops, plain)
            if len(log) and executed:
                log_hop(log, hops.clock[LOGGED], number, carrier, row, done, 0, 0)
                hops.clock[LOGGED] += 1
            done += m
            if done % fold_after == 0 and done < n:
                fold_all(hops)
        end_attempts(hops, tally, out, n, goes_on and number == len(attempts) - 1)


@inlined
def set_length(lists, c, n):
    lists.length[c] = n
    set_leaf(lists.tree, c, np.int64(n) * lists.class_weight[c])


@part
def set_open(lists, entry, before, after):
    """Move a hop from the list of class ``before`` to that of ``after`` (`NO_CLASS`: it is not open).

    Where it leaves a list, the last one of that list fills the gap.
    """
    members, where = lists.members, lists.where
    if before != NO_CLASS:
        n, start, place = lists.length[before] - U1, lists.class_start[before], where[entry]
        last = members[start + n]
        members[start + U(place)] = last
        where[U(last)] = place
        where[entry] = ABSENT
        set_length(lists, before, n)
    if after != NO_CLASS:
        n = lists.length[after]
        members[lists.class_start[after] + n] = np.uint32(entry)
        where[entry] = np.uint32(n)
        set_length(lists, after, n + U1)


@part
def update_own_hops(lists, carrier, base_before):
    """List the hops that ``carrier`` can make from where it sits, instead of those of ``base_before``."""
    setup, rows = lists.setup, lists.rows
    here = lists.record[carrier << U1]
    site, base = here & LOW32, here >> U32
    for slot in range(setup.width):
        entry = carrier << setup.entry_shift | slot
        before = rows[(base_before + slot) << ROW | CLASS] if lists.where[entry] != ABSENT else NO_CLASS
        row = (base + slot) << ROW
        after = rows[row | CLASS]
        if after != NO_CLASS:
            target = U(lists.neighbour[site * setup.links + rows[row | LINK]])
            if target != site and lists.carrier_at[target] != ABSENT:
                after = NO_CLASS
        if before != after:
            set_open(lists, entry, before, after)


@jit_plain
def list_open_hops(lists):
    """Fill the empty lists, carrier by carrier."""
    for carrier in range(U(len(lists.record) >> 1)):
        update_own_hops(lists, carrier, lists.record[carrier << U1] >> U32)


@part
def update_hops_into(lists, site, base, carrier, opened):
    """Other carriers may (``opened``) or may not any more hop to ``site``, where ``base`` was or is."""
    links, shift, incoming = lists.setup.links, lists.setup.entry_shift, lists.incoming
    for i in range(lists.incoming_span[base << U1], lists.incoming_span[(base << U1) | U1]):
        j = i << U2
        other = lists.carrier_at[U(lists.neighbour[site * links + incoming[j]])]
        if other != ABSENT and U(other) != carrier and incoming[j | U1] <= U(other) < incoming[j | U2]:
            slot = incoming[j | U3]
            c = lists.rows[((lists.record[U(other) << U1] >> U32) + slot) << ROW | CLASS]
            before, after = (NO_CLASS, c) if opened else (c, NO_CLASS)
            set_open(lists, U(other) << shift | slot, before, after)


@jit_plain
def run_rejection_free(n_samples, most, lists, tally, out, log):
    """``n_samples`` samples; the time to the next one is kept in units of the interval.

    The kernel comes back after ``most`` events, wherever it is; called again it goes on. Returns the number of samples
    that are left.
    """
    links, shift, record, carrier_at = (
        lists.setup.links,
        lists.setup.entry_shift,
        lists.record,
        lists.carrier_at,
    )
    tree, slot_mask = lists.tree, (U1 << shift) - U1
    rng = load(lists.rng)
    done = events = 0
    while done < n_samples and events < most:
        over, rng = sample_is_over(lists.remaining, tree[1], rng)
        if over:
            sample(tally, out)
            done += 1
            continue
        c = U0
        if len(tree) > 2:
            r, rng = draw(rng)
            c, _ = find_leaf(tree, uniform(r) * tree[1])
        r, rng = draw(rng)
        place, _ = wide_multiply(r, lists.length[c])
        entry = U(lists.members[lists.class_start[c] + place])

        carrier = entry >> shift
        here = record[carrier << U1]
        base, site = here >> U32, here & LOW32
        row = (base + (entry & slot_mask)) << ROW
        target = U(lists.neighbour[site * links + lists.rows[row | LINK]])
        record[carrier << U1] = target | lists.rows[row | NEXT]
        record[(carrier << U1) | U1] += lists.rows[row | STEP]
        if far(record[(carrier << U1) | U1]):
            fold(lists, carrier)
        lists.counts[row >> ROW] += 1
        lists.clock[ATTEMPTS] += 1
        if len(log):
            log_hop(log, events, done, carrier, row, 1.0 - lists.remaining[0], 0, 0)
        events += 1
        if target != site:
            carrier_at[site] = ABSENT
            carrier_at[target] = np.uint32(carrier)
            update_own_hops(lists, carrier, base)
            update_hops_into(lists, site, base, carrier, True)
            update_hops_into(lists, target, lists.rows[row | NEXT] >> U32, carrier, False)
    store(rng, lists.rng)
    lists.clock[LOGGED] = events
    return n_samples - done
