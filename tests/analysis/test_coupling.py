"""Binding, environments and profiles: against all configurations of a small cell, and what must be refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.analysis.coupling.binding import Binding
from kmc_transport.analysis.coupling.environments import Environments
from kmc_transport.analysis.coupling.interface import find_interfaces
from kmc_transport.analysis.coupling.lattice import occupants
from kmc_transport.analysis.coupling.partner import speed_up
from kmc_transport.analysis.coupling.profile import Profile
from kmc_transport.analysis.observables import Observable
from kmc_transport.engine import Replica
from kmc_transport.errors import InputError
from kmc_transport.model.analysis import Analysis, BindingSettings, EnvironmentSettings, ProfileSettings
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.records import HopChunk
from kmc_transport.units import K_B
from tests.analysis.test_flip_pairs import hops_of
from tests.reference.coupling import (
    Enumerated,
    by_environment,
    distances,
    enumerated,
    listed_binding,
    together,
)
from tests.reference.interacting_models import coulomb, with_interactions, with_rule
from tests.reference.networks import make_model


def ions_and_holes() -> Model:
    """Two ions, which prefer to hop along x, and one hole on a plane of its own; they attract each other."""
    along, across = (1, 0, 0), (0, 1, 0)
    model = make_model(
        [[3.0, 0, 0], [0, 4.0, 0], [0, 0, 15.0]],
        [[0, 0, 0], [0.3, 0.4, 0.1]],
        [[(0, 0, along, 1.0), (0, 0, across, 0.5)], [(1, 1, along, 3.0), (1, 1, across, 2.0)]],
        counts=(2, 1),
        charges=(1.0, -1.0),
        supercell=(3, 3, 1),
        periodic=(True, True, False),
        allowed=[[True, False], [False, True]],
    )
    model = with_rule(model, E_kra=0.1)
    model = with_interactions(model, coulomb=coulomb(model, 0.3))
    return replace(
        model,
        analysis=Analysis(
            binding=(BindingSettings((0, 1), 3.0, 9.0), BindingSettings((0, 0), 3.5, 9.0)),
            environments=(
                EnvironmentSettings(1, 0, ((1.0, 3.0), (3.0, 3.6)), False),
                EnvironmentSettings(0, 0, ((2.9, 3.1),), False),
            ),
            profile=ProfileSettings(1, 2),
        ),
    )


@pytest.fixture(scope="module")
def catalog() -> RateCatalog:
    return build_catalog(ions_and_holes(), temperature=300.0)


@pytest.fixture(scope="module")
def chain(catalog: RateCatalog) -> Enumerated:
    return enumerated(catalog)


@pytest.fixture(scope="module", params=["null_event", "rejection_free"])
def counted(request: pytest.FixtureRequest, catalog: RateCatalog) -> dict[str, Observable]:
    r = Replica(catalog, seed=np.random.SeedSequence(5), algorithm=request.param, levels=3)
    r.reset(sample_interval=60 / r.total_rate())
    r.advance(64)
    r.reset()
    found = {"binding": Binding(catalog), "environments": Environments(catalog), "profile": Profile(catalog)}
    r.advance(8 * 128, on_hops=lambda chunk: [o.add(chunk) for o in found.values()])
    return found


@pytest.mark.parametrize("pair", [0, 1])
def test_binding(counted: dict[str, Observable], catalog: RateCatalog, chain: Enumerated, pair: int) -> None:
    wanted = catalog.model.analysis.binding[pair]
    a, b = wanted.between
    exact, found = together(chain, a, b, wanted.contact), counted["binding"].result()
    at = np.unique(np.round(Binding.coordinates(catalog.model)["pair_distance"] * 1e10, 4))
    place = np.searchsorted(at, exact["distances"][exact["distances"] < wanted.reach])
    g = found["pair_correlation"]
    n = len(place)
    z = (g.value[pair, place] - exact["g"][:n]) / g.stderr[pair, place]
    assert np.abs(z).max() < 4
    species = [a, b] if a != b else [a]
    k = slice(len(species))
    for name, value in (
        ("bound_fraction", exact["bound"]),
        ("binding_free_energy", -K_B * 300.0 * np.log(exact["odds"])),
        ("bound_time", exact["stay"]),
    ):
        e = found[name]
        z = (e.value[pair, species] - value[k]) / e.stderr[pair, species]
        assert np.abs(z).max() < 4, (name, z)
    e = found["pair_lifetime"]
    assert abs(e.value[pair] - exact["lifetime"]) < 4 * e.stderr[pair]
    # a contact that reaches farther is another quantity
    other = together(chain, a, b, 3.6 if pair == 0 else 4.5)
    assert abs(e.value[pair] - other["lifetime"]) > 8 * e.stderr[pair]
    if a != b:
        assert np.isfinite(found["bound_fraction"].value[pair]).all()
    else:
        assert np.isnan(found["bound_fraction"].value[pair, 1])


def test_environments(counted: dict[str, Observable], catalog: RateCatalog, chain: Enumerated) -> None:
    found = counted["environments"].result()
    labels = Environments.coordinates(catalog.model)["environment"].tolist()
    names = [c.name for c in catalog.model.carriers]
    for wanted in catalog.model.analysis.environments:
        exact = by_environment(chain, wanted.carrier, wanted.by, list(wanted.shells))
        sites = sum(n for n, _ in exact.values())
        assert sites == pytest.approx(9)
        for numbers, (n, flips) in exact.items():
            label = f"{names[wanted.carrier]}: {'+'.join(map(str, numbers))} {names[wanted.by]}"
            k = labels.index(label)
            share, rate = found["environment_share"], found["environment_flip_rate"]
            assert abs(share.value[k] - n / sites) < 4 * share.stderr[k] + 1e-12, label
            assert abs(rate.value[k] - flips / n) < 4 * rate.stderr[k] + 1e-12, label
    known = found["environment_share"].value > 0
    assert known.sum() >= 6
    # environments matter: flips differ by far more than their errors
    rate = found["environment_flip_rate"]
    assert np.nanmax(rate.value[known]) > 2 * np.nanmin(rate.value[known])


def test_arrangements() -> None:
    """Two neighbours side by side or opposite: equal numbers, told apart by the distance between them."""
    model = make_model(
        np.eye(3) * 3.0, [[0, 0, 0]], [[(0, 0, (1, 0, 0), 1.0)]] * 2, counts=(3, 3), supercell=(4, 4, 4)
    )
    for arrangement, n in ((False, 7), (True, 10)):
        entry = EnvironmentSettings(0, 1, ((2.9, 3.1),), arrangement)
        labels = Environments.coordinates(replace(model, analysis=Analysis(environments=(entry,))))[
            "environment"
        ]
        # of six neighbours: two, three and four of them stand in two ways each
        assert len(labels) == n
        assert len(set(labels)) == n
    assert "c0: 2 c1 (4.24 Å apart)" in labels
    assert "c0: 2 c1 (6 Å apart)" in labels


def test_profile(counted: dict[str, Observable], catalog: RateCatalog, chain: Enumerated) -> None:
    found = counted["profile"].result()
    occupation, flips = found["layer_occupation"], found["layer_flip_rate"]
    # ions at y = 0, holes at 0.4: only the lower of the two layers of a cell holds sites
    assert np.isnan(occupation.value[:, 1::2]).all()
    cells = np.indices(catalog.model.supercell).reshape(3, -1).T[:, 1]
    layer = np.repeat(2 * cells, 2)
    flux = chain.law[chain.origin] * chain.rate
    for s in range(2):
        for k in (0, 2, 4):
            mine = layer == k
            exact = chain.law @ (chain.rows[:, mine] == s + 1).sum(axis=1) / 3
            assert abs(occupation.value[s, k] - exact) < 4 * occupation.stderr[s, k] + 1e-12
            here = (chain.species == s) * (1.0 * mine[chain.left] + mine[chain.reached])
            assert abs(flips.value[s, k] - flux @ here / 3) < 4 * flips.stderr[s, k]
    assert np.isnan(found["interface_width"].value).all()  # one phase


def test_interfaces_are_found() -> None:
    x = np.arange(80)
    for width, start in ((2.0, 0), (4.0, 13)):
        smooth = 0.05 + 0.9 / 2 * (np.tanh((x - 16) / width) - np.tanh((x - 56) / width))
        first, second = sorted(find_interfaces(np.roll(smooth, start)))
        ends = sorted(((16 + start) % 80, (56 + start) % 80))
        np.testing.assert_allclose([first.position, second.position], ends, atol=0.1)
        # tanh goes from 10 % to 90 % within 2.197 of its widths
        np.testing.assert_allclose([first.width, second.width], 2.197 * width, rtol=0.05)
        assert all(abs((n - first.position + 40) % 80 - 40) < 1.1 * width + 1 for n in first.layers)
    x = np.arange(40)
    sharp = np.where((x >= 10) & (x < 30), 1.0, 0.0)
    assert [one.layers for one in find_interfaces(sharp)] == [(9, 10), (29, 30)]
    assert find_interfaces(np.full(40, 0.5)) == []
    assert find_interfaces(0.5 + 0.05 * np.sin(x)) == []


def test_a_border_at_the_seam_of_the_cell() -> None:
    """It wanders across the seam from window to window: one border all the same, with a sound position and width."""
    model = make_model(
        [[3.0, 0, 0], [0, 8.0, 0], [0, 0, 8.0]],
        [[0, 0, 0]],
        [[(0, 0, (1, 0, 0), 1.0)]],
        counts=(10,),
        supercell=(20, 1, 1),
        periodic=(True, False, False),
    )
    profile = Profile(
        build_catalog(replace(model, analysis=Analysis(profile=ProfileSettings(0, 1))), temperature=300.0)
    )
    shift = np.random.default_rng(4).normal(0, 0.8, 64)
    shift -= shift.mean()
    x = (np.arange(20) - shift[:, None] + 10) % 20 - 10
    part = 0.5 + 0.45 * (np.tanh(x / 1.5) - np.tanh((x - 10) / 1.5) - np.tanh((x + 10) / 1.5))
    profile.tick_seconds = 1.0
    profile.sums = {
        "ticks": np.round(1e6 * part[:, None]).astype(np.int64),
        "flips": np.full((64, 1, 20), 1000),
        "time": np.full(64, 10**6),
    }
    found = profile.result()
    position = found["interface_position"].value[0] * 1e10
    ends = np.array([0.0, 10.0]) * 3.0 + 1.5  # middle of the first layer: 1.5 Å
    assert min(np.abs((position - e + 30) % 60 - 30).max() for e in (ends, ends[::-1])) < 0.3
    assert found["interface_position"].stderr[0] * 1e10 == pytest.approx(3 * shift.std() / 8, rel=0.2)
    assert (
        (found["interface_width"].value[0] * 1e10 > 8) & (found["interface_width"].value[0] * 1e10 < 14)
    ).all()


@pytest.mark.parametrize("pair", [0, 1])
def test_kernel_counts_as_the_list_does(catalog: RateCatalog, pair: int) -> None:
    model, wanted = catalog.model, catalog.model.analysis.binding[pair]
    r = Replica(catalog, seed=np.random.SeedSequence(9), algorithm="rejection_free", levels=3)
    r.reset(sample_interval=300 / r.total_rate())
    chunks: list[HopChunk] = []
    r.advance(1, on_hops=chunks.append)
    for chunk in chunks:
        observable = Binding(catalog)
        found = observable.count(chunk)
        species, left, reached, tick = hops_of(model, [chunk])
        start = occupants(model, chunk.sites)
        assert (start[chunk.sites] > 0).all()
        assert set(species) <= {0, 1}
        hops = list(zip(left, reached, tick - chunk.begin, strict=True))
        exact = listed_binding(model, start, hops, chunk.length, *wanted.between, wanted.contact)
        near = np.isin(exact["shells"], observable.pairs[pair].distance)
        np.testing.assert_array_equal(found[f"pairs_{pair}"], exact["pairs"][near])
        k = slice(1 if pair else 2)
        np.testing.assert_array_equal(found[f"bound_{pair}"][k], exact["bound"][k])
        np.testing.assert_array_equal(found[f"freed_{pair}"][k], exact["freed"][k])
        assert found[f"broken_{pair}"] == exact["broken"]
        assert exact["broken"] >= 5


def test_environments_as_the_list_does(catalog: RateCatalog) -> None:
    model = catalog.model
    r = Replica(catalog, seed=np.random.SeedSequence(9), algorithm="rejection_free", levels=3)
    r.reset(sample_interval=300 / r.total_rate())
    chunks: list[HopChunk] = []
    r.advance(1, on_hops=chunks.append)
    apart = distances(model)
    for chunk in chunks:
        observable = Environments(catalog)
        found, row, last = observable.count(chunk), occupants(model, chunk.sites), 0
        for k, (wanted, entry) in enumerate(
            zip(model.analysis.environments, observable.entries, strict=True)
        ):
            own = np.flatnonzero(np.tile(np.asarray(model.allowed_sites[wanted.carrier]), model.n_cells))
            masks = [(apart >= low) & (apart < high) & (apart > 0.1) for low, high in wanted.shells]

            def label(row: np.ndarray, i: int, wanted=wanted, masks=masks) -> str:  # type: ignore[no-untyped-def]
                names = [model.carriers[x].name for x in (wanted.carrier, wanted.by)]
                numbers = [str(int((row == wanted.by + 1)[m[i]].sum())) for m in masks]
                return f"{names[0]}: {'+'.join(numbers)} {names[1]}"

            ticks, flips = dict.fromkeys(entry.labels, 0), dict.fromkeys(entry.labels, 0)
            assert not any("apart" in x for x in entry.labels)
            now, last = row.copy(), 0
            for s, left, reached, tick in zip(*hops_of(model, [chunk]), strict=True):
                for i in own:
                    ticks[label(now, i)] += int(tick) - chunk.begin - last
                for i in (left, reached):
                    if s == wanted.carrier:
                        flips[label(now, i)] += 1
                now[left], now[reached], last = 0, s + 1, int(tick) - chunk.begin
            for i in own:
                ticks[label(now, i)] += chunk.length - last
            assert found[f"ticks_{k}"].tolist() == [ticks[x] for x in entry.labels]
            assert found[f"flips_{k}"].tolist() == [flips[x] for x in entry.labels]


def test_speed_up_by_a_partner() -> None:
    def run(d: float, relative: float, names: tuple[str, ...] = ("ion", "hole")) -> dict[str, np.ndarray]:
        tensor = np.zeros((1, 1, 1, len(names), 3, 3))
        tensor[..., -1, [0, 1], [0, 1]] = d, 2 * d
        return {
            "temperature": np.array([300.0]),
            "field": np.array([0.0]),
            "direction_vector": np.eye(3)[:1],
            "carrier": np.array(names),
            "tracer_diffusivity": tensor,
            "tracer_diffusivity_stderr": relative * tensor,
        }

    found = speed_up(run(3.0, 0.03), run(2.0, 0.04, ("hole",)), "hole")
    assert found.value.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(found.value[0, 0, 0], [1.5, 1.5, np.nan])
    np.testing.assert_allclose(found.stderr[0, 0, 0, 0], 1.5 * 0.05)
    with pytest.raises(InputError, match="no such mobile carrier"):
        speed_up(run(3.0, 0.03), run(2.0, 0.04, ("hole",)), "ion")
    with pytest.raises(InputError, match="temperature"):
        speed_up(run(3.0, 0.03), {**run(2.0, 0.04), "temperature": np.array([301.0])}, "hole")
