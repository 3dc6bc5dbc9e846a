"""Drift and diffusion of moving Markov chains, against dense group inverses and many-digit arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import KmcTransportError
from kmc_transport.exact import chain, large, solve_chain
from tests.reference.master_equation import group_inverse, high_precision


def random_chain(seed, n, *, decades, reversible, driving=3.0, extra=8):
    """A ring with extra links, both directions of each; integer windings in two dimensions."""
    rng = np.random.default_rng(seed)
    a = np.r_[np.arange(n), rng.integers(0, n, extra)]
    b = np.r_[(np.arange(n) + 1) % n, rng.integers(0, n, extra)]
    winding = rng.integers(-1, 2, (len(a), 2)).astype(float)
    saddle = rng.uniform(0, decades / 2 * np.log(10), len(a))
    energy = rng.uniform(0, decades / 2 * np.log(10), n)
    push = np.zeros(len(a)) if reversible else winding @ (driving * rng.normal(size=2)) / 2
    log_rate = np.r_[energy[a] - saddle + push, energy[b] - saddle - push]
    return np.r_[a, b], np.r_[b, a], log_rate, np.r_[winding, -winding]


@pytest.fixture
def limits(monkeypatch):
    """Set the sizes at which methods change, so that each is tried on the same chain."""

    def set_limits(elimination, dense, spread=chain.SPARSE_SPREAD):
        monkeypatch.setattr(chain, "ELIMINATION_LIMIT", elimination)
        monkeypatch.setattr(chain, "DENSE_LIMIT", dense)
        monkeypatch.setattr(chain, "SPARSE_SPREAD", spread)

    return set_limits


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans(), st.floats(0, 2))
def test_random_chains_against_group_inverse(n, seed, reversible, decades):
    o, t, log_rate, move = random_chain(seed, n, decades=decades, reversible=reversible)
    law, drift, diffusion = group_inverse(n, o, t, np.exp(log_rate), move)
    got = solve_chain(n, o, t, log_rate, move, reversible=reversible)
    np.testing.assert_allclose(got.law, law, rtol=1e-9)
    size = np.exp(log_rate.max())
    np.testing.assert_allclose(got.drift, drift, rtol=1e-9, atol=1e-10 * size)
    np.testing.assert_allclose(got.diffusion, diffusion, rtol=1e-8, atol=1e-9 * size)
    assert got.residual < 1e-9


@pytest.mark.parametrize("reversible", [True, False])
def test_thirty_decades_keep_their_digits(reversible):
    pytest.importorskip("mpmath")
    for seed in range(12):
        o, t, log_rate, move = random_chain(seed, 6, decades=30, reversible=reversible)
        law, drift, diffusion = high_precision(6, o, t, log_rate, move)
        got = solve_chain(6, o, t, log_rate, move, reversible=reversible)
        np.testing.assert_allclose(got.law, law, rtol=1e-12)
        if reversible:
            assert not got.drift.any()
        else:
            np.testing.assert_allclose(got.drift, drift, rtol=1e-11)
        np.testing.assert_allclose(got.diffusion.diagonal(), diffusion.diagonal(), rtol=1e-11)


def test_plain_group_inverse_fails_where_elimination_holds():
    """Ring with all rates independent, 25 decades apart: slow leaks decide, and a plain inverse loses them."""
    pytest.importorskip("mpmath")
    n, worst_plain, worst = 6, 0.0, 0.0
    o = np.r_[np.arange(n), np.arange(n)]
    t = np.r_[(np.arange(n) + 1) % n, (np.arange(n) - 1) % n]
    move = np.zeros((2 * n, 1))
    move[n - 1], move[n] = 1, -1
    for seed in range(12):
        log_rate = np.random.default_rng(seed).uniform(-25, 0, 2 * n) * np.log(10)
        _, drift, diffusion = high_precision(n, o, t, log_rate, move)
        got = solve_chain(n, o, t, log_rate, move)
        worst = max(worst, abs(got.drift[0] / drift[0] - 1), abs(got.diffusion[0, 0] / diffusion[0, 0] - 1))
        plain = group_inverse(n, o, t, np.exp(log_rate), move)
        worst_plain = max(worst_plain, abs(plain[2][0, 0] / diffusion[0, 0] - 1))
    assert worst < 1e-11
    assert worst_plain > 0.1


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("method", ["dense", "sparse", "sparse LU"])
def test_methods_for_many_states_agree_with_elimination(limits, monkeypatch, method, reversible):
    n = 60
    o, t, log_rate, move = random_chain(11, n, decades=3, reversible=reversible, extra=90)
    want = solve_chain(n, o, t, log_rate, move, reversible=reversible)
    assert want.method.startswith("GTH elimination")
    limits(0, 2000 if method == "dense" else 0, spread=0.0 if method == "dense" else np.inf)
    if method == "sparse LU":
        from scipy.sparse import linalg

        monkeypatch.setattr(linalg, "bicgstab", lambda matrix, b, **_: (np.zeros_like(b), 1))
    got = solve_chain(n, o, t, log_rate, move, reversible=reversible)
    assert got.method.startswith(method.split()[0])
    assert got.residual < 1e-8
    np.testing.assert_allclose(got.law, want.law, rtol=1e-8)
    np.testing.assert_allclose(got.drift, want.drift, rtol=1e-8, atol=1e-12 * np.exp(log_rate.max()))
    np.testing.assert_allclose(got.diffusion, want.diffusion, rtol=1e-7)


def test_many_states_are_right_or_refused(limits):
    """Over 28 decades the sparse solve and the corrector equation may fail, but never silently."""
    refused = 0
    for seed in range(30):
        reversible = seed % 2 == 0
        o, t, log_rate, move = random_chain(seed, 30, decades=28, reversible=reversible, extra=40)
        limits(256, 2000)
        want = solve_chain(30, o, t, log_rate, move, reversible=reversible)
        for dense in (0, 2000):
            limits(0, dense)
            try:
                got = solve_chain(30, o, t, log_rate, move, reversible=reversible)
            except KmcTransportError as error:
                if "verified" not in str(error) and "digits" not in str(error):
                    raise
                refused += 1
                continue
            np.testing.assert_allclose(got.law, want.law, rtol=1e-5)
            np.testing.assert_allclose(got.diffusion.diagonal(), want.diffusion.diagonal(), rtol=1e-3)
    assert refused  # the safeguard is exercised


def test_a_wrong_candidate_is_not_taken(limits):
    n = 40
    o, t, log_rate, move = random_chain(3, n, decades=2, reversible=True, extra=40)
    want = solve_chain(n, o, t, log_rate, move, reversible=True)
    limits(0, 0)
    wrong = want.law * np.linspace(1, 1.05, n)
    got = solve_chain(n, o, t, log_rate, move, reversible=True, candidate=wrong)
    np.testing.assert_allclose(got.law, want.law, rtol=1e-8)
    good = solve_chain(n, o, t, log_rate, move, reversible=True, candidate=want.law)
    np.testing.assert_allclose(good.law, want.law, rtol=1e-14)


@pytest.mark.parametrize("decades", [1, 12])
def test_a_function_of_the_state_changes_nothing(decades):
    """Positions of sites within the cell drop out: only windings count."""
    n = 8
    o, t, log_rate, move = random_chain(4, n, decades=decades, reversible=False)
    place = np.random.default_rng(0).normal(size=(n, 2))
    a = solve_chain(n, o, t, log_rate, move)
    b = solve_chain(n, o, t, log_rate, move + place[t] - place[o])
    np.testing.assert_allclose(a.drift, b.drift, rtol=1e-10)
    np.testing.assert_allclose(a.diffusion, b.diffusion, rtol=1e-10)


def test_parallel_channels_with_a_link_that_hardly_ever_opens():
    """Two equal two-site channels, linked 20 decades more slowly: D along them as if alone, D across tiny."""
    o = np.array([0, 1, 1, 0, 2, 3, 3, 2, 0, 2, 2, 0])
    t = np.array([1, 0, 0, 1, 3, 2, 2, 3, 2, 0, 0, 2])
    move = np.zeros((12, 2))
    move[[2, 6], 0], move[[3, 7], 0] = 1, -1
    move[10, 1], move[11, 1] = 1, -1
    log_rate = np.r_[np.log([1.0, 1, 3, 3] * 2), np.full(4, np.log(1e-20))]
    got = solve_chain(4, o, t, log_rate, move, reversible=True)
    alone = 1.0 / 2 / (1 / 1 + 1 / 3)  # cell length 1, two sites: 1 / (sum of sites x sum of 1/rate)
    np.testing.assert_allclose(got.diffusion[0, 0], alone, rtol=1e-12)
    np.testing.assert_allclose(got.diffusion[1, 1], 1e-20 / 8, rtol=1e-12)
    push = np.log(2.0)
    driven = solve_chain(4, o, t, log_rate + push * move[:, 0], move)
    single = solve_chain(2, o[:4], t[:4], log_rate[:4] + push * move[:4, 0], move[:4, :1])
    np.testing.assert_allclose(driven.drift[0], single.drift[0], rtol=1e-12)
    np.testing.assert_allclose(driven.diffusion[0, 0], single.diffusion[0, 0], rtol=1e-9)


def test_single_state_and_no_jumps():
    got = solve_chain(1, [0, 0], [0, 0], np.log([3.0, 1.0]), [[2.0], [-2.0]])
    assert got.drift == pytest.approx(4.0)
    assert got.diffusion[0, 0] == pytest.approx(8.0)
    still = solve_chain(1, [], [], [], np.zeros((0, 2)))
    assert still.law == [1.0]
    assert not still.diffusion.any()


def test_chains_without_one_answer_are_refused():
    with pytest.raises(KmcTransportError, match="cannot be reached"):
        solve_chain(3, [0, 1], [1, 0], [0.0, 0.0], np.zeros((2, 1)))
    with pytest.raises(KmcTransportError, match="decades"):
        solve_chain(2, [0, 1], [1, 0], [0.0, -400.0], np.zeros((2, 1)))
    with pytest.raises(KmcTransportError, match="cannot be reached"):  # a jump of rate 0 is none
        solve_chain(2, [0, 1, 0], [1, 0, 0], [-np.inf, -np.inf, 0.0], np.zeros((3, 1)))


def test_lost_digits_are_refused(monkeypatch):
    o, t, log_rate, move = random_chain(1, 5, decades=1, reversible=False)
    monkeypatch.setattr(chain, "eliminate", lambda *_: (np.eye(2), 1e-3))
    with pytest.raises(KmcTransportError, match="lost its digits"):
        solve_chain(5, o, t, log_rate, move)


def test_error_bound_of_a_law_covers_its_error():
    n = 30
    o, t, log_rate, _ = random_chain(8, n, decades=4, reversible=False, extra=40)
    rate = np.exp(log_rate - log_rate.max())
    law = chain.dense_law(n, o, t, rate)
    wrong = law * (1 + 1e-5 * np.random.default_rng(0).normal(size=n))
    system = large.SparseSystem(n, o, t, rate, law)
    wrong *= law[system.reference] / wrong[system.reference]
    true_error = np.abs(wrong / law - 1).max()
    assert large.error_bound(system, law, o, t, rate) < 1e-10
    assert true_error <= large.error_bound(system, wrong, o, t, rate) < 1.0
