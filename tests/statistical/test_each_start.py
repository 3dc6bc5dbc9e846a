"""Carriers that start each in its own way: held ones stay, the others are annealed round them to their equilibrium."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo
from kmc_transport.engine.canonical.initial import initial_configuration
from kmc_transport.engine.tables import build_tables
from kmc_transport.exact.states import enumerate_states
from kmc_transport.model.interactions import Initial
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.reference.configurations import configurations, weights
from tests.reference.networks import KT0, T0
from tests.statistical.test_anneal import crowd
from tests.statistical.test_equal_networks import rows_and_layer

pytestmark = pytest.mark.statistical

HELD = (0, 7)


@pytest.mark.parametrize("equal", [False, True])
def test_the_others_find_equilibrium_round_those_held(equal: bool) -> None:
    """Occupation by the second species, Boltzmann weights of all configurations with the first one where it is held;
    those of a first species that may move too are far off."""
    model = rows_and_layer(3) if equal else crowd()
    states = configurations(model)
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    kept = tuple(np.flatnonzero(states[len(states) // 3] == 1).tolist())
    p = weights(plain.energies(states), KT0)
    there = np.array([(s == 1).nonzero()[0].tolist() == list(kept) for s in states])
    exact = (p[there] / p[there].sum()) @ (states[there] == 2)
    free = p @ (states == 2)

    start = next(s for s in states if tuple(np.flatnonzero(s == 1)) == kept)
    rng = np.random.default_rng(5)
    sites = [np.flatnonzero(start == a + 1) for a in range(2)]
    lattice = LatticeMonteCarlo(model, sites, rng, within_networks=[1] if equal else False, held=[0])
    lattice.run(T0, 50)
    seen = []
    for _ in range(1600):
        lattice.run(T0, 4, recount=False)
        seen.append(lattice.occupation == 2)
    assert lattice.sites[0].tolist() == list(kept)
    assert lattice.energy == pytest.approx(plain.energy(lattice.occupation.astype(np.int64)))
    batches = np.array(seen).reshape(32, -1, len(start)).mean(axis=1)
    error = np.maximum(batches.std(axis=0, ddof=1) / np.sqrt(32), 1e-3)
    assert np.abs((batches.mean(axis=0) - exact) / error).max() < 4
    assert np.abs((batches.mean(axis=0) - free) / error).max() > 8


def test_starts() -> None:
    """One species on given sites or as many in each row, the other one random or annealed."""
    model = rows_and_layer()
    tables = build_tables(build_catalog(model, temperature=T0))

    def sites(initial: Initial, seed: int) -> tuple[list[np.ndarray], object]:
        cell, kind, report = initial_configuration(tables, T0, np.random.default_rng(seed), initial)
        own = tables.type_species[kind]
        return [np.sort(cell[own == a]) for a in range(2)], report

    given, annealed = Initial("given"), Initial("annealed", None, 2 * T0, 20)
    for other, has_report in ((Initial(), False), (annealed, True)):
        initial = Initial("each", (HELD, ()), 2 * T0, 20, each=(given, other))
        for seed in range(20):
            (first, second), report = sites(initial, seed)
            assert tuple(first) == HELD
            assert len(second) == 2
            assert not set(second) & set(HELD)
            assert (report is not None) is has_report
    equal = Initial("each", ((), ()), 2 * T0, 20, each=(replace(annealed, equal_networks=True), Initial()))
    rows = [sites(equal, seed)[0][0] % 2 for seed in range(20)]
    assert all(sorted(r) == [0, 1] for r in rows)


def test_the_exact_solver_keeps_to_what_is_given() -> None:
    """States to be met: those of the row that holds the given carriers, wherever the other species is."""
    model = replace(rows_and_layer(), disorder=None)
    each = (Initial("given"), Initial())
    for sites, equal in (((0, 2), False), ((0, 3), True)):
        started = replace(model, initial=Initial("each", (sites, ()), each=each))
        for anchor in (None, 1):
            space = enumerate_states(started, (2, 2), anchor, model.supercell, 5000)
            met = np.isin(space.component, space.classes_of_start())
            rows = space.configurations()[met] == 1
            in_first = rows[:, ::2].sum(axis=1)
            assert set(in_first.tolist()) == ({1} if equal else {2} if anchor is None else {0, 2})
