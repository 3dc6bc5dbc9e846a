"""Barrier rules: known numbers, detailed balance, scalar forms, regimes, and rules of other packages."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from kmc_transport.errors import InputError, RateError
from kmc_transport.rules import (
    Activation,
    BarrierRule,
    Fixed,
    KineticallyResolved,
    LandauZener,
    MarcusAdiabatic,
    MarcusAdiabaticApproximate,
    MarcusNonadiabatic,
    MillerAbrahams,
    check_rule,
    contradiction,
    derive_reorganisation_energy,
    get_rule,
    make_rule,
    mulliken_hush,
    parameter,
    regime,
    register_rule,
    registry,
    rule_names,
    rule_parameters,
)
from kmc_transport.rules.field import effective_barrier
from kmc_transport.rules.two_state import edge
from kmc_transport.units import HBAR, K_B, H

BUILT_IN = {
    *("fixed", "kra", "landau_zener", "marcus_adiabatic", "marcus_adiabatic_approximate"),
    "marcus_nonadiabatic",
}
KT = K_B * 298


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that a test registers are gone after it; those of other tests are not seen."""
    monkeypatch.setattr(
        registry, "_REGISTERED", {k: v for k, v in registry._REGISTERED.items() if k in BUILT_IN}
    )


def marcus(cls: Any = MarcusAdiabatic, lam: float = 1.0, v: float = 0.2, **more: float) -> Any:
    return cls(reorganisation_energy=lam, electronic_coupling=v, **more)


def zener(lam: float = 1.0, v: float = 0.2, nu: float = 1e13) -> LandauZener:
    return marcus(LandauZener, lam, v, phonon_frequency=nu)


def barrier(rule: BarrierRule, dH: float) -> float:
    return float(rule.activation_energy(np.array([dH])).energy[0])


# ------------------------------------------------------------------------------------------- known numbers


def test_exact_and_approximate_barriers() -> None:
    assert barrier(marcus(), 0) == pytest.approx(0.090, abs=1e-12)
    assert barrier(marcus(MarcusAdiabaticApproximate), 0) == pytest.approx(0.050, abs=1e-12)


@pytest.mark.parametrize(("lam", "v"), [(1, 0.2), (3.6, 0.865), (0.5, 1e-6), (2, 0.999), (0.3, 0.1)])
def test_symmetric_barrier_in_closed_form(lam: float, v: float) -> None:
    assert barrier(marcus(lam=lam, v=v), 0) == pytest.approx((lam - 2 * v) ** 2 / (4 * lam), abs=1e-14)


def surface(x: float, lam: float, v: float, offset: float) -> float:
    """Lower eigenvalue of the two-state Hamiltonian, written down independently."""
    return float(np.linalg.eigvalsh([[lam * x * x, v], [v, lam * (1 - x) ** 2 + offset]])[0])


