"""Hand-specialised loops: what the machine can do for the uniform exclusion gas on a simple cubic lattice.

One rate, six directions, null events, periodic boundaries; positions are unwrapped by winding numbers, as a
program written for this one case would do it. No samples are taken and nothing else is general. The engine is
compared with the better of the two.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["BareBits", "BareTable"]

U = np.uint64
LOW32 = U(0xFFFFFFFF)


@numba.njit(nogil=True, error_model="numpy")
def _table(n, rng, site, winding, occupied, neighbour):
    """Neighbour table; its sign bit marks links across the boundary."""
    s0, s1, s2, s3 = rng[0], rng[1], rng[2], rng[3]
    number = U(len(site))
    executed = 0
    for _ in range(n):
        x = s0 + s3
        r = ((x << U(23)) | (x >> U(41))) + s0
        t = s1 << U(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = (s3 << U(45)) | (s3 >> U(19))
        c = ((r >> U(32)) * number) >> U(32)
        direction = ((r & LOW32) * U(6)) >> U(32)
        here = U(site[c])
        entry = neighbour[here * U(6) + direction]
        there = U(entry & np.int32(0x7FFFFFFF))
        if occupied[there] == 0:
            occupied[here] = 0
            occupied[there] = 1
            site[c] = np.int32(there)
            executed += 1
            if entry < 0:
                winding[c * U(3) + (direction >> U(1))] += np.int16(1) - np.int16(2) * np.int16(
                    direction & U(1)
                )
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, s3
    return executed


@numba.njit(nogil=True, error_model="numpy")
def _bits(n, rng, record, bits, size):
    """Bit set of occupied sites; 16-byte record: three coordinates, three windings (16 bits each)."""
    s0, s1, s2, s3 = rng[0], rng[1], rng[2], rng[3]
    number = U(len(record))
    executed = 0
    for _ in range(n):
        x = s0 + s3
        r = ((x << U(23)) | (x >> U(41))) + s0
        t = s1 << U(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = (s3 << U(45)) | (s3 >> U(19))
        c = ((r >> U(32)) * number) >> U(32)
        direction = ((r & LOW32) * U(6)) >> U(32)
        axis = direction >> U(1)
        step = 1 - 2 * np.int64(direction & U(1))
        i, j, k = np.int64(record[c, 0]), np.int64(record[c, 1]), np.int64(record[c, 2])
        here = U((i * size + j) * size + k)
        old = np.int64(record[c, axis])
        new = old + step
        wound = 0
        if new < 0:
            new = size - 1
            wound = -1
        elif new == size:
            new = 0
            wound = 1
        stride = 1
        if axis == U(0):
            stride = size * size
        elif axis == U(1):
            stride = size
        there = U(np.int64(here) + (new - old) * stride)
        if (bits[there >> U(6)] >> (there & U(63))) & U(1) == U(0):
            bits[here >> U(6)] &= ~(U(1) << (here & U(63)))
            bits[there >> U(6)] |= U(1) << (there & U(63))
            record[c, axis] = np.int16(new)
            executed += 1
            if wound != 0:
                record[c, axis + U(3)] += np.int16(wound)
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, s3
    return executed


class _Gas:
    def __init__(self, size: int, n_carriers: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.sites = np.sort(rng.choice(size**3, n_carriers, replace=False, shuffle=False))
        self.words = rng.integers(0, 2**64, 4, dtype=np.uint64)


class BareTable(_Gas):
    """Neighbour table and one byte a site."""

    def __init__(self, size: int, n_carriers: int) -> None:
        super().__init__(size, n_carriers)
        n = size**3
        number = np.arange(n, dtype=np.int32).reshape(size, size, size)
        self.neighbour = np.empty((n, 6), np.int32)
        for axis in range(3):
            for sign in (0, 1):
                to = np.roll(number, -1 if sign == 0 else 1, axis).copy()
                edge = [slice(None)] * 3
                edge[axis] = slice(size - 1, size) if sign == 0 else slice(0, 1)
                to[tuple(edge)] |= np.int32(-(2**31))
                self.neighbour[:, 2 * axis + sign] = to.reshape(-1)
        self.neighbour = self.neighbour.reshape(-1)
        self.site = self.sites.astype(np.int32)
        self.winding = np.zeros(3 * n_carriers, np.int16)
        self.occupied = np.zeros(n, np.uint8)
        self.occupied[self.sites] = 1

    def run(self, attempts: int) -> int:
        """Executed hops of so many attempts."""
        return _table(attempts, self.words, self.site, self.winding, self.occupied, self.neighbour)


class BareBits(_Gas):
    """Bit set and neighbours by arithmetic."""

    def __init__(self, size: int, n_carriers: int) -> None:
        super().__init__(size, n_carriers)
        self.record = np.zeros((n_carriers, 8), np.int16)
        self.record[:, :3] = np.stack(np.unravel_index(self.sites, (size,) * 3), axis=1)
        self.bits = np.zeros((size**3 + 63) // 64, np.uint64)
        np.bitwise_or.at(self.bits, self.sites >> 6, np.uint64(1) << (self.sites & 63).astype(np.uint64))

    def run(self, attempts: int) -> int:
        """Executed hops of so many attempts."""
        return _bits(attempts, self.words, self.record, self.bits, self.size)
