"""Differential mobility from a grid of fields."""

from __future__ import annotations

import numpy as np
import pytest

from kmc_transport.store.slopes import differential_mobility


def table(field: np.ndarray, velocity: np.ndarray, error: float = 0.01) -> dict[str, np.ndarray]:
    driven = field > 0
    mu = np.divide(velocity, field, out=np.full_like(field, np.nan), where=driven)
    shape = (1, len(field), 1, 1)
    zero = np.where(driven, np.nan, 1.0).reshape(shape)
    return {
        "mobility": mu.reshape(shape),
        "mobility_stderr": (error * np.abs(mu)).reshape(shape),
        "mobility_einstein": zero,
        "mobility_einstein_stderr": 0.01 * zero,
    }


@pytest.mark.parametrize("points", [6, 12, 40])
def test_error_covers_what_the_grid_leaves_open(points: int) -> None:
    """v = sinh E: slope cosh E, on coarse and fine grids, and with a kink."""
    field = np.concatenate([[0], np.geomspace(0.01, 5, points)])
    for velocity, exact in (
        (np.sinh(field), np.cosh(field)),
        (-np.sinh(field), -np.cosh(field)),
        (np.minimum(field, 1.0), np.where(field < 1, 1.0, 0.0)),
    ):
        slope, error = (x[0, 1:, 0, 0] for x in differential_mobility(table(field, velocity, 1e-3), field))
        off = np.abs(slope - exact[1:]) - (3 * error + 1e-3 * np.abs(exact[1:]))
        if np.ptp(np.abs(exact)) == 1:  # beside a kink no slope is right
            x = field[1:]
            off = off[(x < x[x < 1][-1]) | (x > x[x > 1][0])]
        assert off.max() <= 0, (off, slope, error)
    assert error[0] < 0.02 * abs(slope[0])  # where it is linear the grid costs nothing


def test_finer_grids_are_better() -> None:
    errors = []
    for points in (8, 32):
        field = np.concatenate([[0], np.geomspace(0.1, 5, points)])
        slope = differential_mobility(table(field, np.sinh(field), 1e-6), field)[0][0, 1:, 0, 0]
        errors.append(np.abs(slope / np.cosh(field[1:]) - 1)[1:-1].max())
    assert errors[1] < errors[0] / 5


def test_velocity_that_turns_round() -> None:
    """Negative slopes and a change of sign are followed in E itself."""
    field = np.linspace(0, 4, 17)
    velocity = np.sin(field)
    slope, error = (x[0, 1:, 0, 0] for x in differential_mobility(table(field, velocity, 1e-3), field))
    assert np.isfinite(slope).all()
    off = np.abs(slope - np.cos(field[1:])) - (2 * error + 0.02)
    assert off.max() <= 0, (off, slope, error)
    assert slope[-1] < 0


def test_missing_points() -> None:
    field = np.array([0, 1.0, 2.0, 3.0])
    data = table(field, field)
    data["mobility"][0, 2:] = np.nan
    slope, error = differential_mobility(data, field)
    assert slope[0, 0, 0, 0] == 1.0  # the Einstein mobility
    assert np.isnan(slope[0, 1:]).all()
    assert np.isnan(error[0, 1:]).all()
