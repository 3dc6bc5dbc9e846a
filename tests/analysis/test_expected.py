"""Exact values of the coupling analysis: the product's against another enumeration, configuration by configuration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.analysis.coupling.binding import Binding
from kmc_transport.analysis.coupling.environments import Environments
from kmc_transport.analysis.coupling.flip_pairs import FlipPairs
from kmc_transport.analysis.coupling.profile import Profile
from kmc_transport.analysis.observables import expected, kind_of
from kmc_transport.arrays import ARRAYS
from kmc_transport.exact import lags, stationary_flow
from kmc_transport.input.settings import with_settings
from kmc_transport.model.analysis import Analysis, EnvironmentSettings
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.report import observable_tables, table_lines
from kmc_transport.runs.pipeline import run
from kmc_transport.units import K_B
from tests.analysis.test_coupling import ions_and_holes
from tests.analysis.test_flip_pairs import CASES
from tests.analysis.test_flip_pairs import expected as by_reference
from tests.reference.coupling import Enumerated, by_environment, distances, enumerated, together
from tests.reference.interacting_models import hold_last
from tests.runs.sweeps import INPUT, sweep_model


@pytest.fixture(scope="module")
def catalog() -> RateCatalog:
    """In a field, where detailed balance helps nobody."""
    return build_catalog(ions_and_holes(), temperature=300.0, field=(0.01, 0.004, 0.0))


@pytest.fixture(scope="module")
def chain(catalog: RateCatalog) -> Enumerated:
    return enumerated(catalog)


REST, DRIVEN = (0.0, 0.0, 0.0), (0.02, 0.01, 0.0)


@pytest.mark.parametrize(
    ("case", "field"),
    [("ring", REST), ("square", REST), ("charged", DRIVEN), ("mixture", DRIVEN)],
)
def test_flip_pairs(case: str, field: tuple[float, float, float]) -> None:
    catalog = build_catalog(CASES[case][0](), temperature=300.0, field=field)
    found, other = FlipPairs.exact(stationary_flow(catalog)), by_reference(catalog)
    assert set(other) < set(found)
    for name, value in other.items():
        known = np.isfinite(value)
        assert known.sum() >= 4
        np.testing.assert_array_equal(np.isfinite(found[name]), known)
        np.testing.assert_allclose(found[name][known], value[known], rtol=1e-8, err_msg=name)


def test_flip_pairs_of_what_is_large_or_not_tracked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CASES["mixture"][0]()
    wanted = model.analysis.flip_pairs
    assert wanted is not None
    one = replace(model, analysis=Analysis(replace(wanted, carriers=(1,))))
    both, alone = (
        FlipPairs.exact(stationary_flow(build_catalog(m, temperature=300.0))) for m in (model, one)
    )
    for name, value in alone.items():
        np.testing.assert_allclose(value[1, 1], both[name][1, 1], rtol=1e-9)
        assert np.isnan(value[0]).all()
        assert np.isnan(value[:, 0]).all()
    monkeypatch.setattr(lags, "LAG_STATES", 50)
    assert FlipPairs.exact(stationary_flow(build_catalog(model, temperature=300.0))) == {}


@pytest.mark.parametrize("pair", [0, 1])
def test_binding(catalog: RateCatalog, chain: Enumerated, pair: int) -> None:
    wanted = catalog.model.analysis.binding[pair]
    a, b = wanted.between
    other, found = together(chain, a, b, wanted.contact), Binding.exact(stationary_flow(catalog))
    at = np.unique(np.round(Binding.coordinates(catalog.model)["pair_distance"] * 1e10, 4))
    near = other["distances"] < wanted.reach
    place = np.searchsorted(at, other["distances"][near])
    np.testing.assert_allclose(found["pair_correlation"][pair, place], other["g"][near], rtol=1e-9)
    species = [a, b] if a != b else [a]
    k = slice(len(species))
    for name, value in (
        ("bound_fraction", other["bound"]),
        ("binding_free_energy", -K_B * 300.0 * np.log(other["odds"])),
        ("bound_time", other["stay"]),
    ):
        np.testing.assert_allclose(found[name][pair, species], value[k], rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(found["pair_lifetime"][pair], other["lifetime"], rtol=1e-9)


def test_environments(catalog: RateCatalog, chain: Enumerated) -> None:
    found = Environments.exact(stationary_flow(catalog))
    labels = Environments.coordinates(catalog.model)["environment"].tolist()
    names = [c.name for c in catalog.model.carriers]
    seen = np.zeros(len(labels), bool)
    for wanted in catalog.model.analysis.environments:
        other = by_environment(chain, wanted.carrier, wanted.by, list(wanted.shells))
        for numbers, (n, flips) in other.items():
            k = labels.index(f"{names[wanted.carrier]}: {'+'.join(map(str, numbers))} {names[wanted.by]}")
            seen[k] = True
            assert found["environment_share"][k] == pytest.approx(n / 9, rel=1e-9)
            assert found["environment_flip_rate"][k] == pytest.approx(flips / n, rel=1e-9)
    assert not found["environment_share"][~seen].any()


def test_profile(catalog: RateCatalog, chain: Enumerated) -> None:
    """Cells are told apart here, whatever the flow knows of them."""
    found = Profile.exact(stationary_flow(catalog))
    cells = np.indices(catalog.model.supercell).reshape(3, -1).T[:, 1]
    layer = np.repeat(2 * cells, 2)
    flux = chain.law[chain.origin] * chain.rate
    for s in range(2):
        for k in (0, 2, 4):
            mine = layer == k
            share = chain.law @ (chain.rows[:, mine] == s + 1).sum(axis=1) / 3
            here = (chain.species == s) * (1.0 * mine[chain.left] + mine[chain.reached])
            assert found["layer_occupation"][s, k] == pytest.approx(share, rel=1e-9)
            assert found["layer_flip_rate"][s, k] == pytest.approx(flux @ here / 3, rel=1e-9)


def test_what_is_counted_is_what_has_been_worked_out_by_hand(catalog: RateCatalog) -> None:
    """Occupation, residence and hop rates have formulas of their own."""
    flow = stationary_flow(catalog)
    for name in ("occupation", "residence_time", "hop_rates"):
        kind = kind_of(name)
        counted = expected.expected(kind, flow)
        for array, value in kind.exact(flow).items():
            np.testing.assert_allclose(counted[array], value, rtol=1e-9, err_msg=array)


def test_one_species_held_still() -> None:
    model = hold_last(ions_and_holes(), np.random.default_rng(1))
    around = EnvironmentSettings(0, 1, ((1.0, 3.0), (3.0, 3.6)), False)
    model = replace(model, analysis=replace(model.analysis, environments=(around,)))
    catalog = build_catalog(model, temperature=300.0)
    flow, chain = stationary_flow(catalog), enumerated(catalog)
    found, labels = Environments.exact(flow), Environments.coordinates(model)["environment"].tolist()
    for numbers, (n, flips) in by_environment(chain, 0, 1, list(around.shells)).items():
        k = labels.index(f"c0: {numbers[0]}+{numbers[1]} c1")
        assert found["environment_share"][k] == pytest.approx(n / 9, rel=1e-9)
        assert found["environment_flip_rate"][k] == pytest.approx(flips / n, rel=1e-9)
    bound, hole = Binding.exact(flow), int(np.flatnonzero(chain.rows[0] == 2)[0])
    touching = distances(model)[hole] < 3.0
    pairs = chain.law @ ((chain.rows == 1) & touching).sum(axis=1)
    broken = chain.law[chain.origin] * chain.rate @ (touching[chain.left] & ~touching[chain.reached])
    assert bound["bound_fraction"][0, 0] == pytest.approx(pairs / 2, rel=1e-9)
    assert bound["pair_lifetime"][0] == pytest.approx(pairs / broken, rel=1e-9)


def test_beside_a_run() -> None:
    """In the result and in the tables, where the system is small."""
    asked = ["conditions.temperature=300", "sampling.events=6000"]
    asked += ["analysis={flip_pairs: {lags: [10 ps, 1 ns], distances: [0.5, 20.0]}, profile: {axis: a}}"]
    result = run(sweep_model(with_settings(INPUT, asked)), workers=1)
    names = [
        s.name for s in ARRAYS.values() if s.analysis in ("flip_pairs", "profile") and s.origin == "point"
    ]
    for name in names:
        value, stderr, exact = (result[f"{name}{s}"].values for s in ("", "_stderr", "_exact"))
        known = np.isfinite(value) & (stderr > 0) & (np.abs(value) > 6 * stderr)
        np.testing.assert_array_less(np.abs(value - exact)[known], 4.5 * stderr[known], err_msg=name)
    assert "flip_pairs_same" in names
    table = observable_tables(result, ["flip_pairs"])[0]
    assert "exact" in "\n".join(table_lines(table, 200))
