"""Short runs that are thrown away: how long the whole run will take, and where the time goes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from ..analysis import TARGETS, target_name
from ..analysis.targets import errors_of_species, wanted
from ..engine import Replica
from ..engine.pace import Stopped
from ..input.conditions import ABSORBING, MOST_ABSORBING
from ..model.islands import islands
from ..model.model import Model, Sampling
from ..ndarrays import BoolArray, FloatArray
from ..rates import build_catalog
from ..records import ExitReason
from .chemistry import chemistry
from .forecast import QUICK_SWEEPS, HopFrequencies, frequencies_at, prepared
from .grid import GridPoint, grid_points
from .point import FIRST_ROWS, MAX_EVENTS, MAX_UNMOVED, PointSimulation

__all__ = ["Forecast", "Pilot", "forecast"]


MOST, SECONDS, LONGEST = 6, 6.0, 2.0
"""Pilots at most, processor seconds of all of them, and of one at most."""
ROOT = 0x9D1F
"""Seed: no random number of a pilot is one of the run's."""
OVERSHOOT = 1.15
"""Rows come in steps, so that a point counts some more hops than its error needs."""
LEAST_SPREAD = 1.4
"""Factor by which hops and speed are uncertain at least."""
NEVER = 1e30
"""Seconds that stand for those of a start that was given up."""
MAKING = 4.0
"""Times the seconds of a pilot after which its start is given up."""
FEW_HOPS = 300
"""Hops of a species from which its error bar is one."""
STRAIGHT = 0.2
"""Correlation factor below which so many hops go back that absorbing chains are tried."""
WORTH = 60.0
"""Seconds of a point from which that is worth trying."""
MEMORY = 10.0
"""Hops between two samples then, over those that a carrier makes for each that leads on."""
CLEARLY = 3.0
"""Factor between errors with and without the scatter between replicas that chance does not make."""
GUESS = 3.0
"""Factor by which a number of hops is uncertain where the pilot saw too little for an error bar of its own."""


@dataclass(frozen=True)
class Hops:
    """Executed hops of a point: a likely number, and between which it lies; at_least : it may be even more."""

    likely: float
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Pilot:
    """What a short run of one point says of the whole point. Seconds are those of a processor.

    system, coordinates : of composition and sample, as in `GridPoint`.
    """

    temperature: float
    field: FloatArray
    system: int
    coordinates: tuple[tuple[str, float], ...]
    hops: Hops
    cap: float
    """Hops after which the run ends though it is not as accurate as asked."""
    decides: int | None
    """Species whose accuracy takes that long; None where a length is asked for."""
    rare: tuple[int, ...]
    """Species of the target that have hardly moved."""
    speed: float
    """Hops per second; NaN where there were none."""
    start: tuple[float, float]
    """Seconds until the first hop, and of what is not hops, low and high."""
    straight: float
    """Least correlation factor of a species; 1 where it is not known."""
    error: float
    """Relative error in the end, where a length is asked for; else NaN."""
    scatter: float
    """Part of the error asked for that differences between replicas take up, however long they run."""
    others: dict[str, float]
    """Hops that other targets would take."""
    limit: float | None
    """Of wall time, s."""

    @property
    def seconds(self) -> tuple[float, float]:
        """Of the point, between which numbers, until it is as accurate as asked."""
        return self.start[0] + self._take(self.hops.low), self.start[1] + self._take(self.hops.high)

    @property
    def spent(self) -> tuple[float, float]:
        """The same with the limits of the run, which may end it before."""
        most = math.inf if self.limit is None else self.limit
        cap = math.inf if self.decides is None else self.cap  # of a length, trial rounds come on top
        low, high = (self._take(min(hops, cap)) for hops in (self.hops.low, self.hops.high))
        return min(most, self.start[0] + low), min(most, self.start[1] + high)

    def _take(self, hops: float) -> float:
        return hops / self.speed if self.speed > 0 else math.inf if hops else 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecast:
    """What a whole run takes. points : that are simulated. processor, wall : s, between which numbers, as the run needs
    them; spent : wall seconds with the limits of the run. workers : processors that share the points."""

    pilots: tuple[Pilot, ...]
    points: int
    workers: int
    processor: tuple[float, float]
    wall: tuple[float, float]
    spent: tuple[float, float]
    at_least: bool
    absorbing: float
    """How many times quicker the longest point is with absorbing chains; NaN where that was not tried."""


