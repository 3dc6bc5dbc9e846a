"""Attempt frequencies: numbers, limits, what is left out, and the tie between barrier and zero-point energy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.sources import Spectrum, read_spectrum
from kmc_transport.sources.spectra.freeze import freeze_spectrum
from kmc_transport.sources.vibrations import (
    AttemptFrequency,
    ModePair,
    Modes,
    check_zero_point,
    convergence_table,
    eyring,
    koettgen,
    log_koettgen,
    prepare_pair,
    prepare_pairs,
    sub_mesh,
    vineyard,
    zero_point_difference,
)
from kmc_transport.units import K_B, H
from tests.sources.spectra import write_vacancy_hop

THZ = H * 1e12
T = 298.15


def modes(*frequencies: float, acoustic: bool = False) -> Spectrum:
    return read_spectrum(frequencies, acoustic=acoustic)


def three_modes() -> ModePair:
    return prepare_pair(modes(5, 8, 10), modes(6, 9))


def on_mesh(frequency: list[list[float]], mesh: tuple[int, int, int], **changes: object) -> Spectrum:
    """A spectrum on a full Gamma-centred mesh; one row for all points, or one for each."""
    n = np.array(mesh)
    q = np.stack(np.meshgrid(*map(np.arange, mesh), indexing="ij"), axis=-1).reshape(-1, 3) / n
    q = np.array(changes.pop("qpoint", q))
    rows = np.array(frequency) if len(frequency) > 1 else np.repeat(frequency, len(q), axis=0)
    keywords = {"qpoint": q, "weight": np.ones(len(q)), "mesh": mesh, "file": "made up", "source": "made up"}
    return freeze_spectrum(rows, **(keywords | changes))  # type: ignore[arg-type]


def crystal(mesh: tuple[int, int, int], *optical: float, reaction: float | None = None) -> Spectrum:
    """Three branches that are acoustic at Gamma and 1, 2, 3 THz elsewhere, then flat ones."""
    n = int(np.prod(mesh))
    own = () if reaction is None else (reaction,)
    rows = [[*own, 0.0, 1e-4, -2e-4, *optical], *([[*own, 1.0, 2.0, 3.0, *optical]] * (n - 1))]
    return on_mesh(rows, mesh) if n > 1 else on_mesh([rows[0]], mesh)


def wrong(call, match: str) -> InputError:
    with pytest.raises(InputError, match=match) as error:
        call()
    assert all(p.remedy for p in error.value.problems)
    return error.value


# ---- numbers


def test_three_modes_to_eight_digits() -> None:
    pair = three_modes()
    assert vineyard(pair) == pytest.approx(7.40740741e12, rel=5e-9)
    assert zero_point_difference(pair.initial, pair.saddle) == pytest.approx(-16.542671e-3, rel=5e-8)
    assert koettgen(pair, T) == pytest.approx(7.99387666e12, rel=5e-9)
    assert koettgen(pair, T, "approximate") == pytest.approx(4.19883131e12, rel=5e-9)
    assert eyring(298.0) == pytest.approx(6.209e12, rel=1e-4)


def test_a_lost_mode_is_a_factor_not_a_correction() -> None:
    pair = prepare_pair(modes(5, 10), modes(5))
    assert koettgen(pair, 298.0) / koettgen(pair, 298.0, "approximate") == pytest.approx(2.24, abs=5e-3)


frequencies = st.floats(0.05, 100.0)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]], list[float]]:
    n_q, n = draw(st.integers(1, 3)), draw(st.integers(1, 5))

    def table(n_modes: int) -> list[list[float]]:
        row = st.lists(frequencies, min_size=n_modes, max_size=n_modes)
        return draw(st.lists(row, min_size=n_q, max_size=n_q))

    weight = draw(st.lists(st.floats(0.1, 5), min_size=n_q, max_size=n_q))
    return table(n), table(n - 1), weight


def as_pair(start: list[list[float]], top: list[list[float]], weight: list[float]) -> ModePair:
    w = np.array(weight) / sum(weight)

    def side(table: list[list[float]]) -> Modes:
        nu = np.array(table, dtype=float).reshape(len(w), -1)
        flat = np.repeat(w, nu.shape[1])
        return Modes(nu.ravel(), flat, np.zeros(len(flat), dtype=bool), "made up")

    return ModePair(side(start), side(top), ())


@settings(max_examples=200, deadline=None)
@given(pairs(), st.floats(20.0, 3000.0))
def test_the_forms_differ_by_the_zero_point_energy(case, temperature: float) -> None:
    pair = as_pair(*case)
    kt = K_B * temperature
    ratio = log_koettgen(pair, temperature) - log_koettgen(pair, temperature, "approximate")
    zpe = zero_point_difference(pair.initial, pair.saddle)
    assert ratio == pytest.approx(-zpe / kt, rel=1e-9, abs=1e-9)
    # against the formulas as printed, one factor at a time
    start, top, weight = case
    for form, factor in (
        ("full", lambda x: 2 * math.sinh(x / 2)),
        ("approximate", lambda x: 1 - math.exp(-x)),
    ):
        if max(map(max, start)) * THZ / kt > 600:
            continue
        product = kt / H
        for row_i, row_s, w in zip(start, top, weight, strict=True):
            share = w / sum(weight)
            product *= math.prod(factor(THZ * nu / kt) ** share for nu in row_i)
            product /= math.prod(factor(THZ * nu / kt) ** share for nu in row_s)
        assert log_koettgen(pair, temperature, form) == pytest.approx(math.log(product), abs=1e-8)


@settings(max_examples=100, deadline=None)
@given(pairs())
def test_hot_is_vineyard_and_cold_is_eyring(case) -> None:
    pair = as_pair(*case)
    hot = 1e9  # x of 1e-6
    for form in ("full", "approximate"):
        assert koettgen(pair, hot, form) == pytest.approx(vineyard(pair, "mesh"), rel=1e-4)
    cold = 0.05 * THZ / K_B / 800
    assert koettgen(pair, cold, "approximate") == pytest.approx(eyring(cold), rel=1e-12)
    assert math.isfinite(log_koettgen(pair, cold))


def test_no_overflow_however_cold() -> None:
    pair = prepare_pair(modes(20, 30, 40), modes(1, 2))
    assert log_koettgen(pair, 1e-3) > 1e4
    wrong(lambda: koettgen(pair, 1e-3), "cannot be written as a number")
    assert koettgen(pair, 1e-3, "approximate") == pytest.approx(eyring(1e-3))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_bad_temperatures(temperature: float) -> None:
    wrong(lambda: koettgen(three_modes(), temperature), "temperature is not usable")
    for rule in (AttemptFrequency.constant(1e12), AttemptFrequency.eyring(frozen_at=300.0)):
        wrong(lambda r=rule: r.at(temperature), "temperature is not usable")  # type: ignore[misc]


# ---- what is left out


def test_acoustic_modes_and_reaction_mode_are_left_out_and_reported() -> None:
    pair = prepare_pair(crystal((2, 2, 2), 5, 8, 10), crystal((2, 2, 2), 6, 9, reaction=-4))
    assert pair.initial.count == pytest.approx(6 - 3 / 8)
    assert pair.initial.count - pair.saddle.count == pytest.approx(1)
    assert pair.initial.frequency.min() == pair.saddle.frequency.min() == 1.0
    # the acoustic branches are the same on both sides and cancel
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-12)
    assert vineyard(pair) == pytest.approx(vineyard(three_modes()), rel=1e-12)
    text = "\n".join(pair.log)
    assert text.count("three acoustic modes at Gamma left out") == 2
    assert "weight 1/8" in text
    assert "saddle: reaction mode left out, -4 to -4 THz (imaginary at every q-point)" in text


def test_the_order_of_the_modes_does_not_matter() -> None:
    a = prepare_pair(crystal((2, 1, 1), 5, 8, 10), crystal((2, 1, 1), 6, 9, reaction=-4))
    b = prepare_pair(crystal((2, 1, 1), 10, 5, 8), crystal((2, 1, 1), 9, 6, reaction=-4))
    assert koettgen(a, T) == pytest.approx(koettgen(b, T), rel=1e-14)


def test_unequal_gamma_weights_are_refused_with_both() -> None:
    error = wrong(
        lambda: prepare_pair(crystal((4, 4, 4), 5, 8, 10), crystal((2, 2, 2), 6, 9, reaction=-4)),
        "Gamma point has different weights",
    )
    assert "initial state 1/64, saddle 1/8" in str(error)
    assert "1.328 or 0.6719 modes in excess" in str(error)


def test_a_mesh_between_the_points_has_nothing_to_leave_out() -> None:
    shifted = {"qpoint": [[0.25, 0.25, 0.25]] * 1, "weight": [8.0]}
    start = on_mesh([[1, 2, 3, 5, 8, 10]], (2, 2, 2), **shifted)
    top = on_mesh([[-4, 1, 2, 3, 6, 9]], (2, 2, 2), **shifted)
    pair = prepare_pair(start, top)
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-12)
    wrong(lambda: vineyard(pair), "modes at Gamma")
    wrong(lambda: prepare_pair(start, crystal((2, 2, 2), 6, 9, reaction=-4)), "different weights")


def test_meshes_may_differ_where_gamma_does_not_matter() -> None:
    start = on_mesh([[1, 2, 3, 5, 8, 10]], (2, 2, 2), qpoint=[[0.25, 0.25, 0.25]], weight=[8.0])
    top = on_mesh([[-4, 1, 2, 3, 6, 9]], (4, 4, 4), qpoint=[[0.125, 0.125, 0.125]], weight=[64.0])
    pair = prepare_pair(start, top)
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-12)
    assert any("meshes differ, 2 x 2 x 2 and 4 x 4 x 4" in line for line in pair.log)


def test_other_atoms_other_cells_and_other_counts_are_refused() -> None:
    start, top = crystal((2, 2, 2), 5, 8, 10), crystal((2, 2, 2), 6, 9, reaction=-4)
    wrong(lambda: prepare_pair(replace(start, n_atoms=2), replace(top, n_atoms=3)), "same number of atoms")
    cells = np.eye(3) * 4, np.eye(3) * 4.1
    wrong(lambda: prepare_pair(replace(start, cell=cells[0]), replace(top, cell=cells[1])), "same cell")
    prepare_pair(replace(start, cell=cells[0]), replace(top, cell=cells[0] * 1.001))
    turned = prepare_pair(replace(start, cell=cells[0]), replace(top, cell=cells[0][::-1]))
    assert any("other vectors" in line for line in turned.log)
    wrong(lambda: prepare_pair(modes(5, 8, 10), modes(6), reaction_mode="lowest"), "exactly one mode more")
    wrong(lambda: prepare_pair(modes(5, 8, 10), modes(-4, 6, 9, 10)), "exactly one mode more")


def test_bad_gamma_modes_are_refused() -> None:
    stiff = on_mesh([[2, 3, 4, 5, 8, 10]], (1, 1, 1))
    wrong(lambda: prepare_pair(stiff, crystal((1, 1, 1), 6, 9, reaction=-4)), "no three acoustic modes")
    told = prepare_pair(stiff, on_mesh([[-6, 2, 3, 4, 6, 9]], (1, 1, 1)), acoustic_limit=5.0)
    assert told.initial.frequency.tolist() == [5, 8, 10]
    soft = on_mesh([[0.0, 0.01, -0.05, 0.08, 8, 10]], (1, 1, 1))
    close = prepare_pair(soft, on_mesh([[-4, 0.0, 0.01, 0.02, 6, 9]], (1, 1, 1)))
    assert any("0.08 THz, is nearly as low" in line for line in close.log)


def test_a_list_with_and_one_without_acoustic_modes() -> None:
    pair = prepare_pair(modes(0, 0, 0, 5, 8, 10, acoustic=True), modes(-4, 6, 9))
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-14)
    error = wrong(
        lambda: prepare_pair(modes(0, 0, 0, 5, 8, 10), modes(-4, 0, 0, 0, 6, 9)), "no partition function"
    )
    assert "acoustic: included" in str(error)


def test_a_minimum_as_saddle_needs_a_choice() -> None:
    """The localised polaron of Lei & Abate: no imaginary branch, one mode is dropped all the same."""
    start, top = crystal((2, 2, 2), 5, 8, 10), crystal((2, 2, 2), 4, 6, 9)
    error = wrong(lambda: prepare_pair(start, top), "no imaginary branch")
    assert "reaction_mode: lowest" in str(error)
    pair = prepare_pair(start, top, reaction_mode="lowest")
    # not one of the acoustic branches away from Gamma, though these are lower
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-12)
    assert "saddle: reaction mode left out, 4 to 4 THz (lowest that is not acoustic" in "\n".join(pair.log)
    plain = prepare_pair(modes(5, 8, 10), modes(4, 6, 9), reaction_mode="lowest")
    assert koettgen(plain, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-14)
    real = prepare_pair(start, crystal((2, 2, 2), 6, 9, reaction=-4), reaction_mode="lowest")
    assert koettgen(real, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-12)


def test_a_branch_that_is_imaginary_in_part_is_refused() -> None:
    part = on_mesh([[-4, 0, 0, 0, 6, 9], [0.5, 1, 2, 3, 6, 9]], (2, 1, 1))
    error = wrong(lambda: prepare_pair(crystal((2, 1, 1), 5, 8, 10), part), "no imaginary branch")
    assert "1 of 2 q-points" in str(error)
    pair = prepare_pair(crystal((2, 1, 1), 5, 8, 10), part, reaction_mode="lowest")
    assert koettgen(pair, T) == pytest.approx(
        koettgen(three_modes(), T), rel=1e-12
    )  # the same branch everywhere


def test_bad_choices() -> None:
    a, b = modes(5, 8, 10), modes(6, 9)
    wrong(lambda: prepare_pair(a, b, imaginary="ignore"), "no such policy")
    wrong(lambda: prepare_pair(a, b, imaginary="floor"), "needs a frequency")
    wrong(lambda: prepare_pair(a, b, floor=0.5), "has no meaning")
    wrong(lambda: prepare_pair(a, b, reaction_mode="highest"), "no such choice")
    wrong(lambda: koettgen(three_modes(), T, "half"), "no such form")
    wrong(lambda: vineyard(three_modes(), "all"), "no such choice")


# ---- a small imaginary mode


def soft_pair(n: int) -> tuple[Spectrum, Spectrum]:
    """Saddle with a spurious -0.24 THz at Gamma of a mesh of n points, where the initial state has 0.30 THz."""
    mesh = (n, 1, 1)
    start = on_mesh([[0.30, 5, 8, 10], *[[1.0, 5, 8, 10]] * (n - 1)], mesh, without_acoustic=True)
    top = on_mesh([[-4, -0.24, 6, 9], *[[-4, 1.0, 6, 9]] * (n - 1)], mesh, without_acoustic=True)
    return start, top


@pytest.mark.parametrize(("n", "one_sided"), [(1, 26.0), (8, 1.5), (64, 1.05)])
def test_what_a_small_imaginary_mode_does_under_each_policy(n: int, one_sided: float) -> None:
    start, top = soft_pair(n)
    clean = koettgen(three_modes(), 298.0, "approximate")
    x = THZ * np.array([0.30, 0.24, 0.5]) / (K_B * 298.0)
    g = np.log(-np.expm1(-x))

    with np.errstate(invalid="ignore"):
        assert np.isnan(np.log(1 - np.exp(x[1])))  # eq 7 as printed, with nu = -0.24 THz
    error = wrong(lambda: prepare_pair(start, top), "no partition function")
    assert "saddle: 1 mode (-0.24 THz at Gamma)" in str(error)

    def factor(policy: str, floor: float | None = None) -> tuple[float, str]:
        pair = prepare_pair(start, top, imaginary=policy, floor=floor)
        assert pair.initial.count - pair.saddle.count == pytest.approx(1)
        return koettgen(pair, 298.0, "approximate") / clean, "\n".join(pair.log)

    value, log = factor("pair-drop")
    assert value == pytest.approx(1.0, rel=1e-12)  # 0.30 THz went with it
    assert "saddle: pair-drop left out 1 modes (-0.24 THz)" in log
    assert "initial state: pair-drop left out 1 modes (0.3 THz)" in log
    value, log = factor("abs")
    assert value == pytest.approx(math.exp((g[0] - g[1]) / n), rel=1e-10)
    assert "taken by absolute value (-0.24 THz at Gamma)" in log
    value, log = factor("floor", 0.5)
    assert value == pytest.approx(1.0, rel=1e-12)  # both become 0.5 THz
    assert log.count("raised to the floor of 0.5 THz") == 2
    value, _ = factor("floor", 0.1)
    assert value == pytest.approx(
        math.exp((g[0] - math.log(-math.expm1(-THZ * 0.1 / (K_B * 298.0)))) / n), rel=1e-10
    )

    # dropped from the saddle alone: what these policies protect from
    assert math.exp(-g[1] / n) == pytest.approx(one_sided, rel=0.02)


def test_a_vanishing_mode_has_no_absolute_value() -> None:
    start, top = modes(1e-5, 5, 8, 10), modes(-4, 1e-5, 6, 9)
    wrong(lambda: prepare_pair(start, top), "no partition function")
    wrong(lambda: prepare_pair(start, top, imaginary="abs"), "vanishes")
    pair = prepare_pair(start, top, imaginary="pair-drop")
    assert koettgen(pair, T) == pytest.approx(koettgen(three_modes(), T), rel=1e-14)


def test_pair_drop_finds_the_same_point_in_another_order() -> None:
    """Third point of four soft in the saddle, given with -q and in reverse order."""
    rows = [[-0.1, 5, 8, 10] if i == 1 else [1 + i, 5, 8, 10] for i in range(4)]
    start = on_mesh([[1 + i, 5, 8, 10] for i in range(4)], (4, 1, 1), without_acoustic=True)
    top = on_mesh([[-4, r[0], 6, 9] for r in rows], (4, 1, 1), without_acoustic=True)
    assert top.qpoint is not None
    mixed = replace(
        top, frequency=top.frequency[::-1], weight=top.weight[::-1], qpoint=top.qpoint[::-1] - 1, gamma=3
    )
    expected = prepare_pair(start, top, imaginary="pair-drop")
    got = prepare_pair(start, mixed, imaginary="pair-drop")
    assert sorted(got.initial.frequency) == sorted(expected.initial.frequency)
    assert 2.0 not in got.initial.frequency
    assert got.saddle.frequency[got.saddle.at_gamma].tolist() == [1.0, 6.0, 9.0]
    half = on_mesh(
        [[-4, 1, 6, 9], [-4, -0.1, 6, 9], [-4, 1, 6, 9]],
        (4, 1, 1),
        qpoint=[[0, 0, 0], [-0.25, 0, 0], [0.5, 0, 0]],
        weight=[1, 2, 1],
        without_acoustic=True,
    )
    wrong(lambda: prepare_pair(start, half, imaginary="pair-drop"), "same q-points")
    start_half = replace(
        half, frequency=start.frequency[:3], qpoint=np.array([[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0]])
    )
    folded = prepare_pair(start_half, half, imaginary="pair-drop")
    assert 2.0 not in folded.initial.frequency


# ---- forward and reverse


def test_the_saddle_cancels_between_forward_and_reverse() -> None:
    start, final = crystal((2, 2, 2), 5, 8, 10), crystal((2, 2, 2), 4, 7, 12)
    ratios = []
    for saddle in (crystal((2, 2, 2), 6, 9, reaction=-4), crystal((2, 2, 2), 1.5, 14, reaction=-1)):
        rule = AttemptFrequency.koettgen(start, saddle, final)
        ahead, back = rule.at(T)
        ratios.append(ahead / back)
        swapped = AttemptFrequency.koettgen(final, saddle, start).at(T)
        assert (swapped[1], swapped[0]) == pytest.approx((ahead, back), rel=1e-13)
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-12)
    x = THZ / (2 * K_B * T) * np.array([[5, 8, 10], [4, 7, 12]])
    assert ratios[0] == pytest.approx(np.prod(np.sinh(x[0])) / np.prod(np.sinh(x[1])), rel=1e-12)


def test_round_a_loop_the_ratios_multiply_to_one() -> None:
    sites = [crystal((2, 1, 1), *f) for f in ((5, 8, 10), (4, 7, 12), (6, 6.5, 9))]
    total = 0.0
    for i, reaction in enumerate((-4.0, -2.0, -3.0)):
        saddle = crystal((2, 1, 1), 6 + i, 9, reaction=reaction)
        ahead, back = AttemptFrequency.koettgen(sites[i], saddle, sites[(i + 1) % 3]).log_at(T)
        total += ahead - back
    assert total == pytest.approx(0.0, abs=1e-12)


def test_pair_drop_treats_all_three_states_alike() -> None:
    start, top = soft_pair(8)
    final = replace(start, frequency=start.frequency * 1.1)
    forward, reverse = prepare_pairs(start, top, final, imaginary="pair-drop")
    assert forward.saddle is reverse.saddle
    assert forward.initial.count == reverse.initial.count
    wrong(
        lambda: prepare_pairs(modes(5, 8), modes(6), modes(5, 8, 9)), "final state must have exactly one mode"
    )


def test_without_a_final_state_both_ends_are_alike() -> None:
    rule = AttemptFrequency.koettgen(modes(5, 8, 10), modes(6, 9))
    assert rule.reverse is rule.forward
    assert rule.at(T)[0] == rule.at(T)[1] == pytest.approx(7.99387666e12, rel=5e-9)


# ---- rules


def test_rules_at_temperatures() -> None:
    a, b = modes(5, 8, 10), modes(6, 9)
    assert AttemptFrequency.constant(6.12e12).at(500.0) == (6.12e12, 6.12e12)
    assert AttemptFrequency.constant(1e12, 2e12).at(10.0) == (1e12, 2e12)
    assert AttemptFrequency.eyring().at(300.0)[0] == pytest.approx(eyring(300.0), rel=1e-14)
    assert AttemptFrequency.vineyard(a, b).at(77.0)[1] == pytest.approx(7.40740741e12, rel=5e-9)
    free = AttemptFrequency.koettgen(a, b, form="approximate")
    frozen = AttemptFrequency.koettgen(a, b, form="approximate", frozen_at=T)
    assert frozen.at(500.0) == frozen.at(20.0) == free.at(T)
    assert free.at(500.0) != free.at(T)
    assert AttemptFrequency.eyring(frozen_at=298.0).at(900.0)[0] == pytest.approx(eyring(298.0), rel=1e-14)
    flags = [r.depends_on_temperature for r in (AttemptFrequency.constant(1.0), free, frozen)]
    assert flags == [False, True, False]
    assert frozen.label == "Koettgen, approximate, frozen at 298.15 K"
    assert AttemptFrequency.constant(6.12e12).label == "constant 6.12e+12 Hz"
    assert AttemptFrequency.eyring().log == ()
    assert any("exp(-dZPE/kT)" in x for x in AttemptFrequency.koettgen(a, b, frozen_at=T).log)


def test_bad_rules() -> None:
    for call in (
        lambda: AttemptFrequency.constant(0.0),
        lambda: AttemptFrequency.constant(1e12, math.nan),
        lambda: AttemptFrequency(kind="constant"),
        lambda: AttemptFrequency(kind="koettgen"),
        lambda: AttemptFrequency(kind="guess"),
        lambda: AttemptFrequency.eyring(frozen_at=0.0),
        lambda: AttemptFrequency(kind="eyring", form="half"),
    ):
        with pytest.raises(InputError):
            call()


# ---- barrier and zero-point energy


@pytest.mark.parametrize(
    ("form", "zero_point", "match"),
    [
        ("full", "included", "counted twice"),
        ("full", "add", "counted twice"),
        ("full", "unknown", "needs to know"),
        ("approximate", "bare", "left out"),
        ("approximate", "unknown", "needs to know"),
    ],
)
def test_forms_and_barriers_that_do_not_belong_together(form: str, zero_point: str, match: str) -> None:
    error = wrong(lambda: check_zero_point("koettgen", zero_point, form=form, key="hops[0].barrier"), match)
    problem = error.problems[0]
    assert problem.key == "hops[0].barrier"
    assert " or " in problem.remedy  # both ways out
    assert "zero_point" in problem.remedy


def test_forms_and_barriers_that_belong_together() -> None:
    for form, zero_point, adds in (
        ("full", "bare", False),
        ("approximate", "included", False),
        ("approximate", "add", True),
    ):
        assert check_zero_point("koettgen", zero_point, form=form).add is adds
    for kind in ("constant", "eyring", "vineyard"):
        for zero_point in ("bare", "included", "unknown"):
            tie = check_zero_point(kind, zero_point)
            assert not tie.add
            assert bool(tie.note) is (kind == "vineyard" and zero_point == "included")
        wrong(lambda k=kind: check_zero_point(k, "add"), "adds the zero-point energy only")  # type: ignore[misc]
    with pytest.raises(InputError, match="no such choice"):
        check_zero_point("koettgen", "maybe")


@pytest.mark.parametrize("temperature", [50.0, 298.0, 1200.0])
def test_both_consistent_ways_give_the_same_rates(temperature: float) -> None:
    states = crystal((2, 1, 1), 5, 8, 10), crystal((2, 1, 1), 6, 9, reaction=-4), crystal((2, 1, 1), 4, 7, 12)
    kt = K_B * temperature
    logs = []
    for form, zero_point in (("full", "bare"), ("approximate", "add")):
        rule = AttemptFrequency.koettgen(*states, form=form)
        ahead, back = rule.barrier_correction(zero_point)
        nu = rule.log_at(temperature)
        logs.append((nu[0] - (0.5 + ahead) / kt, nu[1] - (0.4 + back) / kt))
    assert logs[0] == pytest.approx(logs[1], rel=1e-12)
    rule = AttemptFrequency.koettgen(*states, form="approximate")
    assert rule.barrier_correction("included") == (0.0, 0.0)
    assert rule.barrier_correction("add") == rule.zero_point()
    assert AttemptFrequency.eyring().barrier_correction("bare") == (0.0, 0.0)
    assert AttemptFrequency.eyring().zero_point() is None
    wrong(lambda: rule.barrier_correction("bare"), "left out")


# ---- convergence


def test_convergence_of_given_spectra() -> None:
    start, top = crystal((4, 4, 4), 5, 8, 10), crystal((4, 4, 4), 6, 9, reaction=-4)
    rows = convergence_table(start, top, T)
    assert [r.mesh for r in rows] == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
    assert rows[0].change is None
    for row in rows:  # flat branches: the mesh does not matter
        assert row.attempt_frequency == pytest.approx(7.99387666e12, rel=1e-8)
        assert row.zero_point_difference == pytest.approx(-16.542671e-3, rel=1e-7)
    assert rows[2].change == pytest.approx(0.0, abs=1e-12)
    wrong(lambda: convergence_table(start, top, T, meshes=[(3, 3, 3)]), "does not contain")
    wrong(lambda: convergence_table(modes(5, 8), modes(6), T), "no mesh is contained")
    wrong(lambda: sub_mesh(modes(5), (1, 1, 1)), "has no mesh")
    wrong(lambda: sub_mesh(start, (0, 1, 1)), "is not a mesh")


def test_a_part_of_a_mesh_keeps_its_points() -> None:
    n = 4
    frequency = np.arange(1.0, n**3 + 1)[:, None] * [1, 1.5]
    full = on_mesh(frequency.tolist(), (n, n, n), without_acoustic=True)
    part = sub_mesh(full, (2, 4, 1))
    assert part.qpoint is not None
    assert full.qpoint is not None
    expected = [i for i, q in enumerate(full.qpoint) if (q[0] * 2) % 1 == 0 and q[2] == 0]
    assert part.frequency.tolist() == full.frequency[expected].tolist()
    assert (part.mesh, part.gamma, part.weight.sum()) == ((2, 4, 1), 0, 1.0)
    # of a mesh reduced by cubic symmetry, a part that breaks it is refused
    reduced = freeze_spectrum(
        np.ones((4, 1)),
        file="f",
        source="s",
        qpoint=[[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5]],
        weight=[1, 3, 3, 1],
        mesh=(2, 2, 2),
    )
    assert sub_mesh(reduced, (1, 1, 1)).weight.tolist() == [1.0]
    wrong(lambda: sub_mesh(reduced, (2, 1, 1)), "does not contain")


# ---- a whole hop: vacancy in copper


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copper")
    barrier = write_vacancy_hop(folder)
    assert 0.6 < barrier < 0.9
    return folder


def test_a_vacancy_hop_from_forces_to_a_frequency(copper: Path) -> None:
    states = [read_spectrum(copper / f"{n}.yaml", mesh=(2, 2, 2)) for n in ("initial", "saddle")]
    assert (states[1].frequency < -1).sum() == 8  # the reaction branch, at each of the q-points
    pair = prepare_pair(*states)
    assert pair.initial.count == pytest.approx(93 - 3 / 8)
    assert 3e12 < vineyard(pair) < 7e12
    assert koettgen(pair, 3000.0) == pytest.approx(vineyard(pair, "mesh"), rel=2e-3)
    # Gamma alone, multiplied out by hand
    nu = [read_spectrum(copper / f"{n}.yaml", mesh=(1, 1, 1)).frequency[0] for n in ("initial", "saddle")]
    by_hand = math.exp(np.log(nu[0][3:]).sum() - np.log(nu[1][4:]).sum()) * 1e12
    assert vineyard(pair) == pytest.approx(by_hand, rel=1e-6)
    wrong(lambda: prepare_pair(states[1], states[0]), "no imaginary branch")  # the files mixed up


def test_convergence_computed_by_phonopy(copper: Path) -> None:
    def reader(name: str):
        return lambda mesh: read_spectrum(copper / f"{name}.yaml", mesh=mesh)

    rows = convergence_table(
        reader("initial"), reader("saddle"), 300.0, meshes=[(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    )
    changes = [abs(r.change) for r in rows if r.change is not None]
    assert changes[1] < 0.5 * changes[0] < 0.5
    whole = [read_spectrum(copper / f"{n}.yaml", mesh=(2, 2, 2)) for n in ("initial", "saddle")]
    parts = convergence_table(*whole, 300.0)
    for a, b in zip(parts, rows, strict=False):
        assert (a.mesh, a.attempt_frequency) == (b.mesh, pytest.approx(b.attempt_frequency, rel=1e-6))
