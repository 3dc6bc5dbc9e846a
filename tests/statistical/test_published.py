"""Published systems (docs/published): the shipped inputs against the published numbers and exact answers."""

from __future__ import annotations

from math import comb, exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.runs.pipeline import run

pytestmark = pytest.mark.statistical

INPUTS = Path(__file__).parents[2] / "inputs" / "published"
KB = 8.617333262e-5
CM2 = 1e-16  # Å²


def text_of(name: str, **changes: str) -> str:
    """The shipped input, with top-level keys replaced or (empty) left out."""
    blocks: dict[str, str] = {}
    key = ""
    for line in (INPUTS / f"{name}.yaml").read_text(encoding="utf-8").splitlines(keepends=True):
        if line[:1].isalpha():
            key = line.partition(":")[0]
        blocks[key] = blocks.get(key, "") + line
    assert set(changes) <= set(blocks)
    return "".join(changes.get(k, block) for k, block in blocks.items())


def axes_of(model: Model, temperature: float) -> np.ndarray:
    """(3,) exact diffusivities of one carrier, cm²/s."""
    solved = solve_exact(build_catalog(model, temperature=temperature), dilute=True)
    return np.diag(solved.collective_diffusivity[0, :, 0]) * CM2


# ------------------------------------------------------------------ garnet


def garnet(pairs: bool, site: float, ions: int, sampling: str) -> Any:
    kt = KB * 298
    changes = {
        "site_energies": f"site_energies: {{tet: 0, oct: {site * kt!r} eV}}\n",
        "carriers": f"carriers: {{lithium: {{charge: 1, sites: [tet, oct], count: {ions}}}}}\n",
        "sampling": f"sampling: {{{sampling}, seed: 1, observe: [occupation]}}\n",
    }
    return run(
        load_model_text(text_of("garnet_lattice_gas", **changes, **({} if pairs else {"interactions": ""})))
    )


def on_tetrahedral(data: Any, ions: int) -> tuple[float, float]:
    value, stderr = (ions * float(data[f"occupation{s}"].values.ravel()[0]) for s in ("", "_stderr"))
    return value, stderr


def exact_tetrahedral(ions: int, site: float) -> float:
    weights = {
        k: comb(192, k) * comb(384, ions - k) * exp(-site * (ions - k))
        for k in range(max(0, ions - 384), min(ions, 192) + 1)
    }
    return sum(k * w for k, w in weights.items()) / sum(weights.values())


@pytest.mark.parametrize(("site", "published", "bias"), [(2.0, 120.66, 0.05), (5.0, 169.55, 2.3)])
def test_occupations_of_the_garnet(site: float, published: float, bias: float) -> None:
    """Exact to a hundredth of an ion; the published ones lag behind the more, the higher the octahedral sites."""
    exact = exact_tetrahedral(192, site)
    value, stderr = on_tetrahedral(garnet(False, site, 192, "events: 1e6"), 192)
    assert stderr < 0.2
    assert abs(value - exact) < 4 * stderr
    assert abs(value - exact_tetrahedral(192, site + 0.3)) > 4 * stderr
    assert exact - bias < published < exact


def test_garnet_with_pair_energies_against_the_published_numbers() -> None:
    """E_nn = E_site = 2 kT, 192 ions: occupation, tracer and collective diffusivity."""
    data = garnet(True, 2.0, 192, "events: 2e6, target: collective_diffusivity")
    value, stderr = on_tetrahedral(data, 192)
    # 147.075 ± 0.021 is a long run; published is 146.61, after 5 jumps an ion from random sites
    assert abs(value - 147.075) < 4 * np.hypot(stderr, 0.021)
    d = {k: np.diag(data[f"{k}_diffusivity"].values.reshape(3, 3)).mean() for k in ("tracer", "collective")}
    assert 0.95 < d["tracer"] / 6.494e-8 < 1.0
    error = np.diag(data["collective_diffusivity_stderr"].values.reshape(3, 3)).mean()
    assert abs(d["collective"] - 9.867e-8) < 4 * np.hypot(error, 0.007 * 9.867e-8)
    # neighbours repel: without the pair energy 26 ions less sit on tetrahedral sites
    assert value - exact_tetrahedral(192, 2.0) > 25


