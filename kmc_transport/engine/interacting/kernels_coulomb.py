# mypy: ignore-errors
# (as in `kernels`: whole numbers of unlike widths)
"""Parts of the kernels for Coulomb energies, which every hop changes for every carrier.

Kept is the Coulomb energy difference of each hop of each carrier. A table holds what a carrier adds to the energy
differences of another one's hops, side by side in one cache line for each place of the other: a hop costs two lines
(at the place left and the place reached) for each carrier, all its slots at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..jit import PLAIN, inlined
from ..plain.kernels import U0, U1, U

__all__ = ["LANES", "Charges", "change_anew", "follow_hop", "move_charge", "sum_anew"]

LANES = U(8)
"""Numbers that the processor takes at a time; slots of a carrier come in multiples of it."""

# Entries of `Charges.charge_setup`.
L1, L2, L3, TYPES, SLOT_BITS = range(5)


class Charges(NamedTuple):
    """Coulomb energies in quanta; empty arrays without. T types, W' = slots rounded up to a power of two."""

    charge_setup: np.ndarray  # (5,) int64: L1, L2, L3, T, bits of a slot; all 0 without Coulomb energies
    gradient: (
        np.ndarray
    )  # (T T L1 L2 L3 W',) int64: what a carrier of type [0] adds to the energy difference of each
    # slot of one of type [1], by the cell of [1] relative to [0]
    cell: np.ndarray  # (3, N) int32: cell of each carrier
    kind: np.ndarray  # (N,) int32: type
    row_type: np.ndarray  # (R, 2) int64: type before and after
    row_cell: np.ndarray  # (R, 3) int64: cell step
    kept: np.ndarray  # (N W',) int64: energy difference of each entry with all other carriers
    reference: np.ndarray  # (N W',) int64: the same as the entry was listed
    line: np.ndarray  # (2, N) int32: scratch
    sum: np.ndarray  # (2 W',) int64: scratch


def _shift_row(kept, at, gradient, lost, gained, reference, margin):  # type: ignore[no-untyped-def]
    at, lost, gained, n = int(at), int(lost), int(gained), int(LANES)
    row = kept[at : at + n]
    row += gradient[gained : gained + n] - gradient[lost : lost + n]
    return bool((np.abs(row - reference[at : at + n]) > margin).any())


def _add_row(total, at, gradient, line):  # type: ignore[no-untyped-def]
    at, line, n = int(at), int(line), int(LANES)
    total[at : at + n] += gradient[line : line + n]


VECTOR, ALIGNED = ir.VectorType(ir.IntType(64), int(LANES)), 8
"""What the processor takes at a time, and the bytes that its address is a multiple of at least."""


def _vector(context, builder, signature, arguments, array, index):  # type: ignore[no-untyped-def]
    """Pointer to `LANES` numbers of one argument that begin at another."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    return builder.bitcast(builder.gep(data, [arguments[index]]), VECTOR.as_pointer())


@intrinsic
def _jitted_shift_row(typing_context, kept, at, gradient, lost, gained, reference, margin):  # type: ignore[no-untyped-def]
    """Vector instructions, to which the compiler does not come by itself."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here, lost, gained, reference = (
            _vector(context, builder, signature, arguments, *pair)
            for pair in ((0, 1), (2, 3), (2, 4), (5, 1))
        )
        change = builder.sub(builder.load(gained, align=ALIGNED), builder.load(lost, align=ALIGNED))
        now = builder.add(builder.load(here, align=ALIGNED), change)
        builder.store(now, here, align=ALIGNED)
        none, lane = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
        first = builder.insert_element(none, arguments[6], lane(0))
        margin = builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(lane, int(LANES)), None))
        moved = builder.add(builder.sub(now, builder.load(reference, align=ALIGNED)), margin)
        beyond = builder.icmp_unsigned(">", moved, builder.add(margin, margin))
        flags = ir.IntType(int(LANES))
        return builder.icmp_unsigned("!=", builder.bitcast(beyond, flags), flags(0))

    word = types.uint64
    return types.boolean(kept, word, gradient, word, word, reference, kept.dtype), generate


@intrinsic
def _jitted_add_row(typing_context, total, at, gradient, line):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here = _vector(context, builder, signature, arguments, 0, 1)
        row = _vector(context, builder, signature, arguments, 2, 3)
        total = builder.add(builder.load(here, align=ALIGNED), builder.load(row, align=ALIGNED))
        builder.store(total, here, align=ALIGNED)
        return context.get_dummy_value()

    return types.void(total, types.uint64, gradient, types.uint64), generate


shift_row: Callable[..., Any] = _shift_row if PLAIN else _jitted_shift_row
"""Add line ``gained`` of the table less line ``lost`` to `LANES` numbers of ``kept`` that begin ``at``; whether one of
them is now farther than ``margin`` from its reference."""

add_row: Callable[..., Any] = _add_row if PLAIN else _jitted_add_row
"""Add a line of the table to `LANES` numbers."""


