"""Kernel against the exact master equation, in standard errors, over networks and observables together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kmc_transport.analysis import Evaluation, evaluate
from kmc_transport.engine import Replica
from kmc_transport.errors import RateError
from kmc_transport.exact import exact_values
from kmc_transport.model.model import Model, frozen_array
from kmc_transport.rates import build_catalog
from kmc_transport.records import Tallies
from kmc_transport.runs.system import system_of
from tests.reference.networks import KT0, T0, chain, excluding_species, lattice_gas, make_model

pytestmark = pytest.mark.statistical

FIELD = KT0 / 3.0  # V/Å: a unit charge gains kT over 3 Å
DIRECTION = np.array([1.0, 0.2, 0.1])


def random_barriers() -> Model:
    rates = np.exp(np.random.default_rng(1).normal(0, 1.0, 6))
    return chain(rates.tolist())


def random_traps() -> Model:
    energy = np.random.default_rng(2).normal(0, 1.0, 5) * KT0
    # from each site the same rate to both sides: barriers counted from the trap
    rates = np.exp(energy / KT0)
    return chain([float(r) for r in rates], site_energy=_trap_energies(rates))


def _trap_energies(rates: np.ndarray) -> np.ndarray:
    return KT0 * np.log(rates / rates.max())


def anisotropic(flat: bool) -> Model:
    lattice = [[3.0, 0, 0], [1.0, 2.0, 0], [0.5, 0.3, 4.0]]
    edges = [
        (0, 1, (0, 0, 0), 3.0),
        (1, 0, (1, 0, 0), 1.0),
        (0, 0, (0, 1, 0), 0.4),
        (1, 1, (1, 1, 0), 0.7),
    ]
    if not flat:
        edges += [(0, 1, (0, 0, 1), 0.5), (1, 1, (0, -1, 1), 0.3)]
    return make_model(
        lattice,
        [[0, 0, 0], [0.4, 0.3, 0.2]],
        edges,
        periodic=(True, True, not flat),
        site_energy=[0.0, 0.5 * KT0],
        charges=[-2.0],
        supercell=(3, 2, 1 if flat else 2),
    )


CASES: dict[str, tuple[Callable[[], Model], float]] = {
    "biased two-site chain": (lambda: chain([1.0, 3.0], site_energy=[0, KT0]), 2 * FIELD),
    "two-site chain": (lambda: chain([1.0, 3.0], site_energy=[0, KT0]), 0.0),
    "random barriers": (random_barriers, 0.0),
    "random barriers, field": (random_barriers, FIELD),
    "random traps": (random_traps, 0.0),
    "random traps, field": (random_traps, FIELD),
    "anisotropic 2D": (lambda: anisotropic(True), 0.0),
    "anisotropic 2D, field": (lambda: anisotropic(True), FIELD),
    "anisotropic 3D": (lambda: anisotropic(False), 0.0),
    "anisotropic 3D, field": (lambda: anisotropic(False), FIELD),
    "one vacancy, square": (lambda: lattice_gas("square", 4, 15), 0.0),
    "one vacancy, sc": (lambda: lattice_gas("sc", 3, 26), 0.0),
    "one vacancy, bcc": (lambda: lattice_gas("bcc", 3, 26), 0.0),
    "one vacancy, fcc": (lambda: lattice_gas("fcc", 3, 26), 0.0),
    "one vacancy, honeycomb": (lambda: lattice_gas("honeycomb", 3, 17), 0.0),
    "one vacancy, diamond": (lambda: lattice_gas("diamond", 2, 15), 0.0),
    "lattice gas": (lambda: lattice_gas("square", 3, 4), 0.0),
    "lattice gas, field": (lambda: lattice_gas("square", 3, 4), FIELD),
    "ASEP ring": (lambda: chain([1.0], counts=(3,), supercell=(7, 1, 1)), 2 * FIELD),
    "single file": (lambda: chain([1.0], counts=(3,), supercell=(6, 1, 1)), 0.0),
    "two species": (excluding_species, 0.0),
    "two species, field": (excluding_species, FIELD),
}


INDEPENDENT = ("drift_velocity[0, 0]", "tracer_diffusivity[0, 0, 0]", "collective_diffusivity[0, 0, 0, 0]")


def run_replicas(
    model: Model,
    field: float,
    algorithm: str,
    *,
    seed: int,
    lie: float = 1.0,
    windows: int = 48,
    hops: float = 3.0,
) -> list[Tallies]:
    """Four replicas of fixed length, ``hops`` of each carrier between two samples.

    lie : factor on the rates of the first hop and its reverse.
    """
    catalog = build_catalog(model, temperature=T0, field=field * DIRECTION)
    if lie != 1.0:
        rate = np.array(catalog.rate)
        rate[[0, 1]] *= lie
        catalog = dataclasses.replace(catalog, rate=frozen_array(rate, float))
    replicas = [
        Replica(
            catalog,
            seed=np.random.SeedSequence(seed, spawn_key=(k,)),
            sample_interval=1.0,
            algorithm=algorithm,
            levels=9,
        )
        for k in range(4)
    ]
    mobile = sum(c.count for c in model.carriers)
    interval = hops * mobile / np.mean([r.total_rate() for r in replicas])
    for r in replicas:
        r.reset(sample_interval=interval)
        r.advance(2**9 * 4)  # equilibration
        r.reset()
        r.advance(2**9 * windows)
    return [r.tallies for r in replicas]


def simulate(model: Model, field: float, algorithm: str, **how: Any) -> Evaluation:
    return evaluate(
        system_of(model, T0, field * DIRECTION),
        run_replicas(model, field, algorithm, **how),
    )


def deviations(model: Model, field: float, evaluation: Evaluation) -> dict[str, float]:
    """Deviation from the exact answer in standard errors, component by component, where there is an error."""
    catalog = build_catalog(model, temperature=T0, field=field * DIRECTION)
    exact = exact_values(catalog, model.conditions.direction)
    found = {}
    for name, value in exact.items():
        if name == "differential_mobility":  # no estimate of one point
            continue
        estimate = evaluation.estimates[name]
        scale = np.nanmax(np.abs(estimate.value), initial=0.0)
        for index in np.ndindex(*np.shape(value)):
            stderr = estimate.stderr[index]
            if not np.isfinite(value[index]):
                continue
            if stderr <= 1e-9 * scale:  # exact zero of both, or a ratio that is exact
                assert estimate.value[index] == pytest.approx(value[index], abs=1e-6 * (scale or 1)), name
                continue
            found[f"{name}{list(index)}"] = (estimate.value[index] - value[index]) / stderr
    return found


@pytest.fixture(scope="module")
def all_deviations() -> dict[tuple[str, str, str], float]:
    table = {}
    for i, (case, (make, field)) in enumerate(CASES.items()):
        model = make()
        for j, algorithm in enumerate(("null_event", "rejection_free")):
            # many carriers around one vacancy forget soon: three hops each would give the same errors, but for null
            # events on the honeycomb, where the plateau is seen late
            soon = "vacancy" in case and (case, algorithm) != ("one vacancy, honeycomb", "null_event")
            hops = 1.0 if soon else 3.0
            evaluation = simulate(model, field, algorithm, seed=1000 + 10 * i + j, hops=hops)
            assert evaluation.collective_plateau, case
            assert evaluation.tracer_plateau, case
            assert evaluation.consistent, case
            for name, z in deviations(model, field, evaluation).items():
                table[case, algorithm, name] = z
    return table


def test_every_observable_of_every_network(all_deviations: dict[tuple[str, str, str], float]) -> None:
    worst = sorted(all_deviations.items(), key=lambda item: -abs(item[1]))[:5]
    assert len(all_deviations) > 500
    assert abs(worst[0][1]) < 4.5, worst  # some hundred independent components


def test_standard_errors_have_the_right_size(all_deviations: dict[tuple[str, str, str], float]) -> None:
    """The deviations scatter as a unit normal: error bars neither too small nor too large."""
    # one number per run and observable, since the components of a tensor are not independent
    z = np.array([v for (_, _, name), v in all_deviations.items() if name in INDEPENDENT])
    assert len(z) > 100
    assert 0.8 < math.sqrt(np.mean(z**2)) < 1.2


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_a_rate_wrong_by_5_percent_is_caught(algorithm: str) -> None:
    """Hop 0 is the bottleneck of this chain; the honest run passes, the one with a wrong rate does not."""
    model = chain([1.0, 30.0])
    how = {"windows": 120, "hops": 12.0}  # a drift gains from hops alone, and samples cost
    honest, wrong = (simulate(model, 2 * FIELD, algorithm, seed=77, lie=f, **how) for f in (1.0, 0.95))
    assert max(map(abs, deviations(model, 2 * FIELD, honest).values())) < 4
    assert abs(deviations(model, 2 * FIELD, wrong)["drift_velocity[0, 0]"]) > 6


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_a_displacement_of_wrong_sign_is_caught(algorithm: str) -> None:
    """One hop of three counted backwards: the exact answer is far outside the error bars."""
    model = chain([1.0, 2.0, 3.0])
    vector = np.array(model.network.vector)
    vector[[0, 1]] *= -1
    network = dataclasses.replace(model.network, vector=frozen_array(vector, float))
    evaluation = simulate(model, 2 * FIELD, algorithm, seed=78)
    assert max(map(abs, deviations(model, 2 * FIELD, evaluation).values())) < 4
    backwards = dataclasses.replace(model, network=network)
    with pytest.raises(RateError, match="loop rule"):  # the catalog sees it first
        build_catalog(backwards, temperature=T0, field=[FIELD, 0, 0])
    tallies = wrong_sign(model, algorithm)
    evaluation = evaluate(system_of(model, T0, 2 * FIELD * DIRECTION), tallies)
    assert abs(deviations(model, 2 * FIELD, evaluation)["drift_velocity[0, 0]"]) > 20


def wrong_sign(model: Model, algorithm: str) -> list[Tallies]:
    """Tallies in which the displacements of hop 0 and its reverse count with the wrong sign."""
    lies = []
    for t in run_replicas(model, 2 * FIELD, algorithm, seed=78):
        wrong = t.events[:, [0, 1]] @ model.network.vector[[0, 1]]
        lies.append(dataclasses.replace(t, displacement=t.displacement - 2 * wrong[:, None]))
    return lies
