"""What is read from the outputs of first-principles codes, frozen: paths, phonon spectra, Born charges, dipoles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ndarrays import FloatArray

__all__ = ["BornCharges", "MigrationPath", "PolarizationPath", "Snapshot", "Spectrum"]


@dataclass(frozen=True, eq=False, kw_only=True)
class MigrationPath:
    """Energy along a path from one minimum over a saddle to another.

    energy : (n_images,) eV, of the first image 0.
    coordinate : (n_images,) reaction coordinate, ascending from 0: Å along the path where positions are known,
        else as the file gives it (``coordinate_unit``).
    energy_error : (n_images,) error of the energy that the file states, eV, or None.
    force_error : (n_images,) largest force left across the path that the code states, eV/Å, or None.
    positions : (n_images, n_atoms, 3) Cartesian, Å, each atom followed across the periodic boundary, or None.
    cell : (3, 3) Å or None. symbols : element of each atom, or None.
    barrier_forward, barrier_reverse : from the maximum of the interpolated energy, eV.
    saddle_coordinate : where that maximum lies. energy_difference : last image minus first, eV.
    displacement : (n_atoms, 3) of each atom from the first image to the saddle, Å, or None.
    migrating_atom : index of the atom with the largest displacement to the saddle (or as told), or None.
    interpolation : how the maximum between the images was found.
    source : file, and what in it.
    """

    energy: FloatArray
    coordinate: FloatArray
    coordinate_unit: str
    energy_error: FloatArray | None
    positions: FloatArray | None
    cell: FloatArray | None
    symbols: tuple[str, ...] | None
    barrier_forward: float
    barrier_reverse: float
    saddle_coordinate: float
    energy_difference: float
    displacement: FloatArray | None
    migrating_atom: int | None
    interpolation: str
    source: str
    notes: tuple[str, ...] = ()
    force_error: FloatArray | None = None

    @property
    def path_length(self) -> float | None:
        """Å, or None without positions."""
        return float(self.coordinate[-1]) if self.coordinate_unit == "Å" else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum:
    """Phonon frequencies of one configuration.

    frequency : (n_q, n_modes) THz; imaginary ones negative, as phonopy writes them.
    weight : (n_q,) sums to 1. qpoint : (n_q, 3) fractional, or None for a plain list (then Gamma alone).
    n_atoms : of the cell that was computed, or None when only a list is known.
    mesh : sampling of the Brillouin zone, or None. cell : (3, 3) Å or None.
    gamma : index of the Gamma point among the q-points, or None.
    without_acoustic : whether the three acoustic modes at Gamma are already left out (plain lists usually).
    source : file, and what in it.
    """

    frequency: FloatArray
    weight: FloatArray
    qpoint: FloatArray | None
    n_atoms: int | None
    mesh: tuple[int, int, int] | None
    cell: FloatArray | None
    gamma: int | None
    without_acoustic: bool
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Atoms of one structure. cell : (3, 3) rows, Å. positions : (n_atoms, 3) Cartesian, Å."""

    cell: FloatArray
    positions: FloatArray
    symbols: tuple[str, ...]
    source: str


@dataclass(frozen=True, eq=False, kw_only=True)
class BornCharges:
    """Born effective charges, in the convention ``Z_ab = dP_a/dr_b`` (so that force = Z^T E); e.

    tensors : (n_atoms, 3, 3); not symmetric in general.
    symbols : element of each atom, or None. cell : (3, 3) rows, Å, or None. positions : (n_atoms, 3) Å, or None.
    cell_charge : charge of the cell as the file states or the user tells, e; None when nobody said.
    source : file, and what in it.
    """

    tensors: FloatArray
    symbols: tuple[str, ...] | None
    cell: FloatArray | None
    positions: FloatArray | None
    cell_charge: float | None
    source: str
    notes: tuple[str, ...] = ()

    @property
    def sum_rule_violation(self) -> FloatArray:
        """(3, 3) sum over atoms minus charge of the cell times unity (acoustic sum rule: 0), e.

        A cell of unknown charge is taken as neutral.
        """
        return self.tensors.sum(axis=0) - (self.cell_charge or 0.0) * np.eye(3)

    @property
    def isotropic(self) -> FloatArray:
        """(n_atoms,) Tr(Z)/3, e."""
        return np.trace(self.tensors, axis1=1, axis2=2) / 3.0


@dataclass(frozen=True, eq=False, kw_only=True)
class PolarizationPath:
    """Dipole of the cell along a path, p = Omega P, on one continuous branch.

    dipole : (n_images, 3) e·Å. quantum : (3, 3) rows, e·Å, e times the cell: the dipole of one image is known
        modulo whole multiples of these.
    positions : (n_images, n_atoms, 3) Å, each atom followed across the boundary. cells : (n_images, 3, 3) Å.
    symbols : element of each atom. cell_charge : e; with it, a rigid translation t changes the dipole by charge*t.
    order : for each image, its place among the sources as given, from 0.
    largest_jump : of the dipole between neighbouring images, in parts of the jump to the next branch (sure: < 0.5).
    sources : file of each image.
    """

    dipole: FloatArray
    quantum: FloatArray
    positions: FloatArray
    cells: FloatArray
    symbols: tuple[str, ...]
    cell_charge: float
    order: tuple[int, ...]
    largest_jump: float
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> FloatArray:
        """(3,) dipole of the last image minus that of the first, e·Å."""
        return self.dipole[-1] - self.dipole[0]

    @property
    def polarization_change(self) -> FloatArray:
        """(3,) change of the polarization, µC/cm²; where the cell changes, in that of the polar image."""
        return self.change / abs(np.linalg.det(self.quantum)) * _E_PER_A2


_E_PER_A2 = 1.602176634e-19 * 1e6 / 1e-16  # e/Å² in µC/cm²
