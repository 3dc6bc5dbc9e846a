"""Immobile species, and carriers that are held still, against configurations enumerated by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from kmc_transport.energies.configuration import ConfigurationEnergy, WholeEnergy
from kmc_transport.energies.supercell import list_configurations
from kmc_transport.energies.terms import QUANTUM, Charges
from kmc_transport.engine import Replica
from kmc_transport.engine.canonical.settle import settled
from kmc_transport.engine.interacting.coupling import couple
from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.rates import build_catalog
from kmc_transport.rates.balance import check_configurations, random_configuration
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.runs.grid import model_identity
from kmc_transport.runs.pipeline import run
from tests.input.model_inputs import hop

K_B = 8.617333262145179e-05  # eV/K
KELVIN = 700.0
KT = K_B * KELVIN
CELLS, LENGTH = 6, 3.0
DOPANTS = (0, 1, 3)
"""Cells whose second site holds a dopant."""
DOPED, PAIR, TRIPLE = -0.07, 0.04, 0.05
"""eV: carrier beside a dopant, two neighbouring carriers, these with a dopant between them."""
BARRIERS = (0.20, 0.26)
"""eV, without and with a dopant at the hop."""

RING = {
    "format": 1,
    "structure": {
        "lattice": {"a": LENGTH, "b": 10, "c": 10},
        "periodic": [True, False, False],
        "sites": {"A": [[0, 0, 0]], "M": [[0.5, 0.1, 0]]},
    },
    "supercell": [CELLS, 1, 1],
    "carriers": {
        "dopant": {  # first in the file, last in the model
            "charge": -1,
            "sites": ["M"],
            "count": len(DOPANTS),
            "immobile": True,
            "arrangement": {"given": [[i + 0.5, 0.1, 0] for i in DOPANTS]},
        },
        "vacancy": {"charge": 2, "sites": ["A"], "count": 2},
    },
    "hops": [
        {
            "carrier": "vacancy",
            "between": ["A", "A"],
            "distance": LENGTH,
            "barrier": {"rule": "kra", "E_kra": BARRIERS[0]},
            "attempt_frequency": 1e13,
            "surroundings": {
                "count": [{"carrier": "dopant", "distance": 1.1}],
                "table": [{"counts": [n], "E_kra": e} for n, e in enumerate(BARRIERS)],
            },
        }
    ],
    "interactions": {
        "pairs": [
            {"between": ["vacancy", "dopant"], "shell": 1, "energy": DOPED},
            {"between": ["vacancy", "vacancy"], "shell": 1, "energy": PAIR},
        ],
        "clusters": [
            {
                "members": [
                    {"carrier": "vacancy", "position": [0, 0, 0]},
                    {"carrier": "dopant", "position": [0.5, 0.1, 0]},
                    {"carrier": "vacancy", "position": [1, 0, 0]},
                ],
                "energy": TRIPLE,
            }
        ],
    },
    "conditions": {"temperature": KELVIN},
    "sampling": {"events": 40_000, "seed": 5, "replicas": 2},
}


def loaded(document, **more):
    return load_model_text(json.dumps(document | more))


def by_hand(dopants, *, doped: float = DOPED) -> tuple[float, np.ndarray]:
    """Collective diffusivity of two carriers on the ring, Å²/s, and the share of time on each site.

    D = sum_s p_s (sum_j k_sj d_sj²/2 - b_s g_s)/N, b_s = sum_j k_sj d_sj the drift in state s, -L g = b: the memory
    of the hops, at detailed balance. Nothing of the package is used.
    """
    states = list(combinations(range(CELLS), 2))

    def energy(state) -> float:
        total = 0.0
        for i in state:
            total += doped * ((i in dopants) + ((i - 1) % CELLS in dopants))
            if (i + 1) % CELLS in state:
                total += PAIR + TRIPLE * (i in dopants)
        return total

    n = len(states)
    rate, drift, square = np.zeros((n, n)), np.zeros(n), np.zeros(n)
    for s, state in enumerate(states):
        for i in state:
            for step in (1, -1):
                j = (i + step) % CELLS
                if j in state:
                    continue
                after = tuple(sorted({*state} - {i} | {j}))
                between = i if step > 0 else j
                barrier = BARRIERS[between in dopants] + 0.5 * (energy(after) - energy(state))
                k = 1e13 * math.exp(-barrier / KT)
                rate[s, states.index(after)] += k
                drift[s] += k * step * LENGTH
                square[s] += k * LENGTH**2
    p = np.exp([-energy(s) / KT for s in states])
    p /= p.sum()
    generator = rate - np.diag(rate.sum(axis=1))
    response = np.linalg.lstsq(-generator, drift, rcond=None)[0]
    share = np.array([sum(x for x, s in zip(p, states, strict=True) if i in s) for i in range(CELLS)])
    return float(p @ (square / 2 - drift * response)) / 2, share / 2


def test_the_exact_solver_and_the_enumeration_by_hand_agree() -> None:
    model = loaded(RING)
    assert [c.name for c in model.carriers] == ["vacancy"]
    assert [c.name for c in model.immobile] == ["dopant"]
    exact = solve_exact(build_catalog(model, temperature=KELVIN))
    expected, _ = by_hand(DOPANTS)
    assert exact.collective_diffusivity[0, 0, 0, 0] == pytest.approx(expected, rel=1e-9)
    assert exact.n_states == math.comb(CELLS, 2)
    # a wrong place, or a dopant that nothing feels, is another answer
    assert by_hand((0, 1, 2))[0] != pytest.approx(expected, rel=1e-2)
    assert by_hand(DOPANTS, doped=0.0)[0] != pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free", "sum_tree"])
def test_simulations_find_it(algorithm: str) -> None:
    data = run(loaded(RING, sampling=RING["sampling"] | {"algorithm": algorithm}))
    assert data.sizes["carrier"] == 1
    assert data["carrier"].values.tolist() == ["vacancy"]
    here = data.isel(temperature=0, field=0, direction=0)
    value, stderr = (float(here[f"collective_diffusivity{s}"][0, 0, 0, 0]) for s in ("", "_stderr"))
    assert abs(value - by_hand(DOPANTS)[0] * 1e-20) < 4 * stderr
    assert stderr < 0.1 * value


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_time_on_each_site(algorithm: str) -> None:
    catalog = build_catalog(loaded(RING), temperature=KELVIN)
    replica = Replica(
        catalog, seed=np.random.SeedSequence(1), algorithm=algorithm, sample_interval=1e-10, levels=0
    )
    counts = np.zeros((40, CELLS))
    for block in counts:
        for _ in range(100):
            replica.advance(1)
            sites = replica.occupation()
            assert np.all(sites % 2 == 0)  # never on the dopants'
            block[sites // 2] += 1 / 200
    assert replica.check() == 0
    error = counts.std(axis=0, ddof=1) / math.sqrt(len(counts))
    np.testing.assert_array_less(np.abs(counts.mean(axis=0) - by_hand(DOPANTS)[1]), 4 * error)


def test_a_carrier_held_still_is_an_immobile_one() -> None:
    """freeze: [b] leaves the same model as a species without hops, and the answer enumerated by hand."""
    b = {
        "charge": -1,
        "sites": ["M"],
        "count": len(DOPANTS),
        "arrangement": RING["carriers"]["dopant"]["arrangement"],
    }
    entry = hop(
        ["M", "M"],
        carrier="dopant",
        distance=LENGTH,
        barrier={"rule": "kra", "E_kra": 0.1},
        attempt_frequency=1e12,
    )
    moving = RING | {"carriers": RING["carriers"] | {"dopant": b}, "hops": [*RING["hops"], entry]}
    free, held = loaded(moving), loaded(moving, freeze=["dopant"])
    assert [c.name for c in free.carriers] == ["dopant", "vacancy"]
    assert free.immobile == ()
    assert model_identity(held) == model_identity(loaded(RING))
    exact = solve_exact(build_catalog(held, temperature=KELVIN))
    assert exact.collective_diffusivity[0, 0, 0, 0] == pytest.approx(by_hand(DOPANTS)[0], rel=1e-9)
    both = solve_exact(build_catalog(free, temperature=KELVIN))
    assert both.collective_diffusivity[1, 0, 1, 0] != pytest.approx(by_hand(DOPANTS)[0], rel=1e-2)


def test_on_sites_of_carriers_it_blocks_them() -> None:
    """Beside the same sites blocked: every hop is the same, bit for bit."""
    structure = {"lattice": {"a": 3}, "spacegroup": "Pm-3m", "sites": {"A": [[0, 0, 0]]}}
    hop = {"carrier": "ion", "between": ["A", "A"], "distance": 3, "barrier": 0.3, "attempt_frequency": 1e13}
    taken = [[0, 0, 0], [1, 2, 0], [3, 3, 1], [2, 0, 3]]
    plain = RING | {"structure": structure, "supercell": [4, 4, 4], "hops": [hop], "interactions": None}
    ion = {"charge": 1, "sites": ["A"], "count": 9}
    stone = {"charge": 0, "sites": ["A"], "count": 4, "immobile": True, "arrangement": {"given": taken}}
    places = [{"position": x} for x in taken]
    runs = [
        run(loaded(plain | {"carriers": {"ion": ion, "stone": stone}})),
        run(loaded(plain | {"carriers": {"ion": ion}, "disorder": {"blocked": [{"places": places}]}})),
    ]
    for name in ("tracer_diffusivity", "mobility_einstein", "executed_hops", "tracer_diffusivity_stderr"):
        np.testing.assert_array_equal(*(d[name].values for d in runs), err_msg=name)


# ------------------------------------------------------------------------------------------- charges

SALT = {
    "format": 1,
    "structure": {
        "lattice": {"a": 4.0},
        "spacegroup": "Pm-3m",
        "sites": {"A": [[0, 0, 0]], "B": [[0.5, 0.5, 0.5]]},
    },
    "supercell": [3, 2, 2],
    "carriers": {
        "ion": {"charge": 1, "sites": ["A"], "count": 3},
        "dopant": {"charge": -1.5, "sites": ["B"], "count": 2, "immobile": True},
    },
    "hops": [hop(["A", "A"], carrier="ion", distance=4.0, barrier={"rule": "kra", "E_kra": 0.3})],
    "interactions": {"coulomb": {"method": "ewald", "permittivity": 12}},
    "conditions": {"temperature": 800},
    "sampling": {"events": 40_000, "seed": 2, "replicas": 2},
}


def test_immobile_charges_are_energies_of_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers of the engine, where dopants are energies of sites, beside sums over all pairs of charges."""
    model = loaded(SALT)
    judge, rng = ConfigurationEnergy(model), np.random.default_rng(3)
    rows = [random_configuration(model, rng) for _ in range(8)]
    assert all((row == 2).sum() == 2 for row in rows)
    expected = [judge.energy(row) for row in rows]
    np.testing.assert_allclose(
        [WholeEnergy(model).energy(row) * QUANTUM for row in rows], expected, atol=1e-10, rtol=0
    )
    np.testing.assert_allclose(judge.energies(np.array(rows)), expected, atol=1e-10, rtol=0)
    assert check_configurations(build_catalog(model, temperature=800), samples=40) > 0
    monkeypatch.setattr(Charges, "of_immobile", lambda self: None)  # forgotten: the test sees it
    off = [WholeEnergy(model).energy(row) * QUANTUM - e for row, e in zip(rows, expected, strict=True)]
    assert np.ptp(off) > 1e-3


