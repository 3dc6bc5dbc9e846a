"""Models in which carriers hop back and forth, for tests of absorbing chains."""

from __future__ import annotations

import numpy as np

from kmc_transport.model.model import Model
from tests.reference.interacting_models import coulomb, ion_and_polaron, with_interactions, with_rule
from tests.reference.networks import KT0, chain, make_model

__all__ = ["BASINS", "cages", "charged_pair", "held_pair", "shallow", "traps"]


def traps(quick: float = 300.0, cells: int = 3, count: int = 1) -> Model:
    """Pairs of sites: ``quick`` hops within, hops of 1/s between them."""
    return chain([quick, 1.0], supercell=(cells, 1, 1), counts=(count,))


def shallow(quick: float = 300.0) -> Model:
    """A trap of two unequal sites, one of them with a way out, on a chain of four."""
    return chain([quick, 1.0, 2.0, 0.5], supercell=(2, 1, 1), site_energy=[0.0, -KT0, 0.5 * KT0, 0.0])


def cages(quick: float = 300.0, cells: int = 2) -> Model:
    """Squares of four sites with ``quick`` hops round them, hops of 1/s from each corner to the next square."""
    frac = [[0.2, 0.2, 0], [0.7, 0.2, 0], [0.7, 0.7, 0], [0.2, 0.7, 0]]
    inside = [(i, (i + 1) % 4, (0, 0, 0), quick) for i in range(4)]
    outside = [(1, 0, (1, 0, 0), 1.0), (2, 3, (1, 0, 0), 1.0), (3, 0, (0, 1, 0), 1.0), (2, 1, (0, 1, 0), 1.0)]
    return make_model(
        np.diag([2.0, 2.0, 10.0]),
        frac,
        inside + outside,
        supercell=(cells, cells, 1),
        periodic=(True, True, False),
        site_energy=[0.0, 0.3 * KT0, -0.2 * KT0, 0.0],
    )


def held_pair(quicker: float = 2000.0) -> Model:
    """A slow ion and a polaron bound to it by contact on a ring of six."""
    return ion_and_polaron(6, -10.0 * KT0, quicker=quicker)


def charged_pair(quicker: float = 2000.0) -> Model:
    """A slow ion and a polaron on a ring of five, with Coulomb energies."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0], [0.5, 0.5, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), quicker)]],
        counts=(1, 1),
        charges=(1.0, -1.0),
        supercell=(5, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False], [False, True]],
    )
    model = with_rule(model)
    return with_interactions(model, coulomb=coulomb(model, 24.0 * KT0, 1.5))


BASINS = {
    "traps": traps,
    "shallow": shallow,
    "cages": cages,
    "held pair": held_pair,
    "charged pair": charged_pair,
}
