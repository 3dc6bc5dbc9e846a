"""All compiled kernels, in one module so that one cache covers them.

Whole numbers that take part in the random choice are uint64: products wrap as they should, and numba then adds
no test for negative indices. Every number drawn for a choice is 64 bits r; ``(r n) >> 64`` is uniform on 0..n-1
(each outcome within n / 2**64 of its probability) and the low half of the product is a fresh fraction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .accelerate import jit

U = np.uint64
U0, U1, U11, U17, U19, U23, U32, U41, U45 = U(0), U(1), U(11), U(17), U(19), U(23), U(32), U(41), U(45)
U2, U3, U4, U6, U16, U20, U21, U42, U63 = U(2), U(3), U(4), U(6), U(16), U(20), U(21), U(42), U(63)
LOW32 = U(0xFFFFFFFF)
LOW21 = U((1 << 21) - 1)

# Columns of a row of `Net.rows`; rows are 16 numbers (two cache lines) apart.
THRESHOLD, ALIAS, LINK, REAL, ALWAYS, STEP, WRAP, NEXT, BASIS_AFTER, BASIS_BEFORE = (U(i) for i in range(10))
ROW = U4

# A displacement since the last fold: three counters of cells in one word, each kept away from 0 by an offset.
OFFSET = 1 << 20
STEP_ZERO = U(OFFSET | OFFSET << 21 | OFFSET << 42)

ABSENT = np.uint32(0xFFFFFFFF)
BLOCK = 256
"""Carriers that the sampling treats at a time, so that its scratch stays in the fastest cache."""

# Entries of `State.clock`.
SAMPLE, WINDOW, ATTEMPTS, FOLDED, LOGGED = range(5)

# Why the rejection-free kernel came back.
FINISHED, LOG_FULL = 0, 1


class Net(NamedTuple):
    """What the kernels read. R rows, S species, B basis sites, C rate classes."""

    rows: np.ndarray  # (16 R,) uint64
    neighbour: np.ndarray  # (n_sites * links,) uint32; length 1 where the bit set is used
    links: np.uint64
    vector: np.ndarray  # (R, 3) float64
    species: np.ndarray  # (R,) int64
    centre: np.ndarray  # (R, 3) float64, by base row
    lattice: np.ndarray  # (3, 3) float64
    first: np.ndarray  # (S + 1,) int64
    cut: np.ndarray  # (S,) uint64: a number below it means this species or an earlier one
    width: np.uint64
    geometry: np.ndarray  # (8,) uint64, see `bit_geometry`
    two_draws: np.int64
    integer_steps: np.int64
    levels: np.int64
    windows_per_row: np.int64
    incoming_start: np.ndarray  # (B + 1,) int64
    incoming: np.ndarray  # (n, 4) int64: link, first and last carrier of the species, slot
    rate_class: np.ndarray  # (R,) int64
    class_weight: np.ndarray  # (C,) float64: rate times sample interval
    class_start: np.ndarray  # (C + 1,) int64


class State(NamedTuple):
    """What the kernels write. N carriers, L levels."""

    rng: np.ndarray  # (4,) uint64
    record: np.ndarray  # (2 N,) uint64: place and base row; displacement since the last sample
    bytes: np.ndarray  # (n_sites,) uint8 occupied; length 1 if not used
    bits: np.ndarray  # uint64 words of occupied sites; length 1 if not used
    carrier_at: np.ndarray  # (n_sites,) int32, -1 empty; length 1 if not used
    counts: np.ndarray  # (R,) int64 executed since the last sample
    pending_counts: np.ndarray  # (L, R) int64
    events: np.ndarray  # (R,) int64 executed in the complete windows of this row
    held: np.ndarray  # (3, N) int32 cells folded since the last sample
    pending: np.ndarray  # (L, 3, N) int32: a block of 2**l samples that waits for its partner
    pending_base: np.ndarray  # (L, N) uint32: base row at the start of that block; unused for integer steps
    last_base: np.ndarray  # (N,) uint32: base row at the last sample
    home: np.ndarray  # (3, N) int64: unwrapped cell at the start of the window
    collective: np.ndarray  # (L + 1, 3 S, 3 S) float64
    tracer: np.ndarray  # (L + 1, S, 6) float64
    clock: np.ndarray  # (5,) int64
    scratch: np.ndarray  # (3, BLOCK) int32
    scratch_base: np.ndarray  # (BLOCK,) uint32
    members: np.ndarray  # (...,) uint32: open hops (carrier * width + slot) of each class
    where: np.ndarray  # (N W,) uint32: their place in the class, or ABSENT
    length: np.ndarray  # (C,) int64
    tree: np.ndarray  # (2 P,) float64: sums of class weight times length, P the power of two that holds C
    remaining: np.ndarray  # (1,) float64: part of the sample interval that is left


class Rows(NamedTuple):
    """Finished rows, to be taken over by the caller."""

    events: np.ndarray  # (n, R) int64
    attempts: np.ndarray  # (n,) int64
    collective: np.ndarray  # (n, L + 1, 3 S, 3 S) float64
    tracer: np.ndarray  # (n, L + 1, S, 6) float64
    finished: np.ndarray  # (1,) int64


@jit
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


@jit
def split(r, n):
    """``r n`` as (whole part 0..n-1, fraction of 64 bits); n < 2**32."""
    low = (r & LOW32) * n
    high = (r >> U32) * n + (low >> U32)
    return high >> U32, (high << U32) | (low & LOW32)


@jit
def hops_table(n, net, state, log, logging):
    """``n`` attempts; neighbours from a table, one byte a site."""
    rows, record, occupied, neighbour, counts = net.rows, state.record, state.bytes, net.neighbour, state.counts
    links, width, two_draws, n_species = net.links, net.width, net.two_draws, len(net.first) - 1
    first, number = U0, U(net.first[1])
    s0, s1, s2, s3 = state.rng[0], state.rng[1], state.rng[2], state.rng[3]
    logged = state.clock[LOGGED]
    for attempt in range(n):
        if n_species > 1:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            s = 0
            while s < n_species - 1 and r >= net.cut[s]:
                s += 1
            first = U(net.first[s])
            number = U(net.first[s + 1]) - first
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        carrier, fraction = split(r, number)
        carrier += first
        if two_draws:
            fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        slot, fraction = split(fraction, width)
        here = record[carrier << U1]
        row = ((here >> U32) + slot) << ROW
        if fraction >= rows[row | THRESHOLD]:
            row = rows[row | ALIAS]
        site = here & LOW32
        target = U(neighbour[site * links + rows[row | LINK]])
        if ((U(occupied[target]) ^ U1) & rows[row | REAL]) | rows[row | ALWAYS]:
            occupied[site] = 0
            occupied[target] = 1
            record[carrier << U1] = target | rows[row | NEXT]
            record[(carrier << U1) | U1] += rows[row | STEP]
            counts[row >> ROW] += 1
            if logging:
                log[logged, 0] = attempt
                log[logged, 1] = np.int64(carrier)
                log[logged, 2] = np.int64(row >> ROW)
                logged += 1
    state.rng[0], state.rng[1], state.rng[2], state.rng[3] = s0, s1, s2, s3
    state.clock[LOGGED] = logged


@jit
def hops_bits(n, net, state, log, logging):
    """``n`` attempts; neighbours by arithmetic, one bit a site."""
    rows, record, bits, counts, geometry = net.rows, state.record, state.bits, state.counts, net.geometry
    width, two_draws, n_species = net.width, net.two_draws, len(net.first) - 1
    field, size1, size2, n_basis = geometry[0], geometry[1], geometry[2], geometry[3]
    sizes, bias, guard, place_bits = geometry[4], geometry[5], geometry[6], geometry[7]
    field2, field_mask, field_low = field + field, (U1 << field) - U1, field - U1
    place_mask = (U1 << place_bits) - U1
    first, number = U0, U(net.first[1])
    s0, s1, s2, s3 = state.rng[0], state.rng[1], state.rng[2], state.rng[3]
    logged = state.clock[LOGGED]
    for attempt in range(n):
        if n_species > 1:
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            s = 0
            while s < n_species - 1 and r >= net.cut[s]:
                s += 1
            first = U(net.first[s])
            number = U(net.first[s + 1]) - first
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        carrier, fraction = split(r, number)
        carrier += first
        if two_draws:
            fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        slot, fraction = split(fraction, width)
        here = record[carrier << U1]
        row = ((here >> place_bits) + slot) << ROW
        if fraction >= rows[row | THRESHOLD]:
            row = rows[row | ALIAS]
        # three cell coordinates in one word: add the step (0..size-1), take size off where that is reached
        place = here & place_mask
        there = place + rows[row | WRAP]
        over = (there + bias) & guard
        there -= sizes & (over - (over >> field_low))
        target = ((there >> field2) * size1 + ((there >> field) & field_mask)) * size2 + (there & field_mask)
        target = target * n_basis + rows[row | BASIS_AFTER]
        free = ((bits[target >> U6] >> (target & U63)) & U1) ^ U1
        if (free & rows[row | REAL]) | rows[row | ALWAYS]:
            site = ((place >> field2) * size1 + ((place >> field) & field_mask)) * size2 + (place & field_mask)
            site = site * n_basis + rows[row | BASIS_BEFORE]
            bits[site >> U6] &= ~(U1 << (site & U63))
            bits[target >> U6] |= U1 << (target & U63)
            record[carrier << U1] = there | rows[row | NEXT]
            record[(carrier << U1) | U1] += rows[row | STEP]
            counts[row >> ROW] += 1
            if logging:
                log[logged, 0] = attempt
                log[logged, 1] = np.int64(carrier)
                log[logged, 2] = np.int64(row >> ROW)
                logged += 1
    state.rng[0], state.rng[1], state.rng[2], state.rng[3] = s0, s1, s2, s3
    state.clock[LOGGED] = logged


@jit
def fold(net, state):
    """Move the displacements out of the packed counters before they can overflow."""
    record, held = state.record, state.held
    for c in range(held.shape[1]):
        v = record[2 * c + 1]
        held[0, c] += np.int32(np.int64(v & LOW21) - OFFSET)
        held[1, c] += np.int32(np.int64((v >> U21) & LOW21) - OFFSET)
        held[2, c] += np.int32(np.int64(v >> U42) - OFFSET)
        record[2 * c + 1] = STEP_ZERO
    state.clock[FOLDED] = 1


@jit
def sample(net, state, base_shift):
    """Tally the blocks that end with this sample.

    A block of 2**(l+1) samples is made of two of level l: the first one waits in ``pending[l]``. At an odd
    sample the block of level 0 is put there; at an even one it is joined with the one that waits, and so on.
    """
    levels, n_species = net.levels, len(net.first) - 1
    state.clock[SAMPLE] += 1
    k = state.clock[SAMPLE]

    counts = state.counts
    n_rows = len(counts)
    total = np.zeros(3 * n_species)
    level = 0
    while True:
        total[:] = 0.0
        for row in range(n_rows):
            if counts[row] != 0:
                s = 3 * net.species[row]
                for i in range(3):
                    total[s + i] += counts[row] * net.vector[row, i]
        for i in range(3 * n_species):
            for j in range(3 * n_species):
                state.collective[level, i, j] += total[i] * total[j]
        if level == levels:
            for row in range(n_rows):
                state.events[row] += counts[row]
            break
        if (k >> level) & 1:
            for row in range(n_rows):
                state.pending_counts[level, row] = counts[row]
            break
        for row in range(n_rows):
            counts[row] += state.pending_counts[level, row]
        level += 1
    counts[:] = 0

    if net.integer_steps:
        sample_cells(net, state, k)
    else:
        sample_sites(net, state, k, base_shift)
    state.clock[FOLDED] = 0


@jit
def unpack(state, start, m):
    """Displacement since the last sample of ``m`` carriers into the scratch; the counters start anew."""
    record, d = state.record, state.scratch
    for i in range(m):
        v = record[2 * (start + i) + 1]
        d[0, i] = np.int32(np.int64(v & LOW21) - OFFSET)
        d[1, i] = np.int32(np.int64((v >> U21) & LOW21) - OFFSET)
        d[2, i] = np.int32(np.int64(v >> U42) - OFFSET)
        record[2 * (start + i) + 1] = STEP_ZERO
    if state.clock[FOLDED]:
        for j in range(3):
            for i in range(m):
                d[j, i] += state.held[j, start + i]
                state.held[j, start + i] = 0


@jit
def sample_cells(net, state, k):
    """Second moments of the displacements in whole cells, summed exactly."""
    levels, n_species, d = net.levels, len(net.first) - 1, state.scratch
    moments = np.zeros((levels + 1, 6), np.int64)
    for s in range(n_species):
        moments[:] = 0
        for start in range(net.first[s], net.first[s + 1], BLOCK):
            m = min(BLOCK, net.first[s + 1] - start)
            unpack(state, start, m)
            level = 0
            while True:
                xx = yy = zz = yz = xz = xy = 0
                for i in range(m):
                    x, y, z = np.int64(d[0, i]), np.int64(d[1, i]), np.int64(d[2, i])
                    xx += x * x
                    yy += y * y
                    zz += z * z
                    yz += y * z
                    xz += x * z
                    xy += x * y
                moments[level, 0] += xx
                moments[level, 1] += yy
                moments[level, 2] += zz
                moments[level, 3] += yz
                moments[level, 4] += xz
                moments[level, 5] += xy
                if level == levels:
                    for j in range(3):
                        for i in range(m):
                            state.home[j, start + i] += d[j, i]
                    break
                waiting = state.pending[level]
                if (k >> level) & 1:
                    for j in range(3):
                        for i in range(m):
                            waiting[j, start + i] = d[j, i]
                    break
                for j in range(3):
                    for i in range(m):
                        d[j, i] += waiting[j, start + i]
                level += 1
        for level in range(levels + 1):
            for j in range(6):
                state.tracer[level, s, j] += np.float64(moments[level, j])


@jit
def sample_sites(net, state, k, base_shift):
    """Second moments of the displacements in Å, for carriers with several basis sites; carrier by carrier."""
    levels, n_species, d, before = net.levels, len(net.first) - 1, state.scratch, state.scratch_base
    lattice, centre = net.lattice, net.centre
    moments = np.zeros((levels + 1, 6))
    for s in range(n_species):
        moments[:] = 0.0
        for start in range(net.first[s], net.first[s + 1], BLOCK):
            m = min(BLOCK, net.first[s + 1] - start)
            unpack(state, start, m)
            for i in range(m):
                before[i] = state.last_base[start + i]
                state.last_base[start + i] = np.uint32(state.record[2 * (start + i)] >> base_shift)
            level = 0
            while True:
                for i in range(m):
                    a, b = before[i], state.last_base[start + i]
                    u, v, w = d[0, i], d[1, i], d[2, i]
                    x = u * lattice[0, 0] + v * lattice[1, 0] + w * lattice[2, 0] + (centre[b, 0] - centre[a, 0])
                    y = u * lattice[0, 1] + v * lattice[1, 1] + w * lattice[2, 1] + (centre[b, 1] - centre[a, 1])
                    z = u * lattice[0, 2] + v * lattice[1, 2] + w * lattice[2, 2] + (centre[b, 2] - centre[a, 2])
                    moments[level, 0] += x * x
                    moments[level, 1] += y * y
                    moments[level, 2] += z * z
                    moments[level, 3] += y * z
                    moments[level, 4] += x * z
                    moments[level, 5] += x * y
                if level == levels:
                    for j in range(3):
                        for i in range(m):
                            state.home[j, start + i] += d[j, i]
                    break
                if (k >> level) & 1:
                    for j in range(3):
                        for i in range(m):
                            state.pending[level, j, start + i] = d[j, i]
                    for i in range(m):
                        state.pending_base[level, start + i] = before[i]
                    break
                for j in range(3):
                    for i in range(m):
                        d[j, i] += state.pending[level, j, start + i]
                for i in range(m):
                    before[i] = state.pending_base[level, start + i]
                level += 1
        for level in range(levels + 1):
            for j in range(6):
                state.tracer[level, s, j] += moments[level, j]


@jit
def end_sample(net, state, rows, base_shift):
    """Sample, and hand a row over when it is complete."""
    sample(net, state, base_shift)
    if state.clock[SAMPLE] < 1 << net.levels:
        return
    state.clock[SAMPLE] = 0
    state.clock[WINDOW] += 1
    if state.clock[WINDOW] < net.windows_per_row:
        return
    n = rows.finished[0]
    rows.events[n] = state.events
    rows.attempts[n] = state.clock[ATTEMPTS]
    rows.collective[n] = state.collective
    rows.tracer[n] = state.tracer
    rows.finished[0] = n + 1
    state.events[:] = 0
    state.collective[:] = 0.0
    state.tracer[:] = 0.0
    state.clock[ATTEMPTS] = 0
    state.clock[WINDOW] = 0


@jit
def run_null_event(attempts, fold_after, use_bits, net, state, rows, log, logging):
    """One sample for each entry of ``attempts`` (its number of attempts)."""
    base_shift = net.geometry[7] if use_bits else U32
    for n in attempts:
        left = n
        while left > 0:
            m = min(left, fold_after)
            if use_bits:
                hops_bits(m, net, state, log, logging)
            else:
                hops_table(m, net, state, log, logging)
            left -= m
            if left > 0:
                fold(net, state)
        state.clock[ATTEMPTS] += n
        end_sample(net, state, rows, base_shift)


@jit
def set_length(net, state, c, n):
    """New length of the list of class ``c``; the sums above are made anew, so that no rounding accumulates."""
    tree = state.tree
    state.length[c] = n
    node = len(tree) // 2 + c
    tree[node] = n * net.class_weight[c]
    while node > 1:
        node >>= 1
        tree[node] = tree[2 * node] + tree[2 * node + 1]


@jit
def open_hop(net, state, entry, c):
    """Put a hop on the list of its class."""
    n = state.length[c]
    state.members[net.class_start[c] + n] = np.uint32(entry)
    state.where[entry] = np.uint32(n)
    set_length(net, state, c, n + 1)


@jit
def close_hop(net, state, entry, c):
    """Take a hop off the list of its class; the last one of the list fills the gap."""
    n = state.length[c] - 1
    place = state.where[entry]
    last = state.members[net.class_start[c] + n]
    state.members[net.class_start[c] + np.int64(place)] = last
    state.where[np.int64(last)] = place
    state.where[entry] = ABSENT
    set_length(net, state, c, n)


@jit
def open_own_hops(net, state, carrier):
    """List the hops that ``carrier`` can make from where it sits."""
    width, links = np.int64(net.width), np.int64(net.links)
    site, base = np.int64(state.record[2 * carrier] & LOW32), np.int64(state.record[2 * carrier] >> U32)
    for slot in range(width):
        c = net.rate_class[base + slot]
        if c >= 0:
            link = np.int64(net.rows[((base + slot) << 4) + 2])
            target = np.int64(net.neighbour[site * links + link])
            if target == site or state.carrier_at[target] < 0:
                open_hop(net, state, carrier * width + slot, c)


@jit
def list_open_hops(net, state):
    """Fill the empty lists, carrier by carrier."""
    for carrier in range(len(state.record) // 2):
        open_own_hops(net, state, carrier)


@jit
def update_hops_into(net, state, site, carrier, opened):
    """Other carriers may (``opened``) or may not any more hop to ``site``."""
    width, links = np.int64(net.width), np.int64(net.links)
    basis = site % (len(net.incoming_start) - 1)
    for i in range(net.incoming_start[basis], net.incoming_start[basis + 1]):
        other = np.int64(state.carrier_at[np.int64(net.neighbour[site * links + net.incoming[i, 0]])])
        if net.incoming[i, 1] <= other < net.incoming[i, 2] and other != carrier:
            slot = net.incoming[i, 3]
            c = net.rate_class[np.int64(state.record[2 * other] >> U32) + slot]
            if opened:
                open_hop(net, state, other * width + slot, c)
            else:
                close_hop(net, state, other * width + slot, c)


@jit
def choose_open_hop(net, state, s0, s1, s2, s3):
    """An open hop with the probability of its rate: class by the sum tree, then evenly within the class."""
    tree = state.tree
    leaves = len(tree) // 2
    node = 1
    if leaves > 1:
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        x = np.float64(r >> U11) * 2.0**-53 * tree[1]
        while node < leaves:
            node *= 2
            # rounding must not lead into an empty branch
            if tree[node + 1] > 0.0 and (x >= tree[node]):
                x -= tree[node]
                node += 1
    c = node - leaves
    r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
    place, r = split(r, U(state.length[c]))
    entry = np.int64(state.members[net.class_start[c] + np.int64(place)])
    return entry, s0, s1, s2, s3


@jit
def run_rejection_free(n_samples, fold_after, net, state, rows, log, logging):
    """``n_samples`` samples; the time to the next one is kept in units of the interval.

    The waiting time is drawn anew at each sample, which the exponential law allows. With ``logging`` the kernel
    comes back with `LOG_FULL` when the log is full; called again it goes on.
    """
    width, links = np.int64(net.width), np.int64(net.links)
    record, counts, carrier_at = state.record, state.counts, state.carrier_at
    s0, s1, s2, s3 = state.rng[0], state.rng[1], state.rng[2], state.rng[3]
    done = np.int64(0)
    reason = FINISHED
    logged = state.clock[LOGGED]
    since_fold = np.int64(0)
    executed = np.int64(0)
    while done < n_samples:
        if logging and logged == len(log):
            reason = LOG_FULL
            break
        r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
        wait = -math.log1p(-(np.float64(r >> U11) * 2.0**-53)) / state.tree[1]
        if wait >= state.remaining[0]:
            state.remaining[0] = 1.0
            state.clock[ATTEMPTS] += executed
            executed = since_fold = 0
            end_sample(net, state, rows, U32)
            done += 1
            continue
        state.remaining[0] -= wait
        entry, s0, s1, s2, s3 = choose_open_hop(net, state, s0, s1, s2, s3)
        carrier, slot = entry // width, entry % width
        here = record[2 * carrier]
        base = np.int64(here >> U32)
        row = base + slot
        site = np.int64(here & LOW32)
        target = np.int64(net.neighbour[site * links + np.int64(net.rows[(row << 4) + 2])])
        record[2 * carrier] = U(target) | net.rows[(row << 4) + 7]
        record[2 * carrier + 1] += net.rows[(row << 4) + 5]
        counts[row] += 1
        executed += 1
        since_fold += 1
        if logging:
            log[logged, 0] = done
            log[logged, 1] = carrier
            log[logged, 2] = row
            log[logged, 3] = np.float64(1.0 - state.remaining[0]).view(np.int64)
            logged += 1
        if since_fold >= fold_after:
            fold(net, state)
            since_fold = 0
        if target != site:
            for old in range(width):
                if net.rate_class[base + old] >= 0 and state.where[carrier * width + old] != ABSENT:
                    close_hop(net, state, carrier * width + old, net.rate_class[base + old])
            carrier_at[site] = -1
            carrier_at[target] = np.int32(carrier)
            update_hops_into(net, state, site, carrier, True)
            update_hops_into(net, state, target, carrier, False)
            open_own_hops(net, state, carrier)
    state.clock[ATTEMPTS] += executed
    state.rng[0], state.rng[1], state.rng[2], state.rng[3] = s0, s1, s2, s3
    state.clock[LOGGED] = logged
    return reason