def forecast(model: Model, workers: int) -> Forecast:
    """Try out the extremes of the grid for some seconds, and say what all of it takes.

    Raises InputError for points that cannot be simulated.
    """
    model = prepared(model)
    points = [p for p in grid_points(model, ROOT) if not p.zero]  # weak fields cost nothing of their own
    chosen = _chosen(points)
    seconds = min(LONGEST, SECONDS / len(chosen))
    pilots = tuple(_pilot(model.systems[p.system], p, seconds) for p in chosen)
    longest = max(range(len(chosen)), key=lambda k: pilots[k].seconds[1])
    needed, spent = ([_between(pilots, p, limited) for p in points] for limited in (False, True))
    return Forecast(
        pilots=pilots,
        points=len(points),
        workers=workers,
        processor=_sums(needed),
        wall=_wall(needed, workers, model.sampling),
        spent=_wall(spent, workers, model.sampling),
        at_least=any(p.hops.at_least for p in pilots),
        absorbing=_gain_of_absorbing(model, chosen[longest], pilots[longest], seconds),
    )


def _gain_of_absorbing(model: Model, point: GridPoint, without: Pilot, seconds: float) -> float:
    """Hops per second with absorbing chains over those without: the hops of whole stays count as hops.

    Samples end stays; so they are as long here as hops remember, which those of a pilot are not yet.
    """
    system, sampling = model.systems[point.system], model.sampling
    number = sum(c.count for c in system.carriers)
    may = sampling.algorithm == "auto" and not model.observed and 0 < number <= MOST_ABSORBING
    if not may or not without.straight < STRAIGHT or not without.seconds[1] > WORTH or not without.speed > 0:
        return math.nan
    catalog = build_catalog(system, temperature=point.temperature, field=point.field)
    replica = Replica(catalog, seed=np.random.SeedSequence(ROOT), algorithm=ABSORBING)
    replica.reset(sample_interval=MEMORY / without.straight / replica.total_rate())
    replica.advance(1)  # whatever is compiled is compiled by now
    before, clock = replica.executed, _Clock(seconds)
    replica.advance(2**40, should_stop=clock.late)
    return (replica.executed - before) / max(1e-6, clock.seconds) / without.speed


def _chosen(points: Sequence[GridPoint]) -> list[GridPoint]:
    """Extremes of temperature, field and composition: the coldest first, weak fields before strong ones."""
    systems = sorted({p.system for p in points})
    kelvins = sorted({p.temperature for p in points})
    sizes = sorted({_size(p) for p in points})
    wanted = product(
        dict.fromkeys((sizes[0], sizes[-1])),
        dict.fromkeys((systems[0], systems[-1])),
        dict.fromkeys((kelvins[0], kelvins[-1])),
    )
    found = [
        next((p for p in points if (_size(p), p.system, p.temperature) == place), None) for place in wanted
    ]
    return [p for p in found if p is not None][:MOST]


def _size(point: GridPoint | Pilot) -> float:
    return float(np.linalg.norm(point.field))


def _pilot(model: Model, point: GridPoint, seconds: float) -> Pilot:
    short = model
    if model.initial.anneals:
        short = replace(model, initial=replace(model.initial, sweeps=min(model.initial.sweeps, QUICK_SWEEPS)))
    short = replace(short, sampling=replace(model.sampling, wall_time=None))
    simulation = PointSimulation(short, point.temperature, point.field, root=ROOT)
    clock = _Clock(MAKING * seconds)
    simulation.build(should_stop=clock.late)
    start, speed, reached = clock.seconds, math.nan, False
    if simulation.built:
        clock = _Clock()
        simulation.new_replica(len(simulation.replicas))  # the first one may have waited for a compilation
        start = clock.seconds * len(simulation.replicas)
    if simulation.built and not simulation.blocked:
        for first in (
            True,
            False,
        ):  # in the first part kernels are compiled, rows are short, nobody listens to hops
            before, clock = simulation.events, _Clock(seconds / 2 if first else seconds)
            done = simulation.run(
                should_stop=lambda clock=clock, first=first: (  # type: ignore[misc]
                    clock.late() or (first and simulation.stage == "production")
                )
            )
            speed = (simulation.events - before) / max(1e-6, clock.seconds)
            reached = done in (ExitReason.ACCURACY_REACHED, ExitReason.DONE)
            if reached:
                break
        simulation.sampling = replace(simulation.sampling, wall_time=0.0)
        simulation.run()  # looks at what there is
    more, finished = _thermodynamics(simulation, MAKING * seconds)
    seen = _Seen(simulation)
    hops = _of_length(seen) if seen.fixed else _of_accuracy(seen, reached)
    return Pilot(
        temperature=point.temperature,
        field=point.field,
        system=point.system,
        coordinates=point.coordinates,
        hops=hops,
        cap=seen.cap,
        decides=None if seen.fixed or np.isnan(seen.ratios).all() else int(np.nanargmax(seen.ratios)),
        rare=tuple(np.flatnonzero(seen.rare(seen.target)).tolist()),
        speed=speed,
        start=(
            start + more,
            start * model.initial.sweeps / short.initial.sweeps + more * (1 if finished else GUESS**2),
        ),
        error=seen.worst * math.sqrt(seen.counted / seen.cap) if seen.fixed and seen.cap else math.nan,
        scatter=seen.scatter,
        straight=seen.straight,
        others={name: seen.counted * ratio**2 for name, ratio in seen.others.items() if 0 < ratio < math.inf},
        limit=model.sampling.wall_time,
    )


