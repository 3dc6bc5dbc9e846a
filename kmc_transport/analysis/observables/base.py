"""What an observable must do to be counted while a simulation runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...errors import Unconverged
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...records import Estimate, HopChunk
from ..batches import MIN_BATCHES, autocorrelated, jackknife, of_few_replicas

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["Observable"]


class Observable(ABC):
    """Something counted from the hops of one replica, window by window (`Tallies` call a window a row).

    A subclass says what to count in a chunk of hops (`count`) and what follows from sums over many (`estimate`). The
    rest is here: sums of each window, windows twice as long where they become too many, what must be saved, replicas
    put together, error bars.

    Counts must be whole numbers (times in ticks, energies in bins): their sums are exact in any order, so that neither
    the speed of the machine, nor the number of workers, nor an interruption changes a bit of a result.

    Parameters
    ----------
    catalog : of the point that is simulated.

    Attributes
    ----------
    sums : name of a count → (n_windows, ...). tick_seconds : of the chunks. replicas : put together in it.
    """

    def __init__(self, catalog: RateCatalog) -> None:
        self.catalog = catalog
        self.clear()

    # ---- what a subclass gives

    @abstractmethod
    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        """Whole numbers, by name, that add up over chunks."""

    @abstractmethod
    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Arrays of the result file, by name, in SI units, from sums (or means) with a leading axis, which stays."""

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        """Coordinates of these arrays that other arrays have not, by name."""
        return {}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        """The same arrays from the master equation; empty where nobody has worked them out."""
        return {}

    # ---- what every observable does

    def clear(self) -> None:
        """Forget everything."""
        self.sums: dict[str, IntArray] = {}
        self.tick_seconds, self.replicas = np.nan, 1

    def add(self, chunk: HopChunk) -> None:
        """Count the hops of a chunk."""
        self.tick_seconds = chunk.tick_seconds
        for name, value in self.count(chunk).items():
            known = self.sums.get(name, np.zeros((0, *np.shape(value)), np.int64))
            if chunk.window >= len(known):
                fresh = np.zeros((chunk.window + 1 - len(known), *np.shape(value)), np.int64)
                known = self.sums[name] = np.concatenate([known, fresh])
            known[chunk.window] += value

    def coarsen(self) -> None:
        """Windows twice as long from now on; neighbours are added up, the last one of an odd number is continued."""
        for name, rows in self.sums.items():
            joined = rows[0::2].copy()
            joined[: len(rows) // 2] += rows[1::2]
            self.sums[name] = joined

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs to go on: arrays and numbers."""
        return {"tick_seconds": self.tick_seconds, **{f"sums/{n}": v.copy() for n, v in self.sums.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `save` gave."""
        self.tick_seconds = float(state["tick_seconds"])
        self.sums = {n.removeprefix("sums/"): np.array(v) for n, v in state.items() if n != "tick_seconds"}

    @classmethod
    def merge(cls, parts: Sequence[Self], windows: int | None = None) -> Self:
        """Replicas put together: the first windows (default: all that every one has) of each, one after the other.

        Raises ValueError where their ticks differ.
        """
        if len({p.tick_seconds for p in parts if p.sums}) > 1:
            raise ValueError("replicas with other sample intervals cannot be put together")
        whole = cls(parts[0].catalog)
        whole.replicas, whole.tick_seconds = len(parts), parts[0].tick_seconds
        for name in parts[0].sums:
            shared = min(len(p.sums[name]) for p in parts)
            n = shared if windows is None else min(windows, shared)
            whole.sums[name] = np.concatenate([p.sums[name][:n] for p in parts])
        return whole

    def result(self, *, quenched: bool = False) -> dict[str, Estimate]:
        """The arrays with standard errors, from the scatter of the windows (jackknife; neighbours that are alike are
        joined first), or of the replicas where these differ for good or contradict each other (``quenched``).

        Raises Unconverged for fewer windows than an error bar needs.
        """
        rows = {n: v.astype(np.float64) for n, v in self.sums.items()}
        n = len(next(iter(rows.values()), ()))
        if n < MIN_BATCHES:
            raise Unconverged(f"{n} windows are too few for an error bar, {MIN_BATCHES} are needed")
        shapes = {name: v.shape[1:] for name, v in self.estimate(rows).items()}

        def function(*means: FloatArray) -> FloatArray:
            return _flat(self.estimate(dict(zip(rows, means, strict=True))))

        while True:
            value, stderr, parts = jackknife(function, *rows.values())
            if n < 2 * MIN_BATCHES or not autocorrelated(parts):
                break
            rows = {name: _paired(v, self.replicas) for name, v in rows.items()}
            n = len(next(iter(rows.values())))
        if quenched and self.replicas > 1:
            own = [np.stack([r.mean(axis=0) for r in np.split(v, self.replicas)]) for v in rows.values()]
            scatter = function(*own).std(axis=0, ddof=1) / np.sqrt(self.replicas)
            stderr = np.fmax(stderr, scatter * of_few_replicas(self.replicas))
        ends = np.cumsum([int(np.prod(s)) for s in shapes.values()])[:-1]
        return {
            name: Estimate(
                value=v.reshape(shape), stderr=s.reshape(shape), effective_samples=float(n), method="windows"
            )
            for (name, shape), v, s in zip(
                shapes.items(), np.split(value, ends), np.split(stderr, ends), strict=True
            )
        }


def _flat(arrays: Mapping[str, FloatArray]) -> FloatArray:
    """(n, k) all numbers of arrays that share their first axis."""
    return np.concatenate([a.reshape(len(a), -1) for a in arrays.values()], axis=1)


def _paired(rows: FloatArray, replicas: int) -> FloatArray:
    """Neighbouring windows of each replica added up; an odd one is left out."""
    own = rows.reshape(replicas, -1, *rows.shape[1:])
    even = own[:, : own.shape[1] // 2 * 2]
    return (even[:, 0::2] + even[:, 1::2]).reshape(-1, *rows.shape[1:])
