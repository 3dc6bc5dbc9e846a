# mypy: ignore-errors
# (whole numbers of unlike widths are told apart by numba, which mypy cannot follow)
"""Compiled kernels of carriers without interactions, and what all kernels share.

Whole numbers that take part in the random choice are uint64: products wrap as they should, and numba then adds
no test for negative indices. Every number drawn for a choice is 64 bits r; ``(r n) >> 64`` is uniform on 0..n-1
(each outcome within n / 2**64 of its probability) and the low half of the product is a fresh fraction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..jit import jit, part, prefetch, spliced, wide_multiply

U = np.uint64
U0, U1, U2, U3, U6, U11, U17, U19, U21 = U(0), U(1), U(2), U(3), U(6), U(11), U(17), U(19), U(21)
U23, U32, U41, U42, U45, U63 = U(23), U(32), U(41), U(42), U(45), U(63)
LOW32 = U(0xFFFFFFFF)
LOW21 = U((1 << 21) - 1)

# Columns of a row of `Hops.rows`; rows are 8 numbers (one cache line) apart.
THRESHOLD, ALIAS, LINK, MAY, STEP, MOVE, NEXT, CLASS = (U(i) for i in range(8))
ROW = U3
# A hop may be executed if bit 0 of MAY is set and its target empty, or bit 1 and the target occupied (that is
# by the carrier itself, through the periodic boundary).

# A displacement since the last fold: three counters of cells in one word, each kept away from 0 by an offset.
OFFSET = 1 << 20
STEP_ZERO = U(OFFSET | OFFSET << 21 | OFFSET << 42)
STEP_QUARTER, STEP_GUARD = STEP_ZERO >> U1, STEP_ZERO
# A counter in the middle half of its range is safe: a quarter of the range less leaves its top bit clear.

ABSENT = np.uint32(0xFFFFFFFF)
NO_CLASS = U(0xFFFFFFFF)
BATCH = 32
"""Attempts that kernels choose ahead, to call for the memory that they need."""

BLOCK = 256
"""Carriers that the sampling treats at a time, so that its scratch stays in the fastest cache."""

# Entries of `State.clock`.
SAMPLE, WINDOW, ATTEMPTS, FOLDED, LOGGED = range(5)


# Entries of `Hops.setup`, after the geometry of the packed record.
LINKS, WIDTH, TWO_DRAWS, ENTRY_SHIFT = 7, 8, 9, 10

# Entries of `Tally.plan`.
LEVELS, WINDOWS_PER_ROW, INTEGER_STEPS, BASE_SHIFT = range(4)


class Hops(NamedTuple):
    """Arrays of the null-event kernels. N carriers, R rows, S species."""

    setup: np.ndarray  # (11,) uint64: see `compiled.bit_geometry`; links a site, width, whether two draws,
    # bits of the slot in an entry of the lists
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
    """Arrays of the rejection-free kernel; those named as in `Hops` are the same. B basis sites, C classes."""

    setup: np.ndarray
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
    members: np.ndarray  # (...,) uint32: entries of the open hops of each class: carrier and slot, packed
    where: np.ndarray  # by entry, uint32: its place in the class, or ABSENT
    length: np.ndarray  # (C,) uint64
    tree: np.ndarray  # (2 P,) float64: sums of class weight times length, P the power of two that holds C
    remaining: np.ndarray  # (1,) float64: part of the sample interval that is left


class Tally(NamedTuple):
    """Arrays of the sampling; those named as in `Hops` are the same. L levels."""

    plan: (
        np.ndarray
    )  # (4,) int64: levels, windows a row, whether all steps are whole cells, bits below the base row
    first: np.ndarray
    number: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    vector: np.ndarray  # (R, 3) float64
    species: np.ndarray  # (R,) int64
    centre: np.ndarray  # (R, 3) float64, by base row
    lattice: np.ndarray  # (3, 3) float64
    pending_counts: np.ndarray  # (L, R) int64
    pending: np.ndarray  # (L, 3, N) int16 or int32: a block of 2**l samples that waits for its partner
    pending_base: np.ndarray  # (L, N), same type: base row at the start of that block, or (L, 0)
    last_base: np.ndarray  # (N,) or, for integer steps, (0,), same type: base row at the last sample
    home: np.ndarray  # (3, N) int32 or int64: unwrapped cell at the start of the window
    events: np.ndarray  # (R,) int64 executed in the complete windows of this row
    collective: np.ndarray  # ((L + 1) 9 S S,) float64
    tracer: np.ndarray  # ((L + 1) 6 S,) float64
    total: np.ndarray  # (3 S,) float64: scratch
    moments: np.ndarray  # (L + 1, 6) float64: scratch
    cell_moments: np.ndarray  # (L + 1, 6) int64: scratch
    scratch: np.ndarray  # (3, BLOCK) int32
    before: np.ndarray  # (BLOCK,) int32: scratch


class Rows(NamedTuple):
    """Finished rows, to be taken over by the caller."""

    events: np.ndarray  # (n, R) int64
    attempts: np.ndarray  # (n,) int64
    collective: np.ndarray  # (n, (L + 1) 9 S S) float64
    tracer: np.ndarray  # (n, (L + 1) 6 S) float64
    finished: np.ndarray  # (1,) int64


@part
def draw(s0, s1, s2, s3):
    """xoshiro256++ (D. Blackman and S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021))."""
    x = s0 + s3
    r = ((x << U23) | (x >> U41)) + s0
    t = s1 << U17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << U45) | (s3 >> U19)
    return r, s0, s1, s2, s3


@part
def choose_species(r, cut):
    """Species of an attempt, by the shares of their attempts."""
    s = U0
    while s < U(len(cut) - 1) and r >= cut[s]:
        s += U1
    return s


@part
def hops_table(n, h, plain):
    """``n`` attempts; neighbours from a table, one byte a site. Returns (carrier, row, executed) of the last one.

    Without a branch on the outcome: it would be foretold wrongly too often. A refused hop writes what was there.
    ``plain``, if it is not None: the network is as `compiled.is_plain` says. Then the row does not depend on the
    carrier's record, and two loads less stand between the random number and the occupancy.
    """
    rows, record, occupied, neighbour, counts = h.rows, h.record, h.bytes, h.neighbour, h.counts
    links, width, two_draws = h.setup[LINKS], h.setup[WIDTH], h.setup[TWO_DRAWS] != U0
    s0, s1, s2, s3 = h.rng[0], h.rng[1], h.rng[2], h.rng[3]
    first, number, several = h.first[0], h.number[0], len(h.number) > 1
    carrier = row = executed = U0
    for _ in range(n):
        if plain is None and several:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            s = choose_species(r, h.cut)
            first, number = h.first[s], h.number[s]
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        carrier, fraction = wide_multiply(r, number)
        if plain is None:
            carrier += first
            if two_draws:
                fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        slot, fraction = wide_multiply(fraction, width)
        here = record[carrier << U1]
        if plain is None:
            site, row = here & LOW32, ((here >> U32) + slot) << ROW
        else:
            site, row = here, slot << ROW
        row = rows[row | ALIAS] if fraction >= rows[row | THRESHOLD] else row
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
    h.rng[0], h.rng[1], h.rng[2], h.rng[3] = s0, s1, s2, s3
    return carrier, row >> ROW, executed


@part
def hops_bits(n, h, plain):
    """``n`` attempts; neighbours by arithmetic, one bit a site. Arguments and result as `hops_table`.

    The record holds the base row above three fields for the cell coordinates; the last one includes the basis
    site. A hop adds a number to the record, and where a coordinate reaches the size of the supercell, that is
    taken off: the guard bit on top of each field shows it. Attempts are chosen in batches and the carriers'
    records called for, so that the processor waits for many of them at once.
    """
    rows, record, bits, counts = h.rows, h.record, h.bits, h.counts
    width, two_draws = h.setup[WIDTH], h.setup[TWO_DRAWS] != U0
    field, size1, size2 = h.setup[0], h.setup[1], h.setup[2]
    sizes, bias, guard, place_bits = h.setup[3], h.setup[4], h.setup[5], h.setup[6]
    field2, field_mask, field_low = field + field, (U1 << field) - U1, field - U1
    carriers, slots, fractions = h.batch[0], h.batch[1], h.batch[2]
    s0, s1, s2, s3 = h.rng[0], h.rng[1], h.rng[2], h.rng[3]
    first, number, several = h.first[0], h.number[0], len(h.number) > 1
    carrier = row = executed = U0
    for begin in range(0, n, BATCH):
        size = U(min(BATCH, n - begin))
        for i in range(size):
            if plain is None and several:
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                s = choose_species(r, h.cut)
                first, number = h.first[s], h.number[s]
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            carrier, fraction = wide_multiply(r, number)
            if plain is None:
                carrier += first
                if two_draws:
                    fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            slot, fraction = wide_multiply(fraction, width)
            prefetch(record, carrier << U1)
            if plain is None:
                fractions[i] = fraction
            else:
                slot <<= ROW
                slot = rows[slot | ALIAS] if fraction >= rows[slot | THRESHOLD] else slot
            carriers[i], slots[i] = carrier, slot
        for i in range(size):
            carrier, row = carriers[i], slots[i]
            here = record[carrier << U1]
            if plain is None:
                row = ((here >> place_bits) + row) << ROW
                row = rows[row | ALIAS] if fractions[i] >= rows[row | THRESHOLD] else row
            there = here + rows[row | MOVE]
            over = (there + bias) & guard
            there -= sizes & (over - (over >> field_low))
            site = ((here >> field2) & field_mask) * size1 + ((here >> field) & field_mask)
            site = site * size2 + (here & field_mask)
            target = ((there >> field2) & field_mask) * size1 + ((there >> field) & field_mask)
            target = target * size2 + (there & field_mask)
            executed = (bits[target >> U6] >> (target & U63)) & U1
            executed = (rows[row | MAY] >> executed) & U1 if plain is None else executed ^ U1
            mask = U0 - executed
            bits[site >> U6] ^= executed << (site & U63)
            bits[target >> U6] ^= executed << (target & U63)
            record[carrier << U1] = here + ((there - here) & mask)
            record[(carrier << U1) | U1] += rows[row | STEP] & mask
            counts[row >> ROW] += np.int64(executed)
    h.rng[0], h.rng[1], h.rng[2], h.rng[3] = s0, s1, s2, s3
    return carrier, row >> ROW, executed


@part
def fold(h, carrier):
    """Move a carrier's displacement out of its packed counter before that can overflow."""
    v = h.record[(carrier << U1) | U1]
    h.held[0, carrier] += np.int32(v & LOW21) - OFFSET
    h.held[1, carrier] += np.int32((v >> U21) & LOW21) - OFFSET
    h.held[2, carrier] += np.int32(v >> U42) - OFFSET
    h.record[(carrier << U1) | U1] = STEP_ZERO
    h.clock[FOLDED] = 1


