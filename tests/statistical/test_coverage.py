"""95 % intervals hold the exact value 92-98 % of the time, with the stopping rule on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kmc_transport.exact import exact_values
from kmc_transport.model.model import Model, Sampling
from kmc_transport.records import ExitReason
from kmc_transport.runs.point import PointSimulation
from tests.reference.networks import KT0, T0, lattice_gas, make_model

pytestmark = pytest.mark.statistical

SEEDS = 150
"""Each gives two values that know nothing of one another: of two carriers, or along two axes. 300 intervals."""
HOPS = {"fluctuations": 8.0, "drift": 8.0}
"""Least number of hops between two samples. A drift takes 256 to be economical; with 8 and eight times the error about
as many rows are asked for, and a row of 2,000 hops still outlives the memory of a chain of two sites, one of 4,000
that of a small gas."""
T_95 = 1.98  # of Student's t with the 64 to 400 batches of these runs


def two_chains() -> Model:
    """A carrier on each of two chains of two sites that have nothing to do with one another."""
    edges = [
        [(2 * k, 2 * k + 1, (0, 0, 0), 1.0), (2 * k + 1, 2 * k, (1, 0, 0), 3.0)]  # along x
        for k in range(2)
    ]
    return make_model(
        np.diag([2.0, 10.0, 10.0]),
        [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0]],
        edges,
        counts=(1, 1),
        periodic=(True, False, False),
        site_energy=[0, KT0, 0, KT0],
        allowed=[[1, 1, 0, 0], [0, 0, 1, 1]],
    )


def along_axes(tensor: np.ndarray) -> np.ndarray:
    """xx and yy."""
    return np.diagonal(tensor.reshape(3, 3))[:2]


def of_carriers(velocity: np.ndarray) -> np.ndarray:
    """Along x."""
    return velocity[:, 0]


@pytest.mark.parametrize(
    ("model", "field", "target", "relative_error"),
    [
        (two_chains(), 0.1 * KT0, "drift_velocity", 0.064),
        (lattice_gas("square", 3, 4), 0.0, "tracer_diffusivity", 0.03),
        (lattice_gas("square", 3, 4), 0.0, "charge_diffusivity", 0.06),
    ],
    ids=["drift velocity", "tracer diffusivity", "charge diffusivity"],
)
def test_coverage(
    model: Model, field: float, target: str, relative_error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmc_transport.runs.point.HOPS_OF_ALL", HOPS)
    sampling = Sampling(target=target, relative_error=relative_error, seed=0)
    model = dataclasses.replace(model, sampling=sampling)
    pair = of_carriers if target == "drift_velocity" else along_axes
    found, rounds = [], set()
    exact = None
    for seed in range(SEEDS):
        point = PointSimulation(model, T0, [field, 0, 0], root=seed)
        assert point.run() is ExitReason.ACCURACY_REACHED
        if exact is None:
            exact = pair(exact_values(point.catalog, model.conditions.direction)[target])
        assert point.evaluation is not None
        estimate = point.evaluation.require(target)
        found.append((pair(estimate.value) - exact) / pair(estimate.stderr))
        rounds.add(point.rows * point.windows_per_row)
    assert len(rounds) > 3  # the rule did stop runs at different lengths
    z = np.abs(found)
    assert 0.92 <= np.mean(z < T_95) <= 0.98
    # negative controls: error bars a fifth too small, or half as large again
    assert np.mean(z / 0.8 < T_95) < 0.92
    assert np.mean(z / 1.5 < T_95) > 0.98
    # the two are independent: 300 intervals, not 150
    assert abs(np.corrcoef(np.transpose(found))[0, 1]) < 4 / SEEDS**0.5
