"""Frozen results that travel between the parts: estimates, tallies, trajectories."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from .ndarrays import BoolArray, FloatArray, IntArray

__all__ = [
    "TICKS",
    "Estimate",
    "EventList",
    "ExitReason",
    "HopChunk",
    "Missing",
    "Tallies",
    "Trajectory",
    "TrajectoryHeader",
]


class ExitReason(enum.Enum):
    """Why a simulation came back."""

    DONE = "done"
    ACCURACY_REACHED = "accuracy reached"
    BLOCKED_LATTICE = "blocked lattice"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"


class Missing(enum.IntEnum):
    """Why there is no number."""

    NOT_SIMULATED = 0
    NOTHING = 1
    """There is one."""
    OTHER_FIELD = 2
    NO_WAY = 3
    BLOCKED = 4
    STILL = 5
    NO_ROWS = 6
    FEW_BATCHES = 7
    MEMORY = 8
    CONTRADICTION = 9
    NO_CHARGE = 10
    SLOWED = 11
    NOT_SEPARATED = 12
    UNTESTED = 13

    @property
    def text(self) -> str:
        """In words, for tables; empty where there is a number."""
        return _WHY[self]


_WHY = {
    Missing.NOT_SIMULATED: "not simulated yet",
    Missing.NOTHING: "",
    Missing.OTHER_FIELD: "defined at other fields only",
    Missing.NO_WAY: "the hops lead nowhere along it",
    Missing.BLOCKED: "no carrier can hop",
    Missing.STILL: "the species has not moved",
    Missing.NO_ROWS: "out of time before anything was counted",
    Missing.FEW_BATCHES: "not enough time: too few batches for an error bar",
    Missing.MEMORY: "not enough time: the carriers' memory is longer than the longest block",
    Missing.CONTRADICTION: "the replicas contradict each other: all are too short",
    Missing.NO_CHARGE: "the carrier has no charge",
    Missing.SLOWED: "it depends on hops that reversible scaling has slowed",
    Missing.NOT_SEPARATED: "it changes with the factor of reversible scaling: the fast carriers govern it",
    Missing.UNTESTED: "not enough time to tell whether it changes with the factor of reversible scaling",
}


@dataclass(frozen=True, eq=False, kw_only=True)
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


@dataclass(frozen=True, eq=False, kw_only=True)
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
            sample_interval=self.sample_interval,
            levels=self.levels,
            windows_per_row=self.windows_per_row,
            number=self.number,
            events=self.events[which],
            attempts=self.attempts[which],
            displacement=self.displacement[which],
            collective=self.collective[which],
            tracer=self.tracer[which],
        )

    def coarsened(self) -> Tallies:
        """The same with neighbouring rows added up in pairs; needs an even number of rows."""
        if self.n_rows % 2:
            raise ValueError(f"an even number of rows is needed, not {self.n_rows}")

        def pairs(a: np.ndarray) -> np.ndarray:
            return a[0::2] + a[1::2]

        return Tallies(
            sample_interval=self.sample_interval,
            levels=self.levels,
            windows_per_row=2 * self.windows_per_row,
            number=self.number,
            events=pairs(self.events),
            attempts=pairs(self.attempts),
            displacement=pairs(self.displacement),
            collective=pairs(self.collective),
            tracer=pairs(self.tracer),
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
        return Tallies(
            sample_interval=first.sample_interval,
            levels=first.levels,
            windows_per_row=first.windows_per_row,
            number=first.number,
            **joined,
        )


TICKS = 2**20
"""Ticks of a sample interval: times are whole numbers of them, so that their sums are exact in any order."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HopChunk:
    """Every hop of one replica in a stretch of simulated time, in the order of time. S species, n hops.

    Where one stretch ends and the next begins depends on the speed of the machine; sums over all of them do not, if
    they are sums of whole numbers. A stretch never straddles two windows.
    """

    window: int
    """Number of the window (`Tallies` call it row) that the stretch is a part of."""
    length: int
    """Ticks of the stretch."""
    tick_seconds: float
    carriers: IntArray
    """(S, n_sites) carriers on each site of the cell, all cells together, as the stretch begins."""
    tick: IntArray
    """(n,) when, in ticks since the stretch began. Of null-event algorithms: the mean over all times at which these
    attempts can have been made."""
    carrier: IntArray
    """(n,) carriers are numbered species by species."""
    hop: IntArray
    """(n,) directed hop: row of the catalog."""
    measure: Callable[[], tuple[FloatArray, FloatArray]]
    """Finds `energies`."""
    begin: int = 0
    """Ticks from the last `Replica.reset` to the beginning of the stretch."""
    locate: Callable[[], IntArray] | None = None
    """Finds `sites`."""
    draw: Callable[[], IntArray] | None = None
    """Finds `drawn`, where that is not told by ``tick``."""

    @cached_property
    def sites(self) -> IntArray:
        """(N,) site of the supercell that each carrier is on as the stretch begins. ValueError where nobody knows."""
        if self.locate is None:
            raise ValueError("this chunk does not say where the carriers are")
        return self.locate()

    @cached_property
    def drawn(self) -> IntArray:
        """(n,) when, in ticks since the last reset, as if each time had been drawn: for lags between hops.

        Of null-event algorithms ``tick`` is a mean, which is better for what is linear in times, and wrong for lags.
        """
        return self.begin + self.tick if self.draw is None else self.draw()

    @cached_property
    def often(self) -> IntArray:
        """How many of each directed hop there were, up to the last one that occurred."""
        return np.bincount(self.hop)

    @cached_property
    def ticks_left(self) -> IntArray:
        """Of each directed hop, the time that was left of the stretch after it, summed over all of them."""
        # whole numbers below 2**53, which numbers with a point hold exactly
        return np.bincount(self.hop, self.length - self.tick).astype(np.int64)

    @cached_property
    def energies(self) -> tuple[FloatArray, FloatArray]:
        """(n,) energy difference without field and barrier in the field of each of the hops, eV, as it was executed."""
        return self.measure()


