"""The lattice kinetic Monte Carlo engine. Its names are loaded on first use, and numba with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily

_WHERE = {
    "ALGORITHMS": "selection",
    "Annealing": "canonical.anneal",
    "ChemicalPotential": "canonical.widom",
    "Events": "replica",
    "LAYOUTS": "selection",
    "LatticeMonteCarlo": "canonical.anneal",
    "Replica": "replica",
    "chemical_potential": "canonical.widom",
    "equilibrium_lattice": "canonical.initial",
    "expected_hop_rate": "selection",
}

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

if TYPE_CHECKING:
    from .canonical.anneal import Annealing, LatticeMonteCarlo
    from .canonical.initial import equilibrium_lattice
    from .canonical.widom import ChemicalPotential, chemical_potential
    from .replica import Events, Replica
    from .selection import ALGORITHMS, LAYOUTS, expected_hop_rate

__getattr__ = lazily(__name__, _WHERE)