@part
def sample_hops(t, k):
    """Collective displacements of the blocks that end with sample ``k`` of the window."""
    counts, total, collective = t.counts, t.total, t.collective
    n_rows, n_total, levels = len(counts), len(total), t.plan[LEVELS]
    level = 0
    while True:
        for i in range(n_total):
            total[i] = 0.0
        for row in range(n_rows):
            if counts[row] != 0:
                s = 3 * t.species[row]
                for i in range(3):
                    total[s + i] += counts[row] * t.vector[row, i]
        for i in range(n_total):
            for j in range(n_total):
                collective[(level * n_total + i) * n_total + j] += total[i] * total[j]
        if level == levels:
            for row in range(n_rows):
                t.events[row] += counts[row]
            break
        if (k >> level) & 1:
            for row in range(n_rows):
                t.pending_counts[level, row] = counts[row]
            break
        for row in range(n_rows):
            counts[row] += t.pending_counts[level, row]
        level += 1
    for row in range(n_rows):
        counts[row] = 0


@part
def unpack(words, x, y, z, all_bits):
    """Displacements since the last sample, out of the packed counters of ``words``, which begin anew.

    The places in between are written back with a mask that keeps all of them. The compiler does not know that, and
    so reads and writes whole vectors; stores to every second word would go one by one, which takes twice as long.
    """
    for i in range(len(words) >> 1):
        v = words[2 * i + 1]
        x[i] = np.int32(v & LOW21) - OFFSET
        y[i] = np.int32((v >> U21) & LOW21) - OFFSET
        z[i] = np.int32(v >> U42) - OFFSET
        words[2 * i] &= all_bits
        words[2 * i + 1] = STEP_ZERO


