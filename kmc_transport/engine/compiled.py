"""What the compiled engines share: the arrays of carriers and tallies, calls of the kernels, counters kept in range,
snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..ndarrays import FloatArray, IntArray
from . import kernels_sampling as ks
from . import kernels_shared as shared
from .backend import ATTEMPTS, Carriers, Chunk, Counts, HopLog, Start, generator
from .plain.kernels import BATCH
from .tables import Tables
from .tallies import LOG_COLUMNS, RawTallies

if TYPE_CHECKING:
    from .canonical.anneal import Annealing

__all__ = ["SAVED", "Compiled", "species_cut"]

SAVED = (
    *("rng", "record", "pending_counts", "events", "pending", "pending_base", "last_base", "home"),
    *("collective", "tracer", "clock"),
)
"""Arrays that a snapshot of any compiled engine needs; the others follow from them."""

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

FEW_CARRIERS = 64
"""Fewer carriers need no thrift. They travel far between samples, and their kernels should not be compiled twice."""

FAR = 2**31 - 2 * LONGEST_WAIT
"""Cells from where a carrier may begin a window that is kept in 32 bits."""


class Compiled:
    """State of one replica in the kernels' arrays, which go by the names that the kernels' records give them.

    An engine makes them (`_arrays`), calls `_put`, and says where things are: `_place`, `cells`, `_occupy`.
    """

    thrifty: ClassVar[bool] = True
    """Whether it may keep displacements of many carriers in 16 bits: then no rate exceeds `Tables.bound`."""

    acceptance_estimate = float("nan")
    annealing: Annealing | None = None
    saved: ClassVar[tuple[str, ...]] = SAVED
    """Arrays that its snapshots need."""

    _arrays: dict[str, Any]
    shift: int
    """Bits of a carrier's record below its base row."""

    def __init__(
        self, tables: Tables, start: Start, carriers: Carriers, *, algorithm: str, layout: str
    ) -> None:
        self.tables, self.algorithm, self.layout, self.levels = tables, algorithm, layout, start.levels
        self.start, self._attempts = start, generator(start.seed, ATTEMPTS)
        self._attempts_left = self._attempts_of_sample = 0
        self.n = len(carriers.cell)

    def _put(self, carriers: Carriers) -> None:
        """Let the carriers begin here."""
        t, (cell, types) = self.tables, carriers
        index = np.stack(np.unravel_index(cell, t.size)) if self.n else np.zeros((3, 0), np.int64)
        self["home"][:] = index
        base = types * t.width
        self["record"][0::2] = self._place(index, types) | (base.astype(np.uint64) << np.uint64(self.shift))
        if not t.integer_steps:
            self["last_base"][:] = base
        self._occupy()

    def _place(self, index: IntArray, types: IntArray) -> npt.NDArray[np.uint64]:
        """(N,) places, as records have them, of carriers of some types in cells (3, N)."""
        raise NotImplementedError

    def _occupy(self) -> None:
        """Let the sites know who sits on them, by the records."""
        raise NotImplementedError

    def cells(self) -> IntArray:
        """(N,) cell number of each carrier."""
        raise NotImplementedError

    def _configure_lists(self, sample_interval: float) -> None:
        """What else depends on the sample interval."""
        raise NotImplementedError

    def _call(self, n_samples: int, attempts: IntArray, out: ks.Counted, log: FloatArray) -> int:
        """Run the kernel. Returns the samples that are left."""
        raise NotImplementedError

    _room = 0
    """Cells that every carrier may travel until `_stay_in_range` looks again."""

    def __getitem__(self, name: str) -> Any:
        """One of the kernels' arrays."""
        return self._arrays[name]

    def _tuple(self, kind: type) -> Any:
        return kind(**{name: self._arrays[name] for name in kind._fields})  # type: ignore[attr-defined]

    # ---- making the arrays

    def _measures(self) -> dict[str, Any]:
        """What the sampling needs of the network, and the choice of a species."""
        t = self.tables
        return {
            "first": t.first[:-1].astype(np.uint64),
            "number": t.number.astype(np.uint64),
            "cut": species_cut(t),
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
            "batch": np.zeros((3, BATCH), np.uint64),
            "pending_counts": np.zeros((levels, t.n_rows), np.int64),
            **self._waiting(self.thrifty and n >= FEW_CARRIERS and t.n_rows < LONGEST_WAIT),
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
    def _narrow(self) -> bool:
        return bool(self["home"].dtype == np.int32)

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
        raw = self.execute(n, none, log, most=work)
        done = n - self.unfinished_samples
        hops = None if log is None else self._hop_log(log, 0, none)
        return Chunk(tallies=raw, samples=done, work=self.attempts_made + per_sample * done, hops=hops)

    def _null_events(self, n: int, work: int, most_logged: int | None, per_sample: int) -> Chunk:
        """So many samples, or where not even one is allowed, a part of one."""
        made = 0
        if self._attempts_left or not n:
            if not self._attempts_left:
                self._attempts_left = self._attempts_of_sample = self._draw_attempts(1).item()
            n, made = 1, self._attempts_of_sample - self._attempts_left
            attempts = np.array([min(self._attempts_left, work // BATCH * BATCH)])
            self._attempts_left -= attempts.item()
            of_sample = np.array([self._attempts_of_sample])
        else:
            attempts = of_sample = self._draw_attempts(n)
        goes_on, total = self._attempts_left > 0, int(attempts.sum())
        if most_logged is not None and total > most_logged:
            raise ValueError(f"{total} attempts are too many to record at once")
        log = None if most_logged is None else np.zeros((total, LOG_COLUMNS))
        raw = self.execute(n, attempts, log, goes_on=goes_on)
        hops, done = None if log is None else self._hop_log(log, made, of_sample), n - goes_on
        return Chunk(tallies=raw, samples=done, work=total + per_sample * done, hops=hops)

    def _draw_attempts(self, n_samples: int) -> IntArray:
        return self._attempts.poisson(self._mean_attempts, n_samples)

    def _hop_log(self, log: FloatArray, made: int, attempts: IntArray) -> HopLog:
        """What the last call has logged. made : attempts of the first sample before the call."""
        log = log[: self.logged]
        # each in one piece, as kernels expect
        sample, carrier, row = log[:, :3].T.astype(np.int64, order="C")
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
        log: FloatArray | None = None,
        *,
        most: int = 0,
        goes_on: bool = False,
    ) -> RawTallies:
        """One call of the kernel: ``n_samples`` samples with (for null events) the given numbers of attempts.

        ``log`` (n, LOG_COLUMNS) receives the executed hops, `logged` of them.
        Null events: the last sample is not at its end if it ``goes_on``; its attempts so far must be whole batches.
        The other kernels come back early after ``most`` attempts, or when the log is full. `unfinished_samples` then
        says how many samples are left.
        """
        clock = self["clock"]
        self._stay_in_range(n_samples, int(attempts.sum()) if self.algorithm == "null_event" else most)
        raw, out = self._output(n_samples)
        buffer = np.zeros((0, LOG_COLUMNS)) if log is None else log
        clock[shared.LOGGED] = 0
        before = self._attempts_in_row
        with np.errstate(over="ignore"):  # only seen when the kernels run as plain Python
            self._most, self._goes_on = most, goes_on
            self.unfinished_samples = int(self._call(n_samples, attempts, out, buffer)) + goes_on
        self.attempts_made = self._attempts_in_row - before + int(raw.attempts.sum())
        if self._may_go_far and self.algorithm != "null_event":
            self._refuse_far(most * self._reach)
        self.logged = int(clock[shared.LOGGED])
        return raw.head(int(out.finished[0]))

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

    def _output(self, n_samples: int) -> tuple[RawTallies, ks.Counted]:
        """Rows for the kernels to fill, and the same as they take them."""
        t, levels, clock = self.tables, self.levels, self["clock"]
        windows_per_row = self["plan"].windows_per_row
        begun = int(clock[shared.WINDOW]) * 2**levels + int(clock[shared.SAMPLE])
        raw = RawTallies.empty(
            (begun + n_samples) // (2**levels * windows_per_row), t.n_rows, levels, t.n_species
        )
        n = len(raw)
        return raw, ks.Counted(
            events=raw.events,
            attempts=raw.attempts,
            collective=raw.collective.reshape(n, (levels + 1) * 9 * t.n_species**2),
            tracer=raw.tracer.reshape(n, (levels + 1) * 6 * t.n_species),
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

    def take_back(self, last: RawTallies, windows: int) -> None:
        """Make a finished row (the last one) part of the unfinished one."""
        self["events"][:] += last.events[0]
        self["collective"][:] += last.collective[0].reshape(-1)
        self["tracer"][:] += last.tracer[0].reshape(-1)
        self["clock"][shared.ATTEMPTS] += last.attempts[0]
        self["clock"][shared.WINDOW] += windows

    def clear(self) -> None:
        """Forget everything tallied; the next sample begins a window."""
        self._attempts_left = 0
        self._add_waiting(self["home"])
        if not self.tables.integer_steps:
            self["last_base"][:] = self.types() * self.tables.width
        for name in ("events", "collective", "tracer", "clock"):
            self[name][...] = 0

    # ---- reading the state

    def carriers(self) -> Carriers:
        return Carriers(self.cells(), self.types())

    def types(self) -> IntArray:
        """(N,) type of each carrier."""
        base = self["record"][0::2] >> np.uint64(self.shift)
        return base.astype(np.int64) // self.tables.width

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
        state |= {f"state_{name}": self[name].copy() for name in self.saved if name in self._arrays}
        state |= {f"state_{name}": self[name].copy() for name in WITHIN if name in self._arrays}
        if not self["clock"][shared.FOLDED]:
            state["state_held"] = state["state_held"][:, :0]  # nothing but zeros
        return state

    def load(self, saved: Mapping[str, Any]) -> None:
        """See `Backend.load`."""
        self._attempts_left = int(saved["attempts_left"])
        self._attempts_of_sample = int(saved.get("attempts_of_sample", self._attempts_left))
        self._attempts.bit_generator.state = json.loads(str(saved["attempts_stream"]))
        self._make_room(saved["state_home"])
        if self._narrow and saved["state_held"].size:
            self._widen()
        for name in (*self.saved, *WITHIN):
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
