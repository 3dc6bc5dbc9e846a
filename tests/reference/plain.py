"""The algorithms without interactions once more in plain Python, to be read and to test the kernels against.

Same random numbers, hence the same trajectory, event by event, and the same tallies to the last bit; the
bookkeeping is independent of the kernels' (unwrapped positions and stored origins instead of packed counters).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kmc_transport.engine.backend import ATTEMPTS, Carriers, Chunk, Counts, HopLog, Start, generator
from kmc_transport.engine.plain.scratch import WithoutInteractions
from kmc_transport.engine.tables import NULL, Tables
from kmc_transport.engine.tallies import RawTallies

__all__ = ["Reference", "ReferenceState", "Xoshiro"]

IntArray = npt.NDArray[np.int64]
MASK = 2**64 - 1


class Xoshiro:
    """xoshiro256++ (D. Blackman and S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021)) on Python's integers."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words = [int(w) for w in words]

    def __call__(self) -> int:
        """The next 64 bits."""

        def rotate(x: int, n: int) -> int:
            return ((x << n) | (x >> (64 - n))) & MASK

        s0, s1, s2, s3 = self.words
        r = (rotate((s0 + s3) & MASK, 23) + s0) & MASK
        t = (s1 << 17) & MASK
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        self.words = [s0, s1, s2, rotate(s3, 45)]
        return r


def split(r: int, n: int) -> tuple[int, int]:
    """A choice 0..n-1 from 64 random bits, and 64 bits that are left over for another choice."""
    return (r * n) >> 64, (r * n) & MASK