def test_garnet_without_energies_is_uncorrelated_as_published() -> None:
    """Collective diffusivity of N carriers: that of one times (576 - N)/575; the published ones scatter by 0.7 %."""
    changes = {"interactions": "", "site_energies": "site_energies: {tet: 0, oct: 0}\n"}
    one = float(axes_of(load_model_text(text_of("garnet_lattice_gas", **changes)), 298).mean()) * 1e-4
    for ions, published in ((1, 6.352e-7), (192, 4.195e-7), (384, 2.108e-7), (512, 6.92e-8)):
        assert abs(published / (one * (576 - ions) / 575) - 1) < 3 * 0.0072


# ------------------------------------------------------------------ hematite


def test_hematite_against_the_stored_trajectory() -> None:
    model = load_model(INPUTS / "hematite_electron_polaron.yaml")
    catalog = build_catalog(model, temperature=300)
    kt = KB * 300
    in_layer, across = (1.85e13 * exp(-(lam / 4 - v) / kt) for lam, v in ((1.74533, 0.184), (1.88683, 0.028)))
    np.testing.assert_allclose(
        np.unique(np.round(catalog.rate / across, 6)), [1, round(in_layer / across, 6)]
    )
    # of 1.00010e-4 s: a Poisson number each
    hops, between = (3 * in_layer + across) * 1.00010262e-4, across * 1.00010262e-4
    assert abs(319_946 - hops) < 3 * hops**0.5
    assert abs(65 - between) < 3 * between**0.5
    x, y, z = axes_of(model, 300)
    assert abs(6.73e-7 - x) < 3 * 0.10e-7
    assert abs(6.78e-7 - y) < 3 * 0.10e-7
    assert abs(2.0e-10 - z) < 3 * 0.4e-10
    assert x == pytest.approx(y)
    # the layers are puckered: what stays bounded must not count, 0.6 Å per hop in the layers would give ten times more
    assert z < 0.2 * in_layer * 3 * 0.605**2 / 2 * CM2


def test_hematite_simulated() -> None:
    sampling = "sampling: {events: 8e6, seed: 5}\n"
    data = run(load_model_text(text_of("hematite_electron_polaron", sampling=sampling)))
    value, stderr, exact = (data[f"mobility_einstein{s}"].values.ravel() for s in ("", "_stderr", "_exact"))
    assert np.abs((value - exact) / stderr).max() < 4
    assert abs(stderr[0] / value[0]) < 0.1


def test_hematite_exact_adiabatic_barrier_is_higher() -> None:
    """(lambda - 2V)²/(4 lambda) lies V²/lambda above lambda/4 - V: D in the layers is smaller by exp of it."""
    text = text_of("hematite_electron_polaron")
    rough, right = (
        axes_of(load_model_text(t), 300)[0]
        for t in (text, text.replace("marcus_adiabatic_approximate", "marcus_adiabatic"))
    )
    assert rough / right == pytest.approx(exp(0.184**2 / 1.74533 / (KB * 300)), rel=1e-3)


# ------------------------------------------------------------------ BiVO4

AS_PRINTED = (
    ("N1", "N2", 0.231, 0.268), ("N1", "N4", 0.213, 0.296), ("N2", "N3", 0.236, 0.255), ("N2", "N6", 0.240, 0.260),
    ("N3", "N4", 0.243, 0.268), ("N3", "N5", 0.240, 0.260), ("N3", "N7", 0.250, 0.242), ("N6", "N7", 0.252, 0.243),
    ("N6", "N8", 0.254, 0.241),
)  # fmt: skip


