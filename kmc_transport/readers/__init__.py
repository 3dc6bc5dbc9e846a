"""Reads what first-principles codes wrote into frozen records; uses pymatgen, ASE and phonopy where they can."""

from .paths import PATH_KINDS, read_path
from .records import MigrationPath, Spectrum
from .spectra import read_spectrum

__all__ = ["PATH_KINDS", "MigrationPath", "Spectrum", "read_path", "read_spectrum"]