@dataclass(frozen=True, eq=False, kw_only=True)
class TrajectoryHeader:
    """What does not change along a trajectory. Carriers are numbered species by species."""

    species: IntArray
    """(N,) index of each carrier's species."""
    names: tuple[str, ...]
    """Name of each species."""
    charge: FloatArray
    """(n_species,) e."""
    cell: FloatArray
    """(3, 3) rows are the vectors of the supercell, Å."""
    periodic: BoolArray
    """(3,) whether the crystal repeats along them."""
    supercell: tuple[int, int, int]
    site_labels: tuple[str, ...]
    """Label of each site of one cell; a site of the supercell is numbered ``((i L1 + j) L2 + k) n_sites + site``."""
    site_frac: FloatArray
    """(n_sites, 3) fractional coordinates in one cell."""
    every: float
    """Time between frames, s."""
    temperature: float
    """K"""
    field: FloatArray
    """(3,) V/Å"""
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Seed, versions, text of the input, ..., as in result files."""

    @property
    def n_carriers(self) -> int:
        return len(self.species)

    @property
    def n_flat(self) -> int:
        """Sites of the supercell."""
        return int(np.prod(self.supercell)) * len(self.site_labels)

    def wrapped(self, positions: FloatArray) -> FloatArray:
        """(..., 3) positions brought into the supercell along its periodic vectors, Å."""
        frac = np.asarray(positions, np.float64) @ np.linalg.inv(self.cell)
        # no flicker at the border
        frac = np.where(np.abs(frac - np.round(frac)) < 1e-9, np.round(frac), frac)
        frac -= np.where(self.periodic, np.floor(frac), 0.0)
        return np.asarray(frac @ self.cell)


@dataclass(frozen=True, eq=False, kw_only=True)
class EventList:
    """Executed hops in the order of time; all arrays (n,)."""

    time: FloatArray
    """s, of the trajectory's first frame on."""
    carrier: IntArray
    hop: IntArray
    """Directed hop: row of the catalog."""
    hop_class: IntArray
    """Index into the model's hop classes."""
    origin: IntArray
    """Site of the supercell that is left."""
    target: IntArray
    """Site that is reached."""

    def __len__(self) -> int:
        return len(self.time)

    @staticmethod
    def concatenate(parts: list[EventList]) -> EventList:
        """Events of several parts, one after the other."""
        none = {f.name: np.zeros(0, np.float64 if f.name == "time" else np.int64) for f in fields(EventList)}
        return EventList(**{n: np.concatenate([a, *(getattr(p, n) for p in parts)]) for n, a in none.items()})


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """All carriers at uniform times: F frames, N carriers. Arrays of frames are empty where only events were kept."""

    header: TrajectoryHeader
    time: FloatArray
    """(F,) s"""
    positions: FloatArray
    """(F, N, 3) unwrapped positions of the charge centres, Å, in the Cartesian axes of the model."""
    occupation: IntArray
    """(F, N) site of the supercell."""
    events: EventList | None = None
    """Every hop between the first and the last of these frames, where they were recorded."""
    complete: bool = True
    """False for what a stopped run has left so far."""

    @property
    def n_frames(self) -> int:
        return len(self.time)

    @property
    def wrapped(self) -> FloatArray:
        """(F, N, 3) positions inside the supercell, Å."""
        return self.header.wrapped(self.positions)

    def mean_square_displacement(self, lag: int) -> FloatArray:
        """(n_species, 3, 3) mean of r_i r_j over the carriers of each species and the blocks of ``lag`` frames, Å².

        Blocks follow each other without overlap, as in `Tallies.tracer`. NaN for a species without carriers.
        Raises ValueError when the trajectory holds no such block.
        """
        if not 0 < lag < self.n_frames:
            raise ValueError(f"a lag of 1 to {self.n_frames - 1} frames is possible, not {lag}")
        step = np.diff(self.positions[::lag], axis=0)
        mean = np.full((len(self.header.names), 3, 3), np.nan)
        for a in range(len(mean)):
            own = step[:, self.header.species == a].reshape(-1, 3)
            if len(own):
                mean[a] = own.T @ own / len(own)
        return mean
