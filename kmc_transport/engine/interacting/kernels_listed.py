# mypy: ignore-errors
# (as in `kernels`: whole numbers of unlike widths)
"""Rejection-free kernels of interacting carriers: every open hop is listed, only what a hop reaches is renewed.

Selection by composition and rejection (A. Slepoy, A. P. Thompson, S. J. Plimpton, J. Chem. Phys. 128, 205101 (2008)):
hops are listed by classes of their rates, a class is chosen by its weight, a hop evenly within it, and kept with
probability rate / bound of the class; where few rates occur, each has a class of its own (n-fold way: A. B. Bortz,
M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975)) and a hop is refused only if it has become slower since it
was listed. Or by a binary tree of the carriers' rates. A refused hop advances the clock: thinning, exact in law.

As in `kernels_null`, a hop's rate follows from a code, or from energies. With Coulomb energies every hop changes the
energies of all, a little (`kernels_coulomb`): a hop is listed by a bound of its rate, which holds while its energy
difference stays within a margin of where the bound was found.

An *entry* is a hop of a carrier: ``carrier << shift | slot``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..jit import inlined, jit_plain, wide_multiply
from ..plain.kernels import (
    ABSENT,
    ATTEMPTS,
    ENTRY_SHIFT,
    LOGGED,
    LOW32,
    ROW,
    U0,
    U1,
    U2,
    U3,
    U11,
    U32,
    U,
    draw,
    far,
    fold,
    sample,
)
from .kernels_coulomb import LANES, TYPES, follow_hop, move_charge, sum_anew
from .kernels_null import (
    ANY_SEVERAL,
    ENERGY,
    EXCEEDED,
    MAY,
    NEXT,
    OCCUPANT,
    ONE,
    STEP,
    TARGET,
    WIDTH,
    code_around,
    energies_around,
    link_of,
    put,
    rate_of,
    real,
    several_around,
    total_shift,
)

U8 = U(8)
CHUNK_MASK = U(255)
CLOSED, NEVER = np.uint16(0xFFFF), np.uint16(0xFFFE)
"""In place of a class: the hop is not open; it is, but its rate is too small for a number."""

RARE = 5000.0
"""A hop that has become slower keeps its class where one hop of that class expects less than one in so many of all
attempts."""

BY_TARGET = -1
"""In place of an index into `Around.entry`: the site is the hop's target."""

ALWAYS = U(0xFFFFFFFFFFFFFFFF)
PEAK = 1.07
"""Factor of a bound over the rates at both ends and the middle of a window of ±kT, for rules whose rate has a maximum
in between (Marcus at the edge of the inverted region): exp(kT/16 lambda) at most, for lambda above kT."""

# `Listed.setup` continues `kernels_null`: whether a tree selects; at ENTRY_SHIFT the bits of a slot.
TREE = 6

# Entries of `Listed.scheme`.
MARGIN, TOP_EXPONENT, CHUNKS, UNLISTED, ROOM, FASTEST, SLOWEST = range(7)


class Listed(NamedTuple):
    """Arrays of both kernels. N carriers, B basis sites, C classes; the others as in `kernels_null.Null`."""

    setup: np.ndarray  # (11,) uint64
    rows: np.ndarray
    rng: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    clamped: np.ndarray
    ledger: np.ndarray
    scheme: (
        np.ndarray
    )  # (7,) int64: margin in quanta, exponent of the fastest class, chunks a class (0: without chunks), next
    # carrier to be listed at the start, entries for which a class has room without chunks, first and last class that
    # has ever been used
    carrier_at: np.ndarray  # (n_places,) uint32, or ABSENT; copies included
    basis: np.ndarray  # (2 R,) uint64: basis site of the origin and of the target
    group_span: np.ndarray  # (B + 1,) uint64: part of `group` about each basis site
    group: (
        np.ndarray
    )  # (4 n,) int64: offset to a carrier that this site concerns, its base, first, last change
    change_slot: np.ndarray  # uint64
    change_entry: np.ndarray  # int64: where `Around.entry` has the numbers by occupant, or `BY_TARGET`
    touched: np.ndarray  # uint64: entries to be renewed
    class_of: np.ndarray  # (N << shift,) uint16
    where: np.ndarray  # (N << shift,) uint32: place in the class
    pool: np.ndarray  # (C room,) uint32: entries by class; or chunks of 256 entries
    directory: np.ndarray  # (C chunks,) uint32: chunks of each class
    free: np.ndarray  # uint32: unused chunks
    free_count: np.ndarray  # (1,) uint64
    length: np.ndarray  # (C,) uint64
    class_bound: np.ndarray  # (C,) 1/s, falling
    class_weight: np.ndarray  # (C,) times the sample interval
    bound_of: np.ndarray  # (N << shift,) 1/s with a tree, else length 1
    tree: np.ndarray  # (2 P,) 1/s with a tree, else length 2
    interval: np.ndarray  # (1,) s
    remaining: np.ndarray  # (1,) part of the sample interval that is left


