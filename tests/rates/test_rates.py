"""Rates, the field's work, the clamp; detailed balance and the loop rule with negative controls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError, RateError
from kmc_transport.model.model import frozen_array
from kmc_transport.rates import build_catalog, check_catalog
from kmc_transport.rules.field import effective_barrier
from kmc_transport.sources.vibrations import AttemptFrequency
from kmc_transport.units import K_B, H
from tests.reference.networks import BARRIER, KT0, T0, chain, lattice_gas


def test_rates_are_arrhenius_with_channels() -> None:
    model = chain([2.0, 3.0], site_energy=[0.0, 0.1])
    classes = tuple(replace(c, channels=2) for c in model.hop_classes)
    one, two = (build_catalog(m, temperature=T0) for m in (model, replace(model, hop_classes=classes)))
    np.testing.assert_allclose(one.rate[[0, 2]], [2.0, 3.0 * 1.0])
    np.testing.assert_allclose(one.rate[1], 2.0 * math.exp(0.1 / KT0))
    np.testing.assert_allclose(two.rate, 2 * one.rate)
    assert not one.rate.flags.writeable


def test_eyring_attempt_frequency() -> None:
    model = chain([1.0])
    eyring = replace(model.hop_classes[0], attempt_frequency=AttemptFrequency.eyring())
    catalog = build_catalog(replace(model, hop_classes=(eyring,)), temperature=298.0)
    np.testing.assert_allclose(catalog.attempt_frequency, K_B * 298 / H)
    assert catalog.attempt_frequency[0] == pytest.approx(6.209e12, rel=1e-4)


@pytest.mark.parametrize("fraction", [0.5, 0.2])
def test_the_field_splits_its_work_at_the_saddle(fraction: float) -> None:
    model = chain([1.0], a=2.0, saddle_fraction=fraction, charges=[-2.0])
    catalog = build_catalog(model, temperature=T0, field=[0.01, 0, 0])
    work = -2.0 * 2.0 * 0.01
    np.testing.assert_allclose(catalog.work, [work, -work])
    np.testing.assert_allclose(catalog.effective_barrier[0], BARRIER - fraction * work)
    np.testing.assert_allclose(catalog.effective_barrier[1], BARRIER + (1 - fraction) * work)
    np.testing.assert_allclose(math.log(catalog.rate[0] / catalog.rate[1]), work / KT0)


def test_numbers_of_the_split_hole_polaron() -> None:
    """Lei & Abate: 0.242 eV and 6.12e12 Hz at 298 K."""
    rate = 6.12e12 * math.exp(-0.242 / (K_B * 298))
    assert rate * (2.665e-8) ** 2 == pytest.approx(3.5111e-7, rel=2e-5)  # D = a² k, cm²/s
    assert rate * (2.665e-8) ** 2 / (K_B * 298) == pytest.approx(1.3673e-5, rel=4e-5)


energies = st.floats(-2, 2)


@given(st.floats(0, 2), st.floats(0, 2), energies, st.floats(0, 1))
def test_the_clamp_keeps_detailed_balance(e_f: float, e_b: float, work: float, share: float) -> None:
    """E_f - E_b is the energy of the hop whatever the saddle's work, and no barrier is negative."""
    saddle = share * work
    ahead, clamped = effective_barrier(*map(np.array, ([e_f], [e_b], [saddle], [work])))
    back, _ = effective_barrier(*map(np.array, ([e_b], [e_f], [saddle - work], [-work])))
    assert ahead[0] - back[0] == pytest.approx(e_f - e_b - work, abs=1e-12)
    assert ahead[0] >= 0
    assert back[0] >= -1e-12
    assert clamped[0] == (e_f - saddle < max(e_f - e_b - work, 0.0))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    st.lists(st.floats(-0.3, 0.3), min_size=4, max_size=4),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    st.floats(100, 1500),
    st.floats(0, 1),
)
def test_every_catalog_obeys_the_loop_rule(
    rates: list[float], energy: list[float], field: tuple[float, ...], temperature: float, fraction: float
) -> None:
    """Round the ring once the affinity is Q R.E/kT, clamped or not."""
    model = chain(rates, a=3.0, site_energy=energy[: len(rates)], charges=[2.0], saddle_fraction=fraction)
    catalog = build_catalog(model, temperature=temperature, field=field)
    ahead = model.network.orientation > 0
    affinity = (catalog.log_rate[ahead] - catalog.log_rate[model.network.reverse][ahead]).sum()
    expected = 2.0 * 3.0 * len(rates) * field[0] / (K_B * temperature)
    assert affinity == pytest.approx(expected, abs=1e-7 * (1 + abs(expected)))


def test_rates_spread_over_decades_without_overflow() -> None:
    model = chain([1.0, 1e30])
    catalog = build_catalog(model, temperature=T0)
    assert catalog.rate[2] / catalog.rate[0] == pytest.approx(1e30)


def tampered(name: str, hop: int, change: float, **kw: object) -> None:
    catalog = build_catalog(
        chain([1.0, 2.0, 3.0], site_energy=[0, 0.1, 0.2]), temperature=T0, field=[0.01, 0, 0]
    )
    values = np.array(getattr(catalog, name))
    values[hop] += change
    check_catalog(replace(catalog, **{name: frozen_array(values, float)}))


def test_a_wrong_rate_is_named() -> None:
    with pytest.raises(RateError, match=r"hop 2 .*local detailed balance"):
        tampered("log_rate", 2, 0.05)


def test_work_that_is_no_state_function_is_named() -> None:
    with pytest.raises(RateError, match="loop rule"):
        tampered("work", 4, 0.001)


def test_barriers_that_drive_a_current_round_a_loop_are_refused() -> None:
    model = chain([1.0, 1.0, 1.0])
    wrong = replace(model.hop_classes[1], barrier_reverse=BARRIER - 0.02)
    with pytest.raises(RateError, match="closed loop") as caught:
        build_catalog(
            replace(model, hop_classes=(model.hop_classes[0], wrong, model.hop_classes[2])), temperature=T0
        )
    assert "remedy" in str(caught.value)


def test_a_rate_out_of_range_is_named() -> None:
    with pytest.raises(RateError, match="out of range at 10 K"):
        build_catalog(chain([1.0]), temperature=10.0, field=[2.0, 0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": 300.0, "field": [1.0, 2.0]}, "field"),
        ({"temperature": 300.0, "field": [math.inf, 0, 0]}, "field"),
    ],
)
def test_unusable_conditions(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_catalog(lattice_gas("sc", 3, 1), **arguments)