def stationary(lam: float, v: float, offset: float) -> tuple[float, float, float]:
    """Energies of the left minimum, the saddle and the right minimum, from a grid refined."""
    x = np.linspace(-0.2, 1.2, 701)
    e = np.array([surface(a, lam, v, offset) for a in x])
    low = [i for i in range(1, 700) if e[i] <= e[i - 1] and e[i] < e[i + 1]]
    assert len(low) == 2
    top = low[0] + int(np.argmax(e[low[0] : low[1] + 1]))

    def refined(i: int, sign: float) -> float:
        found = minimize_scalar(
            lambda a: sign * surface(a, lam, v, offset),
            bounds=(x[i - 1], x[i + 1]),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return sign * float(found.fun)

    return refined(low[0], 1), refined(top, -1), refined(low[1], 1)


@pytest.mark.parametrize("dH", [0.2, -0.2, 0.05, -0.25])
def test_barrier_agrees_with_the_two_state_hamiltonian(dH: float) -> None:
    """Offset by root finding on the diagonalised Hamiltonian: an independent way to the same number."""
    lam, v = 1.0, 0.2

    def miss(offset: float) -> float:
        left, _, right = stationary(lam, v, offset)
        return right - left - dH

    offset = brentq(miss, dH / 0.99, dH / 0.87, xtol=1e-10)
    left, top, _ = stationary(lam, v, offset)
    assert barrier(marcus(lam=lam, v=v), dH) == pytest.approx(top - left, abs=1e-8)
    # an offset of dH itself is not it: the minima then differ by about dH (1 - 2V²/lambda²)
    left, _, right = stationary(lam, v, dH)
    assert right - left == pytest.approx(dH * (1 - 2 * v**2 / lam**2), rel=0.02)
    assert abs(right - left - dH) > 0.07 * abs(dH)


def count_minima(lam: float, v: float, offset: float) -> int:
    x = np.linspace(-0.3, 1.3, 40_001)
    e = (lam * x**2 + lam * (1 - x) ** 2 + offset) / 2 - np.hypot(
        (lam * x**2 - lam * (1 - x) ** 2 - offset) / 2, v
    )
    return int(((e[1:-1] < e[:-2]) & (e[1:-1] < e[2:])).sum())


def test_two_minima_end_where_the_formula_says() -> None:
    lam, v = 1.0, 0.2
    most, offset, _ = edge(lam, v)
    assert offset == pytest.approx((lam ** (2 / 3) - (2 * v) ** (2 / 3)) ** 1.5, rel=1e-14)
    assert count_minima(lam, v, 0.999 * offset) == 2
    assert count_minima(lam, v, 1.001 * offset) == 1
    assert count_minima(lam, 0.4999, 0) == 2
    assert count_minima(lam, 0.5001, 0) == 1
    left, _, right = stationary(lam, v, 0.99 * offset)
    assert right - left < most < right - left + 0.01 * offset
    rule = marcus()
    below, above = np.nextafter(most, 0), np.nextafter(most, 1)
    energy, clamped = rule.activation_energy([below, most, above, -below, -most, -above])
    assert clamped.tolist() == [False, True, True, False, True, True]
    np.testing.assert_allclose(energy, [most, most, most, 0, 0, 0], atol=1e-12)


def test_one_minimum_means_no_barrier_of_its_own() -> None:
    energy, clamped = marcus(v=0.5).activation_energy([-0.3, 0.0, 0.3])
    assert energy.tolist() == [0.0, 0.0, 0.3]
    assert clamped.all()
    assert "not self-trapped" in marcus(v=0.6).remarks(0.0)[0]
    assert marcus().remarks([0.1, -0.2]) == ()
    assert "on 2 hops" in marcus().remarks([0.1, -0.5, 0.3])[0]


def test_the_approximation_in_the_inverted_region() -> None:
    rule = marcus(MarcusAdiabaticApproximate)
    energy, clamped = rule.activation_energy([-1.0, -3.0, 3.0, 0.9])
    np.testing.assert_allclose(energy, [0.0, 0.8, 3.8, 0.9], atol=1e-12)
    assert clamped.tolist() == [True, False, False, True]
    assert "inverted region" in rule.remarks(-3.0)[0]
    assert rule.remarks(-0.9) == ()


def test_golden_rule() -> None:
    lam, v, dH = 0.8, 1e-3, -0.1
    k = 2 * np.pi / HBAR * v**2 / np.sqrt(4 * np.pi * lam * KT) * np.exp(-((lam + dH) ** 2) / (4 * lam * KT))
    found = marcus(MarcusNonadiabatic, lam, v).log_rate([dH], temperature=298)
    assert math.exp(found[0]) == pytest.approx(k, rel=1e-12)


def test_kinetically_resolved_barrier() -> None:
    rule = KineticallyResolved(barrier=0.3)
    energy, clamped = rule.activation_energy(
        [0.1, -0.1, 0.1, 0.8, -0.8], [0, 0, 0.04, 0, 0], [0, 0, 0.02, 0, 0]
    )
    np.testing.assert_allclose(energy, [0.35, 0.25, 0.33, 0.8, 0.0], atol=1e-15)
    assert clamped.tolist() == [False, False, False, True, True]
    assert "on 2 hops" in rule.remarks([0.1, 0.8, -0.8])[0]


def test_fixed_barriers_are_the_clamp_of_the_catalog_bit_for_bit() -> None:
    rng = np.random.default_rng(4)
    w = rng.normal(0, 0.6, 200)
    w_s = w * rng.random(200)
    rule = Fixed(barrier=0.37, reverse_barrier=0.21)
    for one, dE in ((rule, 0.37 - 0.21), (rule.reversed(), 0.21 - 0.37)):
        found = one.activation_energy(np.full(200, dE), w, w_s)
        first, second = (np.full(200, b) for b in (one.barrier, one.reverse_barrier))
        energy, clamped = effective_barrier(first, second, w_s, w)
        assert found.energy.tobytes() == energy.tobytes()
        assert (found.clamped == clamped).all()
        assert 0 < clamped.sum() < 200
    with pytest.raises(RateError, match="kra"):
        rule.activation_energy([0.16, 0.1])


# ---------------------------------------------------------------------- detailed balance, for each rule

ENERGY = st.floats(-5, 5)
LAMBDA = st.floats(0.01, 10)
RELATIVE_COUPLING = st.floats(-6, 0).map(lambda x: 10**x)


def obeys_detailed_balance(
    rule: BarrierRule, dE: float, w: float, w_s: float, kelvin: float, **kw: Any
) -> None:
    ahead = rule.log_rate([dE], [w], [w_s], temperature=kelvin, **kw)
    back_w_s = w_s - w if rule.takes_saddle_dipole else 0.0
    back = rule.reversed().log_rate([-dE], [-w], [back_w_s], temperature=kelvin, **kw)
    expected = -(dE - w) / (K_B * kelvin)
    assert ahead[0] - back[0] == pytest.approx(expected, rel=1e-12, abs=1e-13 / (K_B * kelvin))
    assert rule.activation_energy([dE], [w], [w_s]).energy[0] >= max(dE - w, 0) - 1e-13


@pytest.mark.parametrize(
    "cls", [MarcusAdiabatic, MarcusAdiabaticApproximate, MarcusNonadiabatic, LandauZener]
)
@settings(max_examples=60, deadline=None)
@given(LAMBDA, RELATIVE_COUPLING, ENERGY, ENERGY, st.floats(50, 2000))
def test_marcus_rules_obey_detailed_balance(
    cls: Any, lam: float, ratio: float, dE: float, w: float, kelvin: float
) -> None:
    more = {"phonon_frequency": 1e13} if cls is LandauZener else {}
    rule = marcus(cls, lam, lam * ratio, **more)
    frequency = {} if rule.own_prefactor else {"attempt_frequency": 1e13}
    obeys_detailed_balance(rule, dE, w, 0.0, kelvin, **frequency)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 3), st.floats(0, 3), ENERGY, ENERGY, st.floats(0, 1), st.floats(50, 2000))
