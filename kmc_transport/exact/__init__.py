"""Transport coefficients by linear algebra on the master equation; the judge of the simulation."""

from .chain import ChainSolution, solve_chain
from .correlations import pair_probability
from .flow import StationaryFlow, stationary_flow
from .gth import gth
from .sensitivity import Sensitivity, sensitivity
from .solve import ExactTransport, applies, solve_exact
from .thermodynamics import Thermodynamics, thermodynamic_factor
from .values import exact_values

__all__ = [
    "ChainSolution",
    "ExactTransport",
    "Sensitivity",
    "StationaryFlow",
    "Thermodynamics",
    "applies",
    "exact_values",
    "gth",
    "pair_probability",
    "sensitivity",
    "solve_chain",
    "solve_exact",
    "stationary_flow",
    "thermodynamic_factor",
]