@inlined
def stepped(c, r, x, y, z):
    """Cell after hop ``r``, wrapped."""
    x, y, z = x + c.row_cell[r, 0], y + c.row_cell[r, 1], z + c.row_cell[r, 2]
    x += c.charge_setup[L1] if x < 0 else (-c.charge_setup[L1] if x >= c.charge_setup[L1] else 0)
    y += c.charge_setup[L2] if y < 0 else (-c.charge_setup[L2] if y >= c.charge_setup[L2] else 0)
    z += c.charge_setup[L3] if z < 0 else (-c.charge_setup[L3] if z >= c.charge_setup[L3] else 0)
    return x, y, z


@inlined
def cell_of(c, carrier):
    return np.int64(c.cell[0, carrier]), np.int64(c.cell[1, carrier]), np.int64(c.cell[2, carrier])


@inlined
def move_charge(c, carrier, r):
    """Keep the cell and type of a carrier that makes hop ``r``."""
    x, y, z = cell_of(c, carrier)
    c.cell[0, carrier], c.cell[1, carrier], c.cell[2, carrier] = stepped(c, r, x, y, z)
    c.kind[carrier] = c.row_type[r, 1]


@inlined
def lines_from(c, line, kind, x, y, z):
    """Number of the line of the table for each carrier as seen from a carrier of type ``kind`` in a cell."""
    n0, n1, n2 = np.int32(c.charge_setup[L1]), np.int32(c.charge_setup[L2]), np.int32(c.charge_setup[L3])
    first, x0, y0, z0 = np.int32(kind * c.charge_setup[TYPES]), np.int32(x), np.int32(y), np.int32(z)
    cell0, cell1, cell2, kinds = c.cell[0], c.cell[1], c.cell[2], c.kind
    for i in range(len(kinds)):
        dx, dy, dz = cell0[i] - x0, cell1[i] - y0, cell2[i] - z0
        dx += n0 if dx < 0 else np.int32(0)
        dy += n1 if dy < 0 else np.int32(0)
        dz += n2 if dz < 0 else np.int32(0)
        line[i] = (((first + kinds[i]) * n0 + dx) * n1 + dy) * n2 + dz


@inlined
def lines_to(c, line, kind, x, y, z):
    """As `lines_from`, for what each carrier adds to one of type ``kind`` in a cell."""
    n0, n1, n2 = np.int32(c.charge_setup[L1]), np.int32(c.charge_setup[L2]), np.int32(c.charge_setup[L3])
    n_types, own = np.int32(c.charge_setup[TYPES]), np.int32(kind)
    x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
    cell0, cell1, cell2, kinds = c.cell[0], c.cell[1], c.cell[2], c.kind
    for i in range(len(kinds)):
        dx, dy, dz = x0 - cell0[i], y0 - cell1[i], z0 - cell2[i]
        dx += n0 if dx < 0 else np.int32(0)
        dy += n1 if dy < 0 else np.int32(0)
        dz += n2 if dz < 0 else np.int32(0)
        line[i] = (((kinds[i] * n_types + own) * n0 + dx) * n1 + dy) * n2 + dz


@inlined
def sum_anew(c, carrier):
    """Coulomb energy differences of all hops of one carrier."""
    x, y, z = cell_of(c, carrier)
    line, bits, width = c.line[0], U(c.charge_setup[SLOT_BITS]), U1 << U(c.charge_setup[SLOT_BITS])
    lines_to(c, line, c.kind[carrier], x, y, z)
    for i in range(U0, width + width):
        c.sum[i] = 0
    for part in range(U0, width, LANES):
        for i in range(U(len(c.kind))):  # two sums in turn: the next does not wait for the one before
            add_row(c.sum, (i & U1) << bits | part, c.gradient, (U(line[i]) << bits) + part)
    own = U(line[carrier]) << bits
    for i in range(width):
        c.kept[carrier << bits | i] = c.sum[i] + c.sum[width + i] - c.gradient[own + i]


@inlined
def change_anew(c, carrier, r, slot):
    """Coulomb energy difference of hop ``r``, which is in ``slot`` of its carrier."""
    x, y, z = cell_of(c, carrier)
    line, bits, total = c.line[0], U(c.charge_setup[SLOT_BITS]), 0
    lines_to(c, line, c.row_type[r, 0], x, y, z)
    for i in range(U(len(c.kind))):
        if i != carrier:
            total += c.gradient[(U(line[i]) << bits) + slot]
    return total


@inlined
def follow_hop(c, carrier, r, margin, left):
    """Renew the energy differences of all other carriers as ``carrier``, whose cell is still the old one, makes hop
    ``r``. Fills ``left`` with the blocks of `LANES` slots in which one has left the margin; returns their number."""
    x, y, z = cell_of(c, carrier)
    lost, gained, bits = c.line[0], c.line[1], U(c.charge_setup[SLOT_BITS])
    lines_from(c, lost, c.row_type[r, 0], x, y, z)
    x, y, z = stepped(c, r, x, y, z)
    lines_from(c, gained, c.row_type[r, 1], x, y, z)
    n = 0
    for part in range(U0, U1 << bits, LANES):
        for i in range(U(len(c.kind))):
            a, b = (U(lost[i]) << bits) + part, (U(gained[i]) << bits) + part
            if shift_row(c.kept, i << bits | part, c.gradient, a, b, c.reference, margin):
                left[n] = i << bits | part
                n += 1
    return n
