"""Dipole change up to the saddle of a hop, at the levels of approximation of Salles 2020, Table 1."""

from .images import HopImages, hop_images
from .levels import saddle_dipole_levels
from .table import DipoleLevel, DipoleTable, Verdict

__all__ = ["DipoleLevel", "DipoleTable", "HopImages", "Verdict", "hop_images", "saddle_dipole_levels"]
