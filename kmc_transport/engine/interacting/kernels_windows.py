# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Listed hops by energies: what a hop changes of others, and bounds of their rates that hold within windows.

The energy differences of all hops of a carrier lie side by side (`kernels_coulomb`): what another one's hop changes of
them is one vector for each place of the other, short-range energies as well as Coulomb energies.

An open hop is listed by a bound of its rate, which holds while its energy difference stays above a limit. The slower a
hop is, the lower the limit: what bounds far too high cost all together is a fixed share of the attempts
(`classes.SHARE`), so that slow hops, which are most, are hardly ever looked at. A hop whose energy difference has risen
is listed anew when it is refused. Thinning: exact in law. Rules whose rate may rise with the energy difference have a
window of ±kT.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined
from ..kernels_shared import LOW32, ROW, U0, U1, U2, U3, U32, U, draw, uniform
from .kernels_coulomb import LANES, add_row, follow_hop, move_charge, move_row
from .kernels_lists import CLOSED, NEVER, is_open, relist, row_and_place
from .kernels_null import (
    EXCEEDED,
    MAY,
    OCCUPANT,
    TARGET,
    barrier_of,
    energies_around,
    occupant_of,
    rate_of,
    several_around,
    total_shift,
)
from .kernels_potentials import UNWATCHED, ends, follow_potentials, unwatch, watch

SHIFTS, CLOSES, OPENS, TURNS = range(4)
"""What a hop does to one of another carrier: only its energy difference changes; its target is taken; its target is
left; its barrier changes too, or a condition on several sites."""

PEAK = 1.07
"""Factor of a bound over the rates at both ends and the middle of a margin of ±kT, for rules whose rate has a maximum
in between (Marcus at the edge of the inverted region): exp(kT/16 lambda) at most, for lambda above kT."""

TOO_LOOSE = 8.0
"""Factor of a bound over the rate of a refused hop that is listed anew."""
TINY = 1e-9
"""Room for the rounding of logarithms of rates."""
LN2, NO_RATE, SMALLEST = math.log(2.0), -740.0, 1e-300
"""Below exp(`NO_RATE`) a rate is too small for a number."""
NO_LIMIT = np.int64(2**62)


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
    near: np.ndarray  # (n,) int64: offset from a carrier << 6 | its occupant << 1 | near the target?
    change_span: np.ndarray  # (n + 1,) uint64: part of `change` of each
    found: np.ndarray  # (2 most,) uint64: scratch, those with that carrier and where it is
    near_line: np.ndarray  # (n << shift,) int64: what the energy differences of its slots gain
    change: np.ndarray  # (4 m,) int64: slot, what else happens, what barrier shift and table code gain
    own_span: np.ndarray  # (T + 1,) uint64: part of `own` of each type
    own: np.ndarray  # int64: offset to each site in reach
    own_line: (
        np.ndarray
    )  # (O n << shift,) int64: what its occupants (0: none) add to energy differences of the slots
    own_constant: np.ndarray  # (T << shift,) int64
    occupants: np.uint64  # O: none, species, and what blocks a site
    turning: bool  # whether barriers depend on the surroundings
    left: np.ndarray  # uint64: scratch, see `kernels_coulomb.follow_hop`


@inlined
def touch_energies(lists, lattice, charges, potentials, values, place, target, r, mover):
    """As `touch`, by energies, which closed hops keep too. Touched are hops that open, whose barrier changes, or whose
    energy difference leaves its window."""
    shift, n = lists.setup.entry_shift, U0
    width = U1 << shift
    alone = charges.shape.types == 0  # else Coulomb energies come to it before the window is looked at
    m = U0
    for g in range(
        values.near_span[r], values.near_span[r + U1]
    ):  # half of the sites are empty: without a branch
        word = values.near[g]
        there = (target if word & 1 else place) - U(word >> 6)
        values.found[m], values.found[m | U1] = g, there
        m += U(occupant_of(lattice, there) == U(word >> 1) & OCCUPANT) << U1
    for k in range(U0, m, U2):
        g, other = values.found[k], U(lists.carrier_at[values.found[k | U1]])
        if other == mover:
            continue
        first = other << shift
        for i in range(values.change_span[g], values.change_span[g + U1]):
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
                    if len(potentials) > 0:
                        unwatch(potentials, entry)
            elif is_listed == (what == TURNS):
                lists.touched[n] = entry
                n += U1
        for part in range(U0, width, LANES):
            start = first | part
            beyond = move_row(charges.kept, start, values.near_line, g << shift | part, charges.low)
            if alone and (beyond or lists.scheme.margin > 0):
                n = touch_block(lists, charges, values, start, n)
        if len(potentials) > 0:  # their limits are those of potentials alone
            for entry in range(first, first + width):
                at = potentials.spot[entry]
                if at != UNWATCHED:
                    potentials.floor[at] = charges.low[entry] - charges.kept[entry]
    return n


@inlined
def touch_block(lists, charges, values, start, n):
    """Touch the open ones of `LANES` entries that are beyond their windows."""
    for entry in range(start, start + LANES):
        beyond = charges.kept[entry] < charges.low[entry]
        if lists.scheme.margin > 0:
            beyond |= charges.low[entry] != -NO_LIMIT and charges.kept[entry] > values.high[entry]
        if beyond and lists.class_of[entry] != CLOSED:
            lists.touched[n] = entry
            n += U1
    return n