def test_simulated_beside_charges_and_exact() -> None:
    here = run(loaded(SALT)).isel(temperature=0, field=0, direction=0, carrier=0)
    for axis in range(3):
        value, stderr, exact = (
            float(here[f"tracer_diffusivity{s}"][axis, axis]) for s in ("", "_stderr", "_exact")
        )
        assert abs(value - exact) < 4 * stderr


# ------------------------------------------------------------------------------------------- where they sit


def placed(arrangement, *, count=2, **more):
    dopant = SALT["carriers"]["dopant"] | {"count": count, "arrangement": arrangement}
    return loaded(SALT | {"carriers": SALT["carriers"] | {"dopant": dopant}} | more)


def test_random_places_are_a_function_of_site_and_salt() -> None:
    cell = {"supercell": [6, 6, 6], "interactions": None}

    def sites(salt: int, count: int) -> set[int]:
        model = placed({"random": {"salt": salt}}, count=count, **cell)
        assert np.array_equal(np.flatnonzero(model.background), model.arrangement[0].sites)
        return set(model.arrangement[0].sites.tolist())

    few, many = sites(7, 20), sites(7, 80)
    assert few < many  # more of them: the same sites and some others
    assert sites(7, 20) == few != sites(8, 20)
    assert all(s % 2 == 1 for s in many)
    # every site is as likely as any other
    often = np.zeros(432)
    for salt in range(40):
        often[list(sites(salt, 20))] += 1
    expected = 40 * 20 / 216
    chi2 = ((often[1::2] - expected) ** 2 / (expected * (1 - 20 / 216))).sum()
    assert abs(chi2 - 215) < 4 * math.sqrt(2 * 215)


