"""Reads what first-principles codes wrote into frozen records; uses pymatgen, ASE and phonopy where they can."""

from .born.berry import berry_path, polarization_path, read_polarization_path
from .born.read import BORN_KINDS, read_born_charges, spread_sum_rule
from .matching import match_atoms
from .paths.read import PATH_KINDS, read_path
from .records import BornCharges, MigrationPath, PolarizationPath, Snapshot, Spectrum
from .spectra.read import read_spectrum
from .structures.read import read_structure

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
