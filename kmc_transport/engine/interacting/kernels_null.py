# mypy: ignore-errors
# (as in `kernels`: whole numbers of unlike widths)
"""Null-event kernels of interacting carriers, on a lattice with a border of copies (`halo.Halo`).

An attempt chooses carrier and slot by bounds of the rates, as in `kernels.hops_table`; where the target is free, the
rate is found from the surroundings and the hop executed with probability rate / bound. Two kernels: surroundings that
give one of few whole numbers (codes), with all rates in a table; and energies, with the barrier rule evaluated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..jit import call_rule, inlined, jit_plain, prefetch, wide_multiply
from ..plain.kernels import (
    ALIAS,
    ATTEMPTS,
    BATCH,
    LOGGED,
    LOW32,
    ROW,
    THRESHOLD,
    U0,
    U1,
    U2,
    U3,
    U11,
    U32,
    U,
    choose_species,
    draw,
    fold,
    sample,
)
from .kernels_coulomb import TYPES, change_anew, move_charge

# Columns of a row of `Null.rows` beside THRESHOLD and ALIAS (see `kernels`).
TARGET, MAY, STEP, FIRST, NEXT, CODE = (U(i) for i in range(2, 8))
# FIRST: first entry of the surroundings, and above 32 bits the number of entries. CODE: index of the row's code 0.

U4, U5, U15 = U(4), U(5), U(15)
OCCUPANT, HAS_GHOSTS, GHOST, FLAGS = U(31), U(64), U(128), U(192)
ONE = 2.0**-53

# Entries of `setup`.
WIDTH, TWO_DRAWS, STRIDE, CALL_AHEAD, ANY_SEVERAL, ANY_CLAMPED = range(6)

# Entries of `ledger`: energy since the start in quanta; whether a bound was exceeded.
ENERGY, EXCEEDED = range(2)


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
    """Arrays of both null-event kernels, named as in `kernels.Hops` where they are the same."""

    setup: np.ndarray  # (11,) uint64
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
    """What rates are made of. T types, W' = slots rounded up to a power of two."""

    constant: np.ndarray  # (3 R,) int64: difference, shift, table code
    table_start: np.ndarray  # (R,) uint64
    table: np.ndarray  # int64: barrier shift by code of the environment table
    work: np.ndarray  # (R,) eV
    saddle_work: np.ndarray  # (R,)
    log_prefactor: np.ndarray  # (R,)
    rule: np.ndarray  # (R,) uint64: address
    parameter_start: np.ndarray  # (R,) uint64
    parameters: np.ndarray  # float64
    scale: np.ndarray  # (2,): eV of a quantum, 1/kT
    site: np.ndarray  # (S + 1, n_places) int64 or (1, 1): disorder of site energies by occupant
    barrier: np.ndarray  # (S n_places, W') int64 or (1, 1): disorder of barriers by species, place and slot
    barrier_start: np.ndarray  # (R,) uint64: first row of the species in that
    bound: np.ndarray  # (R,) 1/s


@inlined
def link_of(p, place):
    """Link of a place of the border, see `halo.Halo.copies`."""
    return U(p.link[U(p.page[place >> U4]) << U4 | (place & U15)])


@inlined
def put(p, place, occupant):
    """Let ``occupant`` sit at a real place and its copies."""
    flags = U(p.occupant[place]) & FLAGS
    p.occupant[place] = np.uint8(flags | occupant)
    if flags != U0:
        start = link_of(p, place)
        for i in range(start + U1, start + U1 + U(p.copies[start])):
            p.occupant[p.copies[i]] = np.uint8(GHOST | occupant)


@inlined
def real(p, place):
    """The place itself, or the one that it copies."""
    return link_of(p, place) if U(p.occupant[place]) & GHOST != U0 else place


@inlined
def terms_hold(p, a, place, first):
    """Whether the condition at ``first`` of `Around.term` holds around ``place``."""
    for m in range(U(a.term[first]), U(a.term[first + U1])):
        if U(p.occupant[place + U(a.member[U(m) << U1])]) & OCCUPANT != U(a.member[U(m) << U1 | U1]):
            return False
    return True


@inlined
def code_around(p, a, setup, rows, row, place):
    """Code of a row's surroundings: an index into the tables."""
    occupant, entry, stride = p.occupant, a.entry, setup[STRIDE]
    word = rows[row | FIRST]
    e = word & LOW32
    end = e + (word >> U32) * stride
    code = rows[row | CODE]
    while e != end:  # in this form the compiler leaves it alone: vectors are slower for so few sites
        code += U(entry[e + U1 + (U(occupant[place + U(entry[e])]) & OCCUPANT)])
        e += stride
    if setup[ANY_SEVERAL] != U0:
        r = row >> ROW
        for i in range(a.term_span[r << U1], a.term_span[r << U1 | U1]):
            if terms_hold(p, a, place, U3 * U(i)):
                code += U(a.term[U3 * U(i) + U2])
    return code