class _Clock:
    """Processor seconds since it was made, by which others at work do not count. limit : when it is late."""

    def __init__(self, limit: float = math.inf) -> None:
        self._start, self._limit = time.process_time(), limit

    @property
    def seconds(self) -> float:
        return time.process_time() - self._start

    def late(self) -> bool:
        return self.seconds > self._limit


def _thermodynamics(simulation: PointSimulation, seconds: float) -> tuple[float, bool]:
    """Seconds that the thermodynamic factor takes, if it is asked for, and whether it was finished within so many."""
    clock = _Clock(seconds)
    with suppress(Stopped):
        chemistry(simulation, ROOT, clock.late)
        return clock.seconds, True
    return clock.seconds, False


class _Seen:
    """What the complete rows of a pilot show.

    counted : hops in them, rows of each replica; thrown : other hops. ratios : (S,) errors over those asked for (over
    the values, where only a length is asked for), without the scatter between replicas. others : the largest of these
    of other targets. scatter : see `Pilot`.
    """

    def __init__(self, simulation: PointSimulation) -> None:
        s, found = simulation.sampling, simulation.evaluation
        self.simulation, self.sampling, self.evaluation = simulation, s, found
        n = len(simulation.model.carriers)
        tallies = simulation.tallies()
        self.rows = min((t.n_rows for t in tallies), default=0)
        self.counted = float(sum(t.events[: self.rows].sum() for t in tallies))
        none = np.zeros(simulation.model.network.n_hops)
        by_hop = sum((t.events[: self.rows].sum(axis=0) for t in tallies), none)
        self.hops = np.bincount(simulation.system.hop_carrier, by_hop, n)
        self.time = float(sum(t.row_time * self.rows for t in tallies))
        self.thrown = simulation.events - self.counted
        relative = s.table_error or s.relative_error
        self.fixed = relative is None and s.absolute_error is None
        self.ratios, self.scatter, self.others = np.full(n, np.inf), 0.0, dict[str, float]()
        self.straight = 1.0
        if found is None or not self.counted:
            return
        factors = found.estimates["correlation_factor"].value
        self.straight = float(np.min(factors, initial=1.0, where=np.isfinite(factors)))
        asked = (1.0, None) if self.fixed else (relative, s.absolute_error)
        self.ratios = errors_of_species(found, simulation.system, s.target, *asked)
        last, apart = simulation.last, any(part is not None for part in islands(simulation.model))
        if found.quenched and apart and last is not None and CLEARLY * last.within < last.ratio < math.inf:
            self.scatter = math.sqrt(last.ratio**2 - last.within**2)
        for name in TARGETS:
            estimate = target_name(name, simulation.system)
            if relative is not None and estimate != self.target and not self.rare(estimate).any():
                errors = errors_of_species(found, simulation.system, name, relative, None)
                self.others[name] = _largest(errors)

    def rare(self, name: str) -> BoolArray:
        """(S,) species of a target whose hops were too few to tell their error by."""
        few = self.hops < FEW_HOPS
        return wanted(self.simulation.system, name) & (few.all() if name == "charge_diffusivity" else few)

    @cached_property
    def frequencies(self) -> HopFrequencies:
        return frequencies_at(self.simulation.model, self.simulation.system.temperature, ROOT)

    @property
    def target(self) -> str:
        """Name of the estimate."""
        return target_name(self.sampling.target, self.simulation.system)

    @property
    def worst(self) -> float:
        return _largest(self.ratios)

    @property
    def spread(self) -> float:
        """Factor by which the square of an error is uncertain."""
        batches = 2 if self.evaluation is None else max(2, self.evaluation.batches)
        return max(LEAST_SPREAD, math.exp(2 * math.sqrt(2 / batches)))

    @property
    def settled(self) -> bool:
        """Whether the pilot has come to rows that are kept, and these outlive what the target remembers."""
        found = self.evaluation
        return found is not None and self.simulation.stage == "production" and found.settled(self.target)

    @property
    def cap(self) -> float:
        """Hops after which the run ends, whatever its error."""
        s = self.sampling
        by_time = math.inf
        if s.time is not None and self.time:
            by_time = s.time * s.replicas * self.counted / self.time
        most = MAX_EVENTS
        if not self.fixed and self.rare(self.target).any():
            rate = self.frequencies.rate
            seen = rate[wanted(self.simulation.system, self.target)] * MAX_UNMOVED > rate.sum()
            most = MAX_EVENTS if seen.all() else MAX_UNMOVED
        return min(by_time, most if s.events is None else float(s.events))

    @property
    def hops_per_row(self) -> float:
        """Of all replicas."""
        return self.counted / self.rows if self.rows else 0.0


