"""The algorithms of interacting carriers once more in plain Python; see `plain`.

Every energy is that of the whole configuration after a hop less that before, both from scratch; nothing is updated.
Energies are whole numbers of quanta, as in the kernels, so that both give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kmc_transport.energies.configuration import WholeEnergy
from kmc_transport.energies.supercell import moved
from kmc_transport.energies.terms import QUANTUM, quantised
from kmc_transport.engine.backend import Carriers, Counts, HopLog, Start
from kmc_transport.engine.interacting.classes import rate_classes, windows
from kmc_transport.engine.interacting.coupling import Coupling
from kmc_transport.engine.interacting.drift import KeepsEnergy
from kmc_transport.engine.interacting.kernels_coulomb import LANES
from kmc_transport.engine.interacting.kernels_listed import RARE
from kmc_transport.engine.interacting.kernels_windows import (
    CLOSES,
    LN2,
    NO_RATE,
    OPENS,
    PEAK,
    SHIFTS,
    SMALLEST,
    TINY,
    TOO_LOOSE,
    TURNS,
)
from kmc_transport.engine.tables import NULL
from kmc_transport.model.interactions import Interactions
from kmc_transport.rates.configuration import ConfigurationRates

from .plain import ReferenceState, split
from .rates import barrier_shift

__all__ = ["InteractingReference", "WholeEnergies"]

IntArray = npt.NDArray[np.int64]
FULL = 2**64
BATCH = 32


def rounded_energy(energy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Energies (eV) rounded to quanta; sums of such numbers are exact."""
    return np.asarray(quantised(energy) * QUANTUM, np.float64)


class WholeEnergies:
    """Energies of whole configurations and shifts of barriers in quanta, every number rounded before it is added."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        model = coupling.catalog.model
        self.whole = WholeEnergy(model)
        local = None if model.interactions is None else model.interactions.local_clusters
        disorder = model.disorder
        if local is not None:
            local = replace(local, energy=rounded_energy(local.energy))
        if disorder is not None and disorder.barrier is not None:
            disorder = replace(disorder, barrier=rounded_energy(disorder.barrier))
        rounded = replace(model, interactions=Interactions(local_clusters=local), disorder=disorder)
        self.rates = ConfigurationRates(replace(coupling.catalog, model=rounded))
        self.given = ConfigurationRates(coupling.catalog)
        self._energy: dict[bytes, int] = {}

    def energy(self, occupation: IntArray) -> int:
        """Total energy of an (n_flat,) configuration."""
        key = occupation.tobytes()
        if key not in self._energy:
            self._energy[key] = self.whole.energy(occupation)
        return self._energy[key]

    def difference(self, occupation: IntArray, hop: int, cell: IntArray) -> int:
        """Energy after a hop less that before."""
        return self.energy(moved(occupation, *self.rates.ends(hop, cell))) - self.energy(occupation)

    def shift(self, occupation: IntArray, hop: int, cell: IntArray) -> int:
        """Shift of a hop's barrier."""
        model = self.coupling.catalog.model
        shift = barrier_shift(self.rates, occupation, hop, cell) / QUANTUM
        assert shift == int(shift)
        total = int(shift)
        tables = () if model.interactions is None else model.interactions.environments
        for table in tables:
            if table.hop_class == int(model.network.hop_class[hop]):
                members = slice(table.start[hop], table.start[hop + 1])
                flat = self.rates.flat(table.site[members], cell + table.cell[members])
                code = int(table.stride[members][occupation[flat] == table.species[members] + 1].sum())
                total += int(quantised(table.barrier[code] - self.given.rule_of(hop).equal_ends_barrier))
        return total


