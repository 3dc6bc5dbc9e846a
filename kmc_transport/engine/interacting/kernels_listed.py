# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Rejection-free kernel of interacting carriers: every open hop is listed, only what a hop reaches is renewed.

Selection by composition and rejection (A. Slepoy, A. P. Thompson, S. J. Plimpton, J. Chem. Phys. 128, 205101 (2008)):
hops are listed by classes of their rates, a class is chosen by its weight, a hop evenly within it, and kept with
probability rate / bound of the class; where few rates occur, each has a class of its own (n-fold way: A. B. Bortz,
M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975)) and a hop is refused only if it has become slower since it
was listed. Or by a binary tree of the carriers' rates. A refused hop advances the clock: thinning, exact in law.

As in `kernels_null`, a hop's rate follows from a code, or from energies. Then a hop changes the energies of many
others a little, with Coulomb energies those of all (`kernels_coulomb`): each is listed by a bound of its rate, which
holds while its energy difference stays above a limit. The slower a hop is, the lower the limit: what bounds far too
high cost is a share of all attempts that is fixed (`classes.SHARE`). A hop whose energy difference has risen is
listed anew when it is refused.

Invariants, between two attempts: an entry is in the list of ``class_of`` once, at the place that ``where`` tells; open
hops have a class (or `NEVER`), closed ones `CLOSED`; the bound of an entry's class is no less than its rate. Axes and
words: `kernels_shared` and `kernels_null`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined, jit_plain, wide_multiply
from ..kernels_sampling import sample
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
    U4,
    U5,
    U8,
    U32,
    U63,
    U,
    draw,
    far,
    find_leaf,
    fold,
    load,
    log_hop,
    sample_is_over,
    set_leaf,
    store,
    uniform,
)
from .kernels_coulomb import LANES, add_row, follow_hop, move_charge, move_row, sum_anew
from .kernels_null import (
    ENERGY,
    EXCEEDED,
    MAY,
    NEXT,
    STEP,
    TARGET,
    CoupledSetup,
    code_around,
    energies_around,
    link_of,
    occupant_of,
    put,
    rate_of,
    real,
    several_around,
    total_shift,
)

CHUNK_MASK = U(255)
CLOSED, NEVER = np.uint16(0xFFFF), np.uint16(0xFFFE)
"""In place of a class: the hop is not open; it is, but its rate is too small for a number."""

RARE = 5000.0
"""A hop that has become slower keeps its class where one hop of that class expects less than one in so many of all
attempts."""

SHIFTS, CLOSES, OPENS, TURNS = range(4)
"""What a hop does to one of another carrier: only its energy difference changes; its target is taken; its target is
left; its barrier changes too, or a condition on several sites."""

BY_TARGET = -1
"""In place of an index into `Around.entry`: the site is the hop's target."""

ALWAYS = U(0xFFFFFFFFFFFFFFFF)
PEAK = 1.07
"""Factor of a bound over the rates at both ends and the middle of a margin of ±kT, for rules whose rate has a maximum
in between (Marcus at the edge of the inverted region): exp(kT/16 lambda) at most, for lambda above kT."""

WINDOW, MARGIN, TOP_EXPONENT, CHUNKS, UNLISTED, ROOM, FASTEST, SLOWEST = range(8)
"""Entries of `Listed.scheme`: least window and margin in quanta (see `classes.Windows`; the margin is 0 for rules whose
rate falls as the energy difference rises), exponent of the fastest class, chunks a class (0: without chunks), next
carrier to be listed at the start, entries for which a class has room without chunks, first and last class that has ever
been used."""

WIDEST = 8
"""Doublings of the least window."""
LOOSE, TOO_LOOSE = 2.0, 8.0
"""Factor of a bound over the rate that makes room for a window; that of a refused hop which is listed anew."""
SURE = 1.0 + 2.0**-30
"""Factor of a bound for the rounding of rates."""
NO_LIMIT = np.int64(2**62)


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
    scheme: np.ndarray  # (8,) int64
    carrier_at: np.ndarray  # (n_places,) uint32, or ABSENT; copies included
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
    interval: float  # s
    floor_share: float  # `classes.SHARE` of each entry
    remaining: np.ndarray  # (1,) part of the sample interval that is left


