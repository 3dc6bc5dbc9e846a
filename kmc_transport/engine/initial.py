"""Where the carriers sit at the start."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..units import K_B
from .tables import Tables

__all__ = ["place_carriers"]


def place_carriers(
    tables: Tables, temperature: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Random sites for all carriers, one each: (cell number, type) of every carrier, in order of species.

    Each species is drawn without replacement from the free sites that it may occupy, with weights
    ``exp(-site energy/kT)``: exact equilibrium for one carrier without field, and for equal site energies.
    Drawn by the smallest of exponential numbers divided by the weights (P. S. Efraimidis and P. G. Spirakis,
    Inf. Process. Lett. 97, 181 (2006)). Raises ValueError when the sites do not suffice.
    """
    n_cells, kt = tables.n_cells, K_B * temperature
    taken = np.zeros((n_cells, tables.n_basis), np.bool_) if tables.n_species > 1 else None
    cells, types = [], []
    for s in range(tables.n_species):
        count = int(tables.number[s])
        own = np.flatnonzero(tables.type_species == s)
        basis = tables.type_basis[own]
        energy = np.asarray(tables.model.site_energy)[s, tables.basis_site[basis]]
        n_free = n_cells * len(own) - (0 if taken is None else int(taken[:, basis].sum()))
        if count > n_free:
            raise ValueError(f"{count} carriers of {tables.model.carriers[s].name!r} on {n_free} free sites")
        if taken is None and np.all(energy == energy[0]):
            chosen = np.sort(rng.choice(n_cells * len(own), count, replace=False, shuffle=False))
        else:
            key = np.log(rng.standard_exponential((n_cells, len(own))))
            key += (energy - energy.min()) / kt
            if taken is not None:
                key[taken[:, basis]] = np.inf
            flat = key.reshape(-1)
            chosen = np.sort(np.argpartition(flat, count - 1)[:count]) if count else np.zeros(0, np.int64)
        cell, k = np.divmod(chosen, len(own))
        if taken is not None:
            taken[cell, basis[k]] = True
        cells.append(cell)
        types.append(own[k])
    return np.concatenate(cells), np.concatenate(types)
