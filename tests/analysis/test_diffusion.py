"""Which blocks make a diffusion coefficient: plateaus, tails, and what is extrapolated."""

from __future__ import annotations

import numpy as np
import pytest

from kmc_transport.analysis.diffusion import FADED, MARGIN, choose_blocks, plateau_level, tail

LEVELS = 7
ROWS = 256


def slopes_of(curve: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """(ROWS, levels, 1) leave-one-out values of slopes with the covariance of those of Brownian motion."""
    level = np.arange(len(curve))
    covariance = 0.75 * 2.0 ** np.minimum.outer(level, level)
    np.fill_diagonal(covariance, 1.25 * 2.0**level)
    rng = np.random.default_rng(seed)
    rows = curve + noise * np.sqrt(ROWS) * rng.multivariate_normal(np.zeros(len(curve)), covariance, ROWS)
    return ((rows.sum(axis=0) - rows) / (ROWS - 1))[..., None]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_tail_of_a_large_cell_is_a_power(dimensions: int) -> None:
    shape = tail(np.full(dimensions, 1e-9), 1.0, LEVELS)
    assert np.allclose(shape[1:] / shape[:-1], 2 ** (-dimensions / 2), rtol=2e-3)
    assert (shape[MARGIN] > FADED * shape[0]) == (dimensions == 1)


def test_tail_of_a_small_cell_is_a_sum_of_waves() -> None:
    rates, lag = np.array([0.3, 0.02]), 0.5
    n = np.arange(-200, 201)
    nodes = np.linspace(1, 2, 2001)
    for level, value in enumerate(tail(rates, lag, LEVELS)):
        waves = [np.exp(-rate * lag * 2**level * np.outer(nodes, n**2)).sum(axis=1) for rate in rates]
        assert value == pytest.approx(np.trapezoid(waves[0] * waves[1] - 1, nodes), rel=5e-3)


def test_a_long_narrow_cell_has_the_tail_of_one_dimension() -> None:
    narrow = tail(np.array([1e-9, 10.0, 10.0]), 1.0, LEVELS)
    assert np.allclose(narrow[1:] / narrow[:-1], 2**-0.5, rtol=2e-3)


def test_a_tail_is_taken_off() -> None:
    """A tail that noise hides: every level is too high, the extrapolation is not."""
    shape = tail(np.array([1e-9]), 1.0, LEVELS)
    curve = 1 + 0.15 * shape / shape[0]
    z, plain = [], []
    for seed in range(40):
        slopes = slopes_of(curve, 0.01, seed)
        blocks = choose_blocks(slopes, slopes[:, :1] + 1.0, shape)
        assert blocks.settled
        assert blocks.weight.sum() == pytest.approx(1)
        value = np.einsum("l,nlk->nk", blocks.weight, slopes[:, blocks.first : blocks.last + 1])[:, 0]
        stderr = np.sqrt((ROWS - 1) * value.var())
        z.append((value.mean() - 1) / stderr)
        level = plateau_level(slopes)
        assert level is not None
        plain.append((slopes.mean(axis=0)[level, 0] - 1) / np.sqrt((ROWS - 1) * slopes[:, level, 0].var()))
    assert abs(np.mean(z)) < 0.4
    assert np.mean(plain) > 1  # negative control: one level


def test_what_does_not_fall_from_the_first_hop_on_needs_no_extrapolation() -> None:
    shape = tail(np.array([1e-9]), 1.0, LEVELS)
    slopes = slopes_of(np.ones(LEVELS), 0.01)
    flat = choose_blocks(slopes, slopes[:, :1], shape)
    assert (flat.first, len(flat.weight), flat.settled) == (MARGIN, 1, True)
    fallen = choose_blocks(slopes, slopes[:, :1] + 0.5, shape)
    assert len(fallen.weight) > 1  # something fell before: a tail may be left


def test_three_dimensions_are_left_alone() -> None:
    slopes = slopes_of(np.ones(LEVELS), 0.01)
    blocks = choose_blocks(slopes, slopes[:, :1] + 0.5, tail(np.full(3, 1e-9), 1.0, LEVELS))
    assert (blocks.first, len(blocks.weight)) == (MARGIN, 1)


def test_a_fall_that_is_no_tail_is_not_settled() -> None:
    """Steps of the same size at every level: nothing tells where it ends."""
    slopes = slopes_of(2 - 0.2 * np.arange(LEVELS), 1e-4)
    assert not choose_blocks(slopes, slopes[:, :1], tail(np.array([1e-9]), 1.0, LEVELS)).settled


def test_a_large_tail_waits_for_longer_blocks() -> None:
    """With little noise the uncertain part of a large tail matters: no fit is taken."""
    shape = tail(np.array([1e-9]), 1.0, LEVELS)
    slopes = slopes_of(1 + shape, 1e-4)
    assert not choose_blocks(slopes, slopes[:, :1] + 1.0, shape).settled
