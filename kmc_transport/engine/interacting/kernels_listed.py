# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Rejection-free kernel of interacting carriers: every open hop is listed, only what a hop reaches is renewed.

Selection by composition and rejection (A. Slepoy, A. P. Thompson, S. J. Plimpton, J. Chem. Phys. 128, 205101 (2008)):
hops are listed by classes of their rates, a class is chosen by its weight, a hop evenly within it, and kept with
probability rate / bound of the class; where few rates occur, each has a class of its own (n-fold way: A. B. Bortz,
M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975)) and a hop is refused only if it has become slower since it
was listed. Or by a binary tree of the carriers' rates. A refused hop advances the clock: thinning, exact in law.

As in `kernels_null`, a hop's rate follows from a code, or from energies (`kernels_windows`).

Invariants, between two attempts: an entry is in the list of ``class_of`` once, at the position that ``where`` tells;
open hops have a class (or `NEVER`), closed ones `CLOSED`; the bound of an entry's class is no less than its rate. Axes
and words: `kernels_shared` and `kernels_null`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined, jit_plain
from ..kernels_sampling import sample
from ..kernels_shared import (
    ATTEMPTS,
    LOGGED,
    ROW,
    U0,
    U1,
    U2,
    U,
    draw,
    load,
    log_hop,
    sample_is_over,
    store,
    uniform,
)
from .kernels_coulomb import sum_anew
from .kernels_lists import (
    CLOSED,
    NEVER,
    UNLISTED,
    choose_entry,
    execute,
    is_open,
    relist,
    row_and_place,
    total_weight,
)
from .kernels_null import ENERGY, OCCUPANT, code_around, occupant_of
from .kernels_windows import (
    SMALLEST,
    cheap_bound,
    is_loose,
    keep_energy,
    look_around,
    renew_energy,
    sum_own,
    touch_energies,
)

RARE = 5000.0
"""A hop that has become slower keeps its class where one hop of that class expects less than one in so many of all
attempts."""

BY_TARGET = 1 << 32
"""Added to the slot of a change where the site is the hop's target."""

ALWAYS = U(0xFFFFFFFFFFFFFFFF)


class Codes(NamedTuple):
    """Values of the entries, by codes; n codes."""

    value: np.ndarray  # (N << shift,) int32: code
    basis: np.ndarray  # (2 R,) uint64: basis site of the origin and of the target
    group_span: np.ndarray  # (B + 1,) uint64: part of `group` about each basis site
    group: np.ndarray  # (n,) int64: offset to a carrier that this site concerns << 5 | its occupant
    found: np.ndarray  # (2 most,) uint64: scratch, those with that carrier and where it is
    change_span: np.ndarray  # (n + 1,) uint64: part of `change` of each
    change: np.ndarray  # (m,) int64: slot, or `BY_TARGET` more where the site is the hop's target
    gain: np.ndarray  # (O m,) int32: what the code gains as each occupant (0: none) comes to an empty site
    occupants: np.uint64  # O
    table: np.ndarray  # (4 n,) uint64: chance to be kept (lowest bit: clamped), energy difference, class
    listed: np.ndarray  # (n,) uint16: the class once more, as a renewed hop needs nothing else
    rate: np.ndarray  # (n,) 1/s


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
        m = U0
        for g in range(codes.group_span[basis], codes.group_span[basis + U1]):
            word = codes.group[g]
            there = site - U(word >> 5)
            codes.found[m], codes.found[m | U1] = g, there  # half of the sites are empty: no branch on each
            m += U(occupant_of(lattice, there) == U(word) & OCCUPANT) << U1
        for k in range(U0, m, U2):
            g, other = codes.found[k], U(lists.carrier_at[codes.found[k | U1]])
            if other == mover:
                continue
            for i in range(codes.change_span[g], codes.change_span[g + U1]):
                what = codes.change[i]
                entry = other << shift | U(what & (BY_TARGET - 1))
                is_listed = lists.class_of[entry] != CLOSED
                if what >= BY_TARGET:
                    if is_listed:
                        relist(lists, entry, CLOSED, 0.0)
                    elif end == 1:
                        lists.touched[n] = entry
                        n += U1
                else:
                    gain = codes.gain[i * codes.occupants + species]
                    gain = gain if end == 0 else -gain
                    codes.value[entry] += gain if is_listed else np.int32(0)
                    lists.touched[n] = entry
                    n += U(is_listed)
    return n


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
def find_code(lists, lattice, around, codes, entry, row, place):
    codes.value[entry] = np.int32(code_around(lists, lattice, around, row, place))


