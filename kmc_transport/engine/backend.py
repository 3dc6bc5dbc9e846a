"""The seam: what an engine that moves carriers must be able to do, and the records that cross it.

`Replica` owns seeds, finished rows and the clock. Everything else it asks of its `Backend`, and never which one it is:
carriers without interactions (`plain`), carriers that interact (`interacting`), the readable reference of both
(`tests/reference`, outside the package), or one of yours, handed in as ``Replica(..., backend=make_mine)``.

Nothing here assumes that the number of carriers is fixed, that all of them move, or that the lattice is closed:
carriers come as arrays of each call, as many as there are at the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..model.interactions import Initial
from ..ndarrays import FloatArray, IntArray
from ..rates.catalog import RateCatalog
from .canonical.initial import initial_configuration
from .pace import ShouldStop, never
from .tables import Tables
from .tallies import RawTallies

if TYPE_CHECKING:
    from .canonical.anneal import Annealing

__all__ = [
    "Backend",
    "Carriers",
    "Chunk",
    "Counts",
    "HopLog",
    "MakeBackend",
    "Start",
    "child_seed",
    "generator",
]


INITIAL, HOPS, ATTEMPTS, TIMES, PILOT = range(5)
"""Purposes of the random streams: last entry of the spawn key."""


def child_seed(seed: np.random.SeedSequence, purpose: int) -> np.random.SeedSequence:
    """Seed of one purpose; it does not depend on what was drawn before."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, purpose))


def generator(seed: np.random.SeedSequence, purpose: int) -> np.random.Generator:
    """Random numbers of one purpose."""
    return np.random.Generator(np.random.PCG64(child_seed(seed, purpose)))