class Codes(NamedTuple):
    """Values of the entries, by codes; n codes."""

    value: np.ndarray  # (N << shift,) int32: code
    basis: np.ndarray  # (2 R,) uint64: basis site of the origin and of the target
    group_span: np.ndarray  # (B + 1,) uint64: part of `group` about each basis site
    group: (
        np.ndarray
    )  # (4 n,) int64: offset to a carrier that this site concerns, its base, first, last change
    change_slot: np.ndarray  # uint64
    change_entry: np.ndarray  # int64: where `Around.entry` has the numbers by occupant, or `BY_TARGET`
    table: np.ndarray  # (4 n,) uint64: chance to be kept (lowest bit: clamped), energy difference, class
    rate: np.ndarray  # (n,) 1/s


class Values(NamedTuple):
    """Values of the entries, by energies, in quanta."""

    shift: np.ndarray  # (N << shift,) int64: of the barrier, without table and disorder
    code: np.ndarray  # (N << shift,) int32: of the environment table
    several: (
        np.ndarray
    )  # (3 N << shift,) int64 or length 1: share in the three of conditions on several sites
    high: (
        np.ndarray
    )  # (N << shift,) int64: as `CoulombArrays.low`, from above; length 1 where nothing limits it
    near_span: np.ndarray  # (R + 1,) uint64: part of `near` of each row
    near: (
        np.ndarray
    )  # (5 n,) int64: near the target?, offset from a carrier there, its base, first and last change
    near_line: np.ndarray  # (n << shift,) int64: what the energy differences of its slots gain
    change: (
        np.ndarray
    )  # (4 m,) int64: slot, what else happens, what the barrier shift and the table code gain
    own_span: np.ndarray  # (T + 1,) uint64: part of `own` of each type
    own: np.ndarray  # int64: offset to each site in reach
    own_line: (
        np.ndarray
    )  # (S n << shift,) int64: what its occupants add to the energy differences of the slots
    own_constant: np.ndarray  # (T << shift,) int64
    occupants: np.uint64  # S
    turning: bool  # whether barriers depend on the surroundings
    left: np.ndarray  # uint64: scratch, see `kernels_coulomb.follow_hop`


# ---- lists


@inlined
def pool_place(lists, c, n):
    """Where the pool holds number ``n`` of class ``c``."""
    scheme = lists.scheme
    if scheme[CHUNKS] == 0:
        return U(c) * U(scheme[ROOM]) + n
    return U(lists.directory[U(c) * U(scheme[CHUNKS]) + (n >> U8)]) << U8 | (n & CHUNK_MASK)


@inlined
def list_add(lists, entry, c):
    n, scheme = lists.length[c], lists.scheme
    if n == U0:
        scheme[FASTEST] = min(scheme[FASTEST], np.int64(c))
        scheme[SLOWEST] = max(scheme[SLOWEST], np.int64(c))
    if scheme[CHUNKS] != 0 and n & CHUNK_MASK == U0:
        lists.free_count[0] -= U1
        lists.directory[U(c) * U(scheme[CHUNKS]) + (n >> U8)] = lists.free[lists.free_count[0]]
    lists.pool[pool_place(lists, c, n)] = np.uint32(entry)
    lists.where[entry] = np.uint32(n)
    lists.length[c] = n + U1


