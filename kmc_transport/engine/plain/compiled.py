"""The compiled backend: arrays of the kernels in one of two memory layouts, made, run, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import kernels_sampling as ks
from .. import kernels_shared as shared
from ..backend import ATTEMPTS, Carriers, Chunk, Counts, HopLog, Start, generator
from ..rows import LOG_COLUMNS, RawRows
from ..tables import NULL, Tables
from . import kernels as k

if TYPE_CHECKING:
    from ..canonical.anneal import Annealing

__all__ = ["Compiled", "bit_field", "fits_bits"]

IntArray = npt.NDArray[np.int64]

SAVED = [
    "rng",
    "record",
    "pending_counts",
    "events",
    "pending",
    "pending_base",
    "last_base",
    "home",
    "collective",
    "tracer",
    "clock",
    "members",
    "where",
    "length",
]
"""Arrays that a snapshot needs; the others follow from them."""

WITHIN = ("counts", "held", "remaining")
"""What it needs beside them where a sample has begun."""

SAMPLE_WORK = 30
"""A sample costs as much as so many attempts, and one for each carrier."""

LOGGED_HOPS = 65536
"""Hops that a call of the rejection-free kernel lists at most."""

LONGEST_WINDOW = 2**30
"""Cells that a carrier may travel within a window (its displacement is kept in 32 bits)."""

LONGEST_WAIT = 2**15
"""Cells that a carrier may travel within half a window where 16 bits are to keep them."""

CARRIER_BYTES = 70
"""Of a carrier's record, 7 levels and unwrapped cell, in the narrow arrays."""

FEW_CARRIERS = 64
"""Fewer carriers need no thrift. They travel far between samples, and their kernels should not be compiled twice."""

FAR = 2**31 - 2 * LONGEST_WAIT
"""Cells from where a carrier may begin a window that is kept in 32 bits."""


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
        sizes=np.uint64(_packed(tables, sizes)),
        bias=np.uint64(_packed(tables, [half - s for s in sizes])),
        guard=np.uint64(_packed(tables, [half] * 3)),
        place_bits=np.uint64(3 * field),
    )


def _packed(tables: Tables, fields: Any) -> Any:
    width = bit_field(tables)
    return (fields[0] << 2 * width) + (fields[1] << width) + fields[2]


