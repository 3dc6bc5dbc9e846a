"""Hand-specialised loops: what the machine can do for the uniform exclusion gas on a simple cubic lattice.

One rate, six directions, null events, periodic boundaries; positions are unwrapped by winding numbers, as a
program written for this one case would do it. No samples are taken and nothing else is general. The engine is
compared with the better of the two.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["BareBits", "BareTable", "PairsBits", "PairsTable", "PairsTree"]

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


# ---- with a nearest-neighbour pair energy, Metropolis rates min(1, exp(-dE/kT))


@numba.njit(inline="always")
def _bound_neighbours(occupied, neighbour, site, without):
    """Occupied neighbours of ``site``, ``without`` not counted."""
    count = 0
    for d in range(6):
        other = neighbour[site * U(6) + U(d)] & np.int32(0x7FFFFFFF)
        count += np.int64(occupied[other]) if U(other) != without else 0
    return count


@numba.njit(nogil=True, error_model="numpy")
def _table_pairs(n, rng, site, winding, occupied, neighbour, chance):
    """Null events; ``chance[5 + lost - gained]`` of 2**64."""
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
        low = (r & LOW32) * U(6)
        direction = low >> U(32)
        here = U(site[c])
        entry = neighbour[here * U(6) + direction]
        there = U(entry & np.int32(0x7FFFFFFF))
        if occupied[there] == 0:
            lost = _bound_neighbours(occupied, neighbour, here, there)
            gained = _bound_neighbours(occupied, neighbour, there, here)
            if (low & LOW32) << U(32) < chance[5 + lost - gained]:
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


@numba.njit(inline="always")
def _bit(bits, i):
    return np.int64((bits[U(i) >> U(6)] >> (U(i) & U(63))) & U(1))


@numba.njit(inline="always")
def _bit_neighbours(bits, i, j, k, size):
    im, ip = (i - 1 if i > 0 else size - 1), (i + 1 if i < size - 1 else 0)
    jm, jp = (j - 1 if j > 0 else size - 1), (j + 1 if j < size - 1 else 0)
    km, kp = (k - 1 if k > 0 else size - 1), (k + 1 if k < size - 1 else 0)
    row = (i * size + j) * size
    count = _bit(bits, row + km) + _bit(bits, row + kp)
    count += _bit(bits, (i * size + jm) * size + k) + _bit(bits, (i * size + jp) * size + k)
    return count + _bit(bits, (im * size + j) * size + k) + _bit(bits, (ip * size + j) * size + k)


@numba.njit(nogil=True, error_model="numpy")
def _bits_pairs(n, rng, record, bits, size, chance):
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
        low = (r & LOW32) * U(6)
        direction = low >> U(32)
        axis = direction >> U(1)
        i, j, k = np.int64(record[c, 0]), np.int64(record[c, 1]), np.int64(record[c, 2])
        here = U((i * size + j) * size + k)
        new = np.int64(record[c, axis]) + 1 - 2 * np.int64(direction & U(1))
        wound = 0
        if new < 0:
            new = size - 1
            wound = -1
        elif new == size:
            new = 0
            wound = 1
        a = new if axis == U(0) else i
        b = new if axis == U(1) else j
        d = new if axis == U(2) else k
        there = U((a * size + b) * size + d)
        if (bits[there >> U(6)] >> (there & U(63))) & U(1) == U(0):
            lost = _bit_neighbours(bits, i, j, k, size)
            gained = _bit_neighbours(bits, a, b, d, size) - 1
            if (low & LOW32) << U(32) < chance[5 + lost - gained]:
                bits[here >> U(6)] &= ~(U(1) << (here & U(63)))
                bits[there >> U(6)] |= U(1) << (there & U(63))
                record[c, axis] = np.int16(new)
                executed += 1
                if wound != 0:
                    record[c, axis + U(3)] += np.int16(wound)
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, s3
    return executed


@numba.njit(nogil=True, error_model="numpy", inline="always")
def _set_leaf(tree, leaves, c, value):
    node = leaves + c
    tree[node] = value
    node >>= 1
    while node > 0:
        tree[node] = tree[2 * node] + tree[2 * node + 1]
        node >>= 1


@numba.njit(nogil=True, error_model="numpy")
def _carrier_rate(c, site, occupied, neighbour, rate):
    here = U(site[c])
    total = 0.0
    for d in range(6):
        there = U(neighbour[here * U(6) + U(d)] & np.int32(0x7FFFFFFF))
        if occupied[there] == 0:
            lost = _bound_neighbours(occupied, neighbour, here, there)
            gained = _bound_neighbours(occupied, neighbour, there, here)
            total += rate[5 + lost - gained]
    return total


@numba.njit(nogil=True, error_model="numpy")
def _tree_pairs(n, rng, site, winding, occupied, neighbour, at, tree, leaves, rate, near):
    """Binary sum tree over the carriers; the rates of all carriers in reach are computed anew after each hop."""
    s0, s1, s2, s3 = rng[0], rng[1], rng[2], rng[3]
    clock = 0.0
    marks = np.zeros(len(site), np.int64)
    for event in range(1, n + 1):
        x = s0 + s3
        r = ((x << U(23)) | (x >> U(41))) + s0
        t = s1 << U(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = (s3 << U(45)) | (s3 >> U(19))
        y = np.float64(r >> U(11)) * 2.0**-53 * tree[1]
        clock += 1.0 / tree[1]
        node = 1
        while node < leaves:
            node *= 2
            if y >= tree[node] and tree[node + 1] > 0.0:
                y -= tree[node]
                node += 1
        c = node - leaves
        here = U(site[c])
        direction = U(0)
        for d in range(6):
            there = U(neighbour[here * U(6) + U(d)] & np.int32(0x7FFFFFFF))
            if occupied[there] == 0:
                direction = U(d)
                lost = _bound_neighbours(occupied, neighbour, here, there)
                gained = _bound_neighbours(occupied, neighbour, there, here)
                y -= rate[5 + lost - gained]
                if y < 0.0:
                    break
        entry = neighbour[here * U(6) + direction]
        there = U(entry & np.int32(0x7FFFFFFF))
        occupied[here] = 0
        occupied[there] = 1
        at[here] = -1
        at[there] = c
        site[c] = np.int32(there)
        if entry < 0:
            winding[U(c) * U(3) + (direction >> U(1))] += np.int16(1) - np.int16(2) * np.int16(
                direction & U(1)
            )
        for end in range(2):
            middle = here if end == 0 else there
            for d in range(near.shape[1]):
                other = at[near[middle, d]]
                if other >= 0 and marks[other] != event:
                    marks[other] = event
                    _set_leaf(tree, leaves, other, _carrier_rate(other, site, occupied, neighbour, rate))
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, s3
    return n


class PairsTable(BareTable):
    """As `BareTable`, with pairs of ``energy`` (in kT)."""

    def __init__(self, size: int, n_carriers: int, energy: float) -> None:
        super().__init__(size, n_carriers)
        self.rate = np.minimum(1.0, np.exp(energy * np.arange(-5, 6)))
        self.chance = np.minimum(self.rate * 2.0**64, 2.0**64 - 2048).astype(np.uint64)

    def run(self, attempts: int) -> int:
        state = (self.words, self.site, self.winding, self.occupied, self.neighbour)
        return _table_pairs(attempts, *state, self.chance)


class PairsBits(BareBits):
    """As `BareBits`, with pairs of ``energy`` (in kT)."""

    def __init__(self, size: int, n_carriers: int, energy: float) -> None:
        super().__init__(size, n_carriers)
        self.chance = np.minimum(np.exp(energy * np.arange(-5, 6)) * 2.0**64, 2.0**64 - 2048).astype(
            np.uint64
        )

    def run(self, attempts: int) -> int:
        return _bits_pairs(attempts, self.words, self.record, self.bits, self.size, self.chance)


class PairsTree(PairsTable):
    """Sum tree, for strong coupling."""

    def __init__(self, size: int, n_carriers: int, energy: float) -> None:
        super().__init__(size, n_carriers, energy)
        n = size**3
        plain = (self.neighbour & np.int32(0x7FFFFFFF)).reshape(n, 6)
        # all sites within two steps
        self.near = np.concatenate([np.arange(n)[:, None], plain, plain[plain].reshape(n, 36)], axis=1)
        self.near = np.stack([np.unique(row) for row in self.near]).astype(np.int32)
        self.at = np.full(n, -1, np.int32)
        self.at[self.site] = np.arange(n_carriers)
        self.leaves = 1 << (n_carriers - 1).bit_length()
        self.tree = np.zeros(2 * self.leaves)
        self.renew()

    def renew(self) -> None:
        """Fill the tree."""
        for c in range(len(self.site)):
            self.tree[self.leaves + c] = _carrier_rate(c, self.site, self.occupied, self.neighbour, self.rate)
        for node in range(self.leaves - 1, 0, -1):
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1]

    def run(self, events: int) -> int:
        return _tree_pairs(
            *(events, self.words, self.site, self.winding, self.occupied, self.neighbour, self.at),
            *(self.tree, self.leaves, self.rate, self.near),
        )
