"""Frozen results that travel between the parts: estimates and tallies."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "ExitReason", "Tallies"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class ExitReason(enum.Enum):
    """Why a simulation came back."""

    DONE = "done"
    ACCURACY_REACHED = "accuracy reached"
    BLOCKED_LATTICE = "blocked lattice"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number (or an array of them) with its standard error, and how it was had.

    value, stderr : same shape. effective_samples : number of independent samples behind it (inf when exact).
    """

    value: FloatArray
    stderr: FloatArray
    effective_samples: float
    method: str
    unit: str = ""

    @property
    def relative_error(self) -> FloatArray:
        """|stderr / value|; inf where the value is 0."""
        value, stderr = np.asarray(self.value, float), np.asarray(self.stderr, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(value == 0, np.inf, np.abs(stderr / value))

    def __str__(self) -> str:
        if np.ndim(self.value) == 0:
            return f"{float(self.value):.5g} ± {float(self.stderr):.2g} {self.unit}".rstrip()
        return f"{self.value} ± {self.stderr} {self.unit}".rstrip()

    def z(self, exact: float | FloatArray) -> FloatArray:
        """Deviation from ``exact`` in standard errors; 0 where both agree to the last bit."""
        difference = np.asarray(self.value - np.asarray(exact))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(difference == 0, 0.0, difference / np.asarray(self.stderr))


@dataclass(frozen=True, eq=False)
class Tallies:
    """What one replica counted, in rows of equal simulated time (batches).

    A *sample* is taken every ``sample_interval`` seconds of simulated time; ``2**levels`` samples make a
    *window*; ``windows_per_row`` windows make a *row*. Within each window, displacements over blocks of
    ``2**l`` samples, l = 0 … levels, are squared and summed: level l has ``2**(levels-l)`` blocks a window.
    Nothing straddles two windows. Displacements are in Å; S species, n_hops directed hops of the cell.

    events : (n_rows, n_hops) executed hops.
    attempts : (n_rows,) attempted hops (equal to the executed ones for rejection-free selection).
    displacement : (n_rows, S, 3) summed displacement X_a of all carriers of species a over the row.
    collective : (n_rows, levels+1, S, 3, S, 3) sum over blocks of X_a,i X_b,j.
    tracer : (n_rows, levels+1, S, 3, 3) sum over blocks and carriers of r_i r_j.
    """

    sample_interval: float
    levels: int
    windows_per_row: int
    number: IntArray
    """(S,) carriers of each species."""
    events: IntArray
    attempts: IntArray
    displacement: FloatArray
    collective: FloatArray
    tracer: FloatArray

    @property
    def n_rows(self) -> int:
        return len(self.displacement)

    @property
    def row_time(self) -> float:
        """Simulated time of one row, s."""
        return self.sample_interval * 2**self.levels * self.windows_per_row

    @property
    def time(self) -> float:
        """Simulated time of all rows, s."""
        return self.row_time * self.n_rows

    def blocks_per_row(self, level: int) -> int:
        """Number of blocks of ``2**level`` samples in one row."""
        return self.windows_per_row * 2 ** (self.levels - level)

    def lag(self, level: int) -> float:
        """Length of a block, s."""
        return self.sample_interval * float(2**level)

    def rows(self, which: slice) -> Tallies:
        """Only some of the rows."""
        return Tallies(
            self.sample_interval,
            self.levels,
            self.windows_per_row,
            self.number,
            self.events[which],
            self.attempts[which],
            self.displacement[which],
            self.collective[which],
            self.tracer[which],
        )

    def coarsened(self) -> Tallies:
        """The same with neighbouring rows added up in pairs; needs an even number of rows."""
        if self.n_rows % 2:
            raise ValueError(f"an even number of rows is needed, not {self.n_rows}")

        def pairs(a: np.ndarray) -> np.ndarray:
            return a[0::2] + a[1::2]

        return Tallies(
            self.sample_interval,
            self.levels,
            2 * self.windows_per_row,
            self.number,
            pairs(self.events),
            pairs(self.attempts),
            pairs(self.displacement),
            pairs(self.collective),
            pairs(self.tracer),
        )

    @staticmethod
    def concatenate(parts: list[Tallies]) -> Tallies:
        """Rows of several parts (further rows of one replica, or replicas) one after the other.

        Raises ValueError when their row lengths differ.
        """
        first = parts[0]
        for p in parts[1:]:
            if (p.levels, p.windows_per_row) != (first.levels, first.windows_per_row) or not math.isclose(
                p.sample_interval, first.sample_interval, rel_tol=1e-12
            ):
                raise ValueError("tallies with rows of different length cannot be joined")
        joined = {
            f.name: np.concatenate([getattr(p, f.name) for p in parts])
            for f in fields(Tallies)
            if f.name in ("events", "attempts", "displacement", "collective", "tracer")
        }
        return Tallies(first.sample_interval, first.levels, first.windows_per_row, first.number, **joined)
