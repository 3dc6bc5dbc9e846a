"""Reads what first-principles codes wrote into frozen records; uses pymatgen, ASE and phonopy where they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily

_WHERE = {
    "BORN_KINDS": "born.read",
    "BornCharges": "records",
    "MigrationPath": "records",
    "PATH_KINDS": "paths.read",
    "PolarizationPath": "records",
    "Snapshot": "records",
    "Spectrum": "records",
    "berry_path": "born.berry",
    "match_atoms": "matching",
    "polarization_path": "born.berry",
    "read_born_charges": "born.read",
    "read_path": "paths.read",
    "read_polarization_path": "born.berry",
    "read_spectrum": "spectra.read",
    "read_structure": "structures.read",
    "spread_sum_rule": "born.read",
}

__all__ = [
    "BORN_KINDS",
    "PATH_KINDS",
    "BornCharges",
    "MigrationPath",
    "PolarizationPath",
    "Snapshot",
    "Spectrum",
    "berry_path",
    "match_atoms",
    "polarization_path",
    "read_born_charges",
    "read_path",
    "read_polarization_path",
    "read_spectrum",
    "read_structure",
    "spread_sum_rule",
]

if TYPE_CHECKING:
    from .born.berry import berry_path, polarization_path, read_polarization_path
    from .born.read import BORN_KINDS, read_born_charges, spread_sum_rule
    from .matching import match_atoms
    from .paths.read import PATH_KINDS, read_path
    from .records import BornCharges, MigrationPath, PolarizationPath, Snapshot, Spectrum
    from .spectra.read import read_spectrum
    from .structures.read import read_structure

__getattr__ = lazily(__name__, _WHERE)