@jit_plain
def run_null_codes(attempts, goes_on, fold_after, h, p, a, accept, t, rows_out, log, logging):
    """One sample for each entry of ``attempts``; of the last one a part if it ``goes_on`` in the next call (whole
    batches, for the same random numbers). ``accept``: for each code a threshold (its lowest bit says whether
    the rate is clamped) and the energy difference."""
    rows, record, occupant, counts = h.rows, h.record, p.occupant, h.counts
    width, two_draws, call_ahead = h.setup[WIDTH], h.setup[TWO_DRAWS] != U0, h.setup[CALL_AHEAD] != U0
    any_clamped = h.setup[ANY_CLAMPED] != U0
    carriers, slots, fractions = h.batch[0], h.batch[1], h.batch[2]
    several = len(h.number) > 1
    for sample_number in range(len(attempts)):
        n = attempts[sample_number]
        done = 0
        energy = 0
        s0, s1, s2, s3 = h.rng[0], h.rng[1], h.rng[2], h.rng[3]
        first, number = h.first[0], h.number[0]
        while done < n:
            size = min(n - done, BATCH)
            # carriers, slots and the fractions that accept are chosen ahead, so that memory can be called for
            for i in range(size):
                if several:
                    r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                    s = choose_species(r, h.cut)
                    first, number = h.first[s], h.number[s]
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                carrier, fraction = wide_multiply(r, number)
                carrier += first
                if two_draws:
                    fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                slot, fraction = wide_multiply(fraction, width)
                if call_ahead:
                    prefetch(record, carrier << U1)
                carriers[i], slots[i], fractions[i] = carrier, slot, fraction
            if call_ahead:
                for i in range(size):
                    here = record[carriers[i] << U1]
                    row = ((here >> U32) + slots[i]) << U1
                    place = here & LOW32
                    for j in range(h.ahead_span[row], h.ahead_span[row | U1]):
                        prefetch(occupant, place + U(h.ahead[j]))
            for i in range(size):
                carrier = carriers[i]
                here = record[carrier << U1]
                place = here & LOW32
                row = ((here >> U32) + slots[i]) << ROW
                row = rows[row | ALIAS] if fractions[i] >= rows[row | THRESHOLD] else row
                may = rows[row | MAY]
                if may == U0:
                    continue
                target = place + rows[row | TARGET]
                if U(occupant[target]) & OCCUPANT != U0 and may & U2 == U0:
                    continue
                code = code_around(p, a, h.setup, rows, row, place) << U1
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                if r >= accept[code]:
                    continue
                energy += np.int64(accept[code | U1])
                if any_clamped:
                    h.clamped[row >> ROW] += np.int64(accept[code] & U1)
                if may & U2 == U0:
                    target = real(p, target)
                    species = U(occupant[place]) & OCCUPANT
                    put(p, place, U0)
                    put(p, target, species)
                else:
                    target = place
                record[carrier << U1] = target | rows[row | NEXT]
                record[carrier << U1 | U1] += rows[row | STEP]
                counts[row >> ROW] += 1
                if logging:
                    entry = h.clock[LOGGED]
                    log[entry, 0] = sample_number
                    log[entry, 1] = carrier
                    log[entry, 2] = row >> ROW
                    log[entry, 3] = done + i
                    log[entry, 4] = code >> U1
                    h.clock[LOGGED] = entry + 1
            done += size
            if done % fold_after == 0 and done < n:
                for carrier in range(U(h.held.shape[1])):
                    fold(h, carrier)
        h.rng[0], h.rng[1], h.rng[2], h.rng[3] = s0, s1, s2, s3
        h.ledger[ENERGY] += energy
        h.clock[ATTEMPTS] += n
        if goes_on and sample_number == len(attempts) - 1:
            for carrier in range(U(h.held.shape[1])):
                fold(h, carrier)
        else:
            sample(t, rows_out)


@inlined
def several_around(p, a, r, place):
    """What the conditions on several sites add to the energy difference, the barrier shift and the table's code."""
    dE = shift = code = 0
    for i in range(a.term_span[r << U1], a.term_span[r << U1 | U1]):
        first = U5 * U(i)
        if terms_hold(p, a, place, first):
            dE += a.term[first + U2]
            shift += a.term[first + U3]
            code += a.term[first + U4]
    return dE, shift, code