class Codes(NamedTuple):
    """Values of the entries in the kernel of codes."""

    value: np.ndarray  # (N << shift,) int32: code
    table: (
        np.ndarray
    )  # (4 n,) uint64 for each code: chance to be kept (lowest bit: clamped), energy difference, class
    rate: np.ndarray  # (n,) 1/s


class Values(NamedTuple):
    """Values of the entries in the kernel of energies, in quanta."""

    short: np.ndarray  # (N << shift,) int64: energy difference without Coulomb energies
    shift: np.ndarray  # (N << shift,) int64: of the barrier, without table and disorder
    code: np.ndarray  # (N << shift,) int32: of the environment table
    several: (
        np.ndarray
    )  # (3 N << shift,) int64 or length 1: what conditions on several sites have added to the three
    left: np.ndarray  # uint64: scratch, see `kernels_coulomb.follow_hop`


# ---- lists


@inlined
def pool_place(f, c, n):
    """Where the pool holds number ``n`` of class ``c``."""
    if f.scheme[CHUNKS] == 0:
        return U(c) * U(f.scheme[ROOM]) + n
    return U(f.directory[U(c) * U(f.scheme[CHUNKS]) + (n >> U8)]) << U8 | (n & CHUNK_MASK)


@inlined
def list_add(f, entry, c):
    n = f.length[c]
    if n == U0:
        f.scheme[FASTEST] = min(f.scheme[FASTEST], np.int64(c))
        f.scheme[SLOWEST] = max(f.scheme[SLOWEST], np.int64(c))
    if f.scheme[CHUNKS] != 0 and n & CHUNK_MASK == U0:
        f.free_count[0] -= U1
        f.directory[U(c) * U(f.scheme[CHUNKS]) + (n >> U8)] = f.free[f.free_count[0]]
    f.pool[pool_place(f, c, n)] = np.uint32(entry)
    f.where[entry] = np.uint32(n)
    f.length[c] = n + U1


@inlined
def list_remove(f, entry, c):
    """The last one of the list fills the gap."""
    n, place = f.length[c] - U1, U(f.where[entry])
    end = pool_place(f, c, n)
    last = f.pool[end]
    f.pool[pool_place(f, c, place)] = last
    f.where[U(last)] = np.uint32(place)
    f.length[c] = n
    if f.scheme[CHUNKS] != 0 and n & CHUNK_MASK == U0:
        f.free[f.free_count[0]] = np.uint32(end >> U8)
        f.free_count[0] += U1


@inlined
def relist(f, entry, after, bound):
    """Put an entry into the list of class ``after`` (none for `CLOSED` and `NEVER`), or into the tree."""
    before = f.class_of[entry]
    if f.setup[TREE] != U0:
        f.class_of[entry] = after
        set_bound(f, entry, bound)
    elif before != after:
        if before < NEVER:
            list_remove(f, entry, before)
        if after < NEVER:
            list_add(f, entry, after)
        f.class_of[entry] = after


@inlined
def set_bound(f, entry, bound):
    """New bound of an entry with a tree; the sums above are made anew, so that no rounding accumulates."""
    if f.bound_of[entry] != bound:
        f.bound_of[entry] = bound
        shift = f.setup[ENTRY_SHIFT]
        carrier = entry >> shift
        total = 0.0
        for slot in range(f.setup[WIDTH]):
            total += f.bound_of[carrier << shift | slot]
        node = U(len(f.tree) >> 1) + carrier
        f.tree[node] = total
        while node > U1:
            node >>= U1
            f.tree[node] = f.tree[node << U1] + f.tree[node << U1 | U1]


