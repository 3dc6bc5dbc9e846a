"""Where carriers start: each in its own way, or in two phases with a cut that is searched."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest

from kmc_transport.cli.app import main
from kmc_transport.energies.configuration import ConfigurationEnergy
from kmc_transport.input.phases import find_cut, planar_cut, planes, polar_energy
from kmc_transport.model.interactions import Initial
from kmc_transport.report import carrier_table
from tests.input.interacting import LAYER, built, kra, olivine, refused
from tests.input.model_inputs import hop

HALF = {
    "ion": {"charge": 1, "sites": ["Li"], "fraction": 0.5},
    "polaron": {"charge": -1, "sites": ["Fe"], "fraction": 0.5},
}
COULOMB = {"coulomb": {"permittivity": 10, "neutral": True}}


def halves(supercell=(6, 2, 2), **keys):
    """Olivine, half full."""
    return olivine(**{"supercell": list(supercell), "carriers": HALF, "interactions": COULOMB} | keys)


def notes(model):
    return [n for n in model.notes if "two_phase" in n]


# ------------------------------------------------------------------------------------------- each its own


def test_each_carrier_has_its_own_start():
    pattern = {"ordered": {"block": [1, 1, 1], "places": [[0, 0, 0]]}}
    ions = olivine(supercell=[1, 2, 1], initial={"carriers": {"ion": pattern, "polaron": "annealed"}})
    initial = built(ions).initial
    assert (initial.kind, initial.sites) == ("each", ((0, 8), ()))
    assert [initial.of(a).kind for a in (0, 1)] == ["given", "annealed"]
    table = carrier_table(built(ions))
    assert [r["start"] for r in table.data] == ["given", "annealed"]

    both = {
        "ion": {"given": [[0, 0, 0], [0, 1, 0]]},
        "polaron": {"given": [{"site": "Fe"}, {"site": "Fe", "index": 1}]},
    }
    assert (
        built(olivine(initial={"carriers": both})).initial
        == built(olivine(initial={"given": {k: v["given"] for k, v in both.items()}})).initial
    )
    how = {"annealed": {"sweeps": 7, "start_temperature": 900}, "networks": "equal"}
    mixed = built(olivine(initial={"carriers": {"ion": "random", "polaron": how}})).initial
    assert (mixed.sweeps, mixed.start_temperature) == (7, 900.0)
    assert mixed.of(0) == Initial()
    assert mixed.of(1).equal_networks
    # a frozen one keeps what it was given
    still = built(ions | {"freeze": ["ion"]})
    assert still.arrangement[0].sites.tolist() == [0, 8]
    assert still.initial.of(0).kind == "annealed"


@pytest.mark.parametrize(
    ("initial", "keys", "key", "words"),
    [
        ({"anealed": {"sweeps": 3}}, {}, "initial", "did you mean 'annealed'"),
        ({}, {}, "initial", "mapping is empty"),
        ({"carriers": {"ion": {"orderd": {}}}}, {}, "initial.carriers.ion", "did you mean 'ordered'"),
        ({"annealed": {}, "two_phase": {"normal": "a"}}, {}, "initial", "do not go together"),
        ({"carriers": {"ion": "random"}}, {}, "initial.carriers", "nothing says where 'polaron' starts"),
        ({"carriers": {"ions": "random"}, "two_phase": {"normal": "a"}}, {}, "initial.carriers.ions", "'ion'?"),
        (
            {"carriers": {"ion": {"annealed": {"sweeps": 5}}, "polaron": "annealed"}},
            {},
            "initial.carriers.polaron",
            "annealed together",
        ),
        ({"carriers": {"ion": "random", "polaron": "random"}}, {"freeze": ["ion"]}, "initial.carriers.ion", "still"),
        ({"carriers": {"polaron": "annealed"}}, {"freeze": ["ion"]}, "freeze[0]", "has to sit still"),
        ({"carriers": {"ion": {"given": [[0, 0, 0]]}, "polaron": "random"}}, {}, "initial", "1 places are given"),
        ({"two_phase": {"normal": [0, 0, 0]}}, {}, "initial.two_phase.normal", "no plane"),
        ({"two_phase": {"normal": [2, 0, 0]}}, {}, "initial.two_phase.normal", "[1, 0, 0]"),
        ({"two_phase": {"normal": "a"}}, {"supercell": [1, 2, 2]}, "initial.two_phase.normal", "do not fit"),
        ({"two_phase": {"normal": "a", "split": "Li"}}, {}, "initial.two_phase.split", "ion, polaron"),
        ({"two_phase": {"normal": "a", "split": "ion", "cut": 0.5}}, {}, "initial.two_phase.split", "belongs to"),
        (
            {"two_phase": {"normal": "a"}, "carriers": {"ion": "random", "polaron": "random"}},
            {},
            "initial.two_phase",
            "a start of its own",
        ),
        (
            {"two_phase": {"normal": "a"}},
            {"carriers": HALF | {"ion": HALF["ion"] | {"charge": 2}}, "interactions": {}},
            "initial.two_phase.cut",
            "net charge",
        ),
        (
            {"two_phase": {"normal": "a"}},
            {"carriers": HALF | {"ion": HALF["ion"] | {"charge": 2, "fraction": 0.25}}},
            "initial.two_phase",
            "no two phases",
        ),
    ],
)  # fmt: skip
def test_starts_that_cannot_be(initial, keys, key, words):
    (problem,) = refused(halves(initial=initial, **keys))
    assert problem.key == key
    assert words in f"{problem.message} {problem.allowed} {problem.remedy}"


# ------------------------------------------------------------------------------------------- two phases


def dipole(model, sites, normal, cut):
    """e·Å/Å² of the full part, which begins at a height in cells, by counting."""
    height = np.array([s // model.structure.n_sites for s in range(len(model.background))])
    cells = np.array(np.unravel_index(height, model.supercell))[normal]
    z = cells + np.tile(model.structure.frac[:, normal], model.n_cells)
    z = (z - cut) % model.supercell[normal]
    length = model.structure.lattice[normal, normal]
    area = model.volume / (length * model.supercell[normal])
    return (
        sum(c.charge * z[list(own)].sum() for c, own in zip(model.species, sites, strict=True))
        * length
        / area
    )


def start_sites(model):
    return [*(s for s in model.initial.sites), *(a.sites for a in model.arrangement)]


def energy(model):
    occupation = np.zeros(len(model.background), np.int64)
    for a, sites in enumerate(start_sites(model)):
        occupation[list(sites)] = a + 1
    return ConfigurationEnergy(model).energy(occupation)


@pytest.mark.parametrize("normal", [0, 1, 2])
def test_a_nonpolar_cut_is_found(normal):
    """The dipole is nil by an independent count, whole formula units are on both sides, and no other cut is lower."""
    size = [2, 2, 2]
    size[normal] = 6
    axis = "abc"[normal]
    found = built(halves(size, initial={"two_phase": {"normal": axis}}))
    polar = built(
        halves(size, initial={"two_phase": {"normal": [int(k == normal) for k in range(3)], "cut": "cells"}})
    )
    away = 0.12  # no layer is there: below the first one of the full part and above the last one
    heights = [dipole(found, start_sites(found), normal, cut + away) for cut in np.arange(0, 6, 0.25)]
    assert min(np.abs(heights)) < 1e-9
    assert abs(dipole(polar, start_sites(polar), normal, 0.0)) > 0.2
    assert "dipole 0 e·Å/Å²" in notes(found)[0]
    assert "this cut is polar" in notes(polar)[1]
    # what the notes say of the energy is what the judge finds
    n = 48
    more = (energy(polar) - energy(found)) / n
    assert f"{more:.3g} eV per 1 ion + 1 polaron" in notes(found)[1]
    assert f"{more / 2:.3g} eV per formula unit of the cell" in notes(polar)[1]


def test_the_polar_energy_is_that_of_a_plate_capacitor():
    """Two cells of different length: the polar energy grows by P² (1 - f) / (2 eps) for each formula unit's volume."""
    more = []
    for n in (6, 12):
        model = built(halves((n, 2, 2), initial={"two_phase": {"normal": "a", "cut": "cells"}}))
        best = built(halves((n, 2, 2), initial={"two_phase": {"normal": "a", "cut": 0.25}}))
        more.append(energy(model) - energy(best))
    volume = np.prod([10.33, 6.01, 4.70])
    polarization = abs(4 * (0.25 - 0.5)) * 10.33 / volume  # mean heights of Li and Fe in a cell, e/Å²
    per_unit = polarization**2 * 0.5 / (2 * 0.0055263494 * 10) * volume / 4
    assert (more[1] - more[0]) / 48 == pytest.approx(per_unit, rel=1e-6)


