"""Rate of one hop in one configuration, written for reading: what the package and its kernels are checked against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kmc_transport.model.interactions import LocalClusters
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.units import K_B

__all__ = ["barrier_shift", "log_rate"]

IntArray = npt.NDArray[np.int64]


def barrier_shift(rates: ConfigurationRates, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
    """What surroundings and disorder add to the hop's barrier without field, eV; the same both ways."""
    model, shift = rates.model, 0.0
    cell = np.asarray(cell)
    if model.disorder is not None and model.disorder.barrier is not None:
        number = int(rates.flat(0, cell)) // rates.n_sites
        shift += float(model.disorder.barrier[number, hop])
    if model.interactions is None:
        return shift
    hop_class = int(model.network.hop_class[hop])
    for table in model.interactions.environments:
        if table.hop_class == hop_class:
            members = slice(table.start[hop], table.start[hop + 1])
            flat = rates.flat(table.site[members], cell + table.cell[members])
            there = occupation[flat] == table.species[members] + 1
            code = int(table.stride[members][there].sum())
            shift += float(table.barrier[code]) - rates.rule_of(hop).equal_ends_barrier
    local = model.interactions.local_clusters
    if local is not None:
        shift += _local(rates, occupation, local, hop, cell)
    return shift


def _local(
    rates: ConfigurationRates, occupation: IntArray, local: LocalClusters, hop: int, cell: IntArray
) -> float:
    total = 0.0
    for c in np.flatnonzero(local.hop == hop):
        members = slice(local.start[c], local.start[c + 1])
        flat = rates.flat(local.site[members], cell + local.cell[members])
        if (occupation[flat] == local.species[members] + 1).all():
            total += float(local.energy[c])
    return total


def log_rate(rates: ConfigurationRates, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
    """ln of the rate (1/s) of a hop that is open in ``occupation``.

    A barrier that rises by some energy is a saddle work that is less by it; only rules with a saddle of their own
    (fixed, kra) take part in it, the model refuses it beside the others.
    """
    catalog, net = rates.catalog, rates.model.network
    shift = barrier_shift(rates, occupation, hop, cell)
    energy = (
        rates.rule_of(hop)
        .activation_energy(
            rates.energy_difference(occupation, hop, cell),
            catalog.work[hop],
            catalog.saddle_work[hop] - shift,
        )
        .energy
    )
    channels = rates.model.hop_classes[net.hop_class[hop]].channels
    log_prefactor = np.log(catalog.attempt_frequency[hop] * channels)
    return float(log_prefactor - energy / (K_B * catalog.temperature))
