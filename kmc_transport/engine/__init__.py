"""The lattice kinetic Monte Carlo engine. Importing it loads numba."""

from .anneal import Annealing, LatticeMonteCarlo
from .initial import equilibrium_lattice
from .replica import Events, Replica
from .selection import ALGORITHMS, LAYOUTS, expected_hop_rate
from .widom import ChemicalPotential, chemical_potential

__all__ = [
    "ALGORITHMS",
    "LAYOUTS",
    "Annealing",
    "ChemicalPotential",
    "Events",
    "LatticeMonteCarlo",
    "Replica",
    "chemical_potential",
    "equilibrium_lattice",
    "expected_hop_rate",
]
