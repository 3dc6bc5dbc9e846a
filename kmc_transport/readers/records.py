"""What is read from the outputs of first-principles codes, frozen: migration paths and phonon spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MigrationPath", "Spectrum"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
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
