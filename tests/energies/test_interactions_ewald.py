"""Ewald's sum: Madelung constants, other codes, independence of the splitting, tensors, charged cells, supercells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmc_transport.energies.ewald import COULOMB, ewald_potential
from tests.input.interacting import built, olivine, refused

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
VACUUM = np.eye(3)


def lattice_energy(lattice, frac, charges, supercell=(1, 1, 1), permittivity=VACUUM, **keys):
    """Energy per cell, eV: charges repeated in all cells of the supercell."""
    potential = ewald_potential(lattice, frac, supercell, permittivity, **keys)
    return 0.5 * np.einsum("s,stijk,t->", charges, potential, charges)


@pytest.mark.parametrize(
    ("lattice", "second", "nearest", "constant"),
    [  # Sakamoto, J. Chem. Phys. 28, 164 (1958), referred to the distance of nearest neighbours
        (FCC, [0.5, 0.5, 0.5], 0.5, 1.747564594633182),
        (np.eye(3), [0.5, 0.5, 0.5], np.sqrt(3) / 2, 1.762674773070988),
        (FCC, [0.25, 0.25, 0.25], np.sqrt(3) / 4, 1.638055053388790),
    ],
    ids=["NaCl", "CsCl", "ZnS"],
)
@pytest.mark.parametrize("supercell", [(1, 1, 1), (2, 1, 3)])
def test_madelung_constants(lattice, second, nearest, constant, supercell):
    energy = lattice_energy(lattice * 4.2, [[0, 0, 0], second], [1, -1], supercell)
    np.testing.assert_allclose(-energy * nearest * 4.2 / COULOMB, constant, rtol=1e-12)


def test_a_wrong_arrangement_has_another_constant():
    energy = lattice_energy(FCC, [[0, 0, 0], [0.5, 0.5, 0.45]], [1, -1])
    assert abs(-energy * 0.5 / COULOMB - 1.747564594633182) > 1e-3


def test_charge_in_a_cube_with_its_background():
    potential = ewald_potential(5 * np.eye(3), [[0, 0, 0]], (1, 1, 1), 3 * np.eye(3))
    np.testing.assert_allclose(potential.item(), -2.837297479480619 * COULOMB / (3 * 5), rtol=1e-12)


cells = st.lists(st.floats(-1, 1), min_size=9, max_size=9).map(
    lambda x: np.reshape(x, (3, 3)) + 4 * np.eye(3)
)
sites = st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=3)


@settings(max_examples=20)
@given(cells, sites, st.floats(0.7, 1.4), st.lists(st.floats(-0.4, 0.4), min_size=9, max_size=9))
def test_any_splitting_gives_the_same_potential(lattice, frac, factor, off):
    frac = np.array(frac) + 0.2 * np.arange(len(frac))[:, None]  # charges are not on top of each other
    apart = (frac[:, None] - frac[None]) + 1e-9
    distance = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=2)[~np.eye(len(frac), dtype=bool)]
    assume(distance.min() > 0.5)
    root = 2 * np.eye(3) + np.reshape(off, (3, 3))
    tensor = root @ root.T
    values = [ewald_potential(lattice, frac, (2, 1, 1), tensor, splitting_factor=x) for x in (1.0, factor)]
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-10)


def test_supercells_sum_up_to_the_cell():
    """Charges repeated in all cells of a supercell are those of the cell."""
    lattice, frac = np.array([[3.0, 0, 0], [0.7, 4, 0], [0.4, -0.9, 5]]), [[0, 0, 0], [0.3, 0.1, 0.6]]
    large = ewald_potential(lattice, frac, (3, 2, 2), VACUUM).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(
        large, ewald_potential(lattice, frac, (1, 1, 1), VACUUM)[..., 0, 0, 0], atol=1e-10
    )


def test_potential_between_two_sites_is_mutual():
    potential = ewald_potential(np.diag([3.0, 4, 5]) + 0.2, [[0, 0, 0], [0.3, 0.1, 0.6]], (3, 2, 4), VACUUM)
    back = np.roll(np.flip(potential, (2, 3, 4)), 1, (2, 3, 4)).transpose(1, 0, 2, 3, 4)
    np.testing.assert_allclose(potential, back, atol=1e-12)


def test_tensor_against_the_sum_over_waves_alone():
    """4 pi k/V sum_G cos(G.r)/(G eps G), damped beyond need: no scaled coordinates, no sum in real space."""
    lattice = np.array([[4.0, 0.3, 0], [0, 4.4, -0.5], [0.6, 0, 5]])
    tensor = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.2]])
    frac = np.array([[0, 0, 0], [0.45, 0.4, 0.5]])
    found = ewald_potential(lattice, frac, (1, 1, 1), tensor)[0, 1, 0, 0, 0]
    a = 3.5  # the damping is that of charges of width 1/(2a) in scaled coordinates: they do not overlap
    n = np.stack(np.meshgrid(*[np.arange(-48, 49)] * 3, indexing="ij"), -1).reshape(-1, 3)
    waves = 2 * np.pi * n[np.any(n != 0, axis=1)] @ np.linalg.inv(lattice).T
    size = np.einsum("gi,ij,gj->g", waves, tensor, waves)
    volume = np.linalg.det(lattice)
    phase = np.cos(waves @ (frac[1] @ lattice))
    total = 4 * np.pi / volume * np.sum(np.exp(-size / (4 * a * a)) / size * phase) - np.pi / (a * a * volume)
    np.testing.assert_allclose(found, COULOMB * total, rtol=1e-9)
    isotropic = np.eye(3) * np.trace(tensor) / 3
    assert abs(ewald_potential(lattice, frac, (1, 1, 1), isotropic)[0, 1, 0, 0, 0] / found - 1) > 0.01


def test_against_pymatgen():
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core import Lattice, Structure

    lattice = np.array([[5.1, 0, 0], [-1.2, 6.3, 0], [0.8, 0.5, 7.2]])
    frac = np.random.default_rng(3).random((6, 3))
    charges = np.array([1, 1, 2, -1, -1.5, -1.5])
    crystal = Structure(
        lattice=Lattice(lattice), species=["Na"] * 6, coords=frac, site_properties={"charge": charges}
    )
    crystal.add_oxidation_state_by_site(charges.tolist())
    theirs = EwaldSummation(crystal, acc_factor=14).total_energy
    np.testing.assert_allclose(lattice_energy(lattice, frac, charges), theirs, rtol=1e-7)


def test_cost_is_bounded_in_large_supercells():
    """Twelve sites in 20 x 20 x 4 cells: 230,400 potentials."""
    frac = np.random.default_rng(0).random((12, 3))
    potential = ewald_potential(np.diag([2.9, 5.0, 11.0]), frac, (20, 20, 4), np.eye(3) * 8)
    assert potential.shape == (12, 12, 20, 20, 4)
    # far from any charge, and summed over a lattice of them, the background makes it small
    assert abs(potential.sum(axis=(2, 3, 4)).mean()) < 1


# ------------------------------------------------------------------------------------------- in the input


def test_charged_cells_are_noted_or_refused():
    coulomb = {"permittivity": 10}
    neutral = built(olivine(interactions={"coulomb": coulomb}))
    assert not any("background" in n for n in neutral.notes)
    assert neutral.interactions.coulomb.accuracy < 1e-10
    carriers = {**olivine()["carriers"], "ion": {"charge": 1, "sites": ["Li"], "count": 3}}
    charged = built(olivine(carriers=carriers, interactions={"coulomb": coulomb}))
    assert any("+1 e" in n and "background" in n for n in charged.notes)
    (problem,) = refused(olivine(carriers=carriers, interactions={"coulomb": {**coulomb, "neutral": True}}))
    assert problem.key == "interactions.coulomb.neutral"
    assert "+1 e" in problem.message


def test_unvisited_sites_have_no_potential():
    text = olivine()
    text["structure"] = {
        **text["structure"],
        "sites": {**text["structure"]["sites"], "O": [[0.1, 0.25, 0.74]]},
    }
    model = built({**text, "interactions": {"coulomb": {"permittivity": 10}}})
    labels = np.array(model.structure.labels)
    potential = model.interactions.coulomb.potential
    assert np.isnan(potential[labels == "O"]).all()
    visited = np.flatnonzero(labels != "O")
    assert np.isfinite(potential[np.ix_(visited, visited)]).all()


def test_layers_and_chains_have_no_ewald_sum():
    from tests.input.interacting import chain

    (problem,) = refused(chain(8, 2, interactions={"coulomb": {"permittivity": 10}}))
    assert "cutoff" in problem.allowed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([[1, 2, 0], [0, 1, 0], [0, 0, 1]], "symmetric"),
        ([[1, 2, 0], [2, 1, 0], [0, 0, 1]], "positive"),
        ([1, 2], "permittivity"),
        ("ten", "permittivity"),
        (0, "positive"),
    ],
)
def test_permittivities_that_cannot_be(given, words):
    (problem,) = refused(olivine(interactions={"coulomb": {"permittivity": given}}))
    assert words in problem.message
    assert problem.key == "interactions.coulomb.permittivity"


def test_cut_off_and_shifted():
    model = built(
        olivine(
            supercell=[2, 4, 4],
            interactions={"coulomb": {"method": "cutoff", "cutoff": 7, "permittivity": 10}},
        )
    )
    clusters, s = model.interactions.clusters, model.structure
    assert model.interactions.coulomb is None
    assert set(clusters.name) == {"coulomb"}
    for c, energy in enumerate(clusters.energy):
        m, n = clusters.start[c], clusters.start[c] + 1
        apart = s.frac[clusters.site[n]] + clusters.cell[n] - s.frac[clusters.site[m]] - clusters.cell[m]
        r = np.linalg.norm(apart @ s.lattice)
        assert r < 7
        sign = 1 if clusters.species[m] == clusters.species[n] else -1
        np.testing.assert_allclose(energy, sign * COULOMB / 10 * (1 / r - 1 / 7), atol=1e-12)
    # every pair of sites within the cutoff, counted by going through all of them
    visited = np.arange(s.n_sites)
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = s.frac[visited][None, :, None] + cells[None, None] - s.frac[visited][:, None, None]
    r = np.linalg.norm(apart @ s.lattice, axis=-1)
    assert len(clusters.energy) == int(((r < 7) & (r > 1e-9)).sum()) // 2


def test_cut_off_with_a_tensor_is_zero_on_its_surface():
    keys = {"method": "cutoff", "cutoff": 8, "permittivity": [4, 9, 16]}
    model = built(olivine(supercell=[2, 4, 4], interactions={"coulomb": keys}))
    clusters, s = model.interactions.clusters, model.structure
    size = (4 * 9 * 16) ** (1 / 6)
    for c, energy in enumerate(clusters.energy):
        m, n = clusters.start[c], clusters.start[c] + 1
        apart = (s.frac[clusters.site[n]] + clusters.cell[n] - s.frac[clusters.site[m]]) @ s.lattice
        scaled = np.linalg.norm(apart / np.sqrt([4, 9, 16]))
        assert scaled < 8 / size
        sign = 1 if clusters.species[m] == clusters.species[n] else -1
        expected = sign * COULOMB / np.sqrt(4 * 9 * 16) * (1 / scaled - size / 8)
        np.testing.assert_allclose(energy, expected, atol=1e-12)
