"""Chemical potential, thermodynamic factor and chemical diffusivity by two routes, against exact answers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.energies.configuration import ConfigurationEnergy
from kmc_transport.engine.canonical import grand
from kmc_transport.engine.canonical import kernels as k
from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo
from kmc_transport.engine.canonical.grand import Exchange, NoEstimate, log_ratio, number_fluctuations
from kmc_transport.engine.canonical.units import UnitThermodynamics, unit_thermodynamics
from kmc_transport.exact import thermodynamic_factor
from kmc_transport.exact.thermodynamics import Mixing, difference_of_potentials, units_of_difference
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.balance import random_configuration
from kmc_transport.records import Estimate
from kmc_transport.runs import pipeline
from tests.exact.test_interacting import ising_factor
from tests.input.interacting import built
from tests.input.interacting import chain as ising_chain
from tests.reference.exchange import exchange
from tests.reference.interacting_models import (
    ion_and_polaron,
    nearest_pairs,
    random_model,
    with_interactions,
    with_rule,
)
from tests.reference.networks import KT0, T0, chain, lattice_gas
from tests.statistical.test_anneal import ring_sums

pytestmark = pytest.mark.statistical

LIMIT = 4.5
SEEDS = [0, 1, 3, 5, 7, 8, 13]
"""Of random models in which there is room for an exchange."""


def ring(sites: int, n: int, coupling: float) -> Model:
    """Lattice gas on a ring, ``coupling`` kT of neighbours."""
    model = with_rule(chain([1.0], counts=(n,), supercell=(sites, 1, 1)))
    return with_interactions(model, clusters=nearest_pairs(coupling * KT0, 1))


def thermodynamics(model: Model, unit: tuple[int, ...], error: float, seed: int = 1) -> UnitThermodynamics:
    catalog = build_catalog(model, temperature=T0)
    return unit_thermodynamics(catalog, unit, seed=np.random.SeedSequence(seed), relative_error=error)


# ------------------------------------------------------------------------------------------- the kernel


def both_ways(model: Model) -> Model:
    """The same potential of one charge on the other as of the other on the one, to the last digit."""
    if model.interactions is None or model.interactions.coulomb is None:
        return model
    coulomb = model.interactions.coulomb
    back = np.asarray(coulomb.potential).swapaxes(0, 1)
    for axis in (2, 3, 4):
        back = np.roll(np.flip(back, axis), 1, axis)
    even = replace(coulomb, potential=(coulomb.potential + back) / 2)
    return replace(model, interactions=replace(model.interactions, coulomb=even))


@pytest.mark.parametrize("seed", SEEDS)
def test_exchanges_are_those_of_plain_python(seed: int) -> None:
    model = both_ways(random_model(seed, charged=seed % 2 == 0, disordered=seed % 3 == 0))
    rng = np.random.default_rng(seed)
    start = random_configuration(model, rng)
    assert start is not None
    n_species = len(model.carriers)
    unit = [1, 2][:n_species] if seed % 2 else [1, 1][:n_species]
    lattice = LatticeMonteCarlo(model, [np.flatnonzero(start == a + 1) for a in range(n_species)], rng)
    one = Exchange(lattice, unit, T0)
    bias, draws = rng.normal(size=one.top + 1), rng.random((300, 3))
    own = [one.own[one.first[a] : one.first[a + 1]] for a in range(n_species)]
    judge, beta = ConfigurationEnergy(model), 1 / KT0
    after, rungs, chances = exchange(
        lambda occ: float(judge.energies(occ[None])[0]),
        lattice.occupation,
        one.order.tolist(),
        own,
        bias,
        (one.bottom, one.top),
        one.rung,
        beta,
        draws,
    )
    number = np.array([(lattice.occupation == a + 1).sum() for a in range(n_species)])
    listed = np.zeros((n_species, len(lattice.occupation)), np.int64)
    for a in range(n_species):
        listed[a, : number[a]] = np.flatnonzero(lattice.occupation == a + 1)
    tally, energy = np.zeros((one.top + 1, 5)), lattice.energy
    last, energy = k.exchange_trials(
        lattice.energies,
        lattice.occupation,
        lattice.potential,
        one.order,
        one.first,
        one.own,
        listed,
        number,
        bias,
        one.bottom,
        one.top,
        one.rung,
        beta,
        draws,
        tally,
        energy,
    )
    np.testing.assert_array_equal(lattice.occupation, after)
    assert last == rungs[-1]
    assert len(set(rungs)) > 1  # something was put in or taken out
    np.testing.assert_array_equal(tally[:, 0], np.bincount(rungs, minlength=one.top + 1))
    before = np.concatenate([[one.rung], rungs[:-1]])
    for column, way in ((1, draws[:, 0] < 0.5), (3, draws[:, 0] >= 0.5)):
        tried = way & ~np.isnan(chances)
        np.testing.assert_array_equal(tally[:, column], np.bincount(before[tried], minlength=one.top + 1))
        np.testing.assert_allclose(
            tally[:, column + 1], np.bincount(before[tried], chances[tried], one.top + 1), atol=1e-9
        )
    assert energy == pytest.approx(lattice.recount(), abs=1e-9)


# ------------------------------------------------------------------------------------------- lattice gas on a ring


def exact_ring(model: Model, sites: int, n: int, coupling: float) -> tuple[float, float, float]:
    """Factor from fluctuations, factor from the potentials beside n, mu/kT: of this ring, by its transfer matrix."""
    log_z = np.log(ring_sums(sites, coupling, 1.0))
    numbers, low, high = np.arange(sites + 1), -60.0, 60.0

    def moments(mu: float) -> tuple[float, float]:
        weight = log_z + mu * numbers
        p = np.exp(weight - weight.max())
        mean = float(p @ numbers / p.sum())
        return mean, float(p @ (numbers - mean) ** 2 / p.sum())

    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if moments(middle)[0] < n else (low, middle)
    less, more = units_of_difference(n, sites)
    difference = (log_z[less + 1] - log_z[less]) - (log_z[more + 1] - log_z[more])
    beside = difference_of_potentials(Mixing.of_model(model, [1]), n, less, more, float(difference))
    return n / moments(low)[1], beside, low


@pytest.mark.parametrize(("n", "coupling"), [(12, 1.5), (30, 1.5), (48, 1.5), (15, -1.5)])
def test_factor_of_the_lattice_gas_by_both_routes(n: int, coupling: float) -> None:
    sites = 60
    model = ring(sites, n, coupling)
    fluctuations, beside, mu = exact_ring(model, sites, n, coupling)
    found = thermodynamics(model, (1,), 0.03)
    assert found.why == ""
    for estimate, exact, most in (
        (found.factor, fluctuations, 0.03),
        (found.factor_of_derivative, beside, 0.03),
        (found.potential, mu * KT0, 0.01),
    ):
        assert estimate is not None
        assert 0 < float(estimate.stderr) < 1.2 * most * max(1.0, abs(exact))
        assert abs(float(estimate.z(exact))) < LIMIT
    # both belong to one endless chain, up to what the size of the ring makes of them
    assert fluctuations == pytest.approx(ising_factor(n / sites, coupling * KT0), rel=1e-4)
    assert fluctuations == pytest.approx(beside, rel=1 / n)


def test_error_bars_hold_the_exact_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grand, "MOST_ROUNDS", 512)
    monkeypatch.setattr(grand, "TRIALS", 200)
    model = ring(16, 6, 1.0)
    right, wrong = (exact_ring(model, 16, 6, coupling) for coupling in (1.0, -1.0))
    log_z = np.log(ring_sums(16, 1.0, 1.0))
    insertion = float(log_z[7] - log_z[6])
    seeds = 28
    found: dict[str, list[tuple[float, float]]] = {"factor": [], "insertion": []}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        lattice = LatticeMonteCarlo(model, [rng.permutation(16)[:6]], rng)
        lattice.run(T0, 50)
        factor, _ = number_fluctuations(Exchange(lattice, [1], T0), 0.5)
        found["factor"].append((float(factor.value), float(factor.stderr)))
        lattice = LatticeMonteCarlo(model, [rng.permutation(16)[:6]], rng)
        lattice.run(T0, 50)
        found["insertion"].append(log_ratio(Exchange(lattice, [1], T0), 0.5)[:2])
    for name, exact in (("factor", right[0]), ("insertion", insertion)):
        value, stderr = np.array(found[name]).T
        z = (value - exact) / stderr
        assert abs(z.mean()) < 4 / math.sqrt(seeds), name
        assert 0.65 < z.std() < 1.45, name
        assert (np.abs(z) < 2.1).mean() >= 0.84, name  # 95 % but for 4 %; of Student's t with 16 to 32 blocks
    value, stderr = np.array(found["factor"]).T  # neighbours that attract instead of repelling each other
    assert (np.abs(value - wrong[0]) / stderr).min() > LIMIT


# ------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("energy", [-4.0, 1.0])
def test_neutral_pairs_by_both_routes(energy: float) -> None:
    model = ion_and_polaron(6, energy * KT0, (2, 2))
    exact = thermodynamic_factor(build_catalog(model, temperature=T0), composition=(1, 1))
    factor, potential = exact.beside
    found = thermodynamics(model, (1, 1), 0.05)
    assert found.factor is not None
    again = thermodynamics(model, (1, 1), 0.05).factor if energy > 0 else found.factor
    assert again is not None
    assert float(again.value) == float(found.factor.value)  # the same seed
    for estimate, answer in (
        (found.factor, exact.factor),
        (found.potential, exact.chemical_potential),
        (found.factor_of_derivative, factor),
        (found.potential_of_derivative, potential * KT0),
    ):
        assert estimate is not None
        assert abs(float(estimate.z(answer))) < LIMIT


def test_two_phases_have_no_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far below the critical point of the square lattice, at 1.76 kT, half of the sites cannot be the mean for long."""
    monkeypatch.setattr(grand, "PILOTS", 10)
    model = with_rule(lattice_gas("square", 10, 50))
    model = with_interactions(model, clusters=nearest_pairs(-3.5 * KT0, 2))
    lattice = LatticeMonteCarlo(model, [np.arange(50)], np.random.default_rng(1))
    with pytest.raises(NoEstimate, match=r"two phases|too rare|too slowly"):
        number_fluctuations(Exchange(lattice, [1], T0), 0.02)


