"""The modes that enter an attempt frequency."""

from __future__ import annotations

from dataclasses import dataclass

from ...ndarrays import BoolArray, FloatArray

__all__ = ["ModePair", "Modes"]


@dataclass(frozen=True, eq=False)
class Modes:
    """Modes of one state, all stable.

    frequency : (n,) THz, > 0. weight : (n,) of the q-point of each mode; at each q-point the same for all modes.
    at_gamma : (n,) whether the mode is one at Gamma. source : the file.
    """

    frequency: FloatArray
    weight: FloatArray
    at_gamma: BoolArray
    source: str

    @property
    def count(self) -> float:
        """Modes per cell, weighted over the mesh."""
        return float(self.weight.sum())


@dataclass(frozen=True, eq=False)
class ModePair:
    """Modes of the initial state and of the saddle, one more on the initial side; ``log`` says what was done."""

    initial: Modes
    saddle: Modes
    log: tuple[str, ...]