@part
def sample_carriers(t, s, k):
    """Second moments of the displacements of species ``s``: in cells, exactly, where all steps are whole cells,
    else in Å, carrier by carrier."""
    levels, base_shift, integer_steps = t.plan[LEVELS], U(t.plan[BASE_SHIFT]), t.plan[INTEGER_STEPS] != 0
    cell_moments, moments, lattice, centre = t.cell_moments, t.moments, t.lattice, t.centre
    all_bits = U0 - U(levels >= 0)
    for level in range(levels + 1):
        for j in range(6):
            cell_moments[level, j] = 0
            moments[level, j] = 0.0
    first, last = np.int64(t.first[s]), np.int64(t.first[s] + t.number[s])
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        n = end - start
        d, before = t.scratch, t.before
        words = t.record[2 * start : 2 * end]
        unpack(words, d[0], d[1], d[2], all_bits)
        if t.clock[FOLDED]:
            for j in range(3):
                held = t.held[j, start:end]
                for i in range(n):
                    d[j, i] += held[i]
                    held[i] = 0
        if not integer_steps:
            now = t.last_base[start:end]
            for i in range(n):
                before[i] = now[i]
                now[i] = np.int32(words[2 * i] >> base_shift)
        level = 0
        while True:
            if integer_steps:
                xx = yy = zz = yz = xz = xy = 0
                for i in range(n):
                    x, y, z = np.int64(d[0, i]), np.int64(d[1, i]), np.int64(d[2, i])
                    xx += x * x
                    yy += y * y
                    zz += z * z
                    yz += y * z
                    xz += x * z
                    xy += x * y
                cell_moments[level, 0] += xx
                cell_moments[level, 1] += yy
                cell_moments[level, 2] += zz
                cell_moments[level, 3] += yz
                cell_moments[level, 4] += xz
                cell_moments[level, 5] += xy
            else:
                now = t.last_base[start:end]
                for i in range(n):
                    a, b = before[i], now[i]
                    u, v, w = d[0, i], d[1, i], d[2, i]
                    x = (
                        u * lattice[0, 0]
                        + v * lattice[1, 0]
                        + w * lattice[2, 0]
                        + (centre[b, 0] - centre[a, 0])
                    )
                    y = (
                        u * lattice[0, 1]
                        + v * lattice[1, 1]
                        + w * lattice[2, 1]
                        + (centre[b, 1] - centre[a, 1])
                    )
                    z = (
                        u * lattice[0, 2]
                        + v * lattice[1, 2]
                        + w * lattice[2, 2]
                        + (centre[b, 2] - centre[a, 2])
                    )
                    moments[level, 0] += x * x
                    moments[level, 1] += y * y
                    moments[level, 2] += z * z
                    moments[level, 3] += y * z
                    moments[level, 4] += x * z
                    moments[level, 5] += x * y
            if level == levels:
                for j in range(3):
                    home = t.home[j, start:end]
                    for i in range(n):
                        home[i] += d[j, i]
                break
            first_half = (k >> level) & 1
            for j in range(3):
                waiting = t.pending[level, j, start:end]
                for i in range(n):
                    if first_half:
                        waiting[i] = d[j, i]
                    else:
                        d[j, i] += waiting[i]
            if not integer_steps:
                base = t.pending_base[level, start:end]
                for i in range(n):
                    if first_half:
                        base[i] = before[i]
                    else:
                        before[i] = base[i]
            if first_half:
                break
            level += 1
    for level in range(levels + 1):
        at = (level * len(t.number) + s) * 6
        for j in range(6):
            t.tracer[at + j] += np.float64(cell_moments[level, j]) if integer_steps else moments[level, j]


