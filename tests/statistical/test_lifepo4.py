"""LixFePO4 as shipped: what polarons and Li do to each other, at fixed seeds, in short versions of inputs/lifepo4."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.analysis.coupling.binding import Binding
from kmc_transport.analysis.observables import Observable, coordinates_of, kind_of
from kmc_transport.engine import Replica
from kmc_transport.exact import solve_exact
from kmc_transport.exact.ensemble import stationary_law
from kmc_transport.exact.states import enumerate_states
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.records import Estimate
from kmc_transport.units import K_B
from tests.reference.coupling import distances

INPUTS = Path(__file__).parents[2] / "inputs" / "lifepo4"

pytestmark = pytest.mark.statistical


@cache
def shipped(name: str, *settings: str) -> Model:
    return load_model_text(with_settings((INPUTS / name).read_text(encoding="utf-8"), list(settings)))


def simulated(catalog: RateCatalog, hops: int, *names: str, seed: int = 1) -> dict[str, Estimate]:
    """Estimates of observables over about so many hops in 64 windows, after a third as many."""
    r = Replica(catalog, seed=np.random.SeedSequence(seed), algorithm="rejection_free", levels=0)
    r.reset(sample_interval=1 / catalog.rate.max())
    while r.executed < hops / 4:
        r.advance(8)
    r.reset()
    while r.executed_since_reset < hops / 12:
        r.advance(8)
    r.reset(sample_interval=r.time / r.executed_since_reset * hops / 64)
    found: list[Observable] = [kind_of(name)(catalog) for name in names]
    r.advance(64, on_hops=lambda chunk: [o.add(chunk) for o in found])
    return {key: value for o in found for key, value in o.result().items()}


@pytest.fixture(scope="module")
def solution() -> dict[float, dict[str, Estimate]]:
    """x = 0.5, Li moving."""
    model = shipped("solid_solution.yaml")
    return {
        t: simulated(build_catalog(model, temperature=t), hops, "hop_rates", "flip_pairs", "environments")
        for t, hops in ((300.0, 100_000), (1000.0, 30_000))
    }


def test_polarons_are_quicker_and_the_gap_closes(solution: dict[float, dict[str, Estimate]]) -> None:
    ratio = {}
    for t, found in solution.items():
        li, polaron = found["hop_rate"].value[0, 0], found["flip_rate"].value[1, 1]
        ratio[t] = polaron / li
    assert ratio[300.0] == pytest.approx(30, rel=0.15)
    assert ratio[1000.0] == pytest.approx(4.8, rel=0.08)
    energy = np.log(solution[1000.0]["flip_rate"].value[1, 1] / solution[300.0]["flip_rate"].value[1, 1]) / (
        1 / (K_B * 300) - 1 / (K_B * 1000)
    )
    assert energy == pytest.approx(0.224, abs=0.004)  # 0.175 eV and what binding adds


def test_opposite_and_same_flips(solution: dict[float, dict[str, Estimate]]) -> None:
    """First Fe-Fe shell at 300 K; the windows end at 0, 1, 3, 10, 30, 100, 300 ps."""
    with_it, without = (solution[300.0][n] for n in ("flip_pair_ratio_from_zero", "flip_pair_ratio"))
    polaron, shell = (1, 1), 1
    assert with_it.value[*polaron, 2, shell] == pytest.approx(4.9, abs=0.3)
    assert with_it.value[*polaron, 5, shell] == pytest.approx(1.09, abs=0.03)
    assert without.value[*polaron, 1, shell] == pytest.approx(0.23, abs=0.03)
    assert (np.diff(with_it.value[*polaron, 1:6, shell]) < 0).all()
    hot = solution[1000.0]["flip_pair_ratio"]
    assert abs(hot.value[*polaron, 3, shell] - 1) < 4 * hot.stderr[*polaron, 3, shell] + 0.01


def test_one_pair_is_exact() -> None:
    """D of both and between them, bound fraction: against the master equation of all relative places."""
    for cell, temperature, correlation in (
        ([4, 4, 4], 600.0, 0.506),
        ([2, 3, 3], 300.0, None),
        ([2, 3, 3], 1000.0, None),
    ):
        model = shipped("pair.yaml", f"supercell={cell}", "analysis.binding[0].reach=5")
        catalog = build_catalog(model, temperature=temperature)
        exact = solve_exact(catalog).collective_diffusivity[:, 1, :, 1]
        if correlation is not None:
            assert exact[0, 1] / np.sqrt(exact[0, 0] * exact[1, 1]) == pytest.approx(correlation, abs=2e-3)
            continue
        space = enumerate_states(model, (1, 1), 0, model.supercell, 2000)
        law, rows = stationary_law(space, catalog), space.configurations()
        li, polaron = (rows == 1).argmax(axis=1), (rows == 2).argmax(axis=1)
        bound = law @ (distances(model)[li, polaron] < model.analysis.binding[0].contact)

        r = Replica(catalog, seed=np.random.SeedSequence(2), algorithm="rejection_free", levels=5)
        r.reset(sample_interval=20 / r.total_rate())
        r.advance(2**8)
        r.reset()
        found = Binding(catalog)
        r.advance(2**12, on_hops=found.add)
        share = found.result()["bound_fraction"]
        assert (np.abs(share.value[0] - bound) < 4 * share.stderr[0]).all()
        t = r.tallies
        blocks = t.collective[:, -1][:, :, 1, :, 1] / (2 * t.lag(t.levels))  # one block a row
        error = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))
        assert (np.abs(blocks.mean(axis=0) - exact) < 4 * error).all()


def test_li_orderings() -> None:
    """Flips per Fe and ps at 600 K, Li still: a is slow (the Li-Fe-Li clamp), b fast, disorder between."""
    salts = (f"carriers.Li.arrangement.random.salt={k}" for k in (1, 2, 3))
    models = [shipped("ordering_a.yaml"), shipped("ordering_b.yaml")]
    models += [shipped("ordering_random.yaml", salt) for salt in salts]
    found = [
        simulated(build_catalog(m, temperature=600.0), 24_000, "hop_rates", "environments") for m in models
    ]
    a, b, *disordered = (f["flip_rate"].value[0, 0] * 1e-12 for f in found)
    assert a == pytest.approx(0.070, rel=0.08)
    assert b == pytest.approx(0.370, rel=0.08)
    assert np.mean(disordered) == pytest.approx(0.226, rel=0.08)
    assert a < min(disordered) < max(disordered) < b
    # half of the Fe are clamped in a, none in b
    labels = coordinates_of(["environments"], models[0])["environment"].tolist()
    clamped, open_ = labels.index("polaron: 2+0+0 Li"), labels.index("polaron: 0+2+2 Li")
    assert found[0]["environment_share"].value[[clamped, open_]] == pytest.approx([0.5, 0.5])
    assert found[1]["environment_share"].value[labels.index("polaron: 1+1+1 Li")] == pytest.approx(1.0)


@pytest.fixture(scope="module")
def solid() -> float:
    """Flips per Fe and s in the solid solution with hops to 5.6 Å, 300 K."""
    model = shipped("solid_solution.yaml", "hops[1].distance=[3.8, 5.6]", "supercell=[3, 4, 4]")
    return float(
        simulated(build_catalog(model, temperature=300.0), 16_000, "hop_rates")["flip_rate"].value[1, 1]
    )


def test_the_order_of_orderings_is_a_window() -> None:
    """At a permittivity of 10 and 300 K, 3,000 K in all, polarons of b crystallise; at 6,000 K (above) they do not."""
    models = [shipped("ordering_b.yaml"), shipped("ordering_random.yaml")]
    b, disordered = (
        simulated(build_catalog(m, temperature=300.0), 16_000, "hop_rates")["flip_rate"] for m in models
    )
    # 1.41e-3 and 2.6e-3 per Fe and ps in long runs
    assert b.value[0, 0] < 0.7 * disordered.value[0, 0]
    assert b.value[0, 0] * 1e-12 == pytest.approx(1.41e-3, rel=0.15)
    # energies over kT are those of a permittivity of 20 at half the temperature, and so is the order
    colder = [shipped(f"ordering_{x}.yaml", "interactions.coulomb.permittivity=20") for x in ("a", "b")]
    hot = [shipped(f"ordering_{x}.yaml") for x in ("a", "b")]
    ratio = [
        np.divide(
            *(
                simulated(build_catalog(m, temperature=t), 8_000, "hop_rates")["flip_rate"].value[0, 0]
                for m in pair
            )
        )
        for pair, t in ((colder, 300.0), (hot, 600.0))
    ]
    assert ratio[0] == pytest.approx(ratio[1], rel=0.12)


@pytest.mark.parametrize(("x", "ratios"), [(0.25, (14.0, 4.0, 2.4)), (0.75, (41.0, 12.0, 7.3))])
def test_other_compositions(x: float, ratios: tuple[float, float, float]) -> None:
    """Flips per Fe for each hop of a Li, at 300, 600 and 1000 K; figures of a trial with another program."""
    model = shipped(
        "solid_solution.yaml",
        f"carriers.Li.fraction={x}",
        f"carriers.polaron.fraction={x}",
        "initial.annealed.sweeps=300",
    )
    for t, hops, expected, error in zip(
        (300.0, 600.0, 1000.0), (50_000, 16_000, 16_000), ratios, (0.15, 0.12, 0.1), strict=True
    ):
        found = simulated(build_catalog(model, temperature=t), hops, "hop_rates")
        ratio = found["flip_rate"].value[1, 1] / found["hop_rate"].value[0, 0]
        assert ratio == pytest.approx(expected, rel=error), t


@pytest.mark.parametrize(
    ("name", "settings", "near", "ratio", "wider"),
    [
        # the two planes next to each border, and with those behind them, which two layers a cell would count as one
        ("boundary_a.yaml", ["supercell=[8, 3, 3]"], 1, 2.07, 1.55),
        ("boundary_a.yaml", ["supercell=[8, 3, 3]", "initial.two_phase={normal: a}"], 1, 0.019, None),
        # the one half-filled layer, and with the quiet one beside it
        ("boundary_b.yaml", ["supercell=[4, 8, 4]"], 0, 1.03, 0.52),
        ("boundary_c.yaml", ["supercell=[4, 4, 10]"], 1, 0.137, None),
        ("boundary_c.yaml", ["supercell=[4, 4, 10]", "initial.two_phase={normal: c}"], 1, 1.40, None),
    ],
)
def test_boundary(
    name: str, settings: list[str], near: int, ratio: float, wider: float | None, solid: float
) -> None:
    """Li still: flips stay at the two borders, which are found; how often depends on the cut and on what is counted."""
    model = shipped(name, *settings)
    found = simulated(build_catalog(model, temperature=300.0), 10_000, "profile")
    rate, occupation = found["layer_flip_rate"].value[0], found["layer_occupation"].value[0]
    n, fastest = len(rate), np.sort(rate)[::-1]
    ours = fastest[: 2 * (near + 1)].mean() / solid
    assert ours == pytest.approx(ratio, rel=0.1)
    if wider is not None:
        profile = found["interface_flip_rate"].value[0].mean() / solid
        assert fastest[: 4 * (near + 1)].mean() / solid == pytest.approx(wider, rel=0.1)
        assert profile == pytest.approx(ratio if near else wider, rel=0.1)
    position = found["interface_position"].value[0] * 1e10
    height = model.structure.lattice[model.analysis.profile.axis, model.analysis.profile.axis]
    step = height / model.analysis.profile.layers
    assert abs(np.diff(position)[0] - n * step / 2) < step
    away = np.array([min(abs((k + 0.5 - x / step + n / 2) % n - n / 2) for x in position) for k in range(n)])
    far = away * step > 8.0  # Å from both
    assert far.sum() >= n // 5
    assert rate[far].sum() < 0.02 * rate.sum()
    inside = occupation[far]
    assert ((inside > 0.95) | (inside < 0.05)).all()


def test_the_boundary_broadens_where_li_moves(solution: dict[float, dict[str, Estimate]]) -> None:
    """At its middle a site flips as often as in the solid solution; within the phases seldom, as long as they last."""
    model = shipped("boundary_b_moving.yaml", "supercell=[4, 12, 4]")
    catalog = build_catalog(model, temperature=300.0)
    early, late = (simulated(catalog, hops, "profile") for hops in (8_000, 90_000))
    reference = solution[300.0]["flip_rate"].value[1, 1]
    first, then = (np.sort(found["layer_flip_rate"].value[1]) / reference for found in (early, late))
    assert then[-4:].mean() == pytest.approx(1.0, abs=0.08)
    assert first[:6].max() < 0.04 < then[:6].max()
    assert 2 < (first > 0.3).sum() < 0.8 * (then > 0.3).sum()
