"""One simulated copy of the system: state, random streams, tallies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model.interactions import Initial
from ..ndarrays import FloatArray, IntArray
from ..rates.catalog import RateCatalog
from ..records import TICKS, ExitReason, Tallies
from .backend import TIMES, Chunk, Counts, MakeBackend, Start, generator
from .choice import make_backend
from .feed import MOST_LOGGED, Feed, OnHops
from .pace import Pace, ShouldStop, never
from .tables import Tables
from .tallies import TALLY_ARRAYS, RawTallies, tallies_of

__all__ = ["Events", "Replica"]

SNAPSHOT_VERSION = 3

CHECK_HOPS = 20_000_000
"""Executed hops after which energies and rates are counted anew and compared with those kept up to date."""

AT_ONCE = 2**62
"""Work of a call that is not to come back early."""


@dataclass(frozen=True, eq=False)
class Events:
    """Executed hops in the order of time; all arrays (n,)."""

    time: FloatArray
    """s, since the last `Replica.reset`."""
    carrier: IntArray
    """Carriers are numbered species by species."""
    hop: IntArray
    """Index of the directed hop in the catalog."""


class Replica:
    """Kinetic Monte Carlo of all carriers in the model's supercell at one temperature and field.

    Parameters
    ----------
    seed : every random number comes from children of it (one for each purpose), whatever ran before.
    sample_interval : simulated time between samples, s, > 0. Default, to be changed by `reset` when rates are known: as
        long as the fastest carrier that can occur waits.
    levels, windows_per_row : see `kmc_transport.records.Tallies`.
    algorithm : ``null_event`` (uniformisation: attempts at the largest rates that can occur, thinned),
        ``rejection_free`` (n-fold way: A. B. Bortz, M. H. Kalos, J. L. Lebowitz, J. Comput. Phys. 17, 10 (1975);
        with interactions lists by classes of rates), ``sum_tree`` (binary tree over the carriers' rates), ``absorbing``
        (whole stays in small basins at once, for few carriers; hops cannot be listed) or ``auto``.
        All are exact in law. With interactions, ``auto`` tries null events out and looks again at every `reset`.
    layout : ``table``, ``bitset`` or ``auto``: memory layout of the null-event kernel. It changes no result.
        (With interactions there is one layout, ``halo``.)
    initial : where the carriers start; default: ``catalog.model.initial``.
    should_stop : asked some times a second while the start is annealed and the algorithm chosen.
    backend : makes the engine (`kmc_transport.engine.backend.Backend`); default: the one that the model needs.

    Attributes
    ----------
    annealing : how the start was annealed (`engine.canonical.anneal.Annealing`), None if it was not, and in a
        restored replica. initial_note : the same in words, kept in snapshots. starts_at_rest : false if annealing did
        not come to equilibrium within its sweeps.

    Raises ValueError for arguments out of range, Stopped (`kmc_transport.engine.pace`) when told to stop.
    """

    def __init__(
        self,
        catalog: RateCatalog,
        *,
        seed: np.random.SeedSequence,
        sample_interval: float | None = None,
        levels: int = 7,
        windows_per_row: int = 1,
        algorithm: str = "auto",
        layout: str = "auto",
        initial: Initial | None = None,
        should_stop: ShouldStop = never,
        backend: MakeBackend = make_backend,
    ) -> None:
        if not 0 <= levels <= 30:
            raise ValueError(f"levels must be 0 to 30, not {levels}")
        self.catalog, self.levels = catalog, levels
        self._backend = backend(
            Start(
                catalog=catalog,
                seed=seed,
                algorithm=algorithm,
                layout=layout,
                levels=levels,
                initial=catalog.model.initial if initial is None else initial,
                should_stop=should_stop,
            )
        )
        self._times = generator(seed, TIMES)
        self.annealing = self._backend.annealing
        self.initial_note = "" if self.annealing is None else str(self.annealing)
        self._checked_at, self._until_check = 0, 0.0
        self.largest_deviation = 0.0
        self._clamped_before: IntArray = np.zeros(len(catalog.rate), np.int64)
        self._before = Counts(0, 0)
        self._can_move = False
        self._pace = Pace()
        fastest = float(self._tables.bound[self._tables.number > 0].max(initial=0.0))
        if sample_interval is None:
            sample_interval = 1 / fastest if fastest else 1.0
        self._begin(sample_interval, windows_per_row)

    def _begin(self, sample_interval: float, windows_per_row: int) -> None:
        if not (0 < sample_interval < np.inf and windows_per_row >= 1):
            raise ValueError(
                f"need a positive sample interval and row length, not {sample_interval} s, {windows_per_row}"
            )
        self._backend.configure(sample_interval, windows_per_row)
        self.sample_interval, self.windows_per_row = float(sample_interval), int(windows_per_row)
        self._samples = 0
        self._parts: list[RawTallies] = []
        self._in_parts = Counts(0, 0)

    # ---- running

    def advance(
        self, n_samples: int, *, should_stop: ShouldStop = never, on_hops: OnHops | None = None
    ) -> ExitReason:
        """Simulate ``n_samples`` more sample intervals; how they are split over calls changes nothing.

        Comes back with `ExitReason.DONE`, or `ExitReason.BLOCKED_LATTICE` at once when no carrier can hop.
        (Every hop has its reverse, so that a lattice on which anything has moved cannot be blocked.)
        ``should_stop`` is asked some times a second, in the middle of a sample too: `ExitReason.INTERRUPTED`, and a
        later call goes on from there. The interpreter's lock is released, but taken again as often.
        ``on_hops`` is given every hop, in chunks; whether somebody listens changes no hop and no random number.
        """
        if not self._mobile():
            return ExitReason.BLOCKED_LATTICE
        goal = self._samples + n_samples
        feed = None if on_hops is None else Feed(self._backend, on_hops, self._key)
        while self._samples < goal:
            if should_stop():
                return ExitReason.INTERRUPTED
            self._pace.start()
            work = self._run_fed(goal - self._samples, self._pace.work, feed)
            self._pace.end(work)
            self._check_sometimes(work)
        return ExitReason.DONE

    def _run_fed(self, n_samples: int, work: int, feed: Feed | None) -> float:
        """One chunk, its hops to the feed; what it has cost."""
        if feed is None:
            return self._run(n_samples, work).work
        begin, sample, per_row = self._ticks, self._samples, self.windows_per_row * 2**self.levels
        chunk = self._run(min(n_samples, per_row - sample % per_row), min(work, MOST_LOGGED), AT_ONCE)
        assert chunk.hops is not None
        feed.deliver(
            chunk.hops,
            window=sample // per_row,
            begin=begin,
            end=self._ticks,
            sample=sample,
            interval=self.sample_interval,
        )
        return chunk.work

    @property
    def _key(self) -> int:
        """Word of 64 bits that belongs to the stream of times, whatever was drawn from it."""
        increment = int(self._times.bit_generator.state["state"]["inc"])  # type: ignore[call-overload,index]
        return (increment ^ increment >> 64) & (2**64 - 1)

    @property
    def _ticks(self) -> int:
        """Since the last `reset`."""
        return self._samples * TICKS + round(self._backend.part_of_sample * TICKS)

    def _run(self, n_samples: int, work: int, most_logged: int | None = None) -> Chunk:
        """One chunk: the only place where the engine goes on, and where chunks end."""
        chunk = self._backend.run(n_samples, work, most_logged=most_logged)
        self._samples += chunk.samples
        if len(chunk.tallies):
            self._parts.append(chunk.tallies)
            more = _counted(chunk.tallies)
            self._in_parts = Counts(
                self._in_parts.executed + more.executed, self._in_parts.attempts + more.attempts
            )
        return chunk

    def _check_sometimes(self, work: float) -> None:
        """Every `CHECK_HOPS` hops, compare what is kept up to date with the same counted anew."""
        self._until_check -= work  # hops are no more than that, and counting them takes its time
        if self._until_check <= 0:
            executed, least = self.executed, max(CHECK_HOPS, 100 * self.n_carriers)
            if executed - self._checked_at >= least:
                self._checked_at = executed
                self.check()
            self._until_check = float(least - (executed - self._checked_at))

    def check(self) -> float:
        """Count energies and rates of the present state anew and compare them with those kept up to date.

        Returns the largest deviation found so far, eV (also `largest_deviation`). Energies are whole numbers of
        quanta, so that there is none unless something is broken: RuntimeError above 1e-9 eV.
        """
        self.largest_deviation = max(self.largest_deviation, self._backend.check())
        if self.largest_deviation > 1e-9:
            raise RuntimeError(
                f"energies kept up to date are {self.largest_deviation:g} eV off those counted anew; "
                "please report this with the input"
            )
        return self.largest_deviation

    def _mobile(self) -> bool:
        self._can_move = self._can_move or self._any_open()
        return self._can_move

    def record_events(self, n_samples: int, max_events: int = 10_000_000) -> Events:
        """Advance by ``n_samples`` samples (tallied as always) and list the executed hops.

        Null events get their times from a stream of their own, so that recording does not change the
        trajectory. Raises ValueError beyond ``max_events`` hops or attempts a call.
        """
        found = [Events(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))]
        goal, recorded = self._samples + n_samples * self._mobile(), 0
        while self._samples < goal:
            start = self._samples
            hops = self._run(goal - start, AT_ONCE, max_events).hops
            assert hops is not None
            when = (start + hops.sample + hops.drawn_parts(self._times)) * self.sample_interval
            found.append(Events(when, hops.carrier, self._tables.hop[hops.row]))
            recorded += len(when)
            if recorded > max_events:
                raise ValueError(f"more than {max_events} hops to record at once")
        return Events(*(np.concatenate([getattr(e, n) for e in found]) for n in ("time", "carrier", "hop")))

    # ---- tallies

    @property
    def tallies(self) -> Tallies:
        """The complete rows since the last `reset`; an unfinished row stays inside."""
        return tallies_of(
            self._raw(),
            self._tables,
            sample_interval=self.sample_interval,
            windows_per_row=self.windows_per_row,
        )

    def _raw(self) -> RawTallies:
        if len(self._parts) != 1:
            none = RawTallies.empty(0, self._tables.n_rows, self.levels, self._tables.n_species)
            self._parts = [RawTallies.concatenate([none, *self._parts])]
        return self._parts[0]

    @property
    def n_rows(self) -> int:
        """Number of complete rows."""
        return sum(map(len, self._parts[:]))

    def coarsen(self) -> None:
        """Rows twice as long from now on; complete ones are added up in pairs, an odd one is continued."""
        raw = self._raw()
        even = len(raw) // 2 * 2
        if len(raw) > even:
            self._backend.take_back(raw.part(slice(even, None)), self.windows_per_row)
        self._parts = [raw.head(even).pairs()]
        self._in_parts = _counted(self._parts[0])
        self.windows_per_row *= 2
        self._backend.configure(self.sample_interval, self.windows_per_row)

    def reset(self, sample_interval: float | None = None, windows_per_row: int | None = None) -> None:
        """Drop all tallies and start the clock anew, with the carriers and random streams as they are.

        With interactions and ``algorithm="auto"`` the algorithm may change, by what was measured until here.
        """
        self._clamped_before = self._clamped_before + self.clamped_events
        now = Counts(self.executed, self.attempted)
        done = Counts(now.executed - self._before.executed, now.attempts - self._before.attempts)
        self._before = now
        self._backend.clear()
        self._backend = self._backend.successor(done)
        self._begin(
            self.sample_interval if sample_interval is None else sample_interval,
            self.windows_per_row if windows_per_row is None else windows_per_row,
        )

    # ---- where it stands

    @property
    def _tables(self) -> Tables:
        return self._backend.tables

    @property
    def algorithm(self) -> str:
        """The one that is used."""
        return self._backend.algorithm

    @property
    def layout(self) -> str:
        """Memory layout that is used."""
        return self._backend.layout

    @property
    def acceptance_estimate(self) -> float:
        """Share of null-event attempts that would be executed, as foretold; nan where the algorithm was given."""
        return self._backend.acceptance_estimate

    @property
    def time(self) -> float:
        """Simulated time since the last `reset`, s: a whole number of intervals, so that nothing drifts."""
        return self._samples * self.sample_interval

    @property
    def samples(self) -> int:
        """Samples since the last `reset`."""
        return self._samples

    @property
    def executed(self) -> int:
        """Hops executed since the start, those before a `reset` included."""
        return self._before.executed + self._in_parts.executed + self._backend.unfinished().executed

    @property
    def executed_since_reset(self) -> int:
        """Hops executed since the last `reset`."""
        return self.executed - self._before.executed

    @property
    def executed_in_rows(self) -> int:
        """Hops executed in the complete rows since the last `reset`."""
        return self._in_parts.executed

    @property
    def row_time(self) -> float:
        """Simulated time of one row, s."""
        return self.sample_interval * 2**self.levels * self.windows_per_row

    @property
    def attempted(self) -> int:
        """Attempts since the start, those before a `reset` included."""
        return self._before.attempts + self._in_parts.attempts + self._backend.unfinished().attempts

    @property
    def n_carriers(self) -> int:
        return int(self._tables.number.sum())

    @property
    def species(self) -> IntArray:
        """(n_carriers,) species of each carrier."""
        return self._tables.type_species[self._backend.carriers().types]

    def occupation(self) -> IntArray:
        """(n_carriers,) site of each carrier: ``n_sites * ((i L1 + j) L2 + k) + site of the cell``."""
        t, (cell, types) = self._tables, self._backend.carriers()
        return cell * t.model.structure.n_sites + t.basis_site[t.type_basis[types]]

    def positions(self) -> FloatArray:
        """(n_carriers, 3) unwrapped positions of the charge centres, Å."""
        t, types = self._tables, self._backend.carriers().types
        return t.centre[types] + self._backend.unwrapped() @ t.model.structure.lattice

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind in the present state, from scratch, 1/s."""
        return self._backend.open_rates()

    def total_rate(self) -> float:
        """Sum of the rates of all open hops in the present state, from scratch, 1/s."""
        return float(self.open_rates().sum())

    def _any_open(self) -> bool:
        return bool(np.any(self.open_rates() > 0))

    def energy(self) -> float:
        """Total energy of the present state without field, from scratch, eV.

        Site energies alone where the model has no interactions.
        """
        return self._backend.energy()

    @property
    def energy_drift(self) -> float:
        """Energy counted anew less that kept up to date hop by hop, eV: 0 unless something is broken.

        Above a million sites it counts from the first time that it was asked for.
        """
        return self._backend.energy_drift()

    @property
    def clamped_events(self) -> IntArray:
        """(n_hops,) executed hops whose barrier was clamped where they started, since the last `reset`.

        Without interactions these are all executed hops of the clamped hops of the catalog in `tallies`, and 0 here.
        """
        return self._backend.clamped_events() - self._clamped_before

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that the simulation keeps."""
        return self._backend.nbytes

    @property
    def starts_at_rest(self) -> bool:
        return not self.initial_note.startswith("not equilibrated")

    # ---- stopping and going on

    def snapshot(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on bit for bit: numpy arrays, numbers and strings."""
        raw = self._raw()
        return {
            "version": SNAPSHOT_VERSION,
            "algorithm": self.algorithm,
            "layout": self.layout,
            "sample_interval": self.sample_interval,
            "levels": self.levels,
            "windows_per_row": self.windows_per_row,
            "samples": self._samples,
            "executed_before": self._before.executed,
            "attempted_before": self._before.attempts,
            "initial_note": self.initial_note,
            "times_stream": json.dumps(self._times.bit_generator.state),
            "checked_at": self._checked_at,
            "largest_deviation": self.largest_deviation,
            "clamped_before": self._clamped_before.copy(),
            **{f"rows_{name}": getattr(raw, name).copy() for name in TALLY_ARRAYS},
            **self._backend.save(),
        }

    @classmethod
    def restore(
        cls, catalog: RateCatalog, snapshot: dict[str, Any], *, backend: MakeBackend = make_backend
    ) -> Replica:
        """The replica that `snapshot` was taken of; ``catalog`` and ``backend`` must be the same.

        Raises ValueError for a snapshot of another version or shape.
        """
        if int(snapshot["version"]) != SNAPSHOT_VERSION:
            raise ValueError(f"snapshot of version {snapshot['version']}, this is {SNAPSHOT_VERSION}")
        replica = cls(
            catalog,
            seed=np.random.SeedSequence(0),
            sample_interval=float(snapshot["sample_interval"]),
            levels=int(snapshot["levels"]),
            windows_per_row=int(snapshot["windows_per_row"]),
            algorithm=str(snapshot["algorithm"]),
            layout=str(snapshot["layout"]).replace("halo", "auto"),  # with interactions there is no other
            initial=Initial(),  # carriers are put where they were below
            backend=backend,
        )
        replica._backend.load(snapshot)
        replica._backend.configure(replica.sample_interval, replica.windows_per_row)
        # without interactions, versions up to 0.5 kept nothing of these
        replica._checked_at = int(snapshot.get("checked_at", 0))
        replica.largest_deviation = float(snapshot.get("largest_deviation", 0.0))
        replica._clamped_before += np.array(snapshot.get("clamped_before", 0), np.int64)
        replica._samples = int(snapshot["samples"])
        replica.initial_note = str(snapshot["initial_note"])
        replica._before = Counts(int(snapshot["executed_before"]), int(snapshot["attempted_before"]))
        replica._times.bit_generator.state = json.loads(str(snapshot["times_stream"]))
        replica._parts = [RawTallies(*(np.array(snapshot[f"rows_{name}"]) for name in TALLY_ARRAYS))]
        replica._in_parts = _counted(replica._parts[0])
        return replica


def _counted(raw: RawTallies) -> Counts:
    """Executed hops and attempts of complete rows."""
    return Counts(int(raw.events.sum()), int(raw.attempts.sum()))
