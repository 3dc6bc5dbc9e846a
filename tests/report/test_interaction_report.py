"""Tables of interactions: the numbers that they show."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kmc_transport.cli.app import app
from kmc_transport.energies.ewald import COULOMB
from kmc_transport.rates import build_catalog
from kmc_transport.report.interactions import coulomb_table, disorder_table, energy_table, interaction_tables
from tests.input.interacting import built, chain, olivine

COULOMB_AND_PAIRS = {
    "coulomb": {"permittivity": 10},
    "pairs": [{"between": ["ion", "polaron"], "distance": 3.28, "energy": -0.02}],
    "clusters": [
        {
            "members": [
                {"carrier": "ion", "site": "Li"},
                {"carrier": "ion", "position": [0, 0.5, 0]},
                {"carrier": "polaron", "site": "Fe"},
            ],
            "energy": 0.015,
        }
    ],
}


def test_nothing_to_show_without_interactions():
    assert interaction_tables(build_catalog(built(olivine()), temperature=300)) == []


def test_energies():
    model = built(olivine(supercell=[2, 3, 4], interactions=COULOMB_AND_PAIRS))
    pair, triplet = energy_table(model).data
    assert pair["per_cell"] == 8
    assert pair["energy_eV"] == -0.02
    assert pair["size_angstrom"] == pytest.approx(3.2798, abs=1e-4)
    potential = model.interactions.coulomb.potential
    m, n = model.interactions.clusters.start[0], model.interactions.clusters.start[0] + 1
    c = model.interactions.clusters
    cell = (c.cell[n] - c.cell[m]) % np.array(model.supercell)
    assert pair["energy_with_coulomb_eV"] == pytest.approx(-0.02 - potential[(c.site[m], c.site[n], *cell)])
    assert (triplet["per_cell"], triplet["energy_eV"]) == (4, 0.015)
    assert triplet["energy_with_coulomb_eV"] is None


def test_pairs_beside_a_cut_off_coulomb_energy():
    coulomb = {"method": "cutoff", "cutoff": 8, "permittivity": 10}
    model = built(olivine(supercell=[2, 3, 4], interactions={**COULOMB_AND_PAIRS, "coulomb": coulomb}))
    pair = energy_table(model).data[0]
    size = pair["size_angstrom"]
    assert pair["energy_with_coulomb_eV"] == pytest.approx(-0.02 - COULOMB / 10 * (1 / size - 1 / 8))
    assert len(energy_table(model).data) == 2


def test_coulomb_alone_and_with_images():
    model = built(olivine(supercell=[2, 3, 4], interactions=COULOMB_AND_PAIRS))
    table = coulomb_table(model)
    row = next(r for r in table.data if r["carriers"] == ["ion", "polaron"])
    assert row["energy_eV"] == pytest.approx(-COULOMB / 10 / row["distance_angstrom"], rel=1e-3)
    assert row["energy_eV"] < row["energy_with_images_eV"] < 0
    assert "permittivity 10" in table.notes[0]


def test_disorder():
    given = {"site_energies": [{"width": 0.05}], "blocked": [{"places": [{"site": "Li"}]}]}
    rows = {r["of"]: r for r in disorder_table(built(olivine(supercell=[4, 4, 4], disorder=given))).data}
    assert abs(rows["site energies of ion"]["standard_deviation_eV"] / 0.05 - 1) < 0.2
    assert rows["blocked sites"]["number"] == 1


def test_rates_in_random_configurations():
    *_, table = interaction_tables(build_catalog(built(chain(12, 4, 0.05)), temperature=300))
    (row,) = table.data
    # a carrier gains or loses at most one neighbour
    assert row["fastest_per_s"] / row["slowest_per_s"] == pytest.approx(
        np.exp(0.05 / (8.617333262e-5 * 300)), rel=1e-6
    )
    assert "64 hops" in table.notes[0]


def test_check_and_catalog_show_them(tmp_path, capsys):
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(olivine(interactions=COULOMB_AND_PAIRS)))
    for command in (["check", str(path)], ["catalog", str(path)]):
        app(command, standalone_mode=False)
        text = capsys.readouterr().out
        assert "ion-polaron:Li-Fe#1" in text
        assert "Ewald" in text
        assert "detailed balance holds for" in text
        app([*command, "--json"], standalone_mode=False)
        data = json.loads(capsys.readouterr().out)
        assert data["interactions"]["Energies of carriers with each other"][0]["energy_eV"] == -0.02
