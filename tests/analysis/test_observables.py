"""Estimators on synthetic displacement series whose transport coefficients are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kmc_transport.analysis import System, evaluate, fit_arrhenius
from kmc_transport.analysis.batches import jackknife
from kmc_transport.errors import InputError, Unconverged
from kmc_transport.records import Tallies
from kmc_transport.units import ANGSTROM, E_CHARGE, K_B

LAG, LEVELS = 2.0e-9, 7  # s
SAMPLES = 2**LEVELS


def tallies_of(steps: np.ndarray, windows_per_row: int = 1) -> Tallies:
    """Tallies of displacement increments, steps: (n_samples, S, carriers, 3), Å; S species of equal number."""
    n_rows = len(steps) // (SAMPLES * windows_per_row)
    steps = steps[: n_rows * SAMPLES * windows_per_row]
    _, species, carriers, _ = steps.shape
    collective, tracer = [], []
    for level in range(LEVELS + 1):
        block = steps.reshape(n_rows, -1, 2**level, species, carriers, 3).sum(axis=2)
        total = block.sum(axis=3)
        collective.append(np.einsum("rbai,rbcj->raicj", total, total))
        tracer.append(np.einsum("rbaci,rbacj->raij", block, block))
    return Tallies(
        sample_interval=LAG,
        levels=LEVELS,
        windows_per_row=windows_per_row,
        number=np.full(species, carriers),
        events=np.ones((n_rows, 6), dtype=np.int64),
        attempts=np.ones(n_rows, dtype=np.int64),
        displacement=steps.reshape(n_rows, -1, species, carriers, 3).sum(axis=(1, 3)),
        collective=np.stack(collective, axis=1),
        tracer=np.stack(tracer, axis=1),
    )


def system_of(species: int = 1, field: float = 0.0, volume: float | None = 500.0) -> System:
    vectors = np.concatenate([np.eye(3), -np.eye(3)])
    return System(
        temperature=300.0,
        field=np.array([field, 0.0, 0.0]),
        charge=np.array([1.0, -2.0][:species]),
        volume=volume,
        hop_carrier=np.arange(6) % species if species == 1 else np.array([0, 0, 0, 1, 1, 1]),
        hop_vector=vectors,
        clamped=np.zeros(6, bool),
        direction=np.eye(3),
        span=np.broadcast_to(np.eye(3), (species, 3, 3)),
        single_file=np.zeros(species),
        ordered=np.zeros(species, bool),
        repeat=np.eye(3),
    )


def moving_average(rng: np.random.Generator, n: int, theta: float, carriers: int = 1) -> np.ndarray:
    """Increments with memory of one sample: long-time D is (1-theta)²/(2 LAG), short-time (1+theta²)/(2 LAG)."""
    noise = rng.normal(size=(n + 1, 1, carriers, 3))
    return noise[1:] - theta * noise[:-1]


@pytest.mark.parametrize("theta", [0.0, 0.6])
def test_diffusion_is_the_long_time_value(theta: float) -> None:
    steps = moving_average(np.random.default_rng(3), SAMPLES * 600, theta, carriers=4)
    result = evaluate(system_of(), [tallies_of(steps)])
    exact = (1 - theta) ** 2 / (2 * LAG) * ANGSTROM**2
    for name in ("tracer_diffusivity", "charge_diffusivity"):
        estimate = result.require(name)
        z = np.diagonal(estimate.z(exact * np.eye(3)).reshape(-1, 3, 3)[0])
        assert np.all(np.abs(z) < 4), (name, z)
        assert np.all(np.diagonal(estimate.relative_error.reshape(-1, 3, 3)[0]) < 0.1)
    short_time = (1 + theta**2) / (2 * LAG) * ANGSTROM**2
    if theta:  # negative control: the short-time value is many standard errors away
        assert np.all(np.abs(np.diagonal(result.estimates["tracer_diffusivity"].z(short_time)[0])) > 20)


def test_mobility_conductivity_and_haven_ratio_of_independent_carriers() -> None:
    steps = moving_average(np.random.default_rng(4), SAMPLES * 600, 0.0, carriers=3)
    result = evaluate(system_of(), [tallies_of(steps)])
    kt = K_B * 300.0
    diffusivity = ANGSTROM**2 / (2 * LAG)
    assert np.all(np.abs(result.require("mobility_einstein").z(diffusivity / kt)) < 4)
    sigma = 3 * E_CHARGE * diffusivity / (kt * 500.0 * ANGSTROM**3)
    assert np.all(np.abs(np.diagonal(result.require("conductivity").z(sigma * np.eye(3)))) < 4)
    assert np.all(np.abs(result.require("haven_ratio").z(1.0)) < 4)
    assert "mobility" not in result.estimates


def test_bound_pair_of_species_moves_less_in_the_field_than_its_diffusivity_says() -> None:
    """Charges +1 and -2 that move as one: mu_a = (1-2) D/kT, not q_a D/kT."""
    rng = np.random.default_rng(5)
    steps = np.repeat(rng.normal(size=(SAMPLES * 500, 1, 1, 3)), 2, axis=1)
    result = evaluate(system_of(species=2), [tallies_of(steps)])
    mu = ANGSTROM**2 / (2 * LAG) / (K_B * 300.0)
    assert np.all(np.abs(result.require("mobility_einstein").z(-mu)) < 4)
    cross = result.require("collective_diffusivity").value[0, :, 1, :]
    np.testing.assert_allclose(cross, result.estimates["collective_diffusivity"].value[0, :, 0, :])


def test_drift_is_taken_out_of_the_diffusivity() -> None:
    rng = np.random.default_rng(6)
    drift = 0.5  # Å per sample, half a standard deviation
    steps = moving_average(rng, SAMPLES * 600, 0.3, carriers=2)
    steps[..., 0] += drift
    result = evaluate(system_of(field=1e-3), [tallies_of(steps)])
    exact = 0.7**2 / (2 * LAG) * ANGSTROM**2
    assert abs(result.require("drift_velocity").z(drift / LAG * ANGSTROM)[0, 0]) < 4
    assert abs(result.require("mobility").z(drift / LAG * ANGSTROM**2 / 1e-3)[0]) < 4
    assert np.all(np.abs(np.diagonal(result.require("tracer_diffusivity").z(exact * np.eye(3))[0])) < 4)
    assert np.all(np.abs(np.diagonal(result.require("charge_diffusivity").z(exact * np.eye(3)))) < 4)
    assert "mobility_einstein" not in result.estimates


def test_memory_longer_than_the_blocks_is_unconverged_and_carries_the_estimate() -> None:
    """A walker on a short bounded segment: <r r> saturates, no plateau."""
    rng = np.random.default_rng(7)
    position = np.zeros((SAMPLES * 200 + 1, 1, 1, 3))
    pull = 1 - 1 / 40  # memory of 40 samples
    for k, kick in enumerate(rng.normal(size=(SAMPLES * 200, 1, 1, 3))):
        position[k + 1] = pull * position[k] + kick
    result = evaluate(system_of(), [tallies_of(np.diff(position, axis=0))])
    with pytest.raises(Unconverged, match="memory") as caught:
        result.require("tracer_diffusivity")
    assert caught.value.estimate is result.estimates["tracer_diffusivity"]


def test_few_rows_are_unconverged() -> None:
    steps = moving_average(np.random.default_rng(8), SAMPLES * 5, 0.0)
    with pytest.raises(Unconverged, match="5 batches"):
        evaluate(system_of(), [tallies_of(steps)]).require("drift_velocity")


def test_axis_that_no_hop_moves_along_is_exactly_zero() -> None:
    steps = moving_average(np.random.default_rng(9), SAMPLES * 100, 0.0)
    steps[..., 1:] = 0
    system = system_of()
    system = System(**{**vars(system), "span": np.diag([1.0, 0, 0])[None]})
    result = evaluate(system, [tallies_of(steps)])
    mobility = result.estimates["mobility_einstein"]
    assert mobility.value[1, 0] == mobility.stderr[1, 0] == 0
    assert np.isnan(result.estimates["haven_ratio"].value[0, 1])
    assert result.estimates["haven_ratio"].value[0, 0] == pytest.approx(1)


def test_correlated_rows_are_joined_until_independent() -> None:
    """A hidden state that switches slowly makes neighbouring rows alike; joining must widen the error bar."""
    rng = np.random.default_rng(10)
    n_rows = 512
    slow = np.repeat(rng.choice([0.2, 3.0], size=n_rows // 4), 4 * SAMPLES)
    steps = rng.normal(size=(n_rows * SAMPLES, 1, 1, 3))
    result = evaluate(system_of(), [tallies_of(steps * slow[:, None, None, None])])
    assert result.batches <= n_rows // 4
    tracer = result.estimates["tracer_diffusivity"]
    mean_square = (0.2**2 + 3.0**2) / 2
    expected = (9 - 0.04) / 2 / mean_square / math.sqrt(n_rows // 4)  # of the hidden state alone
    assert tracer.relative_error[0, 0, 0] == pytest.approx(expected, rel=0.2)
    assert evaluate(system_of(), [tallies_of(steps)]).batches == n_rows


def test_jackknife_is_the_textbook_error_of_a_mean_and_unbiased_for_a_square() -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(2.0, 1.0, size=50)
    value, stderr, _ = jackknife(lambda m: m, x)
    assert value == pytest.approx(x.mean())
    assert stderr == pytest.approx(x.std(ddof=1) / math.sqrt(50))
    square, _, _ = jackknife(lambda m: m**2, x)
    assert square == pytest.approx(x.mean() ** 2 - x.var(ddof=1) / 50)


def test_arrhenius_fit_recovers_energy_and_prefactor_with_covariance() -> None:
    rng = np.random.default_rng(12)
    temperature = np.linspace(200, 500, 10)
    true = 2.5e-3 * np.exp(-0.242 / (K_B * temperature))
    deviations = []
    for _ in range(400):
        noisy = true * (1 + 0.02 * rng.normal(size=10))
        fit = fit_arrhenius(temperature, noisy, 0.02 * true)
        deviations.append(
            (
                (fit.activation_energy - 0.242) / fit.activation_energy_stderr,
                (fit.log_prefactor - math.log(2.5e-3)) / math.sqrt(fit.covariance[1, 1]),
            )
        )
    z = np.array(deviations)
    assert np.all(np.abs(z.mean(axis=0)) < 4 / math.sqrt(400))
    assert np.all(np.abs(z.std(axis=0) - 1) < 0.15)
    assert fit.covariance[0, 1] / math.sqrt(fit.covariance[0, 0] * fit.covariance[1, 1]) > 0.9


@pytest.mark.parametrize(
    ("t", "y", "message"),
    [([300.0], [1.0], "two temperatures"), ([300.0, 400.0], [1.0, -1.0], "one sign")],
)
def test_arrhenius_refuses(t: list, y: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_arrhenius(t, y, [0.1] * len(t))


def test_tallies_join_and_coarsen() -> None:
    rng = np.random.default_rng(13)
    steps = moving_average(rng, SAMPLES * 8, 0.2)
    whole = tallies_of(steps)
    parts = [tallies_of(steps[: SAMPLES * 4]), tallies_of(steps[SAMPLES * 4 :])]
    joined = Tallies.concatenate(parts)
    np.testing.assert_array_equal(joined.collective, whole.collective)
    pairs, direct = whole.coarsened(), tallies_of(steps, windows_per_row=2)
    np.testing.assert_allclose(pairs.tracer, direct.tracer)
    np.testing.assert_allclose(pairs.displacement, direct.displacement)
    assert pairs.row_time == 2 * whole.row_time
    with pytest.raises(ValueError, match="even"):
        whole.rows(slice(0, 3)).coarsened()
    with pytest.raises(ValueError, match="different length"):
        Tallies.concatenate([whole, pairs])