@spliced
def sample(t, rows):
    """Tally the blocks that end with this sample, and hand a row over when it is complete.

    A block of 2**(l+1) samples is made of two of level l: the first one waits in ``pending[l]``. At an odd
    sample the block of level 0 is put there; at an even one it is joined with the one that waits, and so on.
    """
    clock = t.clock
    clock[SAMPLE] += 1
    sample_hops(t, clock[SAMPLE])
    for s in range(len(t.number)):
        sample_carriers(t, s, clock[SAMPLE])
    clock[FOLDED] = 0
    if clock[SAMPLE] < 1 << t.plan[LEVELS]:
        return
    clock[SAMPLE] = 0
    clock[WINDOW] += 1
    if clock[WINDOW] < t.plan[WINDOWS_PER_ROW]:
        return
    n = rows.finished[0]
    rows.finished[0] = n + 1
    rows.attempts[n] = clock[ATTEMPTS]
    clock[ATTEMPTS] = clock[WINDOW] = 0
    for i in range(len(t.events)):
        rows.events[n, i] = t.events[i]
        t.events[i] = 0
    for i in range(len(t.collective)):
        rows.collective[n, i] = t.collective[i]
        t.collective[i] = 0.0
    for i in range(len(t.tracer)):
        rows.tracer[n, i] = t.tracer[i]
        t.tracer[i] = 0.0


