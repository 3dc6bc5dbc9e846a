"""Phonon files for tests, written by phonopy itself from a force field of springs."""

from __future__ import annotations

import warnings
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import read_spectrum

A = 4.2
"""Å, lattice parameter of the rock salt of springs."""

SUPERCELL = np.ones((3, 3), dtype=int) - np.eye(3, dtype=int)
"""Of the cubic cell: 2 x 2 x 2 primitive cells, 16 atoms. phonopy's search for symmetry takes the time of these tests;
it grows with the number of operations, eight times as many in 2 x 2 x 2 cubic cells."""


def salt(charges: bool = False):  # phonopy's types are not ours
    """phonopy object of a rock-salt crystal in `SUPERCELL`, with forces of nearest and next springs; one's own."""
    return deepcopy(_salt(charges))


@cache
def _salt(charges: bool):
    phonopy = pytest.importorskip("phonopy", reason="phonopy is not installed (extra [phonopy])")
    from phonopy.structure.atoms import PhonopyAtoms

    fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = PhonopyAtoms(
        symbols=["Mg"] * 4 + ["O"] * 4, cell=np.eye(3) * A, scaled_positions=np.vstack([fcc, fcc + 0.5])
    )
    fcc_axes = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    phonon = phonopy.Phonopy(cell, SUPERCELL, primitive_matrix=fcc_axes, log_level=0)
    phonon.generate_displacements(distance=0.01)
    phonon.forces = np.array([forces(s, phonon.supercell) for s in phonon.supercells_with_displacements])
    if charges:
        z = np.eye(3) * 1.9
        phonon.nac_params = {
            "born": np.array([z, -z]),
            "dielectric": np.eye(3) * 3.0,
            "factor": 14.4,
        }
    phonon.produce_force_constants(show_drift=False)
    phonon.symmetrize_force_constants(show_drift=False)
    return phonon


def forces(displaced, ideal) -> np.ndarray:
    """(n_atoms, 3) eV/Å: springs along the bonds, 6 eV/Å² to first, 2 eV/Å² to second neighbours and their images."""
    u = displaced.positions - ideal.positions
    frac = ideal.scaled_positions[None] - ideal.scaled_positions[:, None]
    images = np.indices((3, 3, 3)).reshape(3, -1).T[:, None, None] - 1
    bonds = (frac - np.rint(frac) + images) @ ideal.cell
    length = np.linalg.norm(bonds, axis=-1)
    stiffness = np.where(
        np.isclose(length, A / 2), 6.0, np.where(np.isclose(length, A / np.sqrt(2)), 2.0, 0.0)
    )
    direction = bonds / np.where(length, length, 1)[..., None]
    stretch = np.einsum("sijk,ijk->sij", direction, u[None] - u[:, None])
    return np.einsum("sij,sijk->ik", stiffness * stretch, direction)


def write_all(folder: Path) -> None:
    """mesh.yaml, mesh.hdf5 (4 x 4 x 4, Gamma-centred), phonopy_params.yaml with forces, and in separate folders
    phonopy_disp.yaml with FORCE_SETS, FORCE_CONSTANTS, force_constants.hdf5, and BORN.
    """
    phonon = salt()
    from phonopy.file_IO import (
        write_FORCE_CONSTANTS,
        write_force_constants_to_hdf5,
        write_FORCE_SETS,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = phonon.run_mesh([4, 4, 4], is_gamma_center=True)
        mesh.write_yaml(folder / "mesh.yaml")
        mesh.write_hdf5(folder / "mesh.hdf5")
        phonon.run_mesh([4, 4, 4], is_gamma_center=True, with_eigenvectors=True, is_mesh_symmetry=False)
        phonon.mesh.write_yaml(folder / "mesh_eigenvectors.yaml")
        phonon.save(folder / "phonopy_params.yaml", settings={"force_constants": False})
        phonon.save(folder / "constants_inside.yaml", settings={"force_constants": True, "force_sets": False})
        without = {"force_sets": False, "displacements": True, "force_constants": False}
        for name in ("sets", "constants", "hdf5", "nothing"):
            (folder / name).mkdir()
            phonon.save(folder / name / "phonopy_disp.yaml", settings=without)
        write_FORCE_SETS(phonon.dataset, folder / "sets" / "FORCE_SETS")
        write_FORCE_CONSTANTS(phonon.force_constants, folder / "constants" / "FORCE_CONSTANTS")
        write_force_constants_to_hdf5(phonon.force_constants, folder / "hdf5" / "force_constants.hdf5")
        z = "1.9 0 0 0 1.9 0 0 0 1.9"
        born = f"14.4\n3 0 0 0 3 0 0 0 3\n{z}\n{z.replace('1.9', '-1.9')}\n"
        (folder / "sets" / "BORN").write_text(born)
        salt(charges=True).save(folder / "charges_inside.yaml", settings={"force_constants": False})


def write_vacancy_hop(folder: Path) -> float:
    """initial.yaml and saddle.yaml (forces inside): a vacancy in copper, 31 atoms, effective medium theory of ASE.

    Returns the barrier, eV, without zero-point energy.
    """
    phonopy = pytest.importorskip("phonopy", reason="phonopy is not installed (extra [phonopy])")
    pytest.importorskip("ase", reason="ASE is not installed (extra [ase])")
    from ase import Atoms
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.optimize import BFGS
    from phonopy.structure.atoms import PhonopyAtoms

    initial = bulk("Cu", "fcc", 3.6, cubic=True) * (2, 2, 2)
    del initial[0]
    saddle = initial.copy()
    neighbour = int(np.argmin(np.linalg.norm(saddle.positions - [1.8, 1.8, 0], axis=1)))
    saddle.positions[neighbour] = [0.9, 0.9, 0]  # midway; symmetry keeps it there
    energies = []
    for name, atoms in (("initial", initial), ("saddle", saddle)):
        atoms.calc = EMT()
        BFGS(atoms, logfile=None).run(fmax=2e-3, steps=200)
        energies.append(atoms.get_potential_energy())
        cell = PhonopyAtoms(
            symbols=atoms.get_chemical_symbols(),
            cell=atoms.cell[:],
            scaled_positions=atoms.get_scaled_positions(),
        )
        phonon = phonopy.Phonopy(cell, np.eye(3, dtype=int), primitive_matrix=np.eye(3), log_level=0)
        phonon.generate_displacements(distance=0.01)
        found = []
        for s in phonon.supercells_with_displacements:
            moved = Atoms(s.symbols, cell=s.cell, scaled_positions=s.scaled_positions, pbc=True)
            moved.calc = EMT()
            found.append(moved.get_forces())
        phonon.forces = np.array(found)
        phonon.save(folder / f"{name}.yaml", settings={"force_constants": False})
    return float(energies[1] - energies[0])


def refused(source: object, match: str, **options: object) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_spectrum(source, **options)  # type: ignore[arg-type]
    assert all(p.remedy for p in error.value.problems)