def solved_directly(model: Model, barriers: dict[tuple[str, str], float], temperature: float) -> np.ndarray:
    """(3,) diffusivities of given barriers between labels, cm²/s: a plain linear solution, detailed balance or not."""
    network, labels = model.network, model.structure.labels
    n = len(labels)
    w, a, b = np.zeros((n, n)), np.zeros((n, n, 3)), np.zeros((n, 3, 3))
    for i, j, d in zip(network.origin, network.target, network.vector, strict=True):
        rate = 1e13 * exp(-barriers[labels[i], labels[j]] / (KB * temperature))
        w[j, i] += rate
        a[j, i] += rate * d
        b[i] += rate * np.outer(d, d)
    generator = w - np.diag(w.sum(0))
    law = np.linalg.lstsq(np.vstack([generator, np.ones(n)]), np.r_[np.zeros(n), 1], rcond=None)[0]
    spread = np.outer(law, np.ones(n))
    inverse = np.linalg.inv(generator + spread) - spread
    x = np.einsum("ia,ij,jkb,k->ab", a.sum(0), inverse, a, law)
    return np.diag(np.einsum("i,iab->ab", law, b) / 2 - x) * CM2


def test_bivo4_printed_and_reconciled() -> None:
    model = load_model(INPUTS / "bivo4_mo_electron_polaron.yaml")
    assert (model.structure.n_sites, model.network.n_hops) == (31, 120)  # as the source lists them
    printed = {}
    for start, end, forward, reverse in AS_PRINTED:
        printed[start, end], printed[end, start] = forward, reverse
    as_printed = solved_directly(model, printed, 300)
    np.testing.assert_allclose(as_printed, [3.170e-7, 3.170e-7, 8.847e-7], rtol=2e-4)
    reconciled = {}
    for c in model.hop_classes:
        start, end = c.name.removeprefix("electron_polaron:").partition("#")[0].split("-")
        assert c.barrier_forward is not None
        assert c.barrier_reverse is not None
        assert abs(c.barrier_forward - printed[start, end]) < 0.42e-3
        reconciled[start, end], reconciled[end, start] = c.barrier_forward, c.barrier_reverse
    loop = [("N1", "N2"), ("N2", "N3"), ("N3", "N4"), ("N4", "N1")]
    gains = (sum(table[i, j] - table[j, i] for i, j in loop) for table in (printed, reconciled))
    assert next(gains) == pytest.approx(0.002, abs=1e-12)
    assert next(gains) == pytest.approx(0, abs=1e-12)
    exact = axes_of(model, 300)
    np.testing.assert_allclose(exact, solved_directly(model, reconciled, 300), rtol=1e-9)
    assert (np.abs(exact / as_printed - 1) < 0.004).all()
    assert (np.abs(exact / as_printed - 1) > 0.001).all()


def test_bivo4_without_reconcile_is_refused_in_one_screen() -> None:
    """One problem for each of the five entries of the loop, not one for each of their classes; the remedy once."""
    with pytest.raises(InputError) as caught:
        load_model_text(text_of("bivo4_mo_electron_polaron", reconcile=""))
    problems = caught.value.problems
    assert len(problems) == 5
    assert "reconcile: {within: 0.42 meV}" in str(problems[0].remedy)
    assert not any("reconcile" in str(p.remedy) for p in problems[1:])


# ------------------------------------------------------------------ tungsten


def test_hydrogen_in_tungsten_is_the_quoted_law() -> None:
    """nu a²/12 exp(-E/kT), exactly; simulated over the whole range; neither mobility nor conductivity."""
    text = text_of("hydrogen_in_tungsten", sampling="sampling: {relative_error: 4 %, seed: 1}\n")
    model = load_model_text(text)
    for kelvin in (500.0, 1400.0, 2300.0):
        law = 8.45e-3 * exp(-0.440 / (KB * kelvin))
        np.testing.assert_allclose(axes_of(model, kelvin), law, rtol=1e-3)
        np.testing.assert_allclose(
            axes_of(model, kelvin), 1.012e14 * 3.165**2 / 12 * exp(-0.440 / (KB * kelvin)) * CM2, rtol=1e-6
        )
    data = run(model)
    for name in ("mobility", "mobility_einstein", "conductivity"):
        assert name not in data or not data[name].notnull().any()
    value, stderr, exact = (
        data[f"tracer_diffusivity{s}"].values.reshape(-1, 9)[:, 0] for s in ("", "_stderr", "_exact")
    )
    assert np.abs((value - exact) / stderr).max() < 4
    slope, offset = np.polyfit(1 / (KB * data["temperature"].values), np.log(value), 1, w=value / stderr)
    assert abs(-slope - 0.440) < 0.01
    assert abs(exp(offset) / 8.45e-7 - 1) < 0.1


