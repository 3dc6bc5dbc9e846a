"""Runs with slowed fast carriers put together: against the master equation, and for values that are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.analysis import Evaluation, evaluate
from kmc_transport.analysis.scaling import Verdict, extrapolate, fit_separations
from kmc_transport.engine import Replica
from kmc_transport.errors import RateError
from kmc_transport.exact import solve_exact
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog, check_catalog
from kmc_transport.records import Missing
from kmc_transport.runs.system import system_of
from kmc_transport.units import ANGSTROM
from tests.reference.interacting_models import ion_and_polaron
from tests.reference.networks import T0

QUICKER = 1e7
FIELD = 0.02  # V/Å
STEPS = np.array([1.0, 2.0, 4.0])


def slowed(model: Model, factor: float) -> Model:
    return replace(model, slowing=(1.0, factor))


def ring(quicker: float = QUICKER) -> Model:
    """One ion and one polaron that bind; without a charge of the polaron, the field drives the ion alone."""
    model = ion_and_polaron(6, quicker=quicker)
    return replace(model, carriers=(model.carriers[0], replace(model.carriers[1], charge=0.0)))


def exact(model: Model) -> np.ndarray:
    """D of the ion, cross term, drift of the ion under the field."""
    free = solve_exact(build_catalog(model, temperature=T0))
    driven = solve_exact(build_catalog(model, temperature=T0, field=[FIELD, 0, 0]))
    d = free.collective_diffusivity
    return np.array([d[0, 0, 0, 0], d[0, 0, 1, 0], driven.drift_velocity[0, 0]])


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Separations over three decades, exact answers at each, and those of the unscaled system."""
    separations = np.geomspace(30, 30000, 7)
    found = np.array([exact(slowed(ring(), s / QUICKER)) for s in separations])
    return separations, found, exact(ring())


