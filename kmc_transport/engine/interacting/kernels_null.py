# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Null-event kernel of interacting carriers, on a lattice with a border of copies (`halo.Halo`).

An attempt chooses carrier and slot by bounds of the rates, as without interactions; where the target is free, the rate
is found from the surroundings and the hop executed with probability rate / bound. Exact, as thinning a Poisson process
of constant rate by a chance that depends on the state alone gives events of the state's rates (P. A. W. Lewis,
G. S. Shedler, Nav. Res. Logist. Q. 26, 403 (1979)); a rate above its bound would spoil that, and is reported.

The rate is found in one of two ways. By *code*: the surroundings add up to one of few whole numbers, with all chances
in a table. By *energies*: energy difference, barrier shift and code of the environment table (three columns) add up in
whole quanta, and the barrier rule is evaluated. Axes and words: `kernels_shared`; a *place* is a site of the lattice
with border, an *occupant* 0 or species + 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import call_rule, inlined, jit_plain, prefetch
from ..kernels_sampling import end_attempts
from ..kernels_shared import (
    LOGGED,
    LOW32,
    ROW,
    U0,
    U1,
    U2,
    U3,
    U4,
    U5,
    U15,
    U32,
    U,
    after_alias,
    attempt,
    draw,
    fold_all,
    load,
    log_hop,
    store,
    uniform,
)
from ..plain.kernels import BATCH
from .kernels_coulomb import change_anew, move_charge

TARGET, MAY, STEP, FIRST, NEXT, CODE = (U(i) for i in range(2, 8))
"""Columns of a row beside `THRESHOLD` and `ALIAS`: offset of the target; MAY, STEP, NEXT as without interactions; first
entry of the surroundings, and above 32 bits the number of entries; index of the row's code 0."""

OCCUPANT, GHOST, FLAGS = U(31), U(128), U(192)
"""Bits of a place's byte, see `halo`."""

ENERGY, EXCEEDED = range(2)
"""Entries of ``ledger``: energy since the start in quanta; whether a bound was exceeded."""


class CoupledSetup(NamedTuple):
    """Numbers of a network with interactions."""

    width: np.uint64  # W
    two_draws: bool  # whether carrier and slot need a random number each
    entry_shift: np.uint64  # bits of a slot in an entry
    stride: np.uint64  # of `Around.entry`, from site to site
    call_ahead: bool  # whether memory is called for ahead
    any_several: bool  # whether there are conditions on several sites
    any_clamped: bool  # whether a rate by code is clamped
    tree: bool  # whether a tree selects (listed hops)


class Place(NamedTuple):
    """The lattice."""

    occupant: np.ndarray  # (n_places,) uint8, see `halo`
    page: np.ndarray  # (n_places / 16,) uint32: number of each page of links
    link: np.ndarray  # uint32: pages of 16 links
    copies: np.ndarray  # uint32


class Around(NamedTuple):
    """Surroundings of the rows. Numbers in codes: one column; in energies: three (difference, shift, table code)."""

    entry: np.ndarray  # int64: for each site its offset, then for each occupant the columns
    term_span: np.ndarray  # (2 R,) uint64: part of `term` of each row
    term: np.ndarray  # int64: for each condition on several sites its first and last member, then the columns
    member: np.ndarray  # int64: offset and occupant of each


class Null(NamedTuple):
    """Arrays of the null-event kernel, named as in `plain.kernels.Hops` where they are the same."""

    setup: CoupledSetup
    rows: np.ndarray
    first: np.ndarray
    number: np.ndarray
    cut: np.ndarray
    rng: np.ndarray
    record: np.ndarray
    counts: np.ndarray
    held: np.ndarray
    clock: np.ndarray
    batch: np.ndarray
    clamped: np.ndarray  # (R,) int64 executed events with a clamped rate, since the start
    ledger: np.ndarray  # (2,) int64
    ahead_span: np.ndarray  # (2 R,) uint64: part of `ahead` of each row
    ahead: np.ndarray  # int64: offsets of cache lines that an attempt needs


class Energies(NamedTuple):
    """What rates are made of. W' = slots rounded up to a power of two."""

    constant: np.ndarray  # (3 R,) int64: difference, shift, table code
    table_start: np.ndarray  # (R,) uint64
    table: np.ndarray  # int64: barrier shift by code of the environment table
    work: np.ndarray  # (R,) eV
    saddle_work: np.ndarray  # (R,)
    log_prefactor: np.ndarray  # (R,)
    rule: np.ndarray  # (R,) uint64: address
    parameter_start: np.ndarray  # (R,) uint64
    parameters: np.ndarray  # float64
    quantum: float  # eV
    kt: float  # eV
    site: np.ndarray  # (S + 1, n_places) int64 or (1, 1): disorder of site energies by occupant
    barrier: np.ndarray  # (S n_places, W') int64 or (1, 1): disorder of barriers by species, place and slot
    barrier_start: np.ndarray  # (R,) uint64: first row of the species in that
    bound: np.ndarray  # (R,) 1/s


