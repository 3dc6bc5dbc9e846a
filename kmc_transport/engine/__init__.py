"""The lattice kinetic Monte Carlo engine. Importing it loads numba."""

from .replica import Events, Replica
from .selection import ALGORITHMS, LAYOUTS, expected_hop_rate

__all__ = ["ALGORITHMS", "LAYOUTS", "Events", "Replica", "expected_hop_rate"]
