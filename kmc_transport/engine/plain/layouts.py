"""Memory layouts of carriers without interactions: a table of neighbours, or a set of bits and arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..tables import NULL, Tables
from . import kernels as k

__all__ = [
    "CARRIER_BYTES",
    "basis_bits",
    "bit_field",
    "bit_geometry",
    "fits_bits",
    "is_plain",
    "n_links",
    "neighbour_table",
    "packed",
    "slot_bits",
]

CARRIER_BYTES = 70
"""Of a carrier's record, 7 levels and unwrapped cell, in the narrow arrays."""


def bit_field(tables: Tables) -> int:
    """Bits of one field of the packed record: a cell coordinate, for the last axis with the basis site, and a guard."""
    first, second, last = tables.size
    return max(max(first, second).bit_length(), last.bit_length() + basis_bits(tables)) + 1


def basis_bits(tables: Tables) -> int:
    """Bits of a basis site."""
    return (tables.n_basis - 1).bit_length()


def slot_bits(tables: Tables) -> int:
    """Bits of a slot."""
    return (tables.width - 1).bit_length()


def fits_bits(tables: Tables) -> bool:
    """Whether coordinates and base row of a carrier fit 64 bits."""
    return 3 * bit_field(tables) + (tables.n_rows - 1).bit_length() <= 64


def is_plain(tables: Tables) -> bool:
    """Whether a simpler null-event kernel does: one species on one kind of site, whose slots are hops to different
    neighbours, all of which are sites of their own."""
    t = tables
    return (
        t.n_types == 1
        and bool(np.all(t.hop != NULL))
        and not t.to_itself.any()
        and np.array_equal(t.link, np.arange(t.width))
        and not t.two_draws
    )


def bit_geometry(tables: Tables) -> k.BitGeometry:
    """How the bit-set layout packs a carrier's record."""
    field = bit_field(tables)
    sizes = [tables.size[0], tables.size[1], tables.size[2] << basis_bits(tables)]
    half = 1 << (field - 1)
    return k.BitGeometry(
        field=np.uint64(field),
        second=np.uint64(sizes[1]),
        last=np.uint64(sizes[2]),
        sizes=np.uint64(packed(tables, sizes)),
        bias=np.uint64(packed(tables, [half - s for s in sizes])),
        guard=np.uint64(packed(tables, [half] * 3)),
        place_bits=np.uint64(3 * field),
    )


def packed(tables: Tables, fields: Any) -> Any:
    """Three fields in one word."""
    width = bit_field(tables)
    return (fields[0] << 2 * width) + (fields[1] << width) + fields[2]


def n_links(t: Tables) -> int:
    """Columns of the neighbour table."""
    return max((len(x) for x in t.links), default=1) or 1


def neighbour_table(t: Tables) -> npt.NDArray[np.uint32]:
    """(n_sites * L,) site that each link of each site leads to; unused links lead back to the site."""
    table = np.empty((*t.size, t.n_basis, n_links(t)), np.uint32)
    table[:] = np.arange(t.n_sites, dtype=np.uint32).reshape(*t.size, t.n_basis, 1)
    axes = [np.arange(s) for s in t.size]
    by_offset: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    for b, links in enumerate(t.links):
        for column, (target, offset) in enumerate(links):
            by_offset.setdefault(offset, []).append((b, column, target))
    for offset, entries in by_offset.items():
        x, y, z = ((a + o) % s for a, o, s in zip(axes, offset, t.size, strict=True))
        cell = (x[:, None, None] * t.size[1] + y[None, :, None]) * t.size[2] + z[None, None, :]
        for b, column, target in entries:
            table[:, :, :, b, column] = cell * t.n_basis + target
    return table.reshape(-1)
