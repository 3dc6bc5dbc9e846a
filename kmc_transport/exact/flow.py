"""What flows in the stationary state: how often each hop happens, out of which surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..energies.supercell import depends_on_configuration
from ..rates.catalog import RateCatalog
from ..units import K_B
from .ensemble import jump_rates, stationary_law
from .solve import MAX_STATES, best_anchor
from .states import enumerate_states

__all__ = ["StationaryFlow", "stationary_flow"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class StationaryFlow:
    """The system of a catalog as it is on average; S species, n jumps between its configurations.

    carriers : (S, n_sites) mean number on each site of the cell, all cells together.
    hop : (n,) directed hop. rate : (n,) mean number of such jumps per second. difference : (n,) energy difference
    without field, eV. barrier : (n,) in the field, eV.
    """

    catalog: RateCatalog
    carriers: FloatArray
    hop: npt.NDArray[np.int64]
    rate: FloatArray
    difference: FloatArray
    barrier: FloatArray


def stationary_flow(catalog: RateCatalog, max_states: int = MAX_STATES) -> StationaryFlow:
    """Average over all configurations of the supercell. Raises TooManyStates, before anything is enumerated."""
    model, net = catalog.model, catalog.model.network
    numbers = tuple(c.count for c in model.carriers)
    if sum(numbers) == 1 and not depends_on_configuration(model):
        space = enumerate_states(model, numbers, numbers.index(1), (1, 1, 1), max_states)
    else:
        anchor, _ = best_anchor(model, numbers)
        space = enumerate_states(model, numbers, anchor, model.supercell, max_states)
    law, jumps, hop = stationary_law(space, catalog), jump_rates(space, catalog), space.hop
    if jumps.energy is None:
        site = model.site_energy
        difference = (site[net.carrier, net.target] - site[net.carrier, net.origin])[hop]
        barrier = catalog.effective_barrier[hop]
    else:
        difference = jumps.energy[space.target] - jumps.energy[space.origin]
        channels = np.array([c.channels for c in model.hop_classes])[net.hop_class]
        fastest = np.log(catalog.attempt_frequency * channels)
        barrier = K_B * catalog.temperature * (fastest[hop] - jumps.log_rate)
    return StationaryFlow(
        catalog=catalog,
        carriers=np.einsum("n,nas->as", law, space.site_count),
        hop=hop,
        rate=law[space.origin] * np.exp(jumps.log_rate),
        difference=difference,
        barrier=barrier,
    )
