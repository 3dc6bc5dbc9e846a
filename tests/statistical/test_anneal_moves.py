"""Hops and shifts of bound pairs in lattice Monte Carlo: against plain code, against enumeration, at work."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kmc_transport.engine.canonical import moves
from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo
from kmc_transport.engine.canonical.equilibration import autocorrelation_time
from kmc_transport.model.interactions import Interactions
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.reference.configurations import configurations, weights
from tests.reference.moves import attractive_places, plain_moves
from tests.reference.networks import KT0, T0, make_model
from tests.statistical.test_anneal import clusters, crowd, placed, with_kra
from tests.statistical.test_equal_networks import ROWS, X, Y, lattice_of, rows_and_layer

pytestmark = pytest.mark.statistical

LIMIT = 4.0


def together(model: Model, seed: int, *, within: bool = False) -> LatticeMonteCarlo:
    sites = (lattice_of(model, seed) if within else placed(model, np.random.default_rng(seed))).sites
    return LatticeMonteCarlo(model, sites, np.random.default_rng(seed), within_networks=within, pairs=True)


def everywhere(model: Model) -> list[list[list[int]]]:
    """All sites of each species as one network."""
    site = np.arange(model.n_cells * model.structure.n_sites)
    return [[site[model.allowed_sites[a][site % model.structure.n_sites]].tolist()] for a in range(2)]


SHARES = moves.PAIRS, moves.HOPS


@pytest.mark.parametrize("case", ["crowd", "crowd 2", "flat", "rows"])
def test_trials_are_those_of_the_plain_code(case: str) -> None:
    within = case == "rows"
    size = (3, 1, 1) if case == "flat" else (3, 2, 2)
    model = rows_and_layer() if within else crowd(size, (3, 2), seed=len(case))
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    places = attractive_places(model, moves.BOUND)
    lattice = together(model, 1, within=within)
    start, sites = lattice.occupation.astype(np.int64), lattice.site_of.tolist()
    draws = np.random.Generator(type(lattice.rng.bit_generator)())
    draws.bit_generator.state = lattice.rng.bit_generator.state
    sweeps, n = 120, lattice.n_carriers
    series = lattice.run(T0, sweeps)
    networks = ROWS if within else everywhere(model)
    numbers = draws.random((n * sweeps, 6))
    rows, energies, possible, accepted = plain_moves(
        model, plain.energy, start, sites, networks, SHARES, places, 1 / KT0, numbers
    )
    np.testing.assert_array_equal(lattice.occupation, rows[-1])
    np.testing.assert_allclose(series, energies[n - 1 :: n], atol=1e-11)
    assert (lattice.possible, lattice.accepted) == (possible, accepted)
    assert accepted > 50
    before = [start, *rows[:-1]]
    shifted = [np.count_nonzero(a != b) == 4 for a, b in zip(before, rows, strict=True)]
    assert sum(shifted) > 2
    np.testing.assert_array_equal(np.sort([*lattice.free, *lattice.site_of]), lattice.open_sites)


def deviations(model: Model, rows: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Energies, occupations, pairs in ``rows`` against ``states`` with Boltzmann weights, in standard errors."""
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    energies = plain.energies(states)
    energy = {s.tobytes(): e for s, e in zip(states, energies.tolist(), strict=True)}
    p = weights(energies, KT0)

    def observables(s: np.ndarray) -> np.ndarray:
        one = [s == a + 1 for a in range(2)]
        pairs = [(a[:, :4, None] & b[:, None, 4:]).reshape(len(s), -1) for a in one for b in one]
        e = np.array([energy[row.tobytes()] for row in s])
        return np.concatenate([e[:, None], *one, *pairs], axis=1).astype(float)

    found, exact = observables(rows), observables(states)
    wanted = p @ exact
    keep = p @ (exact - wanted) ** 2 > 0.01 * np.append(KT0**2, np.ones(len(wanted) - 1))  # often seen
    error = np.array([math.sqrt(autocorrelation_time(x) * x.var() / len(x)) for x in found.T[keep]])
    return (found.mean(axis=0) - wanted)[keep] / error


@pytest.mark.parametrize("case", ["crowd", "rows"])
def test_equilibrium_against_enumeration(case: str) -> None:
    within = case == "rows"
    model = rows_and_layer() if within else crowd((2, 2, 1), (3, 2), strength=0.8)
    states = configurations(model)
    if within:
        states = states[np.all([(states[:, row] == 1).sum(axis=1) == 1 for row in ROWS[0]], axis=0)]
    lattice = together(model, 3, within=within)
    lattice.run(T0, 200)
    rows = []
    for _ in range(3000):
        lattice.run(T0, 20, recount=False)
        rows.append(lattice.occupation.astype(np.int64))
    z = deviations(model, np.array(rows), states)
    assert len(z) > 40
    assert np.abs(z).max() < LIMIT


def attracted() -> Model:
    """Ions and polarons on a layer of their own each, which attract each other as neighbours."""
    model = make_model(
        np.diag([3.0, 3, 6]),
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        [[(0, 0, X, 1.0), (0, 0, Y, 1.0)], [(1, 1, X, 1.0), (1, 1, Y, 1.0)]],
        counts=(3, 2),
        charges=(1, -1),
        supercell=(3, 2, 1),
        allowed=[[True, False], [False, True]],
    )
    ends = (0, 0, 0), (-1, 0, 0), (0, -1, 0), (-1, -1, 0)
    pairs = clusters(*((-1.0 * KT0, [(0, 0, (0, 0, 0)), (1, 1, end)]) for end in ends))
    return with_kra(model, interactions=Interactions(clusters=pairs))


@pytest.mark.parametrize("what", ["pairs", "hops"])
def test_the_reverse_trial_counts(what: str) -> None:
    """The plain code samples equilibrium, but not without the probability of the reverse trial."""
    model = attracted() if what == "pairs" else crowd((2, 2, 1), (2, 2), strength=0.5)
    plain, states = ConfigurationRates(build_catalog(model, temperature=T0)), configurations(model)
    shares = (
        (0.8, 0.0) if what == "pairs" else (0.0, 0.6)
    )  # the rest goes anywhere, so that all states are reached
    z = []
    for reverse in (True, False):
        rows, *_ = plain_moves(
            model,
            plain.energy,
            states[0],
            np.flatnonzero(states[0]).tolist(),
            everywhere(model),
            shares,
            attractive_places(model, moves.BOUND),
            1 / KT0,
            np.random.default_rng(1).random((40000 if what == "pairs" else 15000, 6)),
            reverse=reverse,
        )
        z.append(np.abs(deviations(model, np.array(rows)[500::5], states)).max())
    assert z[0] < LIMIT
    assert z[1] > 6