class Carriers(NamedTuple):
    """Where the N carriers of the moment are; those of a species follow one another, species by species."""

    cell: IntArray
    """(N,) number of the cell, ``(i L1 + j) L2 + k``."""
    types: IntArray
    """(N,) type: species and basis site, see `Tables`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Start:
    """What a backend is made of."""

    catalog: RateCatalog
    seed: np.random.SeedSequence
    """Of the replica; streams are its children (`child_seed`)."""
    algorithm: str = "auto"
    layout: str = "auto"
    """As wished; the backend says which it has taken."""
    levels: int = 7
    """See `kmc_transport.records.Tallies`."""
    initial: Initial
    """Where the carriers start."""
    should_stop: ShouldStop = never
    """Asked some times a second while the start is prepared."""

    @property
    def words(self) -> npt.NDArray[np.uint64]:
        """(4,) state of the stream of the hops, a xoshiro256++ generator."""
        return np.asarray(child_seed(self.seed, HOPS).generate_state(4, np.uint64), np.uint64)

    def place(self, tables: Tables) -> tuple[Carriers, Annealing | None]:
        """Where the carriers start, and how it was annealed. ValueError when the sites do not suffice."""
        random = generator(self.seed, INITIAL)
        cell, types, annealing = initial_configuration(
            tables, self.catalog.temperature, random, self.initial, self.should_stop
        )
        return Carriers(cell, types), annealing


class Counts(NamedTuple):
    """Of the row that is not finished."""

    executed: int
    attempts: int


class HopLog(NamedTuple):
    """n executed hops in the order of time."""

    sample: IntArray
    """(n,) sample interval, counted from the one in which the chunk begins."""
    carrier: IntArray
    """(n,)"""
    row: IntArray
    """(n,) row of `Tables`."""
    when: FloatArray
    """(n,) part of the sample interval that is over, 0 to 1; of null events the number of the attempt in the sample."""
    attempts: IntArray
    """(m,) attempts in each sample interval of the chunk, which are uniform in time; (0,) where ``when`` is a time."""

    numbers: IntArray
    """(n, 2) whatever the backend needs to tell the energies of these hops (`Backend.hop_energies`)."""

    def mean_parts(self) -> FloatArray:
        """(n,) part of the sample interval that is over; of null events the mean over all times that are possible."""
        if not len(self.attempts):
            return self.when
        # n attempts cut the interval into n + 1 parts of equal mean length, whichever of them are hops
        return (self.when + 1) / (self.attempts[self.sample] + 1)

    def drawn_parts(self, random: np.random.Generator) -> FloatArray:
        """(n,) part of the sample interval that is over; of null events drawn."""
        part = self.when.copy()
        first = np.searchsorted(self.sample, np.arange(len(self.attempts) + 1))
        for n, begin, end in zip(self.attempts, first, first[1:], strict=False):
            part[begin:end] = np.sort(random.random(int(n)))[part[begin:end].astype(np.int64)]
        return part


@dataclass(frozen=True, eq=False, kw_only=True)
class Chunk:
    """What one call of `Backend.run` has done."""

    tallies: RawTallies
    """Rows that have been finished."""
    samples: int
    """That have come to their end; the one that has begun goes on with the next call."""
    work: float
    """What it has cost, in attempts (a sample costs as much as some)."""
    hops: HopLog | None
    """None where they were not asked for."""


@runtime_checkable
class Backend(Protocol):
    """State of one replica, and what moves it.

    A *row* of the tallies is ``windows_per_row`` windows of ``2**levels`` samples; rows of `Tables` are hops.
    """

    tables: Tables
    """What types and rows mean."""
    algorithm: str
    layout: str
    acceptance_estimate: float
    """Share of null-event attempts that would be executed; nan where nobody knows."""
    annealing: Annealing | None
    """How the start was annealed; None if it was not."""

    def configure(self, sample_interval: float, windows_per_row: int) -> None:
        """Sample every ``sample_interval`` s. Raises ValueError where a carrier could go too far in a window."""

    def run(self, n_samples: int, work: int, *, most_logged: int | None = None) -> Chunk:
        """Go on: by ``n_samples`` >= 1 samples at most, and about ``work`` attempts (FEWEST of `pace` at least).

        How a run is cut into calls changes nothing. most_logged : list the hops; at most so many are wanted. Raises
        ValueError before there are more, where a call cannot end before (null events: attempts).
        """

    @property
    def part_of_sample(self) -> float:
        """Part of the sample interval that is over, where a call came back in its middle; else 0."""

    def hop_energies(self, hops: HopLog) -> tuple[FloatArray, FloatArray]:
        """(n,) energy difference without field and barrier in the field, eV, of hops as they were executed."""

    def unfinished(self) -> Counts:
        """What the row that is not finished has counted."""

    def take_back(self, last: RawTallies, windows: int) -> None:
        """Make a finished row of the tallies (the last one, of so many windows) part of the unfinished one."""

    def clear(self) -> None:
        """Forget everything tallied; the next sample begins a window."""

    def successor(self, done: Counts) -> Backend:
        """What goes on after a `clear`, given what was ``done`` since the one before: itself, or the same carriers and
        streams with an algorithm that suits them better."""

    def carriers(self) -> Carriers:
        """Where the carriers are."""

    def unwrapped(self) -> IntArray:
        """(N, 3) cell of each carrier, counted on across the periodic boundaries."""

    def energy(self) -> float:
        """Total energy of the present state without field, from scratch, eV."""

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind in the present state, from scratch, 1/s."""

    def clamped_events(self) -> IntArray:
        """(n_hops,) executed hops whose barrier was clamped where they started, since the start."""

    def energy_drift(self) -> float:
        """Energy counted anew less that kept up to date hop by hop, eV."""

    def check(self) -> float:
        """Largest deviation of what is kept up to date from the same counted anew, eV."""

    def save(self) -> dict[str, Any]:
        """Everything beside tables and rows that `load` needs to go on bit for bit: arrays, numbers and strings under
        names of the backend's own. ValueError where it cannot be saved."""

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on with what a backend of the same tables, algorithm, layout and levels has saved; `configure` follows."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that it keeps."""


class MakeBackend(Protocol):
    """Makes the backend of a replica. Raises ValueError for an unknown algorithm, Stopped when told to stop."""

    def __call__(self, start: Start) -> Backend: ...