@jit
def run_null_event(attempts, goes_on, fold_after, bits, plain, h, t, rows, log, logging):
    """One sample for each entry of ``attempts`` (its number of attempts).

    ``goes_on``: the last one is a part of a sample, the rest of which is for the next call.
    ``bits`` and ``plain`` are None or something else: a kernel of its own is compiled for each case that is used.
    """
    most = np.int64(1) if logging else fold_after
    for sample_number in range(len(attempts)):
        done = 0
        n = attempts[sample_number]
        while done < n:
            m = min(n - done, most)
            if bits is None:
                carrier, row, executed = hops_table(m, h, plain)
            else:
                carrier, row, executed = hops_bits(m, h, plain)
            if logging and executed:
                entry = h.clock[LOGGED]
                log[entry, 0] = sample_number
                log[entry, 1] = carrier
                log[entry, 2] = row
                log[entry, 3] = done
                h.clock[LOGGED] = entry + 1
            done += m
            if done % fold_after == 0 and done < n:
                for carrier in range(U(h.held.shape[1])):
                    fold(h, carrier)
        h.clock[ATTEMPTS] += n
        if goes_on and sample_number == len(attempts) - 1:
            for carrier in range(U(h.held.shape[1])):
                fold(h, carrier)
        else:
            sample(t, rows)


@part
def set_length(f, c, n):
    """New length of the list of class ``c``; the sums above are made anew, so that no rounding accumulates."""
    tree = f.tree
    f.length[c] = n
    node = U(len(tree) >> 1) + c
    tree[node] = np.int64(n) * f.class_weight[c]
    while node > U1:
        node >>= U1
        tree[node] = tree[node << U1] + tree[(node << U1) | U1]


@part
def set_open(f, entry, before, after):
    """Move a hop from the list of class ``before`` to that of ``after`` (`NO_CLASS`: it is not open).

    Where it leaves a list, the last one of that list fills the gap.
    """
    if before != NO_CLASS:
        n = f.length[before] - U1
        place = f.where[entry]
        last = f.members[f.class_start[before] + n]
        f.members[f.class_start[before] + U(place)] = last
        f.where[U(last)] = place
        f.where[entry] = ABSENT
        set_length(f, before, n)
    if after != NO_CLASS:
        n = f.length[after]
        f.members[f.class_start[after] + n] = np.uint32(entry)
        f.where[entry] = np.uint32(n)
        set_length(f, after, n + U1)


@part
def update_own_hops(f, carrier, base_before):
    """List the hops that ``carrier`` can make from where it sits, instead of those of ``base_before``."""
    width, links, shift = f.setup[WIDTH], f.setup[LINKS], f.setup[ENTRY_SHIFT]
    here = f.record[carrier << U1]
    site, base = here & LOW32, here >> U32
    for slot in range(width):
        entry = carrier << shift | slot
        before = f.rows[(base_before + slot) << ROW | CLASS] if f.where[entry] != ABSENT else NO_CLASS
        row = (base + slot) << ROW
        after = f.rows[row | CLASS]
        if after != NO_CLASS:
            target = U(f.neighbour[site * links + f.rows[row | LINK]])
            if target != site and f.carrier_at[target] != ABSENT:
                after = NO_CLASS
        if before != after:
            set_open(f, entry, before, after)