def test_a_split_layer():
    """With `split` the border layers of that carrier hold half each; more than half of the layers, all others whole."""
    model = built(halves(initial={"two_phase": {"normal": "a", "split": "ion"}}))
    frac, n = model.structure.frac[:, 0], model.structure.n_sites
    ions = np.array(model.initial.sites[0])
    cells = np.array(np.unravel_index(ions // n, model.supercell))[0]
    _, number = np.unique(np.round((cells + frac[ions % n]) * 2).astype(int), return_counts=True)
    assert sorted(number) == [4, 4, 8, 8, 8, 8, 8]
    plain = built(halves(initial={"two_phase": {"normal": "a"}}))
    assert energy(plain) < energy(model)  # so it is the plain one that is taken when nothing is said


def test_the_search_misses_nothing():
    """Against every choice of whole layers of a small layered crystal: no dipole is smaller, no energy lower."""
    carriers = {
        "ion": {"charge": 1, "sites": ["Na"], "fraction": 0.5},
        "polaron": {"charge": -0.5, "sites": ["M"], "fraction": 0.5},
    }
    hops = [{"carrier": c, "between": [s, s], "distance": [1, 2.95], "barrier": kra(), "attempt_frequency": 1e12}
            for c, s in (("ion", "Na"), ("polaron", "M"))]  # fmt: skip
    model = built({"structure": LAYER, "supercell": [2, 2, 6], "carriers": carriers, "hops": hops,
                   "interactions": COULOMB, "conditions": {"temperature": 500}})  # fmt: skip
    at = planes(model.structure, model.supercell, (0, 0, 1))
    assert (at.number, at.spacing) == (6, pytest.approx(5.6))
    coulomb = model.interactions.coulomb
    best = find_cut(at, model.structure, model.carriers, None, coulomb, None)
    (ours,) = polar_energy([best], model.carriers, coulomb)

    height = {s: np.flatnonzero(model.allowed_sites[s]) for s in (0, 1)}
    layers = [
        [(np.round(z + k, 6), s) for k in range(6) for z in np.unique(model.structure.frac[own, 2])]
        for s, own in height.items()
    ]
    tried = []
    for first, second in product(range(len(layers[0])), range(len(layers[1]))):
        occupation, moment = np.zeros(len(model.background), np.int64), 0.0
        for own, k, c in zip(layers, (first, second), model.carriers, strict=True):
            for m in range(k, k + len(own) // 2):
                z, s = own[m % len(own)]
                sites = np.flatnonzero(
                    (np.abs(at.height - z % 6) < 1e-4) & np.tile(model.allowed_sites[s], model.n_cells)
                )
                occupation[sites] = s + 1
                moment += c.charge * len(sites) * (z + 6 * (m // len(own)))
        if abs(layers[0][first][0] - layers[1][second][0]) < 1:
            tried.append((abs(moment) * at.spacing / at.area, ConfigurationEnergy(model).energy(occupation)))
    assert len(tried) > 10
    assert abs(best.dipole) <= min(m for m, _ in tried) + 1e-9
    assert all(ours <= e + 1e-9 for m, e in tried if m <= abs(best.dipole) + 1e-9)
    whole = planar_cut(at, model.structure, model.carriers, None, 0.0)
    assert whole.dipole == pytest.approx(-12 * 0.5 * 5.6 / at.area)


def test_planes_of_a_hexagonal_cell():
    """Spacings from the metric of the crystal: d = a sqrt(3)/2 for (100), 1/d² = 4/(3 a²) + 1/c² for (101)."""
    ion = {"charge": 1, "sites": ["Na"], "fraction": 0.5}
    entry = hop(["Na", "Na"], carrier="ion", distance=2.9, barrier=kra(), attempt_frequency=1e12)
    layer = {"structure": LAYER, "supercell": [4, 4, 2], "carriers": {"ion": ion}, "hops": [entry],
             "conditions": {"temperature": 500}}  # fmt: skip
    model = built(layer)
    for indices, spacing, number in (
        ((1, 0, 0), 2.9 * np.sqrt(0.75), 4),
        ((1, 0, 1), (4 / 3 / 2.9**2 + 5.6**-2) ** -0.5, 2),
    ):
        at = planes(model.structure, model.supercell, indices)
        assert (at.number, at.spacing) == (number, pytest.approx(spacing))
        assert at.area * at.number * at.spacing == pytest.approx(model.volume)
    # a charged part has no dipole of its own; a neutral carrier none at all
    (note,) = notes(built(layer | {"initial": {"two_phase": {"normal": "a", "cut": "cells"}}}))
    assert note.endswith("; net charge +16 e")
    (note,) = notes(
        built(layer | {"carriers": {"ion": ion | {"charge": 0}}, "initial": {"two_phase": {"normal": "a"}}})
    )
    assert note.endswith("none in part")


def test_check_tells_the_start(tmp_path, capsys):
    path = tmp_path / "two.yaml"

    def check(initial):
        path.write_text(json.dumps(halves(initial=initial, format=1)))
        with pytest.raises(SystemExit) as ended:
            main(["check", str(path)])
        return ended.value.code, *capsys.readouterr()

    code, text, _ = check({"two_phase": {"normal": "a", "cut": "cells"}})
    assert code == 0
    assert re.search(r"start\n.*\nion .* given\n", text)
    assert "initial.two_phase: borders normal to a, 6 spacings of 10.33 Å" in text
    assert "this cut is polar" in text
    code, _, text = check({"anealed": {}})
    assert (code, text.count("remedy:")) == (2, 1)


def test_frozen_ions_and_annealed_polarons():
    """The cut is searched with the polarons where they could be; they start on their own."""
    initial = {"two_phase": {"normal": "a"}, "carriers": {"polaron": "annealed"}}
    model = built(halves(initial=initial, freeze=["ion"]))
    plain = built(halves(initial={"two_phase": {"normal": "a"}}, freeze=["ion"]))
    assert notes(model) == notes(plain)
    assert model.initial.of(0).kind == "annealed"
    np.testing.assert_array_equal(model.arrangement[0].sites, plain.arrangement[0].sites)


def test_each_composition_has_its_own_phases():
    carriers = {k: v | {"fraction": "x"} for k, v in HALF.items()}
    conditions = {"temperature": 400, "composition": {"x": [0.25, 0.5]}}
    model = built(halves(carriers=carriers, conditions=conditions, initial={"two_phase": {"normal": "a"}}))
    assert [[len(s) for s in v.initial.sites] for v in model.variants] == [[24, 24], [48, 48]]