def test_linear_rules_obey_detailed_balance(
    e: float, back: float, dE: float, w: float, share: float, kelvin: float
) -> None:
    obeys_detailed_balance(KineticallyResolved(barrier=e), dE, w, share * w, kelvin, attempt_frequency=6e12)
    fixed = Fixed(barrier=e, reverse_barrier=back)
    obeys_detailed_balance(fixed, e - back, w, share * w, kelvin, attempt_frequency=6e12)


# ------------------------------------------------------------------------------- scalar and array forms

RULES: list[BarrierRule] = [
    Fixed(barrier=0.4, reverse_barrier=0.1),
    KineticallyResolved(barrier=0.3),
    KineticallyResolved(barrier=0.0),
    *(
        marcus(cls, lam, v)
        for cls in (MarcusAdiabatic, MarcusAdiabaticApproximate, MarcusNonadiabatic)
        for lam, v in ((1.0, 0.2), (3.6, 0.865), (0.7, 1e-9), (1.0, 0.5 - 1e-12), (1.0, 0.5), (0.2, 3.0))
    ),
    zener(),
    marcus(MarcusAdiabaticApproximate, 1.0, 0.0),
    MillerAbrahams(localization_length=2.0, distance=3.0),
]


def cases(rule: BarrierRule) -> Iterator[tuple[float, float, float]]:
    """dE, W, W_S: ordinary ones and those where the formula changes."""
    special = [0.0, -0.0, 1e-300, 1e-9, 0.1, 0.6, 3.0, 40.0]
    if isinstance(rule, MarcusAdiabatic):
        most = rule.scalar_parameters()[2]
        special += [most, np.nextafter(most, 0), np.nextafter(most, 9), most * (1 - 1e-9), most * 0.7]
    if isinstance(rule, MarcusNonadiabatic | MarcusAdiabatic | MarcusAdiabaticApproximate):
        lam = rule.reorganisation_energy
        special += [lam, np.nextafter(lam, 0), 2 * lam]
    differences = [s * x for x in special for s in (1, -1)]
    if rule.given_difference is not None:
        differences = [rule.given_difference]
    for dE in differences:
        for w in (0.0, 0.3, -0.3, 5.0, -5.0):
            for share in (0.0, 0.5, 1.0) if rule.takes_saddle_dipole else (0.0,):
                yield dE, w, share * w


