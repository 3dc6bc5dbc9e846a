"""A lattice with a border of copies, so that every site's surroundings lie at fixed distances in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...ndarrays import IntArray

__all__ = ["GHOST", "HAS_GHOSTS", "OCCUPANT", "Halo", "linked"]

Words = npt.NDArray[np.uint32]

PAGE = 16
"""Places; most pages of a large lattice are away from the border and have no links (`kernels_null.link_of`)."""

OCCUPANT, HAS_GHOSTS, GHOST = 31, 64, 128
"""Bits of a site's byte: what sits there (0: nothing, a + 1: species a), whether it has copies, whether it is one."""


@dataclass(frozen=True, eq=False)
class Halo:
    """Sites of the supercell in an array with ``reach`` more cells at each end of each axis (periodic copies).

    A *place* is an index of that array; `real` places are those of the supercell itself. B sites a cell.
    """

    size: tuple[int, int, int]
    reach: tuple[int, int, int]
    n_basis: int

    @property
    def padded(self) -> tuple[int, int, int]:
        """Cells along each axis, borders included."""
        a, b, c = (s + 2 * r for s, r in zip(self.size, self.reach, strict=True))
        return a, b, c

    @property
    def n_places(self) -> int:
        return int(np.prod(self.padded)) * self.n_basis

    def offset(self, cell: npt.ArrayLike, basis_step: npt.ArrayLike) -> IntArray:
        """What a step of cells (..., 3) and of the basis site adds to a place."""
        c, p = np.asarray(cell, np.int64), self.padded
        return np.asarray(
            ((c[..., 0] * p[1] + c[..., 1]) * p[2] + c[..., 2]) * self.n_basis + np.asarray(basis_step)
        )

    def place(self, index: IntArray, basis: npt.ArrayLike) -> IntArray:
        """Places of basis sites in cells (3, n) of the supercell."""
        return self.offset((index + np.array(self.reach)[:, None]).T, basis)

    def cell_index(self, place: IntArray) -> IntArray:
        """(3, n) cell of each place, wrapped into the supercell."""
        p = np.stack(np.unravel_index(np.asarray(place) // self.n_basis, self.padded))
        return np.asarray((p - np.array(self.reach)[:, None]) % np.array(self.size)[:, None])

    def all_real(self) -> IntArray:
        """(n_cells * B,) place of each site, cell by cell."""
        x, y, z = (r + np.arange(s) for s, r in zip(self.size, self.reach, strict=True))
        p = self.padded
        cell = (x[:, None, None] * p[1] + y[:, None]) * p[2] + z
        return np.asarray(cell.reshape(-1, 1) * self.n_basis + np.arange(self.n_basis)).reshape(-1)

    def copies(self) -> tuple[npt.NDArray[np.uint8], Words, Words, Words]:
        """(n_places,) flags; page numbers and pages of links, see `linked`; list.

        The link of a copy is the place that it copies; that of a place with copies leads into the list, to the number
        of its copies, which follow.
        """
        axes = [
            (np.arange(p) - r) % s + r for p, r, s in zip(self.padded, self.reach, self.size, strict=True)
        ]
        p = self.padded
        cell = (axes[0][:, None, None] * p[1] + axes[1][:, None]) * p[2] + axes[2]
        own = np.arange(cell.size, dtype=np.int64)
        cell = cell.reshape(-1).astype(np.int64)
        ghost = np.flatnonzero(cell != own)
        ghost = ghost[np.argsort(cell[ghost], kind="stable")]
        source, begin, count = np.unique(cell[ghost], return_index=True, return_counts=True)
        nb = self.n_basis
        flags = np.zeros((cell.size, nb), np.uint8)
        link = np.zeros((cell.size, nb), np.uint32)
        flags[ghost] = GHOST
        flags[source] = HAS_GHOSTS
        # one run of the list for each place with copies: its length, then the copies
        length = np.repeat(count + 1, nb)
        start = np.concatenate([[0], np.cumsum(length)])
        listed = np.zeros(int(start[-1]), np.uint32)
        listed[start[:-1]] = np.repeat(count, nb)
        number = np.arange(len(ghost)) - np.repeat(begin, count)
        run = np.repeat(np.arange(len(source)), count)
        for b in range(nb):
            link[ghost, b] = cell[ghost] * nb + b
            link[source, b] = start[:-1].reshape(-1, nb)[:, b]
            listed[start[:-1].reshape(-1, nb)[run, b] + 1 + number] = ghost * nb + b
        return flags.reshape(-1), *_in_pages(link.reshape(-1), flags.reshape(-1)), listed


def linked(page: Words, link: Words, place: IntArray) -> IntArray:
    """Links of places, as the kernels find them: only pages of `PAGE` places with a link of any are kept."""
    return link[page[place // PAGE].astype(np.int64) * PAGE + place % PAGE].astype(np.int64)


def _in_pages(link: Words, flags: npt.NDArray[np.uint8]) -> tuple[Words, Words]:
    """(n_places / PAGE,) number of each page, pages one after another."""
    spare = -len(link) % PAGE
    used = np.pad(flags, (0, spare)).reshape(-1, PAGE).any(axis=1)
    number = np.where(used, np.cumsum(used) - 1, 0).astype(np.uint32)
    return number, np.pad(link, (0, spare)).reshape(-1, PAGE)[used].reshape(-1)
