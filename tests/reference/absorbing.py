"""Absorbing chains once more in plain Python: configurations as tuples, matrices as lists, every rate from scratch.

Same random numbers as the kernels, hence the same hops and stays to the last bit. See `kernels_basins`, `kernels_stays`
and `kernels_chain` for what is done and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmc_transport.engine.absorbing.backend import reverse_rows
from kmc_transport.engine.absorbing.kernels_basins import GAP, MOST_STATES, WORTHWHILE
from kmc_transport.engine.absorbing.kernels_chain import FEW_STEPS, MOST_LEVELS, MOST_STEPS
from kmc_transport.engine.absorbing.kernels_stays import LONGEST_PATIENCE, OFTEN, RECENT
from kmc_transport.engine.backend import Carriers, Start
from kmc_transport.engine.interacting.coupling import Coupling
from kmc_transport.engine.interacting.lattice import CoupledLattice
from kmc_transport.engine.tables import NULL

from .interacting import InteractingReference
from .plain import MASK

__all__ = ["AbsorbingReference"]

Random = Callable[[], int]
Configuration = tuple[tuple[tuple[int, ...], int], ...]
"""(unwrapped cell, type) of each carrier."""


def uniform(random: Random) -> float:
    return (random() >> 11) * 2.0**-53


def not_zero(random: Random) -> float:
    return ((random() >> 11) + 1) * 2.0**-53


def normal(random: Random) -> float:
    while True:
        x, y = 2.0 * uniform(random) - 1.0, 2.0 * uniform(random) - 1.0
        s = x * x + y * y
        if 0.0 < s < 1.0:
            return x * math.sqrt(-2.0 * math.log(s) / s)


def gamma(k: float, random: Random) -> float:
    d = k - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(random)
        e = c * x
        if e <= -1.0:
            continue
        bound = 0.5 * x * x + d * (3.0 * (math.log1p(e) - e) - 3.0 * e * e - e * e * e)
        if math.log(not_zero(random)) < bound:
            v = 1.0 + e
            return d * v * v * v


def log_poisson(k: float, mean: float) -> float:
    if k == 0.0:
        return -mean
    if k < 15.0:
        rest = math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2.0 * math.pi)
    else:
        rest = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (k * k)) / (k * k)) / k
    e = (k - mean) / mean
    return -rest - mean * ((1.0 + e) * math.log1p(e) - e) - 0.5 * math.log(2.0 * math.pi * k)


def poisson(mean: float, random: Random) -> float:
    if mean < FEW_STEPS:
        k, product = 0.0, not_zero(random)
        while product > math.exp(-mean):
            product *= not_zero(random)
            k += 1.0
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    top, sure = math.log(1.1239 + 1.1328 / (b - 3.4)), 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform(random) - 0.5, not_zero(random)
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        k = float(math.floor((2.0 * a / us + b) * u + mean + 0.43))
        if us >= 0.07 and v <= sure:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + top - math.log(a / (us * us) + b) <= log_poisson(k, mean):
            return k


def pick(weight: list[float], random: Random) -> int:
    x, found = uniform(random) * total_of(weight), 0
    for i, w in enumerate(weight):
        if w > 0.0:
            found = i
            if x < w:
                break
            x -= w
    return found


def total_of(numbers: list[float]) -> float:
    """Added one after the other (Python's own sum is more exact)."""
    total = 0.0
    for x in numbers:
        total += x
    return total


@dataclass
class Basin:
    """States in the order of their hashes; P, x, and what follows from them."""

    states: list[Configuration]
    speed: float
    exits: list[list[tuple[tuple[int, int], float]]]
    """Of each state (entry, rate)."""
    links: list[list[tuple[tuple[int, int], int]]]
    """Of each state (entry, state)."""
    powers: list[list[list[float]]]
    left: list[list[float]]
    groups: list[int]
    per_time: list[float]
    rest: list[list[float]]
    """G of each state and group."""

    def parents(self) -> list[tuple[int, tuple[int, int]]]:
        """Tree of paths from the first state: state before and entry."""
        found: dict[int, tuple[int, tuple[int, int]]] = {0: (0, (0, 0))}
        queue = [0]
        for a in queue:
            for entry, k in self.links[a]:
                if k not in found:
                    found[k] = a, entry
                    queue.append(k)
        return [found[a] for a in range(len(self.states))]


class AbsorbingReference(InteractingReference):
    """State of one replica."""

    def __init__(self, coupling: Coupling, start: Start, carriers: Carriers) -> None:
        super().__init__(coupling, start, carriers, algorithm="absorbing")
        self.halo = CoupledLattice(coupling).halo
        self.reverse = [int(r) for r in reverse_rows(self.tables)]
        self.stays, self.patience, self.failed, self.again = False, 0, 0, 0
        self.recent: list[int] = [0] * RECENT
        self.oldest, self.remaining = 0, 1.0
        self.carry = [0.0] * self.tables.n_rows
        self.basins: dict[Configuration, Basin | None] = {}

    # ---- configurations

    def here(self) -> Configuration:
        return tuple((tuple(c), k) for c, k in zip(self.cell, self.types, strict=True))

    def wrapped(self, state: Configuration) -> Configuration:
        return tuple((self.wrap(c), k) for c, k in state)

    def go(self, state: Configuration) -> None:
        """Put the carriers there, without counting a hop."""
        self.cell, self.types = [list(c) for c, _ in state], [k for _, k in state]
        self.at = {self.site(c): c for c in range(len(state))}

    def after(self, state: Configuration, entry: tuple[int, int]) -> Configuration:
        carrier, slot = entry
        cell, type_ = state[carrier]
        row = type_ * self.tables.width + slot
        moved = tuple(x + int(o) for x, o in zip(cell, self.tables.cell[row], strict=True))
        return (*state[:carrier], (moved, int(self.tables.target_type[row])), *state[carrier + 1 :])

    def code(self, state: Configuration) -> int:
        """Hash of a configuration."""
        total = 0
        for carrier, (cell, type_) in enumerate(state):
            basis = int(self.tables.type_basis[type_])
            place = int(self.halo.place(np.array(self.wrap(cell))[:, None], basis)[0])
            z = ((place | type_ * self.tables.width << 32) + (carrier + 1) * 0x9E3779B97F4A7C15) & MASK
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            total += z ^ (z >> 31)
        return total & MASK

    def look(self, state: Configuration) -> dict[tuple[int, int], tuple[float, float, bool]]:
        """Rate, rate of the slower direction, whether it is clamped: of each hop, in order; 0 where it is not open."""
        back = self.here()
        self.go(state)
        barriers, t, found = self.coupling.barriers, self.tables, {}
        for carrier, type_ in enumerate(self.types):
            for slot in range(t.width):
                row, found[carrier, slot] = type_ * t.width + slot, (0.0, 0.0, False)
                if t.hop[row] == NULL or not self.may_hop(carrier, row):
                    continue
                hop, reverse = int(t.hop[row]), int(t.hop[self.reverse[row]])
                difference, shift = self.values(carrier, row)
                rate, clamped = barriers.one(hop, difference, shift)
                change = (difference * self.coupling.quantum - float(barriers.work[hop])) / barriers.kt
                change += float(barriers.log_prefactor[reverse]) - float(barriers.log_prefactor[hop])
                found[carrier, slot] = rate, rate * math.exp(min(change, 0.0)), clamped
        self.go(back)
        return found

    # ---- basins

    def basin(self) -> Basin | None:
        """That of the present configuration."""
        key = self.wrapped(self.here())
        if key not in self.basins:
            found = self.find()
            self.basins[key] = found
            for state in () if found is None else found.states:
                self.basins[self.wrapped(state)] = found
        return self.basins[key]

    def find(self) -> Basin | None:
        states, low, gaps = [self.here()], math.inf, {}
        rates = [self.look(states[0])]
        waiting = [{e: slower for e, (_, slower, _) in rates[0].items()}]
        while True:
            most, i = 0.0, 0
            for k, entries in enumerate(waiting):
                if max(entries.values()) > most:
                    most, i = max(entries.values()), k
            gaps[len(states)] = low, most
            if most == 0.0:
                break
            entry = max(waiting[i], key=waiting[i].__getitem__)
            after = self.after(states[i], entry)
            known = self.wrapped(after) in map(self.wrapped, states)
            if not known and len(states) == MOST_STATES:
                break
            waiting[i][entry] = 0.0
            if not known:
                low = min(low, most)
                states.append(after)
                rates.append(self.look(after))
                waiting.append({e: slower for e, (_, slower, _) in rates[-1].items()})
        for n in range(len(states), 1, -1):
            if gaps[n][0] >= GAP * gaps[n][1]:
                found = self.chain(states[:n], rates[:n])
                if found is not None:
                    return found
        return None

    def chain(
        self, states: list[Configuration], rates: list[dict[tuple[int, int], tuple[float, float, bool]]]
    ) -> Basin | None:
        """A basin of these states, if they are one that pays."""
        n, t = len(states), self.tables
        order = sorted(range(n), key=lambda i: self.code(states[i]))
        states, rates = [states[i] for i in order], [rates[i] for i in order]
        number = {self.wrapped(s): a for a, s in enumerate(states)}
        speed = max(total_of([r for r, _, _ in row.values()]) for row in rates)
        p, x = [[0.0] * n for _ in range(n)], [0.0] * n
        wanted: list[dict[int, float]] = [{} for _ in range(n)]
        groups: list[int] = []
        exits: list[list[tuple[tuple[int, int], float]]] = [[] for _ in range(n)]
        links: list[list[tuple[tuple[int, int], int]]] = [[] for _ in range(n)]
        for a, state in enumerate(states):
            for entry, (rate, _, clamped) in rates[a].items():
                if rate == 0.0:
                    continue
                after = self.after(state, entry)
                k = number.get(self.wrapped(after))
                if k is None:
                    x[a] += rate / speed
                    exits[a].append((entry, rate))
                    continue
                if states[k] != after or clamped:
                    return None
                p[a][k] += rate / speed
                links[a].append((entry, k))
                row = state[entry[0]][1] * t.width + entry[1]
                group = min(row, self.reverse[row])
                if group not in groups:
                    groups.append(group)
                wanted[a][group] = wanted[a].get(group, 0.0) + rate / speed
            p[a][a] = max(0.0, (speed - total_of([r for r, _, _ in rates[a].values()])) / speed)
        if not any(x):
            return None
        hops = solve(p, x, [[w.get(g, 0.0) for g in groups] + [1.0 / speed] for w in wanted])
        if max(total_of(h[:-1]) for h in hops) < WORTHWHILE + n * n / 4:
            return None
        per_time = [h / hops[0][-1] for h in hops[0][:-1]]
        powers, left = raised(p, x)
        return Basin(
            states=states,
            speed=speed,
            exits=exits,
            links=links,
            powers=powers,
            left=left,
            groups=groups,
            per_time=per_time,
            rest=[[h - c * row[-1] for h, c in zip(row[:-1], per_time, strict=True)] for row in hops],
        )

    # ---- running

    def rejection_free(self, sample: int) -> None:
        """Hops and stays until the end of the sample interval."""
        self.remaining = 1.0
        while True:
            if self.stays:
                basin = self.basin()
                if basin is None:
                    self.stays, self.failed = False, min(2 * self.failed + 16, LONGEST_PATIENCE)
                    self.patience = self.failed
                    continue
                self.failed = 0
                self.attempts_in_row += 1
                if self.stay(basin):
                    return
                continue
            rates = {e: r for e, (r, _, _) in self.look(self.here()).items()}
            total = total_of(list(rates.values()))
            wait = -math.log(not_zero(self.random)) / (total * self.interval)
            if wait >= self.remaining:
                return
            self.remaining -= wait
            self.attempts_in_row += 1
            carrier, slot = list(rates)[pick(list(rates.values()), self.random)]
            self.hop(carrier, self.types[carrier] * self.tables.width + slot)
            self.remember()

    def hop(self, carrier: int, row: int) -> None:
        difference, shift = self.values(carrier, row)
        _, clamped = self.coupling.barriers.one(int(self.tables.hop[row]), difference, shift)
        self.execute(carrier, row, difference, clamped)

    def remember(self) -> None:
        code = self.code(self.here())
        self.again = self.again + 1 if code in self.recent else 0
        self.recent[self.oldest] = code
        self.oldest = (self.oldest + 1) % RECENT
        if self.patience > 0:
            self.patience -= 1
        elif self.again >= OFTEN:
            self.stays, self.again = True, 0

    def stay(self, b: Basin) -> bool:
        """Whether the sample ends before the stay."""
        number = {self.wrapped(s): a for a, s in enumerate(b.states)}
        start, left = number[self.wrapped(self.here())], self.remaining
        part = min(left, MOST_STEPS / (b.speed * self.interval))
        most = part * self.interval
        steps = poisson(most * b.speed, self.random)
        m, chances = walk(b, start, steps, uniform(self.random))
        lasts, time = m == steps, most
        if not lasts:
            chances = [c * x for c, x in zip(chances, b.left[0], strict=True)]
            before = gamma(m + 1.0, self.random)
            after = gamma(steps - m, self.random)
            time = most * (before / (before + after))
            part = time / self.interval
        end = pick(chances, self.random)
        for g, row in enumerate(b.groups):
            hops = b.per_time[g] * time + b.rest[start][g]
            if lasts:
                hops -= b.rest[end][g]
            self.carry[row] += 0.5 * hops
        self.follow(b, start, end)
        for row in b.groups:
            pairs = math.floor(self.carry[row])
            if pairs > 0:
                self.carry[row] -= pairs
                self.begun.events[0, row] += pairs
                self.begun.events[0, self.reverse[row]] += pairs
        ends = lasts and part == left
        self.remaining = 1.0 if ends else max(0.0, left - part)
        if not lasts:
            self.stays, self.again = False, OFTEN - 1
            carrier, slot = b.exits[end][pick([r for _, r in b.exits[end]], self.random)][0]
            self.hop(carrier, self.types[carrier] * self.tables.width + slot)
        return ends

    def follow(self, b: Basin, start: int, end: int) -> None:
        """The way from one state to another through the tree."""
        parents = b.parents()

        def above(state: int) -> list[int]:
            return [state] if state == 0 else [state, *above(parents[state][0])]

        way = above(end)
        while start not in way:
            before, (carrier, slot) = parents[start]
            row = b.states[before][carrier][1] * self.tables.width + slot
            self.count(carrier, self.reverse[row])
            start = before
        for state in reversed(way[: way.index(start)]):
            carrier, slot = parents[state][1]
            self.count(carrier, self.types[carrier] * self.tables.width + slot)

    def count(self, carrier: int, row: int) -> None:
        self.hop(carrier, row)
        self.carry[min(row, self.reverse[row])] -= 0.5


def solve(p: list[list[float]], x: list[float], wanted: list[list[float]]) -> list[list[float]]:
    """(1 - P) H = wanted by elimination without subtraction."""
    p, x, n = [list(row) for row in p], list(x), len(x)
    for k in reversed(range(n)):
        p[k][k] = total_of([x[k], *p[k][:k]])
        for i in range(k):
            share = p[i][k] / p[k][k]
            for j in range(k):
                if j != i:
                    p[i][j] += share * p[k][j]
            x[i] += share * x[k]
            wanted[i] = [w + share * v for w, v in zip(wanted[i], wanted[k], strict=True)]
    for k in range(n):
        for c in range(len(wanted[k])):
            total = total_of([wanted[k][c], *(p[k][j] * wanted[j][c] for j in range(k))])
            wanted[k][c] = total / p[k][k]
    return wanted


def raised(p: list[list[float]], x: list[float]) -> tuple[list[list[list[float]]], list[list[float]]]:
    """P, its square, the square of that ...; and the chances to have left within so many steps."""
    powers, left, n = [p], [x], len(x)
    while len(left) < MOST_LEVELS and min(left[-1]) < 0.5:
        a, gone = powers[-1], left[-1]
        square, after = [], []
        for i in range(n):
            row = [total_of([a[i][k] * a[k][j] for k in range(n)]) for j in range(n)]
            after.append(min(1.0, total_of([gone[i], *(a[i][j] * gone[j] for j in range(n))])))
            stays = total_of(row)
            square.append([r * ((1.0 - after[i]) / stays if stays > 0.0 else 0.0) for r in row])
        powers.append(square)
        left.append(after)
    return powers, left


def walk(b: Basin, start: int, most: float, q: float) -> tuple[float, list[float]]:
    n = len(b.states)
    here = [float(i == start) for i in range(n)]
    m, gone, top = 0.0, 0.0, len(b.powers) - 1
    for level in range(top, -1, -1):
        while m + 2.0**level <= most:
            after = total_of([gone, *(h * x for h, x in zip(here, b.left[level], strict=True))])
            if after > q:
                break
            here = [total_of([here[i] * b.powers[level][i][j] for i in range(n)]) for j in range(n)]
            gone, m = after, m + 2.0**level
            if level < top:
                break
    return m, here
