"""Absorbing chains: exits against phase-type laws, runs against an enumeration of all configurations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from kmc_transport.analysis import evaluate
from kmc_transport.engine import Replica
from kmc_transport.engine.absorbing.kernels_chain import draw_exits
from kmc_transport.exact import exact_values
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.runs.system import system_of
from tests.reference.basins import BASINS, cages, held_pair, traps
from tests.reference.networks import KT0, T0
from tests.statistical.test_interacting_law import Enumeration, scores

pytestmark = pytest.mark.statistical

PAIR = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.01, 0.03])
"""Two states and their exits (1/s), as in physics: mean exit time from the first 50.372, and so on."""
LINE = (
    np.array([[0.0, 3.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.5, 0.2]]) * (1 - np.eye(3)),
    np.array([0.0, 0.1, 0.7]),
)
"""Three states whose exits are far from the first: no exponential law."""


def exits(
    chain: tuple[np.ndarray, np.ndarray], most: float, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    time, state = np.zeros(n), np.zeros(n, np.int64)
    words = np.random.SeedSequence(seed).generate_state(4, np.uint64)
    draw_exits(*chain, 0, most, words, time, state)
    return time, state


def generator(chain: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    inside, out = chain
    return inside - np.diag(inside.sum(axis=1) + out)


def survival(chain: tuple[np.ndarray, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """P(T > t) from the first state."""
    value, vector = np.linalg.eig(generator(chain))
    weight = vector[0] * np.linalg.solve(vector, np.ones(len(value)))
    return lambda t: (np.exp(np.multiply.outer(t, value)) @ weight).real


def test_two_states_in_closed_form() -> None:
    """Mean, squared coefficient of variation and exit state of the pair; whether stays are cut changes nothing."""
    inverse = np.linalg.inv(-generator(PAIR))
    mean, square = inverse[0].sum(), 2 * (inverse @ inverse)[0].sum()
    assert mean == pytest.approx(50.37220844, abs=1e-8)
    assert square / mean**2 - 1 == pytest.approx(0.99029338, abs=1e-8)
    assert inverse[0, 0] * PAIR[1][0] == pytest.approx(0.25558313, abs=1e-8)
    n = 30_000
    for most, seed in ((7.0, 3), (1e4, 4)):
        time, state = exits(PAIR, most, n, seed)
        assert abs(time.mean() - mean) < 3 * time.std() / np.sqrt(n)
        squares = (time / mean - 1) ** 2
        assert abs(squares.mean() - 0.99029338) < 3 * squares.std() / np.sqrt(n)
        assert abs((state == 0).mean() - 0.25558313) < 3 * np.sqrt(0.19 / n)


@pytest.mark.parametrize("most", [0.4, 3.0, 1e3])
def test_law_of_times_and_states(most: float) -> None:
    """Kolmogorov-Smirnov and chi² against the phase-type law; the mean time in its place is caught."""
    n = 20_000
    time, state = exits(LINE, most, n, 7)
    alive = survival(LINE)
    assert stats.kstest(time, lambda t: 1 - alive(t)).pvalue > 1e-4
    share = np.linalg.inv(-generator(LINE))[0] * LINE[1]
    wanted = np.bincount(state, minlength=3)[1:]
    assert stats.chisquare(wanted, n * share[1:]).pvalue > 1e-4
    assert (state > 0).all()
    mean = np.linalg.inv(-generator(LINE))[0].sum()
    assert (
        stats.kstest(time, "expon", (0, mean)).pvalue < 1e-9
    )  # negative control: an exponential law of the same mean
    # time and state depend on each other: those that leave from the middle leave sooner
    first = time < np.median(time)
    both = np.array([np.bincount(state[w], minlength=3)[1:] for w in (first, ~first)])
    law = np.array([expm(generator(LINE) * np.median(time))[0] @ np.linalg.inv(-generator(LINE)) * LINE[1]])
    late = law[0, 1:] / law[0, 1:].sum()
    assert stats.chisquare(both[1], both[1].sum() * late).pvalue > 1e-4


@pytest.mark.parametrize("slow", [1e-6, 1e-12])
def test_rare_exits(slow: float) -> None:
    """Of 1e6 and 1e12 hops: no digit is lost; the share of the exits is that of the times in the states."""
    chain = PAIR[0], np.array([slow, 3 * slow])
    n = 20_000
    time, state = exits(chain, 1e14, n, 5)
    assert stats.kstest(time * 2 * slow, "expon").pvalue > 1e-4
    assert abs((state == 0).mean() - 0.25) < 3 * np.sqrt(0.19 / n)


def run(model: Model, interval: float, rows: int, seed: int, field: float = 0.0) -> Replica:
    catalog = build_catalog(model, temperature=T0, field=(field, 0.0, 0.0))
    r = Replica(
        catalog,
        seed=np.random.SeedSequence(seed),
        sample_interval=interval,
        levels=4,
        algorithm="absorbing",
    )
    r.advance(16 * 20)
    r.reset()
    r.advance(16 * rows)
    return r


@pytest.mark.parametrize(
    ("name", "field"),
    [*((n, 0.0) for n in BASINS), ("shallow", 0.3 * KT0), ("cages", 0.3 * KT0), ("held pair", 0.1 * KT0)],
)
def test_runs_against_enumeration(name: str, field: float) -> None:
    """Drift, moments over a lag, hops of each kind, by far fewer steps than hops.

    Round a loop (cages) only a hop and its reverse together are counted exactly.
    """
    rows = 800
    r = run(BASINS[name](), 0.4, rows, 21, field)
    exact = Enumeration(r.catalog)
    assert r.executed > 10 * r.attempted
    if name == "cages":
        t = r.tallies
        both = t.events + t.events[:, r.catalog.model.network.reverse]
        z = (both / t.row_time).mean(axis=0)
        hops = exact.per_hop @ exact.stationary
        z -= hops + hops[r.catalog.model.network.reverse]
        z /= both.std(axis=0, ddof=1) / t.row_time / np.sqrt(rows)
        one, two = exact.moments(t.lag(4))
        for found, wanted in ((t.displacement[:, 0, 0], one), (t.collective[:, 4, 0, 0, 0, 0], two[0])):
            z = np.append(z, (found.mean() - wanted) / (found.std() / np.sqrt(rows)) if wanted[0] else 0.0)
    else:
        z = scores(r, exact, rows)
    assert np.abs(z).max() < 3


def test_two_carriers_in_one_chain_of_traps() -> None:
    """Exclusion is part of the configuration: a full trap stops both."""
    rows, z = 800, []
    for seed in range(8, 16):
        r = run(traps(300.0, 3, 2), 0.4, rows, seed)
        z.append(scores(r, Enumeration(r.catalog), rows))
    assert np.abs(np.mean(z, axis=0)).max() < 3 / np.sqrt(len(z))


def test_sites_after_an_interval() -> None:
    """Chi² of the sites at the end of each sample, given those at its beginning, against the exact propagator."""
    interval, n = 1.0, 4000
    catalog = build_catalog(cages(300.0), temperature=T0)
    exact = Enumeration(catalog)
    r = Replica(
        catalog, seed=np.random.SeedSequence(2), sample_interval=interval, levels=1, algorithm="absorbing"
    )
    sites = np.zeros(n + 1, np.int64)
    for k in range(n + 1):
        sites[k] = r.occupation()[0]
        r.advance(1)
    assert r.executed > 10 * r.attempted
    counts = np.zeros((16, 16))
    np.add.at(counts, (sites[1:], sites[:-1]), 1)
    order = [int(np.flatnonzero(np.asarray(c) > 0)[0]) for c in exact.configurations]
    chance = np.zeros((16, 16))
    chance[np.ix_(order, order)] = expm(exact.generator * interval)
    expected = chance * counts.sum(axis=0)
    assert expected.min() > 3
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert stats.chi2(16 * 15).sf(chi2) > 1e-4
    wrong = np.roll(chance, 1, axis=0) * counts.sum(axis=0)
    assert stats.chi2(16 * 15).sf(((counts - wrong) ** 2 / wrong).sum()) < 1e-9


def walk_by_walk(chain: tuple[np.ndarray, np.ndarray], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same stays hop by hop."""
    random, (inside, out) = np.random.default_rng(seed), chain
    rates = np.concatenate([inside, out[:, None]], axis=1)
    total, choice = rates.sum(axis=1), np.cumsum(rates, axis=1) / rates.sum(axis=1)[:, None]
    time, state = np.zeros(n), np.zeros(n, np.int64)
    for k in range(n):
        at = 0
        while at < len(out):
            state[k] = at
            time[k] += random.exponential(1 / total[at])
            at = int(np.searchsorted(choice[at], random.random(), side="right"))
    return time, state


