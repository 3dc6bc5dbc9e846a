"""One simulated copy of the system: state, random streams, tallies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..model.interactions import Initial
from ..rates.catalog import RateCatalog
from ..records import TICKS, ExitReason, Tallies
from .canonical.initial import initial_configuration
from .feed import MOST_LOGGED, Feed, OnHops
from .pace import Pace, ShouldStop, never
from .plain.compiled import Compiled
from .plain.kernels import BATCH
from .plain.twin import Twin
from .rows import LOG_COLUMNS, RawRows
from .selection import expected_acceptance, pick_algorithm, pick_layout
from .tables import NULL, build_tables

if TYPE_CHECKING:
    from .interacting.backend import Interacting
    from .interacting.coupling import Coupling
    from .interacting.scratch import Scratch
    from .interacting.twin import InteractingTwin

__all__ = ["Events", "Replica"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

INITIAL, HOPS, ATTEMPTS, TIMES, PILOT = range(5)
"""Purposes of the random streams: last entry of the spawn key."""

SNAPSHOT_VERSION = 3

CHECK_HOPS = 20_000_000
"""Executed hops after which energies and rates are counted anew and compared with those kept up to date."""

SMALL = 1_000_000
"""Sites up to which the energy at the start is counted; above, when it is first asked for."""

SAMPLE_WORK = 30
"""A sample costs as much as so many attempts, and one for each carrier."""


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
        with interactions lists by classes of rates), ``sum_tree`` (binary tree over the carriers' rates) or ``auto``.
        All are exact in law. With interactions, ``auto`` tries null events out and looks again at every `reset`.
    layout : ``table``, ``bitset`` or ``auto``: memory layout of the null-event kernel. It changes no result.
        (With interactions there is one layout, ``halo``.)
    twin : run the plain-Python twin instead: same random numbers, same trajectory, some thousand times slower.
    initial : where the carriers start; default: ``catalog.model.initial``.
    should_stop : asked some times a second while the start is annealed and the algorithm chosen.

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
        twin: bool = False,
        initial: Initial | None = None,
        should_stop: ShouldStop = never,
    ) -> None:
        if not 0 <= levels <= 30:
            raise ValueError(f"levels must be 0 to 30, not {levels}")
        self.catalog = catalog
        self._coupling = self._couple(algorithm == "sum_tree")
        self._tables = build_tables(catalog) if self._coupling is None else self._coupling.tables
        self.levels = levels
        self.is_twin = twin
        self._wanted = algorithm

        def child(purpose: int) -> np.random.SeedSequence:
            return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, purpose))

        cell, kind, self.annealing = initial_configuration(
            self._tables,
            catalog.temperature,
            np.random.Generator(np.random.PCG64(child(INITIAL))),
            catalog.model.initial if initial is None else initial,
            should_stop,
        )
        self.initial_note = "" if self.annealing is None else str(self.annealing)
        words = np.asarray(child(HOPS).generate_state(4, np.uint64), np.uint64)
        self._attempts = np.random.Generator(np.random.PCG64(child(ATTEMPTS)))
        self._times = np.random.Generator(np.random.PCG64(child(TIMES)))
        self._backend: Compiled | Twin
        if self._coupling is None:
            self.acceptance_estimate = expected_acceptance(catalog, self._tables)
            self.algorithm = pick_algorithm(algorithm, self._tables, self.acceptance_estimate)
            self.layout = pick_layout(layout, self._tables, self.algorithm)
            places: dict[str, Any] = {"cell": cell, "kind": kind, "words": words}
            if twin:
                self._backend = Twin(self._tables, algorithm=self.algorithm, levels=levels, **places)
            else:
                self._backend = Compiled(
                    self._tables, algorithm=self.algorithm, layout=self.layout, levels=levels, **places
                )
        else:
            from .interacting.selection import pick_interacting

            pick_layout(layout, self._tables, "rejection_free")  # refuses an unknown one
            self.layout = "halo"
            self.algorithm, self.acceptance_estimate = pick_interacting(
                algorithm, self._coupling, cell, kind, child(PILOT), should_stop=should_stop
            )
            self._backend = self._interacting(cell, kind, words)
            self._energy_base: tuple[int, int] | None = None
            if self._tables.n_sites <= SMALL:
                self._energy_base = (self._scratch().energy(), 0)
        self._checked_at = 0
        self.largest_deviation = 0.0
        self._clamped_before: IntArray = np.zeros(len(catalog.rate), np.int64)
        self._executed_before = self._attempted_before = 0
        self._can_move = False
        self._pace = Pace()
        fastest = float(self._tables.bound[self._tables.number > 0].max(initial=0.0))
        if sample_interval is None:
            sample_interval = 1 / fastest if fastest else 1.0
        self._begin(sample_interval, windows_per_row)

    def _couple(self, force: bool) -> Coupling | None:
        """What the interacting kernels need. Their modules are imported only where they are used."""
        model = self.catalog.model
        if not force and model.interactions is None and model.disorder is None:
            return None
        from .interacting.coupling import couple

        return couple(self.catalog)

    def _interacting(
        self, cell: IntArray, kind: IntArray, words: npt.NDArray[np.uint64]
    ) -> Interacting | InteractingTwin:
        from .interacting.backend import Interacting
        from .interacting.twin import InteractingTwin

        assert self._coupling is not None
        make: Any = InteractingTwin if self.is_twin else Interacting
        return make(  # type: ignore[no-any-return]
            self._coupling, algorithm=self.algorithm, levels=self.levels, cell=cell, kind=kind, words=words
        )

    def _begin(self, sample_interval: float, windows_per_row: int) -> None:
        if not (0 < sample_interval < np.inf and windows_per_row >= 1):
            raise ValueError(
                f"need a positive sample interval and row length, not {sample_interval} s, {windows_per_row}"
            )
        self._backend.configure(sample_interval, windows_per_row)
        self.sample_interval, self.windows_per_row = float(sample_interval), int(windows_per_row)
        self._mean_attempts = float(self._tables.number @ self._tables.bound) * sample_interval
        self._samples = self._attempts_left = self._attempts_of_sample = 0
        self._parts: list[RawRows] = []

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
        feed = None
        if on_hops is not None:
            feed = Feed(self.catalog, self._tables, self._coupling, self._backend, on_hops)
        while self._samples < goal:
            if should_stop():
                return ExitReason.INTERRUPTED
            self._advance_some(goal - self._samples, feed)
            self._check_sometimes()
        return ExitReason.DONE

    def _advance_some(self, n_samples: int, feed: Feed | None) -> None:
        """One call of the kernel: at most ``n_samples``, and as much as its pace allows."""
        self._pace.start()
        per_sample, before, work = SAMPLE_WORK + self.n_carriers, self._samples, self._pace.work
        if feed is not None:
            work = min(work, MOST_LOGGED)
            n_samples = min(n_samples, self._samples_left_in_row)
        if self.algorithm == "null_event":
            self._null_events(min(n_samples, int(work / (per_sample + self._mean_attempts))), work, feed)
        else:
            n, none = min(n_samples, max(1, work // per_sample)), np.zeros(0, np.int64)
            self._run_fed(n, none, feed, work, (0, none), most=work)
        self._pace.end(self._backend.attempts_made + per_sample * (self._samples - before))

    def _null_events(self, n_samples: int, work: int, feed: Feed | None) -> None:
        """So many samples, or where not even one is allowed, a part of one."""
        if self._attempts_left == 0 and n_samples:
            attempts = self._draw_attempts(n_samples)
            self._run_fed(n_samples, attempts, feed, int(attempts.sum()), (0, attempts))
            return
        if not self._attempts_left:
            self._attempts_left = self._attempts_of_sample = int(self._draw_attempts(1)[0])
        left, whole = self._attempts_left, self._attempts_of_sample
        part = left if self.is_twin else min(left, work // BATCH * BATCH)
        made = (whole - left, np.array([whole]))
        self._run_fed(1, np.array([part]), feed, part, made, goes_on=part < left)

    def _run_fed(
        self,
        n_samples: int,
        attempts: IntArray,
        feed: Feed | None,
        room: int,
        made: tuple[int, IntArray],
        **limits: Any,
    ) -> None:
        """`_run`, and its hops (``room`` at the most) to the feed. made : `Feed.deliver` calls it attempts."""
        sample, begin = self._samples, self._ticks
        self._run(n_samples, attempts, None if feed is None else feed.log(room), **limits)
        if self._attempts_left:
            self._attempts_left -= int(attempts.sum())
        if feed is not None:
            feed.deliver(
                window=sample // (self.windows_per_row * 2**self.levels),
                begin=begin,
                end=self._ticks,
                sample=sample,
                interval=self.sample_interval,
                attempts=made,
            )

    def _check_sometimes(self) -> None:
        """Every `CHECK_HOPS` hops, compare what is kept up to date with the same counted anew."""
        if self._coupling is not None and not self.is_twin:
            executed = self.executed
            if executed - self._checked_at >= max(CHECK_HOPS, 100 * self.n_carriers):
                self._checked_at = executed
                self.check()

    def check(self) -> float:
        """Count energies and rates of the present state anew and compare them with those kept up to date.

        Returns the largest deviation found so far, eV (also `largest_deviation`). Energies are whole numbers of
        quanta, so that there is none unless something is broken: RuntimeError above 1e-9 eV.
        """
        if self._coupling is not None and not self.is_twin:
            wrong = self._backend.largest_deviation()  # type: ignore[union-attr]
            self.largest_deviation = max(self.largest_deviation, wrong, abs(self.energy_drift))
            if self.largest_deviation > 1e-9:
                raise RuntimeError(
                    f"energies kept up to date are {self.largest_deviation:g} eV off those counted anew; "
                    "please report this with the input"
                )
        return self.largest_deviation

    def _mobile(self) -> bool:
        self._can_move = self._can_move or self._any_open()
        return self._can_move

    def _draw_attempts(self, n_samples: int) -> IntArray:
        if self.algorithm != "null_event":
            return np.zeros(0, np.int64)
        return self._attempts.poisson(self._mean_attempts, n_samples)

    def _run(self, n_samples: int, attempts: IntArray, log: FloatArray | None = None, **limits: Any) -> int:
        """Samples that are left (the rejection-free kernel may come back early)."""
        rows = self._backend.run(n_samples, attempts, log, **limits)
        self._samples += n_samples - self._backend.unfinished
        if len(rows):
            self._parts.append(rows)
        return self._backend.unfinished

    @property
    def _samples_left_in_row(self) -> int:
        per_row = self.windows_per_row * 2**self.levels
        return per_row - self._samples % per_row

    @property
    def _ticks(self) -> int:
        """Since the last `reset`."""
        part = self._backend.part_of_sample
        if self._attempts_left:
            part = (self._attempts_of_sample - self._attempts_left) / (self._attempts_of_sample + 1)
        return self._samples * TICKS + round(part * TICKS)

    def record_events(self, n_samples: int, max_events: int = 10_000_000) -> Events:
        """Advance by ``n_samples`` samples (tallied as always) and list the executed hops.

        Null events get their times from a stream of their own, so that recording does not change the
        trajectory. Raises ValueError beyond ``max_events`` hops or attempts a call.
        """
        start = self._samples
        if not self._mobile():
            return Events(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        if self.algorithm == "null_event":
            attempts = self._draw_attempts(n_samples)
            if attempts.sum() > max_events:
                raise ValueError(f"{attempts.sum()} attempts are too many to record at once")
            listed = []
            for i, n in enumerate(attempts):
                log = np.zeros((int(n), LOG_COLUMNS))
                self._run(1, attempts[i : i + 1], log)
                log = log[: self._backend.logged]
                when = np.sort(self._times.random(int(n)))
                log[:, 3] = (start + i + when[log[:, 3].astype(np.int64)]) * self.sample_interval
                listed.append(log)
            events = np.concatenate(listed) if listed else np.zeros((0, LOG_COLUMNS))
        else:
            listed, left = [], n_samples
            while left:
                log = np.zeros((min(max_events, 65536), LOG_COLUMNS))
                done = left
                left = self._run(left, np.zeros(0, np.int64), log)
                done -= left
                log = log[: self._backend.logged]
                log[:, 3] = (start + log[:, 0] + log[:, 3]) * self.sample_interval
                start += done
                listed.append(log)
                if sum(map(len, listed)) > max_events:
                    raise ValueError(f"more than {max_events} hops to record at once")
            events = np.concatenate(listed) if listed else np.zeros((0, LOG_COLUMNS))
        hop = self._tables.hop[events[:, 2].astype(np.int64)]
        return Events(events[:, 3].copy(), events[:, 1].astype(np.int64), hop)

    # ---- tallies

    @property
    def tallies(self) -> Tallies:
        """The complete rows since the last `reset`; an unfinished row stays inside."""
        t, rows = self._tables, self._rows()
        n, s, levels = len(rows), t.n_species, self.levels
        events = np.zeros((n, len(self.catalog.rate)), np.int64)
        real = np.flatnonzero(t.hop != NULL)
        events[:, t.hop[real]] = rows.events[:, real]
        displacement = np.zeros((n, s, 3))
        species = t.type_species[real // t.width]
        for a in range(s):
            own = real[species == a]
            displacement[:, a] = rows.events[:, own] @ t.vector[own]
        tracer = rows.tracer[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        if t.integer_steps:
            lattice = t.model.structure.lattice
            tracer = lattice.T @ tracer @ lattice
        return Tallies(
            sample_interval=self.sample_interval,
            levels=levels,
            windows_per_row=self.windows_per_row,
            number=np.array(t.number),
            events=events,
            attempts=rows.attempts.copy(),
            displacement=displacement,
            collective=rows.collective.reshape(n, levels + 1, s, 3, s, 3).copy(),
            tracer=tracer,
        )

    def _rows(self) -> RawRows:
        if len(self._parts) != 1:
            none = RawRows.empty(0, self._tables.n_rows, self.levels, self._tables.n_species)
            self._parts = [RawRows.concatenate([none, *self._parts])]
        return self._parts[0]

    @property
    def n_rows(self) -> int:
        """Number of complete rows."""
        return sum(map(len, self._parts[:]))

    def coarsen(self) -> None:
        """Rows twice as long from now on; complete ones are added up in pairs, an odd one is continued."""
        rows = self._rows()
        even = len(rows) // 2 * 2
        if len(rows) > even:
            self._backend.take_back(rows.part(slice(even, None)), self.windows_per_row)
        self._parts = [rows.head(even).pairs()]
        self.windows_per_row *= 2
        self._backend.configure(self.sample_interval, self.windows_per_row)

    def reset(self, sample_interval: float | None = None, windows_per_row: int | None = None) -> None:
        """Drop all tallies and start the clock anew, with the carriers and random streams as they are.

        With interactions and ``algorithm="auto"`` the algorithm may change, by what was measured until here.
        """
        self._clamped_before = self._clamped_before + self.clamped_events
        before = self.executed, self.attempted
        hops, attempts = before[0] - self._executed_before, before[1] - self._attempted_before
        self._executed_before, self._attempted_before = before
        self._backend.clear()
        if self._wanted == "auto" and self._coupling is not None and attempts > 100 * self.n_carriers:
            self._look_again(hops / attempts)
        self._begin(
            self.sample_interval if sample_interval is None else sample_interval,
            self.windows_per_row if windows_per_row is None else windows_per_row,
        )

    def _look_again(self, acceptance: float) -> None:
        """Choose the algorithm by the present state, once the carriers have left their places at the start."""
        assert self._coupling is not None
        if self.algorithm != "null_event":
            weight = float(self._tables.number @ self._tables.bound)
            acceptance = self.total_rate() / weight if weight else 0.0
        self.acceptance_estimate = acceptance
        from .interacting.selection import pick_interacting

        algorithm, _ = pick_interacting("auto", self._coupling, acceptance=acceptance)
        if algorithm == self.algorithm:
            return
        old, self.algorithm = self._backend, algorithm
        words = old.random.words if isinstance(old, Twin) else old["rng"]  # type: ignore[attr-defined]
        new = self._interacting(old.cells(), old.kinds(), np.array(words, np.uint64))
        new.carry_on(old)  # type: ignore[arg-type]
        self._backend = new

    # ---- where it stands

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
        done = sum(int(rows.events.sum()) for rows in self._parts[:])
        return self._executed_before + done + self._backend.executed_in_row

    @property
    def executed_since_reset(self) -> int:
        """Hops executed since the last `reset`."""
        return self.executed - self._executed_before

    @property
    def attempted(self) -> int:
        """Attempts since the start, those before a `reset` included."""
        done = sum(int(rows.attempts.sum()) for rows in self._parts[:])
        return self._attempted_before + done + self._backend.attempts_in_row

    @property
    def n_carriers(self) -> int:
        return int(self._tables.number.sum())

    @property
    def species(self) -> IntArray:
        """(n_carriers,) species of each carrier."""
        return np.repeat(np.arange(self._tables.n_species), self._tables.number)

    def occupation(self) -> IntArray:
        """(n_carriers,) site of each carrier: ``n_sites * ((i L1 + j) L2 + k) + site of the cell``."""
        t = self._tables
        site = t.basis_site[t.type_basis[self._backend.kinds()]]
        return self._backend.cells() * t.model.structure.n_sites + site

    def positions(self) -> FloatArray:
        """(n_carriers, 3) unwrapped positions of the charge centres, Å."""
        t = self._tables
        return t.centre[self._backend.kinds()] + self._backend.unwrapped() @ t.model.structure.lattice

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind in the present state, from scratch, 1/s."""
        t = self._tables
        cell, kind = self._backend.cells(), self._backend.kinds()
        if self._coupling is not None:
            return self._scratch().open_rates()
        taken = np.zeros(t.n_sites, np.bool_)
        taken[cell * t.n_basis + t.type_basis[kind]] = True
        total = np.zeros(len(self.catalog.rate))
        for a in range(t.n_types):
            index = np.unravel_index(cell[kind == a], t.size)
            for row in range(a * t.width, a * t.width + int(t.n_hops[a])):
                target = np.ravel_multi_index(
                    tuple((x + o) % s for x, o, s in zip(index, t.cell[row], t.size, strict=True)), t.size
                )
                free = ~taken[target * t.n_basis + t.type_basis[t.target_type[row]]]
                n = len(free) if t.to_itself[row] else int(free.sum())
                total[t.hop[row]] = n * t.rate[row]
        return total

    def _scratch(self) -> Scratch:
        from .interacting.scratch import Scratch

        assert self._coupling is not None
        return Scratch(self._coupling, self._backend.cells(), self._backend.kinds())

    def total_rate(self) -> float:
        """Sum of the rates of all open hops in the present state, from scratch, 1/s."""
        return float(self.open_rates().sum())

    def _any_open(self) -> bool:
        return bool(np.any(self.open_rates() > 0))

    def energy(self) -> float:
        """Total energy of the present state without field, from scratch, eV.

        Site energies alone where the model has no interactions.
        """
        if self._coupling is not None:
            return self._scratch().in_ev()
        t, kind = self._tables, self._backend.kinds()
        energy = np.asarray(t.model.site_energy)[t.type_species[kind], t.basis_site[t.type_basis[kind]]]
        return float(energy.sum())

    @property
    def energy_drift(self) -> float:
        """Energy counted anew less that kept up to date hop by hop, eV: 0 unless something is broken.

        Above a million sites it counts from the first time that it was asked for.
        """
        if self._coupling is None:
            return 0.0
        now, change = self._scratch().energy(), self._backend.energy_change  # type: ignore[union-attr]
        if self._energy_base is None:
            self._energy_base = (now, change)
        then, before = self._energy_base
        return (now - then - change + before) * self._coupling.quantum

    @property
    def clamped_events(self) -> IntArray:
        """(n_hops,) executed hops whose barrier was clamped where they started, since the last `reset`.

        Without interactions these are all executed hops of the clamped hops of the catalog in `tallies`, and 0 here.
        """
        total = np.zeros(len(self.catalog.rate), np.int64)
        if self._coupling is not None:
            real = self._tables.hop != NULL
            total[self._tables.hop[real]] = self._backend.clamped_events()[real]  # type: ignore[union-attr]
        return total - self._clamped_before

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
        if isinstance(self._backend, Twin):
            raise ValueError("the twin keeps no snapshots")
        rows = self._rows()
        return {
            "version": SNAPSHOT_VERSION,
            "algorithm": self.algorithm,
            "layout": self.layout,
            "sample_interval": self.sample_interval,
            "levels": self.levels,
            "windows_per_row": self.windows_per_row,
            "samples": self._samples,
            "attempts_left": self._attempts_left,
            "attempts_of_sample": self._attempts_of_sample,
            "executed_before": self._executed_before,
            "attempted_before": self._attempted_before,
            "initial_note": self.initial_note,
            "attempts_stream": json.dumps(self._attempts.bit_generator.state),
            "times_stream": json.dumps(self._times.bit_generator.state),
            **self._snapshot_interacting(),
            "rows_events": rows.events.copy(),
            "rows_attempts": rows.attempts.copy(),
            "rows_collective": rows.collective.copy(),
            "rows_tracer": rows.tracer.copy(),
            **self._backend.save(),
        }

    def _snapshot_interacting(self) -> dict[str, Any]:
        if self._coupling is None:
            return {}
        return {
            "wanted": self._wanted,
            "checked_at": self._checked_at,
            "largest_deviation": self.largest_deviation,
            "clamped_before": self._clamped_before.copy(),
            "energy_base": np.array(self._energy_base or (), np.int64),
        }

    @classmethod
    def restore(cls, catalog: RateCatalog, snapshot: dict[str, Any]) -> Replica:
        """The replica that `snapshot` was taken of; ``catalog`` must be the same.

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
        )
        backend = replica._backend
        assert isinstance(backend, Compiled)
        backend.load(snapshot)
        backend.configure(replica.sample_interval, replica.windows_per_row)
        if replica._coupling is not None:
            replica._wanted = str(snapshot["wanted"])
            replica._checked_at = int(snapshot["checked_at"])
            replica.largest_deviation = float(snapshot["largest_deviation"])
            replica._clamped_before = np.array(snapshot["clamped_before"], np.int64)
            base = [int(x) for x in snapshot["energy_base"]]
            replica._energy_base = (base[0], base[1]) if base else None
        replica._samples, replica._attempts_left = int(snapshot["samples"]), int(snapshot["attempts_left"])
        replica._attempts_of_sample = int(snapshot.get("attempts_of_sample", replica._attempts_left))
        replica.initial_note = str(snapshot["initial_note"])
        replica._executed_before = int(snapshot["executed_before"])
        replica._attempted_before = int(snapshot["attempted_before"])
        replica._attempts.bit_generator.state = json.loads(str(snapshot["attempts_stream"]))
        replica._times.bit_generator.state = json.loads(str(snapshot["times_stream"]))
        replica._parts = [
            RawRows(
                *(
                    np.array(snapshot[f"rows_{name}"])
                    for name in ("events", "attempts", "collective", "tracer")
                )
            )
        ]
        return replica
