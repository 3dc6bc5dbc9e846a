"""Local detailed balance where rates depend on the configuration: hop and reverse compared in the same surroundings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from ..energies.supercell import depends_on_configuration, list_configurations, moved, open_sites
from ..errors import RateError
from ..model.model import Model
from ..ndarrays import IntArray
from ..units import K_B
from .catalog import RateCatalog
from .checks import TOLERANCE, describe_hop
from .configuration import ConfigurationRates

__all__ = ["check_configurations", "random_configuration"]

EXHAUSTIVE = 400
"""Up to this many configurations of so many directed hops of the supercell, together, all are looked at."""
SAMPLES = 8
"""Hops that are looked at by default, in one random configuration."""


def random_configuration(model: Model, random: np.random.Generator) -> IntArray | None:
    """(n_flat,) the model's carriers on random places; None when 20 trials found none (very crowded lattices).

    Immobile species sit where they sit, or on random places too where that is not known yet.
    """
    allowed = np.tile(model.species_sites, (1, model.n_cells))
    if model.closed is not None:
        allowed &= ~model.closed
    held = [place.sites is not None for place in model.arrangement]
    loose = [a for a, stays in enumerate([*(False for _ in model.carriers), *held]) if not stays]
    order = sorted(loose, key=lambda a: int(allowed[a].sum()) - model.species[a].count)
    for _ in range(20):
        occupation = np.array(model.background)
        for a in order:
            free, count = np.flatnonzero(allowed[a] & (occupation == 0)), model.species[a].count
            if len(free) < count:
                break
            occupation[random.choice(free, count, replace=False)] = a + 1
        else:
            return occupation
    return None


def check_configurations(catalog: RateCatalog, *, samples: int | None = None, seed: int = 0) -> int:
    """Compare ``ln(k_f/k_b)`` with ``ln(nu_f/nu_b) - (dE - W)/kT`` for hops in configurations.

    All hops of all configurations of a tiny cell, else ``samples`` random ones (8 by default), eight to a
    configuration. Rate and energy difference of the reverse are worked out from the configuration after the hop.

    Returns
    -------
    Number of hops that were compared; 0 where rates do not depend on the configuration.

    Raises
    ------
    RateError : naming the worst hop.
    """
    model = catalog.model
    if not depends_on_configuration(model):
        return 0
    rates = ConfigurationRates(catalog)
    net, kt = model.network, K_B * catalog.temperature
    worst, count, told = 0.0, 0, (0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    for occupation, hop, cell in _cases(rates, samples, random):
        origin, target = rates.ends(hop, cell)
        after = moved(occupation, origin, target)
        back, end = int(net.reverse[hop]), (cell + net.cell[hop]) % rates.size
        difference = rates.change(occupation, origin, target)
        again = rates.change(after, target, origin)
        ratio = 0.0
        for sign, row, which, start, energy in (
            (1, occupation, hop, cell, difference),
            (-1, after, back, end, again),
        ):
            shift = rates.barrier_shifts(row[None], which, int(rates.flat(0, start)) // rates.n_sites)
            ratio += sign * float(rates.log_rates(which, np.array([energy]), shift)[0])
        frequencies = math.log(catalog.attempt_frequency[hop] / catalog.attempt_frequency[back])
        expected = frequencies - (difference - float(catalog.work[hop])) / kt
        miss = abs(ratio - expected) / (1 + abs(expected))
        count += 1
        if not miss <= worst:  # NaN is worst
            worst, told = miss, (hop, ratio, expected)
    if not worst <= TOLERANCE:
        hop, ratio, expected = told
        raise RateError(
            f"{describe_hop(model, hop)} breaks local detailed balance in some configuration: ln(k_f/k_b) is not "
            "ln(nu_f/nu_b) - (dE - W)/kT",
            key=model.hop_classes[net.hop_class[hop]].source,
            value=f"{ratio:.10g}",
            allowed=f"{expected:.10g} within {TOLERANCE:g}",
            remedy="its barrier must depend on the surroundings in the same way from both ends",
        )
    return count


def _cases(
    rates: ConfigurationRates, samples: int | None, random: np.random.Generator
) -> Iterator[tuple[IntArray, int, IntArray]]:
    """(configuration, open hop, cell that it starts in)."""
    model, net = rates.model, rates.model.network
    if samples is None:
        every = _all_configurations(model)
        if every is not None:
            for occupation in every:
                for hop, cell in rates.open_hops(occupation).tolist():
                    yield occupation, hop, rates.cells[cell]
            return
        samples = SAMPLES

    @cache
    def hops_from(site: int, species: int) -> list[int]:
        return np.flatnonzero((net.origin == site) & (net.carrier == species)).tolist()

    for start in range(0, samples, SAMPLES):
        found = random_configuration(model, random)
        if found is None:
            return
        places = np.flatnonzero(found)
        for _ in range(min(SAMPLES, samples - start)):
            for _ in range(200):  # a carrier, then one of its hops
                flat = int(places[random.integers(len(places))])
                hops = hops_from(flat % rates.n_sites, int(found[flat]) - 1)
                if hops:
                    hop, cell = hops[random.integers(len(hops))], rates.cell_of(flat // rates.n_sites)
                    if rates.is_open(found, hop, cell):
                        yield found, hop, cell
                        break


def _all_configurations(model: Model) -> IntArray | None:
    """All configurations of a tiny cell, None where there are too rates."""
    directed = model.network.n_hops * model.n_cells
    if directed > EXHAUSTIVE or not model.settled:
        return None
    numbers, ways = tuple(c.count for c in model.carriers), 1
    for row, number in zip(open_sites(model, model.n_cells), numbers, strict=True):
        ways *= math.comb(int(row.sum()), number)
        if ways * directed > EXHAUSTIVE:
            return None
    return list_configurations(model, numbers).astype(np.int64)
