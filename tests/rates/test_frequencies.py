"""Mean rates of carriers without interactions against all configurations of small cells."""

from __future__ import annotations

import numpy as np
import pytest

from kmc_transport.energies.configuration import ConfigurationEnergy
from kmc_transport.model.model import Model
from kmc_transport.rates import ConfigurationRates, are_alone, build_catalog, equilibrium_rates
from kmc_transport.rates import frequencies as module
from tests.reference.configurations import configurations, jumps, weights
from tests.reference.networks import KT0, T0, chain, lattice_gas, make_model


def enumerated(model: Model) -> np.ndarray:
    """(n_hops,) mean total rate of each kind of hop."""
    rates, rows = ConfigurationRates(build_catalog(model, temperature=T0)), configurations(model)
    energy = ConfigurationEnergy(model)
    chance = weights(np.array([energy.energy(row) for row in rows]), KT0)
    found = np.zeros(model.network.n_hops)
    for start, _, hop, rate in jumps(rates, rows):
        found[hop] += chance[start] * rate
    return found


CASES = {
    "one": chain([1.0, 2.0, 3.0], site_energy=[0.0, 0.05, 0.02]),
    "three": chain([1.0, 2.0, 3.0], site_energy=[0.0, 0.05, 0.02], counts=(3,), supercell=(2, 1, 1)),
    "deep": chain([1.0, 2.0], site_energy=[0.0, 0.9], counts=(4,), supercell=(3, 1, 1)),
    "full": lattice_gas("square", 2, 4),
    "nearly full": lattice_gas("square", 3, 8),
    "onto itself": lattice_gas("square", 1, 1),
    "two species": make_model(
        np.diag([3.0, 8.0, 8.0]),
        [[0, 0, 0], [0.5, 0, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), 3.0)]],
        counts=(2, 1),
        supercell=(4, 1, 1),
        allowed=[[True, False], [False, True]],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_all_configurations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = build_catalog(CASES[name], temperature=T0)
    assert are_alone(catalog)
    np.testing.assert_allclose(equilibrium_rates(catalog), enumerated(CASES[name]), rtol=1e-9)
    if name in ("three", "nearly full"):  # occupations alone, as of infinitely many carriers, are not it
        monkeypatch.setattr(module, "MANY", 0)
        assert np.abs(equilibrium_rates(catalog) / enumerated(CASES[name]) - 1).max() > 0.05


def test_many_carriers_are_as_good_as_infinitely_many(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain([1.0, 2.0], site_energy=[0.0, 0.05], counts=(3000,), supercell=(2500, 1, 1))
    exact = equilibrium_rates(build_catalog(model, temperature=T0))
    monkeypatch.setattr(module, "MANY", 0)
    np.testing.assert_allclose(equilibrium_rates(build_catalog(model, temperature=T0)), exact, rtol=1e-3)


def test_species_on_the_same_sites_are_not_alone() -> None:
    hops = [[(0, 0, (1, 0, 0), 1.0)], [(0, 0, (1, 0, 0), 3.0)]]
    model = make_model(np.diag([3.0, 8.0, 8.0]), [[0, 0, 0]], hops, counts=(1, 1), supercell=(4, 1, 1))
    assert not are_alone(build_catalog(model, temperature=T0))