@inlined
def list_remove(lists, entry, c):
    """The last one of the list fills the gap."""
    n, place = lists.length[c] - U1, U(lists.where[entry])
    end = pool_place(lists, c, n)
    last = lists.pool[end]
    lists.pool[pool_place(lists, c, place)] = last
    lists.where[U(last)] = np.uint32(place)
    lists.length[c] = n
    if lists.scheme[CHUNKS] != 0 and n & CHUNK_MASK == U0:
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
    for c in range(lists.scheme[SLOWEST], lists.scheme[FASTEST] - 1, -1):
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
    c = lists.scheme[FASTEST]
    for i in range(lists.scheme[FASTEST], lists.scheme[SLOWEST] + 1):
        if lists.length[i] != U0:
            c = i
            weight = np.float64(np.int64(lists.length[i])) * lists.class_weight[i]
            if x < weight:
                break
            x -= weight
    place, _ = wide_multiply(r2, lists.length[c])
    return U(lists.pool[pool_place(lists, c, place)]), c, rng


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
    if far(record[carrier << U1 | U1]) and lists.held.shape[1] > 0:
        fold(lists, carrier)
    lists.counts[row >> ROW] += 1
    return target


@inlined
def carrier_near(lists, lattice, place, mover):
    """Carrier at a place, or `ABSENT`; the mover does not count."""
    # one byte a place is nearer at hand than the numbers of the carriers
    if occupant_of(lattice, place) == U0:
        return U(ABSENT)
    found = U(lists.carrier_at[place])
    return U(ABSENT) if found == mover else found


@inlined
def touch(lists, lattice, around, codes, place, target, r, species, mover):
    """What hops of other carriers see change as ``species`` leaves ``place`` for ``target`` by hop ``r``.

    Hops to ``target`` are closed at once. Touched are those to ``place``, which open, and open ones whose codes have
    changed; codes of closed hops are found anew as a hop opens. Returns how many are touched.
    """
    shift, n = lists.setup.entry_shift, U0
    for end in range(U2):
        site = target if end == 0 else place
        basis = codes.basis[r << U1 | (U1 - end)]
        after = species if end == 0 else U0
        before = species ^ after
        for g in range(codes.group_span[basis], codes.group_span[basis + U1]):
            at = g << U2
            other = carrier_near(lists, lattice, site - U(codes.group[at]), mover)
            if other == U(ABSENT) or lists.record[other << U1] >> U32 != U(codes.group[at | U1]):
                continue
            for i in range(U(codes.group[at | U2]), U(codes.group[at | U3])):
                entry, j = other << shift | codes.change_slot[i], codes.change_entry[i]
                is_listed = lists.class_of[entry] != CLOSED
                if j == BY_TARGET:
                    if is_listed:
                        relist(lists, entry, CLOSED, 0.0)
                    elif end == 1:
                        lists.touched[n] = entry
                        n += U1
                elif is_listed:
                    codes.value[entry] += np.int32(around.entry[U(j) + after] - around.entry[U(j) + before])
                    lists.touched[n] = entry
                    n += U1
    return n


@inlined
def touch_energies(lists, lattice, charges, values, place, target, r, mover):
    """As `touch`, by energies, which closed hops keep too. Touched are hops that open, whose barrier changes, or whose
    energy difference leaves its window."""
    shift, n = lists.setup.entry_shift, U0
    width = U1 << shift
    alone = charges.shape.types == 0  # else Coulomb energies come to it before the window is looked at
    for g in range(values.near_span[r], values.near_span[r + U1]):
        at = U5 * g
        site = target if values.near[at] else place
        other = carrier_near(lists, lattice, site - U(values.near[at + U1]), mover)
        if other == U(ABSENT) or lists.record[other << U1] >> U32 != U(values.near[at + U2]):
            continue
        first = other << shift
        for i in range(U(values.near[at + U3]), U(values.near[at + U4])):
            k = i << U2
            entry, what = first | U(values.change[k]), values.change[k | U1]
            values.shift[entry] += values.change[k | U2]
            values.code[entry] += np.int32(values.change[k | U3])
            is_listed = lists.class_of[entry] != CLOSED
            if what != OPENS:
                charges.low[entry] = -NO_LIMIT  # is renewed, or closed, anyway
            if what == CLOSES:
                if is_listed:
                    relist(lists, entry, CLOSED, 0.0)
            elif is_listed == (what == TURNS):
                lists.touched[n] = entry
                n += U1
        for part in range(U0, width, LANES):
            start = first | part
            beyond = move_row(charges.kept, start, values.near_line, g << shift | part, charges.low)
            if alone and (beyond or lists.scheme[MARGIN] > 0):
                n = touch_block(lists, charges, values, start, n)
    return n