def test_immobile_species_close_their_sites_and_lend_their_energies() -> None:
    document = ising_chain(8, 2, 0.03)
    document["carriers"]["x"] = {"charge": 0, "sites": ["A"], "count": 2, "immobile": True}
    document["interactions"]["pairs"].append({"between": ["p", "x"], "shell": 1, "energy": -0.05})
    catalog = build_catalog(built(document), temperature=T0)
    exact = thermodynamic_factor(catalog)
    assert len(exact.log_partition) == 7  # six of the eight sites are open
    alone = thermodynamic_factor(build_catalog(built(ising_chain(8, 2, 0.03)), temperature=T0))
    found = unit_thermodynamics(catalog, (1,), seed=np.random.SeedSequence(2), relative_error=0.05)
    assert found.factor is not None
    assert found.factor_of_derivative is not None
    assert abs(float(found.factor.z(exact.factor))) < LIMIT
    assert abs(float(found.factor_of_derivative.z(exact.beside[0]))) < LIMIT
    assert abs(float(found.factor.z(alone.factor))) > LIMIT


# ------------------------------------------------------------------------------------------- a run


def test_chemical_diffusivity_of_a_run_against_the_master_equation() -> None:
    document = {
        "structure": {
            "lattice": {"a": 3.0, "b": 8.0, "c": 8.0},
            "sites": {"Li": [[0, 0, 0]], "Fe": [[0.5, 0, 0]]},
        },
        "supercell": [6, 1, 1],
        "carriers": {
            "ion": {"charge": 1, "sites": ["Li"], "count": 2},
            "polaron": {"charge": -1, "sites": ["Fe"], "count": 2},
        },
        "hops": [
            {
                "carrier": carrier,
                "between": [site, site],
                "distance": 3.0,
                "barrier": {"rule": "kra", "E_kra": barrier},
                "attempt_frequency": 1e13,
            }
            for carrier, site, barrier in (("ion", "Li", 0.3), ("polaron", "Fe", 0.25))
        ],
        "interactions": {"pairs": [{"between": ["ion", "polaron"], "shell": 1, "energy": -0.06}]},
        "conditions": {"temperature": 300},
        "sampling": {"events": 1_000_000, "seed": 3, "thermodynamics": "3 %", "replicas": 2},
    }
    data = pipeline.run(built(document))
    assert str(data["thermodynamics_note"].values[0, 0, 0]) == ""
    for name, at in (
        ("chemical_potential", ()),
        ("chemical_potential_insertion", ()),
        ("thermodynamic_factor", ()),
        ("thermodynamic_factor_insertion", ()),
        ("jump_diffusivity", (0, 0)),
        ("chemical_diffusivity", (0, 0)),
    ):
        value, stderr, exact = (
            float(data[name + suffix].values[(0, 0, 0, *at)]) for suffix in ("", "_stderr", "_exact")
        )
        found = Estimate(value=np.array(value), stderr=np.array(stderr), effective_samples=1.0, method="")
        assert 0 < stderr < 0.08 * abs(value), name
        assert abs(float(found.z(exact))) < LIMIT, name
