"""What flows in the stationary state: how often each hop happens, out of which surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..energies.supercell import Supercell, depends_on_configuration
from ..ndarrays import FloatArray, IntArray
from ..rates.catalog import RateCatalog
from ..units import K_B
from .ensemble import jump_rates, stationary_law
from .solve import MAX_STATES, best_anchor
from .states import StateSpace, count_states, enumerate_states

__all__ = ["StationaryFlow", "stationary_flow"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StationaryFlow:
    """The system of a catalog as it is on average; S species, n jumps between its configurations.

    carriers : (S, n_sites) mean number on each site of the cell, all cells together.
    hop : (n,) directed hop. rate : (n,) mean number of such jumps per second. difference : (n,) energy difference
    without field, eV. barrier : (n,) in the field, eV. space : the configurations, and which of them a jump joins.
    law : (n_states,) probability of each. log_rate : (n,) ln of the rate of each jump out of its configuration, 1/s.
    """

    catalog: RateCatalog
    carriers: FloatArray
    hop: IntArray
    rate: FloatArray
    difference: FloatArray
    barrier: FloatArray
    space: StateSpace
    law: FloatArray
    log_rate: FloatArray

    @cached_property
    def ends(self) -> IntArray:
        """(2, n) sites of the supercell that each jump leaves and reaches, as the configuration before it has them."""
        cell, net, lattice = self.space.cell, self.catalog.model.network, Supercell(self.catalog.model)
        if self.space.supercell != self.catalog.model.supercell:
            cell = np.zeros_like(cell)  # of one carrier alone: all cells are that one
        left = cell * lattice.n_sites + net.origin[self.hop]
        return np.stack(
            [left, lattice.flat(net.target[self.hop], lattice.cell_of(cell) + net.cell[self.hop])]
        )

    def of_all_places(self, max_states: int) -> StationaryFlow | None:
        """The same with translations of the crystal told apart; None where that takes more than ``max_states``."""
        model = self.catalog.model
        if self.space.anchor is None and self.space.supercell == model.supercell:
            return self if self.space.n_states <= max_states else None
        numbers = self.space.numbers
        if count_states(model, numbers, None, model.supercell) > max_states:
            return None
        return _averaged(self.catalog, enumerate_states(model, numbers, None, model.supercell, max_states))


def stationary_flow(catalog: RateCatalog, max_states: int = MAX_STATES) -> StationaryFlow:
    """Average over all configurations of the supercell. Raises TooManyStates, before anything is enumerated."""
    model = catalog.model
    numbers = tuple(c.count for c in model.carriers)
    if sum(numbers) == 1 and not depends_on_configuration(model):
        space = enumerate_states(model, numbers, numbers.index(1), (1, 1, 1), max_states)
    else:
        anchor, _ = best_anchor(model, numbers)
        space = enumerate_states(model, numbers, anchor, model.supercell, max_states)
    return _averaged(catalog, space)


def _averaged(catalog: RateCatalog, space: StateSpace) -> StationaryFlow:
    model, net = catalog.model, catalog.model.network
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
        space=space,
        law=law,
        log_rate=jumps.log_rate,
    )