def test_error_falls_with_the_separation(answers: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Slope -1 over two and a half decades, of each of the three quantities."""
    separations, found, truth = answers
    error = np.abs(found / truth - 1)
    assert np.all(error[0] > 0.005)  # there is something to see
    slope = np.diff(np.log(error), axis=0) / np.diff(np.log(separations))[:, None]
    assert np.all(np.abs(slope[1:] + 1) < 0.03)


def test_extrapolation_of_exact_answers_is_within_its_error(
    answers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """No noise is left: what remains is the next term of the expansion, which the error foretells."""
    truth = answers[2]
    for smallest in (10.0, 100.0, 1000.0):
        factors = smallest * STEPS / QUICKER
        values = np.array([exact(slowed(ring(), f)) for f in factors])
        fit = fit_separations(values, 1e-9 * np.abs(values), factors)
        miss = np.abs(fit.value - truth)
        assert np.all(miss < 2 * fit.stderr)
        assert np.all(fit.stderr < 30 * np.maximum(miss, 1e-8 * np.abs(truth)))  # and not by far too large
        assert np.all(miss < 0.35 * np.abs(values[2] - truth))  # better than the best run
        assert fit.follows.all()


def test_equilibrium_and_affinities_stay() -> None:
    """Rates of a slowed catalog: the factor on all hops of the polaron, ratios of hop and reverse as they were."""
    field = [FIELD, 0, 0]
    plain, slow = (build_catalog(m, temperature=T0, field=field) for m in (ring(), slowed(ring(), 1e-3)))
    polaron = plain.model.network.carrier == 1
    np.testing.assert_allclose(slow.rate, np.where(polaron, 1e-3, 1.0) * plain.rate, rtol=1e-12)
    back = plain.model.network.reverse
    np.testing.assert_allclose(
        slow.log_rate - slow.log_rate[back], plain.log_rate - plain.log_rate[back], atol=1e-9
    )
    assert plain.slowing.tolist() == [1.0] * plain.model.network.n_hops


def test_one_direction_alone_is_caught() -> None:
    catalog = build_catalog(slowed(ring(), 1e-3), temperature=T0)
    one_way = np.where(catalog.model.network.orientation > 0, 0.5, 1.0)
    for wrong in (
        replace(catalog, log_rate=catalog.log_rate + np.log(one_way), rate=catalog.rate * one_way),
        replace(
            catalog,
            log_rate=catalog.log_rate + np.log(one_way),
            rate=catalog.rate * one_way,
            attempt_frequency=catalog.attempt_frequency * one_way,
            slowing=catalog.slowing * one_way,
        ),
    ):
        with pytest.raises(RateError):
            check_catalog(wrong)
    with pytest.raises(RateError, match="not slowed like the other hops"):
        check_catalog(replace(catalog, slowing=catalog.slowing * one_way))


# ---- values that are made up


def test_line_is_found_with_the_errors_of_least_squares() -> None:
    factors = 1e-3 * STEPS
    x = 1 / factors - 1
    stderr = np.array([0.02, 0.01, 0.03])
    values = 5 + 2e-5 * x
    fit = fit_separations(values[:, None], stderr[:, None], factors)
    design = np.stack([np.ones(3), x], axis=1) / stderr[:, None]
    covariance = np.linalg.inv(design.T @ design)
    assert fit.value[0] == pytest.approx(5, rel=1e-12)
    assert fit.statistical[0] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-9)
    assert fit.stderr[0] == pytest.approx(np.hypot(fit.statistical[0], fit.curvature[0]))
    assert 0 < fit.curvature[0] < 1e-3


@pytest.mark.parametrize("half", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_saturation_within_the_error(half: float) -> None:
    """``1/(1 + half s_min/s)``, without noise: off by less than 1.2 errors."""
    values = 1 / (1 + half / STEPS)
    fit = fit_separations(values, 1e-6 * values, 1e-6 * STEPS)
    assert bool(fit.follows)
    assert abs(fit.value - 1) <= 1.2 * fit.stderr + 1e-6


def test_what_the_fast_carriers_govern_does_not_follow() -> None:
    tight, loose = np.full(3, 1e-3), np.full(3, 0.3)
    for values in (STEPS, 1 / (1 + 30 / STEPS), 1 + 0.02 * STEPS):  # in proportion; before saturation; on top
        assert not fit_separations(values, tight, 1e-6 * STEPS).follows
    unsure = fit_separations(STEPS, 3 * loose, 1e-6 * STEPS)
    assert unsure.follows  # but nobody could tell
    assert not unsure.tells
    assert fit_separations(1 - 0.1 / STEPS, tight, 1e-6 * STEPS).tells
    assert fit_separations(1 - 0.1 / STEPS, tight, 1e-6 * STEPS).follows


def test_a_bend_beyond_the_errors_is_in_the_error() -> None:
    values = np.array([1.0, 1.0, 1.05])
    fit = fit_separations(values, np.full(3, 0.005), 1e-6 * STEPS)
    parabola = np.array([1 / 3, -2, 8 / 3]) @ values
    assert fit.curvature > 0.5 * abs(parabola - fit.value)


def test_errors_of_made_up_lines_hold() -> None:
    random = np.random.default_rng(4)
    truth = 3 + 0.3 / STEPS
    values = truth[:, None] + 0.05 * random.standard_normal((3, 4000))
    fit = fit_separations(values, np.full_like(values, 0.05), 1e-6 * STEPS)
    z = (fit.value - 3) / fit.stderr
    assert abs(z.mean()) < 0.05
    assert 0.85 < z.std() < 1.05
    assert (np.abs(z) < 2).mean() > 0.93
    assert fit.follows.mean() > 0.99
    without_extrapolation = (values[2] - 3) / 0.05  # the last run taken for the answer
    assert abs(without_extrapolation.mean()) > 1.2


# ---- simulations

RUNS, ROWS = 30, 40


@pytest.fixture(scope="module")
def evaluations() -> list[list[Evaluation]]:
    """At each of three separations, stretches of one long run, each an estimate of its own; then the whole of it."""
    found = []
    for k, factor in enumerate(2 * STEPS / QUICKER):
        model = slowed(ring(), float(factor))
        replica = Replica(
            build_catalog(model, temperature=T0),
            seed=np.random.SeedSequence(70 + k),
            sample_interval=1.0,
            levels=7,
        )
        replica.advance(2**7 * RUNS * ROWS)
        system, tallies = system_of(model, T0, [0, 0, 0]), replica.tallies
        parts = [tallies.rows(slice(ROWS * k, ROWS * (k + 1))) for k in range(RUNS)]
        found.append([evaluate(system, [part]) for part in [*parts, tallies]])
    return found


def test_error_bars_of_extrapolated_simulations_hold(evaluations: list[list[Evaluation]]) -> None:
    truth = solve_exact(build_catalog(ring(), temperature=T0), tracer=True)
    assert truth.tracer_diffusivity is not None
    factors = (2 * STEPS / QUICKER).tolist()
    fast = np.array([False, True])
    done = [extrapolate([runs[k] for runs in evaluations], factors, fast) for k in range(RUNS)]
    for name, index, value in (
        ("tracer_diffusivity", (0, 0, 0), truth.tracer_diffusivity[0, 0, 0]),
        ("collective_diffusivity", (0, 0, 1, 0), truth.collective_diffusivity[0, 0, 1, 0]),
    ):
        z = np.array([float(e.estimates[name].z(value * ANGSTROM**2)[index]) for e in done])
        assert abs(z.mean()) < 3 / np.sqrt(RUNS), name
        assert 0.6 < z.std() < 1.4, name
        assert (np.abs(z) < 2.02).mean() >= 0.85, name
    # the run at the smallest separation taken for the answer is wrong
    raw = np.array(
        [
            float(e.estimates["collective_diffusivity"].z(value * ANGSTROM**2)[0, 0, 1, 0])
            for e in evaluations[0][:-1]
        ]
    )
    assert abs(raw.mean()) * np.sqrt(RUNS) > 5
    # and so is what the polaron did in the time of the slowed runs
    own = np.array(
        [
            float(
                e.estimates["tracer_diffusivity"].z(truth.tracer_diffusivity[1, 0, 0] * ANGSTROM**2)[1, 0, 0]
            )
            for e in evaluations[2]
        ]
    )
    assert np.all(np.abs(own) > 20)


def test_what_is_refused_of_an_extrapolation(evaluations: list[list[Evaluation]]) -> None:
    done = extrapolate(
        [runs[-1] for runs in evaluations], (2 * STEPS / QUICKER).tolist(), np.array([False, True])
    )
    for name in ("tracer_diffusivity", "collective_diffusivity", "haven_ratio", "mobility_einstein"):
        assert done.why(name)[1] is Missing.SLOWED
        assert done.verdicts[name][1] is Verdict.REFUSED
    assert done.why("tracer_diffusivity")[0] is Missing.NOTHING
    assert done.verdicts["tracer_diffusivity"][0] in (Verdict.VALID, Verdict.WITH_ERROR)
    assert set(done.why("charge_diffusivity")) == {Missing.SLOWED}
    tracer, pairs = done.trustworthy("tracer_diffusivity"), done.trustworthy("collective_diffusivity")
    assert tracer is not None
    assert pairs is not None
    assert np.isfinite(tracer.value[0]).all()
    assert np.isnan(tracer.value[1]).all()
    assert np.isfinite(pairs.value[0, :, 1]).all()
    assert np.isfinite(pairs.value[1, :, 0]).all()
    assert np.isnan(pairs.value[1, :, 1]).all()
    assert done.trustworthy("charge_diffusivity") is None
    short = extrapolate(
        [runs[0] for runs in evaluations], (2 * STEPS / QUICKER).tolist(), np.array([False, True])
    )
    assert short.why("tracer_diffusivity") == (Missing.UNTESTED, Missing.SLOWED)