@pytest.fixture(scope="module")
def compiled() -> Callable[[BarrierRule], Any]:
    import numba

    known: dict[Any, Any] = {}

    def get(rule: BarrierRule) -> Any:
        function = rule.scalar
        if function not in known:
            known[function] = numba.njit(error_model="numpy")(function)
        return known[function]

    return get


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_scalar_array_and_compiled_forms_agree(
    rule: BarrierRule, compiled: Callable[[BarrierRule], Any]
) -> None:
    given = np.array(list(cases(rule)))
    energy, clamped = rule.activation_energy(*given.T)
    p = rule.scalar_parameters()
    jitted = compiled(rule)
    for (dE, w, w_s), e, c in zip(given.tolist(), energy, clamped, strict=True):
        plain, fast = rule.scalar(dE, w, w_s, p), jitted(dE, w, w_s, np.array(p))
        scale = 1 + abs(dE) + abs(w)
        assert plain[0] == pytest.approx(e, abs=1e-15 * scale, rel=4e-16)
        assert fast[0] == pytest.approx(e, abs=1e-15 * scale, rel=4e-16)
        assert plain[1] == fast[1] == c
        assert e >= 0


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_every_rule_passes_its_check(rule: BarrierRule) -> None:
    check_rule(rule)


def test_shapes_are_kept() -> None:
    for rule in RULES:
        dE = np.full((2, 3), rule.given_difference or 0.0)
        assert rule.activation_energy(dE).energy.shape == (2, 3)
        assert rule.activation_energy(dE, 0.1).clamped.shape == (2, 3)
        assert np.shape(rule.activation_energy(dE[0, 0]).energy) == ()


# ------------------------------------------------------------------------------------ negative controls


class OffsetIsDifference(MarcusAdiabatic):
    """Takes the diabatic offset as dH: the mistake that the exact rule avoids."""

    def activation_energy(
        self, energy_difference: Any, work: Any = 0.0, saddle_work: Any = 0.0
    ) -> Activation:
        dH = np.asarray(energy_difference, float) - np.asarray(work, float)
        return Activation(np.array([self._one(h) for h in dH.ravel()]), np.zeros(dH.shape, bool))

    def _one(self, offset: float) -> float:
        left, top, _ = stationary(self.reorganisation_energy, self.electronic_coupling, offset)
        return top - left


class ForgetsTheReverseDipole(KineticallyResolved):
    """Uses p_S - p_i for the reverse hop too."""

    def activation_energy(
        self, energy_difference: Any, work: Any = 0.0, saddle_work: Any = 0.0
    ) -> Activation:
        e = self.barrier + 0.5 * np.asarray(energy_difference, float) - np.abs(saddle_work)
        return Activation(e, np.zeros(e.shape, bool))


class OtherScalar(KineticallyResolved):
    @staticmethod
    def scalar(energy_difference: float, work: float, saddle_work: float, p: Any) -> tuple[float, bool]:
        energy, clamped = KineticallyResolved.scalar(energy_difference, work, saddle_work, p)
        return energy + 1e-9, clamped


class UnequalPrefactors(MarcusNonadiabatic):
    def reversed(self) -> BarrierRule:
        return marcus(MarcusNonadiabatic, self.reorganisation_energy, 1.01 * self.electronic_coupling)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (marcus(OffsetIsDifference), "detailed balance"),
        (ForgetsTheReverseDipole(barrier=2.0), "detailed balance"),
        (OtherScalar(barrier=0.3), "scalar form"),
        (marcus(UnequalPrefactors), "prefactor"),
    ],
)
def test_wrong_rules_are_caught(rule: BarrierRule, what: str) -> None:
    with pytest.raises(RateError, match=what):
        check_rule(rule, energy_difference=[-0.2, 0.1, 0.2], work=[-0.05, 0.0, 0.05])


