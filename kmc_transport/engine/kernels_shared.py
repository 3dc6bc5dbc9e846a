# mypy: ignore-errors
# (whole numbers of unlike widths are told apart by numba, which mypy cannot follow)
"""What the compiled kernels share: random choices, sum trees, packed displacements, the record of a hop.

Legend of all kernels. Axes: N carriers, S species, T types (species on basis site), B basis sites, R rows, C classes
of rates, L levels of averaging, W slots of a type. A *row* (a hop of a type, see `tables`) is handled as ``row``, the
index of its first number in the flat array of rows; its number is ``row >> ROW``. A type's first row is its *base*,
and row = base + *slot*. An *entry*, ``carrier << shift | slot``, is a hop of one carrier.

Whole numbers that take part in a random choice are uint64: products wrap as they should, and numba adds no test for
negative indices. Of 64 random bits r, ``(r n) >> 64`` is uniform on 0..n-1 (each outcome within n / 2**64 of its
probability), and the low half of the product is a fresh fraction: one number chooses carrier, slot and alias.
"""

from __future__ import annotations

import math

import numpy as np

from ..jit import inlined, part, wide_multiply

U = np.uint64
U0, U1, U2, U3, U4, U5, U6, U8 = U(0), U(1), U(2), U(3), U(4), U(5), U(6), U(8)
U11, U15, U17, U19, U21, U23, U32 = U(11), U(15), U(17), U(19), U(21), U(23), U(32)
U41, U42, U45, U63 = U(41), U(42), U(45), U(63)
LOW32 = U(0xFFFFFFFF)
LOW21 = U((1 << 21) - 1)
ONE = 2.0**-53

ABSENT = np.uint32(0xFFFFFFFF)
"""No carrier, or no place in a list."""

ROW = U3
"""Rows are 2**ROW numbers (one cache line) apart."""

THRESHOLD, ALIAS = U0, U1
"""First columns of every row. A. J. Walker's alias table (ACM Trans. Math. Softw. 3, 253 (1977)) in whole numbers: a
fraction below the threshold keeps the slot, another takes the alias. No rounding: `tables.alias_table`."""

SAMPLE, WINDOW, ATTEMPTS, FOLDED, LOGGED = range(5)
"""Entries of ``clock``: samples in the window, windows and attempts in the row, whether a displacement has been folded
since the last sample, hops in the log."""

# A displacement since the last fold: three counters of cells in one word, each kept away from 0 by an offset.
OFFSET = 1 << 20
STEP_ZERO = U(OFFSET | OFFSET << 21 | OFFSET << 42)
STEP_QUARTER, STEP_GUARD = STEP_ZERO >> U1, STEP_ZERO
# A counter in the middle half of its range is safe: a quarter of the range less leaves its top bit clear.


@part
def draw(rng):
    """64 random bits and the next state: xoshiro256++ (D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47, 36, 2021)."""
    s0, s1, s2, s3 = rng
    x = s0 + s3
    r = ((x << U23) | (x >> U41)) + s0
    t = s1 << U17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << U45) | (s3 >> U19)
    return r, (s0, s1, s2, s3)


@inlined
def load(words):
    """State of the generator, for a kernel to keep in registers."""
    return words[0], words[1], words[2], words[3]


@inlined
def store(rng, words):
    words[0], words[1], words[2], words[3] = rng


@part
def uniform(r):
    """Number in [0, 1)."""
    return np.float64(r >> U11) * ONE


@inlined
def sample_is_over(remaining, total, rng):
    """Whether the sample ends before the next event. Else the waiting time (exponential law, mean 1 / ``total`` sample
    intervals) is taken off its ``remaining`` part. It is drawn anew after each sample, as that law has no memory."""
    r, rng = draw(rng)
    wait = -math.log(np.float64((r >> U11) + U1) * ONE) / total
    over = not wait < remaining[0]  # also if nothing can hop
    remaining[0] = 1.0 if over else remaining[0] - wait
    return over, rng


@inlined
def attempt(rng, hops, plain):
    """Carrier, slot and a fraction for the alias: one attempt of null-event kinetic Monte Carlo.

    Species by their shares of all attempts (number times bound), carrier and slot evenly. ``plain`` as in
    `plain.kernels.run_null_event`.
    """
    setup = hops.setup
    first, number = U0, U(len(hops.record) >> 1)
    if plain is None and len(hops.number) > 1:
        r, rng = draw(rng)
        s = U0
        while s < U(len(hops.cut) - 1) and r >= hops.cut[s]:
            s += U1
        first, number = hops.first[s], hops.number[s]
    r, rng = draw(rng)
    carrier, fraction = wide_multiply(r, number)
    if plain is None:
        carrier += first
        if setup.two_draws:
            fraction, rng = draw(rng)
    slot, fraction = wide_multiply(fraction, setup.width)
    return carrier, slot, fraction, rng


@inlined
def after_alias(rows, row, fraction):
    """Row of an attempt: the slot's own, or its alias."""
    return rows[row | ALIAS] if fraction >= rows[row | THRESHOLD] else row


@inlined
def set_leaf(tree, leaf, value):
    """New value of a leaf of a sum tree (2 P numbers, node n above 2 n and 2 n + 1, leaves from P on).

    The sums above are made anew, so that no rounding accumulates.
    """
    node = U(len(tree) >> 1) + leaf
    tree[node] = value
    while node > U1:
        node >>= U1
        tree[node] = tree[node << U1] + tree[(node << U1) | U1]


@inlined
def find_leaf(tree, x):
    """Leaf that holds ``x`` of the total ``tree[1]``, and what is left of ``x`` there."""
    node, leaves = U1, U(len(tree) >> 1)
    while node < leaves:
        node <<= U1
        # rounding must not lead into an empty branch
        if tree[node | U1] > 0.0 and x >= tree[node]:
            x -= tree[node]
            node |= U1
    return node - leaves, x


@part
def far(v):
    """Whether a packed counter of displacement is half-way to its overflow."""
    return ((v - STEP_QUARTER) & STEP_GUARD) != U0


@inlined
def fold(hops, carrier):
    """Move a carrier's displacement out of its packed counter before that can overflow."""
    record, held = hops.record, hops.held
    v = record[(carrier << U1) | U1]
    held[0, carrier] += np.int32(v & LOW21) - OFFSET
    held[1, carrier] += np.int32((v >> U21) & LOW21) - OFFSET
    held[2, carrier] += np.int32(v >> U42) - OFFSET
    record[(carrier << U1) | U1] = STEP_ZERO
    hops.clock[FOLDED] = 1


@inlined
def fold_all(hops):
    for carrier in range(U(hops.held.shape[1])):
        fold(hops, carrier)


@inlined
def log_hop(log, entry, sample, carrier, row, when, energy, shift):
    """A line of the log, see `tallies.LOG_COLUMNS`."""
    log[entry, 0] = sample
    log[entry, 1] = carrier
    log[entry, 2] = row >> ROW
    log[entry, 3] = when
    log[entry, 4] = energy
    log[entry, 5] = shift
