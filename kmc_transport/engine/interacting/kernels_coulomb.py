# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Parts of the kernels for Coulomb energies, which every hop changes for every carrier.

Kept is the Coulomb energy difference of each hop of each carrier. A table holds what a carrier adds to the energy
differences of another one's hops, side by side in one cache line for each place of the other: a hop costs two lines
(at the place left and the place reached) for each carrier, all its slots at once. Whole quanta: what is kept up to date
equals what is counted anew, to the last bit. Where carriers are many, `kernels_potentials` does the same for less. Axes
and words: `kernels_shared`; W' = slots rounded up to a power of two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ...jit import PLAIN, inlined
from ..kernels_shared import U0, U1, U

__all__ = [
    "ALIGNED",
    "LANES",
    "CoulombArrays",
    "GradientShape",
    "add_row",
    "cell_of",
    "change_anew",
    "follow_hop",
    "move_charge",
    "move_row",
    "stepped",
    "sum_anew",
    "vector_at",
    "wrapped",
]

LANES = U(8)
"""Numbers that the processor takes at a time; slots of a carrier come in multiples of it."""


class GradientShape(NamedTuple):
    """Of the table of energy differences; all 0 without Coulomb energies."""

    cells_a: int  # along each axis
    cells_b: int
    cells_c: int
    types: int  # T
    slot_bits: np.uint64  # log2 W'


class CoulombArrays(NamedTuple):
    """Coulomb energies in quanta; empty arrays without."""

    shape: GradientShape
    # (T T cells W',) int64: what a carrier of type [0] adds to the energy difference of each slot of one of type
    # [1], by the cell of [1] relative to [0]
    gradient: np.ndarray
    cell: np.ndarray  # (3, N) int32: cell of each carrier
    carrier_type: np.ndarray  # (N,) int32: type
    row_type: np.ndarray  # (R, 2) int64: type before and after
    row_cell: np.ndarray  # (R, 3) int64: cell step
    kept: np.ndarray  # (N W',) int64: energy difference of each entry, short-range energies included
    low: np.ndarray  # (N W',) int64: limit of `kept` below which the bound of an open entry does not hold
    line: np.ndarray  # (2, N) int32: scratch
    sum: np.ndarray  # (2 W',) int64: scratch


def _shift_row(kept, at, gradient, lost, gained, low):  # type: ignore[no-untyped-def]
    at, lost, gained, n = int(at), int(lost), int(gained), int(LANES)
    row = kept[at : at + n]
    row += gradient[gained : gained + n] - gradient[lost : lost + n]
    return bool((row < low[at : at + n]).any())


def _move_row(kept, at, change, line, low):  # type: ignore[no-untyped-def]
    at, line, n = int(at), int(line), int(LANES)
    kept[at : at + n] += change[line : line + n]
    return bool((kept[at : at + n] < low[at : at + n]).any())


def _add_row(total, at, gradient, line):  # type: ignore[no-untyped-def]
    at, line, n = int(at), int(line), int(LANES)
    total[at : at + n] += gradient[line : line + n]


VECTOR, ALIGNED = ir.VectorType(ir.IntType(64), int(LANES)), 8
"""What the processor takes at a time, and the bytes that its address is a multiple of at least."""


def vector_at(context, builder, signature, arguments, array, index):  # type: ignore[no-untyped-def]
    """Pointer to `LANES` numbers of one argument that begin at another."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    return builder.bitcast(builder.gep(data, [arguments[index]]), VECTOR.as_pointer())


@intrinsic
def _jitted_shift_row(typing_context, kept, at, gradient, lost, gained, low):  # type: ignore[no-untyped-def]
    """Vector instructions, to which the compiler does not come by itself."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here, lost, gained, low = (
            vector_at(context, builder, signature, arguments, *pair)
            for pair in ((0, 1), (2, 3), (2, 4), (5, 1))
        )
        change = builder.sub(builder.load(gained, align=ALIGNED), builder.load(lost, align=ALIGNED))
        return _moved(builder, here, change, low)

    word = types.uint64
    return types.boolean(kept, word, gradient, word, word, low), generate


def _moved(builder, here, change, low):  # type: ignore[no-untyped-def]
    """Add ``change`` to what is ``here``, and compare it with its limits."""
    now = builder.add(builder.load(here, align=ALIGNED), change)
    builder.store(now, here, align=ALIGNED)
    beyond = builder.icmp_signed("<", now, builder.load(low, align=ALIGNED))
    flags = ir.IntType(int(LANES))
    return builder.icmp_unsigned("!=", builder.bitcast(beyond, flags), flags(0))


@intrinsic
def _jitted_move_row(typing_context, kept, at, change, line, low):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here, row, limit = (
            vector_at(context, builder, signature, arguments, *pair) for pair in ((0, 1), (2, 3), (4, 1))
        )
        return _moved(builder, here, builder.load(row, align=ALIGNED), limit)

    word = types.uint64
    return types.boolean(kept, word, change, word, low), generate


@intrinsic
def _jitted_add_row(typing_context, total, at, gradient, line):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here = vector_at(context, builder, signature, arguments, 0, 1)
        row = vector_at(context, builder, signature, arguments, 2, 3)
        total = builder.add(builder.load(here, align=ALIGNED), builder.load(row, align=ALIGNED))
        builder.store(total, here, align=ALIGNED)
        return context.get_dummy_value()

    return types.void(total, types.uint64, gradient, types.uint64), generate


