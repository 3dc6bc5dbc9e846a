"""Sensitivity of the mobility to the barriers, against closed forms and rebuilt catalogs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.exact import sensitivity, solve_exact
from kmc_transport.rates import build_catalog
from tests.reference.networks import KT0, T0, chain, lattice_gas, make_model


def with_barrier(model, index, change):
    """The model with one saddle raised by ``change`` eV."""
    classes = list(model.hop_classes)
    c = classes[index]
    classes[index] = replace(
        c, barrier_forward=c.barrier_forward + change, barrier_reverse=c.barrier_reverse + change
    )
    return replace(model, hop_classes=tuple(classes))


def test_barriers_in_series_share_as_resistances():
    rates = np.array([5.0, 1.0, 0.2, 30.0])
    got = sensitivity(chain(rates), temperature=T0, direction=(1, 0, 0))
    resistance = 1 / rates
    np.testing.assert_allclose(got.share[0], resistance / resistance.sum(), rtol=1e-8)
    np.testing.assert_allclose(got.dlnmu_dbarrier, -got.share / KT0)
    assert got.observable == "mobility_einstein"
    assert got.limiting[0] == 2
    assert got.limiting_class() == "c0:2-3#2"
    assert np.abs(got.share[0] - resistance / resistance.sum()).max() <= got.accuracy[0] < 1e-5


@pytest.mark.parametrize("field", [0.0, 0.05])
def test_against_rebuilt_catalogs(field):
    """Barriers of the input moved by 0.1 meV, the whole way through `build_catalog` again."""
    rng = np.random.default_rng(4)
    model = chain(np.exp(rng.normal(size=4)), site_energy=0.05 * rng.normal(size=4), charges=(-1.0,))
    direction = np.array([1.0, 0, 0])
    got = sensitivity(model, temperature=T0, field=field, direction=direction)

    def mobility(m):
        answer = solve_exact(build_catalog(m, temperature=T0, field=field * direction))
        return answer.mobility[0, 0] if field else answer.mobility_einstein[0, 0, 0]

    assert got.mobility[0] == pytest.approx(mobility(model))
    assert got.mobility[0] < 0
    step = 1e-4
    for c in range(4):
        slope = math.log(mobility(with_barrier(model, c, step)) / mobility(with_barrier(model, c, -step)))
        assert got.dlnmu_dbarrier[0, c] == pytest.approx(slope / (2 * step), rel=1e-5)
    assert got.share.sum() == pytest.approx(1.0, abs=1e-8)


def test_error_of_the_barriers_is_an_error_factor():
    """±50 meV is a factor of 7 at room temperature; independent errors add in squares."""
    model = chain([1.0])
    assert np.isnan(sensitivity(model, temperature=T0, direction=(1, 0, 0)).error_factor[0])
    uncertain = replace(model, hop_classes=(replace(model.hop_classes[0], barrier_stderr=0.05),))
    got = sensitivity(uncertain, temperature=298.0, direction=(1, 0, 0))
    assert got.error_factor[0] == pytest.approx(math.exp(0.05 / (KT0 * 298 / T0)), rel=1e-8)
    assert 6.9 < got.error_factor[0] < 7.1
    series = chain([1.0, 3.0])
    classes = tuple(
        replace(c, barrier_stderr=s) for c, s in zip(series.hop_classes, (0.03, 0.02), strict=True)
    )
    got = sensitivity(replace(series, hop_classes=classes), temperature=T0, direction=(1, 0, 0))
    assert got.sigma_ln[0] == pytest.approx(math.hypot(0.75 * 0.03, 0.25 * 0.02) / KT0, rel=1e-8)


def test_hops_across_do_not_limit_transport_along():
    model = make_model(
        np.diag([3.0, 4.0, 5.0]), [[0, 0, 0]], [(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 1e-3)]
    )
    got = sensitivity(model, temperature=T0, direction=(2, 0, 0))
    np.testing.assert_allclose(got.share[0], [1, 0], atol=1e-9)
    assert sensitivity(model, temperature=T0, direction=(0, 1, 0)).limiting[0] == 1
    none = sensitivity(model, temperature=T0, direction=(0, 0, 1))
    assert none.limiting[0] == -1
    assert none.limiting_class() is None
    assert np.isnan(none.share).all()


def test_clamped_hops_do_not_answer_to_their_barrier():
    model = chain([1.0, 1.0], a=4.0)
    field = 0.6  # work to the saddle 1.2 eV against a barrier of 1 eV
    catalog = build_catalog(model, temperature=T0, field=(field, 0, 0))
    assert catalog.clamped.all()
    got = sensitivity(model, temperature=T0, field=field, direction=(1, 0, 0))
    np.testing.assert_array_equal(got.dlnmu_dbarrier, 0.0)


def test_many_carriers_and_wrong_directions():
    got = sensitivity(lattice_gas("square", 3, 4), temperature=T0, direction=(1, 1, 0))
    np.testing.assert_allclose(got.share[0], [0.5, 0.5], rtol=1e-7)
    for direction in ((0, 0, 0), (1, 0), (math.nan, 0, 1)):
        with pytest.raises(InputError, match="direction"):
            sensitivity(chain([1.0]), temperature=T0, direction=direction)
