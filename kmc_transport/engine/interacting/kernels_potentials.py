# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Parts of the kernels for Coulomb energies of many carriers: potentials of all sites, and the open hops side by side.

A hop changes the potential of every site: two rows of a table for each row of cells, which lie side by side as the
sites do. The Coulomb energy difference of any hop is that of two potentials, less what the carrier itself adds to
them. Open hops are watched: where a hop ends and begins, and the difference of potentials below which its bound does
not hold, lie side by side without gaps. Where carriers are few, lines for each carrier (`kernels_coulomb`) cost less.
Whole quanta: both give the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ...jit import PLAIN, inlined
from ..kernels_shared import U0, U1, U
from .kernels_coulomb import ALIGNED, LANES, VECTOR, cell_of, move_charge, stepped, vector_at, wrapped

__all__ = ["UNWATCHED", "Potentials", "ends", "follow_potentials", "unwatch", "watch"]

UNWATCHED = np.uint32(0xFFFFFFFF)


class Potentials(NamedTuple):
    """Potentials in quanta. T types; a row of cells has ``row`` numbers, those of its cells by type and some room."""

    row: np.uint64  # L3 T rounded up to `LANES`
    pair_row: np.uint64  # 2 L3 T + `LANES`
    phi: np.ndarray  # (L1 L2 row,) int64: energy of a carrier of each type in each cell with all carriers
    pair: (
        np.ndarray
    )  # (T L1 L2 pair_row,) int64: what a carrier of type [0] in cell 0 adds to that, twice along axis 3
    count: np.ndarray  # (1,) uint64: open hops that are watched
    target: np.ndarray  # (N << shift,) int32: number of `phi` where each one ends
    origin: np.ndarray  # (N << shift,) int32: and begins
    floor: np.ndarray  # (N << shift,) int64: its bound holds while the difference of both is no less
    entry_at: np.ndarray  # (N << shift,) uint32
    spot: np.ndarray  # (N << shift,) uint32: where each entry is watched, or `UNWATCHED`


def _shift(phi, at, pair, lost, gained):  # type: ignore[no-untyped-def]
    at, lost, gained, n = int(at), int(lost), int(gained), int(LANES)
    phi[at : at + n] += pair[gained : gained + n] - pair[lost : lost + n]


@intrinsic
def _jitted_shift(typing_context, phi, at, pair, lost, gained):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        here, lost, gained = (
            vector_at(context, builder, signature, arguments, *pair) for pair in ((0, 1), (2, 3), (2, 4))
        )
        change = builder.sub(builder.load(gained, align=ALIGNED), builder.load(lost, align=ALIGNED))
        builder.store(builder.add(builder.load(here, align=ALIGNED), change), here, align=ALIGNED)
        return context.get_dummy_value()

    word = types.uint64
    return types.void(phi, word, pair, word, word), generate


shift: Callable[..., Any] = _shift if PLAIN else _jitted_shift
"""Add `LANES` numbers of ``pair`` and take others away."""


def _any_below(phi, target, origin, floor, at):  # type: ignore[no-untyped-def]
    block = slice(int(at), int(at) + int(LANES))
    return bool((phi[target[block]] - phi[origin[block]] < floor[block]).any())


@intrinsic
def _jitted_any_below(typing_context, phi, target, origin, floor, at):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        n, words, word = int(LANES), ir.VectorType(ir.IntType(32), int(LANES)), ir.IntType(64)
        pointers, flags = ir.VectorType(word.as_pointer(), n), ir.VectorType(ir.IntType(1), n)
        undefined, all_of = ir.Constant(VECTOR, ir.Undefined), ir.Constant(flags, [1] * n)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        first = builder.insert_element(
            undefined, builder.ptrtoint(data, word), ir.Constant(ir.IntType(32), 0)
        )
        base = builder.shuffle_vector(first, undefined, ir.Constant(words, [0] * n))
        signed = ir.IntType(32)
        form = ir.FunctionType(VECTOR, [pointers, signed, flags, VECTOR])
        gather = cgutils.get_or_insert_function(builder.module, form, "llvm.masked.gather.v8i64.v8p0i64")

        def potential(array):  # type: ignore[no-untyped-def]
            here = builder.bitcast(
                vector_at(context, builder, signature, arguments, array, 4), words.as_pointer()
            )
            offset = builder.shl(
                builder.zext(builder.load(here, align=4), VECTOR), ir.Constant(VECTOR, [3] * n)
            )
            places = builder.inttoptr(builder.add(base, offset), pointers)
            return builder.call(gather, [places, signed(ALIGNED), all_of, undefined])

        limit = builder.load(vector_at(context, builder, signature, arguments, 3, 4), align=ALIGNED)
        below = builder.icmp_signed("<", builder.sub(potential(1), potential(2)), limit)
        mask = ir.IntType(n)
        return builder.icmp_unsigned("!=", builder.bitcast(below, mask), mask(0))

    word = types.uint64
    return types.boolean(phi, target, origin, floor, word), generate


