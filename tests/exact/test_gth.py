"""Stationary laws by elimination without subtraction: digits over 30 decades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import KmcTransportError
from kmc_transport.exact import gth
from kmc_transport.exact.gth import gth_factor


def relative(a, b):
    return np.max(np.abs(a / b - 1))


def by_linear_solve(rate):
    generator = rate.T - np.diag(rate.sum(axis=1))
    generator[0] = 1.0
    return np.linalg.solve(generator, np.eye(len(rate))[0])


def boltzmann_network(rng, n, decades):
    """Rates exp(-(saddle - energy)) on a complete graph, and their known law."""
    energy = rng.uniform(0, decades / 2 * np.log(10), n)
    saddle = rng.uniform(0, decades / 2 * np.log(10), (n, n))
    saddle = np.maximum(saddle, saddle.T)
    rate = np.exp(energy[:, None] - saddle - energy.max())
    np.fill_diagonal(rate, 0.0)
    law = np.exp(-energy + energy.min())
    return rate, law / law.sum()


@pytest.mark.parametrize("n", [7, 20, 60])
def test_boltzmann_law_over_30_decades(n):
    rate, law = boltzmann_network(np.random.default_rng(n), n, 30)
    off = rate[~np.eye(n, dtype=bool)]
    assert np.log10(off.max() / off.min()) > 20
    assert relative(gth(rate), law) < 1e-12


def cycle_rates(n, decades, seed):
    """Driven network: a ring both ways and chords, rates over ``decades``, no detailed balance."""
    rng = np.random.default_rng(seed)
    rate = np.zeros((n, n))
    for i in range(n):
        rate[i, (i + 1) % n] = 10 ** rng.uniform(-decades, 0)
        rate[i, (i - 1) % n] = 10 ** rng.uniform(-decades, 0)
        rate[i, rng.choice([j for j in range(n) if j != i])] = 10 ** rng.uniform(-decades, 0)
    return rate


def test_driven_law_over_30_decades_against_many_digits_and_plain_solve_fails():
    mp = pytest.importorskip("mpmath")
    worst_gth, worst_plain = 0.0, 0.0
    for seed in range(20):
        rate = cycle_rates(6, 30, seed)
        with mp.workdps(150):
            a = mp.matrix(6, 6)
            for i in range(6):
                for j in range(6):
                    a[j, i] += mp.mpf(float(rate[i, j]))
                    a[i, i] -= mp.mpf(float(rate[i, j]))
            for i in range(6):
                a[0, i] = 1
            law = np.array([float(x) for x in mp.lu_solve(a, mp.matrix([1, 0, 0, 0, 0, 0]))])
        worst_gth = max(worst_gth, relative(gth(rate), law))
        worst_plain = max(worst_plain, relative(by_linear_solve(rate), law))
    assert worst_gth < 1e-13
    assert worst_plain > 0.1  # the usual way loses all digits here


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0, 2))
def test_random_networks_against_linear_solve(n, seed, decades):
    rng = np.random.default_rng(seed)
    rate = 10 ** rng.uniform(-decades, 0, (n, n))
    np.fill_diagonal(rate, 0.0)
    np.testing.assert_allclose(gth(rate), by_linear_solve(rate), rtol=1e-9)


@pytest.mark.parametrize("block", [1, 2, 7, 48, 500])
def test_blocks_change_nothing(block):
    rng = np.random.default_rng(5)
    rate = rng.random((100, 100)) * (rng.random((100, 100)) < 0.2)
    rate += 1e-3
    want = rate.copy()
    for k in range(99, 0, -1):  # the textbook loop
        want[:k, k] /= want[k, :k].sum()
        want[:k, :k] += np.outer(want[:k, k], want[k, :k])
    got = rate.copy()
    gth_factor(got, block)
    off = ~np.eye(100, dtype=bool)
    np.testing.assert_allclose(got[off], want[off], rtol=1e-12)


def test_rare_first_state_and_long_ladders_stay_in_range():
    n = 40  # probabilities climb by 1e10 at each step: 390 decades in all
    rate = np.diag(np.full(n - 1, 1.0), 1) + np.diag(np.full(n - 1, 1e-10), -1)
    law = gth(rate)
    assert np.isfinite(law).all()
    np.testing.assert_allclose(law[-20:], 1e10 ** np.arange(-19.0, 1.0) * (1 - 1e-10), rtol=1e-12)


def test_diagonal_is_ignored_and_input_is_kept():
    rate = cycle_rates(5, 3, 1)
    before = rate.copy()
    law = gth(rate)
    np.testing.assert_array_equal(rate, before)
    np.testing.assert_array_equal(gth(rate + np.diag(np.arange(5.0))), law)


def test_unreachable_states_are_refused():
    rate = np.zeros((4, 4))
    rate[0, 1] = rate[1, 0] = rate[2, 3] = rate[3, 2] = 1.0
    with pytest.raises(KmcTransportError, match="cannot be reached"):
        gth(rate)