@inlined
def link_of(lattice, place):
    """Link of a place of the border, see `halo.Halo.copies`."""
    return U(lattice.link[U(lattice.page[place >> U4]) << U4 | (place & U15)])


@inlined
def put(lattice, place, occupant):
    """Let ``occupant`` sit at a real place and its copies."""
    flags = U(lattice.occupant[place]) & FLAGS
    lattice.occupant[place] = np.uint8(flags | occupant)
    if flags != U0:
        start = link_of(lattice, place)
        for i in range(start + U1, start + U1 + U(lattice.copies[start])):
            lattice.occupant[lattice.copies[i]] = np.uint8(GHOST | occupant)


@inlined
def real(lattice, place):
    """The place itself, or the one that it copies."""
    return link_of(lattice, place) if U(lattice.occupant[place]) & GHOST != U0 else place


@inlined
def occupant_of(lattice, place):
    return U(lattice.occupant[place]) & OCCUPANT


@inlined
def holds(lattice, around, place, first):
    """Whether the condition at ``first`` of `Around.term` holds around ``place``."""
    for m in range(U(around.term[first]), U(around.term[first + U1])):
        offset, occupant = around.member[U(m) << U1], around.member[U(m) << U1 | U1]
        if occupant_of(lattice, place + U(offset)) != U(occupant):
            return False
    return True


@inlined
def code_around(hops, lattice, around, row, place):
    """Code of a row's surroundings: an index into the tables. ``hops``: `Null` or `kernels_listed.Listed`."""
    entry, stride = around.entry, hops.setup.stride
    word = hops.rows[row | FIRST]
    at = word & LOW32
    end = at + (word >> U32) * stride
    code = hops.rows[row | CODE]
    while at != end:  # in this form the compiler leaves it alone: vectors are slower for so few sites
        code += U(entry[at + U1 + occupant_of(lattice, place + U(entry[at]))])
        at += stride
    if hops.setup.any_several:
        r = row >> ROW
        for i in range(around.term_span[r << U1], around.term_span[r << U1 | U1]):
            if holds(lattice, around, place, U3 * U(i)):
                code += U(around.term[U3 * U(i) + U2])
    return code


@inlined
def plus(numbers, array, at):
    """Three columns (energy difference, barrier shift, table code) and three more from an array."""
    return numbers[0] + array[at], numbers[1] + array[at + U1], numbers[2] + array[at + U2]


@inlined
def several_around(lattice, around, r, place, numbers):
    """Three columns and what the conditions on several sites add to them."""
    for i in range(around.term_span[r << U1], around.term_span[r << U1 | U1]):
        if holds(lattice, around, place, U5 * U(i)):
            numbers = plus(numbers, around.term, U5 * U(i) + U2)
    return numbers


@inlined
def energies_around(hops, lattice, around, energies, row, place):
    """Three columns of a row from the short-range surroundings and disorder; Coulomb energies apart."""
    r, entry, stride = row >> ROW, around.entry, hops.setup.stride
    numbers = plus((0, 0, 0), energies.constant, U3 * r)
    word = hops.rows[row | FIRST]
    at = word & LOW32
    end = at + (word >> U32) * stride
    while at != end:
        numbers = plus(numbers, entry, at + U1 + U3 * occupant_of(lattice, place + U(entry[at])))
        at += stride
    if hops.setup.any_several:
        numbers = several_around(lattice, around, r, place, numbers)
    dE, shift, code = numbers
    if len(energies.site) > 1:
        species = occupant_of(lattice, place)
        dE += energies.site[species, place + hops.rows[row | TARGET]] - energies.site[species, place]
    return dE, shift, code


@inlined
def total_shift(energies, r, place, slot, shift, code):
    """Barrier shift with the environment table and disorder."""
    shift += energies.table[energies.table_start[r] + U(code)]
    if len(energies.barrier) > 1:
        shift += energies.barrier[energies.barrier_start[r] + place, slot]
    return shift


@inlined
def barrier_of(energies, r, dE, shift):
    """Activation energy, eV; its sign bit is set where it is clamped."""
    return call_rule(
        energies.rule[r],
        np.float64(dE) * energies.quantum,
        energies.work[r],
        energies.saddle_work[r] - np.float64(shift) * energies.quantum,
        energies.parameters,
        energies.parameter_start[r],
    )


