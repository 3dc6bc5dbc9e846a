"""Configurations and the hops between them, one by one: what enumerations and simulations are checked against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from kmc_transport.energies.supercell import moved
from kmc_transport.model.model import Model
from kmc_transport.rates.configuration import ConfigurationRates

from .rates import log_rate

__all__ = ["configurations", "jumps", "weights"]


def configurations(model: Model) -> np.ndarray:
    """(n, n_flat) every configuration of the model's carriers."""
    open_to = np.tile(np.asarray(model.allowed_sites), (1, model.n_cells))
    if model.disorder is not None and model.disorder.blocked is not None:
        open_to &= ~model.disorder.blocked
    sites = np.arange(open_to.shape[1])
    rows = [np.array(model.background)]
    for a, carrier in enumerate(model.carriers):
        rows = [
            np.where(np.isin(sites, chosen), a + 1, row)
            for row in rows
            for chosen in combinations(np.flatnonzero(open_to[a] & (row == 0)), carrier.count)
        ]
    return np.array(rows)


def jumps(rates: ConfigurationRates, rows: np.ndarray) -> Iterator[tuple[int, int, int, float]]:
    """(from, to, directed hop, rate in 1/s) of every hop that is open in some configuration."""
    number = {row.tobytes(): k for k, row in enumerate(rows)}
    energy, from_scratch = [rates.energy(row) for row in rows], rates.energy
    rates.energy = lambda row: energy[number[row.tobytes()]]  # type: ignore[method-assign]
    for hop, cell in product(range(rates.model.network.n_hops), rates.cells):
        origin, target = rates.ends(hop, cell)
        there = rows[:, origin] == rates.model.network.carrier[hop] + 1
        for k in np.flatnonzero(there & ((rows[:, target] == 0) | (origin == target))).tolist():
            if rates.is_open(rows[k], hop, cell):
                after = moved(rows[k], origin, target)
                yield k, number[after.tobytes()], hop, math.exp(log_rate(rates, rows[k], hop, cell))
    rates.energy = from_scratch  # type: ignore[method-assign]


def weights(energy: np.ndarray, kt: float) -> np.ndarray:
    """Canonical probabilities."""
    weight = np.exp(-(energy - energy.min()) / kt)
    return np.asarray(weight / weight.sum())