shift_row: Callable[..., Any] = _shift_row if PLAIN else _jitted_shift_row
"""Add line ``gained`` of the table less line ``lost`` to `LANES` numbers of ``kept`` that begin ``at``; whether one of
them is now below its limit."""

move_row: Callable[..., Any] = _move_row if PLAIN else _jitted_move_row
"""Add a line of ``change`` to `LANES` numbers of ``kept``; whether one of them is now below its limit."""

add_row: Callable[..., Any] = _add_row if PLAIN else _jitted_add_row
"""Add a line of the table to `LANES` numbers."""


@inlined
def wrapped(x, n):
    return x + n if x < 0 else (x - n if x >= n else x)


@inlined
def stepped(charges, r, x, y, z):
    """Cell after hop ``r``, wrapped."""
    shape, step = charges.shape, charges.row_cell
    x, y, z = x + step[r, 0], y + step[r, 1], z + step[r, 2]
    return wrapped(x, shape.cells_a), wrapped(y, shape.cells_b), wrapped(z, shape.cells_c)


@inlined
def cell_of(charges, carrier):
    cell = charges.cell
    return np.int64(cell[0, carrier]), np.int64(cell[1, carrier]), np.int64(cell[2, carrier])


@inlined
def move_charge(charges, carrier, r):
    """Keep the cell and type of a carrier that makes hop ``r``."""
    x, y, z = cell_of(charges, carrier)
    charges.cell[0, carrier], charges.cell[1, carrier], charges.cell[2, carrier] = stepped(
        charges, r, x, y, z
    )
    charges.carrier_type[carrier] = charges.row_type[r, 1]


@inlined
def lines(charges, line, carrier_type, x, y, z, onto):
    """Number of the line of the table that each carrier has with one of type ``carrier_type`` in a cell: what that one
    adds to each, or what each adds to it (``onto``). In 32 bits, of which the processor takes most at a time."""
    shape = charges.shape
    n0, n1, n2 = np.int32(shape.cells_a), np.int32(shape.cells_b), np.int32(shape.cells_c)
    cell0, cell1, cell2, types = charges.cell[0], charges.cell[1], charges.cell[2], charges.carrier_type
    x0, y0, z0, own, n_types = (
        np.int32(x),
        np.int32(y),
        np.int32(z),
        np.int32(carrier_type),
        np.int32(shape.types),
    )
    for i in range(len(types)):
        dx, dy, dz = cell0[i] - x0, cell1[i] - y0, cell2[i] - z0
        pair = own * n_types + types[i]
        if onto:
            dx, dy, dz, pair = -dx, -dy, -dz, types[i] * n_types + own
        dx += n0 if dx < 0 else np.int32(0)
        dy += n1 if dy < 0 else np.int32(0)
        dz += n2 if dz < 0 else np.int32(0)
        line[i] = ((pair * n0 + dx) * n1 + dy) * n2 + dz


@inlined
def sum_anew(charges, carrier):
    """Add the Coulomb energy differences of all hops of one carrier."""
    x, y, z = cell_of(charges, carrier)
    line, total, bits = charges.line[0], charges.sum, charges.shape.slot_bits
    width = U1 << bits
    lines(charges, line, charges.carrier_type[carrier], x, y, z, True)
    for i in range(U0, width + width):
        total[i] = 0
    for part in range(U0, width, LANES):
        for i in range(
            U(len(charges.carrier_type))
        ):  # two sums in turn: the next does not wait for the one before
            add_row(total, (i & U1) << bits | part, charges.gradient, (U(line[i]) << bits) + part)
    own = U(line[carrier]) << bits
    for i in range(width):
        charges.kept[carrier << bits | i] += total[i] + total[width + i] - charges.gradient[own + i]


@inlined
def change_anew(charges, carrier, r, slot):
    """Coulomb energy difference of hop ``r``, which is in ``slot`` of its carrier."""
    x, y, z = cell_of(charges, carrier)
    line, total = charges.line[0], 0
    lines(charges, line, charges.row_type[r, 0], x, y, z, True)
    for i in range(U(len(charges.carrier_type))):
        if i != carrier:
            total += charges.gradient[(U(line[i]) << charges.shape.slot_bits) + slot]
    return total


@inlined
def follow_hop(charges, carrier, r, high, both, left):
    """Renew the energy differences of all other carriers as ``carrier``, whose cell is still the old one, makes hop
    ``r``. Fills ``left`` with the blocks of `LANES` slots in which one is beyond its limit, below or (``both``) above;
    returns their number."""
    x, y, z = cell_of(charges, carrier)
    lost, gained, bits = charges.line[0], charges.line[1], charges.shape.slot_bits
    lines(charges, lost, charges.row_type[r, 0], x, y, z, False)
    x, y, z = stepped(charges, r, x, y, z)
    lines(charges, gained, charges.row_type[r, 1], x, y, z, False)
    n = 0
    for part in range(U0, U1 << bits, LANES):
        for i in range(U(len(charges.carrier_type))):
            at, a, b = i << bits | part, (U(lost[i]) << bits) + part, (U(gained[i]) << bits) + part
            beyond = shift_row(charges.kept, at, charges.gradient, a, b, charges.low)
            if both and not beyond:
                for j in range(at, at + LANES):
                    beyond |= charges.kept[j] > high[j]
            if beyond:
                left[n] = at
                n += 1
    return n
