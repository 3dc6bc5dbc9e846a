"""A new term of the energy is written in one place: two that the package does not have, defined here, go through the
door `with_energy` and give the same numbers in every form, and right rates in the exact solver and in the engine."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import kmc_transport
from kmc_transport.energies.clusters import with_energy
from kmc_transport.energies.configuration import ConfigurationEnergy, WholeEnergy
from kmc_transport.energies.terms import QUANTUM
from kmc_transport.engine import LatticeMonteCarlo, Replica
from kmc_transport.exact import solve_exact
from kmc_transport.rates import ConfigurationRates, build_catalog, check_configurations
from tests.reference.configurations import configurations, jumps, weights
from tests.reference.interacting_models import (
    coulomb,
    nearest_pairs,
    site_disorder,
    with_interactions,
    with_rule,
)
from tests.reference.master_equation import group_inverse
from tests.reference.networks import KT0, T0, make_model

HERE = (0, 0, (0, 0, 0))


class Crowding:
    """A z² for each carrier with z neighbours: pairs and triplets."""

    def __init__(self, strength):
        self.strength = strength

    def energy(self, occupation):
        """As the formula is written; ``occupation`` (L1, L2)."""
        z = sum(np.roll(occupation, step, axis) for step in (1, -1) for axis in (0, 1))
        return self.strength * float((occupation * z**2).sum())

    def __iter__(self):
        around = [(0, 0, cell) for cell in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))]
        for one in around:
            yield (HERE, one), self.strength, "crowding"
        for one, other in combinations(around, 2):
            yield (HERE, one, other), 2 * self.strength, "crowding"


class Layers:
    """U N²/2 for each layer with N carriers: a site energy, and pairs as far as the supercell reaches."""

    def __init__(self, strength, length):
        self.strength, self.length = strength, length

    def energy(self, occupation):
        return 0.5 * self.strength * float((occupation.sum(axis=1) ** 2).sum())

    def __iter__(self):
        for j in range(self.length):
            yield (HERE, (0, 0, (0, j, 0))), 0.5 * self.strength, "layers"


def gas(size, count):
    """Carriers on a square lattice; hops along x are quicker."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0]],
        [[(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 0.3)]],
        counts=(count,),
        supercell=(*size, 1),
        periodic=(True, True, False),
    )
    return with_rule(model)


def everything_else(model):
    """Pairs, charges and disorder beside the new term."""
    model = with_interactions(
        model, clusters=nearest_pairs(-0.4 * KT0, 2), coulomb=coulomb(model, 5 * KT0, 4.0)
    )
    return replace(model, disorder=site_disorder(model, np.random.default_rng(3), 0.5 * KT0))


def toys(size):
    return Crowding(0.3 * KT0), Layers(0.7 * KT0, size[1])


@pytest.mark.parametrize("toy", [0, 1], ids=["crowding", "layers"])
@pytest.mark.parametrize("size", [(3, 3), (2, 4)])
def test_the_same_energy_in_every_form(size, toy):
    term = toys(size)[toy]
    model = everything_else(gas(size, 4))
    more = with_energy(model, term)
    old, new, whole = ConfigurationEnergy(model), ConfigurationEnergy(more), WholeEnergy(more)
    rows = configurations(more)[::3]
    expected = np.array([old.energy(row) + term.energy(row.reshape(size)) for row in rows])
    assert np.ptp(expected - old.energies(rows)) > 0.5 * KT0  # the term tells configurations apart
    np.testing.assert_allclose([new.energy(row) for row in rows], expected, atol=1e-13)
    np.testing.assert_allclose(new.energies(rows), expected, atol=1e-13)
    np.testing.assert_allclose([whole.energy(row) * QUANTUM for row in rows], expected, atol=1e-11)
    for row, energy in zip(rows[:6], expected, strict=False):
        lattice = LatticeMonteCarlo(more, [np.flatnonzero(row)], np.random.default_rng(1))
        assert lattice.energy == pytest.approx(energy, abs=1e-13)
        for x in np.flatnonzero(row)[:2]:
            for y in np.flatnonzero(row == 0):
                after = row.copy()
                after[[x, y]] = after[[y, x]]
                change = new.energy(after) - energy
                assert new.change(row, int(x), int(y)) == pytest.approx(change, abs=1e-13)
                assert lattice.difference(int(x), int(y)) == pytest.approx(change, abs=1e-13)


def oracle(model, term, size, **conditions):
    """Rates with the term's energy added by its formula, where nothing knows its clusters."""
    rates = ConfigurationRates(build_catalog(model, temperature=T0, **conditions))
    old = rates.energy
    rates.energy = lambda row: old(row) + term.energy(row.reshape(size))
    return rates


@pytest.mark.parametrize("toy", [0, 1], ids=["crowding", "layers"])
def test_the_exact_solver_takes_it(toy):
    size = (3, 3)
    term, model = toys(size)[toy], gas(size, 3)
    catalog = build_catalog(with_energy(model, term), temperature=T0, field=(KT0, 0.5 * KT0, 0))
    assert check_configurations(catalog) > 0
    rates = oracle(model, term, size, field=(KT0, 0.5 * KT0, 0))
    rows = configurations(model)
    origin, target, hop, rate = zip(*jumps(rates, rows), strict=True)
    moved = model.network.vector[list(hop)]
    _, drift, diffusion = group_inverse(len(rows), origin, target, np.array(rate), moved)
    found = solve_exact(catalog)
    np.testing.assert_allclose(found.drift_velocity[0] * 3, drift, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.collective_diffusivity[0, :, 0] * 3, diffusion, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("toy", [0, 1], ids=["crowding", "layers"])
@pytest.mark.parametrize("among", [False, True], ids=["alone", "among others"])
def test_the_engine_takes_it(toy, among):
    """Energy and rates along a run are those of the formula; the run spends its time where the formula says."""
    size = (3, 3)
    term, model = toys(size)[toy], gas(size, 4)
    model = everything_else(model) if among else model
    catalog = build_catalog(with_energy(model, term), temperature=T0)
    rates = oracle(model, term, size)
    rows = configurations(model)
    per_state = np.zeros(len(rows))
    for k, _, _, rate in jumps(rates, rows):
        per_state[k] += rate
    r = Replica(
        catalog, seed=np.random.SeedSequence(2), sample_interval=2.0, levels=0, algorithm="rejection_free"
    )
    for _ in range(20):
        r.advance(1)
        occupation = np.zeros(9, np.int64)
        occupation[r.occupation()] = 1
        assert r.energy() == pytest.approx(rates.energy(occupation), abs=1e-11)
        (k,) = np.flatnonzero((rows == occupation).all(axis=1))
        assert r.total_rate() == pytest.approx(per_state[k], rel=1e-9)
    r.check()
    counted = []
    for _ in range(60):
        before = r.executed
        r.advance(50)
        counted.append((r.executed - before) / 100.0)
    error = np.std(counted, ddof=1) / np.sqrt(len(counted))
    law = weights(np.array([rates.energy(row) for row in rows]), KT0)
    assert abs(np.mean(counted) - law @ per_state) < 4 * error
    without = ConfigurationEnergy(model).energies(rows)
    assert abs(np.mean(counted) - weights(without, KT0) @ per_state) > 4 * error


def test_no_other_room_counts_energies():
    """What clusters and Coulomb potentials mean is written in `energies`; input makes them, report shows them."""
    package = Path(kmc_transport.__file__).parent
    reads = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if re.search(
            r"\b(interactions|model)\.(clusters|coulomb)\b|import .*\b(Clusters|Coulomb)\b", path.read_text()
        )
    }
    assert reads == {"energies", "input", "report"}
