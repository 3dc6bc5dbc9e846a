"""How often pairs of sites are occupied together, in all configurations of the supercell."""

from __future__ import annotations

import numpy as np

from ..model.model import frozen_array
from ..ndarrays import FloatArray
from ..rates.catalog import RateCatalog
from .ensemble import stationary_law
from .solve import MAX_STATES, best_anchor
from .states import enumerate_states

__all__ = ["pair_probability"]


def pair_probability(catalog: RateCatalog, *, max_states: int = MAX_STATES) -> FloatArray:
    """(S, S, n_sites, n_sites, L1, L2, L3) probability that site s of a cell holds species a and site t of the cell
    (i, j, k) further holds species b, in the stationary state, averaged over the cells of the supercell.

    Index order [a, b, s, t, i, j, k]. The pair correlation function is this over the product of the two occupations
    (`ExactTransport.occupation` times N_a over the number of cells). At a site itself it is the occupation.

    Raises
    ------
    TooManyStates : found by counting. KmcTransportError : as `solve_exact`.
    """
    model = catalog.model
    numbers = tuple(c.count for c in model.carriers)
    space = enumerate_states(model, numbers, best_anchor(model, numbers)[0], model.supercell, max_states)
    law = stationary_law(space, catalog)
    n_sites, n_cells = model.structure.n_sites, model.n_cells
    rows = space.configurations().reshape(space.n_states, *model.supercell, n_sites)
    result = np.zeros((len(numbers), len(numbers), n_sites, n_sites, *model.supercell))
    there = [(rows == a + 1).astype(np.float64) for a in range(len(numbers))]
    for cell in np.ndindex(*model.supercell):
        for b, second in enumerate(there):
            away = np.roll(second, [-x for x in cell], axis=(1, 2, 3))
            weighted = away * law[:, None, None, None, None]
            for a, first in enumerate(there):
                result[(a, b, slice(None), slice(None), *cell)] = (
                    np.einsum("nijks,nijkt->st", first, weighted, optimize=True) / n_cells
                )
    return frozen_array(result, np.float64)