def test_subtracting_the_clamp_of_one_side_only_is_caught() -> None:
    """A clamp at 0 alone, without dH, breaks the balance of a hop uphill."""

    class ClampAtZero(KineticallyResolved):
        def activation_energy(
            self, energy_difference: Any, work: Any = 0.0, saddle_work: Any = 0.0
        ) -> Activation:
            e = self.barrier + 0.5 * np.asarray(energy_difference) - np.asarray(saddle_work)
            return Activation(np.maximum(e, 0.0), e < 0)

    with pytest.raises(RateError, match="below max"):
        check_rule(ClampAtZero(barrier=0.1))


def test_a_false_claim_to_be_monotonic_is_caught() -> None:
    class Claims(MarcusNonadiabatic):
        monotonic = True

    rule = marcus(MarcusNonadiabatic)
    check_rule(rule)
    with pytest.raises(RateError, match="monotonic"):
        check_rule(Claims(**rule.values))


# ----------------------------------------------------------------------------- Landau-Zener, regime, lambda


def test_landau_zener_bridges_the_two_limits() -> None:
    dH = np.array([-0.3, 0.0, 0.3])
    for v, slack in ((1e-5, 1e-3), (1e-6, 1e-4)):
        weak = zener(v=v).log_rate(dH, temperature=298)
        golden = marcus(MarcusNonadiabatic, v=v).log_rate(dH, temperature=298)
        np.testing.assert_allclose(weak, golden, atol=slack)
    strong = zener(v=0.3).log_rate(dH, temperature=298)
    adiabatic = marcus(v=0.3).log_rate(dH, temperature=298, attempt_frequency=1e13)
    np.testing.assert_allclose(strong, adiabatic, atol=1e-12)
    # and between them it is neither
    middle = zener(v=0.02).log_rate([0.0], temperature=298)[0]
    assert middle < marcus(v=0.02).log_rate([0.0], temperature=298, attempt_frequency=1e13)[0] - 0.1
    assert abs(middle - marcus(MarcusNonadiabatic, v=0.02).log_rate([0.0], temperature=298)[0]) > 0.1


def test_transmission() -> None:
    exponent = np.pi**1.5 * 0.02**2 / (H * 1e13 * np.sqrt(1.0 * KT))
    p = 1 - np.exp(-exponent)
    assert float(zener(v=0.02).prefactor(298)) == pytest.approx(1e13 * 2 * p / (1 + p), rel=1e-12)
    found = regime(0.02, 1.0, 1e13, 298)
    assert (found.probability, found.transmission) == pytest.approx((p, 2 * p / (1 + p)), rel=1e-12)


def test_regime_of_namn3o7() -> None:
    """Lei & Abate: V_AB = dE_12/2 = 1.73/2 eV, adiabatic; lambda is derived and says so."""
    v = mulliken_hush(1.73)
    lam = derive_reorganisation_energy(0.242, v)
    assert lam.value == pytest.approx(3.60, abs=0.005)
    assert "derived" in str(lam)
    assert derive_reorganisation_energy(0.242, v, exact=False).value == pytest.approx(4.43, abs=0.005)
    found = regime(0.87, derive_reorganisation_energy(0.242, 0.87), 6.12e12, 298)
    assert found.name == "adiabatic"
    assert found.probability > 0.999999
    assert "derived" in found.derived + str(found)
    assert "derived" not in str(regime(0.87, 3.6, 6.12e12, 298))


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1.5), st.floats(1e-6, 1.5))
def test_derived_lambda_gives_the_barrier_back(b: float, v: float) -> None:
    exact = derive_reorganisation_energy(b, v).value
    assert barrier(marcus(lam=exact, v=v), 0) == pytest.approx(b, rel=1e-9, abs=1e-14)
    lam = derive_reorganisation_energy(b, v, exact=False).value
    assert barrier(marcus(MarcusAdiabaticApproximate, lam, v), 0) == pytest.approx(b, rel=1e-9, abs=1e-14)


def test_lambda_cannot_be_derived_from_nonsense() -> None:
    for b, v in ((-0.1, 0.2), (0.1, -0.2), (0.0, 0.0), (np.nan, 0.1)):
        with pytest.raises(InputError, match="reorganisation energy"):
            derive_reorganisation_energy(b, v)


