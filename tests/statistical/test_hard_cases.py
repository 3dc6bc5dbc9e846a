"""Cases in which short runs look fine and are wrong: they must come out right, or be marked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kmc_transport.exact import exact_values
from kmc_transport.model.model import Model, Sampling
from kmc_transport.records import ExitReason
from kmc_transport.runs.pipeline import run
from kmc_transport.runs.point import PointSimulation
from tests.reference.networks import KT0, T0, chain, make_model

pytestmark = pytest.mark.statistical


def with_sampling(model: Model, **how: object) -> Model:
    return dataclasses.replace(model, sampling=Sampling(**{"seed": 1, **how}))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_carriers_of_one_file_meet_before_they_are_believed(seed: int) -> None:
    """Four carriers on a ring of 400: free for 1e4 hops each, then D* = w a² (N-n)/((N-1) n), a quarter of that."""
    model = with_sampling(
        chain([1.0], counts=(4,), supercell=(400, 1, 1)), target="tracer_diffusivity", relative_error=0.1
    )
    point = PointSimulation(model, T0, [0, 0, 0], root=seed)
    assert point.run() is ExitReason.ACCURACY_REACHED
    assert point.evaluation is not None
    estimate = point.evaluation.require("tracer_diffusivity")
    exact = (400 - 4) / (399 * 4) * 1e-20
    assert abs(estimate.z(exact)[0, 0, 0]) < 4


def rare_trap(n: int, depth: float) -> Model:
    """One deep site among n: the barrier is counted from where the carrier sits."""
    energy = np.zeros(n)
    energy[0] = -depth * KT0
    rates = np.ones(n)
    rates[0] = np.exp(-depth)  # out of the trap; the reverse follows
    return chain(rates.tolist(), site_energy=energy)


def test_rare_traps_are_covered() -> None:
    """The coarser the accuracy asked for, the shorter the runs and the harder the case."""
    model = with_sampling(rare_trap(400, 5.0), relative_error=0.1, target="charge_diffusivity")
    z = []
    for seed in range(40):
        point = PointSimulation(model, T0, [0, 0, 0], root=seed)
        assert point.run() is ExitReason.ACCURACY_REACHED
        assert point.evaluation is not None
        if seed == 0:
            exact = exact_values(point.catalog, model.conditions.direction)["charge_diffusivity"][0, 0]
        z.append(float(point.evaluation.require("charge_diffusivity").z(exact)[0, 0]))
    assert np.sqrt(np.mean(np.square(z))) < 1.4
    assert np.max(np.abs(z)) < 4


def test_a_species_that_has_not_hopped_is_not_zero_plus_minus_zero() -> None:
    model = make_model(
        np.diag([3.0, 10, 10]),
        [[0, 0, 0], [0, 0.5, 0]],
        [[(0, 0, (1, 0, 0), 1e-9)], [(1, 1, (1, 0, 0), 1e3)]],
        counts=(1, 1),
        charges=(1.0, -1.0),
        supercell=(4, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False], [False, True]],
    )
    data = run(with_sampling(model, relative_error=0.1, events=200_000))
    assert not bool(data["converged"].any())
    mobility = data["mobility_einstein"].values[0, 0, 0]
    assert np.isnan(mobility[0])
    assert mobility[1] < 0


def test_a_slow_axis_is_not_taken_for_none() -> None:
    model = make_model(
        np.eye(3), [[0, 0, 0]], [(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 1e-7)], supercell=(4, 4, 1)
    )
    data = run(with_sampling(model, relative_error=0.1, target="tracer_diffusivity", events=300_000))
    assert not bool(data["converged"].any())


def test_no_way_through_is_an_exact_zero_and_ends_at_once() -> None:
    """Rattling between two sites that lead nowhere."""
    model = make_model(np.eye(3), [[0, 0, 0], [0.4, 0, 0]], [(0, 1, (0, 0, 0), 1.0)], supercell=(3, 1, 1))
    data = run(with_sampling(model, relative_error=0.02))
    assert bool(data["converged"].all())
    assert float(data["mobility_einstein"][0, 0, 0, 0]) == 0
    assert float(data["mobility_einstein_stderr"][0, 0, 0, 0]) == 0
    assert int(data["executed_hops"][0, 0, 0]) < 2_000_000


def test_replicas_that_saw_different_parts_are_not_believed() -> None:
    """Two layers of different mobility that hardly exchange: a run sees one or the other."""
    model = make_model(
        np.eye(3) * [1, 1, 2],
        [[0, 0, 0], [0, 0, 0.5]],
        [
            (0, 0, (1, 0, 0), 1.0),
            (0, 0, (0, 1, 0), 1.0),
            (1, 1, (1, 0, 0), 20.0),
            (1, 1, (0, 1, 0), 20.0),
            (0, 1, (0, 0, 0), 1e-8),
            (1, 0, (0, 0, 1), 1e-8),
        ],
        supercell=(2, 2, 2),
    )
    marked = [
        not bool(run(with_sampling(model, relative_error=None, events=300_000, seed=seed))["converged"].all())
        for seed in range(6)
    ]
    assert sum(marked) >= 5  # all four replicas in one layer: once in eight