def test_ordered_and_given_with_the_carriers() -> None:
    model = placed({"ordered": {"block": [3, 2, 1], "places": [[0.5, 0.5, 0.5]]}})
    assert model.arrangement[0].sites.tolist() == [1, 3]
    both = {"given": {"ion": [[0, 0, 0], [1, 0, 0], [2, 0, 0]], "dopant": [[0.5, 0.5, 0.5], [1.5, 0.5, 0.5]]}}
    model = loaded(SALT | {"initial": both})
    assert model.arrangement[0].sites.tolist() == [1, 9]
    assert model.initial.sites == ((0, 8, 16),)


def test_annealed_places_are_those_of_the_canonical_ensemble() -> None:
    """Two dopants that attract each other and an ion, frozen in at 1,000 K: pairs as often as Boltzmann says."""
    energy, kelvin = -0.15, 1000.0
    document = RING | {
        "carriers": {
            "dopant": {"charge": 0, "sites": ["M"], "count": 2, "immobile": True},
            "vacancy": {"charge": 2, "sites": ["A"], "count": 1},
        },
        "interactions": {
            "pairs": [
                {"between": ["dopant", "dopant"], "shell": 1, "energy": energy},
                {"between": ["vacancy", "dopant"], "shell": 1, "energy": -0.1},
            ]
        },
    }
    document["hops"] = [{k: v for k, v in RING["hops"][0].items() if k != "surroundings"}]
    weight = {True: 0.0, False: 0.0}
    for i, j in combinations(range(CELLS), 2):
        close = (j - i) % CELLS in (1, CELLS - 1)
        for v in range(CELLS):
            beside = sum(d in (v, (v - 1) % CELLS) for d in (i, j))
            weight[close] += math.exp(-(energy * close - 0.1 * beside) / (K_B * kelvin))
    share, trials, found = weight[True] / sum(weight.values()), 100, 0
    how = {"annealed": {"temperature": kelvin, "start_temperature": 1100, "sweeps": 512}}
    document["carriers"]["dopant"]["arrangement"] = how
    model = loaded(document)
    assert not model.settled
    for salt in range(trials):
        done = settled(replace(model, arrangement=(replace(model.arrangement[0], salt=salt),)))
        i, j = (done.arrangement[0].sites // 2).tolist()
        found += (j - i) % CELLS in (1, CELLS - 1)
    assert 0.5 < share < 0.95  # of all pairs of cells two in five are neighbours
    assert abs(found - trials * share) < 4 * math.sqrt(trials * share * (1 - share))
    done = settled(model)
    assert done.settled
    assert model_identity(done) == model_identity(model)
    assert np.array_equal(settled(model).background, done.background)
    assert "dopant sits where annealing left it" in done.notes[-1]
    with pytest.raises(InputError, match="only after annealing"):
        solve_exact(build_catalog(model, temperature=KELVIN))


def test_bounds_of_rates_where_sites_of_the_immobile_come_first() -> None:
    """Disorder of site energies is looked up by the carriers' own sites, whatever the order of the labels."""
    sites = {"M": [[0.5, 0.1, 0]], "A": [[0, 0, 0]]}
    disorder = {"site_energies": [{"width": "80 meV", "salt": 3}]}
    model = loaded(RING | {"structure": RING["structure"] | {"sites": sites}, "disorder": disorder})
    catalog = build_catalog(model, temperature=KELVIN)
    bound, rates = couple(catalog).bound, ConfigurationRates(catalog)
    largest = np.zeros(len(bound))
    for row in list_configurations(model, (2,)):
        for h in range(len(bound)):
            for cell in rates.cells:
                if rates.is_open(row, h, cell):
                    largest[h] = max(largest[h], math.exp(rates.log_rate(row, h, cell)))
    assert np.all(largest > 0)
    assert np.all(bound * (1 + 1e-9) >= largest)
    assert np.all(bound < 20 * largest)