@inlined
def rate_of(energies, r, dE, shift):
    """Rate and whether it is clamped."""
    activation = barrier_of(energies, r, dE, shift)
    clamped = math.copysign(1.0, activation) < 0.0
    return math.exp(energies.log_prefactor[r] - abs(activation) / energies.kt), clamped


@inlined
def rate_anew(hops, lattice, around, energies, charges, carrier, base, row, place):
    """Energy difference, barrier shift, rate and whether it is clamped, all counted anew."""
    r = row >> ROW
    dE, shift, code = energies_around(hops, lattice, around, energies, row, place)
    shift = total_shift(energies, r, place, r - base, shift, code)
    if charges.shape.types > 0 and hops.rows[row | MAY] & U2 == U0:
        dE += change_anew(charges, carrier, r, r - base)
    rate, clamped = rate_of(energies, r, dE, shift)
    return dE, shift, rate, clamped


@jit_plain
def run_null(
    attempts, goes_on, fold_after, null, lattice, around, accept, energies, charges, tally, out, log
):
    """One sample for each entry of ``attempts``; of the last one a part if it ``goes_on`` in the next call (whole
    batches, for the same random numbers).

    ``accept``: for each code a threshold (its lowest bit says whether the rate is clamped) and the energy difference.
    Or it is (), else ``energies`` and ``charges`` are: a kernel of its own is compiled for each way. (Before numba
    looks at types it drops only branches on what it knows then: None and the length of a tuple.)
    """
    rows, record, occupant, counts = null.rows, null.record, lattice.occupant, null.counts
    call_ahead = len(energies) == 0 and null.setup.call_ahead
    ahead = np.int64(BATCH) if len(energies) == 0 else np.int64(1)
    carriers, slots, fractions = null.batch[0], null.batch[1], null.batch[2]
    for number in range(len(attempts)):
        n = attempts[number]
        done = energy = 0
        rng = load(null.rng)
        while done < n:
            size = min(n - done, ahead)
            # carriers, slots and the fractions for the alias are chosen ahead, so that memory can be called for
            for i in range(size):
                carriers[i], slots[i], fractions[i], rng = attempt(rng, null, None)
                if call_ahead:
                    prefetch(record, carriers[i] << U1)
            if call_ahead:
                for i in range(size):
                    here = record[carriers[i] << U1]
                    row = ((here >> U32) + slots[i]) << U1
                    for j in range(null.ahead_span[row], null.ahead_span[row | U1]):
                        prefetch(occupant, (here & LOW32) + U(null.ahead[j]))
            for i in range(size):
                carrier = carriers[i]
                here = record[carrier << U1]
                place, base = here & LOW32, here >> U32
                row = after_alias(rows, (base + slots[i]) << ROW, fractions[i])
                may = rows[row | MAY]
                if may == U0:
                    continue
                target, stays = place + rows[row | TARGET], may & U2 != U0
                if occupant_of(lattice, target) != U0 and not stays:
                    continue
                r = row >> ROW
                if len(energies) == 0:
                    code = code_around(null, lattice, around, row, place) << U1
                    random, rng = draw(rng)
                    if random >= accept[code]:
                        continue
                    logged = code >> U1, 0
                    energy += np.int64(accept[code | U1])
                    if null.setup.any_clamped:
                        null.clamped[r] += np.int64(accept[code] & U1)
                else:
                    dE, shift, rate, clamped = rate_anew(
                        null, lattice, around, energies, charges, carrier, base, row, place
                    )
                    bound = energies.bound[r]
                    if rate > bound:
                        null.ledger[EXCEEDED] = 1
                    random, rng = draw(rng)
                    if uniform(random) * bound >= rate:
                        continue
                    logged = dE, shift
                    energy += dE
                    null.clamped[r] += np.int64(clamped)
                    if charges.shape.types > 0 and not stays:
                        move_charge(charges, carrier, r)
                if stays:
                    target = place
                else:
                    target, species = real(lattice, target), occupant_of(lattice, place)
                    put(lattice, place, U0)
                    put(lattice, target, species)
                record[carrier << U1] = target | rows[row | NEXT]
                record[carrier << U1 | U1] += rows[row | STEP]
                counts[r] += 1
                if len(log):
                    log_hop(log, null.clock[LOGGED], number, carrier, row, done + i, *logged)
                    null.clock[LOGGED] += 1
            done += size
            if done % fold_after == 0 and done < n:
                fold_all(null)
        store(rng, null.rng)
        null.ledger[ENERGY] += energy
        end_attempts(null, tally, out, n, goes_on and number == len(attempts) - 1)