@pytest.mark.parametrize(
    ("v", "name", "good", "bad"),
    [
        (0.2, "adiabatic", [marcus(), zener(), Fixed(barrier=1, reverse_barrier=1)], [MarcusNonadiabatic]),
        (1e-3, "non-adiabatic", [MarcusNonadiabatic, LandauZener], [MarcusAdiabatic, Fixed]),
        (
            0.03,
            "between",
            [LandauZener],
            [MarcusAdiabaticApproximate, MarcusNonadiabatic, KineticallyResolved],
        ),
    ],
)
def test_a_rule_against_its_regime_is_noted(v: float, name: str, good: list[Any], bad: list[Any]) -> None:
    found = regime(v, 1.0, 1e13, 298)
    assert found.name == name
    assert [contradiction(r, found) for r in good] == [""] * len(good)
    for r in bad:
        assert r.name in contradiction(r, found)
        assert "landau_zener" in contradiction(r, found)


def test_regime_refuses_nonsense() -> None:
    with pytest.raises(InputError) as caught:
        regime(0.1, -1.0, 0.0, np.inf)
    assert {p.key for p in caught.value.problems} == {
        "reorganisation_energy", "phonon_frequency", "temperature",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------ from the input


def test_rules_from_an_input() -> None:
    rule = make_rule("marcus_adiabatic", {"lambda": "1000 meV", "V_AB": 0.2})
    assert rule == marcus()
    assert make_rule("marcus_adiabatic", {"lambda": 1, "dE_12": "0.4 eV"}) == rule
    assert make_rule("marcus_adiabatic", {"reorganisation_energy": 1, "electronic_coupling": 0.2}) == rule
    assert make_rule("landau_zener", {"lambda": 1, "V_AB": 0.2, "phonon_frequency": "10 THz"}) == zener()
    assert make_rule("kra", {"E_kra": "0.3 eV"}) == KineticallyResolved(barrier=0.3)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        (
            "marcus_adiabatc",
            {},
            ["no rule 'marcus_adiabatc'", "kra, landau_zener", "mean 'marcus_adiabatic'"],
        ),
        ("kra", {"E_kar": 0.3}, ["hops[0].rule.E_kar", "mean 'E_kra'", "needs the kinetically resolved"]),
        ("kra", {"E_kra": "300 K"}, ["unit of temperature"]),
        ("kra", {"E_kra": 300}, ["outside the allowed range", ">= 0 and <= 50 eV", "check the unit"]),
        ("kra", {"E_kra": "0.3 ± 0.1 eV"}, ["uncertainty is not used"]),
        ("marcus_adiabatic", {"lambda": 1}, ["needs the electronic coupling", "or dE_12"]),
        ("marcus_adiabatic", {"lambda": 1, "V_AB": 0.2, "dE_12": 0.4}, ["both say the electronic coupling"]),
        ("marcus_adiabatic", {"lambda": 1, "dE_12": -1}, ["rule.dE_12", ">= 2e-09 and <= 20 eV"]),
        ("landau_zener", {"lambda": 1, "V_AB": 0.2, "phonon_frequency": 6.12}, [">= 1e+09 and <= 1e+15 Hz"]),
        ("fixed", {"barrier": math.nan, "reverse_barrier": True}, ["finite number", "not true/false"]),
    ],
)
def test_wrong_inputs_are_explained(name: str, given: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        make_rule(name, given, "hops[0].rule")
    for word in words:
        assert word in str(caught.value)
    assert all(p.key.startswith("hops[0].rule") for p in caught.value.problems)


def test_wrong_numbers_in_python_are_explained() -> None:
    with pytest.raises(InputError) as caught:
        MarcusAdiabatic(reorganisation_energy=-1.0, coupling=0.1)
    assert [p.key for p in caught.value.problems] == [
        "coupling",
        "reorganisation_energy",
        "electronic_coupling",
    ]


def test_rules_are_frozen_values() -> None:
    rule = zener()
    with pytest.raises(AttributeError, match="cannot be changed"):
        rule.electronic_coupling = 0.3  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(rule)) == rule == copy.deepcopy(rule)
    assert hash(rule) == hash(zener())
    assert rule != zener(v=0.21)
    assert rule != marcus()
    assert repr(marcus()) == "MarcusAdiabatic(reorganisation_energy=1.0, electronic_coupling=0.2)"


