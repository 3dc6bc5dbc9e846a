"""Some frames of a trajectory, as they travel from the simulation to the disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..records import EventList

__all__ = ["FrameBlock"]


@dataclass(frozen=True, eq=False)
class FrameBlock:
    """Frames that follow each other."""

    first: int
    """Number of the first of them."""
    positions: npt.NDArray[np.float64]
    """(n, N, 3) unwrapped, Å."""
    occupation: npt.NDArray[np.int64]
    """(n, N) site of the supercell."""
    events: EventList | None = None
    """Hops from the frame before the first of them (exclusive) to the last."""

    def __len__(self) -> int:
        return len(self.positions)
