"""Rates of species in sampled configurations against all configurations of small cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.engine.canonical.hop_rates import sampled_rates
from kmc_transport.model.interactions import Initial, Interactions
from kmc_transport.model.model import Model
from kmc_transport.rates import ConfigurationRates, build_catalog
from tests.reference.configurations import configurations, jumps, weights
from tests.reference.interacting_models import (
    coulomb,
    environments,
    ion_and_polaron,
    nearest_pairs,
    site_disorder,
    with_rule,
)
from tests.reference.networks import KT0, T0, chain, make_model


def enumerated(model: Model) -> np.ndarray:
    """(S,) mean total rate of each species."""
    rates, rows = ConfigurationRates(build_catalog(model, temperature=T0)), configurations(model)
    chance = weights(np.array([rates.energy(row) for row in rows]), KT0)
    found = np.zeros(len(model.carriers))
    for start, _, hop, rate in jumps(rates, rows):
        found[model.network.carrier[hop]] += chance[start] * rate
    return found


def _ring(counts: tuple[int, ...], size: int = 6) -> Model:
    hops = [[(0, 0, (1, 0, 0), 1.0 + 2 * a)] for a in range(len(counts))]
    charges = (1.0, -1.0)[: len(counts)]
    return make_model(
        np.diag([3.0, 8.0, 8.0]), [[0, 0, 0]], hops, counts=counts, charges=charges, supercell=(size, 1, 1)
    )


def _charged() -> Model:
    model = with_rule(_ring((2, 2)))
    return replace(model, interactions=Interactions(coulomb=coulomb(model, 0.3)))


def _surrounded() -> Model:
    model = with_rule(_ring((3,)))
    table = environments(model, 0, [(0, 0, (-1, 0, 0)), (0, 0, (2, 0, 0))], [1.0, 0.97, 1.02, 0.95])
    pairs = nearest_pairs(-1.2 * KT0, axes=1)
    return replace(model, interactions=Interactions(clusters=pairs, environments=(table,)))


def _disordered() -> Model:
    model = with_rule(_ring((2,)))
    return replace(model, disorder=site_disorder(model, np.random.default_rng(1), KT0, KT0))


CASES = {
    "pairs": ion_and_polaron(6, counts=(2, 1)),
    "charges": _charged(),
    "surroundings": _surrounded(),
    "disorder": _disordered(),
    "shared sites": _ring((2, 1)),
    "one more site": chain([1.0, 2.0, 1.0], site_energy=[0.0, 0.05, 0.02], counts=(1,)),
}


@pytest.mark.parametrize("name", CASES)
def test_against_all_configurations(name: str) -> None:
    model = CASES[name]
    value, stderr, sweeps = sampled_rates(build_catalog(model, temperature=T0))
    exact = enumerated(model)
    assert sweeps >= 64
    np.testing.assert_array_less(np.abs(value - exact), 4 * stderr + 1e-9 * exact)
    assert np.all(stderr < 0.2 * exact)


def test_energies_matter() -> None:
    """The same places without the weights of their energies are seen to be wrong."""
    model = ion_and_polaron(6, energy=-4 * KT0, counts=(2, 1))
    free = replace(model, interactions=None)
    value, stderr, _ = sampled_rates(build_catalog(model, temperature=T0))
    assert np.all(np.abs(value - enumerated(free)) > 6 * stderr)


def test_a_full_lattice_does_not_hop() -> None:
    value, stderr, _ = sampled_rates(build_catalog(_ring((3, 3)), temperature=T0))
    np.testing.assert_array_equal([value, stderr], 0.0)


def test_carriers_stay_in_their_networks() -> None:
    """Two rings that no hop joins: the given start says how many carriers are in each."""
    frac, hops = [[0, 0, 0], [0, 0.5, 0]], [(0, 0, (1, 0, 0), 1.0), (1, 1, (1, 0, 0), 1.0)]
    model = make_model(np.diag([3.0, 8.0, 8.0]), frac, hops, counts=(2,), supercell=(3, 1, 1))
    both = Initial("given", ((0, 2),))
    apart = Initial("given", ((0, 1),))
    crowded, spread = (
        sampled_rates(
            build_catalog(replace(model, initial=start, interactions=Interactions()), temperature=T0)
        )[0]
        for start in (both, apart)
    )
    np.testing.assert_allclose([crowded[0], spread[0]], [2.0, 4.0], rtol=1e-12)