@inlined
def sum_own(lists, lattice, charges, values, carrier):
    """Energy differences of all hops of one carrier by other carriers in reach, and constants."""
    shift, record = lists.setup.entry_shift, lists.record[carrier << U1]
    place, carrier_type = record & LOW32, (record >> U32) // lists.setup.width
    first, width, total = carrier << shift, U1 << shift, charges.sum
    for i in range(width):
        total[i], total[width | i] = values.own_constant[carrier_type << shift | i], 0
    for part in range(U0, width, LANES):
        for g in range(values.own_span[carrier_type], values.own_span[carrier_type + U1]):
            occupant = occupant_of(lattice, place + U(values.own[g]))
            line = (g * values.occupants + occupant) << shift | part
            add_row(
                total, (g & U1) << shift | part, values.own_line, line
            )  # two sums in turn, see `sum_anew`
    for i in range(width):
        charges.kept[first | i] = total[i] + total[width | i]


@inlined
def entry_shift_total(lists, energies, values, entry, row, place):
    slot = entry & ((U1 << lists.setup.entry_shift) - U1)
    return total_shift(energies, row >> ROW, place, slot, values.shift[entry], np.int64(values.code[entry]))


@inlined
def difference(charges, potentials, entry, carrier, r):
    """Energy difference of hop ``r``, which is an entry of its carrier."""
    found = charges.kept[entry]
    if len(potentials) > 0:
        target, origin = ends(charges, potentials, carrier, r)
        found += potentials.phi[target] - potentials.phi[origin]
    return found


@inlined
def keep_energy(lists, energies, charges, potentials, values, entry, listed, row, place, rng):
    """Whether a chosen hop is executed, its energy difference, whether it is clamped, what the log takes, and its
    rate."""
    r = row >> ROW
    dE = difference(charges, potentials, entry, entry >> lists.setup.entry_shift, r)
    shift = entry_shift_total(lists, energies, values, entry, row, place)
    rate, clamped = rate_of(energies, r, dE, shift)
    bound = lists.bound_of[entry] if lists.setup.tree else lists.class_bound[listed]
    if rate > bound:
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
def look_around(lists, charges, potentials, values, carrier, r, n):
    """Touch the open hops that leave their window, as ``carrier`` (whose cell is still the old one) makes hop ``r``."""
    if len(potentials) > 0:
        return follow_potentials(lists, charges, potentials, carrier, r, n)
    both = lists.scheme.margin > 0
    blocks = follow_hop(charges, carrier, r, values.high, both, values.left)
    move_charge(charges, carrier, r)
    for i in range(blocks):
        start = U(values.left[i])
        if start >> lists.setup.entry_shift != carrier:
            n = touch_block(lists, charges, values, start, n)
    return n


@inlined
def bound_below(lists, energies, r, dE, shift, log_floor):
    """Class of the rate of hop ``r`` (`NEVER` for none), its bound, and how far the energy difference may fall until
    it does not hold.

    With a rule that obeys detailed balance and is monotonic, either way, the barrier changes by no more than the energy
    difference; often by half of it.
    """
    height = abs(barrier_of(energies, r, dE, shift))
    log_rate = energies.log_prefactor[r] - height / energies.kt
    wanted = max(log_rate + lists.log_loose, log_floor)
    listed, most = NEVER, NO_RATE
    if wanted > NO_RATE:
        octave = lists.scheme.top_exponent - np.int64(math.floor(wanted / LN2)) - 1
        listed = np.uint16(min(max(octave, 0), len(lists.length) - 1))
        most = wanted
        if not lists.setup.tree:
            most = LN2 * np.float64(lists.scheme.top_exponent - np.int64(listed))
    width = np.int64(max(0.0, most - log_rate - TINY) * energies.kt / energies.quantum)
    if lists.log_loose > 0.0:
        further = abs(barrier_of(energies, r, dE - 2 * width, shift))
        if energies.log_prefactor[r] - further / energies.kt < most - TINY:
            width *= 2
    bound = math.exp(most + TINY) if lists.setup.tree and most > NO_RATE else 0.0
    return listed, bound, width


@inlined
def bound_within(lists, energies, r, dE, shift):
    """Class of the rate of hop ``r``, and its bound within the margin on either side."""
    margin, bound = lists.scheme.margin, 0.0
    for end in range(-1, 2):
        rate, _ = rate_of(energies, r, dE + end * margin, shift)
        bound = max(bound, rate)
    bound *= PEAK
    if bound == 0.0:
        return NEVER, bound
    _, exponent = math.frexp(bound)
    octave = lists.scheme.top_exponent - np.int64(exponent)
    return np.uint16(min(max(octave, 0), len(lists.length) - 1)), bound


@inlined
def renew_energy(lists, lattice, around, values, energies, charges, potentials, entry, own, log_floor):
    """As `renew_code`, by a bound of the rate and its window. ``log_floor``: logarithm of a bound that costs little."""
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
    listed, bound = CLOSED, 0.0
    charges.low[entry] = -NO_LIMIT
    if is_open(lists, lattice, row, place):
        carrier, margin = entry >> lists.setup.entry_shift, lists.scheme.margin
        dE = difference(charges, potentials, entry, carrier, r)
        total = entry_shift_total(lists, energies, values, entry, row, place)
        if margin > 0:
            listed, bound = bound_within(lists, energies, r, dE, total)
            charges.low[entry], values.high[entry] = dE - margin, dE + margin
        else:
            listed, bound, width = bound_below(lists, energies, r, dE, total, log_floor)
            charges.low[entry] = dE - width
        if len(potentials) > 0:
            watch(charges, potentials, entry, carrier, r, charges.low[entry])
    elif len(potentials) > 0:
        unwatch(potentials, entry)
    relist(lists, entry, listed, bound)