class InteractingReference(ReferenceState, KeepsEnergy):
    """State of one replica whose carriers interact."""

    def __init__(self, coupling: Coupling, start: Start, carriers: Carriers, *, algorithm: str) -> None:
        self.coupling, self.whole = coupling, WholeEnergies(coupling)
        self.classes, self.limits = rate_classes(coupling), windows(coupling)
        super().__init__(coupling.tables, start, carriers, algorithm="null_event")
        self.algorithm = algorithm
        self.changed = 0
        self.clamped = [0] * self.tables.n_rows
        self.reached = coupling.reached()
        rows = range(self.tables.n_rows)
        moves = [self.tables.hop[r] != NULL and not self.tables.to_itself[r] for r in rows]
        self.neighbours = [coupling.changed(r) if moves[r] else [] for r in rows]
        blocked = coupling.surroundings.blocked
        self.blocked = (
            set()
            if blocked is None
            else {((int(i), int(j), int(k)), int(b)) for i, j, k, b in np.argwhere(blocked)}
        )
        held = np.argwhere(coupling.surroundings.immobile)
        self.blocked |= {((int(i), int(j), int(k)), int(b)) for i, j, k, b in held}
        self.lists: list[list[tuple[int, int]]] = [[] for _ in self.classes.bound]
        self.listed: dict[tuple[int, int], int] = {}
        self.bounds: dict[tuple[int, int], float] = {}
        self.window: dict[tuple[int, int], tuple[int, float]] = {}
        self.open_before: set[tuple[int, int]] = set()
        self.attempts = 0.0
        """Expected per sample interval as the last one was made."""

    def energy_change(self) -> int:
        return self.changed

    def logged_energies(self, hops: HopLog) -> tuple[IntArray, IntArray]:
        return hops.numbers[:, 0], hops.numbers[:, 1]

    def check(self) -> float:
        return 0.0  # nothing is kept but the energy

    def successor(self, done: Counts) -> InteractingReference:
        return self

    # ---- energies and rates

    def occupation(self) -> IntArray:
        full = np.array(self.whole.given.model.background)
        site = self.tables.basis_site[self.tables.type_basis[self.types]]
        full[self.whole.rates.flat(site, self.cell)] = np.array(self.species) + 1
        return full

    def may_hop(self, carrier: int, row: int) -> bool:
        return self.target(carrier, row) not in self.blocked and super().may_hop(carrier, row)

    def values(self, carrier: int, row: int) -> tuple[int, int]:
        """Energy difference and barrier shift of a hop, quanta."""
        hop, cell = int(self.tables.hop[row]), np.array(self.wrap(self.cell[carrier]))
        occupation = self.occupation()
        return self.whole.difference(occupation, hop, cell), self.whole.shift(occupation, hop, cell)

    def execute(self, carrier: int, row: int, difference: int, clamped: bool) -> None:
        self.changed += difference
        self.clamped[row] += clamped
        self.move(carrier, row)

    def clamped_events(self) -> IntArray:
        t, total = self.tables, np.zeros(self.tables.model.network.n_hops, np.int64)
        real = t.hop != NULL
        total[t.hop[real]] = np.array(self.clamped)[real]
        return total

    # ---- null events

    def null_event(self, attempts: int, sample: int) -> None:
        t, c = self.tables, self.coupling
        weight = t.number * t.bound
        cut = [x * 2.0**64 for x in np.cumsum(weight) / max(weight.sum(), 1e-300)]
        # the kernel of codes chooses a batch before it executes
        batch = BATCH if c.codes is not None else 1
        for begin in range(0, attempts, batch):
            chosen = []
            for _ in range(min(batch, attempts - begin)):
                chosen.append(self.chosen(cut))
            for i, (carrier, slot, fraction) in enumerate(chosen):
                row = self.types[carrier] * t.width + slot
                if fraction >= int(t.threshold[row]):
                    row = int(t.alias[row])
                if t.hop[row] == NULL or not self.may_hop(carrier, row):
                    continue
                difference, shift = self.values(carrier, row)
                hop = int(t.hop[row])
                rate, clamped = c.barriers.one(hop, difference, shift)
                bound = float(c.bound[hop])
                assert rate <= bound
                if self.kept(rate, bound, clamped):
                    self.execute(carrier, row, difference, clamped)
                    self.log.append((sample, carrier, row, begin + i, difference, shift))
        self.attempts_in_row += attempts

    def kept(self, rate: float, bound: float, clamped: bool) -> bool:
        """Whether an attempt at a bound is kept: by 64 random bits for codes, by a float for energies."""
        r = self.random()
        if self.coupling.codes is None:
            return (r >> 11) * 2.0**-53 * bound < rate
        return r < self.chance(rate, bound, clamped)

    @staticmethod
    def chance(rate: float, bound: float, clamped: bool) -> int:
        share = rate / bound
        return ((FULL - 1 if share >= 1 else int(share * 2.0**64)) & (FULL - 2)) | clamped

    # ---- listed hops

    def row_of(self, entry: tuple[int, int]) -> int:
        return self.types[entry[0]] * self.tables.width + entry[1]

    def renew(self, entry: tuple[int, int]) -> None:
        """List an entry by its rate, or by a bound that holds in a window of energy differences."""
        row = self.row_of(entry)
        bound, after = 0.0, -1
        self.open_before.discard(entry)
        if self.tables.hop[row] != NULL and self.may_hop(entry[0], row):
            self.open_before.add(entry)
            hop, (difference, shift) = int(self.tables.hop[row]), self.values(entry[0], row)
            bound = self.coupling.barriers.one(hop, difference, shift)[0]
            after = self.classes.of(bound)
            if self.coupling.codes is None:
                bound, after = self.bound_in_window(entry, hop, difference, shift)
        self.bounds[entry] = bound
        before = self.listed.get(entry, -1)
        slower = entry in self.open_before and before >= 0 and (after < 0 or after > before)
        if self.coupling.codes is not None and slower and RARE * self.weight(before) < self.attempts:
            return
        self.relist(entry, after)

    def bound_in_window(
        self, entry: tuple[int, int], hop: int, difference: int, shift: int
    ) -> tuple[float, int]:
        """The slower a hop, the wider its window; with rules whose rate may rise too, the same for all."""

        def rate(change: int) -> float:
            return self.coupling.barriers.one(hop, difference + change, shift)[0]

        if self.limits.margin:
            m = self.limits.margin
            self.window[entry] = difference - m, difference + m
            bound = PEAK * max(rate(0), rate(-m), rate(m))
            return bound, self.classes.of(bound)
        barriers = self.coupling.barriers

        def log_rate(change: int) -> float:
            height = barriers.height(hop, difference + change, shift)
            return float(barriers.log_prefactor[hop]) - height / barriers.kt

        wanted = max(log_rate(0) + self.limits.log_loose, math.log(max(self.cheap_bound(), SMALLEST)))
        most, octave = NO_RATE, -1
        if wanted > NO_RATE:
            octave = self.classes.top_exponent - math.floor(wanted / LN2) - 1
            octave = min(max(octave, 0), len(self.classes.bound) - 1)
            most = wanted if self.algorithm == "sum_tree" else LN2 * (self.classes.top_exponent - octave)
        width = int(max(0.0, most - log_rate(0) - TINY) * barriers.kt / QUANTUM)
        if self.limits.log_loose > 0 and log_rate(-2 * width) < most - TINY:
            width *= 2
        self.window[entry] = difference - width, math.inf
        if most == NO_RATE:
            return 0.0, -1
        in_tree = self.algorithm == "sum_tree"
        return math.exp(most + TINY) if in_tree else float(self.classes.bound[octave]), octave

    def cheap_bound(self) -> float:
        return (
            self.attempts / self.interval * (self.limits.floor_share / (len(self.types) * self.tables.width))
        )

    def weight(self, number: int) -> float:
        """Expected attempts of an entry of a class per sample interval."""
        return float(self.classes.bound[number]) * self.interval

    def relist(self, entry: tuple[int, int], after: int) -> None:
        """Put an entry into a list, or none (-1)."""
        before = self.listed.get(entry, -1)
        if self.algorithm == "sum_tree" or before == after:
            return
        self.listed[entry] = after
        if before >= 0:
            entries = self.lists[before]
            place = entries.index(entry)
            last = entries.pop()
            if place < len(entries):
                entries[place] = last
        if after >= 0:
            self.lists[after].append(entry)

    def touched(self, site: tuple[tuple[int, ...], int], mover: int) -> list[tuple[int, int]]:
        """Entries of other carriers that a change of ``site`` concerns."""
        cell, basis = site
        found = []
        for type_, offset, changes in self.reached[basis]:
            origin = self.wrap([x - o for x, o in zip(cell, offset, strict=True)])
            other = self.at.get((origin, int(self.tables.type_basis[type_])))
            if other is not None and other != mover and self.types[other] == type_:
                found += [(other, slot) for slot, _ in changes]
        return found

    def near(
        self, origin: tuple[int, ...], target: tuple[int, ...], mover: int, row: int
    ) -> Iterator[tuple[tuple[int, int], int]]:
        """Entries of other carriers that concern a hop between two cells, and what happens to them, in order."""
        for one in self.neighbours[row]:
            end = target if one.near_target else origin
            place = self.wrap([x - o for x, o in zip(end, one.cell, strict=True)])
            basis = int(self.tables.type_basis[one.type])
            other = self.at.get((place, basis))
            if other is not None and other != mover and self.types[other] == one.type:
                for slot, (what, *_) in sorted(one.change.items(), key=lambda x: x[1][0] == SHIFTS):
                    yield (other, slot), what

    def beyond(self, entry: tuple[int, int]) -> bool:
        """Whether the energy difference of an open hop has left its window."""
        low, high = self.window[entry]
        return not low <= self.values(entry[0], self.row_of(entry))[0] <= high

    def far(self, mover: int) -> list[tuple[int, int]]:
        """Open entries of all other carriers that have left their windows, where Coulomb energies reach them."""
        if self.coupling.surroundings.pair is None:
            return []
        found = []
        for first in range(0, self.tables.width, int(LANES)):
            for carrier in range(len(self.types)):
                for slot in range(first, min(first + int(LANES), self.tables.width)):
                    entry = (carrier, slot)
                    if carrier != mover and entry in self.open_before and self.beyond(entry):
                        found.append(entry)
        return found

    def total(self) -> float:
        """Expected attempts per sample interval."""
        if self.algorithm == "sum_tree":
            return self.sums()[1] * self.interval
        total = 0.0
        for bound, entries in zip(self.classes.bound[::-1], self.lists[::-1], strict=True):
            total += float(len(entries)) * (float(bound) * self.interval)
        return total

    def sums(self) -> list[float]:
        leaves = 1 << max(0, len(self.types) - 1).bit_length()
        tree = [0.0] * (2 * leaves)
        for carrier in range(len(self.types)):
            for slot in range(self.tables.width):
                tree[leaves + carrier] += self.bounds.get((carrier, slot), 0.0)
        for node in range(leaves - 1, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        return tree

    def choose_entry(self, total: float) -> tuple[tuple[int, int], float, int]:
        """Entry, its bound and its class (-1 with a tree)."""
        r, r2 = self.random(), self.random()
        x = (r >> 11) * 2.0**-53 * total
        if self.algorithm == "sum_tree":
            x /= self.interval
            tree, node = self.sums(), 1
            while node < len(tree) // 2:
                node *= 2
                if tree[node + 1] > 0 and x >= tree[node]:
                    x -= tree[node]
                    node += 1
            carrier = node - len(tree) // 2
            found = (carrier, 0)
            for slot in range(self.tables.width):
                bound = self.bounds[carrier, slot]
                if bound > 0:
                    found = (carrier, slot)
                    if x < bound:
                        break
                    x -= bound
            return found, self.bounds[found], -1
        chosen = 0
        for c, entries in enumerate(self.lists):
            if entries:
                chosen = c
                weight = float(len(entries)) * self.weight(c)
                if x < weight:
                    break
                x -= weight
        entries = self.lists[chosen]
        return entries[split(r2, len(entries))[0]], float(self.classes.bound[chosen]), chosen

    def rejection_free(self, sample: int) -> None:
        """Attempts until the end of the sample interval."""
        for carrier in [] if self.bounds else range(len(self.types)):
            self.attempts = self.total()
            for slot in range(self.tables.width):
                self.renew((carrier, slot))
        remaining = 1.0
        while True:
            total = self.attempts = self.total()
            wait = -math.log(((self.random() >> 11) + 1) * 2.0**-53) / total
            if wait >= remaining:
                return
            remaining -= wait
            self.attempts_in_row += 1
            entry, bound, listed = self.choose_entry(total)
            carrier, row = entry[0], self.row_of(entry)
            difference, shift = self.values(carrier, row)
            rate, clamped = self.coupling.barriers.one(int(self.tables.hop[row]), difference, shift)
            assert rate <= bound
            if self.coupling.codes is not None and listed not in (-1, self.classes.of(rate)):
                if (self.random() >> 11) * 2.0**-53 * bound >= rate:
                    self.relist(entry, self.classes.of(rate))
                    continue
            elif self.coupling.codes is not None:
                sure = self.algorithm == "sum_tree" or self.chance(rate, bound, False) == FULL - 2
                if not sure and not self.kept(rate, bound, clamped):
                    continue
            elif not self.kept(rate, bound, clamped):
                loose = bound > max(TOO_LOOSE * rate, 2.0 * self.cheap_bound())
                if self.coupling.codes is None and loose:
                    self.renew(entry)
                continue
            self.log.append((sample, carrier, row, 1.0 - remaining, difference, shift))
            self.execute_listed(carrier, row, difference, clamped)

    def execute_listed(self, carrier: int, row: int, difference: int, clamped: bool) -> None:
        origin, target = self.site(carrier), self.target(carrier, row)
        if origin == target:
            self.execute(carrier, row, difference, clamped)
            return
        self.execute(carrier, row, difference, clamped)
        own = [(carrier, slot) for slot in range(self.tables.width)]
        if self.coupling.codes is None:
            changes = list(self.near(origin[0], target[0], carrier, row))
            for entry in [e for e, what in changes if what == CLOSES]:
                self.renew(entry)
            far = self.far(carrier)  # found first, renewed last
            for entry in [*own, *(e for e, what in changes if self.turns(e, what)), *far]:
                self.renew(entry)
            return

        def end(entry: tuple[int, int]) -> tuple[tuple[int, ...], int]:
            return self.target(entry[0], self.row_of(entry))

        around_target, around_origin = self.touched(target, carrier), self.touched(origin, carrier)
        closed = [e for e in around_target if end(e) == target]
        # hops to the origin open when their turn comes there
        for entry in [*closed, *own, *(e for e in around_target if end(e) != origin), *around_origin]:
            self.renew(entry)

    def turns(self, entry: tuple[int, int], what: int) -> bool:
        """Whether what a hop nearby does to an entry needs a new bound."""
        is_open = entry in self.open_before
        if what in (OPENS, TURNS):
            return is_open == (what == TURNS)
        alone = self.coupling.surroundings.pair is None
        return what != CLOSES and is_open and alone and self.beyond(entry)