@inlined
def touch_block(lists, charges, values, start, n):
    """Touch the open ones of `LANES` entries that are beyond their windows."""
    for entry in range(start, start + LANES):
        beyond = charges.kept[entry] < charges.low[entry]
        if lists.scheme[MARGIN] > 0:
            beyond |= charges.low[entry] != -NO_LIMIT and charges.kept[entry] > values.high[entry]
        if beyond and lists.class_of[entry] != CLOSED:
            lists.touched[n] = entry
            n += U1
    return n


@inlined
def sum_own(lists, lattice, charges, values, carrier):
    """Energy differences of all hops of one carrier by other carriers in reach."""
    shift, record = lists.setup.entry_shift, lists.record[carrier << U1]
    place, kind = record & LOW32, (record >> U32) // lists.setup.width
    first, width = carrier << shift, U1 << shift
    for i in range(width):
        charges.kept[first | i] = values.own_constant[kind << shift | i]
    for part in range(U0, width, LANES):
        for g in range(values.own_span[kind], values.own_span[kind + U1]):
            occupant = occupant_of(lattice, place + U(values.own[g]))
            if occupant != U0:
                line = (g * values.occupants + occupant - U1) << shift | part
                add_row(charges.kept, first | part, values.own_line, line)


# ---- by codes


@inlined
def keep_code(lists, codes, entry, listed, total, rng):
    """Whether a chosen hop is executed, its energy difference, whether it is clamped, what the log takes; the total
    weight, as a hop that has become slower than its class (see `renew_code`) is listed anew where it is refused."""
    at = U(codes.value[entry]) << U2
    chance, kept = codes.table[at], True
    if not lists.setup.tree:
        if codes.table[at | U2] != U(listed):
            r, rng = draw(rng)
            kept = uniform(r) * lists.class_bound[listed] < codes.rate[at >> U2]
            if not kept:
                relist(lists, entry, np.uint16(codes.table[at | U2]), 0.0)
                total = total_weight(lists)
        elif chance | U1 != ALWAYS:
            r, rng = draw(rng)
            kept = r < chance
    return kept, np.int64(codes.table[at | U1]), np.int64(chance & U1), (at >> U2, 0), total, rng


@inlined
def renew_code(lists, lattice, around, codes, entry, own, total):
    """List an entry of the carrier that has moved (``own``), or a touched one, anew by its code. One that has become
    slower stays where it is until it is chosen in vain, if that will be rare: many come back before."""
    anew = own or lists.class_of[entry] == CLOSED  # a closed one among the touched has opened
    if anew or lists.setup.any_several:
        row, place = row_and_place(lists, entry)
        if own and not is_open(lists, lattice, row, place):
            if lists.class_of[entry] != CLOSED:
                relist(lists, entry, CLOSED, 0.0)
            return
        r = row >> ROW
        if anew or around.term_span[r << U1] != around.term_span[r << U1 | U1]:
            codes.value[entry] = np.int32(code_around(lists, lattice, around, row, place))
    code = U(codes.value[entry])
    before, after = lists.class_of[entry], np.uint16(codes.table[code << U2 | U2])
    stays = before < after and before < NEVER and lists.class_weight[before] * RARE < total
    if lists.setup.tree or not stays:
        relist(lists, entry, after, codes.rate[code])


# ---- by energies


@inlined
def entry_shift_total(lists, energies, values, entry, row, place):
    slot = entry & ((U1 << lists.setup.entry_shift) - U1)
    return total_shift(energies, row >> ROW, place, slot, values.shift[entry], np.int64(values.code[entry]))


