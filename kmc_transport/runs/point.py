"""One point of the grid (a temperature and a field): replicas, simulated until they are accurate enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..analysis import (
    Accuracy,
    Evaluation,
    LinearResponse,
    accuracy,
    combined,
    evaluate,
    target_name,
)
from ..analysis.batches import has_fallen
from ..energies.supercell import depends_on_configuration
from ..engine import Replica
from ..engine.pace import ShouldStop, Stopped, never
from ..errors import Unconverged
from ..model.islands import replicas_differ
from ..model.model import Model
from ..ndarrays import FloatArray
from ..rates import build_catalog
from ..records import Estimate, ExitReason, Tallies
from ..seeds import replica_stream
from .system import system_of, system_of_catalog
from .watch import Watch, watched

__all__ = ["PointProgress", "PointSimulation", "system_of"]

HOPS_PER_SAMPLE = 2.0
"""Executed hops per carrier between two samples, to start with, so that what carriers remember shows."""
HOPS_OF_ALL = {"fluctuations": 16.0, "both": 32.0, "drift": 256.0}
"""Least number of hops of all carriers between two samples. A sample costs as much as 30 hops of a lone carrier;
fluctuations gain from every sample, a drift from hops alone; beside linear response a short one may be enough."""
PILOT_ROWS, FIRST_ROWS, FIXED_ROWS, MAX_ROWS = 8, 16, 64, 128
"""Rows per replica: of a trial of the sample interval, of the first look at the accuracy, of a run of fixed
length, kept at the most."""
QUICKER, FEW_HOPS = 16.0, 64.0
"""Factor on the hops of the first samples from which the start tells nothing about their rate; hops whose number is
chance."""
LONGER = 4.0
"""Factor on the sample interval when the longest block does not outlive the memory of the hops."""
MAX_PILOTS = 10
MOMENT = 0.1
"""Seconds between two replicas' turns, about."""
BETWEEN_REPORTS = 0.02
"""Seconds: counting hops takes its time too."""
ROUNDS_OF_POOL = 4
"""Parts of a round after which threads wait for one another."""
MAX_EVENTS, MAX_UNMOVED = 1e11, 1e9
"""Hops, a stay being one, after which a point gives up: on its accuracy, on components that could move and have not."""

KEPT = ("seconds", "stage", "pilots", "rows", "windows_per_row", "interval", "blocked")


@dataclass(frozen=True)
class PointProgress:
    """Where a point stands. ratio: error over the error asked for (None before the first look)."""

    events: int
    seconds: float
    ratio: float | None
    relative_error: float | None


class _Stop:
    """Asked by a replica between two chunks: reports, and remembers why to stop."""

    def __init__(self, why: Callable[[], ExitReason | None], report: Callable[[], None]) -> None:
        self.why, self.report = why, report
        self.reason: ExitReason | None = None

    def __call__(self) -> bool:
        self.report()
        self.reason = self.why()
        return self.reason is not None


