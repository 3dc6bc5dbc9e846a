"""One point of a run with reversible scaling: three simulations at rising separations of the time scales."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..analysis import Accuracy, Evaluation, LinearResponse, accuracy
from ..analysis.scaling import Extrapolation, Verdict, extrapolate
from ..arrays import OBSERVABLES
from ..engine import Replica
from ..engine.pace import ShouldStop, Stopped, never
from ..model.acceleration import ReversibleScaling
from ..model.model import Model, Sampling
from ..rates import build_catalog
from ..records import Estimate, ExitReason, Missing, Tallies
from .point import PointProgress, PointSimulation
from .separation import STEPS, Separation, measure_separation
from .system import system_of_catalog

__all__ = ["AnyPoint", "ScaledSimulation", "point_kind"]

TIGHTER = 0.75
"""Error of each run over the error asked for: that of the extrapolation is larger than theirs."""
MOST_ERROR = 0.05
"""Largest relative error of each run that lets the three tell whether the fast carriers govern the slow ones."""
MAX_ROUNDS = 4
"""How often the runs are asked for smaller errors, because the extrapolation's is too large."""
_SHARE = tuple(s / sum(STEPS) for s in STEPS)
"""Of each run in a length or time that is asked for: equal simulated times."""


class ScaledSimulation:
    """A point whose fast species are slowed; it has the face of `PointSimulation`.

    Each run is an ordinary point of a model with ``slowing``, with replicas of its own. Where slowing gains nothing
    there is one run, of the model as it is, which is what a point without acceleration would be.
    """

    linear: LinearResponse | None = None

    def __init__(
        self,
        model: Model,
        temperature: float,
        field: npt.ArrayLike,
        *,
        root: int,
        linear: LinearResponse | None = None,
    ) -> None:
        assert isinstance(model.sampling.acceleration, ReversibleScaling)
        assert linear is None, "weak fields have no run without field that serves them"
        self.model, self.sampling, self._root = model, model.sampling, root
        self.scaling = model.sampling.acceleration
        self.catalog = build_catalog(model, temperature=temperature, field=field)
        self.system = system_of_catalog(self.catalog)
        self.separation: Separation | None = None
        self.runs: list[PointSimulation] = []
        self.evaluation: Evaluation | None = None
        self.last: Accuracy | None = None
        self._search, self._tighter, self._rounds = 0.0, TIGHTER, 0

    # ---- the runs

    def _make_runs(self) -> None:
        assert self.separation is not None
        where = self.system.temperature, self.catalog.field
        factors = self.separation.factors
        if not factors:
            self.runs = [PointSimulation(self.model, *where, root=self._root)]
        for k, factor in enumerate(factors):
            slowing = tuple(np.where(self.separation.slowed, factor, 1.0).tolist())
            slow = replace(self.model, slowing=slowing, sampling=self._sampling(k))
            first = k * self.sampling.replicas
            self.runs.append(PointSimulation(slow, *where, root=self._root, first=first))

    def _sampling(self, number: int) -> Sampling:
        """What is asked of one of the runs."""
        s, share = self.sampling, _SHARE[number]

        def part(whole: float | None, of: float) -> float | None:
            return None if whole is None else whole * of

        return replace(
            s,
            relative_error=part(s.relative_error and min(s.relative_error, MOST_ERROR), self._tighter),
            absolute_error=part(s.absolute_error, self._tighter),
            events=None if s.events is None else max(1, round(s.events * share)),
            wall_time=part(s.wall_time, share),
            acceleration=None,
        )

    @property
    def is_scaled(self) -> bool:
        return len(self.runs) > 1

    @property
    def built(self) -> bool:
        return bool(self.runs) and self.runs[0].built

    def build(
        self,
        *,
        should_stop: ShouldStop = never,
        on_progress: Callable[[PointProgress], None] = lambda _: None,
    ) -> ExitReason | None:
        """Measure the separation, which is soon done, and make the replicas of the first run."""
        if self.separation is None:
            begun, limit = time.monotonic(), self.sampling.wall_time
            reason = ExitReason.INTERRUPTED

            def stop() -> bool:
                nonlocal reason
                late = limit is not None and time.monotonic() - begun > limit
                reason = ExitReason.TIME_LIMIT if late else ExitReason.INTERRUPTED
                return late or should_stop()

            try:
                self.separation = measure_separation(
                    self.model,
                    self.system.temperature,
                    self.catalog.field,
                    root=self._root,
                    scaling=self.scaling,
                    should_stop=stop,
                )
            except Stopped:
                return reason
            finally:
                self._search = time.monotonic() - begun
            self._make_runs()
        return self.runs[0].build(should_stop=should_stop, on_progress=lambda _: on_progress(self.progress()))

    def run(
        self,
        *,
        should_stop: ShouldStop = never,
        on_progress: Callable[[PointProgress], None] = lambda _: None,
        pool: Executor | None = None,
    ) -> ExitReason:
        """Each run in its turn until accurate, out of its share of the time, blocked, or told to stop."""
        early = self.build(should_stop=should_stop, on_progress=on_progress)
        if early is not None:
            return early
        while True:
            reasons = []
            for point in self.runs:
                reasons.append(
                    point.run(
                        should_stop=should_stop,
                        on_progress=lambda _: on_progress(self.progress()),
                        pool=pool,
                    )
                )
                if reasons[-1] is ExitReason.INTERRUPTED:
                    return ExitReason.INTERRUPTED
            self._combine()
            for reason in (ExitReason.BLOCKED_LATTICE, ExitReason.TIME_LIMIT, ExitReason.DONE):
                if reason in reasons:
                    return reason
            if not self.is_scaled or (self.last is not None and self.last.reached):
                return ExitReason.ACCURACY_REACHED
            if not self._asks_for_more():
                return ExitReason.DONE

    def _combine(self) -> None:
        """Look at all runs together."""
        found = [run.evaluation for run in self.runs]
        if not self.is_scaled:
            self.evaluation, self.last = found[0], self.runs[0].last
            return
        assert self.separation is not None
        known = [e for e in found if e is not None]
        if len(known) < len(found):
            return
        self.evaluation = extrapolate(known, self.separation.factors, self.separation.slowed)
        s = self.sampling
        self.last = accuracy(
            self.evaluation,
            self.runs[0].system,
            s.target,
            s.relative_error,
            s.absolute_error,
            s.min_effective_samples,
        )

    def _asks_for_more(self) -> bool:
        """Ask the runs for smaller errors, where these are what limits the extrapolation."""
        if self._rounds == MAX_ROUNDS or self.last is None or not np.isfinite(self.last.ratio):
            return False
        if isinstance(self.evaluation, Extrapolation) and Missing.NOT_SEPARATED in self.evaluation.doubts:
            return False
        self._rounds += 1
        self._tighter *= min(0.9, max(0.5, 0.9 / self.last.ratio))
        self._ask()
        return True

    def _ask(self) -> None:
        for number, run in enumerate(self.runs if self.is_scaled else ()):
            run.sampling = self._sampling(number)

    # ---- what is told of it

    @property
    def replicas(self) -> list[Replica]:
        return [replica for run in self.runs for replica in run.replicas]

    @property
    def events(self) -> int:
        return sum(run.events for run in self.runs)

    @property
    def seconds(self) -> float:
        return self._search + sum(run.seconds for run in self.runs)

    @property
    def blocked(self) -> bool:
        return any(run.blocked for run in self.runs)

    @property
    def at_rest(self) -> bool:
        return all(run.at_rest for run in self.runs if run.built)

    @property
    def is_evaluated(self) -> bool:
        return not self.is_scaled and bool(self.runs) and self.runs[0].is_evaluated

    def tallies(self) -> list[Tallies]:
        """The complete rows of each replica; those of different runs are of different length."""
        return [t for run in self.runs for t in (run.tallies() if run.built else [])]

    def observed(self) -> dict[str, Estimate]:
        return {} if self.is_scaled or not self.runs else self.runs[0].observed()

    def progress(self) -> PointProgress:
        known = [run.last for run in self.runs if run.last is not None]
        if not known or len(known) < len(self.runs):
            return PointProgress(self.events, self.seconds, None, None)
        worst = max(known, key=lambda last: last.ratio)
        return PointProgress(self.events, self.seconds, worst.ratio, worst.relative_error)

    def told(self) -> dict[str, Any]:
        """Arrays of `kmc_transport.arrays` that say what was done."""
        verdicts = np.zeros((len(OBSERVABLES), len(self.model.carriers)), np.int64)
        if isinstance(self.evaluation, Extrapolation):
            for i, name in enumerate(OBSERVABLES):
                verdicts[i] = self.evaluation.verdicts.get(name, (Verdict.EXACT,) * verdicts.shape[1])
        found = self.separation
        return {
            "time_scale_separation": np.nan if found is None else found.ratio,
            "scaling_factor": found.factors[0] if found is not None and found.factors else 1.0,
            "scaling_verdict": verdicts,
            "scaling_note": "" if found is None else found.note,
        }

    # ---- stopping and going on

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, as arrays, numbers and strings."""
        found = self.separation
        assert found is not None
        state: dict[str, Any] = {
            "slowed": found.slowed.astype(np.int64),
            "ratio": found.ratio,
            "factors": np.array(found.factors, np.float64),
            "note": found.note,
            "search": self._search,
            "tighter": self._tighter,
            "rounds": self._rounds,
        }
        for k, run in enumerate(self.runs):
            if run.built:
                state |= {f"run{k}/{name}": value for name, value in run.snapshot().items()}
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
    ) -> ScaledSimulation:
        """The point as it was when `snapshot` was taken."""
        point = cls(model, temperature, field, root=root, linear=linear)
        point.separation = Separation(
            slowed=np.array(state["slowed"]) != 0,
            ratio=float(state["ratio"]),
            factors=tuple(np.array(state["factors"], float).tolist()),
            note=str(state["note"]),
        )
        point._search, point._tighter = float(state["search"]), float(state["tighter"])
        point._rounds = int(state["rounds"])
        point._make_runs()
        for k, new in enumerate(point.runs):
            own = {n.removeprefix(f"run{k}/"): v for n, v in state.items() if n.startswith(f"run{k}/")}
            if own:
                point.runs[k] = PointSimulation.restore(
                    new.model, temperature, field, own, root=root, first=k * model.sampling.replicas
                )
        return point


AnyPoint = PointSimulation | ScaledSimulation


def point_kind(model: Model) -> type[PointSimulation] | type[ScaledSimulation]:
    """Who simulates the points of a model."""
    return ScaledSimulation if isinstance(model.sampling.acceleration, ReversibleScaling) else PointSimulation