@inlined
def keep_energy(lists, energies, charges, values, entry, listed, row, place, rng):
    """Whether a chosen hop is executed, its energy difference, whether it is clamped, what the log takes, and its
    rate."""
    dE, r = charges.kept[entry], row >> ROW
    shift = entry_shift_total(lists, energies, values, entry, row, place)
    rate, clamped = rate_of(energies, r, dE, shift)
    bound = lists.bound_of[entry] if lists.setup.tree else lists.class_bound[listed]
    # narrow counters of displacements rely on the bound of the row too
    if rate > bound or (rate > energies.bound[r] and lists.held.shape[1] == 0):
        lists.ledger[EXCEEDED] = 1
    random, rng = draw(rng)
    return uniform(random) * bound < rate, dE, np.int64(clamped), (dE, shift), rate, rng


@inlined
def cheap_bound(lists, total):
    """Bound that all entries together may have without many attempts in vain."""
    return total / lists.interval * lists.floor_share


@inlined
def is_loose(lists, entry, listed, rate, total):
    """Whether a refused hop should be listed anew, as its energy difference has risen."""
    bound = lists.bound_of[entry] if lists.setup.tree else lists.class_bound[listed]
    return bound > max(TOO_LOOSE * rate, 2.0 * cheap_bound(lists, total))


@inlined
def look_around(lists, charges, values, carrier, r, n):
    """Touch the open hops that leave their window, as ``carrier`` (whose cell is still the old one) makes hop ``r``."""
    both = lists.scheme[MARGIN] > 0
    blocks = follow_hop(charges, carrier, r, values.high, both, values.left)
    move_charge(charges, carrier, r)
    for i in range(blocks):
        start = U(values.left[i])
        if start >> lists.setup.entry_shift != carrier:
            n = touch_block(lists, charges, values, start, n)
    return n


@inlined
def bound_below(lists, energies, r, dE, total, floor):
    """Bound of the rate of hop ``r``, and how far the energy difference may fall until it does not hold."""
    step = lists.scheme[WINDOW]
    rate, _ = rate_of(energies, r, dE, total)
    most = max(LOOSE * rate, floor)
    width = 0
    for doubling in range(WIDEST if step > 0 else 0):
        further, _ = rate_of(energies, r, dE - (step << doubling), total)
        if further > most:
            break
        rate, width = further, step << doubling
    return rate * SURE, width


@inlined
def bound_within(lists, energies, r, dE, total):
    """Bound of the rate of hop ``r`` within the margin on either side."""
    margin, bound = lists.scheme[MARGIN], 0.0
    for end in range(-1, 2):
        rate, _ = rate_of(energies, r, dE + end * margin, total)
        bound = max(bound, rate)
    return bound * PEAK


@inlined
def renew_energy(lists, lattice, around, values, energies, charges, entry, own, floor):
    """As `renew_code`, by a bound of the rate and its window. ``floor``: a bound that costs little."""
    row, place = row_and_place(lists, entry)
    r = row >> ROW
    if own and lists.rows[row | MAY] != U0:
        at = U3 * r
        values.shift[entry], values.code[entry] = (
            energies.constant[at + U1],
            np.int32(energies.constant[at + U2]),
        )
        if values.turning:
            _, extra, code = energies_around(lists, lattice, around, energies, row, place)
            values.shift[entry], values.code[entry] = extra, np.int32(code)
        if len(energies.site) > 1:
            species = occupant_of(lattice, place)
            there = energies.site[species, place + lists.rows[row | TARGET]]
            charges.kept[entry] += there - energies.site[species, place]
    if around.term_span[r << U1] != around.term_span[r << U1 | U1]:
        more = several_around(lattice, around, r, place, (0, 0, 0))
        at = U3 * entry
        if own:
            charges.kept[entry] += more[0]
        else:
            charges.kept[entry] += more[0] - values.several[at]
            values.shift[entry] += more[1] - values.several[at + U1]
            values.code[entry] += np.int32(more[2] - values.several[at + U2])
        values.several[at], values.several[at + U1], values.several[at + U2] = more
    bound, listed = 0.0, CLOSED
    charges.low[entry] = -NO_LIMIT
    if is_open(lists, lattice, row, place):
        listed, dE = NEVER, charges.kept[entry]
        total = entry_shift_total(lists, energies, values, entry, row, place)
        if lists.scheme[MARGIN] > 0:
            bound = bound_within(lists, energies, r, dE, total)
            charges.low[entry], values.high[entry] = dE - lists.scheme[MARGIN], dE + lists.scheme[MARGIN]
        else:
            bound, width = bound_below(lists, energies, r, dE, total, floor)
            charges.low[entry] = dE - width
        if bound > 0.0:
            _, exponent = math.frexp(bound)
            where = lists.scheme[TOP_EXPONENT] - np.int64(exponent)
            listed = np.uint16(min(max(where, 0), len(lists.length) - 1))
    relist(lists, entry, listed, bound)