@inlined
def row_and_place(f, entry):
    shift = f.setup[ENTRY_SHIFT]
    here = f.record[(entry >> shift) << U1]
    return ((here >> U32) + (entry & ((U1 << shift) - U1))) << ROW, here & LOW32


@inlined
def is_open(f, p, row, place):
    may = f.rows[row | MAY]
    return (may & U1 != U0) and (
        may & U2 != U0 or U(p.occupant[place + f.rows[row | TARGET]]) & OCCUPANT == U0
    )


@inlined
def total_weight(f):
    """Expected attempts per sample interval."""
    if f.setup[TREE] != U0:
        return f.tree[1] * f.interval[0]
    total = 0.0
    for c in range(f.scheme[SLOWEST], f.scheme[FASTEST] - 1, -1):
        total += np.float64(np.int64(f.length[c])) * f.class_weight[c]
    return total


@inlined
def choose_entry(f, total, r, r2):
    """Entry and its class (0 with a tree) from two random numbers."""
    x = np.float64(r >> U11) * ONE * total
    if f.setup[TREE] != U0:
        x /= f.interval[0]
        node, leaves = U1, U(len(f.tree) >> 1)
        while node < leaves:
            node <<= U1
            # rounding must not lead into an empty branch
            if f.tree[node | U1] > 0.0 and x >= f.tree[node]:
                x -= f.tree[node]
                node |= U1
        first = (node - leaves) << f.setup[ENTRY_SHIFT]
        found = first
        for slot in range(f.setup[WIDTH]):
            bound = f.bound_of[first + slot]
            if bound > 0.0:
                found = first + slot
                if x < bound:
                    break
                x -= bound
        return found, 0
    c = f.scheme[FASTEST]
    for i in range(f.scheme[FASTEST], f.scheme[SLOWEST] + 1):
        if f.length[i] != U0:
            c = i
            weight = np.float64(np.int64(f.length[i])) * f.class_weight[i]
            if x < weight:
                break
            x -= weight
    place, r2 = wide_multiply(r2, f.length[c])
    return U(f.pool[pool_place(f, c, place)]), c


@inlined
def put_carrier(f, p, place, carrier, occupant):
    """Let a carrier (or nothing) sit at a real place and its copies."""
    put(p, place, occupant)
    f.carrier_at[place] = np.uint32(carrier)
    if U(p.occupant[place]) > U(63):
        start = link_of(p, place)
        for i in range(start + U1, start + U1 + U(p.copies[start])):
            f.carrier_at[p.copies[i]] = np.uint32(carrier)


@inlined
def execute(f, p, entry, row, place):
    """Move the carrier. Returns its new place."""
    carrier = entry >> f.setup[ENTRY_SHIFT]
    target = place
    if f.rows[row | MAY] & U2 == U0:
        target = real(p, place + f.rows[row | TARGET])
        species = U(p.occupant[place]) & OCCUPANT
        put_carrier(f, p, place, U(ABSENT), U0)
        put_carrier(f, p, target, carrier, species)
    f.record[carrier << U1] = target | f.rows[row | NEXT]
    f.record[carrier << U1 | U1] += f.rows[row | STEP]
    if far(f.record[carrier << U1 | U1]) and f.held.shape[1] > 0:
        fold(f, carrier)
    f.counts[row >> ROW] += 1
    return target


@inlined
def carrier_near(f, p, place, mover):
    """Carrier at a place, or `ABSENT`; the mover does not count."""
    # one byte a place is nearer at hand than the numbers of the carriers
    if U(p.occupant[place]) & OCCUPANT == U0:
        return U(ABSENT)
    found = U(f.carrier_at[place])
    return U(ABSENT) if found == mover else found


# ---- codes


@inlined
def list_code(f, v, entry, total):
    """List an open entry by its code. One that has become slower stays where it is until it is chosen in vain, if that
    will be rare: many come back before."""
    code = U(v.value[entry])
    before, after = f.class_of[entry], np.uint16(v.table[code << U2 | U2])
    stays = before < after and before < NEVER and f.class_weight[before] * RARE < total
    if f.setup[TREE] != U0 or not stays:
        relist(f, entry, after, v.rate[code])