@jit
def list_open_hops(f):
    """Fill the empty lists, carrier by carrier."""
    for carrier in range(U(len(f.record) >> 1)):
        update_own_hops(f, carrier, f.record[carrier << U1] >> U32)


@part
def update_hops_into(f, site, base, carrier, opened):
    """Other carriers may (``opened``) or may not any more hop to ``site``, where ``base`` was or is."""
    links, shift, incoming = f.setup[LINKS], f.setup[ENTRY_SHIFT], f.incoming
    for i in range(f.incoming_span[base << U1], f.incoming_span[(base << U1) | U1]):
        j = i << U2
        other = f.carrier_at[U(f.neighbour[site * links + incoming[j]])]
        if other != ABSENT and U(other) != carrier and incoming[j | U1] <= U(other) < incoming[j | U2]:
            slot = incoming[j | U3]
            c = f.rows[((f.record[U(other) << U1] >> U32) + slot) << ROW | CLASS]
            if opened:
                set_open(f, U(other) << shift | slot, NO_CLASS, c)
            else:
                set_open(f, U(other) << shift | slot, c, NO_CLASS)


@part
def far(v):
    """Whether a packed counter of displacement is half-way to its overflow."""
    return ((v - STEP_QUARTER) & STEP_GUARD) != U0


@jit
def run_rejection_free(n_samples, most, f, t, rows, log, logging):
    """``n_samples`` samples; the time to the next one is kept in units of the interval.

    The waiting time is drawn anew at each sample, which the exponential law allows. The kernel comes back after
    ``most`` events, wherever it is; called again it goes on. Returns the number of samples that are left.
    """
    links, shift, record, carrier_at, tree = (
        f.setup[LINKS],
        f.setup[ENTRY_SHIFT],
        f.record,
        f.carrier_at,
        f.tree,
    )
    slot_mask, leaves = (U1 << shift) - U1, U(len(f.tree) >> 1)
    s0, s1, s2, s3 = f.rng[0], f.rng[1], f.rng[2], f.rng[3]
    done = events = 0
    while done < n_samples and events < most:
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        wait = -math.log(np.float64((r >> U11) + U1) * 2.0**-53) / tree[1]
        if wait >= f.remaining[0]:
            f.remaining[0] = 1.0
            sample(t, rows)
            done += 1
            continue
        f.remaining[0] -= wait

        # class by the sum tree, then evenly within the class
        node = U1
        if leaves > U1:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            x = np.float64(r >> U11) * 2.0**-53 * tree[1]
            while node < leaves:
                node <<= U1
                # rounding must not lead into an empty branch
                if tree[node | U1] > 0.0 and x >= tree[node]:
                    x -= tree[node]
                    node |= U1
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        place, r = wide_multiply(r, f.length[node - leaves])
        entry = U(f.members[f.class_start[node - leaves] + place])

        carrier = entry >> shift
        here = record[carrier << U1]
        base, site = here >> U32, here & LOW32
        row = (base + (entry & slot_mask)) << ROW
        target = U(f.neighbour[site * links + f.rows[row | LINK]])
        record[carrier << U1] = target | f.rows[row | NEXT]
        record[(carrier << U1) | U1] += f.rows[row | STEP]
        if far(record[(carrier << U1) | U1]):
            fold(f, carrier)
        f.counts[row >> ROW] += 1
        f.clock[ATTEMPTS] += 1
        if logging:
            log[events, 0] = done
            log[events, 1] = carrier
            log[events, 2] = row >> ROW
            log[events, 3] = 1.0 - f.remaining[0]
        events += 1
        if target != site:
            carrier_at[site] = ABSENT
            carrier_at[target] = np.uint32(carrier)
            update_own_hops(f, carrier, base)
            update_hops_into(f, site, base, carrier, True)
            update_hops_into(f, target, f.rows[row | NEXT] >> U32, carrier, False)
    f.rng[0], f.rng[1], f.rng[2], f.rng[3] = s0, s1, s2, s3
    f.clock[LOGGED] = events
    return n_samples - done