@inlined
def rare_class(lists, total, c):
    """First class of which one hop expects less than one in `RARE` of all attempts; it was ``c`` a hop ago."""
    while c > 0 and lists.class_weight[c - 1] * RARE < total:
        c -= 1
    while c < len(lists.class_weight) and lists.class_weight[c] * RARE >= total:
        c += 1
    return c


@inlined
def moves(lists, codes, entry, rare):
    """Whether an entry is listed anew. One that has become slower stays where it is until it is chosen in vain, if
    that will be rare: many come back before."""
    before, after = U(lists.class_of[entry]), U(codes.listed[codes.value[entry]])
    stays = (before < after) & (before < U(NEVER)) & (before >= U(rare))
    return (before != after) & (not stays) | lists.setup.tree


@inlined
def renew_codes(lists, lattice, around, codes, carrier, n, rare):
    """List the entries of the carrier that has moved, and the ``n`` touched, anew by their codes."""
    for slot in range(lists.setup.width):
        entry = carrier << lists.setup.entry_shift | slot
        row, place = row_and_place(lists, entry)
        if is_open(lists, lattice, row, place):
            find_code(lists, lattice, around, codes, entry, row, place)
            if moves(lists, codes, entry, rare):
                relist_by_code(lists, codes, entry)
        elif lists.class_of[entry] != CLOSED:
            relist(lists, entry, CLOSED, 0.0)
    m = U0
    for i in range(n):
        entry = lists.touched[i]
        if (
            lists.class_of[entry] == CLOSED or lists.setup.any_several
        ):  # has opened, or has more than what it gains
            row, place = row_and_place(lists, entry)
            find_code(lists, lattice, around, codes, entry, row, place)
    for i in range(n):  # most stay: without a branch on each
        entry = lists.touched[i]
        lists.touched[m] = entry
        m += U(moves(lists, codes, entry, rare))
    for i in range(m):
        relist_by_code(lists, codes, lists.touched[i])


@inlined
def relist_by_code(lists, codes, entry):
    code = codes.value[entry]
    relist(lists, entry, codes.listed[code], codes.rate[code])


@jit_plain
def run_listed(
    n_samples, most, lists, lattice, around, values, energies, charges, potentials, tally, out, log
):
    """``n_samples`` samples, or until ``most`` attempts. Returns the number of samples left.

    By codes (``values`` are `Codes`, ``energies`` and ``charges`` ()) or by energies (`Values`), with Coulomb energies
    from lines for each carrier or from ``potentials`` (else ()): a kernel of its own is compiled for each. Carriers
    that are not listed yet are listed first, in the same loop, so that the code for it is compiled once.
    """
    rng = load(lists.rng)
    width, shift = lists.setup.width, lists.setup.entry_shift
    done = attempts = executed = rare = 0
    last = U(len(lists.record) >> 1)
    total = total_weight(lists)
    while attempts < most:
        n = first = U0
        if U(lists.used[UNLISTED]) < last:
            attempts += 1
            carrier = U(lists.used[UNLISTED])
            lists.used[UNLISTED] += 1
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
                    lists, energies, charges, potentials, values, entry, listed, row, place, rng
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
                    n = touch_energies(
                        lists, lattice, charges, potentials, values, place, target, hop, carrier
                    )
                    if charges.shape.types > 0:
                        n = look_around(lists, charges, potentials, values, carrier, hop, n)
            elif len(energies) == 0 or not is_loose(lists, entry, listed, rate, total):
                continue
            else:
                first, n, lists.touched[0] = width, U1, entry
        if len(energies) > 0 and first == U0:
            sum_own(lists, lattice, charges, values, carrier)
            if charges.shape.types > 0 and len(potentials) == 0:
                sum_anew(charges, carrier)
        if len(energies) == 0:
            rare = rare_class(lists, total, rare)
            renew_codes(lists, lattice, around, values, carrier, n, rare)
        else:
            log_floor = math.log(max(cheap_bound(lists, total), SMALLEST))
            for i in range(first, width + n):
                entry, own = carrier << shift | i if i < width else lists.touched[i - width], i < width
                renew_energy(
                    lists, lattice, around, values, energies, charges, potentials, entry, own, log_floor
                )
        total = total_weight(lists)
    store(rng, lists.rng)
    lists.clock[LOGGED] = executed
    return n_samples - done