@inlined
def renew_codes(f, p, a, v, own, n, total):
    """List the hops of carrier ``own`` and the first ``n`` touched ones anew; closed ones among these have opened."""
    width, any_several = f.setup[WIDTH], f.setup[ANY_SEVERAL] != U0
    first = own << f.setup[ENTRY_SHIFT]
    for i in range(width + n):
        entry = first | i if i < width else f.touched[i - width]
        anew = i < width or f.class_of[entry] == CLOSED
        if anew or any_several:
            row, place = row_and_place(f, entry)
            if i < width and not is_open(f, p, row, place):
                if f.class_of[entry] != CLOSED:
                    relist(f, entry, CLOSED, 0.0)
                continue
            if anew or a.term_span[row >> ROW << U1] != a.term_span[row >> ROW << U1 | U1]:
                v.value[entry] = np.int32(code_around(p, a, f.setup, f.rows, row, place))
        list_code(f, v, entry, total)


@inlined
def touch_codes(f, p, a, v, place, target, r, species, mover):
    """What hops of other carriers see change as ``species`` leaves ``place`` for ``target``; ``r`` is twice the row.

    Hops to ``target`` are closed at once. Touched are those to ``place``, which open, and open ones whose code has
    changed, and is renewed; codes of closed hops are not kept.
    """
    shift, n = f.setup[ENTRY_SHIFT], U0
    for end in range(U2):
        site = target if end == 0 else place
        basis = f.basis[r + (U1 - end)]
        after = species if end == 0 else U0
        before = species ^ after
        for g in range(f.group_span[basis], f.group_span[basis + U1]):
            at = g << U2
            other = carrier_near(f, p, site - U(f.group[at]), mover)
            if other != U(ABSENT) and f.record[other << U1] >> U32 == U(f.group[at | U1]):
                for i in range(U(f.group[at | U2]), U(f.group[at | U3])):
                    entry, j = other << shift | f.change_slot[i], f.change_entry[i]
                    is_listed = f.class_of[entry] != CLOSED
                    if j == BY_TARGET:
                        if is_listed:
                            relist(f, entry, CLOSED, 0.0)
                        elif end == 1:
                            f.touched[n] = entry
                            n += U1
                    elif is_listed:
                        v.value[entry] += np.int32(a.entry[U(j) + after] - a.entry[U(j) + before])
                        f.touched[n] = entry
                        n += U1
    return n


@jit_plain
def run_listed_codes(n_samples, most, f, p, a, v, t, rows_out, log, logging):
    """``n_samples`` samples, or until ``most`` attempts. Returns the number of samples left.

    Carriers that are not listed yet are listed first, in the same loop, so that the code for it is compiled once.
    """
    s0, s1, s2, s3 = f.rng[0], f.rng[1], f.rng[2], f.rng[3]
    done = attempts = executed = 0
    last = U(len(f.record) >> 1)
    total = total_weight(f)
    while True:
        if U(f.scheme[UNLISTED]) < last:
            if attempts >= most:
                break
            attempts += 1
            carrier, n = U(f.scheme[UNLISTED]), U0
            f.scheme[UNLISTED] += 1
        elif done >= n_samples or attempts >= most:
            break
        else:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            wait = -math.log(np.float64((r >> U11) + U1) * ONE) / total
            if not wait < f.remaining[0]:  # also if nothing can hop
                f.remaining[0] = 1.0
                sample(t, rows_out)
                done += 1
                continue
            f.remaining[0] -= wait
            attempts += 1
            f.clock[ATTEMPTS] += 1
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            r2, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            entry, listed = choose_entry(f, total, r, r2)
            code = U(v.value[entry]) << U2
            chance = v.table[code]
            if f.setup[TREE] == U0 and v.table[code | U2] != U(
                listed
            ):  # slower than its class; see `list_code`
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                if np.float64(r >> U11) * ONE * f.class_bound[listed] >= v.rate[code >> U2]:
                    relist(f, entry, np.uint16(v.table[code | U2]), 0.0)
                    total = total_weight(f)
                    continue
            elif f.setup[TREE] == U0 and chance | U1 != ALWAYS:
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                if r >= chance:
                    continue
            row, place = row_and_place(f, entry)
            carrier = entry >> f.setup[ENTRY_SHIFT]
            species = U(p.occupant[place]) & OCCUPANT
            f.ledger[ENERGY] += np.int64(v.table[code | U1])
            f.clamped[row >> ROW] += np.int64(chance & U1)
            if logging:
                log[executed, 0] = done
                log[executed, 1] = carrier
                log[executed, 2] = row >> ROW
                log[executed, 3] = 1.0 - f.remaining[0]
                log[executed, 4] = code >> U2
            executed += 1
            target = execute(f, p, entry, row, place)
            if target == place:
                continue
            n = touch_codes(f, p, a, v, place, target, row >> ROW << U1, species, carrier)
        renew_codes(f, p, a, v, carrier, n, total)
        total = total_weight(f)
    f.rng[0], f.rng[1], f.rng[2], f.rng[3] = s0, s1, s2, s3
    f.clock[LOGGED] = executed
    return n_samples - done


