"""The lattice kinetic Monte Carlo engine. Importing it loads numba."""

from .canonical.anneal import Annealing, LatticeMonteCarlo
from .canonical.initial import equilibrium_lattice
from .canonical.widom import ChemicalPotential, chemical_potential
from .replica import Events, Replica
from .selection import ALGORITHMS, LAYOUTS, expected_hop_rate

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
