"""Local detailed balance where rates depend on the configuration: hop and reverse compared in the same surroundings."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..errors import RateError
from ..model.model import Model
from ..units import K_B
from .catalog import RateCatalog
from .checks import TOLERANCE, describe_hop
from .configuration import ConfigurationRates
from .enumerated import ManyConfigurations, depends_on_configuration
from .local import LocalEnergies

__all__ = ["check_configurations", "random_configuration"]

IntArray = npt.NDArray[np.int64]

EXHAUSTIVE = 400
"""Up to this many configurations of so many directed hops of the supercell, together, all are looked at."""
SAMPLES = 8
"""Hops that are looked at by default, in one random configuration."""


def open_places(model: Model) -> npt.NDArray[np.bool_]:
    """(S, n_flat) sites of the supercell that each species may occupy."""
    allowed = np.tile(model.allowed_sites, (1, model.n_cells))
    if model.disorder is not None and model.disorder.blocked is not None:
        allowed = allowed & ~model.disorder.blocked
    return allowed


def random_configuration(model: Model, random: np.random.Generator) -> IntArray | None:
    """(n_flat,) the model's carriers on random places; None when 20 trials found none (very crowded lattices)."""
    allowed = open_places(model)
    order = np.argsort([int(row.sum()) - c.count for row, c in zip(allowed, model.carriers, strict=True)])
    for _ in range(20):
        occupation = np.zeros(allowed.shape[1], np.int64)
        for a in order:
            free = np.flatnonzero(allowed[a] & (occupation == 0))
            if len(free) < model.carriers[a].count:
                break
            occupation[random.choice(free, model.carriers[a].count, replace=False)] = a + 1
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
    many = ManyConfigurations(catalog)
    rates = many.one
    net, kt = model.network, K_B * catalog.temperature
    worst, count, told = 0.0, 0, (0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    local = LocalEnergies(rates)
    for occupation, hop, cell in _cases(rates, samples, random):
        origin, target = rates.ends(hop, cell)
        after = occupation.copy()
        after[origin] = 0
        after[target] = occupation[origin]
        back, end = int(net.reverse[hop]), (cell + net.cell[hop]) % rates.size
        difference = local.difference(occupation, hop, cell)
        again = local.difference(after, back, end)
        ratio = 0.0
        for sign, row, which, start, energy in (
            (1, occupation, hop, cell, difference),
            (-1, after, back, end, again),
        ):
            shift = many.barrier_shifts(row[None], which, int(rates.flat(0, start)) // rates.n_sites)
            ratio += sign * float(many.log_rates(which, np.array([energy]), shift)[0])
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
                for hop in range(net.n_hops):
                    for cell in rates.cells:
                        if rates.is_open(occupation, hop, cell):
                            yield occupation, hop, cell
            return
        samples = SAMPLES
    for start in range(0, samples, SAMPLES):
        found = random_configuration(model, random)
        if found is None:
            return
        places = np.flatnonzero(found)
        for _ in range(min(SAMPLES, samples - start)):
            for _ in range(200):  # a carrier, then one of its hops
                flat = int(random.choice(places))
                site, cell = flat % rates.n_sites, rates.cell_of(flat // rates.n_sites)
                hops = np.flatnonzero((net.origin == site) & (net.carrier == found[flat] - 1))
                if len(hops):
                    hop = int(random.choice(hops))
                    if rates.is_open(found, hop, cell):
                        yield found, hop, cell
                        break


def _all_configurations(model: Model) -> list[IntArray] | None:
    """All configurations of a tiny cell, None where there are too many."""
    directed = model.network.n_hops * model.n_cells
    if directed > EXHAUSTIVE:
        return None
    allowed = open_places(model)
    ways = 1
    for row, c in zip(allowed, model.carriers, strict=True):
        ways *= math.comb(int(row.sum()), c.count)
        if ways * directed > EXHAUSTIVE:
            return None
    from itertools import combinations

    rows = [np.zeros(allowed.shape[1], np.int64)]
    for a, c in enumerate(model.carriers):
        grown = []
        for row in rows:
            for chosen in combinations(np.flatnonzero(allowed[a] & (row == 0)).tolist(), c.count):
                new = row.copy()
                new[list(chosen)] = a + 1
                grown.append(new)
        rows = grown
    return rows