class Compiled:
    """State of one replica in the kernels' arrays.

    start : gives the levels and the random streams. words : (4,) state of the stream of the hops, if it is another.
    """

    acceptance_estimate = float("nan")
    annealing: Annealing | None = None

    def __init__(
        self,
        tables: Tables,
        start: Start,
        carriers: Carriers,
        *,
        algorithm: str,
        layout: str,
        words: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        self._begin(tables, start, algorithm=algorithm, layout=layout)
        cell, kind = carriers
        self.n = len(cell)
        if max(tables.n_sites, self.n << slot_bits(tables)) >= 2**32 - 1 and layout == "table":
            raise ValueError(
                f"{tables.n_sites} sites with {self.n} carriers are too many for the table layout"
            )
        self.shift = 3 * bit_field(tables) if layout == "bitset" else 32
        self._plain = True if is_plain(tables) else None
        self._arrays: dict[str, Any] = {
            **self._network(),
            **self._empty_state(start.words if words is None else words),
        }
        index = np.stack(np.unravel_index(cell, tables.size)) if self.n else np.zeros((3, 0), np.int64)
        self["home"][:] = index
        base = kind * tables.width
        self["record"][0::2] = self._place(index, kind) | (base.astype(np.uint64) << np.uint64(self.shift))
        if not tables.integer_steps:
            self["last_base"][:] = base
        self._occupy()

    def _begin(self, tables: Tables, start: Start, *, algorithm: str, layout: str) -> None:
        self.tables, self.algorithm, self.layout, self.levels = tables, algorithm, layout, start.levels
        self.start, self._attempts = start, generator(start.seed, ATTEMPTS)
        self._attempts_left = self._attempts_of_sample = 0

    _room = 0
    """Cells that every carrier may travel until `_stay_in_range` looks again."""

    def __getitem__(self, name: str) -> Any:
        """One of the kernels' arrays."""
        return self._arrays[name]

    def _tuple(self, kind: type) -> Any:
        return kind(**{name: self._arrays[name] for name in kind._fields})  # type: ignore[attr-defined]

    # ---- making the arrays

    def _network(self) -> dict[str, Any]:
        t, bits = self.tables, self.layout == "bitset"
        rows = np.zeros((t.n_rows, 1 << int(shared.ROW)), np.uint64)
        rows[:, int(shared.THRESHOLD)] = t.threshold
        rows[:, int(shared.ALIAS)] = t.alias << int(shared.ROW)
        rows[:, int(k.LINK)] = t.link
        rows[:, int(k.MAY)] = np.where(t.hop == NULL, 0, np.where(t.to_itself, 3, 1))
        rows[:, int(k.CLASS)] = np.where(t.rate_class < 0, int(k.NO_CLASS), t.rate_class)
        rows[:, int(k.STEP)] = (t.cell[:, 0] + (t.cell[:, 1] << 21) + (t.cell[:, 2] << 42)).astype(np.uint64)
        if bits:
            after, before = t.type_basis[t.target_type], np.repeat(t.type_basis, t.width)
            step = (t.cell % np.array(t.size)).T
            move = _packed(t, [step[0], step[1], (step[2] << basis_bits(t)) + after - before])
            base = (
                t.target_type * t.width - np.repeat(np.arange(t.n_types), t.width) * t.width
            ) << self.shift
            rows[:, int(k.MOVE)] = np.where(t.hop == NULL, 0, move + base).astype(np.uint64)
        else:
            rows[:, int(k.NEXT)] = (t.target_type * t.width) << self.shift
        incoming = [
            (link, t.first[s], t.first[s + 1], slot) for entries in t.incoming for link, s, slot in entries
        ]
        start = np.cumsum([0] + [len(x) for x in t.incoming])
        return {
            "setup": k.NetworkSetup(
                links=np.uint64(n_links(t)),
                width=np.uint64(t.width),
                two_draws=t.two_draws,
                entry_shift=np.uint64(slot_bits(t)),
            ),
            "geometry": bit_geometry(t) if bits else k.BitGeometry(*[np.uint64(0)] * 7),
            "rows": rows.reshape(-1),
            "neighbour": np.zeros(1, np.uint32) if bits else neighbour_table(t),
            "first": t.first[:-1].astype(np.uint64),
            "number": t.number.astype(np.uint64),
            "cut": species_cut(t),
            **self._measures(),
            "incoming_span": np.repeat(np.stack([start[:-1], start[1:]], 1)[t.type_basis], t.width, 0)
            .reshape(-1)
            .astype(np.uint64),
            "incoming": np.array(incoming, np.uint64).reshape(-1),
            "class_start": np.cumsum([0, *self._class_room()]).astype(np.uint64),
        }

    def _measures(self) -> dict[str, Any]:
        """What the sampling needs of the network."""
        t = self.tables
        return {
            "vector": t.vector.copy(),
            "species": np.repeat(t.type_species, t.width),
            "centre": np.repeat(t.centre, t.width, axis=0),
            "lattice": np.array(t.model.structure.lattice, np.float64, order="C"),
        }

    def _tally_state(self, words: npt.NDArray[np.uint64]) -> dict[str, np.ndarray]:
        """Random stream, carriers and tallies, the latter empty."""
        t, n, levels = self.tables, self.n, self.levels
        n_total = 3 * t.n_species
        record = np.zeros(2 * n, np.uint64)
        record[1::2] = shared.STEP_ZERO
        return {
            "rng": np.array(words, np.uint64),
            "record": record,
            "counts": np.zeros(t.n_rows, np.int64),
            "clock": np.zeros(5, np.int64),
            "batch": np.zeros((3, k.BATCH), np.uint64),
            "pending_counts": np.zeros((levels, t.n_rows), np.int64),
            **self._waiting(n >= FEW_CARRIERS and t.n_rows < LONGEST_WAIT and self._bounds_are_sure),
            "events": np.zeros(t.n_rows, np.int64),
            "collective": np.zeros((levels + 1) * n_total**2),
            "tracer": np.zeros((levels + 1) * t.n_species * 6),
            "total": np.zeros(n_total),
            "moments": np.zeros((levels + 1, 6)),
            "cell_moments": np.zeros((levels + 1, 6), np.int64),
            "scratch": np.zeros((3, ks.BLOCK), np.int32),
            "before": np.zeros(ks.BLOCK, np.int32),
        }

    def _waiting(self, narrow: bool) -> dict[str, np.ndarray]:
        """What the sampling keeps of each carrier, empty.

        Narrow: displacements of waiting blocks in 16 bits, unwrapped cells in 32, and no room to empty packed counters
        within a sample. `configure` and `_stay_in_range` see to it that nothing overflows.
        """
        n, levels = self.n, self.levels
        several = 0 if self.tables.integer_steps else n
        short, long = (np.int16, np.int32) if narrow else (np.int32, np.int64)
        return {
            "held": np.zeros((3, 0 if narrow else n), np.int32),
            "pending": np.zeros((levels, 3, n), short),
            "pending_base": np.zeros((levels, several), short),
            "last_base": np.zeros(several, short),
            "home": np.zeros((3, n), long),
        }

    def _widen(self) -> None:
        """Leave the narrow arrays, for good. Nothing is lost; a kernel compiled for the wide ones goes on."""
        for name, wide in self._waiting(False).items():
            narrow = self[name]
            wide[..., : narrow.shape[-1]] = narrow
            self._arrays[name] = wide

    @property
    def _bounds_are_sure(self) -> bool:
        """Whether no rate can exceed `Tables.bound`."""
        return True

    @property
    def _narrow(self) -> bool:
        return bool(self["home"].dtype == np.int32)

    def _empty_state(self, words: npt.NDArray[np.uint64]) -> dict[str, np.ndarray]:
        t, n = self.tables, self.n
        bits, lists = self.layout == "bitset", self.algorithm == "rejection_free"
        n_classes = len(t.class_rate)
        state: dict[str, np.ndarray] = {
            **self._tally_state(words),
            "bytes": np.zeros(1 if bits or lists else t.n_sites, np.uint8),
            "bits": np.zeros(((t.n_cells << basis_bits(t)) + 63) // 64 if bits else 1, np.uint64),
        }
        if lists:
            state |= {
                "carrier_at": np.full(t.n_sites, shared.ABSENT, np.uint32),
                "members": np.zeros(int(self._class_room().sum()), np.uint32),
                "where": np.full(n << slot_bits(t), shared.ABSENT, np.uint32),
                "length": np.zeros(n_classes, np.uint64),
                "tree": np.zeros(2 << max(0, n_classes - 1).bit_length()),
                "remaining": np.ones(1),
            }
        return state

    def _class_room(self) -> IntArray:
        """(C,) most hops of each class that can be listed at once."""
        t = self.tables
        # the carrier that hops has hops of its old and its new site listed for a moment
        room = np.full(len(t.class_rate), t.width)
        for s in range(t.n_species):  # any other one has at most so many hops of a class
            most = np.zeros_like(room)
            for kind in np.flatnonzero(t.type_species == s):
                own = t.rate_class[kind * t.width : (kind + 1) * t.width]
                most = np.maximum(most, np.bincount(own[own >= 0], minlength=len(room)))
            room += most * t.number[s]
        return room

    def _place(self, index: IntArray, kind: IntArray) -> npt.NDArray[np.uint64]:
        t = self.tables
        if self.layout == "bitset":
            place = _packed(t, [index[0], index[1], (index[2] << basis_bits(t)) + t.type_basis[kind]])
        else:
            place = np.ravel_multi_index(tuple(index), t.size) * t.n_basis + t.type_basis[kind]
        return np.asarray(place, np.uint64)

    def _occupy(self) -> None:
        sites = self.sites()
        if self.algorithm == "rejection_free":
            self["carrier_at"][sites] = np.arange(self.n, dtype=np.uint32)
        elif self.layout == "bitset":
            number = (self.cells() << basis_bits(self.tables)) + self.tables.type_basis[self.kinds()]
            np.bitwise_or.at(self["bits"], number >> 6, np.uint64(1) << (number & 63).astype(np.uint64))
        else:
            self["bytes"][sites] = 1

    # ---- running

    def configure(self, sample_interval: float, windows_per_row: int) -> None:
        """Set the sampling. Raises ValueError when a carrier could travel too far within a window."""
        t = self.tables
        reach = self._reach = max(1, int(np.abs(t.cell).max(initial=0)))
        moving = t.number > 0
        fastest = float(t.bound[moving].max(initial=0.0))

        def most_cells(n_samples: int) -> float:
            """Attempts of a carrier are a Poisson number of mean m at most. By Chernoff's bound, exp(k - m) (m/k)**k
            for k or more (M. Mitzenmacher and E. Upfal, Probability and Computing, theorem 5.4), the chance of
            2 (m + 1000) is below 2**-3000 whatever m."""
            return 2 * reach * (fastest * sample_interval * n_samples + 1000)

        if self._narrow and most_cells(2 ** max(0, self.levels - 1)) >= LONGEST_WAIT:
            self._widen()
        farthest = most_cells(2**self.levels)
        self._may_go_far = farthest > LONGEST_WINDOW or int(t.number.max(initial=0)) * farthest**2 > 2.0**62
        if self._may_go_far and self.algorithm == "null_event":
            raise ValueError(
                f"a sample interval of {sample_interval:g} s is too long: about {farthest / 2:.3g} steps in a window"
            )
        # the packed counters hold 2**20 cells: out of reach with 2**16 attempts a carrier on average
        share = float(t.number @ t.bound) / fastest if fastest else 1.0
        self._fold_after = max(1, int(min(2.0**62, 2**16 / reach * share)))
        self._arrays["plan"] = ks.SamplingPlan(
            levels=self.levels,
            windows_per_row=windows_per_row,
            integer_steps=t.integer_steps,
            base_shift=np.uint64(self.shift),
        )
        self._mean_attempts = float(t.number @ t.bound) * sample_interval
        self._configure_lists(sample_interval)

    def _configure_lists(self, sample_interval: float) -> None:
        self._arrays["class_weight"] = self.tables.class_rate * sample_interval
        if self.algorithm == "rejection_free":
            if not self["length"].any():
                k.list_open_hops(self._tuple(k.Lists))
            tree, leaves = self["tree"], len(self["tree"]) // 2
            tree[leaves : leaves + len(self["length"])] = self["length"] * self["class_weight"]
            for node in range(leaves - 1, 0, -1):
                tree[node] = tree[2 * node] + tree[2 * node + 1]

    def run(self, n_samples: int, work: int, *, most_logged: int | None = None) -> Chunk:
        """See `Backend.run`."""
        per_sample = SAMPLE_WORK + self.n
        if self.algorithm == "null_event":
            n = min(n_samples, int(work / (per_sample + self._mean_attempts)))
            return self._null_events(n, work, most_logged, per_sample)
        n, none = min(n_samples, max(1, work // per_sample)), np.zeros(0, np.int64)
        if most_logged is None:
            log = None
        else:
            work = min(work, max(1, most_logged), LOGGED_HOPS)
            log = np.zeros((work, LOG_COLUMNS))
        rows = self.execute(n, none, log, most=work)
        done = n - self.unfinished_samples
        hops = None if log is None else self._hop_log(log, 0, none)
        return Chunk(rows=rows, samples=done, work=self.attempts_made + per_sample * done, hops=hops)

    def _null_events(self, n: int, work: int, most_logged: int | None, per_sample: int) -> Chunk:
        """So many samples, or where not even one is allowed, a part of one."""
        made = 0
        if self._attempts_left or not n:
            if not self._attempts_left:
                self._attempts_left = self._attempts_of_sample = self._draw_attempts(1).item()
            n, made = 1, self._attempts_of_sample - self._attempts_left
            attempts = np.array([min(self._attempts_left, work // k.BATCH * k.BATCH)])
            self._attempts_left -= attempts.item()
            of_sample = np.array([self._attempts_of_sample])
        else:
            attempts = of_sample = self._draw_attempts(n)
        goes_on, total = self._attempts_left > 0, int(attempts.sum())
        if most_logged is not None and total > most_logged:
            raise ValueError(f"{total} attempts are too many to record at once")
        log = None if most_logged is None else np.zeros((total, LOG_COLUMNS))
        rows = self.execute(n, attempts, log, goes_on=goes_on)
        hops, done = None if log is None else self._hop_log(log, made, of_sample), n - goes_on
        return Chunk(rows=rows, samples=done, work=total + per_sample * done, hops=hops)

    def _draw_attempts(self, n_samples: int) -> IntArray:
        return self._attempts.poisson(self._mean_attempts, n_samples)

    def _hop_log(self, log: npt.NDArray[np.float64], made: int, attempts: IntArray) -> HopLog:
        """What the last call has logged. made : attempts of the first sample before the call."""
        log = log[: self.logged]
        sample, carrier, row = log[:, :3].T.astype(np.int64)
        when = log[:, 3].copy()
        when[sample == 0] += made
        numbers = log[:, 4:].astype(np.int64)
        return HopLog(sample=sample, carrier=carrier, row=row, when=when, attempts=attempts, numbers=numbers)

    @property
    def part_of_sample(self) -> float:
        """See `Backend.part_of_sample`."""
        if self.algorithm != "null_event":
            return float(1.0 - self["remaining"][0])
        if not self._attempts_left:
            return 0.0
        return (self._attempts_of_sample - self._attempts_left) / (self._attempts_of_sample + 1)

    def execute(
        self,
        n_samples: int,
        attempts: IntArray,
        log: npt.NDArray[np.float64] | None = None,
        *,
        most: int = 0,
        goes_on: bool = False,
    ) -> RawRows:
        """One call of the kernel: ``n_samples`` samples with (for null events) the given numbers of attempts.

        ``log`` (n, LOG_COLUMNS) receives the executed hops, `logged` of them.
        Null events: the last sample is not at its end if it ``goes_on``; its attempts so far must be whole batches.
        The other kernels come back early after ``most`` attempts, or when the log is full. `unfinished_samples` then
        says how many samples are left.
        """
        clock = self["clock"]
        self._stay_in_range(n_samples, int(attempts.sum()) if self.algorithm == "null_event" else most)
        rows, out = self._output(n_samples)
        buffer = np.zeros((0, LOG_COLUMNS)) if log is None else log
        clock[shared.LOGGED] = 0
        before = self._attempts_in_row
        with np.errstate(over="ignore"):  # only seen when the kernels run as plain Python
            self._most, self._goes_on = most, goes_on
            self.unfinished_samples = int(self._call(n_samples, attempts, out, buffer)) + goes_on
        self.attempts_made = self._attempts_in_row - before + int(rows.attempts.sum())
        if self._may_go_far and self.algorithm != "null_event":
            self._refuse_far(most * self._reach)
        self.logged = int(clock[shared.LOGGED])
        return rows.head(int(out.finished[0]))

    def _refuse_far(self, step: int) -> None:
        """Raise ValueError before displacements within a window leave 32 bits, or their squares 64."""
        waiting = [self["pending"][level] for level in range(self.levels) if self._sample >> level & 1]
        farthest = sum(int(np.abs(d.astype(np.int64)).max(initial=0)) for d in [*waiting, self["held"]])
        squares = 2 * (int(self.tables.number.max(initial=0)) * farthest**2 + step**2)
        if farthest + step > LONGEST_WINDOW or squares > 2**62:
            raise ValueError(f"the sample interval is too long: carriers travel {farthest} cells in a window")

    def _stay_in_range(self, n_samples: int, hops: int) -> None:
        """Widen the arrays before unwrapped cells could leave 32 bits. ``hops`` : most hops of all carriers."""
        if not self._narrow:
            return
        farthest = min(hops * self._reach, ((n_samples >> self.levels) + 2) * 2 * LONGEST_WAIT)
        self._room -= farthest
        if self._room < 0:
            self._room = room(self["home"]) - farthest
        if self._room < 0:
            self._widen()

    def _make_room(self, home: npt.NDArray[Any]) -> None:
        """Be able to hold these unwrapped cells."""
        self._room = 0
        if self._narrow and room(home) < 0:
            self._widen()

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Rows, log: npt.NDArray[np.float64]) -> int:
        """Run the kernel. Returns the samples that are left."""
        tally = self._tuple(ks.Tally)
        if self.algorithm == "null_event":
            bits, hops = True if self.layout == "bitset" else None, self._tuple(k.Hops)
            how = (self._goes_on, self._fold_after, bits, self._plain)
            k.run_null_event(attempts, *how, hops, tally, out, log)
            return 0
        lists = self._tuple(k.Lists)
        return int(k.run_rejection_free(n_samples, self._most, lists, tally, out, log))

    def _output(self, n_samples: int) -> tuple[RawRows, ks.Rows]:
        """Rows for the kernels to fill, and the same as they take them."""
        t, levels, clock = self.tables, self.levels, self["clock"]
        windows_per_row = self["plan"].windows_per_row
        begun = int(clock[shared.WINDOW]) * 2**levels + int(clock[shared.SAMPLE])
        rows = RawRows.empty(
            (begun + n_samples) // (2**levels * windows_per_row), t.n_rows, levels, t.n_species
        )
        n = len(rows)
        return rows, ks.Rows(
            events=rows.events,
            attempts=rows.attempts,
            collective=rows.collective.reshape(n, (levels + 1) * 9 * t.n_species**2),
            tracer=rows.tracer.reshape(n, (levels + 1) * 6 * t.n_species),
            finished=np.zeros(1, int),
        )

    # ---- the unfinished row

    def unfinished(self) -> Counts:
        """Hops and attempts of the unfinished row."""
        waiting = [c for level, c in enumerate(self["pending_counts"]) if self._sample >> level & 1]
        executed = self["events"].sum() + self["counts"].sum() + sum(int(c.sum()) for c in waiting)
        return Counts(int(executed), self._attempts_in_row)

    @property
    def _attempts_in_row(self) -> int:
        return int(self["clock"][shared.ATTEMPTS])

    @property
    def _sample(self) -> int:
        return int(self["clock"][shared.SAMPLE])

    def take_back(self, row: RawRows, windows: int) -> None:
        """Make a finished row (the last one) part of the unfinished one."""
        self["events"][:] += row.events[0]
        self["collective"][:] += row.collective[0].reshape(-1)
        self["tracer"][:] += row.tracer[0].reshape(-1)
        self["clock"][shared.ATTEMPTS] += row.attempts[0]
        self["clock"][shared.WINDOW] += windows

    def clear(self) -> None:
        """Forget everything tallied; the next sample begins a window."""
        self._attempts_left = 0
        self._add_waiting(self["home"])
        if not self.tables.integer_steps:
            self["last_base"][:] = self.kinds() * self.tables.width
        for name in ("events", "collective", "tracer", "clock"):
            self[name][...] = 0

    # ---- reading the state

    def carriers(self) -> Carriers:
        return Carriers(self.cells(), self.kinds())

    def kinds(self) -> IntArray:
        """(N,) type of each carrier."""
        base = self["record"][0::2] >> np.uint64(self.shift)
        return base.astype(np.int64) // self.tables.width

    def cells(self) -> IntArray:
        """(N,) cell number of each carrier."""
        t = self.tables
        place = (self["record"][0::2] & np.uint64((1 << self.shift) - 1)).astype(np.int64)
        if self.layout != "bitset":
            return place // t.n_basis
        field = bit_field(t)
        mask = (1 << field) - 1
        index = (place >> 2 * field, (place >> field) & mask, (place & mask) >> basis_bits(t))
        return np.ravel_multi_index(index, t.size)

    def sites(self) -> IntArray:
        """(N,) engine's site number, cell * B + basis site, of each carrier."""
        return self.cells() * self.tables.n_basis + self.tables.type_basis[self.kinds()]

    def unwrapped(self) -> IntArray:
        """(N, 3) cell of each carrier, counted on across the periodic boundaries."""
        cell = self["home"].astype(np.int64)
        self._add_waiting(cell)
        return cell.T

    def _add_waiting(self, cell: npt.NDArray[Any]) -> None:
        """Add what carriers have travelled in this window to (3, N) cells."""
        for level in range(self.levels):
            if self._sample >> level & 1:
                cell += self["pending"][level]

    @property
    def nbytes(self) -> int:
        """Bytes of the kernels' arrays."""
        return sum(a.nbytes for a in self._arrays.values() if isinstance(a, np.ndarray))

    def save(self) -> dict[str, Any]:
        """See `Backend.save`; names are those of the kernels' arrays."""
        state: dict[str, Any] = {
            "attempts_left": self._attempts_left,
            "attempts_of_sample": self._attempts_of_sample,
            "attempts_stream": json.dumps(self._attempts.bit_generator.state),
        }
        state |= {f"state_{name}": self[name].copy() for name in self._saved if name in self._arrays}
        state |= {f"state_{name}": self[name].copy() for name in WITHIN if name in self._arrays}
        if not self["clock"][shared.FOLDED]:
            state["state_held"] = state["state_held"][:, :0]  # nothing but zeros
        return state

    @property
    def _saved(self) -> Sequence[str]:
        return SAVED

    def load(self, saved: Mapping[str, Any]) -> None:
        """See `Backend.load`."""
        self["bytes"][:] = 0
        self["bits"][:] = 0
        if self.algorithm == "rejection_free":
            self["carrier_at"][:] = shared.ABSENT
        self._take_over(saved)

    def _take_over(self, saved: Mapping[str, Any]) -> None:
        self._attempts_left = int(saved["attempts_left"])
        self._attempts_of_sample = int(saved.get("attempts_of_sample", self._attempts_left))
        self._attempts.bit_generator.state = json.loads(str(saved["attempts_stream"]))
        self._make_room(saved["state_home"])
        if self._narrow and saved["state_held"].size:
            self._widen()
        for name in (*self._saved, *WITHIN):
            if name in self._arrays and saved[f"state_{name}"].size:
                self[name][...] = saved[f"state_{name}"]
        self._occupy()


def room(home: npt.NDArray[Any]) -> int:
    """Cells that every carrier may still travel, before its unwrapped cell might leave 32 bits."""
    return FAR - max(int(home.max(initial=0)), -int(home.min(initial=0)))


def species_cut(t: Tables) -> npt.NDArray[np.uint64]:
    """(S,) shares of the species' attempts, added up, of 2**64."""
    weight = t.number * t.bound
    return np.array(
        [int(x * 2.0**64) if x < 1 else 2**64 - 1 for x in np.cumsum(weight) / max(weight.sum(), 1e-300)],
        np.uint64,
    )


def n_links(t: Tables) -> int:
    """Columns of the neighbour table."""
    return max((len(x) for x in t.links), default=1) or 1


def neighbour_table(t: Tables) -> npt.NDArray[np.uint32]:
    """(n_sites * L,) site that each link of each site leads to; unused links lead back to the site."""
    table = np.empty((*t.size, t.n_basis, n_links(t)), np.uint32)
    table[:] = np.arange(t.n_sites, dtype=np.uint32).reshape(*t.size, t.n_basis, 1)
    axes = [np.arange(s) for s in t.size]
    for b, links in enumerate(t.links):
        for column, (target, offset) in enumerate(links):
            x, y, z = ((a + o) % s for a, o, s in zip(axes, offset, t.size, strict=True))
            cell = (x[:, None, None] * t.size[1] + y[None, :, None]) * t.size[2] + z[None, None, :]
            table[:, :, :, b, column] = cell * t.n_basis + target
    return table.reshape(-1)
