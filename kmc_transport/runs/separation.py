"""How far the time scales of the species of a point lie apart, measured in the configurations that it goes through."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..engine import Replica
from ..engine.pace import ShouldStop, Stopped, never
from ..model.acceleration import ReversibleScaling
from ..model.interactions import Initial
from ..model.model import Model
from ..model.network import components
from ..ndarrays import BoolArray, FloatArray
from ..rates import build_catalog
from ..records import ExitReason, HopChunk
from ..seeds import replica_stream

__all__ = ["STEPS", "Separation", "measure_separation"]

STEPS = (1.0, 2.0, 4.0)
"""Separations of the runs, over the first one's."""
PAYS = 10.5
"""Separation, over the wanted one, from which slowing pays: three runs of 1, 2 and 4 times the wanted separation take
as many hops as one of 7 times, and the error of their extrapolation is that of one of them times the root of 1.5."""
SAMPLES = 64
"""Configurations in which rates are measured, after as many that are thrown away."""
HOPS_BETWEEN = 1000.0
"""Hops of all carriers between two of them at most; else a hop of all slow carriers."""
ALIKE = 1.3
"""Factor within which two measurements of the separation agree."""
SLOW_HOPS, MOST_HOPS = 200, 4_000_000
"""Hops of slow carriers that are looked at for bursts, and hops of all that this may take."""
FEWEST_BETWEEN = 1.0
"""Hops of each fast carrier between two hops of a slow one below which these are a burst."""
LARGEST_SHARE = 0.15
"""Of bursts: about what the first run is off by, which has to be small for an expansion in its inverse separation."""
WIDER = 4.0
"""Factor on the separation where there are more bursts."""
MAX_ROUNDS = 12
STREAM = 2_000_003
"""Number of the first random stream, beyond those of replicas."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """What was measured, and what follows.

    ratio : hops of a carrier of the slowest fast species between two hops of a carrier of the quickest slow one; NaN
    where nothing was measured. factors : of the runs, on the rates of the fast species; empty: nothing is slowed.
    note : the same in words.
    """

    slowed: BoolArray
    ratio: float
    factors: tuple[float, ...]
    note: str


def measure_separation(
    model: Model,
    temperature: float,
    field: npt.ArrayLike,
    *,
    root: int,
    scaling: ReversibleScaling,
    should_stop: ShouldStop = never,
) -> Separation:
    """Of a point (K; V/Å), by a replica whose fast species are slowed step by step to the separation that is wanted.

    At that separation slow carriers move too, so that the configurations are those of the runs. Rates are worked out in
    sampled configurations, so that rare hops need not be waited for; of a fast species those count that it cannot do
    without: carriers that rattle between two sites have not moved on. Where slow carriers hop in bursts (there and
    straight back, before the fast ones can follow), the separation is widened until there are few. Raises Stopped when
    told to.
    """
    names = [c.name for c in model.carriers]
    there = np.array([c.count > 0 for c in model.carriers])
    given = np.isin(names, scaling.species) if scaling.species else None
    factor, before, wanted, initial = 1.0, math.nan, scaling.separation, model.initial

    def exactly(ratio: float, why: str) -> Separation:
        note = f"Simulated exactly: {why}."
        return Separation(slowed=np.zeros(len(names), np.bool_), ratio=ratio, factors=(), note=note)

    for step in range(MAX_ROUNDS):
        slowing = () if given is None or factor == 1 else tuple(np.where(given, factor, 1.0).tolist())
        replica = Replica(
            build_catalog(replace(model, slowing=slowing), temperature=temperature, field=field),
            seed=replica_stream(root, temperature, field, STREAM + step),
            levels=0,
            algorithm=model.sampling.algorithm,
            initial=initial,
            should_stop=should_stop,
        )
        rates = _mean_rates(replica, given, should_stop)
        if given is None:
            given = _quickest(_of_species(model, rates), there)
        fast, slow = given & there, ~given & there
        quick, slowly = _that_lead_on(model, rates, fast), _of_species(model, rates)
        if not (fast.any() and slow.any() and slowly[slow].max(initial=0.0) > 0):
            return exactly(math.nan, "there are no two species whose hops could be compared")
        ratio = min(quick.values()) / float(slowly[slow].max()) / factor
        initial = _as_it_is(replica)
        said = (
            f"a carrier of {_listed(names, fast)} moves on {ratio:.3g} times for each hop of one of "
            f"{_listed(names, slow)}"
        )
        if ratio < PAYS * scaling.separation:
            pays = PAYS * scaling.separation
            steps = _steps(scaling.separation)
            return exactly(
                ratio, f"{said}; slowing to {steps} pays from {pays:.4g} on and gains nothing here"
            )
        if ratio < PAYS * wanted:
            return exactly(
                ratio,
                f"{said}, but {_listed(names, slow)} hops in bursts that these do not follow when they are slowed by "
                "more than pays",
            )
        agrees = abs(math.log(ratio / before)) < math.log(ALIKE)
        before = ratio
        if agrees:
            bursts = _bursts(replica, list(quick), slow, should_stop)
            if bursts is None:
                return exactly(ratio, f"{said}, too many to see whether slowing is sound")
            if bursts <= LARGEST_SHARE:
                break
            wanted *= WIDER
        factor = wanted / ratio
    else:
        return exactly(ratio, f"{said}, by measurements that do not agree with each other")
    factors = tuple(wanted * s / ratio for s in STEPS)
    return Separation(
        slowed=fast,
        ratio=ratio,
        factors=factors,
        note=f"Reversible scaling: {said}; {_listed(names, fast)} slowed to {_steps(wanted)} (factors "
        f"{', '.join(f'{f:.3g}' for f in factors)}), and the answer extrapolated in the inverse separation.",
    )


def _mean_rates(replica: Replica, fast: BoolArray | None, should_stop: ShouldStop) -> FloatArray:
    """(hop classes,) hops per second of one carrier, the mean over configurations."""
    model = replica.catalog.model
    number = np.array([c.count for c in model.carriers], float)
    owner = np.array([c.carrier for c in model.hop_classes])

    def rates() -> FloatArray:
        return np.bincount(model.network.hop_class, replica.open_rates(), len(owner)).astype(float)

    found: list[FloatArray] = []
    for _part in range(2):
        now = np.bincount(owner, rates() if not found else np.mean(found, axis=0), len(number))
        slow = now if fast is None else now[~fast]
        quick = HOPS_BETWEEN / now.sum() if now.sum() > 0 else 1.0
        waiting = 1 / slow[slow > 0].min() if (slow > 0).any() else math.inf
        replica.reset(sample_interval=min(quick, waiting), windows_per_row=1)
        found = []
        for _ in range(SAMPLES):
            if replica.advance(1, should_stop=should_stop) is ExitReason.INTERRUPTED:
                raise Stopped
            found.append(rates())
    return np.asarray(np.mean(found, axis=0) / np.maximum(number, 1)[owner])


def _of_species(model: Model, rates: FloatArray) -> FloatArray:
    """(S,) hops per second of one carrier, of all classes together."""
    return np.bincount([c.carrier for c in model.hop_classes], rates, len(model.carriers)).astype(float)


def _that_lead_on(model: Model, rates: FloatArray, fast: BoolArray) -> dict[int, float]:
    """Of each fast species the class without which it gets less far, and its rate: of the quickest classes that lead
    wherever all of them lead, the slowest."""
    found = {}
    for a in np.flatnonzero(fast):
        own = [k for k in np.argsort(-rates, kind="stable").tolist() if model.hop_classes[k].carrier == a]
        goal = _reach(model, own)
        for n in range(1, len(own) + 1):
            if _reach(model, own[:n]) == goal:
                found[own[n - 1]] = float(rates[own[n - 1]])
                break
    return found


def _reach(model: Model, classes: list[int]) -> list[tuple[list[int], int]]:
    """Sites that hops of these classes join, and in how many dimensions they lead through the crystal."""
    net = model.network
    hops = np.flatnonzero(np.isin(net.hop_class, classes))
    bonds = [
        (
            int(net.origin[h]),
            int(net.target[h]),
            (int(net.cell[h, 0]), int(net.cell[h, 1]), int(net.cell[h, 2])),
        )
        for h in hops
    ]
    parts = components(model.structure.n_sites, bonds)
    return sorted((sorted(s), int(np.linalg.matrix_rank(r)) if len(r) else 0) for s, r in parts)


def _bursts(replica: Replica, leading: list[int], slow: BoolArray, should_stop: ShouldStop) -> float | None:
    """Share of the hops of slow carriers after which the same carrier hops again before the fast ones have moved on
    once each, on average. leading : classes of hops by which fast species move on. None where that takes too long."""
    model = replica.catalog.model
    net, number = model.network, np.array([c.count for c in model.carriers], float)
    is_slow = slow[net.carrier]
    moved = np.zeros(len(leading))
    last: dict[int, FloatArray] = {}
    close = seen = 0

    def add(chunk: HopChunk) -> None:
        nonlocal moved, close, seen
        steps = np.array([net.hop_class[chunk.hop] == k for k in leading], float)
        steps /= np.array([number[model.hop_classes[k].carrier] for k in leading])[:, None]
        so_far = moved[:, None] + np.cumsum(steps, axis=1)
        for i in np.flatnonzero(is_slow[chunk.hop]):
            carrier, now = int(chunk.carrier[i]), so_far[:, i]
            close += carrier in last and bool(np.any(now - last[carrier] < FEWEST_BETWEEN - 1e-9))
            last[carrier] = now
            seen += 1
        if len(chunk.hop):
            moved = so_far[:, -1]

    before = replica.executed
    while seen < SLOW_HOPS:
        if replica.executed - before > MOST_HOPS:
            return None
        if replica.advance(1, should_stop=should_stop, on_hops=add) is ExitReason.INTERRUPTED:
            raise Stopped
    return close / seen


def _quickest(rates: FloatArray, there: BoolArray) -> BoolArray:
    """The species above the widest gap between rates."""
    order = [a for a in np.argsort(rates) if there[a] and rates[a] > 0]
    fast = np.zeros(len(rates), np.bool_)
    if len(order) > 1:
        gaps = np.diff(np.log(rates[order]))
        fast[order[int(np.argmax(gaps)) + 1 :]] = True
    return fast


def _as_it_is(replica: Replica) -> Initial:
    species, sites = replica.species, replica.occupation()
    n = len(replica.catalog.model.carriers)
    return Initial(kind="given", sites=tuple(tuple(sites[species == a].tolist()) for a in range(n)))


def _listed(names: list[str], which: BoolArray) -> str:
    return ", ".join(n for n, w in zip(names, which, strict=True) if w)


def _steps(separation: float) -> str:
    return ", ".join(f"{s * separation:.4g}" for s in STEPS)