# ------------------------------------------------------------------ doped ceria


@pytest.fixture(scope="module")
def ceria() -> Any:
    conditions = "conditions: {composition: {x: [0.02, 0.125, 0.5]}, temperature: [1000, 1600]}\n"
    sampling = "sampling: {target: charge_diffusivity, events: 4e5, seed: 1}\n"
    text = text_of(
        "yttrium_doped_ceria", supercell="supercell: [4, 4, 4]\n", conditions=conditions, sampling=sampling
    )
    return run(load_model_text(text)).isel(field=0, direction=0)


def conductivity(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """(composition, temperature) mean over the three axes, S/m, and its standard error."""
    value, stderr = (data[f"conductivity{s}"].values for s in ("", "_stderr"))
    axes = range(3)
    return value[..., axes, axes].mean(-1), np.sqrt(np.square(stderr[..., axes, axes]).sum(-1)) / 3


def test_conductivity_of_doped_ceria_has_a_maximum(ceria: Any) -> None:
    value, stderr = conductivity(ceria)
    low, middle, high = value[:, 0]
    error = stderr[:, 0]
    assert middle - low > 4 * np.hypot(error[0], error[1])
    assert middle - high > 4 * np.hypot(error[1], error[2])


def test_activation_energy_of_doped_ceria_rises_with_doping(ceria: Any) -> None:
    """ln(sigma T) between 1000 and 1600 K; in the pure crystal it would be the 0.52 eV of an edge of two Ce."""
    value, stderr = conductivity(ceria)
    span = (1 / 1000 - 1 / 1600) / KB
    energy = np.log(value[:, 1] * 1600 / (value[:, 0] * 1000)) / span
    error = np.sqrt(np.square(stderr / value).sum(1)) / span
    assert energy[0] - 0.52 > 4 * error[0]
    assert energy[1] - energy[0] > 2 * np.hypot(error[0], error[1])
    assert energy[2] - energy[1] > 2 * np.hypot(error[1], error[2])
    assert energy[2] - energy[0] > 4 * np.hypot(error[0], error[2])


def test_the_two_inputs_of_doped_ceria_differ_in_coulomb_energies_alone() -> None:
    """Neighbours have the energies of the source in both, neutral at each composition."""
    bare, charged = (
        load_model_text(text_of(name, initial="initial: random\n"))
        for name in ("yttrium_doped_ceria", "yttrium_doped_ceria_coulomb")
    )
    assert [c.name for c in bare.carriers] == [c.name for c in charged.carriers] == ["vacancy"]
    assert [c.name for c in bare.immobile] == [c.name for c in charged.immobile] == ["yttrium"]
    for model in (bare, charged):
        assert sum(c.charge * c.count for c in model.carriers + model.immobile) == 0
    unit = 14.399645 / 23
    energies = [np.unique(m.interactions.clusters.energy.round(9)) for m in (bare, charged)]
    assert energies[0] == pytest.approx([-0.27, 0.84])
    # Coulomb energy of two vacancies at 2.7055 Å, of vacancy and yttrium at 2.343 Å, plus what the input adds
    assert energies[1][0] + 4 * unit / 2.7055 == pytest.approx(0.84, abs=1e-3)
    assert energies[1][1] - 2 * unit / 2.343 == pytest.approx(-0.27, abs=1e-3)
