"""Some frames of a trajectory, as they travel from the simulation to the disk."""

from __future__ import annotations

from dataclasses import dataclass

from ..ndarrays import FloatArray, IntArray
from ..records import EventList

__all__ = ["FrameBlock"]


@dataclass(frozen=True, eq=False)
class FrameBlock:
    """Frames that follow each other."""

    first: int
    """Number of the first of them."""
    positions: FloatArray
    """(n, N, 3) unwrapped, Å."""
    occupation: IntArray
    """(n, N) site of the supercell."""
    events: EventList | None = None
    """Hops from the frame before the first of them (exclusive) to the last."""

    def __len__(self) -> int:
        return len(self.positions)