# ---- energies


@inlined
def entry_shift_total(f, e, v, entry, row, place):
    slot = entry & ((U1 << f.setup[ENTRY_SHIFT]) - U1)
    return total_shift(e, row >> ROW, place, slot, v.shift[entry], np.int64(v.code[entry]))


@inlined
def look_around(f, c, v, carrier, r, n):
    """Touch the open hops that leave their margin, as ``carrier`` (whose cell is still the old one) makes hop ``r``."""
    margin = f.scheme[MARGIN]
    blocks = follow_hop(c, carrier, r, margin, v.left)
    move_charge(c, carrier, r)
    for i in range(blocks):
        first = U(v.left[i])
        if first >> f.setup[ENTRY_SHIFT] != carrier:
            for entry in range(first, first + LANES):
                if f.class_of[entry] == CLOSED:
                    c.reference[entry] = c.kept[entry]
                elif abs(c.kept[entry] - c.reference[entry]) > margin:
                    f.touched[n] = entry
                    n += U1
    return n


@inlined
def renew_energies(f, p, a, e, c, v, own, n):
    """List the hops of carrier ``own`` and the first ``n`` touched ones by bounds that hold within the margin."""
    width, shift, margin = f.setup[WIDTH], f.setup[ENTRY_SHIFT], f.scheme[MARGIN]
    first = own << shift
    for i in range(width + n):
        entry = first | i if i < width else f.touched[i - width]
        row, place = row_and_place(f, entry)
        r = row >> ROW
        several = a.term_span[r << U1] != a.term_span[r << U1 | U1]
        if i < width and f.rows[row | MAY] != U0:
            dE, extra, code = energies_around(p, a, e, f.setup, f.rows, row, place)
            v.short[entry], v.shift[entry], v.code[entry] = dE, extra, np.int32(code)
        if several:
            more = several_around(p, a, r, place)
            at = U3 * entry
            if i >= width:
                v.short[entry] += more[0] - v.several[at]
                v.shift[entry] += more[1] - v.several[at + U1]
                v.code[entry] += np.int32(more[2] - v.several[at + U2])
            v.several[at], v.several[at + U1], v.several[at + U2] = more
        bound = 0.0
        listed = CLOSED
        if is_open(f, p, row, place):
            listed = NEVER
            dE = v.short[entry]
            if margin > 0:
                dE += c.kept[entry]
                c.reference[entry] = c.kept[entry]
            total = entry_shift_total(f, e, v, entry, row, place)
            # without a margin once, else also at both ends of the window
            for end in range(-1 if margin > 0 else 0, 2 if margin > 0 else 1):
                rate, _ = rate_of(e, r, dE + end * margin, total)
                bound = max(bound, rate)
            if margin > 0:
                bound *= PEAK
            if bound > 0.0:
                _, exponent = math.frexp(bound)
                where = f.scheme[TOP_EXPONENT] - np.int64(exponent)
                listed = np.uint16(min(max(where, 0), len(f.length) - 1))
        relist(f, entry, listed, bound)