def test_every_rule_documents_itself() -> None:
    for name in BUILT_IN:
        cls = get_rule(name)
        assert cls.formula
        assert cls.references
        assert cls.__doc__
        for p in rule_parameters(name):
            assert p.meaning
            assert p.source
            assert p.allowed() != "any finite number"
            assert p.unit in ("eV", "Hz")


def test_what_a_rule_refuses_beside_it() -> None:
    for rule in (marcus(MarcusNonadiabatic), zener()):
        with pytest.raises(InputError, match="remove the attempt frequency"):
            rule.log_rate([0.0], temperature=300, attempt_frequency=1e12)
        with pytest.raises(InputError, match=r"hops\[1\]\.attempt_frequency"):
            rule.check_companions(attempt_frequency=1e12, key="hops[1]")
    with pytest.raises(InputError, match="or give it as phonon_frequency"):
        zener().check_companions(attempt_frequency=1e12)
    for rule in (marcus(), marcus(MarcusAdiabaticApproximate), marcus(MarcusNonadiabatic), zener()):
        with pytest.raises(InputError, match="dH alone"):
            rule.check_companions(saddle_dipole=0.4)
        with pytest.raises(InputError, match="dH alone"):
            rule.activation_energy([0.0], [0.1], [0.05])
        rule.check_companions()
    marcus().check_companions(attempt_frequency=1e12)
    KineticallyResolved(barrier=0.3).check_companions(attempt_frequency=1e12, saddle_dipole=0.4)
    with pytest.raises(InputError, match="needs an attempt frequency"):
        marcus().log_rate([0.0], temperature=300)


# ------------------------------------------------------------------------------------- one's own rules


def flat(name: object, base: type = BarrierRule, **body: Any) -> type:
    """Class of a rule with a constant barrier, complete unless ``body`` says otherwise."""
    full: dict[str, Any] = {
        "name": name,
        "formula": "E = E0",
        "references": ("nobody (2000)",),
        "level": parameter("energy", at_least=0, meaning="the level", source="nobody (2000)"),
        "activation_energy": lambda self, dE, w=0, s=0: Activation(
            np.full(np.shape(dE), self.level), dE < -9
        ),
        "scalar": staticmethod(lambda dE, w, s, p: (p[0], False)),
    }
    return type("Flat", (base,), {k: v for k, v in {**full, **body}.items() if v is not None})


def test_a_rule_is_registered() -> None:
    cls = register_rule(flat("flat"))
    assert get_rule("flat") is cls
    assert "flat" in rule_names()
    assert make_rule("flat", {"level": "100 meV"}).level == pytest.approx(0.1)  # type: ignore[attr-defined]
    assert register_rule(cls) is cls  # the same class again is no clash


@pytest.mark.parametrize(
    ("cls", "what"),
    [
        (flat("Not Good"), "lower-case"),
        (flat(None), "lower-case"),
        (flat("flat", scalar=None), "lacks scalar"),
        (flat("flat", scalar=lambda dE, w, s, p: (0.0, False)), "staticmethod"),
        (flat("flat", activation_energy=None), "lacks activation_energy"),
        (flat("flat", formula=None), "lacks its formula"),
        (flat("flat", references=()), "lacks its references"),
        (flat("flat", other=parameter("energy", key="level", meaning="x", source="y")), "the key level"),
        (type("Nothing", (), {"name": "nothing"}), "not derived from BarrierRule"),
    ],
)
def test_incomplete_rules_are_refused(cls: Any, what: str) -> None:
    with pytest.raises(InputError, match=what):
        register_rule(cls)
    assert set(registry._REGISTERED) == BUILT_IN


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"two rules are called 'fixed'.*linear\.Fixed"):
        register_rule(flat("fixed"))
    assert get_rule("fixed") is Fixed


def test_a_parameter_of_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="none of energy"):
        parameter("viscosity", meaning="x", source="y")


