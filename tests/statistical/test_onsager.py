"""Onsager matrix, transference numbers and jump diffusivity of a simulation against the master equation."""

from __future__ import annotations

import numpy as np
import pytest

from kmc_transport.analysis import Evaluation, evaluate
from kmc_transport.engine import Replica
from kmc_transport.exact import exact_values
from kmc_transport.rates import build_catalog
from kmc_transport.runs.system import system_of
from tests.reference.interacting_models import ion_and_polaron
from tests.reference.networks import T0

pytestmark = pytest.mark.statistical

RUNS, ROWS = 60, 40
COMPONENTS = {
    "onsager": [(0, 0, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0)],
    "transference": [(0, 0)],
    "jump_diffusivity": [(0, 0)],
}
T_95 = 2.02  # of Student's t with 40 batches


@pytest.fixture(scope="module")
def exact() -> dict[str, np.ndarray]:
    model = ion_and_polaron(6)
    return exact_values(build_catalog(model, temperature=T0), model.conditions.direction)


@pytest.fixture(scope="module")
def runs() -> list[Evaluation]:
    """Stretches of one long run: each an estimate of its own."""
    model = ion_and_polaron(6)
    replica = Replica(
        build_catalog(model, temperature=T0), seed=np.random.SeedSequence(5), sample_interval=0.4, levels=9
    )
    replica.advance(2**9 * RUNS * ROWS)
    system, tallies = system_of(model, T0, [0, 0, 0]), replica.tallies
    return [evaluate(system, [tallies.rows(slice(ROWS * k, ROWS * (k + 1)))]) for k in range(RUNS)]


def deviations(runs: list[Evaluation], name: str, index: tuple[int, ...], exact: float) -> np.ndarray:
    return np.array([float(r.estimates[name].z(exact)[index]) for r in runs])


@pytest.mark.parametrize(("name", "index"), [(n, i) for n, found in COMPONENTS.items() for i in found])
def test_error_bars_hold_the_exact_answer(
    runs: list[Evaluation], exact: dict[str, np.ndarray], name: str, index: tuple[int, ...]
) -> None:
    z = deviations(runs, name, index, exact[name][index])
    assert abs(z.mean()) < 4 / np.sqrt(RUNS)
    assert 0.7 < z.std() < 1.35
    assert (np.abs(z) < T_95).mean() >= 0.87  # 0.95 ± 0.03


def test_a_cross_term_of_wrong_sign_is_caught(runs: list[Evaluation], exact: dict[str, np.ndarray]) -> None:
    cross = exact["onsager"][0, 0, 1, 0]
    z = deviations(runs, "onsager", (0, 0, 1, 0), -cross)
    assert z.mean() * np.sqrt(RUNS) > 15
    # and in the diffusion of pairs that follows from it
    ions, polarons = exact["onsager"][0, 0, 0, 0], exact["onsager"][1, 0, 1, 0]
    right, wrong = ((ions * polarons - c**2) / (ions + polarons - 2 * c) for c in (cross, -cross))
    z = deviations(runs, "jump_diffusivity", (0, 0), exact["jump_diffusivity"][0, 0] * wrong / right)
    assert z.mean() * np.sqrt(RUNS) > 15


def test_the_matrix_is_symmetric_and_makes_up_the_conductivity(runs: list[Evaluation]) -> None:
    z = np.array([1.0, -1.0])
    for run in runs[:5]:
        matrix = run.estimates["onsager"].value
        np.testing.assert_array_equal(matrix, np.transpose(matrix, (2, 3, 0, 1)))
        total = np.einsum("a,aibj,b->ij", z, matrix, z)
        np.testing.assert_allclose(total, run.estimates["conductivity"].value, rtol=1e-9)
        np.testing.assert_allclose(run.estimates["transference"].value.sum(axis=1), 1.0, rtol=1e-9)
