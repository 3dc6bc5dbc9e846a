"""What the estimators must know of the simulated point, and for how long its carriers may remember their hops."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..ndarrays import BoolArray, FloatArray, IntArray
from .diffusion import tail

__all__ = ["System", "single_file_time", "slowest_tail", "uncorrelated"]


@dataclass(frozen=True, eq=False, kw_only=True)
class System:
    """What the estimators must know of the simulated point.

    temperature : K. field : (3,) V/Å. charge : (S,) e. volume : Å³ or None.
    hop_carrier, hop_vector, clamped : (n_hops,), (n_hops, 3) Å, (n_hops,) of the directed hops counted.
    direction : (n_directions, 3) unit vectors along which mobilities at zero field are given.
    span : (S, 3, 3) projector on the directions in which the hops of a species lead through the crystal; along
        others its drift and long-time diffusion are exactly zero.
    single_file : (S,) length (Å) after which the supercell repeats along a species' channels, 0 where it moves in
        more than one dimension or is alone.
    ordered : (S,) whether all carriers of a species share one channel and never pass each other.
    repeat : (3, 3) reciprocal vectors (rows, 1/Å, without 2 pi) of the cell that repeats for the carriers.
    slowed : (S,) whether the hops of a species are slowed: its own coefficients are then no answers, and error targets
    do not look at them.
    """

    temperature: float
    field: FloatArray
    charge: FloatArray
    volume: float | None
    hop_carrier: IntArray
    hop_vector: FloatArray
    clamped: BoolArray
    direction: FloatArray
    span: FloatArray
    single_file: FloatArray
    ordered: BoolArray
    repeat: FloatArray
    slowed: BoolArray = dataclasses.field(default_factory=lambda: np.zeros(1, np.bool_))

    @property
    def driven(self) -> bool:
        return bool(np.any(self.field != 0))


def uncorrelated(system: System, rate: FloatArray, number: FloatArray) -> FloatArray:
    """(n, S, 3) D if no hop knew of the last one: half the mean square hop length per unit time, Å²/s.

    rate : (n, n_hops) executed hops per second.
    """
    square = 0.5 * system.hop_vector**2
    own = [system.hop_carrier == a for a in range(len(number))]
    return np.stack([rate[:, mine] @ square[mine] / number[a] for a, mine in enumerate(own)], axis=1)


def slowest_tail(system: System, diffusivity: FloatArray, lag: float) -> FloatArray:
    """(levels,) the tail of that species whose density waves last longest. diffusivity : (levels, S, 3, 3) Å²/s."""
    levels = len(diffusivity)
    slowest = np.zeros(levels)
    for a, matrix in enumerate(diffusivity[levels // 2]):
        axes = np.einsum("ki,ij,kj->k", system.repeat, system.span[a], system.repeat) > 1e-12
        waves = (2 * np.pi) ** 2 * np.einsum("ki,ij,kj->k", system.repeat, matrix, system.repeat)[axes]
        if not (waves > 0).any():  # it leads nowhere, or has not moved yet
            continue
        shape = tail(np.maximum(waves, 1e-9 * waves.max()), lag, levels)
        if shape[-1] * slowest[0] >= slowest[-1] * shape[0]:
            slowest = shape
    return slowest


def single_file_time(system: System, diffusivity: FloatArray) -> float:
    """Time after which carriers that cannot pass each other have felt the whole file, s.

    Three times the decay time L²/(4 pi² D) of the longest density wave in the supercell. diffusivity : (S, 3)
    collective, Å²/s.
    """
    along = diffusivity.sum(axis=1)
    files = (system.single_file > 0) & (along > 0) & ~system.ordered
    if not files.any():
        return 0.0
    return float((3 * system.single_file[files] ** 2 / (4 * np.pi**2 * along[files])).max())