MODULE = '''
from collections.abc import Sequence
import numpy as np
from kmc_transport.rules import Activation, BarrierRule, parameter

class Metropolis(BarrierRule):
    """Uphill moves wait, downhill moves do not."""
    name = "their_metropolis"
    formula = "E = max(dH, 0)"
    references = ("Metropolis et al., J. Chem. Phys. 21, 1087 (1953), doi:10.1063/1.1699114",)
    takes_saddle_dipole = False
    extra = parameter("energy", at_least=0, at_most=1, default=0.0, meaning="a barrier on top", source="here")

    def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0):
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        return Activation(np.maximum(dH, 0.0) + self.extra, np.zeros(dH.shape, bool))

    @staticmethod
    def scalar(energy_difference, work, saddle_work, p):
        return max(energy_difference - work, 0.0) + p[0], False
'''


def install(folder: Path, package: str, code: str, entries: dict[str, str], where: str = "") -> None:
    """What pip leaves behind: a module and its dist-info."""
    folder.mkdir(exist_ok=True)
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-1.0{where}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[kmc_transport.rules]", *lines, ""]))


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[module]


def test_a_rule_of_another_package(packages: Path) -> None:
    install(packages, "their_rules", MODULE, {"their_metropolis": "their_rules:Metropolis"})
    assert "their_metropolis" in rule_names()
    assert "their_rules" not in sys.modules  # seen, not imported
    rule = make_rule("their_metropolis", {"extra": "0.1 eV"})
    assert "their_rules" in sys.modules
    check_rule(rule)
    np.testing.assert_allclose(rule.activation_energy([-1.0, 1.0]).energy, [0.1, 1.1])
    with pytest.raises(InputError, match="mean 'their_metropolis'"):
        get_rule("their_metropolys")
    assert get_rule("their_metropolis") is type(rule)
    assert rule_names().count("their_metropolis") == 1  # registered now, and still offered


def test_a_module_that_registers_itself(packages: Path) -> None:
    code = MODULE + "\nfrom kmc_transport.rules import register_rule\nregister_rule(Metropolis)\n"
    install(packages, "their_rules", code, {"their_metropolis": "their_rules:Metropolis"})
    assert get_rule("their_metropolis") is get_rule("their_metropolis")


def test_one_package_seen_twice_is_one(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in "ab":
        install(packages / i, "their_rules", MODULE, {"their_metropolis": "their_rules:Metropolis"})
        monkeypatch.syspath_prepend(packages / i)
    check_rule(make_rule("their_metropolis", {}))


@pytest.mark.parametrize(
    ("entries", "code", "ask", "what"),
    [
        ({"fixed": "their_rules:Metropolis"}, MODULE, "other", "two rules are called 'fixed'"),
        ({"theirs": "their_rules:Metropolis"}, MODULE, "theirs", "calls itself 'their_metropolis'"),
        ({"theirs": "their_rules:Nothing"}, MODULE, "theirs", "cannot be imported.*Nothing"),
        ({"theirs": "their_rules:Metropolis"}, "1 / 0", "theirs", "package their_rules.*division by zero"),
        ({"theirs": "their_rules:name"}, "class name: name = 'theirs'", "theirs", "not derived from"),
    ],
)
def test_faulty_packages_are_named(
    packages: Path, entries: dict[str, str], code: str, ask: str, what: str
) -> None:
    install(packages, "their_rules", code, entries)
    with pytest.raises(InputError, match=what):
        get_rule(ask)
    assert get_rule("fixed") is Fixed


def test_two_packages_with_one_name_are_refused(packages: Path) -> None:
    for package in ("their_rules", "my_rules"):
        install(packages, package, MODULE, {"their_metropolis": f"{package}:Metropolis"})
    with pytest.raises(InputError, match=r"two rules are called.*their_rules") as caught:
        get_rule("their_metropolis")
    assert "package my_rules" in str(caught.value)
    with pytest.raises(InputError, match="two rules are called"):
        rule_names()


def test_the_compiler_and_other_packages_stay_out(tmp_path: Path) -> None:
    install(tmp_path, "their_rules", MODULE, {"their_metropolis": "their_rules:Metropolis"})
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from kmc_transport.rules import make_rule, rule_names\n"
        "make_rule('kra', {'E_kra': 1})\n"
        "assert 'their_metropolis' in rule_names()\n"
        "heavy = {'numba', 'scipy', 'pint', 'pymatgen', 'xarray', 'their_rules'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "make_rule('their_metropolis', {})\nassert 'their_rules' in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=root)