class ReferenceState:
    """State of one replica, in lists."""

    layout = "none"
    acceptance_estimate = float("nan")
    annealing = None

    def __init__(self, tables: Tables, start: Start, carriers: Carriers, *, algorithm: str) -> None:
        self.tables, self.start, self.algorithm, self.levels = tables, start, algorithm, start.levels
        self.random: Callable[[], int] = Xoshiro(start.words)  # type: ignore[arg-type]
        self.attempts_stream = generator(start.seed, ATTEMPTS)
        cell, types = carriers
        self.types = [int(t) for t in types]
        self.cell = [[int(x) for x in c] for c in np.array(np.unravel_index(cell, tables.size)).T]
        self.at = {self.site(c): c for c in range(len(self.types))}
        self.species = [s for s in range(tables.n_species) for _ in range(int(tables.number[s]))]
        self.log: list[tuple[int, int, int, float, int, int]] = []
        self.finished: list[RawTallies] = []
        self.open_hops: list[list[tuple[int, int]]] = [[] for _ in tables.class_rate]
        if algorithm == "rejection_free":
            for carrier in range(len(self.types)):
                self.open_own(carrier)
        self.clear()

    # ---- the lattice

    def wrap(self, cell: Sequence[int]) -> tuple[int, ...]:
        return tuple(x % s for x, s in zip(cell, self.tables.size, strict=True))

    def site(self, carrier: int) -> tuple[tuple[int, ...], int]:
        """(wrapped cell, basis site) where the carrier sits."""
        return self.wrap(self.cell[carrier]), int(self.tables.type_basis[self.types[carrier]])

    def target(self, carrier: int, row: int) -> tuple[tuple[int, ...], int]:
        t = self.tables
        cell = [x + int(o) for x, o in zip(self.cell[carrier], t.cell[row], strict=True)]
        return self.wrap(cell), int(t.type_basis[t.target_type[row]])

    def may_hop(self, carrier: int, row: int) -> bool:
        """Whether the target is empty, or the carrier's own periodic image."""
        return self.at.get(self.target(carrier, row), carrier) == carrier

    def move(self, carrier: int, row: int) -> None:
        t = self.tables
        del self.at[self.site(carrier)]
        self.cell[carrier] = [x + int(o) for x, o in zip(self.cell[carrier], t.cell[row], strict=True)]
        self.types[carrier] = int(t.target_type[row])
        self.at[self.site(carrier)] = carrier
        for counts in self.counts:
            counts[row] += 1

    # ---- running

    part_of_sample = 0.0

    def configure(self, sample_interval: float, windows_per_row: int) -> None:
        self.interval, self.windows_per_row = sample_interval, windows_per_row

    def run(self, n_samples: int, work: int, *, most_logged: int | None = None) -> Chunk:
        """All samples are brought to their end at once."""
        t = self.tables
        self.log, self.finished = [], []
        attempts = np.zeros(0, np.int64)
        if self.algorithm == "null_event":
            mean = float(t.number @ t.bound) * self.interval
            attempts = self.attempts_stream.poisson(mean, n_samples)
        for i in range(n_samples):
            if self.algorithm == "null_event":
                self.null_event(int(attempts[i]), i)
            else:
                self.rejection_free(i)
            self.sample()
        tallies = RawTallies.concatenate(
            [RawTallies.empty(0, t.n_rows, self.levels, t.n_species), *self.finished]
        )
        sample, carrier, row, when, *numbers = zip(*self.log, strict=True) if self.log else [()] * 6
        hops = HopLog(
            sample=np.array(sample, int),
            carrier=np.array(carrier, int),
            row=np.array(row, int),
            when=np.array(when, float),
            attempts=attempts,
            numbers=np.array(numbers, int).T,
        )
        return Chunk(tallies=tallies, samples=n_samples, work=n_samples, hops=hops)

    def null_event(self, attempts: int, sample: int) -> None:
        """Uniformisation: every carrier attempts at the rate of its species' fastest site; the rest is null."""
        t = self.tables
        weight = t.number * t.bound
        cut = [x * 2.0**64 for x in np.cumsum(weight) / max(weight.sum(), 1e-300)]
        for attempt in range(attempts):
            carrier, slot, fraction = self.chosen(cut)
            row = self.types[carrier] * t.width + slot
            if fraction >= int(t.threshold[row]):
                row = int(t.alias[row])
            if t.hop[row] != NULL and self.may_hop(carrier, row):
                self.move(carrier, row)
                self.log.append((sample, carrier, row, attempt, 0, 0))
        self.attempts_in_row += attempts

    def rejection_free(self, sample: int) -> None:
        """Events until the end of the sample interval, each with an exponential waiting time."""
        remaining = 1.0
        while True:
            tree = self.rate_tree()
            wait = -math.log(((self.random() >> 11) + 1) * 2.0**-53) / tree[1]
            if wait >= remaining:
                return
            remaining -= wait
            carrier, slot = self.choose(tree)
            row = self.types[carrier] * self.tables.width + slot
            self.execute_rejection_free(carrier, row)
            self.log.append((sample, carrier, row, 1.0 - remaining, 0, 0))
            self.attempts_in_row += 1

    def chosen(self, cut: list[float]) -> tuple[int, int, int]:
        """A carrier and a slot of its type, each as often as the others of the species; and what is left of the
        random number. cut : numbers below which the species is this one or one before."""
        t, species = self.tables, 0
        if t.n_species > 1:
            r = self.random()
            while species < t.n_species - 1 and r >= int(cut[species]):
                species += 1
        carrier, fraction = split(self.random(), int(t.number[species]))
        carrier += int(t.first[species])
        if t.two_draws:
            fraction = self.random()
        return (carrier, *split(fraction, t.width))

    def execute_rejection_free(self, carrier: int, row: int) -> None:
        """Move the carrier and keep the lists of open hops."""
        if self.target(carrier, row) == self.site(carrier):
            self.move(carrier, row)
            return
        before = self.site(carrier)
        listed = {own % self.tables.width: own for own in self.rows_of(carrier) if self.is_open(carrier, own)}
        self.move(carrier, row)
        possible = {
            own % self.tables.width: own for own in self.rows_of(carrier) if self.may_hop(carrier, own)
        }
        rate_class = self.tables.rate_class
        for own in range(self.tables.width):
            old, new = listed.get(own), possible.get(own)
            if old is None or new is None or rate_class[old] != rate_class[new]:
                if old is not None:
                    self.close(carrier, old)
                if new is not None:
                    self.open(carrier, new)
        for other, hop in self.hops_into(before):
            if other != carrier:
                self.open(other, hop)
        for other, hop in self.hops_into(self.site(carrier)):
            if other != carrier:
                self.close(other, hop)

    # ---- lists of open hops: an entry is (carrier, slot)

    def rows_of(self, carrier: int) -> range:
        base = self.types[carrier] * self.tables.width
        return range(base, base + int(self.tables.n_hops[self.types[carrier]]))

    def hops_into(self, site: tuple[tuple[int, ...], int]) -> list[tuple[int, int]]:
        """(carrier, row) of all hops of neighbours that end at ``site``, open or not."""
        t, found = self.tables, []
        cell, basis = site
        for link, species, slot in t.incoming[basis]:
            b, offset = t.links[basis][link]
            other = self.at.get((self.wrap([x + o for x, o in zip(cell, offset, strict=True)]), b))
            if other is not None and self.species[other] == species:
                found.append((other, self.types[other] * t.width + slot))
        return found

    def open_own(self, carrier: int) -> None:
        for row in self.rows_of(carrier):
            if self.may_hop(carrier, row):
                self.open(carrier, row)

    def is_open(self, carrier: int, row: int) -> bool:
        return (carrier, row % self.tables.width) in self.open_hops[self.tables.rate_class[row]]

    def open(self, carrier: int, row: int) -> None:
        self.open_hops[self.tables.rate_class[row]].append((carrier, row % self.tables.width))

    def close(self, carrier: int, row: int) -> None:
        entries = self.open_hops[self.tables.rate_class[row]]
        place = entries.index((carrier, row % self.tables.width))
        last = entries.pop()
        if place < len(entries):
            entries[place] = last

    def rate_tree(self) -> list[float]:
        """Expected events per interval: classes in the leaves, sums of two children above them, the root at 1."""
        n = len(self.open_hops)
        leaves = 1 << max(0, n - 1).bit_length()
        tree = [0.0] * (2 * leaves)
        for c, entries in enumerate(self.open_hops):
            tree[leaves + c] = len(entries) * (float(self.tables.class_rate[c]) * self.interval)
        for node in range(leaves - 1, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        return tree

    def choose(self, tree: list[float]) -> tuple[int, int]:
        leaves, node = len(tree) // 2, 1
        if leaves > 1:
            x = (self.random() >> 11) * 2.0**-53 * tree[1]
            while node < leaves:
                node *= 2
                if tree[node + 1] > 0 and x >= tree[node]:
                    x -= tree[node]
                    node += 1
        entries = self.open_hops[node - leaves]
        return entries[split(self.random(), len(entries))[0]]

    # ---- tallies

    def clear(self) -> None:
        """Forget everything tallied; the next sample begins a window."""
        t = self.tables
        self.sample_number = self.windows = self.attempts_in_row = 0
        self.counts = [[0] * t.n_rows for _ in range(self.levels + 1)]
        self.origin = [[(tuple(c), a) for c, a in zip(self.cell, self.types, strict=True)]] * (
            self.levels + 1
        )
        self.begun = RawTallies.empty(1, t.n_rows, self.levels, t.n_species)
        self.finished = []

    def unfinished(self) -> Counts:
        return Counts(int(self.begun.events.sum()) + sum(self.counts[self.levels]), self.attempts_in_row)

    def take_back(self, last: RawTallies, windows: int) -> None:
        self.begun = RawTallies.concatenate([self.begun, last]).pairs()
        self.attempts_in_row += int(last.attempts[0])
        self.windows += windows

    def sample(self) -> None:
        """Tally the blocks that end now: those of level l with every 2**l-th sample."""
        self.sample_number += 1
        for level in range(self.levels + 1):
            if self.sample_number % 2**level == 0:
                self.tally_collective(level)
                self.tally_tracer(level)
                if level == self.levels:
                    self.begun.events[0] += self.counts[level]
                    self.end_window()
                self.counts[level] = [0] * self.tables.n_rows
                self.origin[level] = [(tuple(c), a) for c, a in zip(self.cell, self.types, strict=True)]

    def end_window(self) -> None:
        self.sample_number = 0
        self.windows += 1
        if self.windows == self.windows_per_row:
            self.begun.attempts[0] = self.attempts_in_row
            self.finished.append(self.begun)
            t = self.tables
            self.begun = RawTallies.empty(1, t.n_rows, self.levels, t.n_species)
            self.windows = self.attempts_in_row = 0

    def tally_collective(self, level: int) -> None:
        t = self.tables
        total = np.zeros(3 * t.n_species)
        for row, n in enumerate(self.counts[level]):
            s = 3 * int(t.type_species[row // t.width])
            total[s : s + 3] += n * t.vector[row]
        self.begun.collective[0, level] += np.outer(total, total)

    def tally_tracer(self, level: int) -> None:
        t = self.tables
        lattice = np.asarray(t.model.structure.lattice)
        for s in range(t.n_species):
            moments: list[float] = [0] * 6
            for c in range(int(t.first[s]), int(t.first[s + 1])):
                start, a = self.origin[level][c]
                u, v, w = (now - then for now, then in zip(self.cell[c], start, strict=True))
                x: float
                y: float
                z: float
                if t.integer_steps:
                    x, y, z = u, v, w  # whole numbers: the sums are exact
                else:
                    shift = t.centre[self.types[c]] - t.centre[a]
                    x, y, z = (
                        float(u * lattice[0, i] + v * lattice[1, i] + w * lattice[2, i] + shift[i])
                        for i in range(3)
                    )
                products = (x * x, y * y, z * z, y * z, x * z, x * y)
                moments = [m + p for m, p in zip(moments, products, strict=True)]
            self.begun.tracer[0, level, s] += [float(m) for m in moments]

    # ---- reading the state

    def carriers(self) -> Carriers:
        wrapped = np.array([self.wrap(c) for c in self.cell], np.int64).reshape(-1, 3)
        return Carriers(
            np.ravel_multi_index(tuple(wrapped.T), self.tables.size), np.array(self.types, np.int64)
        )

    def unwrapped(self) -> IntArray:
        return np.array(self.cell, np.int64).reshape(-1, 3)

    def save(self) -> dict[str, Any]:
        raise ValueError("the reference keeps no snapshots")

    def load(self, saved: Mapping[str, Any]) -> None:
        raise ValueError("the reference keeps no snapshots")

    @property
    def nbytes(self) -> int:
        return 0


class Reference(ReferenceState, WithoutInteractions):
    """Carriers without interactions."""