def test_as_hop_by_hop() -> None:
    """Times by Kolmogorov-Smirnov, exit states by chi²; other exits are caught."""
    plain, law = walk_by_walk(LINE, 4000, 1), exits(LINE, 2.0, 4000, 2)
    assert stats.ks_2samp(plain[0], law[0]).pvalue > 1e-4
    table = np.array([np.bincount(s, minlength=3)[1:] for _, s in (plain, law)])
    assert stats.chi2_contingency(table).pvalue > 1e-4
    wrong = exits((LINE[0], np.array([0.0, 0.3, 0.7])), 2.0, 4000, 2)
    assert stats.ks_2samp(plain[0], wrong[0]).pvalue < 1e-4
    table[1] = np.bincount(wrong[1], minlength=3)[1:]
    assert stats.chi2_contingency(table).pvalue < 1e-9


def test_estimates_of_a_bound_pair() -> None:
    """Diffusivities, mobilities, conductivity and the Onsager matrix of a slow ion and a polaron that it holds."""
    rows = 400
    r = run(held_pair(), 0.4, rows, 31)
    model = r.catalog.model
    found = evaluate(system_of(model, T0, [0, 0, 0]), [r.tallies]).estimates
    exact = exact_values(r.catalog, model.conditions.direction)
    checked = 0
    for name in (
        "tracer_diffusivity",
        "collective_diffusivity",
        "mobility_einstein",
        "conductivity",
        "onsager",
    ):
        if name in found and name in exact:
            z = np.ravel(found[name].z(exact[name]))
            z = z[np.isfinite(z)]
            assert np.abs(z).max() < 3, name
            checked += np.count_nonzero(z)
    assert checked >= 8
