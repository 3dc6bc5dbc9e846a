# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""The kernel: hops one by one, and whole stays where carriers have gone back and forth.

A stay begins where most of the last configurations have been seen just before, and ends with a hop out of the basin, or
goes on where a sample ends within it. Whether a stay is tried depends on the past alone, so the law stays exact.

Hops within a stay are not made. Their number is told in the mean: until the stay ends or the time is over, the hops of
a kind less c times the time plus G of the present state is a martingale for any c, if G = H - c T with H the mean hops
and T the mean time until absorption. (The c of a long stay keeps G small.) The path from the first state of a stay to
its last is counted hop by hop, so that displacements are exact; the others are pairs of a hop and its reverse.
"""

from __future__ import annotations

import math

import numpy as np

from ...jit import jit_plain, part, spliced
from ..interacting.kernels_coulomb import move_charge
from ..interacting.kernels_null import ENERGY, MAY, NEXT, STEP, TARGET, put, rate_anew, real
from ..interacting.kernels_null import occupant_of as occupant
from ..kernels_sampling import sample
from ..kernels_shared import (
    ATTEMPTS,
    LOW32,
    ROW,
    U0,
    U2,
    U32,
    U,
    draw,
    far,
    fold,
    load,
    sample_is_over,
    store,
    uniform,
)
from .kernels_basins import (
    FLOATS,
    GROUPS,
    LEVELS,
    POWERS,
    STATES,
    WHOLE,
    WORDS,
    build,
    hash_of,
    known,
    look,
    row_of,
)
from .kernels_chain import MOST_STEPS, draw_stay

RECENT = 8
"""Configurations that are remembered."""

OFTEN = 4
"""Hops in a row to configurations among them after which a stay is tried."""

STAYS, PATIENCE, FAILED, AGAIN, OLDEST = range(5)
"""Entries of ``memory``: 1 where a stay is to be tried, 2 where one goes on; hops before another one may be, and
as many after the last that was tried in vain; hops in a row to recent configurations; the oldest of them."""

LONGEST_PATIENCE = 1 << 16


@part
def hop(moves, lattice, around, energies, charges, carrier, row):
    """Let a carrier hop, and count it."""
    record, r = moves.record, row >> ROW
    word = record[2 * carrier]
    place, base = word & LOW32, word >> U32
    dE, _, _, clamped = rate_anew(moves, lattice, around, energies, charges, U(carrier), base, row, place)
    moves.ledger[ENERGY] += dE
    moves.clamped[r] += np.int64(clamped)
    target = place
    if moves.rows[row | MAY] & U2 == U0:
        target, species = real(lattice, place + moves.rows[row | TARGET]), occupant(lattice, place)
        put(lattice, place, U0)
        put(lattice, target, species)
        if charges.shape.types > 0:
            move_charge(charges, carrier, r)
    record[2 * carrier] = target | moves.rows[row | NEXT]
    record[2 * carrier + 1] += moves.rows[row | STEP]
    if far(record[2 * carrier + 1]):
        fold(moves, U(carrier))
    moves.counts[r] += 1


@part
def remember(moves):
    """Note the present configuration, and whether carriers have gone back and forth."""
    memory, recent, code = moves.memory, moves.recent, hash_of(moves.record)
    again = False
    for i in range(len(recent)):
        again = again or recent[i] == code
    memory[AGAIN] = memory[AGAIN] + 1 if again else 0
    recent[memory[OLDEST]] = code
    memory[OLDEST] = (memory[OLDEST] + 1) % len(recent)
    if memory[PATIENCE] > 0:
        memory[PATIENCE] -= 1
    elif memory[AGAIN] >= OFTEN:
        memory[STAYS], memory[AGAIN] = 1, 0


@spliced
def find(moves, lattice, around, energies, charges, growth, basins):
    """Basin and state of the present configuration; without one, be patient before the next try."""
    b, state = known(moves.record, basins)
    if b < 0:
        b = build(moves, lattice, around, energies, charges, growth, basins)
        if b >= 0:
            b, state = known(moves.record, basins)
    memory = moves.memory
    if b < 0:
        memory[STAYS] = 0
        memory[FAILED] = min(2 * memory[FAILED] + 16, LONGEST_PATIENCE)
        memory[PATIENCE] = memory[FAILED]
    else:
        memory[FAILED] = 0
    return b, state


@spliced
def follow(moves, lattice, around, energies, charges, basins, b, start, end):
    """Make the hops of the path from one state of a basin to another."""
    d, whole, shift = basins.directory[b], basins.whole, np.int64(moves.setup.entry_shift)
    n, w, v, slots = d[STATES], d[WHOLE], d[WORDS], (1 << shift) - 1
    carry = moves.carry
    # up from the start to what both have above them, then down
    while True:
        above = end
        while above != start and above != 0:
            above = whole[w + above]
        if above == start:
            break
        before, entry = whole[w + start], whole[w + n + start]
        carrier = entry >> shift
        r = row_of(moves, basins.words[v + before, carrier], entry & slots) >> ROW
        hop(moves, lattice, around, energies, charges, carrier, moves.reverse[r] << ROW)
        carry[min(r, moves.reverse[r])] -= 0.5
        start = before
    while start != end:
        below = end
        while whole[w + below] != start:
            below = whole[w + below]
        entry = whole[w + n + below]
        carrier = entry >> shift
        row = row_of(moves, basins.words[v + start, carrier], entry & slots)
        hop(moves, lattice, around, energies, charges, carrier, row)
        carry[min(row >> ROW, moves.reverse[row >> ROW])] -= 0.5
        start = below


@spliced
def stay(moves, lattice, around, energies, charges, growth, basins, b, start, events, rng):
    """A whole stay, or as much of it as lies in this sample. Returns whether the sample ended before it did."""
    d, numbers, whole = basins.directory[b], basins.floats, basins.whole
    n, groups, f, w = d[STATES], d[GROUPS], d[FLOATS], d[WHOLE]
    speed, left = numbers[f], moves.remaining[0]
    part_ = min(left, MOST_STEPS / (speed * moves.interval))
    time, end, lasts, rng = draw_stay(
        numbers, f, d[POWERS], d[LEVELS], n, start, part_ * moves.interval, growth.here, growth.next_here, rng
    )
    if not lasts:
        part_ = time / moves.interval
    # the hops of each group in the mean, whose G is 0 once the stay is over
    first = w + 2 * n + groups
    exits = whole[first + n]
    at = f + 1 + n + exits
    for g in range(groups):
        hops = numbers[at + g] * time + numbers[at + groups + start * groups + g]
        if lasts:
            hops -= numbers[at + groups + end * groups + g]
        moves.carry[whole[w + 2 * n + g]] += 0.5 * hops
    follow(moves, lattice, around, energies, charges, basins, b, start, end)
    for g in range(groups):
        row = whole[w + 2 * n + g]
        pairs = math.floor(moves.carry[row])
        if pairs > 0.0:
            moves.carry[row] -= pairs
            events[row] += np.int64(pairs)
            events[moves.reverse[row]] += np.int64(pairs)
    ends = lasts and part_ == left
    moves.remaining[0] = 1.0 if ends else max(0.0, left - part_)
    if not lasts:
        moves.memory[STAYS], moves.memory[AGAIN] = (
            0,
            OFTEN - 1,
        )  # where one basin was, there may be another one
        total = 0.0
        for i in range(whole[first + end], whole[first + end + 1]):
            total += numbers[f + 1 + n + i]
        r, rng = draw(rng)
        x, entry = uniform(r) * total, np.int64(0)
        for i in range(whole[first + end], whole[first + end + 1]):
            entry = whole[first + n + 1 + i]
            if x < numbers[f + 1 + n + i]:
                break
            x -= numbers[f + 1 + n + i]
        shift = np.int64(moves.setup.entry_shift)
        carrier = entry >> shift
        row = row_of(moves, moves.record[2 * carrier], entry & ((1 << shift) - 1))
        hop(moves, lattice, around, energies, charges, carrier, row)
    return ends, rng


@jit_plain
def run_stays(n_samples, most, present, kept, tally, out):
    """``n_samples`` samples, or until about ``most`` attempts: hops and stays. Returns the number of samples left.

    present : `Moves`, lattice, surroundings, energies and charges. kept : `Growth` and `Basins`.
    """
    moves, lattice, around, energies, charges = present
    growth, basins = kept
    rng = load(moves.rng)
    done = attempts = 0
    stale, total = True, 0.0
    shift = np.int64(moves.setup.entry_shift)
    while attempts < most and done < n_samples:
        if moves.memory[STAYS]:
            before = basins.used[0]
            b, start = find(moves, lattice, around, energies, charges, growth, basins)
            if b < 0 or basins.used[0] != before:
                attempts += 1000  # what it costs to look for one
            if b < 0:
                continue
            attempts += 1
            moves.clock[ATTEMPTS] += 1
            if moves.memory[STAYS] == 1:
                moves.memory[STAYS] = 2
                d = basins.directory[b]
                moves.gain[0] += basins.floats[d[POWERS] - d[STATES] + start]
                moves.gain[1] += 1.0
            ends, rng = stay(
                moves, lattice, around, energies, charges, growth, basins, b, start, tally.events, rng
            )
            stale = True
            if ends:
                sample(tally, out)
                done += 1
            continue
        if stale:
            total = look(moves, lattice, around, energies, charges, moves.rate, moves.rate, False)
            stale = False
        over, rng = sample_is_over(moves.remaining, total * moves.interval, rng)
        if over:
            sample(tally, out)
            done += 1
            continue
        attempts += 1
        moves.clock[ATTEMPTS] += 1
        r, rng = draw(rng)
        x, entry = uniform(r) * total, np.int64(0)
        for i in range(len(moves.rate)):
            if moves.rate[i] > 0.0:
                entry = i
                if x < moves.rate[i]:
                    break
                x -= moves.rate[i]
        carrier = entry >> shift
        row = row_of(moves, moves.record[2 * carrier], entry & ((1 << shift) - 1))
        hop(moves, lattice, around, energies, charges, carrier, row)
        remember(moves)
        moves.gain[0] += 1.0
        moves.gain[1] += 1.0
        stale = True
    store(rng, moves.rng)
    return n_samples - done