def _largest(ratios: FloatArray) -> float:
    return 0.0 if np.isnan(ratios).all() else float(np.nanmax(ratios))


def _of_length(seen: _Seen) -> Hops:
    """The hops that are asked for, and trial rounds, which take as many again at most."""
    hops = seen.cap
    trial = min(hops, seen.thrown) if seen.simulation.stage == "production" else 0.5 * hops
    return Hops(hops + trial, hops, 2 * hops)


def _of_accuracy(seen: _Seen, reached: bool) -> Hops:
    """The error falls as the square root of the hops, once these are more than the first rows."""
    whole = seen.counted + seen.thrown
    if reached or seen.simulation.blocked:
        return Hops(whole, whole / LEAST_SPREAD, whole * LEAST_SPREAD)
    if seen.rare(seen.target).any():  # hardly moved: what its rate says, if hops have no memory
        needed = seen.frequencies.needed
        least = float(np.max(needed, initial=whole, where=np.isfinite(needed)))
        return Hops(GUESS * least, least, GUESS**3 * least, at_least=True)
    hops = max(OVERSHOOT * seen.counted * seen.worst**2, FIRST_ROWS * seen.hops_per_row)
    if not seen.settled:  # rows will become longer, and those so far are thrown away
        return Hops(whole + GUESS * hops, hops, whole + GUESS**3 * hops, at_least=True)
    return Hops(seen.thrown + hops, seen.thrown + hops / seen.spread, seen.thrown + hops * seen.spread)


def _between(pilots: Sequence[Pilot], point: GridPoint, limited: bool) -> tuple[float, float]:
    """Processor seconds of a point, low and high, by the pilots nearest to it: their logarithms are straight in 1/T."""

    def far(p: Pilot) -> tuple[float, float]:
        return abs(p.system - point.system), abs(_size(p) - _size(point))

    near = [p for p in pilots if far(p) == min(map(far, pilots))]
    near.sort(key=lambda p: -p.temperature)
    sides = zip(*(p.spent if limited else p.seconds for p in near), strict=True)
    inverse = [1 / p.temperature for p in near]
    low, high = (
        float(np.exp(np.interp(1 / point.temperature, inverse, np.log(np.minimum(side, NEVER)))))
        for side in sides
    )
    return low, high


def _sums(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(low for low, _ in points), sum(high for _, high in points)


def _wall(points: Sequence[tuple[float, float]], workers: int, sampling: Sampling) -> tuple[float, float]:
    """Wall seconds, where workers share points, or the replicas of few points."""
    alone = min(workers, sampling.replicas) if len(points) < workers else 1
    low, high = _sums(points)
    return (
        max(low / workers, max(p for p, _ in points) / alone),
        max(high / workers, max(p for _, p in points) / alone),
    )
