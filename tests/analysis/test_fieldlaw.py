"""Laws of v(E, T): found again where they hold, refused where they do not."""

from pathlib import Path

import numpy as np
import pytest

from kmc_transport import build_catalog, load_model, solve_exact
from kmc_transport.analysis.fieldlaw import REFUSED, fit_field_law, widest_field_law
from kmc_transport.errors import InputError
from kmc_transport.units import K_B

INPUTS = Path(__file__).parents[2] / "inputs"
T, E = (a.ravel() for a in np.meshgrid([700.0, 900.0, 1300.0], [0.0, 1e8, 2e8, 4e8, 7e8, 1e9], indexing="ij"))


def sinh_law(t, e, energy=1.2, prefactor=3e-4, product=4.0):
    x = np.maximum(product * 1e-10 * e / (2 * K_B * t), 1e-12)
    return prefactor * np.exp(-energy / (K_B * t)) * np.sinh(x) / x / t


def poole_frenkel(t, e, energy=1.2, prefactor=3e-4, beta=8e-6):
    return prefactor * np.exp(-(energy - beta * np.sqrt(e)) / (K_B * t)) / t


LAWS = {"sinh": (sinh_law, 4.0), "poole-frenkel": (poole_frenkel, 8e-6)}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_law_without_noise_is_found_again(law, sign):
    formula, third = LAWS[law]
    mu = sign * formula(T, E)
    fit = fit_field_law(T, E, mu, np.abs(mu) * 1e-5, law=law).require()
    assert fit.activation_energy == pytest.approx(1.2, rel=1e-7)
    assert np.exp(fit.log_prefactor) == pytest.approx(3e-4, rel=1e-7)
    assert fit.field_parameter == pytest.approx(third, rel=1e-6)
    t, e = 1000.0, 3.3e8  # not a node
    assert fit.mobility(t, e) == pytest.approx(sign * formula(t, e), rel=1e-6)
    assert fit.drift_velocity(t, -e) == pytest.approx(-sign * formula(t, e) * e, rel=1e-6)


@pytest.mark.statistical
@pytest.mark.parametrize("law", LAWS)
def test_errors_and_chi_squared_are_those_of_the_noise(law):
    formula, third = LAWS[law]
    rng, n, relative = np.random.default_rng(1), 200, 0.01
    z, p = np.empty((n, 3)), np.empty(n)
    for k in range(n):
        mu = formula(T, E) * (1 + relative * rng.standard_normal(len(T)))
        fit = fit_field_law(T, E, mu, mu * relative, law=law)
        z[k] = (np.array([fit.activation_energy, fit.log_prefactor, fit.field_parameter])
                - [1.2, np.log(3e-4), third]) / fit.stderr  # fmt: skip
        p[k] = fit.p_value
    assert np.all(np.abs(z.mean(axis=0)) < 4 / np.sqrt(n))
    assert np.all(np.abs(np.mean(z**2, axis=0) - 1) < 4 * np.sqrt(2 / n))
    assert abs(np.mean(p < 0.1) - 0.1) < 4 * np.sqrt(0.09 / n)


@pytest.mark.parametrize(("true", "tried"), [("sinh", "poole-frenkel"), ("poole-frenkel", "sinh")])
def test_the_wrong_law_is_refused(true, tried):
    mu = LAWS[true][0](T, E)
    fit = fit_field_law(T, E, mu, mu * 0.003, law=tried)
    assert fit.p_value < REFUSED
    with pytest.raises(InputError, match=f"the {tried} law does not hold.*worst residual"):
        fit.require()


def exact_mobilities(direction):
    model = load_model(INPUTS / "mgo_vacancy.yaml")
    mu = []
    for t, e in zip(T, np.maximum(E, 1e5), strict=True):
        field = np.array(direction) / np.linalg.norm(direction) * e * 1e-10
        velocity = solve_exact(build_catalog(model, temperature=t, field=field)).drift_velocity[0]
        mu.append(np.linalg.norm(velocity) * 1e-10 / e)
    return np.array(mu)


def test_mgo_along_100_is_a_sinh_law_with_the_numbers_of_the_hops():
    """Four hops of a/2 forward, four backward: v = 4 a nu exp(-E0/kT) sinh(Q a E/4kT)."""
    mu = exact_mobilities([1, 0, 0])
    fit = fit_field_law(T, E, mu, mu * 1e-6).require()
    assert fit.length(2) == pytest.approx(4.165 / 2, rel=1e-4)
    assert fit.charge(4.165 / 2) == pytest.approx(2, rel=1e-4)
    d_ma = 1.40 / np.sqrt(2)  # along the field: another length, another charge
    assert fit.charge(2 * d_ma) == pytest.approx(2.07, abs=0.05)  # Q_eqv of Salles 2020, Table 1
    assert fit.activation_energy == pytest.approx(2.0, rel=1e-5)
    assert fit.velocity_prefactor == pytest.approx(4 * 4.165e-10 * 5e12, rel=1e-3)
    assert fit.worst_residual < 1e-4


def test_mgo_along_110_has_two_lengths_and_is_refused_in_strong_fields():
    mu = exact_mobilities([1, 1, 0])
    with pytest.raises(InputError, match="does not hold"):
        fit_field_law(T, E, mu, mu * 0.003).require()
    seen = []
    fit = widest_field_law(T, E, mu, mu * 0.003, report=seen.append)
    assert [s.accepted for s in seen[:-1]] == [False] * (len(seen) - 1)
    assert fit is seen[-1]
    assert 1e8 <= fit.field_range[1] < 1e9


def test_outside_the_range_there_is_an_error_and_no_number():
    mu = sinh_law(T, E)
    fit = fit_field_law(T, E, mu, mu * 0.01)
    for t, e, key in (
        (699, 0, "temperature"),
        (1301, 0, "temperature"),
        (900, 1.01e9, "field"),
        (np.nan, 0, "temp"),
    ):
        with pytest.raises(InputError, match=key):
            fit.mobility(t, e)
    assert np.all(fit.relative_stderr([700, 1300], [[0], [-1e9]]) < 0.02)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"temperature": np.full_like(T, 700)}, "at 2 temperatures"),
        ({"field": np.where(E > 1e8, 1e8, E)}, "3 fields"),
        ({"mobility": sinh_law(T, E) * np.where(E > 5e8, -1, 1)}, "one sign"),
        ({"field": E * 1e-6, "mobility": sinh_law(T, E * 1e-6)}, "too weak"),
        ({"law": "ohm"}, "no such law"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, text):
    given = {
        "temperature": T,
        "field": E,
        "mobility": sinh_law(T, E),
        "stderr": sinh_law(T, E) * 0.01,
        "law": "sinh",
    }
    with pytest.raises(InputError, match=text):
        fit_field_law(**given | change)