any_below: Callable[..., Any] = _any_below if PLAIN else _jitted_any_below
"""Whether one of `LANES` watched hops is below its limit: potentials are gathered in one instruction each."""


@inlined
def site_of(charges, potentials, carrier_type, x, y, z):
    """Number of a site in `Potentials.phi`."""
    shape = charges.shape
    return (x * shape.cells_b + y) * np.int64(potentials.row) + z * shape.types + carrier_type


@inlined
def ends(charges, potentials, carrier, r):
    """Sites where hop ``r`` of a carrier ends and begins."""
    x, y, z = cell_of(charges, carrier)
    here = site_of(charges, potentials, charges.row_type[r, 0], x, y, z)
    x, y, z = stepped(charges, r, x, y, z)
    return site_of(charges, potentials, charges.row_type[r, 1], x, y, z), here


@inlined
def watch(charges, potentials, entry, carrier, r, limit):
    """Watch an open hop, which may be watched already, until its energy difference falls below ``limit``."""
    at = potentials.spot[entry]
    if at == UNWATCHED:
        at = np.uint32(potentials.count[0])
        potentials.count[0] += U1
        potentials.spot[entry], potentials.entry_at[at] = at, entry
    potentials.target[at], potentials.origin[at] = ends(charges, potentials, carrier, r)
    potentials.floor[at] = limit - charges.kept[entry]


@inlined
def unwatch(potentials, entry):
    """The last one fills the gap."""
    at = potentials.spot[entry]
    if at != UNWATCHED:
        last = potentials.count[0] - U1
        moved = potentials.entry_at[last]
        potentials.target[at], potentials.origin[at] = potentials.target[last], potentials.origin[last]
        potentials.floor[at], potentials.entry_at[at] = potentials.floor[last], moved
        potentials.spot[moved], potentials.spot[entry] = at, UNWATCHED
        potentials.count[0] = last


@inlined
def move_potentials(charges, potentials, carrier, r):
    """Potentials as ``carrier``, whose cell is still the old one, makes hop ``r``."""
    shape, row, pair_row = charges.shape, potentials.row, potentials.pair_row
    n0, n1, n2, n_types = shape.cells_a, shape.cells_b, shape.cells_c, shape.types
    x0, y0, z0 = cell_of(charges, carrier)
    x1, y1, z1 = stepped(charges, r, x0, y0, z0)
    before, after = charges.row_type[r, 0] * n0, charges.row_type[r, 1] * n0
    lost_z, gained_z = U((n2 - z0) * n_types), U((n2 - z1) * n_types)
    for x in range(n0):
        lost_x, gained_x = (before + wrapped(x - x0, n0)) * n1, (after + wrapped(x - x1, n0)) * n1
        for y in range(n1):
            at = U(x * n1 + y) * row
            lost = U(lost_x + wrapped(y - y0, n1)) * pair_row + lost_z
            gained = U(gained_x + wrapped(y - y1, n1)) * pair_row + gained_z
            for part in range(U0, row, LANES):
                shift(potentials.phi, at + part, potentials.pair, lost + part, gained + part)


@inlined
def follow_potentials(lists, charges, potentials, carrier, r, n):
    """Touch the open hops of other carriers that leave their windows as ``carrier`` makes hop ``r``, in the order of
    their numbers and eight slots after eight slots; returns how many are touched, of which there were ``n``."""
    move_potentials(charges, potentials, carrier, r)
    move_charge(charges, carrier, r)
    phi, target, origin, floor = potentials.phi, potentials.target, potentials.origin, potentials.floor
    bits = lists.setup.entry_shift
    first = n
    count = potentials.count[0]
    for start in range(U0, count, LANES):
        if start + LANES <= count and not any_below(phi, target, origin, floor, start):
            continue
        for i in range(start, min(start + LANES, count)):
            if phi[target[i]] - phi[origin[i]] < floor[i]:
                entry = U(potentials.entry_at[i])
                if entry >> bits == carrier:
                    continue
                at = n
                while at > first and later(lists.touched[at - U1], entry, bits):
                    lists.touched[at] = lists.touched[at - U1]
                    at -= U1
                lists.touched[at] = entry
                n += U1
    return n


@inlined
def later(one, other, bits):
    """Whether an entry comes after another one."""
    part, part_ = (one & ((U1 << bits) - U1)) // LANES, (other & ((U1 << bits) - U1)) // LANES
    return part > part_ or (part == part_ and one > other)