@jit_plain
def run_listed(n_samples, most, lists, lattice, around, values, energies, charges, tally, out, log):
    """``n_samples`` samples, or until ``most`` attempts. Returns the number of samples left.

    By codes (``values`` are `Codes`, ``energies`` and ``charges`` ()) or by energies (`Values`): a kernel of its own
    is compiled for each. Carriers that are not listed yet are listed first, in the same loop, so that the code for it
    is compiled once.
    """
    rng = load(lists.rng)
    width, shift = lists.setup.width, lists.setup.entry_shift
    done = attempts = executed = 0
    last = U(len(lists.record) >> 1)
    total = total_weight(lists)
    while attempts < most:
        n = first = U0
        if U(lists.scheme[UNLISTED]) < last:
            attempts += 1
            carrier = U(lists.scheme[UNLISTED])
            lists.scheme[UNLISTED] += 1
        elif done >= n_samples:
            break
        else:
            over, rng = sample_is_over(lists.remaining, total, rng)
            if over:
                sample(tally, out)
                done += 1
                continue
            attempts += 1
            lists.clock[ATTEMPTS] += 1
            entry, listed, rng = choose_entry(lists, total, rng)
            row, place = row_and_place(lists, entry)
            if len(energies) == 0:
                kept, dE, clamped, logged, total, rng = keep_code(lists, values, entry, listed, total, rng)
            else:
                kept, dE, clamped, logged, rate, rng = keep_energy(
                    lists, energies, charges, values, entry, listed, row, place, rng
                )
            carrier, species, hop = entry >> shift, occupant_of(lattice, place), row >> ROW
            if kept:
                lists.ledger[ENERGY] += dE
                lists.clamped[hop] += clamped
                if len(log):
                    log_hop(log, executed, done, carrier, row, 1.0 - lists.remaining[0], *logged)
                executed += 1
                target = execute(lists, lattice, carrier, row, place, species)
                if target == place:
                    continue
                if len(energies) == 0:
                    n = touch(lists, lattice, around, values, place, target, hop, species, carrier)
                else:
                    n = touch_energies(lists, lattice, charges, values, place, target, hop, carrier)
                    if charges.shape.types > 0:
                        n = look_around(lists, charges, values, carrier, hop, n)
            elif len(energies) == 0 or not is_loose(lists, entry, listed, rate, total):
                continue
            else:
                first, n, lists.touched[0] = width, U1, entry
        if len(energies) > 0 and first == U0:
            sum_own(lists, lattice, charges, values, carrier)
            if charges.shape.types > 0:
                sum_anew(charges, carrier)
        for i in range(first, width + n):
            entry, own = carrier << shift | i if i < width else lists.touched[i - width], i < width
            if len(energies) == 0:
                renew_code(lists, lattice, around, values, entry, own, total)
            else:
                floor = cheap_bound(lists, total)
                renew_energy(lists, lattice, around, values, energies, charges, entry, own, floor)
        total = total_weight(lists)
    store(rng, lists.rng)
    lists.clock[LOGGED] = executed
    return n_samples - done
