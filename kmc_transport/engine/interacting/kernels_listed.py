# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Rejection-free kernel of interacting carriers: every open hop is listed, only what a hop reaches is renewed.

Selection by composition and rejection (A. Slepoy, A. P. Thompson, S. J. Plimpton, J. Chem. Phys. 128, 205101 (2008)):
hops are listed by classes of their rates, a class is chosen by its weight, a hop evenly within it, and kept with
probability rate / bound of the class; where few rates occur, each has a class of its own (n-fold way: A. B. Bortz,
M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975)) and a hop is refused only if it has become slower since it
was listed. Or by a binary tree of the carriers' rates. A refused hop advances the clock: thinning, exact in law.

As in `kernels_null`, a hop's rate follows from a code, or from energies (`kernels_windows`).

Invariants, between two attempts: an entry is in the list of ``class_of`` once, at the place that ``where`` tells; open
hops have a class (or `NEVER`), closed ones `CLOSED`; the bound of an entry's class is no less than its rate. Axes and
words: `kernels_shared` and `kernels_null`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined, jit_plain
from ..kernels_sampling import sample
from ..kernels_shared import (
    ABSENT,
    ATTEMPTS,
    LOGGED,
    ROW,
    U0,
    U1,
    U2,
    U3,
    U32,
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
from .kernels_null import ENERGY, code_around, occupant_of
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

BY_TARGET = -1
"""In place of an index into `Around.entry`: the site is the hop's target."""

ALWAYS = U(0xFFFFFFFFFFFFFFFF)


class Codes(NamedTuple):
    """Values of the entries, by codes; n codes."""

    value: np.ndarray  # (N << shift,) int32: code
    basis: np.ndarray  # (2 R,) uint64: basis site of the origin and of the target
    group_span: np.ndarray  # (B + 1,) uint64: part of `group` about each basis site
    group: (
        np.ndarray
    )  # (4 n,) int64: offset to a carrier that this site concerns, its base, first, last change
    found: np.ndarray  # uint64: scratch, groups with a carrier
    change_slot: np.ndarray  # uint64
    change_entry: np.ndarray  # int64: where `Around.entry` has the numbers by occupant, or `BY_TARGET`
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
        after = species if end == 0 else U0
        before = species ^ after
        # half of the sites are empty: without a branch on each of them
        m = U0
        for g in range(codes.group_span[basis], codes.group_span[basis + U1]):
            codes.found[m] = g
            m += U(occupant_of(lattice, site - U(codes.group[g << U2])) != U0)
        for k in range(m):
            at = codes.found[k] << U2
            other = U(lists.carrier_at[site - U(codes.group[at])])
            if (
                other == mover
                or other == U(ABSENT)
                or lists.record[other << U1] >> U32 != U(codes.group[at | U1])
            ):
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
                else:
                    change = np.int32(around.entry[U(j) + after] - around.entry[U(j) + before])
                    codes.value[entry] += change if is_listed else np.int32(0)
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
    before, after = lists.class_of[entry], codes.listed[code]
    stays = before < after and before < NEVER and lists.class_weight[before] * RARE < total
    if lists.setup.tree or not stays:
        relist(lists, entry, after, codes.rate[code])


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
    done = attempts = executed = 0
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
        log_floor = math.log(max(cheap_bound(lists, total), SMALLEST))
        for i in range(first, width + n):
            entry, own = carrier << shift | i if i < width else lists.touched[i - width], i < width
            if len(energies) == 0:
                renew_code(lists, lattice, around, values, entry, own, total)
            else:
                renew_energy(
                    lists, lattice, around, values, energies, charges, potentials, entry, own, log_floor
                )
        total = total_weight(lists)
    store(rng, lists.rng)
    lists.clock[LOGGED] = executed
    return n_samples - done
