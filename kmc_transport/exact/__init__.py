"""Transport coefficients by linear algebra on the master equation; the judge of the simulation."""

from .chain import ChainSolution, solve_chain
from .gth import gth
from .sensitivity import Sensitivity, sensitivity
from .solve import ExactTransport, applies, solve_exact
from .values import exact_values

__all__ = [
    "ChainSolution",
    "ExactTransport",
    "Sensitivity",
    "applies",
    "exact_values",
    "gth",
    "sensitivity",
    "solve_chain",
    "solve_exact",
]
