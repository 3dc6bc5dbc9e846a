"""Arrhenius fits of numbers that are as small as their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kmc_transport.analysis import fit_arrhenius
from kmc_transport.errors import InputError
from kmc_transport.units import K_B

TEMPERATURE = np.array([300.0, 400.0, 500.0])
ENERGY = 0.3
TRUE = np.exp(-ENERGY / (K_B * TEMPERATURE))


def straight_line(value: np.ndarray, stderr: np.ndarray) -> tuple[float, float]:
    """Energy and its error of a straight line through the logarithms."""
    design = np.stack([-1 / (K_B * TEMPERATURE), np.ones(3)], axis=1)
    weight = (value / stderr)[:, None]
    covariance = np.linalg.inv((design * weight).T @ (design * weight))
    return float((covariance @ (design * weight**2).T @ np.log(value))[0]), math.sqrt(covariance[0, 0])


@pytest.mark.parametrize("errors", [(0.5, 0.3, 0.1), (1.0, 0.3, 0.1)])
def test_error_bars_of_noisy_values_hold(errors: tuple[float, ...]) -> None:
    """95 % intervals hold the true energy, on average it is right; a straight line through logarithms is neither."""
    rng, stderr = np.random.default_rng(5), TRUE * np.array(errors)
    z, lines, refused = [], [], 0
    for _ in range(300):
        value = TRUE + stderr * rng.standard_normal(3)
        try:
            fit = fit_arrhenius(TEMPERATURE, value, stderr)
        except InputError:
            refused += 1
            continue
        z.append((fit.activation_energy - ENERGY) / fit.activation_energy_stderr)
        if (value > 0).all():
            energy, error = straight_line(value, stderr)
            lines.append((energy - ENERGY) / error)
    assert refused < 10
    assert np.mean(np.abs(z) < 1.96) > 0.93
    assert abs(np.mean(z)) < 0.25
    assert np.mean(lines) < -0.35


def test_small_errors_give_the_straight_line() -> None:
    rng, stderr = np.random.default_rng(6), 1e-3 * TRUE
    value = TRUE + stderr * rng.standard_normal(3)
    fit = fit_arrhenius(TEMPERATURE, -value, stderr)
    energy, error = straight_line(value, stderr)
    assert fit.activation_energy == pytest.approx(energy, abs=0.01 * error)
    assert fit.activation_energy_stderr == pytest.approx(error, rel=5e-3)
    assert (fit.sign, fit.prefactor) == (-1, pytest.approx(1.0, abs=4 * fit.prefactor_stderr))


def test_a_value_of_the_other_sign_counts() -> None:
    """As one that is smaller than its error; without it the energy would be less certain."""
    stderr = TRUE * np.array([1.0, 0.1, 0.1])
    value = TRUE * np.array([-0.2, 1.0, 1.0])
    fit = fit_arrhenius(TEMPERATURE, value, stderr)
    assert fit.points == 3
    assert abs(fit.activation_energy - ENERGY) < 2 * fit.activation_energy_stderr


def test_noise_has_no_activation_energy() -> None:
    with pytest.raises(InputError, match="larger than their errors"):
        fit_arrhenius(TEMPERATURE, [1.0, 0.5, 0.8], [2.0, 2.0, 2.0])


def test_steep_laws_and_tiny_numbers() -> None:
    """Values over a hundred powers of ten."""
    temperature = np.array([150.0, 300.0, 1200.0])
    value = 1e-200 * np.exp(-3.0 / (K_B * temperature))
    fit = fit_arrhenius(temperature, value, 1e-4 * value)
    assert fit.activation_energy == pytest.approx(3.0, abs=1e-6)
    assert fit.log_prefactor == pytest.approx(-200 * math.log(10), abs=1e-4)
