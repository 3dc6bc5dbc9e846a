"""Effort where it lowers the error of the whole table most: points in rounds, each planned from the last one alone.

The error of the table is the root mean square of its points' relative errors. A point whose squared error is c/n after
n hops needs n proportional to sqrt(c) when the sum of all n is to be smallest for a given mean of c/n (Lagrange), where
equal errors everywhere would need n proportional to c; a run without field that serves several rows counts for all of
them. A round sets each point a relative error to reach, from the numbers that all points had when the last round was
over; so workers, their number and restarts change nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import StoreError
from ..ndarrays import BoolArray, FloatArray
from ..records import ExitReason
from ..store import Pack, write_text
from ..store.atomic import read_bytes

__all__ = ["RoundPlan", "Standings", "next_targets", "read_plan", "standings_of", "write_plan"]

GROWTH = 4.0
"""Largest factor on the hops of a point in one round: what the last round says of its error is itself uncertain."""
LEAST = 1.05
"""Smallest factor on the hops that is worth going on for."""
SAFE = 0.98
"""Targets are a little below what the goal needs, so that the last rounds do not creep."""


@dataclass(frozen=True)
class RoundPlan:
    """One round: the relative error that each point (by key) is to reach."""

    number: int
    targets: Mapping[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Standings:
    """Points at the end of a round: keys, relative errors, executed hops, targets so far, whether they can go on.

    rows : of the table that a point answers for: a run without field for those of weak fields too, and they for none.
    """

    keys: tuple[str, ...]
    error: FloatArray
    hops: FloatArray
    history: tuple[tuple[float, ...], ...]
    open: BoolArray
    rows: FloatArray = field(default_factory=lambda: np.ones(1))

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.broadcast_to(self.rows, np.shape(self.error)))

    @property
    def table_error(self) -> float:
        """Root mean square of the relative errors; points without one (or that cannot move) are left out."""
        known = np.isfinite(self.error) & (self.error > 0) & (self.rows > 0)
        if not known.any():
            return float("nan")
        return float(np.sqrt(np.average(self.error[known] ** 2, weights=self.rows[known])))


def standings_of(points: Iterable[tuple[str, Pack]]) -> Standings:
    """From the summaries of finished points."""
    keys: list[str] = []
    errors: list[float] = []
    hops: list[float] = []
    history: list[tuple[float, ...]] = []
    going: list[bool] = []
    served: list[str] = []
    for key, pack in points:
        values = pack.values
        meta = values["meta"]
        keys.append(key)
        errors.append(meta["accuracy"]["relative"] if meta.get("accuracy") else np.nan)
        hops.append(float(pack.content()["values/executed_hops"]))
        history.append(tuple(meta.get("targets", ())))
        served.append(meta.get("without_field", key))
        going.append(values["values/exit_reason"] == ExitReason.ACCURACY_REACHED.value)
    error = np.array(errors, float)
    count = Counter(served)
    rows = np.array([count[key] for key in keys], float)
    can = np.array(going, bool) & np.isfinite(error) & (rows > 0)
    return Standings(
        keys=tuple(keys), error=error, hops=np.array(hops, float), history=tuple(history), open=can, rows=rows
    )


def next_targets(standings: Standings, goal: float, most: float) -> dict[str, float]:
    """Relative errors for the next round; empty when the table is good enough or no point can be improved.

    goal : relative error of the table, of its points that can go on (not those that ran into a limit). most : largest
    error of a point.
    """
    at = np.flatnonzero(standings.open & (standings.error > 0))
    error, hops, rows = standings.error[at], np.maximum(standings.hops[at], 1.0), standings.rows[at]
    if not len(at) or (np.sqrt(np.average(error**2, weights=rows)) <= goal and np.all(error <= most)):
        return {}
    variance = error**2 * hops

    def effort(scale: float) -> FloatArray:
        return np.maximum(np.maximum(hops, variance / most**2), scale * np.sqrt(rows * variance))

    def off(scale: float) -> bool:
        return bool(np.average(variance / effort(scale), weights=rows) > goal**2)

    low, high = 0.0, 1.0
    while off(high) and high < 1e300:
        high *= 2
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if off(middle) else (low, middle)
    wanted = np.minimum(effort(high), GROWTH * hops)
    more = wanted > LEAST * hops
    if not more.any():  # creeping: ask the worst for a little
        more = error == error.max()
        wanted = np.maximum(wanted, LEAST * hops)
    return {
        standings.keys[at[i]]: float(SAFE * np.sqrt(variance[i] / wanted[i])) for i in np.flatnonzero(more)
    }


def _digest(keys: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(sorted(keys)).encode()).hexdigest()[:16]


def write_plan(folder: Path, keys: Iterable[str], plan: RoundPlan) -> None:
    """Note a round before it begins."""
    content = {"grid": _digest(keys), "round": plan.number, "targets": dict(plan.targets)}
    write_text(folder / "rounds.json", json.dumps(content))


def read_plan(folder: Path, keys: Iterable[str]) -> RoundPlan | None:
    """The round that is under way in a folder; None when there is none, or for another grid."""
    try:
        content = json.loads(read_bytes(folder / "rounds.json"))
        if content["grid"] != _digest(keys):
            return None
        return RoundPlan(int(content["round"]), {str(k): float(t) for k, t in content["targets"].items()})
    except (StoreError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