class PointSimulation:
    """Replicas of one point, run in rounds; the state between two chunks can be saved and taken up again.

    Parameters
    ----------
    temperature : K. field : (3,) V/Å. root : root seed. linear : linear response at this field, from another run, to
    be put together with the drift. first : number of the first replica, by which it finds its random stream."""

    def __init__(
        self,
        model: Model,
        temperature: float,
        field: npt.ArrayLike,
        *,
        root: int,
        linear: LinearResponse | None = None,
        first: int = 0,
    ) -> None:
        self.model, self.sampling, self.linear = model, model.sampling, linear
        self.catalog = build_catalog(model, temperature=temperature, field=field)
        self.system = system_of_catalog(self.catalog)
        self.replicas: list[Replica] = []
        self.watching = [Watch(self.catalog) for _ in range(self.sampling.replicas)]
        self.seconds, self.energy = 0.0, np.zeros(0)
        self.stage, self.pilots, self.rows = "pilot", 0, PILOT_ROWS
        self.windows_per_row, self.interval, self.blocked = 1, 0.0, False
        self.last: Accuracy | None = None
        self.evaluation: Evaluation | None = None
        self._tallies: tuple[tuple[int, ...], list[Tallies]] | None = None
        self._evaluated: tuple[int, ...] | None = None
        self._root, self._first = root, first

    def new_replica(self, number: int, should_stop: ShouldStop = never) -> Replica:
        """One of the replicas at its start. Raises Stopped when told to."""
        stream = replica_stream(self._root, self.system.temperature, self.catalog.field, self._first + number)
        return Replica(self.catalog, seed=stream, algorithm=self.sampling.algorithm, should_stop=should_stop)

    @property
    def built(self) -> bool:
        """Whether the replicas are there; before that there is nothing to save."""
        return len(self.replicas) == self.sampling.replicas

    def build(
        self,
        *,
        should_stop: ShouldStop = never,
        on_progress: Callable[[PointProgress], None] | None = None,
    ) -> ExitReason | None:
        """Make the replicas (annealing them may take long), within the time limit; None when they are there."""
        return self._timed(self._build, should_stop, on_progress)

    def _build(self, stop: Callable[[], ExitReason | None], report: Callable[[], None]) -> ExitReason | None:
        should_stop = _Stop(stop, report)
        while not self.built:
            try:
                self.replicas.append(self.new_replica(len(self.replicas), should_stop))
            except Stopped:
                return should_stop.reason
            if self.built:
                self._first_rows()
        return None

    def _first_rows(self) -> None:
        rate = float(np.mean([r.total_rate() for r in self.replicas]))
        self.blocked = not rate > 0
        if not self.blocked:
            longest = (self.sampling.time or math.inf) / (PILOT_ROWS * 2 ** self.replicas[0].levels)
            self._start_rows(min(self._hops_per_sample / rate, longest))

    @property
    def _n_carriers(self) -> int:
        return sum(c.count for c in self.model.carriers)

    @property
    def events(self) -> int:
        """Executed hops of all replicas, those thrown away for equilibration included."""
        return sum(r.executed for r in self.replicas)

    def tallies(self) -> list[Tallies]:
        """The complete rows of each replica."""
        if self._tallies is None or self._tallies[0] != self._complete:
            self._tallies = self._complete, [r.tallies for r in self.replicas]
        return self._tallies[1]

    @property
    def _complete(self) -> tuple[int, ...]:
        """Tells the rows that are there from those before, since the last `_start_rows`."""
        return self.windows_per_row, *(r.n_rows for r in self.replicas)

    def progress(self) -> PointProgress:
        """Where the point stands."""
        last = self.last
        if last is None:
            return PointProgress(self.events, self.seconds, None, None)
        return PointProgress(self.events, self.seconds, last.ratio, last.relative_error)

    def run(
        self,
        *,
        should_stop: ShouldStop = never,
        on_progress: Callable[[PointProgress], None] | None = None,
        pool: Executor | None = None,
    ) -> ExitReason:
        """Go on until accurate, out of time, blocked, or told to stop; may be called again after a stop."""

        def rounds(stop: Callable[[], ExitReason | None], report: Callable[[], None]) -> ExitReason:
            reason = self._build(stop, report)
            while reason is None:
                reason = ExitReason.BLOCKED_LATTICE if self.blocked else self._round(stop, report, pool)
                reason = reason or self._decide()
            if reason is not ExitReason.INTERRUPTED:
                self._look()  # costs nothing where nothing was added since the last look
            return reason

        reason = self._timed(rounds, should_stop, on_progress)
        assert reason is not None
        return reason

    def _timed(
        self,
        work: Callable[[Callable[[], ExitReason | None], Callable[[], None]], ExitReason | None],
        should_stop: ShouldStop,
        on_progress: Callable[[PointProgress], None] | None,
    ) -> ExitReason | None:
        """Do some work, which asks now and then why it should stop, and adds its time to `seconds`."""
        start, before, due = time.monotonic(), self.seconds, 0.0

        def stop() -> ExitReason | None:
            self.seconds = before + time.monotonic() - start
            if should_stop():
                return ExitReason.INTERRUPTED
            limit = self.sampling.wall_time
            return ExitReason.TIME_LIMIT if limit is not None and self.seconds > limit else None

        def report() -> None:
            nonlocal due
            now = time.monotonic()
            if on_progress is not None and now >= due:
                due = now + BETWEEN_REPORTS
                on_progress(self.progress())

        reason = work(stop, report)
        stop()
        return reason

    def _round(
        self,
        stop: Callable[[], ExitReason | None],
        report: Callable[[], None],
        pool: Executor | None,
    ) -> ExitReason | None:
        """Bring every replica to ``self.rows`` rows, and so that they have about as many when time is up."""

        def advance(replica: Replica, watch: Watch, goal: int) -> ExitReason | None:
            should_stop = _Stop(stop, report)
            on_hops = watch.add if watch and self.stage == "production" else None
            done = replica.advance(max(0, goal - replica.samples), should_stop=should_stop, on_hops=on_hops)
            if done is ExitReason.BLOCKED_LATTICE:
                self.blocked = True
                return done
            return should_stop.reason

        run = map if pool is None else pool.map
        first = self.pilots == 0  # the first pilot looks at the same rows whoever runs it
        step = 1 if pool is None or first else math.ceil(self.rows / ROUNDS_OF_POOL)
        rows = min(r.n_rows for r in self.replicas)
        per_row = self.windows_per_row * 2 ** self.replicas[0].levels
        goals = [2**n for n in range((per_row - 1).bit_length())] if first else []
        while goals or rows < self.rows:
            begun = time.monotonic()
            goal = goals.pop(0) if goals else per_row * min(rows + step, self.rows)
            reasons = list(run(advance, self.replicas, self.watching, [goal] * len(self.replicas)))
            reason = next((r for r in reasons if r is not None), None)
            if reason is not None:
                return reason
            if first and self._shorten(goal):
                return self._round(stop, report, pool)
            rows = max(rows, goal // per_row)
            if not first:
                step *= 1 + (time.monotonic() - begun < MOMENT)  # where rows are quick, several at once
        return None

    def _shorten(self, samples: int) -> bool:
        """Whether the carriers hop so much more often than at their start that the first pilot begins anew."""
        if any(r.samples != samples for r in self.replicas):  # taken up again: it was asked before
            return False
        meant = self._hops_per_sample * samples * len(self.replicas)
        hops = sum(r.executed_since_reset for r in self.replicas)
        if hops < QUICKER * max(meant, FEW_HOPS):
            return False
        self._start_rows(self.interval * meant / hops)
        return True

    @property
    def _hops_per_sample(self) -> float:
        """Hops of all carriers of a replica between two samples, to start with."""
        drift = self.system.driven and self.sampling.target in ("mobility", "drift_velocity")
        kind = "fluctuations" if not drift else "drift" if self.linear is None else "both"
        least = HOPS_OF_ALL[kind]
        pilot = PILOT_ROWS * 2 ** self.replicas[0].levels * len(self.replicas)
        return min(max(HOPS_PER_SAMPLE * self._n_carriers, least), (self.sampling.events or math.inf) / pilot)

    def _decide(self) -> ExitReason | None:
        """After a round: longer samples, more rows, or done."""
        if self.stage == "pilot":
            if not self._fixed_length:  # its interval is given, whatever the pilot shows
                self._look()
            self._after_pilot()
            return None
        asked = min(self._rows_asked(), 1e9)
        if self._fixed_length and asked < FIXED_ROWS / 2 and self.pilots < MAX_PILOTS:
            self.pilots += 1  # hops are more frequent than in the pilot
            self._start_production()
            return None
        if not self._fixed_length or round(asked) <= self.rows:
            self._look()
        if self.last is not None and self.last.reached and not self._fixed_length:
            if self.at_rest or self._enough_pilots:
                return ExitReason.ACCURACY_REACHED
            self.pilots += 1  # what was counted so far was the way to equilibrium
            self._start_rows(self.interval)
            return None
        if round(asked) <= self.rows:
            return ExitReason.DONE
        if self._fixed_length:
            self._set_rows(asked if self.sampling.events is None else self._on_the_way(asked), even=False)
            return None
        assert self.last is not None
        if self.last.needs_replicas and self.evaluation is not None and self._settled:
            return ExitReason.DONE  # the replicas differ for ever: more of them would help, more rows do not
        most = MAX_EVENTS if math.isfinite(self.last.ratio) else MAX_UNMOVED
        if sum(min(r.executed, r.attempted) for r in self.replicas) >= most:
            return ExitReason.DONE
        longer = self.interval * LONGER
        if self._settled or self._enough_pilots or longer > self._longest_interval():
            self._more_rows(max(1.0, min(self.last.ratio, 2 * self.last.within)), self._on_the_way(asked))
        else:  # better statistics show a memory that the pilot did not see
            self.pilots += 1
            self.rows = FIRST_ROWS
            self._start_rows(longer)
        return None

    def _after_pilot(self) -> None:
        """Choose the sample interval; what a pilot counted is thrown away, as equilibration."""
        self.pilots += 1
        if not (self._fixed_length or self._settled or self._enough_pilots):
            self._start_rows(self.interval * LONGER)
            return
        least = self.sampling.equilibration or 0.0
        if self.events < least * self._n_carriers * len(self.replicas):
            self._start_rows(self.interval)
            return
        self.stage = "production"
        self._start_production()

    def _start_production(self) -> None:
        """Rows such that `FIXED_ROWS` of them at least fit the length asked."""
        longest = self._longest_interval()
        if self._fixed_length and math.isfinite(longest):
            self.interval = longest
        self.rows = FIRST_ROWS // 2 if self._fixed_length else FIRST_ROWS
        self._start_rows(min(self.interval, longest))

    @property
    def _enough_pilots(self) -> bool:
        """Whether there were as many as help, or as long as the run itself is to be."""
        return self.pilots >= MAX_PILOTS or self.events >= (self.sampling.events or math.inf)

    def _rows_asked(self) -> float:
        """Rows per replica that make up the length asked, by the hops counted so far; inf where none is asked."""
        s, first = self.sampling, self.replicas[0]
        hops = sum(r.executed_in_rows for r in self.replicas)
        by_events = math.inf if s.events is None or not hops else s.events * first.n_rows / hops
        by_time = math.inf if s.time is None else s.time / first.row_time
        return min(by_events, by_time)

    def _longest_interval(self) -> float:
        """Sample interval of which the length asked holds enough rows, s."""
        return self._rows_asked() * self.replicas[0].row_time / (FIXED_ROWS * 2 ** self.replicas[0].levels)

    def _on_the_way(self, asked: float) -> float:
        """Half of the rows that are missing, since hops are not equally frequent in all rows."""
        return min(LONGER * self.rows, self.rows + max(1, math.ceil((asked - self.rows) / 2)))

    @property
    def _settled(self) -> bool:
        """Whether the blocks outlive what the target remembers."""
        name = target_name(self.sampling.target, self.system)
        return self.evaluation is not None and self.evaluation.settled(name)

    @property
    def at_rest(self) -> bool:
        """Whether the energy of the replicas has not fallen since their rows began."""
        return not has_fallen(self.energy, self._energies())

    def _energies(self) -> FloatArray:
        """(replicas,) eV; zeros where the carriers do not feel their arrangement."""
        if not depends_on_configuration(self.model):
            return np.zeros(len(self.replicas))
        return np.array([replica.energy() for replica in self.replicas])

    @property
    def _fixed_length(self) -> bool:
        """Whether only a length is asked for; beside an error target a length is a cap."""
        s = self.sampling
        return s.relative_error is None and s.absolute_error is None

    def _more_rows(self, ratio: float, most: float) -> None:
        """As many rows as the error needs to fall to what was asked, within a factor of 4 at a time."""
        wanted = self.rows * min(4.0, max(1.25, 1.1 * ratio**2 if math.isfinite(ratio) else 4.0))
        wanted = 2 * math.ceil(wanted / 2)
        self._set_rows(min(wanted, most), even=wanted <= most)

    def _set_rows(self, rows: float, *, even: bool) -> None:
        """Go on to so many rows; where these are too many to keep, to half as many that are twice as long."""
        self.rows = round(rows)
        while self.rows > MAX_ROWS:
            for replica, watch in zip(self.replicas, self.watching, strict=True):
                replica.coarsen()
                watch.coarsen()
            self.windows_per_row *= 2
            self.rows = 2 * math.ceil(self.rows / 4) if even else math.ceil(self.rows / 2)

    def _start_rows(self, interval: float) -> None:
        """Drop what was counted; keep the lattice and the random streams."""
        windows = 1
        while True:
            try:
                for replica in self.replicas:
                    replica.reset(sample_interval=interval, windows_per_row=windows)
                break
            except ValueError:  # carriers could travel farther in a window than the counters hold
                interval, windows = interval / 2, windows * 2
        for watch in self.watching:
            watch.clear()
        self.energy = self._energies()
        self.interval, self.windows_per_row = interval, windows
        self._tallies = self._evaluated = None

    def _look(self) -> None:
        """Evaluate what there is."""
        s = self.sampling
        rows = min((t.n_rows for t in self.tallies()), default=0)
        if rows * len(self.replicas) < 2:
            return
        if self._evaluated != self._complete:
            try:
                tallies = [t.rows(slice(0, rows)) for t in self.tallies()]
                self.evaluation = evaluate(self.system, tallies, quenched=self._quenched(tallies))
            except Unconverged:
                return
            if self.linear is not None:
                self.evaluation = combined(self.evaluation, self.linear)
            self._evaluated = self._complete
        assert self.evaluation is not None
        goal = s.target, s.relative_error, s.absolute_error, s.min_effective_samples
        self.last = accuracy(self.evaluation, self.system, *goal)

    @property
    def is_evaluated(self) -> bool:
        """Whether the evaluation is that of the rows that are there, not of dropped ones."""
        return self._evaluated is not None and self._evaluated == self._complete

    def _quenched(self, tallies: list[Tallies]) -> bool:
        """Whether the replicas differ in something that hops do not change."""
        if len(self.replicas) < 2:
            return False
        hops = sum(t.events.sum(axis=0) for t in tallies)
        moved = np.bincount(self.system.hop_carrier, hops, len(self.model.carriers)) > 0
        return replicas_differ(
            self.model, [r.occupation() for r in self.replicas], self.replicas[0].species, moved
        )

    def observed(self) -> dict[str, Estimate]:
        """Arrays of the observables that were asked for; empty where too little was counted for error bars."""
        found, rows = self.evaluation, min((r.n_rows for r in self.replicas), default=0)
        return watched(self.watching, rows, found is not None and (found.quenched or not found.consistent))

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, as arrays, numbers and strings."""
        state: dict[str, Any] = {name: getattr(self, name) for name in (*KEPT, "energy")}
        for k, replica in enumerate(self.replicas):
            state |= {f"replica{k}/{name}": value for name, value in replica.snapshot().items()}
            state |= {f"watch{k}/{name}": value for name, value in self.watching[k].save().items()}
        return state

    @classmethod
    def restore(
        cls,
        model: Model,
        temperature: float,
        field: npt.ArrayLike,
        state: dict[str, Any],
        *,
        root: int,
        linear: LinearResponse | None = None,
        first: int = 0,
    ) -> PointSimulation:
        """The point as it was when `snapshot` was taken."""
        point = cls(model, temperature, field, root=root, linear=linear, first=first)
        for name in KEPT:
            setattr(point, name, type(getattr(point, name))(state[name]))
        point.energy = np.array(state["energy"])

        def part(prefix: str) -> dict[str, Any]:
            return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}

        for k in range(point.sampling.replicas):
            point.replicas.append(Replica.restore(point.catalog, part(f"replica{k}/")))
            point.watching[k].load(part(f"watch{k}/"))
        return point
