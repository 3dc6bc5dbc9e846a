# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Basins of configurations: found around the present one, kept, and looked up.

A basin is a set of configurations that quick hops join, quick in both directions. They are added one by one, always by
the hop whose slower direction is the quickest (as R. C. Prim's minimum spanning tree); where the next hop is slower
than all those before by `GAP`, there is a basin. The largest such set that pays is taken. So it is the same one from
whichever of its configurations it is found, and its states go by the order of their hashes: what is kept of it is a
matter of speed alone.

All carriers take part: a hop of any of them that leads out of the set ends the stay. A set in which displacements
depend on the path (it winds round the cell), or with a clamped hop, is not taken. Words: `kernels_null`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined, part, spliced
from ..interacting.kernels_coulomb import move_charge
from ..interacting.kernels_lists import is_open
from ..interacting.kernels_null import MAY, NEXT, STEP, TARGET, put, rate_anew, real
from ..interacting.kernels_null import occupant_of as occupant
from ..kernels_shared import LOW32, ROW, U0, U1, U2, U32, U
from .kernels_chain import eliminate, keep_powers, raise_powers

MOST_STATES = 64
"""Configurations of a basin."""

GAP = 9.9
"""Ratio of the slowest hop that joins the states of a basin to the quickest one (slower direction) that is left out; a
little below ten, so that rounding does not decide where rates differ by powers of ten."""

WORTHWHILE = 30.0
"""Mean hops of a stay, beside one for every four entries of the matrix, above which a basin pays."""

STATES, GROUPS, LEVELS, FLOATS, WHOLE, WORDS, POWERS = range(7)
"""Columns of `Basins.directory`: numbers of states, of groups, of powers; where its numbers begin, and the powers. A
*group* is a hop and its reverse: a pair of rows, known by the lower one."""

USED, FLOATS_USED, WHOLE_USED, WORDS_USED = range(4)
"""Entries of `Basins.used`."""


class Moves(NamedTuple):
    """Arrays of the kernel; those named as in `kernels_null.Null` are the same."""

    setup: np.ndarray
    rows: np.ndarray
    rng: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    clamped: np.ndarray
    ledger: np.ndarray
    remaining: np.ndarray  # (1,) part of the sample interval that is left
    interval: float  # s
    reverse: np.ndarray  # (R,) uint64: row of the reverse hop
    rate: np.ndarray  # (N << shift,) 1/s; 0 where the hop is not open
    recent: np.ndarray  # (RECENT,) uint64: hashes of the last configurations
    memory: np.ndarray  # (5,) int64, see `kernels_stays`
    carry: np.ndarray  # (R,) float64: pairs of a hop and its reverse that are not counted yet
    gain: np.ndarray  # (2,) float64: hops, and steps for them, if no sample ended within a stay


class Basins(NamedTuple):
    """What is kept of basins."""

    directory: np.ndarray  # (most, 7) int64
    used: np.ndarray  # (4,) int64
    lookup: np.ndarray  # (2**b, 3) uint64: hash, basin + 1, state
    floats: (
        np.ndarray
    )  # float64: speed; x; rates of exits; c and G of the groups (`kernels_stays`); mean hops; powers
    whole: np.ndarray  # int64: parents, entries from them, rows of the groups, first exits, exits
    words: np.ndarray  # (n, N) uint64: record of each carrier


class Growth(NamedTuple):
    """Scratch: states in the order in which they were found. m = MOST_STATES."""

    words: np.ndarray  # (m, N) uint64
    moved: np.ndarray  # (m, N) uint64: packed displacement from the first state
    hash: np.ndarray  # (m,) uint64
    rate: np.ndarray  # (m, N << shift) 1/s; negative where it is clamped
    slower: np.ndarray  # (m, N << shift) 1/s: slower direction of a hop, 0 once it has been looked at
    best: np.ndarray  # (m,) int64: entry of the quickest that has not
    parent: np.ndarray  # (m,) int64
    entry: np.ndarray  # (m,) int64: hop from there
    slowest: np.ndarray  # (m + 1,) slowest hop among the first states
    next_: np.ndarray  # (m + 1,) quickest that leads on
    order: np.ndarray  # (m,) int64
    rank: np.ndarray  # (m,) int64: inverse of that
    target: np.ndarray  # (N << shift,) int64, m at least: state that a hop leads to
    p: np.ndarray  # (m, m)
    x: np.ndarray  # (m,)
    wanted: np.ndarray  # (m, R + 1)
    groups: np.ndarray  # (R,) int64
    power: np.ndarray  # (MOST_LEVELS, m, m)
    left: np.ndarray  # (MOST_LEVELS, m)
    here: np.ndarray  # (m,)
    next_here: np.ndarray  # (m,)


@inlined
def mix(carrier, word):
    """Share of a carrier in the hash of a configuration (S. Vigna's splitmix64)."""
    z = word + (U(carrier) + U1) * U(0x9E3779B97F4A7C15)
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


@part
def hash_of(record):
    """Of the present configuration."""
    total = U0
    for carrier in range(len(record) >> 1):
        total += mix(carrier, record[2 * carrier])
    return total


@inlined
def row_of(moves, word, slot):
    return ((word >> U32) + U(slot)) << ROW


@inlined
def after_hop(moves, lattice, word, row):
    """Word of the record of a carrier after a hop."""
    place = word & LOW32
    target = place if moves.rows[row | MAY] & U2 != U0 else real(lattice, place + moves.rows[row | TARGET])
    return target | moves.rows[row | NEXT]


@part
def shift_carrier(moves, lattice, charges, carrier, row):
    """Put a carrier where a hop would bring it, without counting it."""
    word = moves.record[2 * carrier]
    place, after = word & LOW32, after_hop(moves, lattice, word, row)
    if moves.rows[row | MAY] & U2 == U0:
        species = occupant(lattice, place)
        put(lattice, place, U0)
        put(lattice, after & LOW32, species)
        if charges.shape.types > 0:
            move_charge(charges, carrier, row >> ROW)
    moves.record[2 * carrier] = after


@part
def look(moves, lattice, around, energies, charges, rate, slower, both):
    """Rates of all hops of the present configuration, and their sum. With ``both``: those of the slower direction too,
    by local detailed balance, and clamped ones negative."""
    total, width, shift = 0.0, np.int64(moves.setup.width), np.int64(moves.setup.entry_shift)
    for carrier in range(len(moves.record) >> 1):
        word = moves.record[2 * carrier]
        place, base = word & LOW32, word >> U32
        for slot in range(width):
            entry, row = carrier << shift | slot, row_of(moves, word, slot)
            if not is_open(moves, lattice, row, place):
                rate[entry] = 0.0
                if both:
                    slower[entry] = 0.0
                continue
            dE, _, k, clamped = rate_anew(
                moves, lattice, around, energies, charges, U(carrier), base, row, place
            )
            rate[entry] = k
            total += k
            if both:
                r = row >> ROW
                back = moves.reverse[r]
                change = (np.float64(dE) * energies.quantum - energies.work[r]) / energies.kt
                change += energies.log_prefactor[back] - energies.log_prefactor[r]
                slower[entry] = k * math.exp(min(change, 0.0))
                if clamped:
                    rate[entry] = -k
    return total


@inlined
def quickest(slower):
    best = 0
    for entry in range(len(slower)):
        if slower[entry] > slower[best]:
            best = entry
    return best


@inlined
def same(moves, growth, i, k, carrier, after):
    """Whether state ``i`` becomes state ``k`` as a carrier comes to ``after``."""
    if growth.words[k, carrier] != after:
        return False
    alike = True
    for c in range(growth.words.shape[1]):
        alike = alike and (c == carrier or growth.words[i, c] == growth.words[k, c])
    return alike


@part
def go(moves, lattice, charges, growth, state, back):
    """Put the carriers from the first state into another one, or ``back``."""
    shift, slots = np.int64(moves.setup.entry_shift), (1 << np.int64(moves.setup.entry_shift)) - 1
    if back:
        while state > 0:
            before, entry = growth.parent[state], growth.entry[state]
            carrier = entry >> shift
            row = row_of(moves, growth.words[before, carrier], entry & slots)
            shift_carrier(moves, lattice, charges, carrier, moves.reverse[row >> ROW] << ROW)
            state = before
        return
    depth, at = 0, state
    while at > 0:
        growth.target[depth] = at
        depth, at = depth + 1, growth.parent[at]
    for i in range(depth - 1, -1, -1):
        at = growth.target[i]
        before, entry = growth.parent[at], growth.entry[at]
        carrier = entry >> shift
        shift_carrier(
            moves, lattice, charges, carrier, row_of(moves, growth.words[before, carrier], entry & slots)
        )


@part
def grow(moves, lattice, around, energies, charges, growth):
    """Find up to `MOST_STATES` states around the present configuration. Returns their number."""
    shift, slots = np.int64(moves.setup.entry_shift), (1 << np.int64(moves.setup.entry_shift)) - 1
    carriers = len(moves.record) >> 1
    for c in range(carriers):
        growth.words[0, c], growth.moved[0, c] = moves.record[2 * c], U0
    growth.hash[0], growth.parent[0] = hash_of(moves.record), 0
    look(moves, lattice, around, energies, charges, growth.rate[0], growth.slower[0], True)
    growth.best[0] = quickest(growth.slower[0])
    n, low = 1, np.inf
    while True:
        i, most = 0, 0.0
        for k in range(n):
            found = growth.slower[k, growth.best[k]]
            if found > most:
                i, most = k, found
        growth.slowest[n], growth.next_[n] = low, most
        if most == 0.0:
            return n
        entry = growth.best[i]
        carrier = entry >> shift
        row = row_of(moves, growth.words[i, carrier], entry & slots)
        after = after_hop(moves, lattice, growth.words[i, carrier], row)
        known, code = False, growth.hash[i] - mix(carrier, growth.words[i, carrier]) + mix(carrier, after)
        for k in range(n):
            known = known or (growth.hash[k] == code and same(moves, growth, i, k, carrier, after))
        if not known and n == MOST_STATES:
            return n
        growth.slower[i, entry] = 0.0
        growth.best[i] = quickest(growth.slower[i])
        if known:
            continue
        low = min(low, most)
        for c in range(carriers):
            growth.words[n, c], growth.moved[n, c] = growth.words[i, c], growth.moved[i, c]
        growth.words[n, carrier] = after
        growth.moved[n, carrier] += moves.rows[row | STEP]
        growth.hash[n], growth.parent[n], growth.entry[n] = code, i, entry
        go(moves, lattice, charges, growth, n, False)
        look(moves, lattice, around, energies, charges, growth.rate[n], growth.slower[n], True)
        growth.best[n] = quickest(growth.slower[n])
        go(moves, lattice, charges, growth, n, True)
        n += 1


@part
def aim(moves, lattice, growth, n, i):
    """Fill ``target`` with the states (of the first n) that the hops of state ``i`` lead to, -1 for others. False where
    the set winds, or a hop within it is clamped."""
    shift, slots = np.int64(moves.setup.entry_shift), (1 << np.int64(moves.setup.entry_shift)) - 1
    for entry in range(growth.rate.shape[1]):
        growth.target[entry] = -1
        if growth.rate[i, entry] == 0.0:
            continue
        carrier = entry >> shift
        word = growth.words[i, carrier]
        row = row_of(moves, word, entry & slots)
        after = after_hop(moves, lattice, word, row)
        code = growth.hash[i] - mix(carrier, word) + mix(carrier, after)
        for k in range(n):
            if growth.hash[k] == code and same(moves, growth, i, k, carrier, after):
                for c in range(growth.moved.shape[1]):
                    step = moves.rows[row | STEP] if c == carrier else U0
                    if growth.moved[i, c] + step != growth.moved[k, c]:
                        return False
                if growth.rate[i, entry] < 0.0:
                    return False
                growth.target[entry] = k
    return True


@inlined
def group_of(groups, n, row):
    """Number of a pair of rows, -1 if it is not among the first n."""
    for g in range(n):
        if groups[g] == row:
            return g
    return -1


@part
def make_chain(moves, lattice, growth, n):
    """P, x and the groups of the first ``n`` states, in the order of their hashes. Returns the speed, 0 where they make
    no basin, and the number of groups."""
    shift, slots = np.int64(moves.setup.entry_shift), (1 << np.int64(moves.setup.entry_shift)) - 1
    for i in range(n):  # by insertion
        at = i
        while at > 0 and growth.hash[growth.order[at - 1]] > growth.hash[i]:
            growth.order[at] = growth.order[at - 1]
            at -= 1
        growth.order[at] = i
    speed, leaves = 0.0, False
    for a in range(n):
        growth.rank[growth.order[a]] = a
        total = 0.0
        for entry in range(growth.rate.shape[1]):
            total += abs(growth.rate[growth.order[a], entry])
        speed = max(speed, total)
    groups, p, x = 0, growth.power[0], growth.left[0]
    for a in range(n):
        i = growth.order[a]
        if not aim(moves, lattice, growth, n, i):
            return 0.0, 0
        total = x[a] = 0.0
        for b in range(n):
            p[a, b] = 0.0
        for g in range(growth.wanted.shape[1]):
            growth.wanted[a, g] = 0.0
        for entry in range(growth.rate.shape[1]):
            k = abs(growth.rate[i, entry])
            total += k
            if growth.target[entry] < 0:
                x[a] += k / speed
                continue
            p[a, growth.rank[growth.target[entry]]] += k / speed
            carrier = entry >> shift
            row = row_of(moves, growth.words[i, carrier], entry & slots) >> ROW
            row = np.int64(min(row, moves.reverse[row]))
            g = group_of(growth.groups, groups, row)
            if g < 0:
                growth.groups[groups] = row
                g, groups = groups, groups + 1
            growth.wanted[a, g] += k / speed
        p[a, a] = max(0.0, (speed - total) / speed)
        leaves = leaves or x[a] > 0.0
    return (speed if leaves else 0.0), groups


@part
def expect_hops(growth, n, groups, speed):
    """Solve for the mean hops of each group until the stay ends, and its mean length in s, which is the last column.
    Returns the hops from the best state."""
    for a in range(n):
        growth.x[a], growth.wanted[a, groups] = growth.left[0, a], 1.0 / speed
        for b in range(n):
            growth.p[a, b] = growth.power[0, a, b]
    eliminate(growth.p, growth.x, growth.wanted, n, groups + 1)
    most = 0.0
    for a in range(n):
        hops = 0.0
        for g in range(groups):
            hops += growth.wanted[a, g]
        most = max(most, hops)
    return most


@part
def keep(moves, lattice, growth, basins, n, groups, speed):
    """Keep a basin of the first n states. Returns its number, -1 where it is too large to be kept."""
    levels, exits, used = raise_powers(growth.power, growth.left, n), 0, basins.used
    for i in range(n):
        aim(moves, lattice, growth, n, i)
        for entry in range(growth.rate.shape[1]):
            exits += growth.rate[i, entry] != 0.0 and growth.target[entry] < 0
    floats = 1 + n + exits + groups + n * groups + n + levels * (n + 1) * n
    whole = 3 * n + 1 + groups + exits
    if floats > len(basins.floats) or whole > len(basins.whole):
        return -1
    if (
        used[USED] == len(basins.directory)
        or 2 * (used[WORDS_USED] + n) > len(basins.lookup)
        or used[FLOATS_USED] + floats > len(basins.floats)
        or used[WHOLE_USED] + whole > len(basins.whole)
        or used[WORDS_USED] + n > len(basins.words)
    ):
        for i in range(len(used)):
            used[i] = 0
        for i in range(len(basins.lookup)):
            basins.lookup[i, 1] = U0
    b, f, w, v = used[USED], used[FLOATS_USED], used[WHOLE_USED], used[WORDS_USED]
    used[USED] += 1
    used[FLOATS_USED] += floats
    used[WHOLE_USED] += whole
    used[WORDS_USED] += n
    d = basins.directory[b]
    d[STATES], d[GROUPS], d[LEVELS], d[FLOATS], d[WHOLE], d[WORDS] = n, groups, levels, f, w, v
    numbers, whole_ = basins.floats, basins.whole
    numbers[f] = speed
    f_exit, w_exit, exits = f + 1 + n, w + 3 * n + 1 + groups, 0
    for a in range(n):
        i = growth.order[a]
        numbers[f + 1 + a] = growth.left[0, a]
        whole_[w + 2 * n + groups + a] = exits
        aim(moves, lattice, growth, n, i)
        for entry in range(growth.rate.shape[1]):
            if growth.rate[i, entry] != 0.0 and growth.target[entry] < 0:
                numbers[f_exit + exits], whole_[w_exit + exits] = abs(growth.rate[i, entry]), entry
                exits += 1
        for c in range(growth.words.shape[1]):
            basins.words[v + a, c] = growth.words[i, c]
        at = U(growth.hash[i]) & U(len(basins.lookup) - 1)
        while basins.lookup[at, 1] != U0:
            at = (at + U1) & U(len(basins.lookup) - 1)
        basins.lookup[at, 0], basins.lookup[at, 1], basins.lookup[at, 2] = growth.hash[i], U(b + 1), U(a)
    whole_[w + 3 * n + groups] = exits
    f = f_exit + exits
    for g in range(groups):
        whole_[w + 2 * n + g] = growth.groups[g]
        per_time = growth.wanted[0, g] / growth.wanted[0, groups]
        numbers[f + g] = per_time
        for a in range(n):
            numbers[f + groups + a * groups + g] = growth.wanted[a, g] - per_time * growth.wanted[a, groups]
    f += groups + n * groups
    for a in range(n):
        numbers[f + a] = 0.0
        for g in range(groups):
            numbers[f + a] += growth.wanted[a, g]
    f += n
    d[POWERS] = f
    keep_powers(numbers, f, growth.power, growth.left, levels, n)
    # a tree of paths from the first state, which does not tell where the basin was found
    for a in range(n):
        whole_[w + a] = -1
    whole_[w] = 0
    first, last = 0, 1
    growth.rank[0] = 0
    while first < last:  # ``rank`` is a queue now
        a = growth.rank[first]
        first += 1
        aim(moves, lattice, growth, n, growth.order[a])
        for entry in range(growth.rate.shape[1]):
            if growth.target[entry] >= 0:
                for k in range(n):
                    if growth.order[k] == growth.target[entry] and whole_[w + k] < 0:
                        whole_[w + k], whole_[w + n + k] = a, entry
                        growth.rank[last] = k
                        last += 1
    return b


@spliced
def build(moves, lattice, around, energies, charges, growth, basins):
    """Find the basin of the present configuration and keep it. Returns its number, -1 where there is none that pays."""
    found = grow(moves, lattice, around, energies, charges, growth)
    for n in range(found, 1, -1):
        if growth.slowest[n] < GAP * growth.next_[n]:
            continue
        speed, groups = make_chain(moves, lattice, growth, n)
        if speed > 0.0 and expect_hops(growth, n, groups, speed) >= WORTHWHILE + 0.25 * n * n:
            return keep(moves, lattice, growth, basins, n, groups, speed)
    return -1


@part
def known(record, basins):
    """Basin and state of the present configuration; -1 where none is kept."""
    code = hash_of(record)
    at = code & U(len(basins.lookup) - 1)
    while basins.lookup[at, 1] != U0:
        if basins.lookup[at, 0] == code:
            b, a = np.int64(basins.lookup[at, 1]) - 1, np.int64(basins.lookup[at, 2])
            words, alike = basins.words[basins.directory[b, WORDS] + a], True
            for c in range(len(words)):
                alike = alike and words[c] == record[2 * c]
            if alike:
                return b, a
        at = (at + U1) & U(len(basins.lookup) - 1)
    return -1, 0