@inlined
def touch_energies(f, p, a, v, place, target, r, species, mover):
    """As `touch_codes`; the numbers of closed hops are kept."""
    shift, n = f.setup[ENTRY_SHIFT], U0
    for end in range(U2):
        site = target if end == 0 else place
        basis = f.basis[r + (U1 - end)]
        after = species if end == 0 else U0
        before = species ^ after
        for g in range(f.group_span[basis], f.group_span[basis + U1]):
            at = g << U2
            other = carrier_near(f, p, site - U(f.group[at]), mover)
            if other != U(ABSENT) and f.record[other << U1] >> U32 == U(f.group[at | U1]):
                for i in range(U(f.group[at | U2]), U(f.group[at | U3])):
                    entry, j = other << shift | f.change_slot[i], f.change_entry[i]
                    is_listed = f.class_of[entry] != CLOSED
                    if j == BY_TARGET:
                        if is_listed:
                            relist(f, entry, CLOSED, 0.0)
                        elif end == 1:
                            f.touched[n] = entry
                            n += U1
                    else:
                        k, m = U(j) + U3 * after, U(j) + U3 * before
                        v.short[entry] += a.entry[k] - a.entry[m]
                        v.shift[entry] += a.entry[k + U1] - a.entry[m + U1]
                        v.code[entry] += np.int32(a.entry[k + U2] - a.entry[m + U2])
                        f.touched[n] = entry
                        n += U1 if is_listed else U0
    return n


@jit_plain
def run_listed_energies(n_samples, most, f, p, a, e, c, v, t, rows_out, log, logging):
    """As `run_listed_codes`."""
    s0, s1, s2, s3 = f.rng[0], f.rng[1], f.rng[2], f.rng[3]
    done = attempts = executed = 0
    last = U(len(f.record) >> 1)
    charged = c.charge_setup[TYPES] > 0
    total = total_weight(f)
    while True:
        n = U0
        if U(f.scheme[UNLISTED]) < last:
            if attempts >= most:
                break
            attempts += 1
            carrier = U(f.scheme[UNLISTED])
            f.scheme[UNLISTED] += 1
        elif done >= n_samples or attempts >= most:
            break
        else:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            wait = -math.log(np.float64((r >> U11) + U1) * ONE) / total
            if not wait < f.remaining[0]:  # also if nothing can hop
                f.remaining[0] = 1.0
                sample(t, rows_out)
                done += 1
                continue
            f.remaining[0] -= wait
            attempts += 1
            f.clock[ATTEMPTS] += 1
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            r2, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            entry, listed = choose_entry(f, total, r, r2)
            row, place = row_and_place(f, entry)
            dE = v.short[entry]
            if charged:
                dE += c.kept[entry]
            shift = entry_shift_total(f, e, v, entry, row, place)
            rate, clamped = rate_of(e, row >> ROW, dE, shift)
            bound = f.bound_of[entry] if f.setup[TREE] != U0 else f.class_bound[listed]
            # narrow counters of displacements rely on the bound of the row too
            if rate > bound or (rate > e.bound[row >> ROW] and f.held.shape[1] == 0):
                f.ledger[EXCEEDED] = 1
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            if np.float64(r >> U11) * ONE * bound >= rate:
                continue
            carrier = entry >> f.setup[ENTRY_SHIFT]
            species = U(p.occupant[place]) & OCCUPANT
            f.ledger[ENERGY] += dE
            f.clamped[row >> ROW] += np.int64(clamped)
            if logging:
                log[executed, 0] = done
                log[executed, 1] = carrier
                log[executed, 2] = row >> ROW
                log[executed, 3] = 1.0 - f.remaining[0]
                log[executed, 4] = dE
                log[executed, 5] = shift
            executed += 1
            target = execute(f, p, entry, row, place)
            if target == place:
                continue
            n = touch_energies(f, p, a, v, place, target, row >> ROW << U1, species, carrier)
            if charged:
                n = look_around(f, c, v, carrier, row >> ROW, n)
        if charged:
            sum_anew(c, carrier)
        renew_energies(f, p, a, e, c, v, carrier, n)
        total = total_weight(f)
    f.rng[0], f.rng[1], f.rng[2], f.rng[3] = s0, s1, s2, s3
    f.clock[LOGGED] = executed
    return n_samples - done
