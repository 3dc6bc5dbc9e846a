"""95 % intervals hold the exact value 92-98 % of the time, with the stopping rule on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kmc_transport.exact import exact_values
from kmc_transport.model.model import Model, Sampling
from kmc_transport.records import ExitReason
from kmc_transport.runs.point import PointSimulation
from tests.reference.networks import KT0, T0, chain, lattice_gas

pytestmark = pytest.mark.statistical

SEEDS = 300
HOPS = {"fluctuations": 8.0, "drift": 4.0}
"""Least number of hops between two samples. A drift takes 256 to be economical; with 4 and eight times the error the
same number of rows is asked for, and a row of 2,000 hops still outlives the memory of a chain of two sites, one of
4,000 that of a small gas."""
T_95 = 1.98  # of Student's t with the 64 to 400 batches of these runs


@pytest.mark.parametrize(
    ("model", "field", "target", "relative_error"),
    [
        (chain([1.0, 3.0], site_energy=[0, KT0]), 0.1 * KT0, "drift_velocity", 0.064),
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
    covered, rounds = [], set()
    exact = None
    for seed in range(SEEDS):
        point = PointSimulation(model, T0, [field, 0, 0], root=seed)
        assert point.run() is ExitReason.ACCURACY_REACHED
        if exact is None:
            exact = float(exact_values(point.catalog, model.conditions.direction)[target].ravel()[0])
        assert point.evaluation is not None
        estimate = point.evaluation.require(target)
        value, stderr = float(estimate.value.ravel()[0]), float(estimate.stderr.ravel()[0])
        covered.append(abs(value - exact) < T_95 * stderr)
        rounds.add(point.rows * point.windows_per_row)
    assert len(rounds) > 3  # the rule did stop runs at different lengths
    assert 0.92 <= np.mean(covered) <= 0.98