@inlined
def energies_around(p, a, e, setup, rows, row, place):
    """Energy difference and barrier shift of a row from the short-range surroundings and disorder, and the table's
    code; Coulomb energies apart."""
    r = row >> ROW
    dE, shift, code = e.constant[U3 * r], e.constant[U3 * r + U1], e.constant[U3 * r + U2]
    occupant, entry, stride = p.occupant, a.entry, setup[STRIDE]
    word = rows[row | FIRST]
    at = word & LOW32
    end = at + (word >> U32) * stride
    while at != end:
        j = at + U1 + U3 * (U(occupant[place + U(entry[at])]) & OCCUPANT)
        dE += entry[j]
        shift += entry[j + U1]
        code += entry[j + U2]
        at += stride
    if setup[ANY_SEVERAL] != U0:
        more = several_around(p, a, r, place)
        dE, shift, code = dE + more[0], shift + more[1], code + more[2]
    if len(e.site) > 1:
        species = U(occupant[place]) & OCCUPANT
        dE += e.site[species, place + rows[row | TARGET]] - e.site[species, place]
    return dE, shift, code


@inlined
def total_shift(e, r, place, slot, shift, code):
    """Barrier shift with the environment table and disorder."""
    shift += e.table[e.table_start[r] + U(code)]
    if len(e.barrier) > 1:
        shift += e.barrier[e.barrier_start[r] + place, slot]
    return shift


@inlined
def rate_of(e, r, dE, shift):
    """Rate and whether it is clamped."""
    quantum = e.scale[0]
    activation = call_rule(
        e.rule[r],
        np.float64(dE) * quantum,
        e.work[r],
        e.saddle_work[r] - np.float64(shift) * quantum,
        e.parameters,
        e.parameter_start[r],
    )
    clamped = math.copysign(1.0, activation) < 0.0
    return math.exp(e.log_prefactor[r] - abs(activation) / e.scale[1]), clamped


@jit_plain
def run_null_energies(attempts, goes_on, fold_after, h, p, a, e, c, t, rows_out, log, logging):
    """One sample for each entry of ``attempts``; energies are counted anew for each attempt."""
    rows, record, occupant, counts = h.rows, h.record, p.occupant, h.counts
    width, two_draws = h.setup[WIDTH], h.setup[TWO_DRAWS] != U0
    several, charged = len(h.number) > 1, c.charge_setup[TYPES] > 0
    for sample_number in range(len(attempts)):
        n = attempts[sample_number]
        s0, s1, s2, s3 = h.rng[0], h.rng[1], h.rng[2], h.rng[3]
        first, number = h.first[0], h.number[0]
        for done in range(n):
            if done % fold_after == 0 and done > 0:
                for carrier in range(U(h.held.shape[1])):
                    fold(h, carrier)
            if several:
                r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
                s = choose_species(r, h.cut)
                first, number = h.first[s], h.number[s]
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            carrier, fraction = wide_multiply(r, number)
            carrier += first
            if two_draws:
                fraction, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            slot, fraction = wide_multiply(fraction, width)
            here = record[carrier << U1]
            place, base = here & LOW32, here >> U32
            row = (base + slot) << ROW
            row = rows[row | ALIAS] if fraction >= rows[row | THRESHOLD] else row
            may = rows[row | MAY]
            if may == U0:
                continue
            target = place + rows[row | TARGET]
            if U(occupant[target]) & OCCUPANT != U0 and may & U2 == U0:
                continue
            number_of_row = row >> ROW
            slot = number_of_row - base
            dE, shift, code = energies_around(p, a, e, h.setup, rows, row, place)
            shift = total_shift(e, number_of_row, place, slot, shift, code)
            if charged and may & U2 == U0:
                dE += change_anew(c, carrier, number_of_row, slot)
            rate, clamped = rate_of(e, number_of_row, dE, shift)
            if rate > e.bound[number_of_row]:
                h.ledger[EXCEEDED] = 1
            r, s0, s1, s2, s3 = draw(s0, s1, s2, s3)
            if np.float64(r >> U11) * ONE * e.bound[number_of_row] >= rate:
                continue
            h.ledger[ENERGY] += dE
            if clamped:
                h.clamped[number_of_row] += 1
            if may & U2 == U0:
                target = real(p, target)
                species = U(occupant[place]) & OCCUPANT
                put(p, place, U0)
                put(p, target, species)
                if charged:
                    move_charge(c, carrier, number_of_row)
            else:
                target = place
            record[carrier << U1] = target | rows[row | NEXT]
            record[carrier << U1 | U1] += rows[row | STEP]
            counts[number_of_row] += 1
            if logging:
                entry = h.clock[LOGGED]
                log[entry, 0] = sample_number
                log[entry, 1] = carrier
                log[entry, 2] = number_of_row
                log[entry, 3] = done
                log[entry, 4] = dE
                log[entry, 5] = shift
                h.clock[LOGGED] = entry + 1
        h.rng[0], h.rng[1], h.rng[2], h.rng[3] = s0, s1, s2, s3
        h.clock[ATTEMPTS] += n
        if goes_on and sample_number == len(attempts) - 1:
            for carrier in range(U(h.held.shape[1])):
                fold(h, carrier)
        else:
            sample(t, rows_out)
